use panvault_model::OrganisationId;
use panvault_store::{AccountRow, ApiKeyRow, OrganisationRow, ProcessorRow};

use crate::document::Snapshot;
use crate::permit::{DocumentList, Permit};
use crate::vault::Vault;

impl Vault {
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
        rows: impl FnOnce(&Snapshot) -> Vec<T>,
        organisation: impl Fn(&T) -> OrganisationId,
    ) -> Vec<T> {
        rows(&self.snapshot()).into_iter().filter(|row| permit.sees(organisation(row))).collect()
    }
}
