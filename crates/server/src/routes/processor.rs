use std::sync::Arc;

use panvault_model::{OrganisationId, ProcessorId};
use panvault_vault::{Given, NewProcessor, ProcessorChange};

use crate::answer::{Answer, Total};
use crate::app::App;
use crate::asked::{Asked, to_the_end};
use crate::error::Refusal;
use crate::fault::Faults;
use crate::fields::Fields;
use crate::list;
use crate::object::processor::{CONFIGURATION, CREATE, NAME, ORGANISATION, Processor, TYPE, UPDATE};
use crate::routes::document::{self, owner};

pub(crate) async fn create(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, new, idempotency) = document::new(&app, asked, &CREATE, create_parse)?;
    let vault = app.vault().clone();
    let done = async move { vault.processor_create_once(&permit, new, idempotency).await };
    Ok(Answer::done::<Processor>(&to_the_end(done).await?))
}

pub(crate) async fn update(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id, change, idempotency) =
        document::change(&app, asked, ProcessorId::parse, &UPDATE, update_parse)?;
    let vault = app.vault().clone();
    let done = async move { vault.processor_update(&permit, id, change, idempotency).await };
    Ok(Answer::done::<Processor>(&to_the_end(done).await?))
}

pub(crate) async fn read(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id) = document::one(asked, ProcessorId::parse)?;
    let row = app.vault().processor_read(&permit, id)?;
    Ok(Answer::of::<Processor>(&row))
}

pub(crate) async fn list(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, query) = document::query::<_, Processor>(asked)?;
    let page = app.vault().processor_list(&permit, query).await?;
    Answer::list_of::<Processor>(page.rows.iter().map(Arc::as_ref), Some(Total::of(&page)))
}

pub(crate) async fn count(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, query) = document::query::<_, Processor>(asked)?;
    let page = app.vault().processor_list(&permit, list::counting(query)).await?;
    Ok(Answer::count(Total::of(&page)))
}

pub(crate) async fn delete(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id) = document::one(asked, ProcessorId::parse)?;
    let vault = app.vault().clone();
    document::deleted(async move { vault.processor_delete(&permit, id).await }).await
}

fn create_parse(
    fields: &Fields<'_>,
    own: Option<OrganisationId>,
    faults: &mut Faults,
) -> Option<NewProcessor> {
    let organisation = owner(fields, own, faults);
    let (type_name, given) = configuration(fields);
    if fields.has(CONFIGURATION.name) && type_name.is_none() && faults.is_empty() {
        faults.missing(format!("body.{}.{TYPE}", CONFIGURATION.name));
    }
    let name = fields.of(&NAME)?.to_owned();
    Some(NewProcessor { organisation: organisation?, name, type_name: type_name?, given })
}

fn update_parse(fields: &Fields<'_>, _: &mut Faults) -> ProcessorChange {
    let (type_name, given) = configuration(fields);
    let organisation = fields.of(&ORGANISATION).map(OrganisationId);
    let name = fields.of(&NAME).map(str::to_owned);
    ProcessorChange { organisation, name, type_name, given }
}

/// The type that was sent, and the other members.
fn configuration(fields: &Fields<'_>) -> (Option<String>, Given) {
    let (types, given): (Vec<_>, Vec<_>) =
        fields.settings(&CONFIGURATION).into_iter().partition(|(name, _)| name == TYPE);
    (types.first().map(|(_, type_name)| type_name.to_string()), Given::new(given))
}
