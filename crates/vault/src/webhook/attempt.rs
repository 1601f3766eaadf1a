use std::sync::Arc;

use panvault_model::{DeliveryFault, DeliveryStatus, Timestamp};
use panvault_store::{Action, AuditNote, Commit, DeliveryRow, Expect, Outcome, RowKey, StoreFault};
use panvault_webhook::{Attempt, Message, Notice, Sender, Turn, WebhookUrl};

use crate::audit::Requester;
use crate::error::{VaultError, with_causes};
use crate::limits::{WEBHOOK_DELIVERED_KEPT_SECONDS, WEBHOOK_FAILED_KEPT_SECONDS, WEBHOOK_RETRY_MINUTES};
use crate::seal;
use crate::vault::Vault;

impl Vault {
    /// Sends a delivery once, and writes what became of it; `false` where that could not be written. A receiver may be told twice where a
    /// crash lies between the two, never not at all.
    pub(super) async fn webhook_attempt(&self, sender: &Sender, row: Arc<DeliveryRow>, turn: Turn) -> bool {
        let url = WebhookUrl::parse(&row.url);
        let secrets = self.webhook_secrets(row.account);
        let attempt = match (&url, &secrets) {
            (Ok(url), Ok(secrets)) => {
                let id = row.id.to_string();
                let notice = Notice {
                    kind: row.kind,
                    id: row.object,
                    status: &row.object_status,
                    updated_at: row.object_updated_at,
                    event: row.id,
                };
                let timestamp = self.now().wall.unix_seconds();
                sender.send(&Message { url, id: &id, timestamp, body: notice.body(), secrets }, turn).await
            }
            (Err(_), _) => not_sent(DeliveryFault::Url),
            (Ok(_), Err(error)) => {
                tracing::error!(delivery.id = %row.id, error = %with_causes(error), advice = "make another secret for the account", "webhook.unsigned");
                not_sent(DeliveryFault::Unsigned)
            }
        };
        let written = match self.webhook_attempted(&row, attempt) {
            Ok(after) => self.webhook_write(&row, after).await,
            Err(error) => Err(error),
        };
        match written {
            Ok(Some(after)) => self.webhook_log(&after, url.as_ref().ok(), attempt.cause),
            // Somebody else has sent it meanwhile.
            Ok(None) => {}
            // The vault ends: it is sent again at the next start.
            Err(VaultError::Store(StoreFault::Stopped)) => return false,
            Err(error) => {
                if self.deliveries().unwritten.is_due(self.now()) {
                    let advice = "see why the store does not write; the receiver may be told again";
                    tracing::error!(delivery.id = %row.id, error = %with_causes(&error), advice, "webhook.not_written");
                }
                return false;
            }
        }
        true
    }

    /// The row after an attempt.
    fn webhook_attempted(&self, row: &DeliveryRow, attempt: Attempt) -> Result<DeliveryRow, VaultError> {
        let now = self.now().wall;
        let Attempt { fault, cause: _, status: answer } = attempt;
        let attempts = row.attempts.saturating_add(1);
        // What cannot be called now can never be.
        let retry = WEBHOOK_RETRY_MINUTES
            .get(usize::from(row.attempts))
            .filter(|_| fault != Some(DeliveryFault::Url));
        let (status, seconds) = match (fault, retry) {
            (None, _) => (DeliveryStatus::Delivered, WEBHOOK_DELIVERED_KEPT_SECONDS),
            (Some(_), Some(minutes)) => (DeliveryStatus::Waiting, minutes * 60),
            (Some(_), None) => (DeliveryStatus::Failed, WEBHOOK_FAILED_KEPT_SECONDS),
        };
        Ok(DeliveryRow {
            version: row.version.checked_add(1).ok_or(VaultError::Contended)?,
            status,
            attempts,
            due_at: now.plus_seconds(seconds),
            fault,
            answer: answer.unwrap_or(0),
            updated_at: now,
            ..row.clone()
        })
    }

    /// Puts a delivery off that is not to be sent before then. Where the store has no room at the moment, nobody waits for it.
    pub(super) async fn webhook_put_off(
        &self,
        row: &DeliveryRow,
        due_at: Timestamp,
    ) -> Result<(), VaultError> {
        let version = row.version.checked_add(1).ok_or(VaultError::Contended)?;
        let after = self.webhook_tagged(DeliveryRow { version, due_at, ..row.clone() });
        self.store().commit(self.webhook_commit(row, &after)).await?;
        Ok(())
    }

    /// Writes the row onto what was read; `None` when somebody else has written another since.
    async fn webhook_write(
        &self,
        before: &DeliveryRow,
        after: DeliveryRow,
    ) -> Result<Option<Arc<DeliveryRow>>, VaultError> {
        let after = self.webhook_tagged(after);
        match self.settle_at_last(|| self.webhook_commit(before, &after)).await? {
            Outcome::Done { .. } => Ok(Some(after)),
            Outcome::Unmet(_) | Outcome::Claimed(_) => Ok(None),
        }
    }

    fn webhook_tagged(&self, mut row: DeliveryRow) -> Arc<DeliveryRow> {
        row.tag = seal::delivery_tag(self.keys(), &row);
        Arc::new(row)
    }

    fn webhook_commit(&self, before: &DeliveryRow, after: &Arc<DeliveryRow>) -> Commit {
        let now = self.now().wall;
        let note = Requester::VAULT.note(now, Action::WebhookDeliver, after.organisation, after.id.0);
        Commit {
            claim: None,
            expects: vec![Expect::Version(RowKey::Delivery(after.id), before.version)],
            effects: vec![Arc::clone(after).into()],
            audit: AuditNote { outcome: after.status.code(), ..note },
        }
    }

    /// Path and query of a URL are its shop's secrets: they are in no line.
    fn webhook_log(&self, row: &DeliveryRow, url: Option<&WebhookUrl>, cause: Option<DeliveryFault>) {
        let to = url.map_or_else(String::new, WebhookUrl::origin);
        let (attempts, fault) = (row.attempts, cause.map(DeliveryFault::as_str));
        let id = row.id;
        self.deliveries().count(row.status);
        match row.status {
            DeliveryStatus::Delivered => {
                tracing::debug!(delivery.id = %id, to, attempts, "webhook.delivered");
            }
            DeliveryStatus::Waiting => {
                tracing::info!(delivery.id = %id, to, attempts, fault, answer = row.answer, retry_at = %row.due_at, "webhook.attempt_failed");
            }
            DeliveryStatus::Failed => {
                let advice = "none is needed by the vault; the receiver's operator may read the object";
                tracing::warn!(delivery.id = %id, to, attempts, fault, answer = row.answer, advice, "webhook.failed");
            }
        }
    }
}

const fn not_sent(fault: DeliveryFault) -> Attempt {
    Attempt { fault: Some(fault), cause: Some(fault), status: None }
}
