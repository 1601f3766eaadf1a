//! Keys of the vault itself, which its header has: each step of what becomes of one is a change of the document that hands it over.

use panvault_keys::{HandOver, KeyState, OrganisationKey, VaultKeyDescription, VaultPurpose};
use panvault_model::{Id, OrganisationId, Timestamp};
use panvault_store::Action;

use crate::audit::Requester;
use crate::document::{DocumentPlan, HEAD_ID, Snapshot};
use crate::error::VaultError;
use crate::key::sweep::Rotated;
use crate::limits::REWRAP_KEYS_MAX;
use crate::vault::Vault;

/// Whether a key is destroyed when nothing needs it any more that it made.
const fn ends_by_itself(purpose: VaultPurpose) -> bool {
    match purpose {
        VaultPurpose::Wrapping
        | VaultPurpose::RowTag
        | VaultPurpose::DocumentTag
        | VaultPurpose::DocumentHead
        | VaultPurpose::Idempotency
        | VaultPurpose::ApiKeyHash
        | VaultPurpose::CvvCache => true,
        VaultPurpose::AuditChain | VaultPurpose::TrailCheckpoint | VaultPurpose::SetHash => false,
    }
}

impl Snapshot {
    /// Keys of the vault that are on their way in or out, each with whether it is on its way in, and whether nodes are handed something.
    pub(crate) fn vault_keys_moving(&self) -> impl Iterator<Item = (VaultKeyDescription, bool)> {
        let keys = self.handed.iter().flat_map(|handed| handed.keys());
        keys.filter_map(|key| match key.state {
            KeyState::PreActive => Some((key, true)),
            KeyState::OpenOnly if ends_by_itself(key.purpose) => Some((key, false)),
            KeyState::Active | KeyState::OpenOnly | KeyState::Destroyed => None,
        })
    }

    /// Whether nodes are handed what one of them may not have yet.
    pub(super) fn hands(&self) -> bool {
        self.handed.as_ref().is_some_and(|handed| handed.hands())
    }
}

impl Vault {
    /// Takes away what is handed over when every node has it, and lets new keys of the vault make.
    pub(super) async fn vault_keys_take_up(&self) -> Result<(), VaultError> {
        let snapshot = self.snapshot();
        let is_new = snapshot.hands() || snapshot.vault_keys_moving().any(|(_, is_new)| is_new);
        let Some(handed) = snapshot.handed.clone().filter(|_| is_new) else { return Ok(()) };
        drop(snapshot);
        if !self.has_duty().await? {
            return Ok(());
        }
        // Every node has what it was handed by then, or refuses what it is asked.
        self.requests_before_end().await?;
        self.commits_before_end().await?;
        let now = self.shared_time().await?;
        self.vault_keys_activate(handed.header_version(), now).await
    }

    /// Goes on with keys of the vault itself that others took the place of, but for those that tag: what the wrapping key before wrapped is wrapped anew, and what the others made is left
    /// to end, until nothing needs them.
    pub(super) async fn vault_keys_end(&self, begun: Timestamp) -> Result<Rotated, VaultError> {
        if self.snapshot().vault_keys_moving().next().is_none() || !self.has_duty().await? {
            return Ok(Rotated::Done);
        }
        self.wrapping_keys_rotate().await?;
        let is_one_new = self.snapshot().vault_keys_moving().any(|(_, is_new)| is_new);
        let waits = if is_one_new { Rotated::Waits } else { Rotated::Done };
        let ended = [
            self.api_key_hash_keys_end().await?,
            self.cvv_cache_keys_end().await?,
            self.document_head_keys_end().await?,
            self.idempotency_keys_end(begun).await?,
        ];
        Ok(ended.into_iter().fold(waits, Rotated::max))
    }

    /// Whether a key that every node knows may make. A claim on an idempotency key that a node sent before it knew this one looks for no record of it: over a database it
    /// may be done late, and until then there is none.
    pub(super) fn may_activate(&self, key: &VaultKeyDescription, now: Timestamp) -> bool {
        let is_met_by_others = key.purpose != VaultPurpose::Idempotency;
        is_met_by_others || self.are_stored_by(Some(self.rotation().known_since(key, now)), now)
    }

    /// Wraps anew what wrapping keys wrapped that another took the place of, and destroys them.
    async fn wrapping_keys_rotate(&self) -> Result<(), VaultError> {
        let snapshot = self.snapshot();
        let retired: Vec<_> = snapshot
            .vault_keys_moving()
            .filter(|(key, is_new)| !is_new && key.purpose == VaultPurpose::Wrapping)
            .collect();
        drop(snapshot);
        if retired.is_empty() {
            return Ok(());
        }
        while self.keys_to_rewrap() > 0 {
            if !self.has_duty().await? {
                return Ok(());
            }
            self.keys_rewrap().await?;
            tokio::task::yield_now().await;
        }
        // What unwraps a key when it first uses it has the documents of now.
        self.requests_before_end().await?;
        for (key, _) in retired {
            self.vault_key_destroy(key).await?;
        }
        Ok(())
    }

    /// How many keys of organisations are not wrapped with the wrapping key of now.
    pub(super) fn keys_to_rewrap(&self) -> usize {
        let snapshot = self.snapshot();
        snapshot.keys.kept_of_all().filter(|key| key.needs_rewrap(self.keys())).count()
    }

    /// Lets new keys make, and those before them only check; nodes have what they were handed of this header.
    async fn vault_keys_activate(&self, header_version: u32, now: Timestamp) -> Result<(), VaultError> {
        self.document_change_own(|snapshot| {
            let handed = snapshot.handed.as_ref().filter(|of| of.header_version() == header_version);
            let Some(handed) = handed else { return Ok(None) };
            let new = handed.keys().filter(|key| key.state == KeyState::PreActive);
            let new: Vec<_> = new.filter(|key| self.may_activate(key, now)).collect();
            if new.is_empty() && !handed.hands() {
                return Ok(None);
            }
            let activated = new.iter().fold(handed.taken(), |handed, key| {
                let of_purpose = |of: &VaultKeyDescription| of.purpose == key.purpose;
                let before = handed.keys().find(|of| of_purpose(of) && of.state == KeyState::Active);
                let handed = match before {
                    Some(before) => handed.with(before.purpose, before.version, KeyState::OpenOnly, now),
                    None => handed,
                };
                handed.with(key.purpose, key.version, KeyState::Active, now)
            });
            let (action, object) = match new.first() {
                Some(key) => (Action::VaultKeyActivate, named(key.purpose, key.version)),
                None => (Action::DocumentUpdate, HEAD_ID),
            };
            self.handed_plan(snapshot, activated, action, object).map(Some)
        })
        .await
    }

    /// Wraps some keys of organisations with the wrapping key of now: all that is said of them stays.
    async fn keys_rewrap(&self) -> Result<(), VaultError> {
        self.document_change_own(|snapshot| {
            let old = snapshot.keys.kept_of_all().filter(|key| key.needs_rewrap(self.keys()));
            let rewrapped = old.take(REWRAP_KEYS_MAX).map(|key| {
                let key = OrganisationKey::clone(key).rewrap(self.keys(), self.entropy())?;
                self.key_put(snapshot, &key)
            });
            let changes = rewrapped.collect::<Result<Vec<_>, VaultError>>()?;
            if changes.is_empty() {
                return Ok(None);
            }
            let nobody = OrganisationId::from_bytes([0; 12]);
            let audit = Requester::VAULT.note(self.now().wall, Action::KeyRewrap, nobody, HEAD_ID);
            Ok(Some(DocumentPlan { changes, audit }))
        })
        .await
    }

    /// Ends the use of a key that another took the place of, unless something came to need it. Its bytes in the header go with the next change of that.
    pub(super) async fn vault_key_destroy(&self, key: VaultKeyDescription) -> Result<(), VaultError> {
        let now = self.shared_time().await?;
        self.document_change_own(|snapshot| {
            let Some(handed) = snapshot.handed.as_ref() else { return Ok(None) };
            let is_it = |of: &VaultKeyDescription| {
                (of.purpose, of.version, of.state) == (key.purpose, key.version, KeyState::OpenOnly)
            };
            if !handed.keys().any(|of| is_it(&of)) {
                return Ok(None);
            }
            let mut wrapped = snapshot.keys.kept_of_all();
            let is_wrapping = key.purpose == VaultPurpose::Wrapping;
            if is_wrapping && wrapped.any(|key| key.needs_rewrap(self.keys())) {
                return Err(VaultError::Contended);
            }
            let hashes = key.purpose == VaultPurpose::ApiKeyHash;
            if hashes && snapshot.api_keys_hashed_by(key.version).next().is_some() {
                return Err(VaultError::Contended);
            }
            let tags = key.purpose == VaultPurpose::DocumentTag;
            if tags && snapshot.documents.tagged_by(key.version).next().is_some() {
                return Err(VaultError::Contended);
            }
            // What is handed over under it has not been taken up by all.
            let seals = key.purpose == VaultPurpose::DocumentHead;
            let hands = handed.hands() && handed.head_key() == key.version;
            if seals && (hands || snapshot.head.key == key.version) {
                return Err(VaultError::Contended);
            }
            let handed = HandOver::clone(handed);
            let destroyed = handed.with(key.purpose, key.version, KeyState::Destroyed, now);
            self.handed_plan(snapshot, destroyed, Action::VaultKeyDestroy, named(key.purpose, key.version))
                .map(Some)
        })
        .await?;
        tracing::info!(purpose = key.purpose.as_str(), version = key.version, "key.of_vault_destroyed");
        Ok(())
    }

    fn handed_plan(
        &self,
        snapshot: &Snapshot,
        handed: HandOver,
        action: Action,
        object: Id,
    ) -> Result<DocumentPlan, VaultError> {
        let nobody = OrganisationId::from_bytes([0; 12]);
        let audit = Requester::VAULT.note(self.now().wall, action, nobody, object);
        Ok(DocumentPlan { changes: vec![self.hand_over_put(snapshot, handed)?], audit })
    }
}

/// Names a key of the vault in the trail: its purpose (1) · its version (2) · zeroes.
pub(super) const fn named(purpose: VaultPurpose, version: u16) -> Id {
    let [high, low] = version.to_be_bytes();
    Id::from_bytes([purpose.code(), high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0])
}
