use std::sync::Arc;

use panvault_model::OrganisationId;
use panvault_vault::{KeyInventory, KeyList, Purpose};

use crate::answer::Answer;
use crate::app::App;
use crate::asked::{Asked, to_the_end};
use crate::error::Refusal;
use crate::object::key::{DESTROY, Key, ORGANISATION, PURPOSE, ROTATE, VaultKey};
use crate::routes::document;

pub(crate) async fn inventory(app: Arc<App>, mut asked: Asked) -> Result<Answer, Refusal> {
    let permit = asked.permit::<KeyInventory>()?;
    let keys = app.vault().key_inventory(&permit)?;
    Answer::list_of::<VaultKey>(keys.iter(), None)
}

pub(crate) async fn list(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id) = document::one::<KeyList, _, _>(asked, OrganisationId::parse)?;
    let keys = app.vault().key_list(&permit, id)?;
    Answer::list_of::<Key>(keys.iter(), None)
}

pub(crate) async fn rotate(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id, purpose, idempotency) =
        document::change(&app, asked, OrganisationId::parse, &ROTATE, |fields, _faults| {
            let named = fields.of(&PURPOSE);
            Purpose::ALL.into_iter().find(|purpose| Some(purpose.as_str()) == named)
        })?;
    let vault = app.vault().clone();
    let done = async move {
        // A body without it was refused.
        let purpose = purpose.unwrap_or(Purpose::Data);
        vault.key_rotate(&permit, id, purpose, idempotency).await
    };
    Ok(Answer::done::<Key>(&to_the_end(done).await?))
}

/// Repeated, it is refused: they are destroyed. So there is no answer to be given again.
pub(crate) async fn destroy(app: Arc<App>, asked: Asked) -> Result<Answer, Refusal> {
    let (permit, id, again, _) =
        document::change(&app, asked, OrganisationId::parse, &DESTROY, |fields, _faults| {
            fields.of(&ORGANISATION).map(OrganisationId)
        })?;
    let vault = app.vault().clone();
    document::deleted(async move {
        // A body without it was refused.
        let again = again.unwrap_or(OrganisationId::from_bytes([0; 12]));
        vault.key_destroy(&permit, id, again).await
    })
    .await
}
