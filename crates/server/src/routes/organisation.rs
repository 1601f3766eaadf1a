use std::sync::Arc;

use http::StatusCode;
use panvault_model::{Country, OrganisationId};
use panvault_vault::{
    NewOrganisation, OrganisationChange, OrganisationCreate, OrganisationDelete, OrganisationList,
    OrganisationRead, OrganisationUpdate,
};

use crate::answer::Answer;
use crate::app::App;
use crate::asked::{Asked, parsed, to_the_end};
use crate::error::Refusal;
use crate::fault::Faults;
use crate::fields::Fields;
use crate::list;
use crate::object::organisation::{
    COUNTRY_CODE, CREATE, DETAILS, DISABLED, GENERATE_INVOICE, NAME, Organisation, PARENT, UPDATE,
};

pub(crate) async fn create(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<OrganisationCreate>()?;
    let own = asked.caller.organisation();
    let (new, idempotency) = parsed(asked.take_body(), &CREATE, faults, |fields, mut faults| {
        let country_code = fields.typed(&COUNTRY_CODE, country_parse, &mut faults);
        let new = fields.of(&NAME).map(|name| NewOrganisation {
            name: name.to_owned(),
            parent: fields.of(&PARENT).map(OrganisationId).or(own),
            disabled: fields.of(&DISABLED).unwrap_or(false),
            country_code,
            details: details(fields).into_iter().filter_map(|(name, text)| Some((name, text?))).collect(),
        });
        match new.filter(|_| faults.is_empty()) {
            Some(new) => Ok((new, asked.idempotency(app.vault(), &permit, fields))),
            None => Err(faults.into()),
        }
    })?;
    drop(asked);
    let vault = app.vault().clone();
    let done = async move { vault.organisation_create_once(&permit, new, idempotency).await };
    let done = to_the_end(done).await?;
    Ok(Answer::of::<Organisation>(&done.value).replayed(done.replayed))
}

pub(crate) async fn update(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<OrganisationUpdate>()?;
    let id = asked.id(OrganisationId::parse)?;
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
    let done = async move { vault.organisation_update(&permit, id, change, idempotency).await };
    let done = to_the_end(done).await?;
    Ok(Answer::of::<Organisation>(&done.value).replayed(done.replayed))
}

pub(crate) async fn read(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let permit = asked.permit::<OrganisationRead>()?;
    let row = app.vault().organisation_read(&permit, asked.id(OrganisationId::parse)?)?;
    Ok(Answer::of::<Organisation>(&row))
}

pub(crate) async fn list(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<OrganisationList>()?;
    let query = list::read::<Organisation>(asked.query.as_deref(), faults)?;
    let page = app.vault().organisation_list(&permit, query).await?;
    Answer::list_of::<Organisation>(page.rows.iter().map(Arc::as_ref), Some(page.total))
}

pub(crate) async fn count(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<OrganisationList>()?;
    let query = list::read::<Organisation>(asked.query.as_deref(), faults)?;
    let page = app.vault().organisation_list(&permit, list::counting(query)).await?;
    Ok(Answer::count(page.total))
}

pub(crate) async fn delete(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let permit = asked.permit::<OrganisationDelete>()?;
    let id = asked.id(OrganisationId::parse)?;
    // What it sees would be waited for.
    drop(asked);
    let vault = app.vault().clone();
    to_the_end(async move { vault.organisation_delete(permit, id).await }).await?;
    Ok(Answer::new(StatusCode::NO_CONTENT, Vec::new()))
}

fn update_parse(fields: &Fields<'_>, faults: &mut Faults) -> OrganisationChange {
    let country_code = fields.typed(&COUNTRY_CODE, country_parse, faults).map(Some);
    OrganisationChange {
        parent: fields.of(&PARENT).map(OrganisationId),
        name: fields.of(&NAME).map(str::to_owned),
        disabled: fields.of(&DISABLED),
        country_code: if fields.is_null(&COUNTRY_CODE) { Some(None) } else { country_code },
        details: details(fields),
    }
}

/// Details that were sent; those without a text are to end.
fn details(fields: &Fields<'_>) -> Vec<(String, Option<String>)> {
    let sent = DETAILS.into_iter().filter_map(|field| {
        let ends = fields.is_null(field).then_some(None);
        let text = fields.of(field).map(|text| Some(text.to_owned()));
        Some((field.name.to_owned(), text.or(ends)?))
    });
    let invoice = fields.of(&GENERATE_INVOICE).map(|flag| Some(flag.to_string()));
    let ends = fields.is_null(&GENERATE_INVOICE).then_some(None);
    sent.chain(invoice.or(ends).map(|text| (GENERATE_INVOICE.name.to_owned(), text))).collect()
}

fn country_parse(text: &str) -> Result<Country, &'static str> {
    Country::parse(text).ok_or(Country::EXPECTED)
}
