use std::sync::Arc;

use http::StatusCode;
use panvault_model::{AccountId, Currency, OrganisationId, ProcessorId};
use panvault_vault::{
    AccountChange, AccountCreate, AccountDelete, AccountList, AccountRead, AccountUpdate, Done, NewAccount,
    Webhooks,
};

use crate::answer::Answer;
use crate::app::App;
use crate::asked::{Asked, parsed, to_the_end};
use crate::error::Refusal;
use crate::fault::Faults;
use crate::fields::{Field, Fields};
use crate::list;
use crate::object::account::{
    Account, CREATE, CURRENCY_CODE, DESCRIPTION, DISABLED, NAME, ORGANISATION, PROCESSORS, UPDATE,
    WEBHOOK_CHARGEBACK_UPDATE, WEBHOOK_REFUND_UPDATE, WEBHOOK_TRANSACTION_UPDATE,
};

pub(crate) async fn create(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<AccountCreate>()?;
    let own = asked.caller.organisation();
    let (new, idempotency) = parsed(asked.take_body(), &CREATE, faults, |fields, mut faults| {
        let new = create_parse(fields, own, &mut faults);
        match new.filter(|_| faults.is_empty()) {
            Some(new) => Ok((new, asked.idempotency(app.vault(), &permit, fields))),
            None => Err(faults.into()),
        }
    })?;
    drop(asked);
    let vault = app.vault().clone();
    let done = async move { vault.account_create_once(&permit, new, idempotency).await };
    let Done { value, replayed } = to_the_end(done).await?;
    Ok(Answer::of::<Account>(&app.vault().account_view(Arc::new(value))).replayed(replayed))
}

pub(crate) async fn update(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<AccountUpdate>()?;
    let id = asked.id(AccountId::parse)?;
    let (change, idempotency) = parsed(asked.take_body(), &UPDATE, faults, |fields, mut faults| {
        let change = update_parse(fields, &mut faults);
        if fields.is_empty() {
            faults.missing_one_of("body", "needs at least one field");
        }
        if !faults.is_empty() {
            return Err(faults.into());
        }
        Ok((change, asked.idempotency(app.vault(), &permit, fields)))
    })?;
    drop(asked);
    let vault = app.vault().clone();
    let done = async move { vault.account_update(&permit, id, change, idempotency).await };
    let Done { value, replayed } = to_the_end(done).await?;
    Ok(Answer::of::<Account>(&app.vault().account_view(Arc::new(value))).replayed(replayed))
}

pub(crate) async fn read(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let permit = asked.permit::<AccountRead>()?;
    let row = app.vault().account_read(&permit, asked.id(AccountId::parse)?)?;
    Ok(Answer::of::<Account>(&app.vault().account_view(row)))
}

pub(crate) async fn list(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<AccountList>()?;
    let query = list::read::<Account>(asked.query.as_deref(), faults)?;
    let page = app.vault().account_list(&permit, query).await?;
    let views: Vec<_> = page.rows.into_iter().map(|row| app.vault().account_view(row)).collect();
    Answer::list_of::<Account>(views.iter(), Some(page.total))
}

pub(crate) async fn count(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<AccountList>()?;
    let query = list::read::<Account>(asked.query.as_deref(), faults)?;
    let page = app.vault().account_list(&permit, list::counting(query)).await?;
    Ok(Answer::count(page.total))
}

pub(crate) async fn delete(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let permit = asked.permit::<AccountDelete>()?;
    let id = asked.id(AccountId::parse)?;
    // What it sees would be waited for.
    drop(asked);
    let vault = app.vault().clone();
    to_the_end(async move { vault.account_delete(permit, id).await }).await?;
    Ok(Answer::new(StatusCode::NO_CONTENT, Vec::new()))
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
    }
}

fn processors(fields: &Fields<'_>) -> Option<Vec<ProcessorId>> {
    fields.of(&PROCESSORS).map(|ids| ids.into_iter().map(ProcessorId).collect())
}

/// Whose a new object is to be: the organisation that is named, or else the caller's own. A command on this machine has none.
pub(super) fn owner(
    fields: &Fields<'_>,
    own: Option<OrganisationId>,
    faults: &mut Faults,
) -> Option<OrganisationId> {
    let owner = fields.of(&ORGANISATION).map(OrganisationId).or(own);
    if owner.is_none() && !fields.has(ORGANISATION.name) {
        faults.missing(ORGANISATION.place());
    }
    owner
}

fn currency_parse(text: &str) -> Result<Currency, &'static str> {
    Currency::parse(text).ok_or("must be three capital letters (ISO 4217), such as EUR")
}
