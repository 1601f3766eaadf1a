use std::sync::Arc;

use http::StatusCode;
use panvault_model::{OrganisationId, ProcessorId};
use panvault_vault::{
    NewProcessor, ProcessorChange, ProcessorCreate, ProcessorDelete, ProcessorList, ProcessorRead,
    ProcessorUpdate,
};

use crate::answer::Answer;
use crate::app::App;
use crate::asked::{Asked, parsed, to_the_end};
use crate::error::Refusal;
use crate::fields::Fields;
use crate::list;
use crate::object::processor::{CONFIGURATION, CREATE, NAME, ORGANISATION, Processor, TYPE, UPDATE};
use crate::routes::account::owner;

pub(crate) async fn create(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<ProcessorCreate>()?;
    let own = asked.caller.organisation();
    let (new, idempotency) = parsed(asked.take_body(), &CREATE, faults, |fields, mut faults| {
        let organisation = owner(fields, own, &mut faults);
        let (type_name, settings) = configuration(fields);
        if fields.has(CONFIGURATION.name) && type_name.is_none() && faults.is_empty() {
            faults.missing(format!("body.{}.{TYPE}", CONFIGURATION.name));
        }
        match (organisation, fields.of(&NAME), type_name) {
            (Some(organisation), Some(name), Some(type_name)) if faults.is_empty() => {
                let new = NewProcessor { organisation, name: name.to_owned(), type_name, settings };
                Ok((new, asked.idempotency(app.vault(), &permit, fields)))
            }
            (..) => Err(faults.into()),
        }
    })?;
    drop(asked);
    let vault = app.vault().clone();
    let done = async move { vault.processor_create_once(&permit, new, idempotency).await };
    let done = to_the_end(done).await?;
    Ok(Answer::of::<Processor>(&done.value).replayed(done.replayed))
}

pub(crate) async fn update(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<ProcessorUpdate>()?;
    let id = asked.id(ProcessorId::parse)?;
    let (change, idempotency) = parsed(asked.take_body(), &UPDATE, faults, |fields, mut faults| {
        if fields.is_empty() {
            faults.missing_one_of("body", "needs at least one field");
        }
        if !faults.is_empty() {
            return Err(faults.into());
        }
        let (type_name, settings) = configuration(fields);
        let organisation = fields.of(&ORGANISATION).map(OrganisationId);
        let name = fields.of(&NAME).map(str::to_owned);
        let change = ProcessorChange { organisation, name, type_name, settings };
        Ok((change, asked.idempotency(app.vault(), &permit, fields)))
    })?;
    drop(asked);
    let vault = app.vault().clone();
    let done = async move { vault.processor_update(&permit, id, change, idempotency).await };
    let done = to_the_end(done).await?;
    Ok(Answer::of::<Processor>(&done.value).replayed(done.replayed))
}

pub(crate) async fn read(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let permit = asked.permit::<ProcessorRead>()?;
    let row = app.vault().processor_read(&permit, asked.id(ProcessorId::parse)?)?;
    Ok(Answer::of::<Processor>(&row))
}

pub(crate) async fn list(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<ProcessorList>()?;
    let query = list::read::<Processor>(asked.query.as_deref(), faults)?;
    let page = app.vault().processor_list(&permit, query).await?;
    Answer::list_of::<Processor>(page.rows.iter().map(Arc::as_ref), Some(page.total))
}

pub(crate) async fn count(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let (permit, faults) = asked.permit_and_faults::<ProcessorList>()?;
    let query = list::read::<Processor>(asked.query.as_deref(), faults)?;
    let page = app.vault().processor_list(&permit, list::counting(query)).await?;
    Ok(Answer::count(page.total))
}

pub(crate) async fn delete(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let permit = asked.permit::<ProcessorDelete>()?;
    let id = asked.id(ProcessorId::parse)?;
    let vault = app.vault().clone();
    to_the_end(async move { vault.processor_delete(&permit, id).await }).await?;
    Ok(Answer::new(StatusCode::NO_CONTENT, Vec::new()))
}

/// The type that was sent, and the other settings.
fn configuration(fields: &Fields<'_>) -> (Option<String>, Vec<(String, String)>) {
    let (types, settings): (Vec<_>, Vec<_>) =
        fields.of(&CONFIGURATION).unwrap_or_default().into_iter().partition(|(name, _)| name == TYPE);
    (types.into_iter().next().map(|(_, type_name)| type_name), settings)
}
