//! Operations on API keys.

mod last_use;
mod rehash;

use std::sync::Arc;

use panvault_keys::{ApiKey, KeyBearer, KeyMode};
use panvault_model::{ApiKeyId, Id, OrganisationId, Role, Timestamp};
use panvault_store::{Action, ApiKeyField, ApiKeyQuery, ApiKeyRow, AuditNote, DocumentKind, Page, RowKey};

use crate::account::row_delete_plan;
use crate::document::{DocumentChange, DocumentPlan, Listed, Snapshot};
use crate::error::{Faults, Named, VaultError};
use crate::idempotency::{Done, Idempotency};
use crate::limits::{ALLOWED_ORIGINS_MAX, KEY_OVERLAP_SECONDS_MAX};
use crate::organisation::NEVER_CHANGES;
use crate::permit::{ApiKeyCreate, ApiKeyDelete, ApiKeyList, ApiKeyRead, ApiKeyUpdate, Permit};
use crate::text::{name_fits, origin_fits};
use crate::vault::{Mode, Vault};

pub(crate) use last_use::{LastUse, LastUses};
pub(crate) use rehash::{Hashed, Rehashes};

/// An API key to be made.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Its name.
    pub name: String,
    /// At least one.
    pub roles: Vec<Role>,
    /// Web origins (RFC 6454) whose pages may use it: at least one of a browser's key, none of any other.
    pub allowed_origins: Vec<String>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// What is to change of an API key. Its organisation never does.
#[derive(Clone, Debug, Default)]
pub struct ApiKeyChange {
    /// The organisation as it is, where that was said.
    pub organisation: Option<OrganisationId>,
    /// Its name.
    pub name: Option<String>,
    /// What its bearer may do.
    pub roles: Option<Vec<Role>>,
    /// Web origins whose pages may use it.
    pub allowed_origins: Option<Vec<String>>,
    /// When it stops working; inside, never.
    pub expires_at: Option<Option<Timestamp>>,
}

/// How an API key is followed by another.
#[derive(Clone, Copy, Debug, Default)]
pub struct ApiKeyRotation {
    /// Seconds for which the old one works on, or until its own end if that is sooner; with 0 it ends at once.
    pub overlap_seconds: u64,
    /// When the new one stops working; inside, never. Left out, when the old one would have.
    pub expires_at: Option<Option<Timestamp>>,
}

/// An API key as it may be shown.
#[derive(Clone, Debug)]
pub struct ApiKeyView {
    /// The stored row: it holds a keyed hash, not the key.
    pub row: Arc<ApiKeyRow>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// An API key that was made, and the key itself the first time.
pub struct MadeApiKey {
    /// Its row.
    pub row: ApiKeyRow,
    /// The key; it is shown this once, and not to a request that is repeated.
    pub key: Option<ApiKey>,
}

impl Vault {
    /// Makes an API key. The key itself is in the answer and nowhere else.
    pub async fn apikey_create(
        &self,
        permit: &Permit<ApiKeyCreate>,
        new: NewApiKey,
    ) -> Result<(ApiKeyRow, ApiKey), VaultError> {
        self.document_change(permit, |permit, snapshot| {
            let (row, key, plan) = self.apikey_plan_on(snapshot, permit, new.clone())?;
            Ok(((row, key), plan))
        })
        .await
    }

    /// The same, of a request that may be repeated: the answer to a repetition is without the key.
    pub async fn apikey_create_once(
        &self,
        permit: &Permit<ApiKeyCreate>,
        new: NewApiKey,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<MadeApiKey>, VaultError> {
        let plan = |permit: &Permit<_>, snapshot: &Snapshot| {
            let (row, key, plan) = self.apikey_plan_on(snapshot, permit, new.clone())?;
            Ok((MadeApiKey { row, key: Some(key) }, plan))
        };
        self.document_change_once(permit, idempotency, plan).await
    }

    /// Plans [`Vault::apikey_create`]: the key is of no use until the plan is done.
    pub fn apikey_plan(
        &self,
        permit: &Permit<ApiKeyCreate>,
        new: NewApiKey,
    ) -> Result<(ApiKeyRow, ApiKey, DocumentPlan), VaultError> {
        self.apikey_plan_on(&self.snapshot(), permit, new)
    }

    fn apikey_plan_on(
        &self,
        snapshot: &Snapshot,
        permit: &Permit<ApiKeyCreate>,
        new: NewApiKey,
    ) -> Result<(ApiKeyRow, ApiKey, DocumentPlan), VaultError> {
        roles_may_be_given(permit, &new.roles)?;
        let mut faults = Faults::default();
        faults.note(self.organisation_now(snapshot, permit, new.organisation))?;
        let mode = match self.mode() {
            Mode::Test => KeyMode::Test,
            Mode::Live => KeyMode::Live,
        };
        let is_publishable = new.roles.contains(&Role::Publishable);
        let bearer = if is_publishable { KeyBearer::Browser } else { KeyBearer::Server };
        let key = ApiKey::make(mode, bearer, self.entropy())?;
        let (hash_key, hash) = self.keys().api_key_hash(&key);
        let now = permit.now().wall;
        let mut row = ApiKeyRow {
            id: ApiKeyId::make(now, self.make_id_bytes()?),
            organisation: new.organisation,
            name: new.name,
            roles: new.roles,
            hash_key,
            hash,
            allowed_origins: new.allowed_origins,
            expires_at: new.expires_at,
            created_at: now,
            updated_at: now,
        };
        apikey_fits(&mut row, &mut faults)?;
        if row.expires_at.is_some_and(|expires_at| expires_at <= now) {
            faults.field("expires_at", "is in the past");
        }
        faults.end()?;
        snapshot.documents.enabled(row.organisation)?;
        let changes = vec![self.document_put(DocumentKind::ApiKey, row.id.0, 1, row.encode())];
        let audit = permit.asked().note(now, Action::DocumentCreate, row.organisation, row.id.0);
        Ok((row, key, DocumentPlan { changes, audit }))
    }

    /// Makes a key that takes the place of another: of the same organisation, name, roles and origins. [`VaultError::WrongState`] when
    /// the other one has ended, or another key takes its place already.
    pub async fn apikey_rotate(
        &self,
        permit: &Permit<ApiKeyCreate>,
        id: ApiKeyId,
        rotation: ApiKeyRotation,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<MadeApiKey>, VaultError> {
        let ApiKeyRotation { overlap_seconds, expires_at: end } = rotation;
        if overlap_seconds > KEY_OVERLAP_SECONDS_MAX {
            let what = format_args!("must be 0 to {KEY_OVERLAP_SECONDS_MAX}");
            return Err(VaultError::field("overlap_seconds", what));
        }
        let plan = |permit: &Permit<_>, snapshot: &Snapshot| {
            let old = apikey_seen(snapshot, permit, id)?.as_ref();
            // Before its state is told, which is not everybody's to know.
            roles_may_be_given(permit, &old.roles)?;
            may_be_followed(snapshot, old, permit.now().wall)?;
            let mut old = old.clone();
            let ApiKeyRow { organisation, name, roles, allowed_origins, expires_at, .. } = old.clone();
            let expires_at = end.unwrap_or(expires_at);
            let new = NewApiKey { organisation, name, roles, allowed_origins, expires_at };
            let (row, key, mut plan) = self.apikey_plan_on(snapshot, permit, new)?;
            // With the new one, so that of any number of rotations at once one finds the place free, and that no key is made without an end of
            // the old one.
            let ends_at = row.created_at.plus_seconds(overlap_seconds);
            old.expires_at = Some(old.expires_at.map_or(ends_at, |expires_at| expires_at.min(ends_at)));
            plan.changes.extend(self.apikey_row_plan(snapshot, permit, &mut old)?.changes);
            Ok((MadeApiKey { row, key: Some(key) }, plan))
        };
        let made = self.document_change_once(permit, idempotency, plan).await?;
        let ends_at = made.value.row.created_at.plus_seconds(overlap_seconds);
        if made.replayed && self.rotation_is_done(permit, id, &made.value.row, ends_at)? {
            return Ok(made);
        }
        // In a step of its own, which changes nothing more: each change of a document is told by its own record of the trail, and this one tells of the one
        // before too. A key that was made is answered whatever becomes of this one.
        let is_first = !made.replayed;
        let noted = self.document_change(permit, |permit, snapshot| {
            let mut row = apikey_seen(snapshot, permit, id)?.as_ref().clone();
            roles_may_be_given(permit, &row.roles)?;
            row.expires_at = Some(row.expires_at.map_or(ends_at, |expires_at| expires_at.min(ends_at)));
            let mut plan = self.apikey_row_plan(snapshot, permit, &mut row)?;
            if is_first {
                plan.audit.outcome = AuditNote::TWICE;
            }
            Ok(((), plan))
        });
        drop(noted.await);
        Ok(made)
    }

    /// Whether a rotation that is asked for again has nothing left to do: the old key ends in time, has gone, or was changed since, by
    /// somebody who may have given it another end.
    fn rotation_is_done(
        &self,
        permit: &Permit<ApiKeyCreate>,
        id: ApiKeyId,
        new: &ApiKeyRow,
        ends_at: Timestamp,
    ) -> Result<bool, VaultError> {
        let snapshot = self.snapshot();
        let permit = self.permit_again(permit, &snapshot)?;
        let Some(old) = snapshot.documents.api_key(id) else { return Ok(true) };
        // Whoever repeats the request of somebody else has come here past the plan.
        roles_may_be_given(&permit, &old.row.roles)?;
        let ends = old.row.expires_at.is_some_and(|expires_at| expires_at <= ends_at);
        Ok(ends || !takes_place_of(new, &old.row))
    }

    /// The API key, but for the key itself.
    pub async fn apikey_read(
        &self,
        permit: &Permit<ApiKeyRead>,
        id: ApiKeyId,
    ) -> Result<ApiKeyView, VaultError> {
        let row = Arc::clone(apikey_seen(permit.snapshot(), permit, id)?);
        let mut views = self.apikey_views(permit.snapshot(), vec![row]).await?;
        views.pop().ok_or_else(|| VaultError::not_found(Named::Subject))
    }

    /// API keys that the caller sees, but for the keys themselves.
    pub async fn apikey_list(
        &self,
        permit: &Permit<ApiKeyList>,
        query: ApiKeyQuery,
    ) -> Result<Page<ApiKeyView>, VaultError> {
        let Page { rows, total, is_exact, next } = self.document_list(permit, query).await?;
        Ok(Page { rows: self.apikey_views(permit.snapshot(), rows).await?, total, is_exact, next })
    }

    /// Changes an API key, at once. Nobody changes a key that they could not have made, nor into one.
    pub async fn apikey_update(
        &self,
        permit: &Permit<ApiKeyUpdate>,
        id: ApiKeyId,
        change: ApiKeyChange,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<ApiKeyRow>, VaultError> {
        let plan = |permit: &Permit<_>, snapshot: &Snapshot| {
            self.apikey_update_plan(snapshot, permit, id, change.clone())
        };
        self.document_change_once(permit, idempotency, plan).await
    }

    fn apikey_update_plan(
        &self,
        snapshot: &Snapshot,
        permit: &Permit<ApiKeyUpdate>,
        id: ApiKeyId,
        change: ApiKeyChange,
    ) -> Result<(ApiKeyRow, DocumentPlan), VaultError> {
        let mut row = apikey_seen(snapshot, permit, id)?.as_ref().clone();
        let was_publishable = row.roles.contains(&Role::Publishable);
        roles_may_be_given(permit, &row.roles)?;
        let ApiKeyChange { organisation, name, roles, allowed_origins, expires_at } = change;
        row.name = name.unwrap_or(row.name);
        row.roles = roles.unwrap_or(row.roles);
        row.allowed_origins = allowed_origins.unwrap_or(row.allowed_origins);
        row.expires_at = expires_at.unwrap_or(row.expires_at);
        roles_may_be_given(permit, &row.roles)?;
        let mut faults = Faults::default();
        if organisation.is_some_and(|organisation| organisation != row.organisation) {
            faults.field("organisation", NEVER_CHANGES);
        }
        if row.roles.contains(&Role::Publishable) != was_publishable {
            faults.field("roles", "of a browser's key stay those, and no other key becomes one");
        }
        apikey_fits(&mut row, &mut faults)?;
        faults.end()?;
        snapshot.documents.enabled(row.organisation)?;
        let plan = self.apikey_row_plan(snapshot, permit, &mut row)?;
        Ok((row, plan))
    }

    fn apikey_row_plan<O>(
        &self,
        snapshot: &Snapshot,
        permit: &Permit<O>,
        row: &mut ApiKeyRow,
    ) -> Result<DocumentPlan, VaultError> {
        let (id, organisation) = (row.id.0, row.organisation);
        self.row_update_plan(snapshot, permit, DocumentKind::ApiKey, id, organisation, |now| {
            row.updated_at = now;
            row.encode()
        })
    }

    /// Revokes an API key, at once. Nobody revokes a key that they could not have made.
    pub async fn apikey_delete(&self, permit: &Permit<ApiKeyDelete>, id: ApiKeyId) -> Result<(), VaultError> {
        self.document_change(permit, |permit, snapshot| {
            Ok(((), self.apikey_delete_plan_on(snapshot, permit, id)?))
        })
        .await
    }

    /// Plans [`Vault::apikey_delete`].
    pub fn apikey_delete_plan(
        &self,
        permit: &Permit<ApiKeyDelete>,
        id: ApiKeyId,
    ) -> Result<DocumentPlan, VaultError> {
        self.apikey_delete_plan_on(&self.snapshot(), permit, id)
    }

    fn apikey_delete_plan_on(
        &self,
        snapshot: &Snapshot,
        permit: &Permit<ApiKeyDelete>,
        id: ApiKeyId,
    ) -> Result<DocumentPlan, VaultError> {
        let row = apikey_seen(snapshot, permit, id)?;
        roles_may_be_given(permit, &row.roles)?;
        let mut plan = row_delete_plan(snapshot, permit, DocumentKind::ApiKey, id.0, row.organisation);
        plan.changes.push(DocumentChange::Beside(RowKey::ApiKeyUse(id)));
        Ok(plan)
    }
}

/// The API key's row, if the caller sees it.
fn apikey_seen<'s, O>(
    snapshot: &'s Snapshot,
    permit: &Permit<O>,
    id: ApiKeyId,
) -> Result<&'s Arc<ApiKeyRow>, VaultError> {
    let known = snapshot.documents.api_key(id).ok_or_else(|| VaultError::not_found(Named::Subject))?;
    permit.within(known.row.organisation, Named::Subject)?;
    Ok(&known.row)
}

/// Whether another key may take the place of this one. A key that ended has none to give, and one whose place is taken already has only
/// what is left of its overlap: the next key would end with that.
fn may_be_followed(snapshot: &Snapshot, old: &ApiKeyRow, now: Timestamp) -> Result<(), VaultError> {
    if old.expires_at.is_some_and(|expires_at| expires_at <= now) {
        let reason = "the key has ended, so that none can take its place: make another one, or change its expires_at first";
        return Err(VaultError::WrongState { reason });
    }
    let is_changed = old.updated_at != old.created_at;
    if is_changed && snapshot.documents.api_keys().any(|key| takes_place_of(key, old)) {
        let reason =
            "another key takes its place already: use that one, or change expires_at of this one first";
        return Err(VaultError::WrongState { reason });
    }
    Ok(())
}

/// Whether a key was made to follow another: a rotation makes the one and changes the other at the same time, to the millisecond.
fn takes_place_of(new: &ApiKeyRow, old: &ApiKeyRow) -> bool {
    new.organisation == old.organisation && new.created_at == old.updated_at && new.id != old.id
}

fn roles_may_be_given<O>(permit: &Permit<O>, roles: &[Role]) -> Result<(), VaultError> {
    if roles.iter().all(|role| permit.may_give(*role)) { Ok(()) } else { Err(VaultError::RoleNotAllowed) }
}

/// Whether an API key is as it may be; roles and origins are put in order, each once.
fn apikey_fits(row: &mut ApiKeyRow, faults: &mut Faults) -> Result<(), VaultError> {
    faults.note(name_fits(&row.name))?;
    row.roles.sort_unstable();
    row.roles.dedup();
    row.allowed_origins.sort_unstable();
    row.allowed_origins.dedup();
    let is_publishable = row.roles.contains(&Role::Publishable);
    if row.roles.is_empty() {
        faults.field("roles", "needs at least one role");
    } else if is_publishable && row.roles.len() > 1 {
        faults.field("roles", "may not hold Publishable together with another role");
    }
    if is_publishable && row.allowed_origins.is_empty() {
        let what = "needs the web origins whose pages may use the key, such as https://shop.example";
        faults.field("allowed_origins", what);
    } else if !is_publishable && !row.allowed_origins.is_empty() {
        faults.field("allowed_origins", "are for keys with the role Publishable");
    } else if row.allowed_origins.len() > ALLOWED_ORIGINS_MAX {
        faults.field("allowed_origins", format_args!("may be {ALLOWED_ORIGINS_MAX} at most"));
    }
    for origin in &row.allowed_origins {
        faults.note(origin_fits("allowed_origins", origin))?;
    }
    Ok(())
}

impl Listed for ApiKeyField {
    fn all(snapshot: &Snapshot) -> Vec<&Arc<ApiKeyRow>> {
        snapshot.documents.api_keys().collect()
    }

    fn id(row: &ApiKeyRow) -> Id {
        row.id.0
    }

    fn organisation(row: &ApiKeyRow) -> OrganisationId {
        row.organisation
    }
}
