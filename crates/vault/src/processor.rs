//! Operations on processors.

mod connection;
mod route;

use core::mem;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use panvault_model::{Id, OrganisationId, ProcessorId, Sealed};
use panvault_processor::{ConfigurationFault, RouteConfiguration, is_route, is_test_only};
use panvault_store::{Action, DocumentKind, Page, ProcessorField, ProcessorQuery, ProcessorRow};
use zeroize::Zeroizing;

use crate::account::row_delete_plan;
use crate::document::{DocumentPlan, Listed, Snapshot};
use crate::env::Env;
use crate::error::{Faults, FieldFault, Named, VaultError};
use crate::idempotency::{Done, Idempotency};
use crate::limits::{PROCESSOR_SECRET_BYTES_MAX, PROCESSOR_SETTINGS_MAX, TEXT_BYTES_MAX};
use crate::organisation::NEVER_CHANGES;
use crate::permit::{
    Permit, ProcessorCreate, ProcessorDelete, ProcessorList, ProcessorRead, ProcessorUpdate,
};
use crate::processor::route::{is_routed_to, routes_fit};
use crate::seal;
use crate::text::{name_fits, text_fits};
use crate::vault::{Mode, Vault};

/// Members of a configuration as they were sent. Which of them are secrets only its type knows, so that all are held as if they were.
#[derive(Default)]
pub struct Given(Vec<(String, Zeroizing<String>)>);

impl Given {
    /// These, by their names.
    pub const fn new(members: Vec<(String, Zeroizing<String>)>) -> Self {
        Self(members)
    }

    /// Settings of which none is a secret.
    pub fn in_clear(settings: Vec<(String, String)>) -> Self {
        Self(settings.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect())
    }
}

/// A processor to be made.
pub struct NewProcessor {
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Its name.
    pub name: String,
    /// Such as `card_dummy`.
    pub type_name: String,
    /// The rest of the configuration.
    pub given: Given,
}

/// What is to change of a processor. Its organisation and its type never do.
#[derive(Default)]
pub struct ProcessorChange {
    /// The organisation as it is, where that was said.
    pub organisation: Option<OrganisationId>,
    /// Its name.
    pub name: Option<String>,
    /// Its type as it is, where that was said.
    pub type_name: Option<String>,
    /// Settings and secrets of its configuration; those that are not named stay as they are.
    pub given: Given,
}

impl Vault {
    /// Makes a processor. The dummy is refused outside test mode.
    pub async fn processor_create(
        &self,
        permit: &Permit<ProcessorCreate>,
        new: NewProcessor,
    ) -> Result<ProcessorRow, VaultError> {
        self.processor_create_once(permit, new, None).await.map(|done| done.value)
    }

    /// The same, of a request that may be repeated.
    pub async fn processor_create_once(
        &self,
        permit: &Permit<ProcessorCreate>,
        new: NewProcessor,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<ProcessorRow>, VaultError> {
        let plan = |permit: &Permit<_>, snapshot: &Snapshot| self.processor_plan_on(snapshot, permit, &new);
        self.document_change_once(permit, idempotency, plan).await
    }

    /// Plans [`Vault::processor_create`].
    pub fn processor_plan(
        &self,
        permit: &Permit<ProcessorCreate>,
        new: &NewProcessor,
    ) -> Result<(ProcessorRow, DocumentPlan), VaultError> {
        self.processor_plan_on(&self.snapshot(), permit, new)
    }

    fn processor_plan_on(
        &self,
        snapshot: &Snapshot,
        permit: &Permit<ProcessorCreate>,
        new: &NewProcessor,
    ) -> Result<(ProcessorRow, DocumentPlan), VaultError> {
        let mut faults = Faults::default();
        faults.note(self.organisation_now(snapshot, permit, new.organisation))?;
        faults.note(name_fits(&new.name))?;
        let now = permit.now().wall;
        let mut row = ProcessorRow {
            id: ProcessorId::make(now, self.make_id_bytes()?),
            organisation: new.organisation,
            name: new.name.clone(),
            type_name: new.type_name.clone(),
            settings: Vec::new(),
            secrets: Vec::new(),
            created_at: now,
            updated_at: now,
        };
        let secrets = self.configure(&mut row, &new.given, &mut faults);
        routes_fit(snapshot, permit, self.mode(), &row, &mut faults)?;
        faults.end()?;
        snapshot.documents.enabled(new.organisation)?;
        secrets_put(&mut row, secrets, &self.env(snapshot, permit.now()))?;
        let changes = vec![self.document_put(DocumentKind::Processor, row.id.0, 1, row.encode())];
        let audit = permit.asked().note(now, Action::DocumentCreate, row.organisation, row.id.0);
        Ok((row, DocumentPlan { changes, audit }))
    }

    /// The processor.
    pub fn processor_read(
        &self,
        permit: &Permit<ProcessorRead>,
        id: ProcessorId,
    ) -> Result<Arc<ProcessorRow>, VaultError> {
        processor_seen(permit.snapshot(), permit, id).cloned()
    }

    /// Processors that the caller sees.
    pub async fn processor_list(
        &self,
        permit: &Permit<ProcessorList>,
        query: ProcessorQuery,
    ) -> Result<Page<Arc<ProcessorRow>>, VaultError> {
        self.document_list(permit, query).await
    }

    /// Changes a processor, and connects to it anew. What is under way goes on as it began.
    pub async fn processor_update(
        &self,
        permit: &Permit<ProcessorUpdate>,
        id: ProcessorId,
        change: ProcessorChange,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<ProcessorRow>, VaultError> {
        let plan = |permit: &Permit<_>, snapshot: &Snapshot| {
            self.processor_update_plan(snapshot, permit, id, &change)
        };
        self.document_change_once(permit, idempotency, plan).await
    }

    fn processor_update_plan(
        &self,
        snapshot: &Snapshot,
        permit: &Permit<ProcessorUpdate>,
        id: ProcessorId,
        change: &ProcessorChange,
    ) -> Result<(ProcessorRow, DocumentPlan), VaultError> {
        let mut row = processor_seen(snapshot, permit, id)?.as_ref().clone();
        let ProcessorChange { organisation, name, type_name, given } = change;
        let mut faults = Faults::default();
        if organisation.is_some_and(|organisation| organisation != row.organisation) {
            faults.field("organisation", NEVER_CHANGES);
        }
        if let Some(name) = name {
            row.name.clone_from(name);
        }
        faults.note(name_fits(&row.name))?;
        if type_name.as_ref().is_some_and(|type_name| *type_name != row.type_name) {
            faults.field("configuration._type", "is another than it has, which a processor keeps");
        }
        let secrets = self.configure(&mut row, given, &mut faults);
        // Those that it has may be of an organisation above, which its caller need not see.
        if given.0.iter().any(|(name, _)| RouteConfiguration::is_setting(name)) {
            routes_fit(snapshot, permit, self.mode(), &row, &mut faults)?;
        }
        faults.end()?;
        snapshot.documents.enabled(row.organisation)?;
        secrets_put(&mut row, secrets, &self.env(snapshot, permit.now()))?;
        let (kind, organisation) = (DocumentKind::Processor, row.organisation);
        let plan = self.row_update_plan(snapshot, permit, kind, id.0, organisation, |now| {
            row.updated_at = now;
            row.encode()
        })?;
        Ok((row, plan))
    }

    /// Deletes a processor that no account has and no route names. Transactions that were made with it keep its name.
    pub async fn processor_delete(
        &self,
        permit: &Permit<ProcessorDelete>,
        id: ProcessorId,
    ) -> Result<(), VaultError> {
        self.document_change(permit, |permit, snapshot| {
            let organisation = processor_seen(snapshot, permit, id)?.organisation;
            if snapshot.documents.accounts().any(|account| account.processors.contains(&id)) {
                return Err(VaultError::WrongState { reason: "accounts have it" });
            }
            if is_routed_to(snapshot, id) {
                return Err(VaultError::WrongState { reason: "routes name it" });
            }
            Ok(((), row_delete_plan(snapshot, permit, DocumentKind::Processor, id.0, organisation)))
        })
        .await
    }

    /// Puts what was given into a processor, but for the secrets, which are still to be sealed; notes every fault.
    fn configure<'g>(
        &self,
        row: &mut ProcessorRow,
        given: &'g Given,
        faults: &mut Faults,
    ) -> Vec<Secret<'g>> {
        let (mut secrets, mut clear): (Vec<Secret<'g>>, Vec<(String, String)>) = (Vec::new(), Vec::new());
        let mut unknown = Vec::new();
        for (name, value) in &given.0 {
            match self.processors().is_secret(&row.type_name, name) {
                Some(true) => secrets.push((name.as_str(), value)),
                Some(false) => clear.push((name.clone(), value.to_string())),
                None => unknown.push(ConfigurationFault::unknown(name)),
            }
        }
        for (name, value) in &secrets {
            let type_name = &row.type_name;
            if value.len() > PROCESSOR_SECRET_BYTES_MAX {
                faults.fault(FieldFault::new(place(name), "is longer than a secret may be"));
            } else if let Some(reason) = self.processors().secret_fault(type_name, name, value.as_bytes()) {
                faults.fault(FieldFault::new(place(name), reason));
            }
        }
        let is_route = is_route(&row.type_name);
        // All of them at once: none is changed by itself.
        if is_route && !clear.is_empty() {
            row.settings.clear();
        }
        for (name, value) in clear {
            // Each setting of a route is of a closed kind, and held against it below.
            if !is_route
                && let Err(VaultError::Faults(of_text)) = text_fits(place(&name), &value, TEXT_BYTES_MAX)
            {
                of_text.into_iter().for_each(|fault| faults.fault(fault));
            }
            row.settings.retain(|(known, _)| *known != name);
            row.settings.push((name, value));
        }
        let new = secrets.iter().map(|(name, _)| *name);
        let kept = row.secrets.iter().map(|(name, _)| name.as_str());
        let names: BTreeSet<_> = kept.chain(new).collect();
        if !is_route && names.len() + row.settings.len() > PROCESSOR_SETTINGS_MAX {
            faults.field("configuration", "has more settings than a processor may have");
        }
        let names: Vec<_> = names.into_iter().collect();
        match self.processors().configuration(&row.type_name, &row.settings, &names) {
            Ok(configuration) => {
                if is_test_only(&row.type_name) && self.mode() == Mode::Live {
                    faults.field(TYPE, "is one that only a test vault allows");
                }
                unknown.into_iter().for_each(|fault| faults.fault(fault.into()));
                row.settings = configuration.settings();
            }
            Err(of_type) if of_type.iter().any(|fault| fault.setting.is_none()) => {
                of_type
                    .into_iter()
                    .filter(|fault| fault.setting.is_none())
                    .for_each(|fault| faults.fault(fault.into()));
            }
            Err(of_settings) => {
                of_settings.into_iter().chain(unknown).for_each(|fault| faults.fault(fault.into()));
            }
        }
        secrets
    }
}

/// A secret that was given, and its name.
type Secret<'g> = (&'g str, &'g Zeroizing<String>);

/// Seals secrets into a processor, each in place of what it had under that name.
fn secrets_put(row: &mut ProcessorRow, secrets: Vec<Secret<'_>>, env: &Env<'_>) -> Result<(), VaultError> {
    let mut all: BTreeMap<String, Sealed> = mem::take(&mut row.secrets).into_iter().collect();
    for (name, value) in secrets {
        let sealed = seal::processor_secret_seal(value.as_bytes(), name, row.id, row.organisation, env)?;
        all.insert(name.to_owned(), sealed);
    }
    row.secrets = all.into_iter().collect();
    Ok(())
}

const TYPE: &str = "configuration._type";

/// Where a setting is in a request.
fn place(setting: &str) -> String {
    format!("configuration.{setting}")
}

impl From<ConfigurationFault> for FieldFault {
    fn from(fault: ConfigurationFault) -> Self {
        let field = fault.setting.map_or(Cow::Borrowed(TYPE), |setting| Cow::Owned(place(&setting)));
        Self { is_unexpected: fault.is_unknown, ..Self::new(field, fault.reason) }
    }
}

/// The processor, if the caller sees it.
fn processor_seen<'s, O>(
    snapshot: &'s Snapshot,
    permit: &Permit<O>,
    id: ProcessorId,
) -> Result<&'s Arc<ProcessorRow>, VaultError> {
    let row = snapshot.documents.processor(id).ok_or_else(|| VaultError::not_found(Named::Subject))?;
    permit.within(row.organisation, Named::Subject)?;
    Ok(row)
}

impl Listed for ProcessorField {
    fn all(snapshot: &Snapshot) -> Vec<&Arc<ProcessorRow>> {
        snapshot.documents.processors().collect()
    }

    fn id(row: &ProcessorRow) -> Id {
        row.id.0
    }

    fn organisation(row: &ProcessorRow) -> OrganisationId {
        row.organisation
    }
}
