use std::net::IpAddr;
use std::sync::Arc;

use http::StatusCode;
use http::header::HeaderValue;
use panvault_card::holds_card_number;
use panvault_model::{AccountId, Amount, CardId, RecurringType, ShopperInteraction, TransactionId};
use panvault_vault::{
    HistoryRow, NewTransaction, TransactionCreate, TransactionField, TransactionList, TransactionRead,
    TransactionRow,
};

use crate::answer::{Answer, Json, TOTAL_COUNT, array, count_answer};
use crate::app::App;
use crate::asked::{Asked, parsed, to_the_end};
use crate::error::{Refusal, transaction_code};
use crate::fault::Faults;
use crate::fields::transaction::{FLAT, NOT_WITH_ZERO, OBJECTS};
use crate::fields::{Field, Fields, transaction as field};
use crate::limits::USER_AGENT_BYTES_MAX;
use crate::list;

pub(crate) async fn create(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<TransactionCreate>()?;
    let (new, idempotency) = parsed(asked.take_body(), field::CREATE, faults, |fields, faults| {
        Ok((create_parse(fields, faults)?, asked.idempotency(app.vault(), &permit, fields)))
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

fn create_parse(fields: &Fields<'_>, mut faults: Faults) -> Result<NewTransaction, Refusal> {
    let text = |field: &Field<str>| fields.of(field).map(str::to_owned);
    let amount =
        fields.of(&field::AMOUNT).and_then(|amount| u32::try_from(amount).ok()).and_then(Amount::new);
    let customer_ip = fields.typed(&field::CUSTOMER_IP, address_parse, &mut faults);
    let webhook_transaction_update = fields.typed(&field::WEBHOOK, web_address_parse, &mut faults);
    if amount.is_some_and(Amount::is_zero) {
        for name in NOT_WITH_ZERO.into_iter().filter(|name| fields.has(name)) {
            faults.malformed(format!("body.{name}"), "cannot go with amount 0");
        }
    }
    let mut extras = Vec::new();
    for object in OBJECTS {
        let members = fields.of(object).unwrap_or_default().into_iter();
        extras.extend(members.map(|(name, text)| (format!("{}.{name}", object.name), text)));
    }
    for field in FLAT {
        extras.extend(text(field).map(|text| (field.name.to_owned(), text)));
    }
    match (fields.of(&field::ACCOUNT), amount, fields.of(&field::CARD)) {
        (Some(account), Some(amount), Some(card)) if faults.is_empty() => Ok(NewTransaction {
            account: AccountId(account),
            amount,
            card: CardId(card),
            capture_now: fields.of(&field::CAPTURE_NOW).unwrap_or(true),
            customer_ip: customer_ip.unwrap_or_default(),
            dynamic_descriptor: text(&field::DYNAMIC_DESCRIPTOR).unwrap_or_default(),
            merchant_reference: text(&field::MERCHANT_REFERENCE).unwrap_or_default(),
            user_agent: fields.masked(&field::USER_AGENT, USER_AGENT_BYTES_MAX),
            customer: fields.of(&field::CUSTOMER),
            payment_product: text(&field::PAYMENT_PRODUCT),
            webhook_transaction_update,
            recurring_type: fields.of(&field::RECURRING_TYPE).and_then(RecurringType::parse),
            installments: fields
                .of(&field::INSTALLMENTS)
                .and_then(|count| u8::try_from(count).ok())
                .unwrap_or(0),
            shopper_interaction: fields.of(&field::SHOPPER_INTERACTION).and_then(ShopperInteraction::parse),
            extras,
        }),
        (..) => Err(faults.into()),
    }
}

/// The text of an IP address.
fn address_parse(text: &str) -> Result<String, &'static str> {
    if text.parse::<IpAddr>().is_ok() { Ok(text.to_owned()) } else { Err("must be an IP address") }
}

/// The text of a web address that holds no card number.
fn web_address_parse(text: &str) -> Result<String, &'static str> {
    if holds_card_number(text) {
        return Err("looks like it holds a card number");
    }
    let uri: Option<http::Uri> = text.parse().ok();
    let web = |uri: http::Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    if text.len() <= 500 && uri.is_some_and(web) {
        Ok(text.to_owned())
    } else {
        Err("must be an http or https URL of at most 500 bytes")
    }
}

fn transaction_json(row: &TransactionRow) -> Vec<u8> {
    let mut json = Json::object();
    json.plain("_id", row.id);
    json.plain("organisation", row.organisation);
    json.plain(field::ACCOUNT.name, row.account);
    json.text("processor", &row.processor_name);
    json.plain(field::CARD.name, row.card);
    json.number(field::AMOUNT.name, row.amount.minor_units());
    json.plain("currency_code", row.currency);
    json.bool(field::CAPTURE_NOW.name, row.capture_now);
    outcome(row, &mut json);
    json.plain_option(field::CUSTOMER.name, row.customer);
    for (name, text) in [
        (field::CUSTOMER_IP.name, &row.customer_ip),
        (field::DYNAMIC_DESCRIPTOR.name, &row.dynamic_descriptor),
        (field::MERCHANT_REFERENCE.name, &row.merchant_reference),
        (field::USER_AGENT.name, &row.user_agent),
    ] {
        // A row keeps what was not sent as an empty text.
        if !text.is_empty() {
            json.text(name, text);
        }
    }
    json.text_option(field::PAYMENT_PRODUCT.name, row.payment_product.as_deref());
    json.text_option(field::WEBHOOK.name, row.webhook_transaction_update.as_deref());
    json.plain_option(field::RECURRING_TYPE.name, row.recurring_type);
    match row.installments {
        0 => json.null(field::INSTALLMENTS.name),
        count => json.number(field::INSTALLMENTS.name, count),
    }
    json.plain_option(field::SHOPPER_INTERACTION.name, row.shopper_interaction);
    for Field { name, .. } in OBJECTS {
        let of = |(flat, value): &(String, String)| {
            Some((flat.strip_prefix(name)?.strip_prefix('.')?.to_owned(), value.clone()))
        };
        let members: Vec<_> = row.extras.iter().filter_map(of).collect();
        if !members.is_empty() {
            json.pairs(name, &members);
        }
    }
    for Field { name, .. } in FLAT {
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
