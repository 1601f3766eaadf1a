use panvault_model::CustomerId;
use panvault_store::{Action, Commit, Effect, Expect, Outcome, RowKey};

use crate::error::{Named, VaultError};
use crate::permit::{CustomerDelete, Permit};
use crate::seal;
use crate::vault::Vault;

impl Vault {
    /// Erases a customer: its sealed details, its digest and its index entries are gone when this answers. What names it keeps the id.
    pub async fn customer_delete(
        &self,
        permit: &Permit<CustomerDelete>,
        id: CustomerId,
    ) -> Result<(), VaultError> {
        let missing = || VaultError::not_found(Named::Subject);
        let row = self.store().customer_read(id).await?.ok_or_else(missing)?;
        // A customer whose row was changed from outside can still be erased by whom it says that it is of. Of another's, the tag tells
        // whether it is that, or this caller's and was changed.
        let organisation = match permit.within(row.organisation, Named::Subject) {
            Ok(organisation) => organisation,
            Err(foreign) => {
                seal::customer_verify(&row, row.organisation, self.keys())?;
                return Err(if row.id == id { foreign } else { VaultError::Tampered(RowKey::Customer(id)) });
            }
        };
        let commit = Commit {
            claim: None,
            expects: vec![Expect::Owned(RowKey::Customer(id), organisation)],
            effects: vec![Effect::Delete(RowKey::Customer(id))],
            audit: permit.asked().note(permit.now().wall, Action::CustomerDelete, organisation, id.0),
        };
        self.in_time(permit.now())?;
        match self.store().commit(commit).await? {
            Outcome::Done { .. } => Ok(()),
            Outcome::Unmet(_) => Err(missing()),
            Outcome::Claimed(_) => Err(VaultError::Contended),
        }
    }
}
