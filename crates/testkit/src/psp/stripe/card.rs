//! A card as it is sent, and what Stripe's published test numbers do.

use panvault_model::Timestamp;
use serde_json::{Value, json};

use super::{Form, fault, invalid, required};
use crate::psp::{PspAnswer, is_card_number, is_cryptogram, is_digits, last_four};

/// What a card does.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Approved,
    /// Error code and decline code.
    Refused(&'static str, Option<&'static str>),
    /// Approved, and what was sent as CVC is not the right one.
    CvcFails,
    NeedsAuthentication,
    RefundPends,
    RefundFails,
}

/// Published test numbers: <https://docs.stripe.com/testing>.
const FATES: [(&str, Fate); 13] = [
    ("4000000000000002", Fate::Refused("card_declined", Some("generic_decline"))),
    ("4000000000009995", Fate::Refused("card_declined", Some("insufficient_funds"))),
    ("4000000000009987", Fate::Refused("card_declined", Some("lost_card"))),
    ("4000000000009979", Fate::Refused("card_declined", Some("stolen_card"))),
    ("4100000000000019", Fate::Refused("card_declined", Some("fraudulent"))),
    ("4000000000000069", Fate::Refused("expired_card", None)),
    ("4000000000000127", Fate::Refused("incorrect_cvc", None)),
    ("4000000000000119", Fate::Refused("processing_error", None)),
    ("4000000000000101", Fate::CvcFails),
    ("4000002500003155", Fate::NeedsAuthentication),
    ("4000002760003184", Fate::NeedsAuthentication),
    ("4000000000007726", Fate::RefundPends),
    ("4000000000005126", Fate::RefundFails),
];

/// All of a card that is kept.
pub(super) struct Card {
    fate: Fate,
    brand: &'static str,
    last_four: String,
    expiry: (u64, u64),
    has_cvc: bool,
    has_address: bool,
    is_authenticated: bool,
}

impl Card {
    pub(super) fn read(form: &Form, now: Timestamp) -> Result<Self, PspAnswer> {
        let field = |name: &'static str| form.get(name).map(String::as_str);
        match field("payment_method_data[type]") {
            Some("card") => {}
            Some(_) => return Err(invalid("payment_method_data[type]")),
            None => return Err(required("payment_method_data[type]")),
        }
        let needed = |name: &'static str| field(name).ok_or_else(|| required(name));
        let is_token = network_token(form)?;
        let number = needed(if is_token { TOKEN_NUMBER } else { "payment_method_data[card][number]" })?;
        if !is_card_number(number) {
            return Err(refused("incorrect_number", "Your card number is incorrect."));
        }
        let month = needed("payment_method_data[card][exp_month]")?;
        let month = month.parse().ok().filter(|number| (1..=12).contains(number) && is_digits(month, 1..=2));
        let month: u64 = month
            .ok_or_else(|| refused("invalid_expiry_month", "Your card's expiration month is invalid."))?;
        let year = needed("payment_method_data[card][exp_year]")?;
        let whole = |year: &str| match year.len() {
            2 => year.parse().ok().map(|year: u64| 2000 + year),
            4 => year.parse().ok(),
            _ => None,
        };
        let (this_year, this_month) = now.year_month();
        let year: u64 = whole(year)
            .filter(|year| (*year, month) >= (this_year.into(), this_month.into()))
            .ok_or_else(|| refused("invalid_expiry_year", "Your card's expiration year is invalid."))?;
        let brand = brand(number);
        let cvc = field("payment_method_data[card][cvc]");
        let digits = if brand == "amex" { 3..=4 } else { 3..=3 };
        if cvc.is_some_and(|cvc| !is_digits(cvc, digits)) {
            return Err(refused("invalid_cvc", "Your card's security code is invalid."));
        }
        let fate = FATES.iter().find(|(known, _)| *known == number);
        Ok(Self {
            fate: fate.map_or(Fate::Approved, |(_, fate)| *fate),
            brand,
            last_four: last_four(number).to_owned(),
            expiry: (month, year),
            has_cvc: cvc.is_some(),
            has_address: form.keys().any(|name| name.contains("[address]")),
            is_authenticated: authenticated(form)?,
        })
    }

    /// The error that a payment with it ends in.
    pub(super) fn refusal(&self) -> Option<Value> {
        let (code, decline_code) = match self.fate {
            // Only a code that is sent can be a wrong one.
            Fate::Refused("incorrect_cvc", _) if !self.has_cvc => return None,
            Fate::Refused(code, decline_code) => (code, decline_code),
            Fate::Approved
            | Fate::CvcFails
            | Fate::NeedsAuthentication
            | Fate::RefundPends
            | Fate::RefundFails => return None,
        };
        let words = match code {
            "expired_card" => "Your card has expired.",
            "incorrect_cvc" => "Your card's security code is incorrect.",
            "processing_error" => "An error occurred while processing your card.",
            _ => "Your card was declined.",
        };
        let mut error = json!({ "type": "card_error", "code": code, "message": words, "charge": "ch_3Fake" });
        if let Some(decline_code) = decline_code {
            error["decline_code"] = json!(decline_code);
        }
        Some(error)
    }

    pub(super) fn needs_authentication(&self) -> bool {
        self.fate == Fate::NeedsAuthentication
    }

    pub(super) fn is_authenticated(&self) -> bool {
        self.is_authenticated
    }

    pub(super) fn refund_status(&self) -> &'static str {
        match self.fate {
            Fate::RefundPends | Fate::RefundFails => "pending",
            Fate::Approved | Fate::Refused(..) | Fate::CvcFails | Fate::NeedsAuthentication => "succeeded",
        }
    }

    pub(super) fn method_id(&self, of: &str) -> String {
        format!("pm_{}", of.rsplit('_').next().unwrap_or_default())
    }

    pub(super) fn outcome(&self) -> Value {
        match self.fate {
            Fate::Refused(code, decline_code) => json!({
                "network_status": "declined_by_network", "reason": decline_code.unwrap_or(code), "type": "issuer_declined",
            }),
            Fate::Approved
            | Fate::CvcFails
            | Fate::NeedsAuthentication
            | Fate::RefundPends
            | Fate::RefundFails => {
                json!({ "network_status": "approved_by_network", "reason": null, "type": "authorized" })
            }
        }
    }

    pub(super) fn details(&self, of: &str) -> Value {
        let cvc = match self.fate {
            _ if !self.has_cvc => None,
            Fate::CvcFails | Fate::Refused("incorrect_cvc", _) => Some("fail"),
            Fate::Refused(..) => Some("unchecked"),
            Fate::Approved | Fate::NeedsAuthentication | Fate::RefundPends | Fate::RefundFails => {
                Some("pass")
            }
        };
        let address = self.has_address.then_some("pass");
        let (month, year) = self.expiry;
        json!({
            "brand": self.brand, "last4": self.last_four, "exp_month": month, "exp_year": year, "authorization_code": "123456",
            "checks": { "address_line1_check": address, "address_postal_code_check": address, "cvc_check": cvc },
            "network_transaction_id": format!("{:015}", of.bytes().fold(7_u64, |sum, byte| sum * 31 % 999_999_999_999_989 + u64::from(byte))),
            "three_d_secure": self.is_authenticated.then(|| json!({ "result": "authenticated" })),
        })
    }
}

const TOKEN_NUMBER: &str = "payment_method_data[card][network_token][number]";

/// Whether the card is a network token, with all that goes with one and nothing that does not.
fn network_token(form: &Form) -> Result<bool, PspAnswer> {
    const CRYPTOGRAM: &str = "payment_method_options[card][network_token][cryptogram]";
    const ECI: &str = "payment_method_options[card][network_token][electronic_commerce_indicator]";
    let field = |name: &str| form.get(name).map(String::as_str);
    if field(TOKEN_NUMBER).is_none() {
        let strays = form.keys().find(|name| name.contains("[network_token]"));
        return strays.map_or(Ok(false), |_| Err(required(TOKEN_NUMBER)));
    }
    for name in ["payment_method_data[card][number]", "payment_method_data[card][cvc]"] {
        if field(name).is_some() {
            return Err(invalid(name));
        }
    }
    for name in [
        "payment_method_data[card][last4]",
        "payment_method_data[card][network_token][exp_month]",
        "payment_method_data[card][network_token][exp_year]",
    ] {
        if field(name).is_none() {
            return Err(required(name));
        }
    }
    let is_later = field("off_session") == Some("true");
    match field(CRYPTOGRAM) {
        Some(text) if !is_cryptogram(text) => return Err(invalid(CRYPTOGRAM)),
        None if !is_later => return Err(required(CRYPTOGRAM)),
        Some(_) | None => {}
    }
    match field(ECI) {
        Some(text) if !is_digits(text, 2..=2) => Err(invalid(ECI)),
        Some(_) | None => Ok(true),
    }
}

/// What was authenticated elsewhere has a cryptogram, the transaction of the directory server and a version.
fn authenticated(form: &Form) -> Result<bool, PspAnswer> {
    let of = |name: &str| format!("payment_method_options[card][three_d_secure][{name}]");
    let has = |name: &str| form.contains_key(&of(name));
    let names = ["cryptogram", "transaction_id", "version"];
    if names.iter().all(|name| has(name)) {
        let version = form.get(&of("version")).map(String::as_str).unwrap_or_default();
        return if ["1.0.2", "2.1.0", "2.2.0"].contains(&version) {
            Ok(true)
        } else {
            Err(invalid("payment_method_options[card][three_d_secure][version]"))
        };
    }
    match names.iter().any(|name| has(name)) {
        true => Err(required("payment_method_options[card][three_d_secure]")),
        false => Ok(false),
    }
}

fn brand(number: &str) -> &'static str {
    match number.as_bytes() {
        [b'4', ..] => "visa",
        [b'5' | b'2', ..] => "mastercard",
        [b'3', b'4' | b'7', ..] => "amex",
        [b'3', b'5', ..] => "jcb",
        [b'3', ..] => "diners",
        [b'6', b'2', ..] => "unionpay",
        [b'6', ..] => "discover",
        _ => "unknown",
    }
}

/// What is wrong with a card before anybody was asked is also a card's error, with status 402.
fn refused(code: &str, words: &str) -> PspAnswer {
    let mut answer = fault(402, words, Some(code), None);
    answer.body["error"]["type"] = json!("card_error");
    answer
}
