use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use const_format::formatcp;
use panvault_card::{Cryptogram, holds_card_number, id_holds_card_number};
use panvault_model::{AccountId, Amount, CardId, Id, RecurringType, ShopperInteraction, TransactionId};
use panvault_vault::{
    Done, Idempotency, NewTransaction, Operation, Permit, TransactionCapture, TransactionCreate,
    TransactionList, TransactionRead, TransactionRow, TransactionVoid,
};

use crate::answer::{Answer, Total};
use crate::app::App;
use crate::asked::{Asked, parsed, to_the_end};
use crate::error::{Refusal, action_code};
use crate::fault::Faults;
use crate::fields::{Field, Fields};
use crate::limits::{USER_AGENT_BYTES_MAX, WEBHOOK_BYTES_MAX};
use crate::list;
use crate::object::BodySpec;
use crate::object::api_error::{Details, Failure};
use crate::object::transaction::{self as field, FLAT, HistoryStep, NOT_WITH_ZERO, OBJECTS, Transaction};

pub(crate) async fn create(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<TransactionCreate>()?;
    let (new, idempotency) = parsed(asked.take_body(), &field::CREATE, faults, |fields, faults| {
        let (mut new, cryptogram) = create_parse(fields, faults)?;
        // The plaintext ends here.
        if let Some(cryptogram) = cryptogram {
            new.cryptogram = app.vault().cryptogram_seal(&permit, new.account, new.card, cryptogram)?;
        }
        Ok((new, asked.idempotency(app.vault(), &permit, fields)))
    })?;
    let vault = app.vault().clone();
    let done = to_the_end(async move { vault.transaction_create(&permit, new, idempotency).await }).await?;
    Ok(outcome(done, &asked))
}

/// What became of the last action, with the transaction either way.
fn outcome(done: Done<Arc<TransactionRow>>, asked: &Asked) -> Answer {
    let answer = match action_code(done.value.state) {
        None => Answer::of::<Transaction>(&done.value),
        Some(code) => {
            let details = Some(Details::Outcome(done.value));
            Answer::failure(Failure { code, at: asked.caller.now().wall, details })
        }
    };
    answer.replayed(done.replayed)
}

pub(crate) async fn capture(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let Act { permit, id, amount, idempotency } =
        act::<TransactionCapture>(&app, &mut asked, &field::CAPTURE_BODY)?;
    let vault = app.vault().clone();
    let done = to_the_end(async move { vault.transaction_capture(&permit, id, amount, idempotency).await });
    Ok(outcome(done.await?, &asked))
}

pub(crate) async fn void_capture(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let Act { permit, id, amount, idempotency } =
        act::<TransactionVoid>(&app, &mut asked, &field::VOID_BODY)?;
    let vault = app.vault().clone();
    let done =
        to_the_end(async move { vault.transaction_void_capture(&permit, id, amount, idempotency).await });
    Ok(outcome(done.await?, &asked))
}

pub(crate) async fn void(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let Act { permit, id, amount, idempotency } =
        act::<TransactionVoid>(&app, &mut asked, &field::VOID_BODY)?;
    let vault = app.vault().clone();
    let done = to_the_end(async move { vault.transaction_void(&permit, id, amount, idempotency).await });
    Ok(outcome(done.await?, &asked))
}

/// What is to be done with the transaction of the path.
struct Act<O> {
    permit: Permit<O>,
    id: TransactionId,
    amount: Option<Amount>,
    idempotency: Option<Idempotency>,
}

fn act<O: Operation>(app: &App, asked: &mut Asked, spec: &BodySpec) -> Result<Act<O>, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<O>()?;
    let id = asked.id(TransactionId::parse);
    let (amount, idempotency) = parsed(asked.take_body(), spec, faults, |fields, faults| {
        if !faults.is_empty() {
            return Err(faults.into());
        }
        Ok((action_amount(fields), asked.idempotency(app.vault(), &permit, fields)))
    })?;
    Ok(Act { permit, id: id?, amount, idempotency })
}

/// How much of it.
pub(super) fn action_amount(fields: &Fields<'_>) -> Option<Amount> {
    fields.of(&field::ACTION_AMOUNT).and_then(|amount| u32::try_from(amount).ok()).and_then(Amount::new)
}

pub(crate) async fn read(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let permit = asked.permit::<TransactionRead>()?;
    let row = app.vault().transaction_read(&permit, asked.id(TransactionId::parse)?).await?;
    Ok(Answer::of::<Transaction>(&row))
}

pub(crate) async fn history(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let permit = asked.permit::<TransactionRead>()?;
    let rows = app.vault().transaction_history(&permit, asked.id(TransactionId::parse)?).await?;
    Answer::list_of::<HistoryStep>(rows.iter().map(AsRef::as_ref), None)
}

pub(crate) async fn list(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<TransactionList>()?;
    let query = list::read::<Transaction>(asked.query.as_deref(), faults)?;
    let query = list::bounded(query, asked.reads, app.settings());
    let page = app.vault().transaction_list(&permit, query).await.map_err(list::refused::<Transaction>)?;
    Answer::list_of::<Transaction>(page.rows.iter().map(AsRef::as_ref), Some(Total::of(&page)))
}

pub(crate) async fn count(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<TransactionList>()?;
    let query = list::read::<Transaction>(asked.query.as_deref(), faults)?;
    let query = list::bounded(query, asked.reads, app.settings());
    let page = app
        .vault()
        .transaction_list(&permit, list::counting(query))
        .await
        .map_err(list::refused::<Transaction>)?;
    Ok(Answer::count(Total::of(&page)))
}

/// What is to be done, and a cryptogram that is still to be sealed into it.
fn create_parse(
    fields: &Fields<'_>,
    mut faults: Faults,
) -> Result<(NewTransaction, Option<Cryptogram>), Refusal> {
    let text = |field: &Field<str>| fields.of(field).map(str::to_owned);
    let amount =
        fields.of(&field::AMOUNT).and_then(|amount| u32::try_from(amount).ok()).and_then(Amount::new);
    let customer_ip = fields.typed(&field::CUSTOMER_IP, address_parse, &mut faults);
    let customer = customer_parse(fields.of(&field::CUSTOMER), &mut faults);
    let webhook_transaction_update = fields.typed(&field::WEBHOOK, web_address_parse, &mut faults);
    if amount.is_some_and(Amount::is_zero) {
        for name in NOT_WITH_ZERO.into_iter().filter(|name| fields.has(name)) {
            faults.malformed(format!("body.{name}"), "cannot go with amount 0");
        }
    }
    let cryptogram = cryptogram_parse(fields, &mut faults);
    let mut extras = Vec::new();
    for object in OBJECTS {
        let members = fields.of(object).unwrap_or_default().into_iter();
        extras.extend(members.map(|(name, text)| (format!("{}.{name}", object.name), text)));
    }
    for field in FLAT {
        extras.extend(text(field).map(|text| (field.name.to_owned(), text)));
    }
    match (fields.of(&field::ACCOUNT), amount, fields.of(&field::CARD)) {
        (Some(account), Some(amount), Some(card)) if faults.is_empty() => Ok((
            NewTransaction {
                account: AccountId(account),
                amount,
                card: CardId(card),
                capture_now: fields.of(&field::CAPTURE_NOW).unwrap_or(true),
                customer_ip: customer_ip.unwrap_or_default(),
                dynamic_descriptor: text(&field::DYNAMIC_DESCRIPTOR).unwrap_or_default(),
                merchant_reference: text(&field::MERCHANT_REFERENCE).unwrap_or_default(),
                user_agent: fields.masked(&field::USER_AGENT, USER_AGENT_BYTES_MAX),
                customer,
                webhook_transaction_update,
                recurring_type: fields.of(&field::RECURRING_TYPE).and_then(RecurringType::parse),
                installments: fields
                    .of(&field::INSTALLMENTS)
                    .and_then(|count| u8::try_from(count).ok())
                    .unwrap_or(0),
                shopper_interaction: fields
                    .of(&field::SHOPPER_INTERACTION)
                    .and_then(ShopperInteraction::parse),
                cryptogram: None,
                extras,
            },
            cryptogram,
        )),
        (..) => Err(faults.into()),
    }
}

/// The id of a customer. No id of ours reads as a card number: such a one is refused before anything looks it up.
pub(crate) fn customer_parse(customer: Option<Id>, faults: &mut Faults) -> Option<Id> {
    if customer.is_some_and(|id| id_holds_card_number(&id.to_string())) {
        faults.malformed(field::CUSTOMER.place(), "looks like it holds a card number");
    }
    customer
}

fn cryptogram_parse(fields: &Fields<'_>, faults: &mut Faults) -> Option<Cryptogram> {
    let text = fields.secret(&field::CRYPTOGRAM)?.expose_text();
    faults.field(&field::CRYPTOGRAM, Cryptogram::parse(text))
}

/// The text of an IP address. Of one whose groups read as a card number, only the first two are kept: enough to say whose network it is.
fn address_parse(text: &str) -> Result<String, &'static str> {
    let address: IpAddr = text.parse().map_err(|_| "must be an IP address")?;
    Ok(match address {
        IpAddr::V6(address) if groups_hold_card_number(address) => {
            let [first, second, ..] = address.segments();
            Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0).to_string()
        }
        IpAddr::V4(_) | IpAddr::V6(_) => text.to_owned(),
    })
}

/// Whether groups of an address read as a card number: each is four digits, however it is written.
fn groups_hold_card_number(address: Ipv6Addr) -> bool {
    let groups = address.segments().map(|group| format!("{group:04x}"));
    holds_card_number(&groups.join(" "))
}

/// The text of a web address that holds no card number.
pub(crate) fn web_address_parse(text: &str) -> Result<String, &'static str> {
    if holds_card_number(text) {
        return Err("looks like it holds a card number");
    }
    let uri: Option<http::Uri> = text.parse().ok();
    let web = |uri: http::Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    if text.len() <= WEBHOOK_BYTES_MAX && uri.is_some_and(web) {
        Ok(text.to_owned())
    } else {
        Err(formatcp!("must be an http or https URL of at most {WEBHOOK_BYTES_MAX} bytes"))
    }
}
