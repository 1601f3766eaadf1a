//! A card as it is sent, and what Checkout.com's published test values do.

use panvault_model::Timestamp;
use serde_json::{Value, json};

use super::{Object, invalid, text};
use crate::psp::{PspAnswer, is_card_number, is_cryptogram, is_digits, last_four};

const SOURCE: &[&str] = &[
    "type",
    "number",
    "expiry_month",
    "expiry_year",
    "name",
    "cvv",
    "stored",
    "store_for_future_use",
    "billing_address",
    "phone",
];

const TOKEN_SOURCE: &[&str] = &[
    "type",
    "token",
    "token_type",
    "expiry_month",
    "expiry_year",
    "cryptogram",
    "eci",
    "name",
    "stored",
    "billing_address",
    "phone",
];

/// The last two digits of an amount of five, and the response code that they lead to: the page on testing response codes.
const AMOUNTS: [(u64, &str); 8] = [
    (5, "20005"),
    (12, "20012"),
    (14, "20014"),
    (51, "20051"),
    (54, "20087"),
    (62, "20062"),
    (63, "20063"),
    (68, "20068"),
];

/// All of a card that is kept.
pub(super) struct Card {
    last_four: String,
    expiry: (u64, u64),
    scheme: &'static str,
    cvv_check: Option<&'static str>,
    has_address: bool,
}

impl Card {
    pub(super) fn read(body: &Object, now: Timestamp) -> Result<Self, PspAnswer> {
        let source = body.get("source").and_then(Value::as_object);
        let source = source.ok_or_else(|| invalid("source_required"))?;
        let kind = text(source, "type", 20)?;
        let (known, number) = match kind.as_deref() {
            Some("card") => (SOURCE, "number"),
            Some("network_token") => (TOKEN_SOURCE, "token"),
            Some(_) | None => return Err(invalid("source_type_invalid")),
        };
        if source.keys().any(|name| !known.contains(&name.as_str())) {
            return Err(invalid("request_body_unknown_field"));
        }
        let is_token = number == "token";
        let number = text(source, number, 19)?.ok_or_else(|| invalid("card_number_required"))?;
        if is_token {
            network_token(source, &number, body.get("merchant_initiated") == Some(&json!(true)))?;
        }
        if !is_card_number(&number) {
            return Err(invalid("card_number_invalid"));
        }
        // Numbers, not texts.
        let whole = |name: &str| source.get(name).and_then(Value::as_u64);
        let month = whole("expiry_month").filter(|month| (1..=12).contains(month));
        let month = month.ok_or_else(|| invalid("card_expiry_month_invalid"))?;
        let year = whole("expiry_year").filter(|year| (2000..=9999).contains(year));
        let year = year.ok_or_else(|| invalid("card_expiry_year_invalid"))?;
        let (this_year, this_month) = now.year_month();
        if (year, month) < (this_year.into(), this_month.into()) {
            return Err(invalid("card_expired"));
        }
        let cvv = text(source, "cvv", 4)?;
        let is_amex = number.starts_with("34") || number.starts_with("37");
        let digits = if is_amex { 4..=4 } else { 3..=3 };
        if cvv.as_deref().is_some_and(|cvv| !is_digits(cvv, digits)) {
            return Err(invalid("cvv_invalid"));
        }
        let cvv_check = match cvv.as_deref() {
            None => None,
            Some("100") => Some("N"),
            Some("101") => Some("P"),
            Some("102") => Some("U"),
            Some(_) => Some("Y"),
        };
        let scheme = match number.as_bytes() {
            [b'4', ..] => "Visa",
            [b'5' | b'2', ..] => "Mastercard",
            [b'3', b'4' | b'7', ..] => "American Express",
            _ => "Other",
        };
        let has_address = source.contains_key("billing_address");
        Ok(Self {
            last_four: last_four(&number).to_owned(),
            expiry: (month, year),
            scheme,
            cvv_check,
            has_address,
        })
    }

    pub(super) fn shown(&self) -> Value {
        let (month, year) = self.expiry;
        let mut shown = json!({
            "type": "card", "expiry_month": month, "expiry_year": year, "scheme": self.scheme, "last4": self.last_four,
            "fingerprint": "0fake",
        });
        if let Some(check) = self.cvv_check {
            shown["cvv_check"] = json!(check);
        }
        if self.has_address {
            shown["avs_check"] = json!("S");
        }
        shown
    }
}

/// Who made the token, and the cryptogram without which only a merchant pays that began a series.
fn network_token(source: &Object, number: &str, is_merchant_initiated: bool) -> Result<(), PspAnswer> {
    let made_by = match number.as_bytes() {
        [b'4', ..] => "vts",
        [b'5' | b'2', ..] => "mdes",
        _ => return Err(invalid("token_type_invalid")),
    };
    match text(source, "token_type", 20)?.as_deref() {
        Some("applepay" | "googlepay") => {}
        Some(kind) if kind == made_by => {}
        Some(_) => return Err(invalid("token_type_invalid")),
        None => return Err(invalid("token_type_required")),
    }
    if text(source, "eci", 2)?.is_some_and(|eci| !is_digits(&eci, 2..=2)) {
        return Err(invalid("eci_invalid"));
    }
    match text(source, "cryptogram", 60)? {
        Some(text) if !is_cryptogram(&text) => Err(invalid("cryptogram_invalid")),
        None if !is_merchant_initiated => Err(invalid("cryptogram_required")),
        Some(_) | None => Ok(()),
    }
}

pub(super) fn response_code(amount: u64) -> &'static str {
    let found =
        AMOUNTS.iter().find(|(ending, _)| (10_000..100_000).contains(&amount) && amount % 100 == *ending);
    found.map_or("10000", |(_, code)| code)
}

pub(super) fn summary(code: &str) -> &'static str {
    match code {
        "10000" => "Approved",
        "20005" => "Declined - Do Not Honour",
        "20051" => "Insufficient Funds",
        _ => "Declined",
    }
}
