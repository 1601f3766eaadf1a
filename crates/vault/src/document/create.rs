use panvault_keys::{ApiKey, KeyMode};
use panvault_model::{
    AccountId, ApiKeyId, Country, Currency, Id, OrganisationId, ProcessorId, Role, Timestamp,
};
use panvault_processor::Configuration;
use panvault_store::{
    AccountRow, Action, ApiKeyRow, DocumentChange, DocumentCommit, DocumentKind, DocumentRow,
    OrganisationRow, Outcome, ProcessorRow,
};

use crate::document::snapshot::REGISTRY_ID;
use crate::error::VaultError;
use crate::idempotency::undone;
use crate::limits::{TEXT_BYTES_MAX, TREE_LEVELS_MAX};
use crate::permit::{
    AccountCreate, ApiKeyCreate, ApiKeyDelete, DocumentList, OrganisationCreate, Permit, ProcessorCreate,
};
use crate::seal;
use crate::text::{details_fit, name_fits, text_fits};
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
        name_fits(&new.name)?;
        details_fit(&new.details)?;
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
        let snapshot = self.snapshot();
        match row.parent {
            Some(parent) => {
                permit.within(parent)?;
                if snapshot.documents.levels(parent) >= TREE_LEVELS_MAX {
                    return Err(VaultError::field("parent_id", "is too deep in the tree of organisations"));
                }
            }
            // Only a command on this machine may start a tree of its own: no key would see it.
            None if !permit.is_operator() => {
                return Err(VaultError::field("parent_id", "is required"));
            }
            None => {}
        }
        let mut registry = snapshot.documents.registry(self.keys())?;
        registry.organisation_add(self.root(), self.id(), row.id, now, self.entropy())?;
        let version = snapshot.documents.version(DocumentKind::KeyRegistry, REGISTRY_ID);
        let registry = registry.encode(self.keys());
        let changes = vec![
            self.document_put(DocumentKind::Organisation, row.id.0, 1, row.encode()),
            self.document_put(DocumentKind::KeyRegistry, REGISTRY_ID, version.saturating_add(1), registry),
        ];
        let audit = permit.asked().note(now, Action::DocumentCreate, row.id, row.id.0);
        self.document_commit(DocumentCommit { changes, audit }).await?;
        Ok(row)
    }

    /// Makes a processor. The dummy is refused outside test mode.
    pub async fn processor_create(
        &self,
        permit: &Permit<ProcessorCreate>,
        new: NewProcessor,
    ) -> Result<ProcessorRow, VaultError> {
        name_fits(&new.name)?;
        let organisation = permit.within(new.organisation)?;
        let configuration = Configuration::parse(&new.type_name, &new.settings)
            .map_err(|fault| VaultError::field("configuration", fault))?;
        if configuration.is_test_only() && self.mode() == Mode::Live {
            return Err(VaultError::field("configuration", "is of a type that only a test vault allows"));
        }
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
        self.document_commit(DocumentCommit { changes, audit }).await?;
        Ok(row)
    }

    /// Makes an account with at most one processor of each kind.
    pub async fn account_create(
        &self,
        permit: &Permit<AccountCreate>,
        new: NewAccount,
    ) -> Result<AccountRow, VaultError> {
        name_fits(&new.name)?;
        if let Some(description) = &new.description {
            text_fits("description", description, TEXT_BYTES_MAX)?;
        }
        let organisation = permit.within(new.organisation)?;
        self.processors_fit(permit, &new.processors)?;
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
        self.document_commit(DocumentCommit { changes, audit }).await?;
        Ok(row)
    }

    /// Makes an API key. The key itself is in the answer and nowhere else.
    pub async fn apikey_create(
        &self,
        permit: &Permit<ApiKeyCreate>,
        new: NewApiKey,
    ) -> Result<(ApiKeyRow, ApiKey), VaultError> {
        name_fits(&new.name)?;
        let organisation = permit.within(new.organisation)?;
        if new.roles.is_empty() {
            return Err(VaultError::field("roles", "needs at least one role"));
        }
        if new.roles.iter().any(|role| !permit.may_grant(*role)) {
            return Err(VaultError::RoleNotAllowed);
        }
        let now = permit.now().wall;
        if new.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Err(VaultError::field("expires_at", "is in the past"));
        }
        let mode = match self.mode() {
            Mode::Test => KeyMode::Test,
            Mode::Live => KeyMode::Live,
        };
        let key = ApiKey::make(mode, self.entropy())?;
        let mut roles = new.roles;
        roles.sort_unstable();
        roles.dedup();
        let row = ApiKeyRow {
            id: ApiKeyId::make(now, self.make_id_bytes()?),
            organisation,
            name: new.name,
            roles,
            hash: self.keys().api_key_hash(&key),
            expires_at: new.expires_at,
            created_at: now,
        };
        let changes = vec![self.document_put(DocumentKind::ApiKey, row.id.0, 1, row.encode())];
        let audit = permit.asked().note(now, Action::DocumentCreate, organisation, row.id.0);
        self.document_commit(DocumentCommit { changes, audit }).await?;
        Ok((row, key))
    }

    /// Revokes an API key, at once. Nobody revokes a key that they could not have made.
    pub async fn apikey_delete(&self, permit: &Permit<ApiKeyDelete>, id: ApiKeyId) -> Result<(), VaultError> {
        let snapshot = self.snapshot();
        let row = snapshot.documents.api_keys().find(|row| row.id == id).ok_or(VaultError::NotFound)?;
        let organisation = permit.within(row.organisation)?;
        if row.roles.iter().any(|role| !permit.may_grant(*role)) {
            return Err(VaultError::RoleNotAllowed);
        }
        let version = snapshot.documents.version(DocumentKind::ApiKey, id.0);
        let audit = permit.asked().note(permit.now().wall, Action::DocumentDelete, organisation, id.0);
        let changes = vec![DocumentChange::Delete(DocumentKind::ApiKey, id.0, version)];
        self.document_commit(DocumentCommit { changes, audit }).await
    }

    /// The organisations that the caller sees.
    pub fn organisation_list(&self, permit: &Permit<DocumentList>) -> Vec<OrganisationRow> {
        self.seen(permit, |snapshot| snapshot.documents.organisations().cloned().collect(), |row| row.id)
    }

    /// The accounts that the caller sees.
    pub fn account_list(&self, permit: &Permit<DocumentList>) -> Vec<AccountRow> {
        self.seen(permit, |snapshot| snapshot.documents.accounts().cloned().collect(), |row| row.organisation)
    }

    /// The processors that the caller sees.
    pub fn processor_list(&self, permit: &Permit<DocumentList>) -> Vec<ProcessorRow> {
        self.seen(
            permit,
            |snapshot| snapshot.documents.processors().cloned().collect(),
            |row| row.organisation,
        )
    }

    /// The API keys that the caller sees; their rows hold keyed hashes, not keys.
    pub fn apikey_list(&self, permit: &Permit<DocumentList>) -> Vec<ApiKeyRow> {
        self.seen(permit, |snapshot| snapshot.documents.api_keys().cloned().collect(), |row| row.organisation)
    }

    fn seen<T>(
        &self,
        permit: &Permit<DocumentList>,
        rows: impl FnOnce(&crate::document::Snapshot) -> Vec<T>,
        organisation: impl Fn(&T) -> OrganisationId,
    ) -> Vec<T> {
        rows(&self.snapshot()).into_iter().filter(|row| permit.within(organisation(row)).is_ok()).collect()
    }

    fn processors_fit(
        &self,
        permit: &Permit<AccountCreate>,
        processors: &[ProcessorId],
    ) -> Result<(), VaultError> {
        let snapshot = self.snapshot();
        let mut kinds = Vec::new();
        for id in processors {
            let (row, _) = snapshot.documents.processor(*id).ok_or(VaultError::NotFound)?;
            permit.within(row.organisation)?;
            let kind = row.type_name.split('_').next().unwrap_or_default().to_owned();
            if kinds.contains(&kind) {
                return Err(VaultError::field("processors", "may hold one processor of each kind"));
            }
            kinds.push(kind);
        }
        Ok(())
    }

    fn document_put(&self, kind: DocumentKind, id: Id, version: u32, body: Vec<u8>) -> DocumentChange {
        let mut row = DocumentRow { kind, id, version, body, tag: [0; 16] };
        row.tag = seal::document_tag(self.keys(), &row);
        DocumentChange::Put(row)
    }

    /// Commits, and takes up the new state before it answers.
    async fn document_commit(&self, step: DocumentCommit) -> Result<(), VaultError> {
        match self.store().document_commit(step).await? {
            Outcome::Done { .. } => self.reload().await,
            outcome @ (Outcome::Replayed(_)
            | Outcome::InUse
            | Outcome::Mismatch
            | Outcome::NotFound
            | Outcome::Stale) => Err(undone(outcome)),
        }
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
