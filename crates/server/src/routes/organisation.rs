use std::sync::Arc;

use base64ct::{Base64, Encoding};
use panvault_model::{Country, OrganisationId};
use panvault_vault::{NewOrganisation, OrganisationChange};

use crate::answer::{Answer, Total};
use crate::app::App;
use crate::asked::{Asked, to_the_end};
use crate::error::Refusal;
use crate::fault::Faults;
use crate::fields::{Field, Fields, Texts};
use crate::list;
use crate::object::organisation::{
    CHECKOUT_THEME, COUNTRY_CODE, CREATE, DETAILS, DISABLED, GENERATE_INVOICE, IMAGE,
    KEYLESS_CAPTURE_ORIGINS, LOGO, NAME, Organisation, PARENT, RETURN_ORIGINS, UPDATE,
};
use crate::routes::document;

pub(crate) async fn create(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, new, idempotency) = document::new(&app, asked, &CREATE, create_parse)?;
    let vault = app.vault().clone();
    let done = async move { vault.organisation_create_once(&permit, new, idempotency).await };
    Ok(Answer::done::<Organisation>(&to_the_end(done).await?))
}

pub(crate) async fn update(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id, change, idempotency) =
        document::change(&app, asked, OrganisationId::parse, &UPDATE, update_parse)?;
    let vault = app.vault().clone();
    let done = async move { vault.organisation_update(&permit, id, change, idempotency).await };
    Ok(Answer::done::<Organisation>(&to_the_end(done).await?))
}

pub(crate) async fn read(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id) = document::one(asked, OrganisationId::parse)?;
    let row = app.vault().organisation_read(&permit, id)?;
    Ok(Answer::of::<Organisation>(&row))
}

pub(crate) async fn list(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, query) = document::query::<_, Organisation>(asked)?;
    let page = app.vault().organisation_list(&permit, query).await?;
    Answer::list_of::<Organisation>(page.rows.iter().map(Arc::as_ref), Some(Total::of(&page)))
}

pub(crate) async fn count(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, query) = document::query::<_, Organisation>(asked)?;
    let page = app.vault().organisation_list(&permit, list::counting(query)).await?;
    Ok(Answer::count(Total::of(&page)))
}

pub(crate) async fn delete(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id) = document::one(asked, OrganisationId::parse)?;
    let vault = app.vault().clone();
    document::deleted(async move { vault.organisation_delete(permit, id).await }).await
}

pub(crate) async fn logo_set(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id, image, idempotency) =
        document::change(&app, asked, OrganisationId::parse, &LOGO, |fields, faults| {
            fields.typed(&IMAGE, base64_read, faults)
        })?;
    let vault = app.vault().clone();
    let image = image.unwrap_or_default();
    let done = async move { vault.organisation_logo_set(&permit, id, &image, idempotency).await };
    Ok(Answer::done::<Organisation>(&to_the_end(done).await?))
}

pub(crate) async fn logo_delete(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id) = document::one(asked, OrganisationId::parse)?;
    let vault = app.vault().clone();
    document::deleted(async move { vault.organisation_logo_delete(&permit, id).await }).await
}

fn create_parse(
    fields: &Fields<'_>,
    own: Option<OrganisationId>,
    faults: &mut Faults,
) -> Option<NewOrganisation> {
    let country_code = fields.typed(&COUNTRY_CODE, country_parse, faults);
    Some(NewOrganisation {
        name: fields.of(&NAME)?.to_owned(),
        parent: fields.of(&PARENT).map(OrganisationId).or(own),
        disabled: fields.of(&DISABLED).unwrap_or(false),
        country_code,
        details: details(fields).into_iter().filter_map(|(name, text)| Some((name, text?))).collect(),
        keyless_capture_origins: origins(fields, &KEYLESS_CAPTURE_ORIGINS).unwrap_or_default(),
        return_origins: origins(fields, &RETURN_ORIGINS).unwrap_or_default(),
        checkout_theme: fields.of(&CHECKOUT_THEME).unwrap_or_default(),
    })
}

fn update_parse(fields: &Fields<'_>, faults: &mut Faults) -> OrganisationChange {
    let country_code = fields.typed(&COUNTRY_CODE, country_parse, faults).map(Some);
    OrganisationChange {
        parent: fields.of(&PARENT).map(OrganisationId),
        name: fields.of(&NAME).map(str::to_owned),
        disabled: fields.of(&DISABLED),
        country_code: if fields.is_null(&COUNTRY_CODE) { Some(None) } else { country_code },
        details: details(fields),
        keyless_capture_origins: origins(fields, &KEYLESS_CAPTURE_ORIGINS)
            .or_else(|| fields.is_null(&KEYLESS_CAPTURE_ORIGINS).then(Vec::new)),
        return_origins: origins(fields, &RETURN_ORIGINS)
            .or_else(|| fields.is_null(&RETURN_ORIGINS).then(Vec::new)),
        checkout_theme: fields.of(&CHECKOUT_THEME).or_else(|| fields.is_null(&CHECKOUT_THEME).then(Vec::new)),
    }
}

fn origins(fields: &Fields<'_>, field: &Field<Texts>) -> Option<Vec<String>> {
    let origins = fields.of(field)?;
    Some(origins.into_iter().map(str::to_owned).collect())
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

fn base64_read(text: &str) -> Result<Vec<u8>, &'static str> {
    let mut bytes = vec![0; text.len().div_ceil(4) * 3];
    let read = Base64::decode(text, &mut bytes).map_err(|_| "must be base64 (RFC 4648, section 4)")?;
    Ok(read.to_vec())
}

fn country_parse(text: &str) -> Result<Country, &'static str> {
    Country::parse(text).ok_or(Country::EXPECTED)
}
