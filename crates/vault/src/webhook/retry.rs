use std::sync::Arc;

use panvault_model::{DeliveryId, DeliveryStatus};
use panvault_store::{Action, Commit, DeliveryRow, Expect, Outcome, RowKey};

use crate::error::{Named, VaultError};
use crate::idempotency::{Done, Idempotency, answer_of, answer_read};
use crate::limits::UPDATE_TRIES_MAX;
use crate::permit::{Permit, WebhookDeliveryRetry};
use crate::seal;
use crate::vault::Vault;

impl Vault {
    /// Sends a delivery again as soon as it is its turn, whatever became of it: one that waits for its time, one that was given up, and one that
    /// the receiver has taken and lost. It is the same event, to the URL of then. [`VaultError::NotFound`] when the caller does not see it;
    /// [`VaultError::Disabled`].
    pub async fn webhook_delivery_retry(
        &self,
        permit: &Permit<WebhookDeliveryRetry>,
        id: DeliveryId,
        idempotency: Option<Idempotency>,
    ) -> Result<Done<Arc<DeliveryRow>>, VaultError> {
        let now = permit.now();
        if let Some(claim) = &idempotency
            && let Some(earlier) = self.idempotency_earlier(claim, now).await?
        {
            return Ok(Done::replayed(Arc::new(answer_read(&earlier)?)));
        }
        for _ in 0..UPDATE_TRIES_MAX {
            let stored = self.webhook_delivery_seen(permit, id).await?;
            permit.within_enabled(stored.organisation, Named::Subject)?;
            let mut row = DeliveryRow {
                version: stored.version.checked_add(1).ok_or(VaultError::Contended)?,
                status: DeliveryStatus::Waiting,
                due_at: now.wall,
                updated_at: now.wall,
                ..stored.as_ref().clone()
            };
            row.tag = seal::delivery_tag(self.keys(), &row);
            let row = Arc::new(row);
            let commit = Commit {
                claim: idempotency.map(|claim| claim.claim(self.keys(), now.wall, answer_of(row.as_ref()))),
                expects: vec![Expect::Version(RowKey::Delivery(id), stored.version)],
                effects: vec![Arc::clone(&row).into()],
                audit: permit.asked().note(now.wall, Action::WebhookRetry, row.organisation, id.0),
            };
            match self.store().commit(commit).await? {
                Outcome::Done { .. } => {
                    self.deliveries().wake();
                    return Ok(Done::new(row));
                }
                Outcome::Claimed(earlier) => {
                    let claim = idempotency.ok_or(VaultError::Contended)?;
                    let earlier = self.idempotency_claimed(&claim, earlier)?;
                    return Ok(Done::replayed(Arc::new(answer_read(&earlier)?)));
                }
                // It was sent meanwhile, or is gone: that is seen when it is read again.
                Outcome::Unmet(_) => {}
            }
        }
        Err(VaultError::Contended)
    }
}
