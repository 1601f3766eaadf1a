use panvault_keys::{KeyState, OrganisationKey, Purpose};
use panvault_model::{Id, OrganisationId};
use panvault_store::{Action, DocumentKind};

use crate::document::{DocumentPlan, Snapshot};
use crate::error::{Named, VaultError};
use crate::idempotency::{Done, Idempotency};
use crate::key::destroy::KEYS_DESTROYED;
use crate::key::list::KeyView;
use crate::permit::{KeyRotate, Permit};
use crate::vault::Vault;

/// A key that was made to take the place of another. What is kept of it as an answer has no key in it: one that is destroyed is nowhere.
pub(crate) struct MadeKey(pub(crate) OrganisationKey);

impl Vault {
    /// Makes the key that takes the place of an organisation's data key, or of its key for fingerprints. It seals or makes as soon as every node knows it, and what the one before
    /// it sealed or made is sealed anew in the background. [`VaultError::WrongState`] while another rotation of the same key is under way.
    pub async fn key_rotate(
        &self,
        permit: &Permit<KeyRotate>,
        organisation: OrganisationId,
        purpose: Purpose,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<KeyView>, VaultError> {
        let plan = |permit: &Permit<_>, snapshot: &Snapshot| {
            self.key_rotate_plan(snapshot, permit, organisation, purpose)
        };
        let done = self.document_change_once(permit, idempotency, plan).await?;
        self.rotation().wake();
        let now = permit.now().wall;
        Ok(done.map(|MadeKey(key)| self.key_view(&key, now)))
    }

    fn key_rotate_plan(
        &self,
        snapshot: &Snapshot,
        permit: &Permit<KeyRotate>,
        organisation: OrganisationId,
        purpose: Purpose,
    ) -> Result<(MadeKey, DocumentPlan), VaultError> {
        permit.within(organisation, Named::Subject)?;
        let mut active = None;
        for key in snapshot.keys.kept(organisation).filter(|key| key.purpose == purpose) {
            match key.state {
                KeyState::Active => active = Some(key),
                KeyState::PreActive | KeyState::OpenOnly => {
                    let reason = "a rotation of this key is under way: the key before the active one is not destroyed yet";
                    return Err(VaultError::WrongState { reason });
                }
                KeyState::Destroyed => {}
            }
        }
        let active = active.ok_or(VaultError::WrongState { reason: KEYS_DESTROYED })?;
        let now = permit.now().wall;
        let mut next = active.make_next(self.keys(), now, self.entropy())?;
        let id = Id::make(now, self.make_id_bytes()?);
        next.document = Some(id);
        let changes = vec![self.document_put(DocumentKind::OrganisationKey, id, 1, next.encode())];
        let audit = permit.asked().note(now, Action::KeyMake, organisation, id);
        Ok((MadeKey(next), DocumentPlan { changes, audit }))
    }
}
