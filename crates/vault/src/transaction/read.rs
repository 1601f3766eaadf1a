use std::sync::Arc;

use panvault_model::TransactionId;
use panvault_store::{Action, HistoryRow, Page, RowKey, TransactionQuery, TransactionRow};

use crate::error::{Named, VaultError};
use crate::permit::{Permit, TransactionList, TransactionRead};
use crate::seal;
use crate::vault::Vault;

impl Vault {
    /// The transaction, held against its tag.
    pub async fn transaction_read(
        &self,
        permit: &Permit<TransactionRead>,
        id: TransactionId,
    ) -> Result<Arc<TransactionRow>, VaultError> {
        let row =
            self.store().transaction_read(id).await?.ok_or_else(|| VaultError::not_found(Named::Subject))?;
        // First of all: whose a changed row is it cannot say itself.
        seal::transaction_verify(self.keys(), &row)?;
        if row.id != id {
            return Err(VaultError::Tampered(RowKey::Transaction(id)));
        }
        permit.within(row.organisation, Named::Subject)?;
        self.seen(permit, Action::TransactionRead, row.organisation, Some(id.0));
        Ok(row)
    }

    /// Steps of a transaction, newest first, each held against its tag, and none missing.
    pub async fn transaction_history(
        &self,
        permit: &Permit<TransactionRead>,
        id: TransactionId,
    ) -> Result<Vec<Arc<HistoryRow>>, VaultError> {
        let row = self.transaction_read(permit, id).await?;
        let history = self.store().transaction_history(id).await?;
        // A step may have been added since the row was read.
        let newest = history.first().map_or(0, |step| step.version);
        let mut versions = (1..=row.version.max(newest)).rev();
        for step in &history {
            seal::history_verify(self.keys(), step)?;
            if step.transaction != id || versions.next() != Some(step.version) {
                return Err(VaultError::Tampered(RowKey::History(id, step.version)));
            }
        }
        match versions.next() {
            None => Ok(history),
            Some(missing) => Err(VaultError::Tampered(RowKey::History(id, missing))),
        }
    }

    /// Transactions of the organisations that the caller sees; `query.organisations` narrows them when it names some.
    /// [`VaultError::NotFound`] when it names one that the caller does not see.
    pub async fn transaction_list(
        &self,
        permit: &Permit<TransactionList>,
        mut query: TransactionQuery,
    ) -> Result<Page<Arc<TransactionRow>>, VaultError> {
        for organisation in &query.organisations {
            permit.within(*organisation, Named::Condition("organisation"))?;
        }
        let organisation = permit.counted_in(&query.organisations);
        query.organisations = permit.organisations(&query.organisations);
        query.asked_by = permit.asked_by();
        let page = self.store().transaction_list(query).await?;
        for row in &page.rows {
            seal::transaction_verify(self.keys(), row)?;
            // It is in a list of theirs, and nobody's list has the transaction of another.
            if !permit.sees(row.organisation) {
                return Err(VaultError::Tampered(RowKey::Transaction(row.id)));
            }
        }
        self.seen(permit, Action::TransactionList, organisation, None);
        Ok(page)
    }
}
