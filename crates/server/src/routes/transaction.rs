use std::net::IpAddr;
use std::sync::Arc;

use http::StatusCode;
use http::header::HeaderValue;
use panvault_card::{holds_card_number, masked_text};
use panvault_model::{AccountId, Amount, CardId, RecurringType, ShopperInteraction, TransactionId};
use panvault_vault::{
    HistoryRow, NewTransaction, TransactionCreate, TransactionField, TransactionList, TransactionRead,
    TransactionRow,
};

use crate::answer::{Answer, Json, TOTAL_COUNT, array, count_answer};
use crate::dispatch::{App, Asked, parsed, to_the_end};
use crate::error::{Refusal, transaction_code};
use crate::fault::Faults;
use crate::fields::{CAPTURE_NOW, FieldSpec, Fields, Kind, optional, required};
use crate::json::Value;
use crate::lenience::Rule;
use crate::limits::USER_AGENT_BYTES_MAX;
use crate::list;

/// A text of an address or of an authentication.
const SHORT: Kind = Kind::Text { max: 255, example: "" };

const SHIPPING: &[FieldSpec] = &[
    optional("first_name", SHORT, ""),
    optional("last_name", SHORT, ""),
    optional("email", SHORT, ""),
    optional("address", SHORT, ""),
    optional("city", SHORT, ""),
    optional("state", SHORT, ""),
    optional("postal_code", SHORT, ""),
    optional("country", SHORT, ""),
    optional("phone", Kind::Phone { max: 255 }, ""),
];

const DETAILS: &[FieldSpec] = &[optional("redirect_url", Kind::Text { max: 2000, example: "" }, "")];

const THREED: &[FieldSpec] = &[
    optional("eci_flag", SHORT, ""),
    optional("enrolled", SHORT, ""),
    optional("cavv", SHORT, ""),
    optional("pares_status", SHORT, ""),
    optional("threeds_version", SHORT, ""),
    optional("ds_transaction_id", SHORT, ""),
    optional("signature_verification", SHORT, ""),
    optional("error_no", SHORT, ""),
    optional("error_desc", SHORT, ""),
];

/// Members that are objects of texts, and are kept and echoed as they are.
const OBJECTS: [&str; 3] = ["shipping_information", "details", "threed_authentication"];
/// Members of 3-D Secure 1, which are texts of their own and are kept and echoed as they are.
const FLAT: [&str; 3] = ["eci", "cavv2", "pares"];
/// What cannot go with a verification: the result of a 3-D Secure.
const NOT_WITH_ZERO: [&str; 4] = ["eci", "cavv2", "pares", "threed_authentication"];

/// The body of `POST /v1/transaction`.
pub(crate) const CREATE: &[FieldSpec] = &[
    required("account", Kind::Id, "Where the money goes; gives the currency and the processor."),
    required(
        "amount",
        Kind::Integer { min: 0, max: 2_147_483_647 },
        "Minor units of the account's currency; 0 verifies the card and moves nothing.",
    )
    .also(Rule::DigitsForInteger),
    required("card", Kind::Id, "The token."),
    optional(CAPTURE_NOW, Kind::Bool, "`true` (the default) sells; `false` reserves the amount only."),
    optional("capture", Kind::Bool, "Another name of `capture_now`, of older programs.").also(Rule::Capture),
    optional(
        "customer_ip",
        Kind::Typed { pattern: "^[0-9A-Fa-f:.]{2,45}$", example: "203.0.113.7", nullable: false },
        "The shopper's IP address, version 4 or 6.",
    ),
    optional(
        "dynamic_descriptor",
        Kind::Text { max: 100, example: "Example shop" },
        "What the statement says, at most 100 bytes.",
    ),
    optional(
        "merchant_reference",
        Kind::Text { max: 100, example: "order-1001" },
        "Your name for the payment, at most 100 bytes.",
    ),
    optional(
        "user_agent",
        Kind::Masked { example: "Mozilla/5.0" },
        "The shopper's browser, whatever it says: card numbers are masked, and what is longer than 512 bytes is cut.",
    ),
    optional("customer", Kind::Id, "The customer, for address verification."),
    optional("payment_product", Kind::Choice(&["card"]), "`card`."),
    optional(
        "webhook_transaction_update",
        Kind::Typed {
            pattern: "^https?://[^ ]{1,490}$",
            example: "https://shop.example/hook",
            nullable: false,
        },
        "Kept with the transaction.",
    ),
    optional("recurring_type", Kind::Choice(&["first", "repeat"]), "For a series of payments."),
    optional("installments", Kind::Integer { min: 1, max: 99 }, "1 is an ordinary payment."),
    optional("shopper_interaction", Kind::Choice(&["ECOMMERCE", "MOTO", "POS"]), "How the shopper ordered."),
    optional("shipping_information", Kind::Object(SHIPPING), "Where the goods go."),
    optional("details", Kind::Object(DETAILS), "Further details."),
    optional("eci", SHORT, "Of the result of 3-D Secure 1; not with amount 0.").also(Rule::Flat),
    optional("cavv2", SHORT, "Of the result of 3-D Secure 1; not with amount 0.").also(Rule::Flat),
    optional(
        "pares",
        Kind::Text { max: 8192, example: "" },
        "The result of 3-D Secure 1; not with amount 0.",
    )
    .also(Rule::Flat),
    optional("threed_authentication", Kind::Object(THREED), "The result of 3-D Secure; not with amount 0."),
];

pub(crate) async fn create(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<TransactionCreate>()?;
    let (new, idempotency) = parsed(&asked.body, faults, |body, faults| {
        Ok((create_parse(body, faults)?, asked.idempotency(app.vault(), &permit, body)))
    })?;
    let vault = app.vault().clone();
    let done = to_the_end(async move { vault.transaction_create(&permit, new, idempotency).await }).await?;
    let row = done.value.as_ref();
    let answer = match transaction_code(row.status) {
        None => Answer::new(StatusCode::CREATED, transaction_json(row)),
        Some(code) => Answer::failure(code, Some(&outcome_json(row)), asked.caller.now().wall),
    };
    Ok(answer.replayed(done.replayed))
}

pub(crate) async fn read(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let permit = asked.permit::<TransactionRead>()?;
    let row = app.vault().transaction_read(&permit, asked.id(TransactionId::parse)?).await?;
    Ok(Answer::new(StatusCode::OK, transaction_json(&row)))
}

pub(crate) async fn history(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let permit = asked.permit::<TransactionRead>()?;
    let rows = app.vault().transaction_history(&permit, asked.id(TransactionId::parse)?).await?;
    Ok(Answer::new(StatusCode::OK, array(rows.iter().map(|row| history_json(row)))))
}

pub(crate) async fn list(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<TransactionList>()?;
    let query = list::read::<TransactionField>(asked.query.as_deref(), faults)?;
    let page = app.vault().transaction_list(&permit, query).await?;
    let mut answer = Answer::new(StatusCode::OK, array(page.rows.iter().map(|row| transaction_json(row))));
    answer.headers.push((TOTAL_COUNT, HeaderValue::from(page.total)));
    Ok(answer)
}

pub(crate) async fn count(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<TransactionList>()?;
    let query = list::read::<TransactionField>(asked.query.as_deref(), faults)?;
    let page = app.vault().transaction_list(&permit, list::counting(query)).await?;
    Ok(count_answer(page.total))
}

fn create_parse(body: &mut Value<'_>, mut faults: Faults) -> Result<NewTransaction, Refusal> {
    let fields = Fields::read(body, CREATE, &mut faults);
    let text = |name: &str| fields.text(name).unwrap_or_default().to_owned();
    let amount = fields.integer("amount").and_then(|amount| u32::try_from(amount).ok()).and_then(Amount::new);
    if fields.text("customer_ip").is_some_and(|text| text.parse::<IpAddr>().is_err()) {
        faults.malformed("body.customer_ip", "must be an IP address");
    }
    if let Some(text) = fields.text("webhook_transaction_update") {
        if holds_card_number(text) {
            faults.malformed("body.webhook_transaction_update", "looks like it holds a card number");
        } else if !is_web_address(text) {
            faults.malformed(
                "body.webhook_transaction_update",
                "must be an http or https URL of at most 500 bytes",
            );
        }
    }
    if amount.is_some_and(Amount::is_zero) {
        for name in NOT_WITH_ZERO.into_iter().filter(|name| fields.has(name)) {
            faults.malformed(format!("body.{name}"), "cannot go with amount 0");
        }
    }
    let mut extras = Vec::new();
    OBJECTS.iter().for_each(|name| fields.flattened(name, &mut extras));
    for name in FLAT {
        extras.extend(fields.text(name).map(|text| (name.to_owned(), text.to_owned())));
    }
    match (fields.id("account"), amount, fields.id("card")) {
        (Some(account), Some(amount), Some(card)) if faults.is_empty() => Ok(NewTransaction {
            account: AccountId(account),
            amount,
            card: CardId(card),
            capture_now: fields.bool(CAPTURE_NOW).unwrap_or(true),
            customer_ip: text("customer_ip"),
            dynamic_descriptor: text("dynamic_descriptor"),
            merchant_reference: text("merchant_reference"),
            user_agent: masked_text(fields.text("user_agent").unwrap_or_default(), USER_AGENT_BYTES_MAX),
            customer: fields.id("customer"),
            payment_product: fields.text("payment_product").map(str::to_owned),
            webhook_transaction_update: fields.text("webhook_transaction_update").map(str::to_owned),
            recurring_type: fields.text("recurring_type").and_then(RecurringType::parse),
            installments: fields
                .integer("installments")
                .and_then(|count| u8::try_from(count).ok())
                .unwrap_or(0),
            shopper_interaction: fields.text("shopper_interaction").and_then(ShopperInteraction::parse),
            extras,
        }),
        (..) => Err(faults.into()),
    }
}

fn is_web_address(text: &str) -> bool {
    let uri: Option<http::Uri> = text.parse().ok();
    let web = |uri: http::Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    text.len() <= 500 && uri.is_some_and(web)
}

fn transaction_json(row: &TransactionRow) -> Vec<u8> {
    let mut json = Json::object();
    json.plain("_id", row.id);
    json.plain("organisation", row.organisation);
    json.plain("account", row.account);
    json.text("processor", &row.processor_name);
    json.plain("card", row.card);
    json.number("amount", row.amount.minor_units());
    json.plain("currency_code", row.currency);
    json.bool("capture_now", row.capture_now);
    outcome(row, &mut json);
    json.plain_option("customer", row.customer);
    for (name, text) in [
        ("customer_ip", &row.customer_ip),
        ("dynamic_descriptor", &row.dynamic_descriptor),
        ("merchant_reference", &row.merchant_reference),
        ("user_agent", &row.user_agent),
    ] {
        // A row keeps what was not sent as an empty text.
        if !text.is_empty() {
            json.text(name, text);
        }
    }
    json.text_option("payment_product", row.payment_product.as_deref());
    json.text_option("webhook_transaction_update", row.webhook_transaction_update.as_deref());
    json.plain_option("recurring_type", row.recurring_type);
    match row.installments {
        0 => json.null("installments"),
        count => json.number("installments", count),
    }
    json.plain_option("shopper_interaction", row.shopper_interaction);
    for name in OBJECTS {
        let of = |(flat, value): &(String, String)| {
            Some((flat.strip_prefix(name)?.strip_prefix('.')?.to_owned(), value.clone()))
        };
        let members: Vec<_> = row.extras.iter().filter_map(of).collect();
        if !members.is_empty() {
            json.pairs(name, &members);
        }
    }
    for name in FLAT {
        if let Some((_, text)) = row.extras.iter().find(|(found, _)| found == name) {
            json.text(name, text);
        }
    }
    json.plain("created_at", row.created_at);
    json.plain("updated_at", row.updated_at);
    json.end()
}

/// What became of a transaction, as the details of its error.
fn outcome_json(row: &TransactionRow) -> Vec<u8> {
    let mut json = Json::object();
    json.plain("_id", row.id);
    outcome(row, &mut json);
    json.end()
}

fn outcome(row: &TransactionRow, json: &mut Json) {
    json.plain("status", row.status);
    json.text_option("status_reason", row.status_reason.as_deref());
    json.text_option("reason_code", row.reason_code.as_deref());
    json.text_option("authorization_code", row.authorization_code.as_deref());
    json.bool("cvv_present", row.cvv_present);
    json.plain("cvv_result", row.cvv_result);
    json.plain("avs_result", row.avs_result);
}

fn history_json(row: &HistoryRow) -> Vec<u8> {
    let mut json = Json::object();
    json.plain("_id", row.id);
    json.plain("transaction", row.transaction);
    json.plain("status", row.status);
    json.text_option("status_reason", row.status_reason.as_deref());
    json.plain("created_at", row.created_at);
    json.plain("updated_at", row.created_at);
    json.end()
}
