use std::sync::Arc;

use panvault_model::{AccountId, Currency, OrganisationId, ProcessorId};
use panvault_vault::{
    AccountChange, AccountWebhookSecret, Done, MadeAccount as VaultMade, NewAccount, Webhooks,
};

use crate::answer::{Answer, Total};
use crate::app::App;
use crate::asked::{Asked, to_the_end};
use crate::error::Refusal;
use crate::fault::Faults;
use crate::fields::{Field, Fields};
use crate::list;
use crate::object::account::{
    Account, CHECKOUT_THEME, CREATE, CURRENCY_CODE, DESCRIPTION, DISABLED, Made, MadeAccount, NAME,
    ORGANISATION, PROCESSORS, UPDATE, WEBHOOK_CHARGEBACK_UPDATE, WEBHOOK_REFUND_UPDATE, WEBHOOK_SECRET,
    WEBHOOK_TRANSACTION_UPDATE,
};
use crate::routes::document::{self, owner};

pub(crate) async fn create(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, new, idempotency) = document::new(&app, asked, &CREATE, create_parse)?;
    let vault = app.vault().clone();
    let done = async move { vault.account_create_once(&permit, new, idempotency).await };
    Ok(made(&app, to_the_end(done).await?))
}

pub(crate) async fn update(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id, change, idempotency) =
        document::change(&app, asked, AccountId::parse, &UPDATE, update_parse)?;
    let vault = app.vault().clone();
    let done = async move { vault.account_update(&permit, id, change, idempotency).await };
    Ok(made(&app, to_the_end(done).await?))
}

pub(crate) async fn webhook_secret(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id, idempotency) =
        document::act::<AccountWebhookSecret, _, _>(&app, asked, AccountId::parse, &WEBHOOK_SECRET)?;
    let vault = app.vault().clone();
    let done = async move { vault.account_webhook_secret(&permit, id, idempotency).await };
    Ok(made(&app, to_the_end(done).await?))
}

pub(crate) async fn read(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id) = document::one(asked, AccountId::parse)?;
    let row = app.vault().account_read(&permit, id)?;
    Ok(Answer::of::<Account>(&app.vault().account_view(row)))
}

pub(crate) async fn list(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, query) = document::query::<_, Account>(asked)?;
    let page = app.vault().account_list(&permit, query).await?;
    let total = Total::of(&page);
    let views: Vec<_> = page.rows.into_iter().map(|row| app.vault().account_view(row)).collect();
    Answer::list_of::<Account>(views.iter(), Some(total))
}

pub(crate) async fn count(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, query) = document::query::<_, Account>(asked)?;
    let page = app.vault().account_list(&permit, list::counting(query)).await?;
    Ok(Answer::count(Total::of(&page)))
}

pub(crate) async fn delete(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id) = document::one(asked, AccountId::parse)?;
    let vault = app.vault().clone();
    document::deleted(async move { vault.account_delete(permit, id).await }).await
}

/// An account that was made or changed, and what signs its webhooks where that is shown.
fn made(app: &App, done: Done<VaultMade>) -> Answer {
    Answer::done::<MadeAccount>(&done.map(|VaultMade { row, secret }| {
        let view = app.vault().account_view(Arc::new(row));
        Made { view, secret }
    }))
}

fn create_parse(fields: &Fields<'_>, own: Option<OrganisationId>, faults: &mut Faults) -> Option<NewAccount> {
    let currency = fields.typed(&CURRENCY_CODE, currency_parse, faults);
    let organisation = owner(fields, own, faults);
    let text = |field: &Field<str>| fields.of(field).map(str::to_owned);
    Some(NewAccount {
        organisation: organisation?,
        name: text(&NAME)?,
        description: text(&DESCRIPTION),
        currency: currency?,
        processors: processors(fields).unwrap_or_default(),
        disabled: fields.of(&DISABLED).unwrap_or(false),
        webhooks: Webhooks {
            transaction_update: text(&WEBHOOK_TRANSACTION_UPDATE),
            refund_update: text(&WEBHOOK_REFUND_UPDATE),
            chargeback_update: text(&WEBHOOK_CHARGEBACK_UPDATE),
        },
        checkout_theme: fields.of(&CHECKOUT_THEME).unwrap_or_default(),
    })
}

fn update_parse(fields: &Fields<'_>, faults: &mut Faults) -> AccountChange {
    let changed = |field: &Field<str>| {
        let ends = fields.is_null(field).then_some(None);
        fields.of(field).map(|text| Some(text.to_owned())).or(ends)
    };
    AccountChange {
        organisation: fields.of(&ORGANISATION).map(OrganisationId),
        currency: fields.typed(&CURRENCY_CODE, currency_parse, faults),
        name: fields.of(&NAME).map(str::to_owned),
        description: changed(&DESCRIPTION),
        processors: processors(fields),
        disabled: fields.of(&DISABLED),
        webhook_transaction_update: changed(&WEBHOOK_TRANSACTION_UPDATE),
        webhook_refund_update: changed(&WEBHOOK_REFUND_UPDATE),
        webhook_chargeback_update: changed(&WEBHOOK_CHARGEBACK_UPDATE),
        checkout_theme: fields.of(&CHECKOUT_THEME).or_else(|| fields.is_null(&CHECKOUT_THEME).then(Vec::new)),
    }
}

fn processors(fields: &Fields<'_>) -> Option<Vec<ProcessorId>> {
    fields.of(&PROCESSORS).map(|ids| ids.into_iter().map(ProcessorId).collect())
}

fn currency_parse(text: &str) -> Result<Currency, &'static str> {
    Currency::parse(text).ok_or("must be three capital letters (ISO 4217), such as EUR")
}
