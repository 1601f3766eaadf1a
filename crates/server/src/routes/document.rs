//! What requests about organisations, accounts, processors and API keys have in common: what is read of them before the vault is asked. Each
//! gives a permit and lets go of the request, so that nothing which waits for requests waits for this one.

use http::StatusCode;
use panvault_model::OrganisationId;
use panvault_vault::{Idempotency, Operation, Permit, Query, VaultError};

use crate::answer::Answer;
use crate::app::App;
use crate::asked::{Asked, parsed, to_the_end};
use crate::error::Refusal;
use crate::fault::Faults;
use crate::fields::Fields;
use crate::list;
use crate::object::account::ORGANISATION;
use crate::object::{BodySpec, Object};

/// A body that asks for a new object. What `read` makes of it is of no use where it notes a fault; it is told the organisation of the
/// caller's key.
pub(super) fn new<O: Operation, T>(
    app: &App,
    mut asked: Asked,
    spec: &BodySpec,
    read: impl FnOnce(&Fields<'_>, Option<OrganisationId>, &mut Faults) -> Option<T>,
) -> Result<(Permit<O>, T, Option<Idempotency>), Refusal> {
    let (permit, faults) = asked.permit_and_faults()?;
    let own = asked.caller.organisation();
    let (new, idempotency) = parsed(asked.take_body(), spec, faults, |fields, mut faults| {
        let new = read(fields, own, &mut faults);
        match new.filter(|_| faults.is_empty()) {
            Some(new) => Ok((new, asked.idempotency(app.vault(), &permit, fields))),
            None => Err(faults.into()),
        }
    })?;
    Ok((permit, new, idempotency))
}

/// A body that changes the object whose id is in the path.
pub(super) fn change<O: Operation, I, E, T>(
    app: &App,
    mut asked: Asked,
    id: impl FnOnce(&str) -> Result<I, E>,
    spec: &BodySpec,
    read: impl FnOnce(&Fields<'_>, &mut Faults) -> T,
) -> Result<(Permit<O>, I, T, Option<Idempotency>), Refusal> {
    let (permit, faults) = asked.permit_and_faults()?;
    let id = asked.id(id)?;
    let (change, idempotency) = parsed(asked.take_body(), spec, faults, |fields, mut faults| {
        let change = read(fields, &mut faults);
        if fields.is_empty() {
            faults.missing_one_of("body", "needs at least one field");
        }
        if faults.is_empty() {
            Ok((change, asked.idempotency(app.vault(), &permit, fields)))
        } else {
            Err(faults.into())
        }
    })?;
    Ok((permit, id, change, idempotency))
}

/// A body that says nothing, and what is done with the object whose id is in the path.
pub(super) fn act<O: Operation, I, E>(
    app: &App,
    mut asked: Asked,
    id: impl FnOnce(&str) -> Result<I, E>,
    spec: &BodySpec,
) -> Result<(Permit<O>, I, Option<Idempotency>), Refusal> {
    let (permit, faults) = asked.permit_and_faults()?;
    let id = asked.id(id);
    let idempotency = parsed(asked.take_body(), spec, faults, |fields, faults| {
        if faults.is_empty() {
            Ok(asked.idempotency(app.vault(), &permit, fields))
        } else {
            Err(faults.into())
        }
    })?;
    Ok((permit, id?, idempotency))
}

/// The object whose id is in the path, and nothing else.
pub(super) fn one<O: Operation, I, E>(
    mut asked: Asked,
    id: impl FnOnce(&str) -> Result<I, E>,
) -> Result<(Permit<O>, I), Refusal> {
    Ok((asked.permit()?, asked.id(id)?))
}

/// A list of objects.
pub(super) fn query<O: Operation, S: Object<By: PartialEq>>(
    mut asked: Asked,
) -> Result<(Permit<O>, Query<S::By>), Refusal> {
    let (permit, faults) = asked.permit_and_faults()?;
    Ok((permit, list::read::<S>(asked.query.as_deref(), faults)?))
}

/// Deletes, and says so.
pub(super) async fn deleted(
    work: impl Future<Output = Result<(), VaultError>> + Send + 'static,
) -> Result<Answer, Refusal> {
    to_the_end(work).await?;
    Ok(Answer::new(StatusCode::NO_CONTENT, Vec::new()))
}

/// Whose a new object is to be: the organisation that is named, or else the caller's own. A command on this machine has none.
pub(crate) fn owner(
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
