use panvault_processor::Sent;

use crate::audit::Asked;
use crate::error::VaultError;
use crate::idempotency::Idempotency;
use crate::seal;
use crate::vault::Vault;

impl Vault {
    /// Turns every transaction that a crash left `INITIATED` into `UNKNOWN`. It is never sent again by itself.
    pub(crate) async fn transaction_recover(&self) -> Result<(), VaultError> {
        let now = self.now();
        for row in self.store().transaction_open().await? {
            seal::transaction_verify(self.keys(), &row)?;
            let earlier = match row.idempotency {
                Some(key) => self.store().idempotency_read(key).await?.map(|earlier| (key, earlier)),
                None => None,
            };
            let idempotency = match earlier {
                Some((key, earlier)) => {
                    self.idempotency_verify(key, &earlier)?;
                    Some(Idempotency::of_row(&earlier))
                }
                None => None,
            };
            let sent = Sent::Unknown { reason: "the vault stopped before the outcome was written" };
            self.transaction_outcome(&Asked::VAULT, &row, sent, idempotency, None, now).await?;
            tracing::warn!(transaction.id = %row.id, advice = "ask the processor for its outcome", "transaction.unknown");
        }
        Ok(())
    }
}
