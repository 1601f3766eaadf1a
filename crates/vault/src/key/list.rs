use std::sync::Arc;

use panvault_keys::{HandOver, KeyState, OrganisationKey, Purpose, VaultKeyDescription, VaultPurpose};
use panvault_model::{ApiKeyId, Id, OrganisationId, Timestamp};
use panvault_store::{DocumentKind, DocumentRow};

use crate::document::Snapshot;
use crate::error::{Named, VaultError};
use crate::key::rotation::RotationSettings;
use crate::key::sweep::retired;
use crate::limits::KEY_NEEDED_BY_MAX;
use crate::permit::{KeyInventory, KeyList, Permit};
use crate::vault::Vault;

/// What may be known of a key of an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyView {
    /// Names the document that keeps it.
    pub id: Id,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// What it is for.
    pub purpose: Purpose,
    /// Counts the organisation's keys of this purpose, from 1.
    pub version: u32,
    /// What may be done with it.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it seals or makes.
    pub active_from: Option<Timestamp>,
    /// Until when it did, or until when it should.
    pub active_until: Option<Timestamp>,
    /// When it was destroyed, or is to be.
    pub destroyed_at: Option<Timestamp>,
    /// Whether it is active for longer than it should be.
    pub is_overdue: bool,
    /// Rows that are still to be written anew for it, as another took its place; `None` where that is not known here.
    pub rows_left: Option<u64>,
    /// Rows that keep it and that nobody can write anew: they are not what was written, or do not open.
    pub rows_damaged: Option<u64>,
}

/// What may be known of a key of the vault itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultKeyView {
    /// What its header and the documents say of it.
    pub described: VaultKeyDescription,
    /// Rows, keys of organisations or API keys that still need it, though another took its place; `None` where that is not known here.
    pub rows_left: Option<u64>,
    /// Rows that keep it and that nobody can write anew: they are not what was written.
    pub rows_damaged: Option<u64>,
    /// The first of the API keys that still need it: each until it is next used, or revoked.
    pub needed_by: Vec<ApiKeyId>,
    /// Whether the table of issuers keeps it, which bears its tag and could not be given another, as far as this node knows.
    pub is_needed_by_bins: bool,
    /// Whether it is active for longer than it should be.
    pub is_overdue: bool,
}

/// Keys of organisations among documents, and keys of the vault, that are active for longer than they should be, each in words. For an examination of a vault that is not open: `of_header` are
/// the keys of its header, and documents say how far each has come.
pub fn keys_overdue(
    rows: &[Arc<DocumentRow>],
    of_header: &[VaultKeyDescription],
    settings: RotationSettings,
    now: Timestamp,
) -> Vec<String> {
    let handed = rows.iter().find(|row| row.kind == DocumentKind::HandOver);
    let handed = handed.and_then(|row| HandOver::decode(&row.body).ok());
    let of_vault = handed.map_or_else(|| of_header.to_vec(), |handed| handed.keys().collect());
    let of_vault = of_vault.into_iter().filter_map(|key| {
        let until = vault_key_ends_at(&key, settings).filter(|until| now >= *until)?;
        let (purpose, version) = (key.purpose.as_str(), key.version);
        Some(format!("the {purpose} key {version} of the vault should be active until {until} at most"))
    });
    let kept = rows.iter().filter(|row| row.kind == DocumentKind::OrganisationKey);
    let keys = kept.filter_map(|row| OrganisationKey::decode(&row.body).ok());
    let active = keys.filter(|key| key.state == KeyState::Active);
    let overdue = active.filter_map(|key| {
        let until = settings.ends_at(key.active_from).filter(|until| now >= *until)?;
        let (purpose, version, organisation) = (key.purpose.as_str(), key.version, key.organisation);
        Some(format!("the {purpose} key {version} of organisation {organisation} should be active until {until} at most"))
    });
    of_vault.chain(overdue).collect()
}

/// Until when a key of the vault should be active at most, if it is.
fn vault_key_ends_at(key: &VaultKeyDescription, settings: RotationSettings) -> Option<Timestamp> {
    // Nothing takes the place of the one that hashes sets.
    let is_replaced = key.purpose != VaultPurpose::SetHash;
    settings.ends_at(Some(key.created_at)).filter(|_| key.state == KeyState::Active && is_replaced)
}

/// The first of the API keys that still need a key of the vault that another took the place of.
fn needed_by(snapshot: &Snapshot, key: &VaultKeyDescription) -> Vec<ApiKeyId> {
    if (key.state, key.purpose) != (KeyState::OpenOnly, VaultPurpose::ApiKeyHash) {
        return Vec::new();
    }
    snapshot.api_keys_hashed_by(key.version).take(KEY_NEEDED_BY_MAX).collect()
}

impl Vault {
    /// The keys of an organisation, each purpose's in the order in which they were made. [`VaultError::NotFound`] when the caller does not see it.
    pub fn key_list(
        &self,
        permit: &Permit<KeyList>,
        organisation: OrganisationId,
    ) -> Result<Vec<KeyView>, VaultError> {
        permit.within(organisation, Named::Subject)?;
        let snapshot: &Snapshot = permit.snapshot();
        let mut keys: Vec<_> =
            snapshot.keys.kept(organisation).map(|key| self.key_view(key, permit.now().wall)).collect();
        keys.sort_by_key(|key| (key.purpose, key.version));
        Ok(keys)
    }

    /// The keys of the vault itself, as its header has them. [`VaultError::RoleNotAllowed`] unless the caller may see all of the vault.
    pub fn key_inventory(&self, permit: &Permit<KeyInventory>) -> Result<Vec<VaultKeyView>, VaultError> {
        if !permit.is_at_top() {
            return Err(VaultError::RoleNotAllowed);
        }
        let keys = self.keys().descriptions().into_iter();
        let view = |described: VaultKeyDescription| VaultKeyView {
            described,
            rows_left: self.left_of(&described),
            rows_damaged: self.damaged_of(&described),
            needed_by: needed_by(permit.snapshot(), &described),
            is_needed_by_bins: (described.state, described.purpose)
                == (KeyState::OpenOnly, VaultPurpose::DocumentTag)
                && self.rotation().is_kept_by_bins(),
            is_overdue: self.is_overdue(&described, permit.now().wall),
        };
        Ok(keys.map(view).collect())
    }

    /// How much still needs a key of the vault that another took the place of.
    fn left_of(&self, key: &VaultKeyDescription) -> Option<u64> {
        match (key.state, key.purpose) {
            (KeyState::OpenOnly, VaultPurpose::RowTag | VaultPurpose::DocumentTag) => {
                self.rotation().tags_left(key.purpose, key.version)
            }
            (KeyState::OpenOnly, VaultPurpose::Idempotency) => self.rotation().records_left(key.version),
            (KeyState::OpenOnly, VaultPurpose::ApiKeyHash) => {
                u64::try_from(self.snapshot().api_keys_hashed_by(key.version).count()).ok()
            }
            (KeyState::OpenOnly, VaultPurpose::Wrapping) => u64::try_from(self.keys_to_rewrap()).ok(),
            (KeyState::Destroyed, _) => Some(0),
            (KeyState::PreActive | KeyState::Active | KeyState::OpenOnly, _) => None,
        }
    }

    /// Whether a key of the vault is active for longer than it should be.
    pub(super) fn is_overdue(&self, key: &VaultKeyDescription, now: Timestamp) -> bool {
        vault_key_ends_at(key, self.rotation().settings()).is_some_and(|until| now >= until)
    }

    /// How many rows keep such a key that are not what was written.
    fn damaged_of(&self, key: &VaultKeyDescription) -> Option<u64> {
        if key.state != KeyState::OpenOnly {
            return None;
        }
        match key.purpose {
            VaultPurpose::RowTag | VaultPurpose::DocumentTag => self.rotation().tags_damaged(key.purpose),
            VaultPurpose::Idempotency => self.rotation().records_damaged(),
            VaultPurpose::DocumentHead
            | VaultPurpose::ApiKeyHash
            | VaultPurpose::AuditChain
            | VaultPurpose::CvvCache
            | VaultPurpose::Wrapping
            | VaultPurpose::TrailCheckpoint
            | VaultPurpose::SetHash => None,
        }
    }

    /// How a key stands.
    pub(crate) fn key_view(&self, key: &OrganisationKey, now: Timestamp) -> KeyView {
        let until = match key.state {
            KeyState::Active => self.rotation().ends_at(key.active_from),
            KeyState::PreActive | KeyState::OpenOnly | KeyState::Destroyed => None,
        };
        KeyView {
            id: key.document.unwrap_or(Id::from_bytes([0; 12])),
            organisation: key.organisation,
            purpose: key.purpose,
            version: key.version,
            state: key.state,
            created_at: key.created_at,
            active_from: key.active_from,
            active_until: key.active_until.or(until),
            destroyed_at: key.destroyed_at,
            is_overdue: until.is_some_and(|until| now >= until),
            rows_left: match key.state {
                KeyState::OpenOnly => self.rotation().rows_left(retired(key)),
                KeyState::Destroyed => Some(0),
                KeyState::PreActive | KeyState::Active => None,
            },
            rows_damaged: match key.state {
                KeyState::OpenOnly => self.rotation().rows_damaged(retired(key)),
                KeyState::PreActive | KeyState::Active | KeyState::Destroyed => None,
            },
        }
    }
}
