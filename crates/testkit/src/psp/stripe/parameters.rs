//! Which parameters there are, and how those are read that several requests have.

use serde_json::{Map, Value};

use super::{Form, fault, invalid, required};
use crate::psp::{PspAnswer, is_digits};

/// The version of the API that is spoken.
pub(super) const VERSION: &str = "2025-09-30.clover";

/// A name that ends in `[*]` stands for every member of an object.
pub(super) const CREATE: &[&str] = &[
    "amount",
    "currency",
    "confirm",
    "capture_method",
    "confirmation_method",
    "description",
    "expand[]",
    "expand[0]",
    "error_on_requires_action",
    "metadata[*]",
    "off_session",
    "payment_method_types[]",
    "payment_method_types[0]",
    "automatic_payment_methods[enabled]",
    "automatic_payment_methods[allow_redirects]",
    "payment_method_data[type]",
    "payment_method_data[card][number]",
    "payment_method_data[card][exp_month]",
    "payment_method_data[card][exp_year]",
    "payment_method_data[card][cvc]",
    "payment_method_data[card][last4]",
    "payment_method_data[card][network_token][number]",
    "payment_method_data[card][network_token][exp_month]",
    "payment_method_data[card][network_token][exp_year]",
    "payment_method_data[card][network_token][payment_account_reference]",
    "payment_method_data[billing_details][name]",
    "payment_method_data[billing_details][email]",
    "payment_method_data[billing_details][phone]",
    "payment_method_data[billing_details][address][*]",
    "payment_method_data[metadata][*]",
    "payment_method_options[card][capture_method]",
    "payment_method_options[card][moto]",
    "payment_method_options[card][network]",
    "payment_method_options[card][network_token][cryptogram]",
    "payment_method_options[card][network_token][electronic_commerce_indicator]",
    "payment_method_options[card][mit_exemption][network_transaction_id]",
    "payment_method_options[card][request_three_d_secure]",
    "payment_method_options[card][three_d_secure][ares_trans_status]",
    "payment_method_options[card][three_d_secure][cryptogram]",
    "payment_method_options[card][three_d_secure][electronic_commerce_indicator]",
    "payment_method_options[card][three_d_secure][exemption_indicator]",
    "payment_method_options[card][three_d_secure][requestor_challenge_indicator]",
    "payment_method_options[card][three_d_secure][transaction_id]",
    "payment_method_options[card][three_d_secure][version]",
    "payment_method_options[card][setup_future_usage]",
    "return_url",
    "setup_future_usage",
    "statement_descriptor",
    "statement_descriptor_suffix",
];

pub(super) const CAPTURE: &[&str] = &[
    "amount_to_capture",
    "expand[]",
    "expand[0]",
    "final_capture",
    "metadata[*]",
    "statement_descriptor",
    "statement_descriptor_suffix",
];

pub(super) const CANCEL: &[&str] = &["cancellation_reason", "expand[]", "expand[0]"];

pub(super) const REFUND: &[&str] =
    &["amount", "expand[]", "expand[0]", "metadata[*]", "payment_intent", "reason"];

pub(super) const SETUP: &[&str] = &[
    "confirm",
    "description",
    "expand[]",
    "expand[0]",
    "metadata[*]",
    "payment_method_types[]",
    "payment_method_types[0]",
    "automatic_payment_methods[enabled]",
    "automatic_payment_methods[allow_redirects]",
    "payment_method_data[type]",
    "payment_method_data[card][number]",
    "payment_method_data[card][exp_month]",
    "payment_method_data[card][exp_year]",
    "payment_method_data[card][cvc]",
    "payment_method_data[billing_details][name]",
    "payment_method_options[card][moto]",
    "return_url",
    "usage",
];

/// ISO 4217 in lower case, as the API has it.
const CURRENCIES: [&str; 14] =
    ["aud", "bhd", "cad", "chf", "dkk", "eur", "gbp", "jpy", "krw", "kwd", "nok", "pln", "sek", "usd"];

/// Refuses the first that is not.
pub(super) fn are_known(form: &Form, known: &[&str]) -> Result<(), PspAnswer> {
    let is_known = |name: &str| {
        known.iter().any(|known| match known.strip_suffix("[*]") {
            Some(object) => {
                let member = name.strip_prefix(object).and_then(|rest| rest.strip_prefix('['));
                member.and_then(|rest| rest.strip_suffix(']')).is_some_and(|member| !member.is_empty())
            }
            None => *known == name,
        })
    };
    match form.keys().find(|name| !is_known(name)) {
        None => Ok(()),
        // A real one repeats the name. A number could stand in it.
        Some(_) => Err(fault(400, "Received unknown parameter.", Some("parameter_unknown"), None)),
    }
}

pub(super) fn currency(form: &Form) -> Result<String, PspAnswer> {
    let currency = form.get("currency").ok_or_else(|| required("currency"))?;
    let is_known = CURRENCIES.contains(&currency.as_str());
    if is_known { Ok(currency.clone()) } else { Err(invalid("currency")) }
}

/// At most 50 keys of 40 characters with values of 500.
pub(super) fn metadata(form: &Form) -> Result<Map<String, Value>, PspAnswer> {
    let mut metadata = Map::new();
    for (name, value) in form {
        let Some(name) = name.strip_prefix("metadata[").and_then(|name| name.strip_suffix(']')) else {
            continue;
        };
        if name.len() > 40 || value.len() > 500 || name.contains(['[', ']']) {
            return Err(invalid("metadata"));
        }
        metadata.insert(name.to_owned(), Value::String(value.clone()));
    }
    if metadata.len() > 50 { Err(invalid("metadata")) } else { Ok(metadata) }
}

/// A date, and since 2024 the name of a release.
pub(super) fn is_version(text: &str) -> bool {
    let (date, release) = text.split_once('.').unwrap_or((text, "preview"));
    let parts: Vec<&str> = date.split('-').collect();
    matches!(parts.as_slice(), [year, month, day] if is_digits(year, 4..=4) && is_digits(month, 2..=2) && is_digits(day, 2..=2))
        && release.bytes().all(|byte| byte.is_ascii_lowercase())
}
