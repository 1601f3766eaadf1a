//! Operations on processors.

use std::sync::Arc;

use panvault_model::{Id, OrganisationId, ProcessorId};
use panvault_processor::{Configuration, ConfigurationFault};
use panvault_store::{Action, DocumentKind, Page, ProcessorField, ProcessorQuery, ProcessorRow};

use crate::account::row_delete_plan;
use crate::document::{DocumentPlan, Listed, Snapshot};
use crate::error::{Faults, Named, VaultError};
use crate::idempotency::{Done, Idempotency};
use crate::organisation::NEVER_CHANGES;
use crate::permit::{
    Permit, ProcessorCreate, ProcessorDelete, ProcessorList, ProcessorRead, ProcessorUpdate,
};
use crate::text::name_fits;
use crate::vault::{Mode, Vault};

/// A processor to be made.
#[derive(Clone, Debug)]
pub struct NewProcessor {
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Its name.
    pub name: String,
    /// Such as `card_dummy`.
    pub type_name: String,
    /// The rest of the configuration.
    pub settings: Vec<(String, String)>,
}

/// What is to change of a processor. Its organisation and its type never do.
#[derive(Clone, Debug, Default)]
pub struct ProcessorChange {
    /// The organisation as it is, where that was said.
    pub organisation: Option<OrganisationId>,
    /// Its name.
    pub name: Option<String>,
    /// Its type as it is, where that was said.
    pub type_name: Option<String>,
    /// Settings of its configuration; those that are not named stay as they are.
    pub settings: Vec<(String, String)>,
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
        let plan =
            |permit: &Permit<_>, snapshot: &Snapshot| self.processor_plan_on(snapshot, permit, new.clone());
        self.document_change_once(permit, idempotency, plan).await
    }

    /// Plans [`Vault::processor_create`].
    pub fn processor_plan(
        &self,
        permit: &Permit<ProcessorCreate>,
        new: NewProcessor,
    ) -> Result<(ProcessorRow, DocumentPlan), VaultError> {
        self.processor_plan_on(&self.snapshot(), permit, new)
    }

    fn processor_plan_on(
        &self,
        snapshot: &Snapshot,
        permit: &Permit<ProcessorCreate>,
        new: NewProcessor,
    ) -> Result<(ProcessorRow, DocumentPlan), VaultError> {
        let mut faults = Faults::default();
        faults.note(self.organisation_now(snapshot, permit, new.organisation))?;
        faults.note(name_fits(&new.name))?;
        let configuration = self.configuration(&new.type_name, &new.settings, &mut faults)?;
        faults.end()?;
        snapshot.documents.enabled(new.organisation)?;
        let Some(configuration) = configuration else { return Err(VaultError::Contended) };
        let now = permit.now().wall;
        let row = ProcessorRow {
            id: ProcessorId::make(now, self.make_id_bytes()?),
            organisation: new.organisation,
            name: new.name,
            type_name: configuration.type_name().to_owned(),
            settings: configuration.settings(),
            created_at: now,
            updated_at: now,
        };
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
            self.processor_update_plan(snapshot, permit, id, change.clone())
        };
        self.document_change_once(permit, idempotency, plan).await
    }

    fn processor_update_plan(
        &self,
        snapshot: &Snapshot,
        permit: &Permit<ProcessorUpdate>,
        id: ProcessorId,
        change: ProcessorChange,
    ) -> Result<(ProcessorRow, DocumentPlan), VaultError> {
        let mut row = processor_seen(snapshot, permit, id)?.as_ref().clone();
        let ProcessorChange { organisation, name, type_name, settings } = change;
        let mut faults = Faults::default();
        if organisation.is_some_and(|organisation| organisation != row.organisation) {
            faults.field("organisation", NEVER_CHANGES);
        }
        row.name = name.unwrap_or(row.name);
        faults.note(name_fits(&row.name))?;
        if type_name.is_some_and(|type_name| type_name != row.type_name) {
            faults.field("configuration._type", "is another than it has, which a processor keeps");
        }
        for (name, value) in settings {
            row.settings.retain(|(known, _)| *known != name);
            row.settings.push((name, value));
        }
        let configuration = self.configuration(&row.type_name, &row.settings, &mut faults)?;
        faults.end()?;
        snapshot.documents.enabled(row.organisation)?;
        row.settings = configuration.map_or(row.settings, |configuration| configuration.settings());
        let (kind, organisation) = (DocumentKind::Processor, row.organisation);
        let plan = self.row_update_plan(snapshot, permit, kind, id.0, organisation, |now| {
            row.updated_at = now;
            row.encode()
        })?;
        Ok((row, plan))
    }

    /// Deletes a processor that no account has. Transactions that were made with it keep its name.
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
            Ok(((), row_delete_plan(snapshot, permit, DocumentKind::Processor, id.0, organisation)))
        })
        .await
    }

    fn configuration(
        &self,
        type_name: &str,
        settings: &[(String, String)],
        faults: &mut Faults,
    ) -> Result<Option<Configuration>, VaultError> {
        let configuration =
            faults.note(Configuration::parse(type_name, settings).map_err(|fault| match fault {
                ConfigurationFault::Type => VaultError::field("configuration._type", fault),
                ConfigurationFault::Unknown | ConfigurationFault::Percent => {
                    VaultError::field("configuration", fault)
                }
            }))?;
        if configuration.as_ref().is_some_and(Configuration::is_test_only) && self.mode() == Mode::Live {
            faults.field("configuration._type", "is one that only a test vault allows");
        }
        Ok(configuration)
    }
}

/// The processor, if the caller sees it.
fn processor_seen<'s, O>(
    snapshot: &'s Snapshot,
    permit: &Permit<O>,
    id: ProcessorId,
) -> Result<&'s Arc<ProcessorRow>, VaultError> {
    let (row, _) = snapshot.documents.processor(id).ok_or_else(|| VaultError::not_found(Named::Subject))?;
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
