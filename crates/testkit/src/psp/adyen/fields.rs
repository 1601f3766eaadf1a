//! Which fields there are, and how those are read that several requests have.

use serde_json::Value;

use super::{ADYEN_MERCHANT_ACCOUNT, Object, error, unknown};
use crate::psp::{PspAnswer, PspRequest};

pub(super) const PAYMENT: &[&str] = &[
    "additionalData",
    "amount",
    "authenticationData",
    "billingAddress",
    "browserInfo",
    "captureDelayHours",
    "channel",
    "deliveryAddress",
    "merchantAccount",
    "merchantOrderReference",
    "metadata",
    "mpiData",
    "origin",
    "paymentMethod",
    "recurringProcessingModel",
    "reference",
    "returnUrl",
    "shopperEmail",
    "shopperIP",
    "shopperInteraction",
    "shopperName",
    "shopperReference",
    "shopperStatement",
    "storePaymentMethod",
];

pub(super) const MODIFICATION: &[&str] =
    &["amount", "merchantAccount", "merchantRefundReason", "reference", "store"];

/// ISO 4217.
const CURRENCIES: [&str; 14] =
    ["AUD", "BHD", "CAD", "CHF", "DKK", "EUR", "GBP", "JPY", "KRW", "KWD", "NOK", "PLN", "SEK", "USD"];

/// The body, an object with fields that are known.
pub(super) fn read(request: &PspRequest, name: &str, known: &[&str]) -> Result<Object, PspAnswer> {
    let bad = || error(400, "702", "Invalid JSON", "validation");
    let body: Value = serde_json::from_slice(&request.body).map_err(|_| bad())?;
    let Value::Object(body) = body else { return Err(bad()) };
    if body.keys().all(|name| known.contains(&name.as_str())) { Ok(body) } else { Err(unknown(name)) }
}

/// A text; `None` where there is none or it is empty.
pub(super) fn text(object: &Object, name: &str) -> Result<Option<String>, PspAnswer> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= 8000 => {
            Ok(Some(text.clone()).filter(|text| !text.is_empty()))
        }
        Some(_) => Err(error(400, "702", "A field has the wrong type", "validation")),
    }
}

pub(super) fn merchant(body: &Object) -> Result<(), PspAnswer> {
    match text(body, "merchantAccount")?.as_deref() {
        Some(ADYEN_MERCHANT_ACCOUNT) => Ok(()),
        Some(_) => Err(error(403, "901", "Invalid Merchant Account", "security")),
        None => Err(required("901", "Invalid Merchant Account")),
    }
}

pub(super) fn amount(body: &Object) -> Result<(u64, String), PspAnswer> {
    let amount = body.get("amount").and_then(Value::as_object);
    let amount = amount.ok_or_else(|| required("100", "No amount specified"))?;
    if amount.keys().any(|name| name != "value" && name != "currency") {
        return Err(unknown("Amount"));
    }
    let currency = text(amount, "currency")?.filter(|currency| CURRENCIES.contains(&currency.as_str()));
    let currency = currency.ok_or_else(|| required("138", "Unsupported currency specified"))?;
    // A number, never a text of digits.
    let value = amount.get("value").and_then(Value::as_u64);
    Ok((value.ok_or_else(|| required("137", "Invalid amount specified"))?, currency))
}

/// A field that is missing or out of its range.
pub(super) fn required(code: &str, message: &str) -> PspAnswer {
    error(422, code, message, "validation")
}
