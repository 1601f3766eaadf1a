use panvault_model::{OrganisationId, Timestamp};
use panvault_store::limits::SWEEP_ROWS_MAX;
use panvault_store::{Action, CheckoutEnd, Commit, Effect, Expect, Outcome, RowKey};

use crate::audit::Requester;
use crate::error::VaultError;
use crate::seal;
use crate::vault::Vault;

impl Vault {
    /// Removes checkouts whose time is over, and the cards of those that nobody paid. What does not bear its tag stays: it is not known to be over.
    pub(crate) async fn checkouts_sweep(&self, now: Timestamp) -> Result<(), VaultError> {
        let nobody = OrganisationId::from_bytes([0; 12]);
        let audit = Requester::VAULT.note(now, Action::CheckoutSweep, nobody, self.id().0);
        loop {
            let mut rows = self.store().checkout_over(now, SWEEP_ROWS_MAX).await?;
            let found = rows.len();
            rows.retain(|row| seal::checkout_verify(self.keys(), row).is_ok());
            let is_all = rows.len() < SWEEP_ROWS_MAX || rows.len() < found;
            if rows.is_empty() {
                return Ok(());
            }
            for row in rows.iter().filter(|row| row.end != Some(CheckoutEnd::Tokenised)) {
                let Some(card) = row.card else { continue };
                match self.card_remove(&Requester::VAULT, self.now(), card, row.organisation).await {
                    Ok(()) | Err(VaultError::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            let commit = Commit {
                claim: None,
                expects: rows
                    .iter()
                    .map(|row| Expect::Version(RowKey::Checkout(row.id), row.version))
                    .collect(),
                effects: rows.iter().map(|row| Effect::Delete(RowKey::Checkout(row.id))).collect(),
                audit,
            };
            match self.store().commit(commit).await? {
                Outcome::Done { .. } if !is_all => {}
                // Where one has changed, another node removes them: the next sweep sees.
                Outcome::Done { .. } | Outcome::Unmet(_) | Outcome::Claimed(_) => return Ok(()),
            }
        }
    }
}
