//! Operations on organisations.

mod logo;

use std::sync::Arc;

use panvault_keys::{OrganisationKey, Purpose};
use panvault_model::{Country, Id, OrganisationId};
use panvault_store::{
    Action, AuditNote, DocumentKind, OrganisationField, OrganisationQuery, OrganisationRow, Page,
};

use crate::checkout::theme_fits;
use crate::document::{DocumentChange, DocumentPlan, Listed, Snapshot};
use crate::error::{Faults, Named, VaultError};
use crate::idempotency::{Done, Idempotency};
use crate::key::KEYS_DESTROYED;
use crate::limits::{ALLOWED_ORIGINS_MAX, TREE_LEVELS_MAX};
use crate::permit::{
    OrganisationCreate, OrganisationDelete, OrganisationList, OrganisationRead, OrganisationUpdate, Permit,
};
use crate::text::{details_fit, name_fits, origin_fits};
use crate::vault::Vault;

/// An organisation to be made.
#[derive(Clone, Debug, Default)]
pub struct NewOrganisation {
    /// Its name.
    pub name: String,
    /// The organisation above it; required of a caller that does not see all.
    pub parent: Option<OrganisationId>,
    /// Whether it begins as a disabled one.
    pub disabled: bool,
    /// Where it is.
    pub country_code: Option<Country>,
    /// Address, telephone and the like, under the names of the API.
    pub details: Vec<(String, String)>,
    /// Web origins (RFC 6454) whose pages may create its cards without a key.
    pub keyless_capture_origins: Vec<String>,
    /// Web origins (RFC 6454) to which its checkouts may send shoppers back; without any those of the organisation above hold.
    pub return_origins: Vec<String>,
    /// How the pages of its checkouts look, under the names of the API.
    pub checkout_theme: Vec<(String, String)>,
}

/// What is wrong with another value of what stays as it is.
pub(crate) const NEVER_CHANGES: &str = "never changes";

/// What is to change of an organisation. The organisation above it never does.
#[derive(Clone, Debug, Default)]
pub struct OrganisationChange {
    /// The organisation above it as it is, where that was said.
    pub parent: Option<OrganisationId>,
    /// Its name.
    pub name: Option<String>,
    /// Whether it refuses: its keys, and whatever changes or pays in it and all below it.
    pub disabled: Option<bool>,
    /// Where it is; inside, nothing.
    pub country_code: Option<Option<Country>>,
    /// These details; without a value they end.
    pub details: Vec<(String, Option<String>)>,
    /// Web origins (RFC 6454) whose pages may create its cards without a key.
    pub keyless_capture_origins: Option<Vec<String>>,
    /// Web origins (RFC 6454) to which its checkouts may send shoppers back; without any those of the organisation above hold.
    pub return_origins: Option<Vec<String>>,
    /// How the pages of its checkouts look, in the place of how they looked.
    pub checkout_theme: Option<Vec<(String, String)>>,
}

impl Vault {
    /// Makes an organisation and its first data and fingerprint keys, in one step.
    pub async fn organisation_create(
        &self,
        permit: &Permit<OrganisationCreate>,
        new: NewOrganisation,
    ) -> Result<OrganisationRow, VaultError> {
        self.organisation_create_once(permit, new, None).await.map(|done| done.value)
    }

    /// The same, of a request that may be repeated.
    pub async fn organisation_create_once(
        &self,
        permit: &Permit<OrganisationCreate>,
        new: NewOrganisation,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<OrganisationRow>, VaultError> {
        let plan = |permit: &Permit<_>, snapshot: &Snapshot| {
            self.organisation_plan_on(snapshot, permit, new.clone())
        };
        self.document_change_once(permit, idempotency, plan).await
    }

    /// Plans [`Vault::organisation_create`].
    pub fn organisation_plan(
        &self,
        permit: &Permit<OrganisationCreate>,
        new: NewOrganisation,
    ) -> Result<(OrganisationRow, DocumentPlan), VaultError> {
        self.organisation_plan_on(&self.snapshot(), permit, new)
    }

    fn organisation_plan_on(
        &self,
        snapshot: &Snapshot,
        permit: &Permit<OrganisationCreate>,
        new: NewOrganisation,
    ) -> Result<(OrganisationRow, DocumentPlan), VaultError> {
        let mut faults = Faults::default();
        faults.note(name_fits(&new.name))?;
        faults.note(details_fit(&new.details))?;
        let now = permit.now().wall;
        let mut row = OrganisationRow {
            id: OrganisationId::make(now, self.make_id_bytes()?),
            parent: new.parent,
            name: new.name,
            disabled: new.disabled,
            country_code: new.country_code,
            details: new.details,
            keyless_capture_origins: new.keyless_capture_origins,
            return_origins: new.return_origins,
            checkout_theme: new.checkout_theme,
            logo: None,
            created_at: now,
            updated_at: now,
        };
        origins_fit("keyless_capture_origins", &mut row.keyless_capture_origins, &mut faults)?;
        origins_fit("return_origins", &mut row.return_origins, &mut faults)?;
        theme_fits(&row.checkout_theme, &mut faults)?;
        match row.parent {
            Some(parent) => {
                let within = faults.note(permit.within(parent, Named::Field("parent_id")))?;
                if within.is_some() && snapshot.documents.levels(parent) >= TREE_LEVELS_MAX {
                    faults.field("parent_id", "is too deep in the tree of organisations");
                }
            }
            // Only a command on this machine may start a tree of its own: no key would see it.
            None if !permit.is_operator() => faults.field("parent_id", "is required"),
            None => {}
        }
        faults.end()?;
        // Whoever deletes an organisation looks at what hangs on it in the documents as they are then.
        if row.parent.is_some_and(|parent| snapshot.documents.organisation(parent).is_none()) {
            return Err(VaultError::not_found(Named::Field("parent_id")));
        }
        row.parent.map_or(Ok(()), |parent| snapshot.documents.enabled(parent))?;
        let mut changes = vec![self.document_put(DocumentKind::Organisation, row.id.0, 1, row.encode())];
        for purpose in Purpose::ALL {
            let key = OrganisationKey::make(self.keys(), purpose, row.id, now, self.entropy())?;
            let id = Id::make(now, self.make_id_bytes()?);
            changes.push(self.document_put(DocumentKind::OrganisationKey, id, 1, key.encode()));
        }
        let audit = permit.asked().note(now, Action::DocumentCreate, row.id, row.id.0);
        Ok((row, DocumentPlan { changes, audit }))
    }

    /// The organisation.
    pub fn organisation_read(
        &self,
        permit: &Permit<OrganisationRead>,
        id: OrganisationId,
    ) -> Result<Arc<OrganisationRow>, VaultError> {
        organisation_seen(permit.snapshot(), permit, id).cloned()
    }

    /// Organisations that the caller sees.
    pub async fn organisation_list(
        &self,
        permit: &Permit<OrganisationList>,
        query: OrganisationQuery,
    ) -> Result<Page<Arc<OrganisationRow>>, VaultError> {
        self.document_list(permit, query).await
    }

    /// Changes an organisation. Nobody disables the organisation of the key that they ask with.
    pub async fn organisation_update(
        &self,
        permit: &Permit<OrganisationUpdate>,
        id: OrganisationId,
        change: OrganisationChange,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<OrganisationRow>, VaultError> {
        let plan = |permit: &Permit<_>, snapshot: &Snapshot| {
            self.organisation_update_plan(snapshot, permit, id, change.clone())
        };
        self.document_change_once(permit, idempotency, plan).await
    }

    fn organisation_update_plan(
        &self,
        snapshot: &Snapshot,
        permit: &Permit<OrganisationUpdate>,
        id: OrganisationId,
        change: OrganisationChange,
    ) -> Result<(OrganisationRow, DocumentPlan), VaultError> {
        let mut row = organisation_seen(snapshot, permit, id)?.as_ref().clone();
        let mut faults = Faults::default();
        let OrganisationChange {
            parent,
            name,
            disabled,
            country_code,
            details,
            keyless_capture_origins,
            return_origins,
            checkout_theme,
        } = change;
        if parent.is_some() && parent != row.parent {
            faults.field("parent_id", NEVER_CHANGES);
        }
        let is_more = name.is_some()
            || country_code.is_some()
            || !details.is_empty()
            || keyless_capture_origins.is_some()
            || return_origins.is_some()
            || checkout_theme.is_some();
        let was_disabled = row.disabled;
        row.name = name.unwrap_or(row.name);
        row.disabled = disabled.unwrap_or(row.disabled);
        row.country_code = country_code.unwrap_or(row.country_code);
        for (name, value) in details {
            row.details.retain(|(known, _)| *known != name);
            row.details.extend(value.map(|value| (name, value)));
        }
        row.details.sort();
        row.keyless_capture_origins = keyless_capture_origins.unwrap_or(row.keyless_capture_origins);
        row.return_origins = return_origins.unwrap_or(row.return_origins);
        row.checkout_theme = checkout_theme.unwrap_or(row.checkout_theme);
        origins_fit("keyless_capture_origins", &mut row.keyless_capture_origins, &mut faults)?;
        origins_fit("return_origins", &mut row.return_origins, &mut faults)?;
        theme_fits(&row.checkout_theme, &mut faults)?;
        faults.note(name_fits(&row.name))?;
        faults.note(details_fit(&row.details))?;
        faults.end()?;
        if disabled == Some(true) && permit.is_of(id) {
            let reason = "the caller's own organisation cannot be disabled: nobody in it could undo that";
            return Err(VaultError::WrongState { reason });
        }
        if was_disabled && !row.disabled && !snapshot.keys.seals(id) {
            return Err(VaultError::WrongState { reason: KEYS_DESTROYED });
        }
        // Whether it is disabled may be said while one above it is, too: nobody need enable all to disable one more.
        if is_more {
            row.parent.map_or(Ok(()), |parent| snapshot.documents.enabled(parent))?;
            if was_disabled && row.disabled {
                return Err(VaultError::Disabled(id));
            }
        }
        let mut plan =
            self.row_update_plan(snapshot, permit, DocumentKind::Organisation, id.0, id, |now| {
                row.updated_at = now;
                row.encode()
            })?;
        plan.audit.outcome = told_disabled(row.disabled);
        Ok((row, plan))
    }

    /// Deletes an organisation and its keys, if nothing hangs on it: no organisation below it, no account, processor or API key, no
    /// card and no transaction. It is disabled first, and what began before that is waited for, so that nothing comes to hang on
    /// it meanwhile; whatever is then found makes it what it was.
    pub async fn organisation_delete(
        &self,
        mut permit: Permit<OrganisationDelete>,
        id: OrganisationId,
    ) -> Result<(), VaultError> {
        let before = organisation_seen(&self.snapshot(), &permit, id)?.disabled;
        self.organisation_free(&permit, id).await?;
        self.organisation_disable(&permit, id, true).await?;
        permit.see(self.snapshot());
        let deleted = self.organisation_disabled_delete(&permit, id).await;
        if deleted.is_err() && !before {
            self.organisation_disable(&permit, id, false).await?;
        }
        deleted
    }

    async fn organisation_disabled_delete(
        &self,
        permit: &Permit<OrganisationDelete>,
        id: OrganisationId,
    ) -> Result<(), VaultError> {
        self.requests_before_end().await?;
        self.organisation_free(permit, id).await?;
        self.document_change(permit, |permit, snapshot| {
            organisation_free_of_documents(snapshot, permit, id)?;
            let version = |kind, id| snapshot.documents.version(kind, id);
            let keys = snapshot.keys.documents(id).into_iter();
            let keys = keys.map(|key| (DocumentKind::OrganisationKey, key));
            let gone = [(DocumentKind::Organisation, id.0)].into_iter().chain(keys);
            let gone = gone.map(|(kind, id)| DocumentChange::Delete(kind, id, version(kind, id)));
            let changes = gone.chain(logo::logo_gone(snapshot, id)).collect();
            let audit = permit.asked().note(permit.now().wall, Action::DocumentDelete, id, id.0);
            Ok(((), DocumentPlan { changes, audit }))
        })
        .await
    }

    async fn organisation_disable(
        &self,
        permit: &Permit<OrganisationDelete>,
        id: OrganisationId,
        disabled: bool,
    ) -> Result<(), VaultError> {
        if organisation_seen(&self.snapshot(), permit, id)?.disabled == disabled {
            return Ok(());
        }
        self.document_change(permit, |permit, snapshot| {
            let mut row = organisation_seen(snapshot, permit, id)?.as_ref().clone();
            row.disabled = disabled;
            let mut plan =
                self.row_update_plan(snapshot, permit, DocumentKind::Organisation, id.0, id, |now| {
                    row.updated_at = now;
                    row.encode()
                })?;
            plan.audit.outcome = told_disabled(disabled);
            Ok(((), plan))
        })
        .await
    }

    /// [`VaultError::WrongState`] with what hangs on an organisation.
    async fn organisation_free(
        &self,
        permit: &Permit<OrganisationDelete>,
        id: OrganisationId,
    ) -> Result<(), VaultError> {
        organisation_free_of_documents(&self.snapshot(), permit, id)?;
        match self.stored_of(permit.asked_by(), id).await? {
            Some(reason) => Err(VaultError::WrongState { reason }),
            None => Ok(()),
        }
    }
}

/// What a record of the trail says of an organisation or account that was changed: a restore from a backup goes by it.
pub(crate) const fn told_disabled(disabled: bool) -> u8 {
    if disabled { AuditNote::DISABLED } else { AuditNote::ENABLED }
}

/// [`VaultError::WrongState`] with the documents that hang on an organisation.
fn organisation_free_of_documents(
    snapshot: &Snapshot,
    permit: &Permit<OrganisationDelete>,
    id: OrganisationId,
) -> Result<(), VaultError> {
    organisation_seen(snapshot, permit, id)?;
    let documents = &snapshot.documents;
    let reason = if permit.is_of(id) {
        "it is the organisation of the caller's key"
    } else if documents.has_children(id) {
        "there are organisations below it"
    } else if documents.accounts().any(|row| row.organisation == id) {
        "it has accounts"
    } else if documents.processors().any(|row| row.organisation == id) {
        "it has processors"
    } else if documents.api_keys().any(|row| row.organisation == id) {
        "it has API keys"
    } else {
        return Ok(());
    };
    Err(VaultError::WrongState { reason })
}

/// Whether web origins may be those of a field; they are put in order, each once.
fn origins_fit(
    field: &'static str,
    origins: &mut Vec<String>,
    faults: &mut Faults,
) -> Result<(), VaultError> {
    origins.sort_unstable();
    origins.dedup();
    if origins.len() > ALLOWED_ORIGINS_MAX {
        faults.field(field, format_args!("may be {ALLOWED_ORIGINS_MAX} at most"));
    }
    for origin in origins {
        faults.note(origin_fits(field, origin))?;
    }
    Ok(())
}

/// The organisation, if the caller sees it.
fn organisation_seen<'s, O>(
    snapshot: &'s Snapshot,
    permit: &Permit<O>,
    id: OrganisationId,
) -> Result<&'s Arc<OrganisationRow>, VaultError> {
    permit.within(id, Named::Subject)?;
    snapshot.documents.organisation(id).ok_or_else(|| VaultError::not_found(Named::Subject))
}

impl Listed for OrganisationField {
    fn all(snapshot: &Snapshot) -> Vec<&Arc<OrganisationRow>> {
        snapshot.documents.organisations().collect()
    }

    fn id(row: &OrganisationRow) -> Id {
        row.id.0
    }

    fn organisation(row: &OrganisationRow) -> OrganisationId {
        row.id
    }
}
