use panvault_keys::{ApiKey, KeyMode, OrganisationKey, Purpose};
use panvault_model::{
    AccountId, ApiKeyId, Country, Currency, Id, OrganisationId, ProcessorId, Role, Timestamp,
};
use panvault_processor::Configuration;
use panvault_store::{AccountRow, Action, ApiKeyRow, DocumentKind, OrganisationRow, ProcessorRow};

use crate::document::change::DocumentChange;
use crate::document::make::DocumentPlan;
use crate::document::snapshot::Snapshot;
use crate::error::{Faults, Named, VaultError};
use crate::limits::TREE_LEVELS_MAX;
use crate::permit::{AccountCreate, ApiKeyCreate, ApiKeyDelete, OrganisationCreate, Permit, ProcessorCreate};
use crate::text::{currency_fits, description_fits, details_fit, name_fits};
use crate::vault::{Mode, Vault};

/// An organisation to be made.
#[derive(Clone, Debug, Default)]
pub struct NewOrganisation {
    /// Its name.
    pub name: String,
    /// The organisation above it; required of a caller that does not see all.
    pub parent: Option<OrganisationId>,
    /// Where it is.
    pub country_code: Option<Country>,
    /// Address, telephone and the like, under the names of the API.
    pub details: Vec<(String, String)>,
}

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Its name.
    pub name: String,
    /// In words.
    pub description: Option<String>,
    /// Its one currency.
    pub currency: Currency,
    /// At most one of each kind.
    pub processors: Vec<ProcessorId>,
}

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

/// An API key to be made.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Its name.
    pub name: String,
    /// At least one.
    pub roles: Vec<Role>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

impl Vault {
    /// Makes an organisation and its first data and fingerprint keys, in one step.
    pub async fn organisation_create(
        &self,
        permit: &Permit<OrganisationCreate>,
        new: NewOrganisation,
    ) -> Result<OrganisationRow, VaultError> {
        self.document_change(|snapshot| self.organisation_plan_on(snapshot, permit, new.clone())).await
    }

    /// Makes a processor. The dummy is refused outside test mode.
    pub async fn processor_create(
        &self,
        permit: &Permit<ProcessorCreate>,
        new: NewProcessor,
    ) -> Result<ProcessorRow, VaultError> {
        self.document_change(|_| self.processor_plan(permit, new.clone())).await
    }

    /// Makes an account with at most one processor of each kind, each of the account's organisation or one above it. A
    /// caller that sees two sellers does not connect one's money to the other.
    pub async fn account_create(
        &self,
        permit: &Permit<AccountCreate>,
        new: NewAccount,
    ) -> Result<AccountRow, VaultError> {
        self.document_change(|snapshot| self.account_plan_on(snapshot, permit, new.clone())).await
    }

    /// Makes an API key. The key itself is in the answer and nowhere else.
    pub async fn apikey_create(
        &self,
        permit: &Permit<ApiKeyCreate>,
        new: NewApiKey,
    ) -> Result<(ApiKeyRow, ApiKey), VaultError> {
        self.document_change(|_| {
            let (row, key, plan) = self.apikey_plan(permit, new.clone())?;
            Ok(((row, key), plan))
        })
        .await
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
        let row = OrganisationRow {
            id: OrganisationId::make(now, self.make_id_bytes()?),
            parent: new.parent,
            name: new.name,
            disabled: false,
            country_code: new.country_code,
            details: new.details,
            created_at: now,
            updated_at: now,
        };
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
        let mut changes = vec![self.document_put(DocumentKind::Organisation, row.id.0, 1, row.encode())];
        for purpose in Purpose::ALL {
            let key = OrganisationKey::make(self.keys(), purpose, row.id, now, self.entropy())?;
            let id = Id::make(now, self.make_id_bytes()?);
            changes.push(self.document_put(DocumentKind::OrganisationKey, id, 1, key.encode()));
        }
        let audit = permit.asked().note(now, Action::DocumentCreate, row.id, row.id.0);
        Ok((row, DocumentPlan { changes, audit }))
    }

    /// Plans [`Vault::processor_create`].
    pub fn processor_plan(
        &self,
        permit: &Permit<ProcessorCreate>,
        new: NewProcessor,
    ) -> Result<(ProcessorRow, DocumentPlan), VaultError> {
        let mut faults = Faults::default();
        let organisation = faults.note(permit.within(new.organisation, Named::Field("organisation")))?;
        faults.note(name_fits(&new.name))?;
        let configuration = faults.note(
            Configuration::parse(&new.type_name, &new.settings)
                .map_err(|fault| VaultError::field("configuration", fault)),
        )?;
        if configuration.as_ref().is_some_and(Configuration::is_test_only) && self.mode() == Mode::Live {
            faults.field("configuration", "is of a type that only a test vault allows");
        }
        faults.end()?;
        let (Some(organisation), Some(configuration)) = (organisation, configuration) else {
            return Err(VaultError::Contended);
        };
        let now = permit.now().wall;
        let row = ProcessorRow {
            id: ProcessorId::make(now, self.make_id_bytes()?),
            organisation,
            name: new.name,
            type_name: configuration.type_name().to_owned(),
            settings: configuration.settings(),
            created_at: now,
            updated_at: now,
        };
        let changes = vec![self.document_put(DocumentKind::Processor, row.id.0, 1, row.encode())];
        let audit = permit.asked().note(now, Action::DocumentCreate, organisation, row.id.0);
        Ok((row, DocumentPlan { changes, audit }))
    }

    /// Plans [`Vault::account_create`].
    pub fn account_plan(
        &self,
        permit: &Permit<AccountCreate>,
        new: NewAccount,
    ) -> Result<(AccountRow, DocumentPlan), VaultError> {
        self.account_plan_on(&self.snapshot(), permit, new)
    }

    fn account_plan_on(
        &self,
        snapshot: &Snapshot,
        permit: &Permit<AccountCreate>,
        new: NewAccount,
    ) -> Result<(AccountRow, DocumentPlan), VaultError> {
        let mut faults = Faults::default();
        faults.note(name_fits(&new.name))?;
        if let Some(description) = &new.description {
            faults.note(description_fits(description))?;
        }
        faults.note(currency_fits(new.currency))?;
        let organisation = faults.note(permit.within(new.organisation, Named::Field("organisation")))?;
        faults.note(processors_fit(snapshot, permit, organisation, &new.processors))?;
        faults.end()?;
        let Some(organisation) = organisation else { return Err(VaultError::Contended) };
        let now = permit.now().wall;
        let row = AccountRow {
            id: AccountId::make(now, self.make_id_bytes()?),
            organisation,
            name: new.name,
            description: new.description,
            currency: new.currency,
            processors: new.processors,
            disabled: false,
            created_at: now,
            updated_at: now,
        };
        let changes = vec![self.document_put(DocumentKind::Account, row.id.0, 1, row.encode())];
        let audit = permit.asked().note(now, Action::DocumentCreate, organisation, row.id.0);
        Ok((row, DocumentPlan { changes, audit }))
    }

    /// Plans [`Vault::apikey_create`]: the key is of no use until the plan is done.
    pub fn apikey_plan(
        &self,
        permit: &Permit<ApiKeyCreate>,
        new: NewApiKey,
    ) -> Result<(ApiKeyRow, ApiKey, DocumentPlan), VaultError> {
        if new.roles.iter().any(|role| !permit.may_grant(*role)) {
            return Err(VaultError::RoleNotAllowed);
        }
        let mut faults = Faults::default();
        let organisation = faults.note(permit.within(new.organisation, Named::Field("organisation")))?;
        faults.note(name_fits(&new.name))?;
        if new.roles.is_empty() {
            faults.field("roles", "needs at least one role");
        }
        let now = permit.now().wall;
        if new.expires_at.is_some_and(|expires_at| expires_at <= now) {
            faults.field("expires_at", "is in the past");
        }
        faults.end()?;
        let Some(organisation) = organisation else { return Err(VaultError::Contended) };
        let mode = match self.mode() {
            Mode::Test => KeyMode::Test,
            Mode::Live => KeyMode::Live,
        };
        let key = ApiKey::make(mode, self.entropy())?;
        let mut roles = new.roles;
        roles.sort_unstable();
        roles.dedup();
        let (hash_key, hash) = self.keys().api_key_hash(&key);
        let row = ApiKeyRow {
            id: ApiKeyId::make(now, self.make_id_bytes()?),
            organisation,
            name: new.name,
            roles,
            hash_key,
            hash,
            expires_at: new.expires_at,
            created_at: now,
        };
        let changes = vec![self.document_put(DocumentKind::ApiKey, row.id.0, 1, row.encode())];
        let audit = permit.asked().note(now, Action::DocumentCreate, organisation, row.id.0);
        Ok((row, key, DocumentPlan { changes, audit }))
    }

    /// Revokes an API key, at once. Nobody revokes a key that they could not have made.
    pub async fn apikey_delete(&self, permit: &Permit<ApiKeyDelete>, id: ApiKeyId) -> Result<(), VaultError> {
        self.document_change(|snapshot| Ok(((), self.apikey_delete_plan_on(snapshot, permit, id)?))).await
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
        let row = snapshot.documents.api_key(id).ok_or_else(|| VaultError::not_found(Named::Subject))?;
        let organisation = permit.within(row.organisation, Named::Subject)?;
        if row.roles.iter().any(|role| !permit.may_grant(*role)) {
            return Err(VaultError::RoleNotAllowed);
        }
        let version = snapshot.documents.version(DocumentKind::ApiKey, id.0);
        let audit = permit.asked().note(permit.now().wall, Action::DocumentDelete, organisation, id.0);
        let changes = vec![DocumentChange::ApiKeyDelete(id, version)];
        Ok(DocumentPlan { changes, audit })
    }
}

impl<O> Permit<O> {
    /// Nobody grants more than they have: a merchant's administrator makes merchant and browser keys only.
    fn may_grant(&self, role: Role) -> bool {
        match role {
            Role::ProviderAdmin | Role::ProviderUser => self.has_role(Role::ProviderAdmin),
            Role::MerchantAdmin
            | Role::MerchantSupervisor
            | Role::MerchantCashier
            | Role::MerchantUser
            | Role::Publishable => true,
        }
    }
}

/// Whether an account of the organisation may have these processors.
fn processors_fit(
    snapshot: &Snapshot,
    permit: &Permit<AccountCreate>,
    organisation: Option<OrganisationId>,
    processors: &[ProcessorId],
) -> Result<(), VaultError> {
    let mut kinds = Vec::new();
    for id in processors {
        let (row, _) = snapshot
            .documents
            .processor(*id)
            .ok_or_else(|| VaultError::not_found(Named::Field("processors")))?;
        permit.within(row.organisation, Named::Field("processors"))?;
        if organisation
            .is_some_and(|organisation| !snapshot.documents.is_below(organisation, row.organisation))
        {
            let reason = "must be of the account's organisation or one above it";
            return Err(VaultError::field("processors", reason));
        }
        let kind = row.type_name.split('_').next().unwrap_or_default().to_owned();
        if kinds.contains(&kind) {
            return Err(VaultError::field("processors", "may hold one processor of each kind"));
        }
        kinds.push(kind);
    }
    Ok(())
}
