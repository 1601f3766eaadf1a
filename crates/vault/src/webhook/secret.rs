use panvault_keys::WebhookSecret;
use panvault_model::{AccountId, Now};
use panvault_store::{AccountRow, SealedSecret};

use crate::document::Snapshot;
use crate::error::VaultError;
use crate::limits::WEBHOOK_SECRET_OVERLAP_SECONDS;
use crate::seal;
use crate::vault::Vault;

impl Vault {
    /// Makes the secret that webhooks of an account are signed with from now on. The one before it signs beside it for a while, and any earlier
    /// one no longer.
    pub(crate) fn webhook_secret_make(
        &self,
        snapshot: &Snapshot,
        row: &mut AccountRow,
        now: Now,
    ) -> Result<WebhookSecret, VaultError> {
        let secret = WebhookSecret::make(self.entropy())?;
        let newest = row.webhook_secrets.first().cloned();
        let earlier = newest.as_ref().map_or(0, |newest| newest.number);
        let number = earlier.checked_add(1).ok_or(VaultError::Contended)?;
        let env = self.env(snapshot, now);
        let sealed = seal::webhook_secret_seal(&secret, number, row.id, row.organisation, &env)?;
        let made = SealedSecret { number, created_at: now.wall, ends_at: None, sealed };
        let ends_at = Some(now.wall.plus_seconds(WEBHOOK_SECRET_OVERLAP_SECONDS));
        let before = newest.map(|newest| SealedSecret { ends_at, ..newest });
        row.webhook_secrets = [made].into_iter().chain(before).collect();
        Ok(secret)
    }

    /// What webhooks of an account are signed with at this moment, the newest first; nothing where it has no secret.
    pub(super) fn webhook_secrets(&self, account: AccountId) -> Result<Vec<WebhookSecret>, VaultError> {
        let (snapshot, now) = (self.snapshot(), self.now().wall);
        let Some(row) = snapshot.documents.account(account) else { return Ok(Vec::new()) };
        let signs = |secret: &&SealedSecret| secret.ends_at.is_none_or(|ends_at| ends_at > now);
        let secrets = row.webhook_secrets.iter().filter(signs);
        secrets.map(|secret| seal::webhook_secret_open(secret, row, self.id(), &snapshot.keys)).collect()
    }
}
