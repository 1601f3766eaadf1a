use std::sync::Arc;

use panvault_model::{ApiKeyId, OrganisationId, Role, Timestamp};
use panvault_vault::{
    ApiKeyChange, ApiKeyCreate, ApiKeyRotation, ApiKeyView, Done, MadeApiKey as VaultMade, NewApiKey,
};

use crate::answer::{Answer, Total};
use crate::app::App;
use crate::asked::{Asked, parsed, to_the_end};
use crate::error::Refusal;
use crate::fault::Faults;
use crate::fields::Fields;
use crate::list;
use crate::object::api_key::{
    ALLOWED_ORIGINS, ApiKey, CREATE, EXPIRES_AT, Made, MadeApiKey, NAME, ORGANISATION, OVERLAP_SECONDS,
    ROLES, ROTATE, UPDATE,
};
use crate::routes::document::{self, owner};

pub(crate) async fn create(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, new, idempotency) = document::new(&app, asked, &CREATE, create_parse)?;
    let vault = app.vault().clone();
    let done = async move { vault.apikey_create_once(&permit, new, idempotency).await };
    Ok(made(to_the_end(done).await?))
}

pub(crate) async fn rotate(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<ApiKeyCreate>()?;
    let id = asked.id(ApiKeyId::parse)?;
    let (rotation, idempotency) = parsed(asked.take_body(), &ROTATE, faults, |fields, mut faults| {
        let seconds = fields.of(&OVERLAP_SECONDS).and_then(|seconds| u64::try_from(seconds).ok());
        let expires_at = end_parse(fields, &mut faults);
        match seconds.filter(|_| faults.is_empty()) {
            Some(overlap_seconds) => {
                let rotation = ApiKeyRotation { overlap_seconds, expires_at };
                Ok((rotation, asked.idempotency(app.vault(), &permit, fields)))
            }
            None => Err(faults.into()),
        }
    })?;
    drop(asked);
    let vault = app.vault().clone();
    let done = async move { vault.apikey_rotate(&permit, id, rotation, idempotency).await };
    Ok(made(to_the_end(done).await?))
}

pub(crate) async fn update(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id, change, idempotency) =
        document::change(&app, asked, ApiKeyId::parse, &UPDATE, update_parse)?;
    let vault = app.vault().clone();
    let done = async move {
        let Done { value, replayed } = vault.apikey_update(&permit, id, change, idempotency).await?;
        Ok(Done { value: vault.apikey_view(Arc::new(value)).await, replayed })
    };
    Ok(Answer::done::<ApiKey>(&to_the_end(done).await?))
}

pub(crate) async fn read(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id) = document::one(asked, ApiKeyId::parse)?;
    let view = app.vault().apikey_read(&permit, id).await?;
    Ok(Answer::of::<ApiKey>(&view))
}

pub(crate) async fn list(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, query) = document::query::<_, ApiKey>(asked)?;
    let page = app.vault().apikey_list(&permit, query).await?;
    Answer::list_of::<ApiKey>(page.rows.iter(), Some(Total::of(&page)))
}

pub(crate) async fn count(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, query) = document::query::<_, ApiKey>(asked)?;
    let page = app.vault().apikey_list(&permit, list::counting(query)).await?;
    Ok(Answer::count(Total::of(&page)))
}

pub(crate) async fn delete(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id) = document::one(asked, ApiKeyId::parse)?;
    let vault = app.vault().clone();
    document::deleted(async move { vault.apikey_delete(&permit, id).await }).await
}

/// A key that was made, and the key itself where it is shown.
fn made(done: Done<VaultMade>) -> Answer {
    Answer::done::<MadeApiKey>(&done.map(|VaultMade { row, key }| {
        let view = ApiKeyView { row: Arc::new(row), last_used_at: None };
        Made { view, key }
    }))
}

fn create_parse(fields: &Fields<'_>, own: Option<OrganisationId>, faults: &mut Faults) -> Option<NewApiKey> {
    let organisation = owner(fields, own, faults);
    let expires_at = fields.typed(&EXPIRES_AT, time_parse, faults);
    Some(NewApiKey {
        organisation: organisation?,
        name: fields.of(&NAME)?.to_owned(),
        roles: roles(fields)?,
        allowed_origins: fields.of(&ALLOWED_ORIGINS).map(texts).unwrap_or_default(),
        expires_at,
    })
}

fn update_parse(fields: &Fields<'_>, faults: &mut Faults) -> ApiKeyChange {
    ApiKeyChange {
        organisation: fields.of(&ORGANISATION).map(OrganisationId),
        name: fields.of(&NAME).map(str::to_owned),
        roles: roles(fields),
        allowed_origins: fields.of(&ALLOWED_ORIGINS).map(texts),
        expires_at: end_parse(fields, faults),
    }
}

/// When a key stops working, if that was said; inside, never.
fn end_parse(fields: &Fields<'_>, faults: &mut Faults) -> Option<Option<Timestamp>> {
    let expires_at = fields.typed(&EXPIRES_AT, time_parse, faults).map(Some);
    if fields.is_null(&EXPIRES_AT) { Some(None) } else { expires_at }
}

fn roles(fields: &Fields<'_>) -> Option<Vec<Role>> {
    fields.of(&ROLES).map(|names| names.into_iter().filter_map(Role::parse).collect())
}

fn texts(texts: Vec<&str>) -> Vec<String> {
    texts.into_iter().map(str::to_owned).collect()
}

fn time_parse(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse(text).map_err(|_| "must be a time (RFC 3339), such as 2035-01-31T12:00:00Z")
}
