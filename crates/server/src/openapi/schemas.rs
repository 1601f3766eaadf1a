//! Schemas of what is answered. They forbid members that are not named, so that a test of an answer against them finds any
//! field that was added and not written down.

use panvault_model::{Brand, CardType, CvvResult, RecurringType, ShopperInteraction, TransactionStatus};
use serde_json::{Map, Value, json};

use crate::fields::{card, transaction};
pub(crate) use crate::filter::id_schema as id;

/// Members of a transaction that are there only if they were sent.
const TRANSACTION_OPTIONAL: [&str; 10] = [
    transaction::CUSTOMER_IP.name,
    transaction::DYNAMIC_DESCRIPTOR.name,
    transaction::MERCHANT_REFERENCE.name,
    transaction::USER_AGENT.name,
    transaction::SHIPPING_INFORMATION.name,
    transaction::DETAILS.name,
    transaction::THREED_AUTHENTICATION.name,
    transaction::ECI.name,
    transaction::CAVV2.name,
    transaction::PARES.name,
];

/// Every schema, by name.
pub(crate) fn schemas() -> Value {
    json!({
        "Card": closed(card_whole(), &[]),
        "BrowserCard": closed(browser_card(), &[]),
        "Transaction": closed(transaction_whole(), &TRANSACTION_OPTIONAL),
        "Bin": closed(bin(), &[]),
        "HistoryStep": closed(history_step(), &[]),
        "Error": error(),
    })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time", "examples": ["2026-01-31T12:00:00.000Z"] })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn digits(count: u8) -> Value {
    json!({ "type": "string", "pattern": format!("^[0-9]{{{count}}}$") })
}

fn names(all: impl Iterator<Item = &'static str>) -> Value {
    json!({ "type": "string", "enum": all.collect::<Vec<_>>() })
}

fn or_null(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn texts() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "string" } })
}

type Members = Vec<(&'static str, Value)>;

/// An object with these members and no others, all of them there but for the optional ones.
fn closed(members: Members, optional: &[&str]) -> Value {
    let required: Vec<&str> =
        members.iter().map(|(name, _)| *name).filter(|name| !optional.contains(name)).collect();
    let properties: Map<String, Value> =
        members.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}

fn browser_card() -> Members {
    vec![
        ("_id", id()),
        ("brand", or_null(names(Brand::ALL.iter().map(|brand| brand.as_str())))),
        ("last_four", digits(4)),
        (card::EXPIRY_MONTH.name, digits(2)),
        (card::EXPIRY_YEAR.name, digits(2)),
    ]
}

/// What is known of numbers that begin with some digits; a card has these too.
fn bin() -> Members {
    vec![
        ("bin", digits(6)),
        ("brand", or_null(names(Brand::ALL.iter().map(|brand| brand.as_str())))),
        ("issuer_name", or_null(text())),
        ("issuer_country", or_null(json!({ "type": "string", "pattern": "^[A-Z]{2}$" }))),
        ("currency_code", or_null(json!({ "type": "string", "pattern": "^[A-Z]{3}$" }))),
        ("type", or_null(names(CardType::ALL.iter().map(|kind| kind.as_str())))),
        ("variant", or_null(text())),
    ]
}

fn card_whole() -> Members {
    let mut members = browser_card();
    members.extend(bin().into_iter().filter(|(name, _)| !["brand", "bin"].contains(name)));
    // A number of fewer than 15 digits has none.
    members.push(("bin", or_null(digits(6))));
    members.extend([
        (card::ORGANISATION.name, id()),
        ("masked_card_number", json!({ "type": "string", "pattern": "^([0-9]{6})?\\*{6}[0-9]{4}$" })),
        ("fingerprint", json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" })),
        ("cvv_present", json!({ "type": "boolean" })),
        ("cvv_expires_at", or_null(time())),
        (card::METADATA.name, texts()),
        ("created_at", time()),
        ("updated_at", time()),
    ]);
    members
}

/// What became of a transaction; in a failure, also its details.
fn outcome() -> Members {
    vec![
        ("_id", id()),
        ("status", names(TransactionStatus::ALL.iter().map(|status| status.as_str()))),
        ("status_reason", or_null(text())),
        ("reason_code", or_null(text())),
        ("authorization_code", or_null(text())),
        ("cvv_present", json!({ "type": "boolean" })),
        ("cvv_result", names(CvvResult::ALL.iter().map(|result| result.as_str()))),
        ("avs_result", json!({ "type": "string", "pattern": "^([0-9]|10)$" })),
    ]
}

fn transaction_whole() -> Members {
    let mut members = outcome();
    members.extend([
        (card::ORGANISATION.name, id()),
        (transaction::ACCOUNT.name, id()),
        ("processor", text()),
        (transaction::CARD.name, id()),
        (transaction::AMOUNT.name, json!({ "type": "integer", "minimum": 0, "maximum": 2_147_483_647 })),
        ("currency_code", json!({ "type": "string", "pattern": "^[A-Z]{3}$" })),
        (transaction::CAPTURE_NOW.name, json!({ "type": "boolean" })),
        (transaction::CUSTOMER.name, or_null(id())),
        (transaction::CUSTOMER_IP.name, text()),
        (transaction::DYNAMIC_DESCRIPTOR.name, text()),
        (transaction::MERCHANT_REFERENCE.name, text()),
        (transaction::USER_AGENT.name, text()),
        (transaction::PAYMENT_PRODUCT.name, or_null(text())),
        (transaction::WEBHOOK.name, or_null(text())),
        (
            transaction::RECURRING_TYPE.name,
            or_null(names(RecurringType::ALL.iter().map(|kind| kind.as_str()))),
        ),
        (transaction::INSTALLMENTS.name, json!({ "type": ["integer", "null"], "minimum": 1, "maximum": 99 })),
        (
            transaction::SHOPPER_INTERACTION.name,
            or_null(names(ShopperInteraction::ALL.iter().map(|kind| kind.as_str()))),
        ),
        (transaction::SHIPPING_INFORMATION.name, texts()),
        (transaction::DETAILS.name, texts()),
        (transaction::THREED_AUTHENTICATION.name, texts()),
        (transaction::ECI.name, text()),
        (transaction::CAVV2.name, text()),
        (transaction::PARES.name, text()),
        ("created_at", time()),
        ("updated_at", time()),
    ]);
    members
}

fn history_step() -> Members {
    vec![
        ("_id", id()),
        ("transaction", id()),
        ("status", names(TransactionStatus::ALL.iter().map(|status| status.as_str()))),
        ("status_reason", or_null(text())),
        ("created_at", time()),
        ("updated_at", time()),
    ]
}

fn error() -> Value {
    let mut schema = closed(
        vec![
            ("code", json!({ "type": "integer", "description": "See the table of errors." })),
            ("message", text()),
            ("timestamp", json!({ "type": "integer", "description": "Unix time in milliseconds." })),
        ],
        &[],
    );
    let details = json!({
        "description": "The fields at fault, by their place; or what became of the transaction. Never a value that was sent.",
        "anyOf": [texts(), closed(outcome(), &[])],
    });
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("details".to_owned(), details);
    }
    schema
}
