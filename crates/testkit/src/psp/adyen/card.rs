//! A card as it is sent, and what Adyen's published test values do.

use panvault_model::Timestamp;
use serde_json::Value;

use super::fields::{required, text};
use super::{Object, unknown};
use crate::psp::{PspAnswer, is_card_number, is_cryptogram, is_digits, last_four};

const METHOD: &[&str] = &[
    "type",
    "number",
    "expiryMonth",
    "expiryYear",
    "cvc",
    "holderName",
    "brand",
    "networkPaymentReference",
    "storedPaymentMethodId",
];

const MPI_DATA: &[&str] = &[
    "authenticationResponse",
    "cavv",
    "cavvAlgorithm",
    "challengeCancel",
    "directoryResponse",
    "dsTransID",
    "eci",
    "riskScore",
    "threeDSVersion",
    "tokenAuthenticationVerificationValue",
    "transStatusReason",
    "xid",
];

/// Numbers of <https://docs.adyen.com/development-resources/test-cards-and-credentials/test-card-numbers>: the security code of all is 737 (7373).
const NUMBERS: [&str; 6] = [
    "4111111111111111",
    "4988438843884305",
    "5555444433331111",
    "2222400070000005",
    "370000000000002",
    "4646464646464644",
];

/// What a holder's name, or the number of it in `additionalData.RequestedTestAcquirerResponseCode`, leads to:
/// <https://docs.adyen.com/development-resources/testing/result-codes>.
const OUTCOMES: [(&str, u8, &str, &str); 15] = [
    ("UNKNOWN", 0, "Error", "Unknown"),
    ("DECLINED", 2, "Refused", "Refused"),
    ("REFERRAL", 3, "Refused", "Referral"),
    ("ERROR", 4, "Error", "Acquirer Error"),
    ("BLOCK_CARD", 5, "Refused", "Blocked Card"),
    ("CARD_EXPIRED", 6, "Refused", "Expired Card"),
    ("INVALID_AMOUNT", 7, "Refused", "Invalid Amount"),
    ("INVALID_CARD", 8, "Refused", "Invalid Card Number"),
    ("NOT_SUPPORTED", 10, "Refused", "Not supported"),
    ("NOT_3D_AUTHENTICATED", 11, "Refused", "3D Not Authenticated"),
    ("NOT_ENOUGH_BALANCE", 12, "Refused", "Not enough balance"),
    ("TRANSACTION_NOT_PERMITTED", 23, "Refused", "Transaction Not Permitted"),
    ("CVC_DECLINED", 24, "Refused", "CVC Declined"),
    ("RESTRICTED_CARD", 25, "Refused", "Restricted Card"),
    ("WITHDRAWAL_AMOUNT_EXCEEDED", 28, "Refused", "Withdrawal amount exceeded"),
];

/// All of a card that is kept for an answer.
pub(super) struct Card {
    pub(super) last_four: String,
    pub(super) expiry: String,
    pub(super) brand: &'static str,
    pub(super) cvc_result: &'static str,
    holder: Option<String>,
}

/// What becomes of a payment.
pub(super) struct Outcome {
    pub(super) result: &'static str,
    pub(super) code: u8,
    pub(super) reason: Option<&'static str>,
}

pub(super) fn read(body: &Object, now: Timestamp) -> Result<Card, PspAnswer> {
    let method = body.get("paymentMethod").and_then(Value::as_object);
    let method = method.ok_or_else(|| required("14_002", "Missing paymentMethod"))?;
    if method.keys().any(|name| !METHOD.contains(&name.as_str())) {
        return Err(unknown("CheckoutPaymentMethod"));
    }
    let is_token = match text(method, "type")?.as_deref() {
        Some("scheme") => false,
        Some("networkToken") => true,
        Some(_) | None => return Err(required("14_006", "Unsupported payment method")),
    };
    let is_later = text(body, "shopperInteraction")?.as_deref() == Some("ContAuth");
    let has_cryptogram = authentication(body)?;
    if is_token && !has_cryptogram && !is_later {
        return Err(required("14_030", "tokenAuthenticationVerificationValue is missing"));
    }
    if (is_token && method.contains_key("cvc")) || (!is_token && has_cryptogram) {
        return Err(unknown("CheckoutPaymentMethod"));
    }
    let number = text(method, "number")?.filter(|number| is_card_number(number));
    let number = number.ok_or_else(|| required("101", "Invalid card number"))?;
    let expiry = || required("129", "Expiry Date Invalid");
    let month = text(method, "expiryMonth")?.filter(|month| is_digits(month, 1..=2)).ok_or_else(expiry)?;
    let year = text(method, "expiryYear")?.filter(|year| is_digits(year, 4..=4)).ok_or_else(expiry)?;
    let at: (u16, u8) = (year.parse().map_err(|_| expiry())?, month.parse().map_err(|_| expiry())?);
    if !(1..=12).contains(&at.1) || at < now.year_month() {
        return Err(expiry());
    }
    let is_amex = number.starts_with("34") || number.starts_with("37");
    let digits = if is_amex { 4..=4 } else { 3..=3 };
    let cvc = text(method, "cvc")?;
    if cvc.as_deref().is_some_and(|cvc| !is_digits(cvc, digits)) {
        return Err(required("103", "CVC is not the right length"));
    }
    let is_published = NUMBERS.contains(&number.as_str());
    let cvc_result = match cvc.as_deref() {
        None => "3 Not checked",
        Some("737" | "7373") => "1 Matches",
        Some(_) if is_published => "2 Doesn't match",
        Some(_) => "1 Matches",
    };
    let brand = match number.as_bytes() {
        [b'4', ..] => "visa",
        [b'5' | b'2', ..] => "mc",
        [b'3', b'4' | b'7', ..] => "amex",
        _ => "other",
    };
    let last_four = last_four(&number).to_owned();
    Ok(Card {
        last_four,
        expiry: format!("{month}/{year}"),
        brand,
        cvc_result,
        holder: text(method, "holderName")?,
    })
}

/// What was authenticated elsewhere: fields that are known, of values that they have. Whether the cryptogram of a network token is among them.
fn authentication(body: &Object) -> Result<bool, PspAnswer> {
    let Some(data) = body.get("mpiData") else { return Ok(false) };
    let data = data.as_object().ok_or_else(|| unknown("ThreeDSecureData"))?;
    if data.keys().any(|name| !MPI_DATA.contains(&name.as_str())) {
        return Err(unknown("ThreeDSecureData"));
    }
    let wrong = || required("14_031", "Invalid mpiData");
    let one_of = |name: &str, known: &str| match text(data, name)? {
        Some(text) if text.len() != 1 || !known.contains(text.as_str()) => Err(wrong()),
        Some(_) | None => Ok(()),
    };
    one_of("directoryResponse", "ACDINRUY")?;
    one_of("authenticationResponse", "YNUA")?;
    if text(data, "eci")?.is_some_and(|eci| !is_digits(&eci, 2..=2)) {
        return Err(wrong());
    }
    match text(data, "tokenAuthenticationVerificationValue")? {
        Some(text) if !is_cryptogram(&text) => Err(wrong()),
        Some(_) => Ok(true),
        None => Ok(false),
    }
}

pub(super) fn outcome(body: &Object, card: &Card) -> Result<Outcome, PspAnswer> {
    let additional = body.get("additionalData").and_then(Value::as_object);
    let asked = match additional {
        Some(data) => text(data, "RequestedTestAcquirerResponseCode")?,
        None => None,
    };
    let holder = card.holder.as_deref();
    let found = OUTCOMES.iter().find(|(name, code, _, _)| {
        holder == Some(name) || asked.as_deref().is_some_and(|asked| asked.parse() == Ok(*code))
    });
    Ok(match found {
        Some((_, code, result, reason)) => Outcome { result, code: *code, reason: Some(reason) },
        None if card.cvc_result.starts_with('2') => {
            Outcome { result: "Refused", code: 24, reason: Some("CVC Declined") }
        }
        None => Outcome { result: "Authorised", code: 1, reason: None },
    })
}
