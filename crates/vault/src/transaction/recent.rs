use std::collections::BTreeMap;

use panvault_store::{Count, TransactionQuery};

use crate::error::VaultError;
use crate::limits::TRANSACTIONS_RECENT;
use crate::permit::{Permit, StatusRead};
use crate::vault::Vault;

impl Vault {
    /// Where the newest transactions that the caller sees stand, by the names of their statuses. There are [`TRANSACTIONS_RECENT`] at most, so that it costs
    /// the same however many the vault has.
    pub async fn transactions_recent(
        &self,
        permit: &Permit<StatusRead>,
    ) -> Result<BTreeMap<&'static str, u64>, VaultError> {
        if !permit.is_at_top() {
            return Err(VaultError::RoleNotAllowed);
        }
        let newest = TransactionQuery::newest(permit.organisations(&[]), TRANSACTIONS_RECENT);
        let query = TransactionQuery { asked_by: permit.asked_by(), count: Count::PageEnd, ..newest };
        let rows = self.store().transaction_list(query).await?.rows;
        let mut counts = BTreeMap::new();
        for row in rows {
            *counts.entry(row.status.as_str()).or_default() += 1;
        }
        Ok(counts)
    }
}
