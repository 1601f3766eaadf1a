use std::sync::Arc;

use panvault_card::CardBlock;
use panvault_model::{CardId, IssuerFacts, OrganisationId};
use panvault_store::{Action, AuditNote, CardRow, Commit, Expect, Outcome, RowKey};

use crate::env::Env;
use crate::error::{Named, VaultError};
use crate::limits::UPDATE_TRIES_MAX;
use crate::permit::{CardRefresh, Permit};
use crate::seal;
use crate::vault::Vault;

/// What became of a card whose facts were derived again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// The table knows something else now, and the card says it.
    Changed,
    /// The table says what the card said, so that nothing was written.
    Same,
    /// The card's facts are of this table already; it was not opened.
    Current,
    /// It was deleted meanwhile, or the key that sealed it is destroyed.
    Gone,
}

impl Vault {
    /// Cards of the whole vault in the order of their ids, from behind `after`, at most `limit`: for going through all of them.
    pub async fn card_page(
        &self,
        _permit: &Permit<CardRefresh>,
        after: CardId,
        limit: usize,
    ) -> Result<Vec<Arc<CardRow>>, VaultError> {
        Ok(self.store().card_page(after, limit).await?)
    }

    /// Derives again who issued a card, from the table as it is now.
    ///
    /// The card is opened, since its digits 7 and 8 may be needed and are kept nowhere else, and sealed again, since facts are bound to the
    /// seal. That is one durable step with its note; what changed meanwhile is read again and not lost. Facts that are equal are not
    /// written: what an older table said is still so. CVVs are not touched.
    pub async fn card_refresh(
        &self,
        permit: &Permit<CardRefresh>,
        row: Arc<CardRow>,
    ) -> Result<Refreshed, VaultError> {
        let id = row.id;
        let now = permit.now();
        let mut stored = row;
        for _ in 0..UPDATE_TRIES_MAX {
            if stored.facts.table_version == self.bins().version() {
                return Ok(Refreshed::Current);
            }
            let organisation = permit.within(stored.organisation, Named::Subject)?;
            let env = self.env(permit.snapshot(), now);
            seal::card_verify(&stored, organisation, env.vault_keys)?;
            let refreshed = match card_refresh_plan(&stored, organisation, &env) {
                Ok(Some(refreshed)) => refreshed,
                Ok(None) => return Ok(Refreshed::Same),
                Err(VaultError::NotFound(_)) => return Ok(Refreshed::Gone),
                Err(error) => return Err(error),
            };
            let audit = permit.asked().note(now.wall, Action::CardRefresh, organisation, id.0);
            let commit = Commit {
                claim: None,
                expects: vec![Expect::Version(RowKey::Card(id), stored.version)],
                effects: vec![refreshed.into()],
                audit: AuditNote { outcome: 1, ..audit },
            };
            match self.store().commit(commit).await? {
                Outcome::Done { .. } => return Ok(Refreshed::Changed),
                Outcome::Unmet(_) => match self.store().card_read(id).await? {
                    Some(read) if read.id == id => stored = read,
                    Some(_) => return Err(VaultError::Tampered(RowKey::Card(id))),
                    None => return Ok(Refreshed::Gone),
                },
                Outcome::Claimed(_) => return Err(VaultError::Contended),
            }
        }
        Err(VaultError::Contended)
    }
}

/// The row with the facts of the table as it is now, sealed anew; `None` when they are the same. The plaintext ends here.
fn card_refresh_plan(
    stored: &CardRow,
    organisation: OrganisationId,
    env: &Env<'_>,
) -> Result<Option<CardRow>, VaultError> {
    let (pan, holder) = seal::card_open(stored, organisation, env.vault, env.keys)?;
    let facts = env.bins.lookup(pan.issuer_digits());
    let of_stored = IssuerFacts { table_version: facts.table_version, ..stored.facts.clone() };
    if facts == of_stored {
        return Ok(None);
    }
    let block = CardBlock::pack(&pan, holder.as_ref());
    drop((pan, holder));
    let version = stored.version.checked_add(1).ok_or(VaultError::Contended)?;
    let row = CardRow {
        version,
        sealed_version: version,
        facts,
        updated_at: env.now.wall,
        sealed_at: env.now.wall,
        ..stored.clone()
    };
    Ok(Some(seal::card_seal(row, &block, env)?))
}
