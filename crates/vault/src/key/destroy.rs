use panvault_keys::{KeyState, OrganisationKey};
use panvault_model::OrganisationId;
use panvault_store::{Action, DocumentKind};

use crate::document::{DocumentPlan, Snapshot};
use crate::error::{Named, VaultError};
use crate::permit::{KeyDestroy, Permit};
use crate::vault::Vault;

/// Why nothing is sealed in an organisation any more.
pub(crate) const KEYS_DESTROYED: &str = "its keys are destroyed";

impl Vault {
    /// Destroys all keys of an organisation, and disables it, in one step: nothing that was sealed for it opens any more, at any node, and its
    /// fingerprints are nobody's. What is in clear stays until it is deleted. [`VaultError::Faults`] unless `again` is its id too;
    /// [`VaultError::WrongState`] for the organisation of the caller's own key, for one with others below it, and where they are destroyed.
    pub async fn key_destroy(
        &self,
        permit: &Permit<KeyDestroy>,
        organisation: OrganisationId,
        again: OrganisationId,
    ) -> Result<(), VaultError> {
        let plan = |permit: &Permit<_>, snapshot: &Snapshot| {
            Ok(((), self.key_destroy_plan(snapshot, permit, organisation, again)?))
        };
        self.document_change(permit, plan).await?;
        tracing::warn!(organisation.id = %organisation, advice = "none; somebody asked for it", "key.organisation_destroyed");
        Ok(())
    }

    fn key_destroy_plan(
        &self,
        snapshot: &Snapshot,
        permit: &Permit<KeyDestroy>,
        organisation: OrganisationId,
        again: OrganisationId,
    ) -> Result<DocumentPlan, VaultError> {
        permit.within(organisation, Named::Subject)?;
        if again != organisation {
            return Err(VaultError::field(
                "organisation",
                "is not the organisation whose keys are to be destroyed",
            ));
        }
        let row = snapshot.documents.organisation(organisation);
        let mut row = row.ok_or_else(|| VaultError::not_found(Named::Subject))?.as_ref().clone();
        if permit.is_of(organisation) {
            return Err(VaultError::WrongState { reason: "it is the organisation of the caller's key" });
        }
        if snapshot.documents.has_children(organisation) {
            return Err(VaultError::WrongState { reason: "there are organisations below it" });
        }
        let now = permit.now().wall;
        let left = snapshot.keys.kept(organisation).filter(|key| key.state != KeyState::Destroyed);
        let destroyed = left.map(|key| self.key_put(snapshot, &OrganisationKey::clone(key).destroyed(now)));
        let mut changes = destroyed.collect::<Result<Vec<_>, _>>()?;
        if changes.is_empty() {
            return Err(VaultError::WrongState { reason: KEYS_DESTROYED });
        }
        row.disabled = true;
        row.updated_at = now;
        let (kind, id) = (DocumentKind::Organisation, organisation.0);
        let version = snapshot.documents.version(kind, id).checked_add(1).ok_or(VaultError::Contended)?;
        changes.push(self.document_put(kind, id, version, row.encode()));
        // The object is the organisation: it is the one whose version the trail is held against.
        let audit = permit.asked().note(now, Action::KeyDestroy, organisation, id);
        Ok(DocumentPlan { changes, audit })
    }
}
