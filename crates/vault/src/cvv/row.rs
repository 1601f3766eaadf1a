//! What the store knows of a card's CVV, where several nodes share the place that holds CVVs. That place may lose what it knows, or come
//! back as it once was; the store does not. So a CVV is there only if both say so, and of two that use or change it one is done.
//!
//! Where CVVs live in this process there are no such rows: numbers come from the order of commits, and nothing more is written.

use std::sync::Arc;

use panvault_model::{CardId, OrganisationId, Tag, Timestamp};
use panvault_store::limits::{CVV_REQUEST_SECONDS, SWEEP_ROWS_MAX};
use panvault_store::{Action, CardCvvRow, Commit, Effect, Expect, Outcome, RowKey};

use crate::audit::Requester;
use crate::error::VaultError;
use crate::seal;
use crate::vault::Vault;

/// What a commit that brings or ends a card's CVV does beside its own rows.
pub(crate) struct CvvStep {
    expect: Option<Expect>,
    effect: Option<Effect>,
    number: Option<u32>,
}

impl CvvStep {
    /// Nothing: the number is the order of the commit.
    pub(crate) const NONE: Self = Self { expect: None, effect: None, number: None };

    /// Adds it to a commit.
    pub(crate) fn add_to(self, commit: &mut Commit) -> CvvNumber {
        commit.expects.extend(self.expect);
        commit.effects.extend(self.effect);
        CvvNumber(self.number)
    }
}

/// Which number a commit gives to the CVV that it brings, or to the end of the one before.
#[derive(Clone, Copy)]
pub(crate) struct CvvNumber(Option<u32>);

impl CvvNumber {
    /// The number, when the commit is done.
    pub(crate) fn of(self, order: u64) -> u64 {
        self.0.map_or(order, u64::from)
    }
}

impl Vault {
    /// What the store knows of a card's CVV, held against its tag; nothing where CVVs live in this process.
    pub(crate) async fn cvv_row(&self, card: CardId) -> Result<Option<Arc<CardCvvRow>>, VaultError> {
        if !self.cvvs().is_shared() {
            return Ok(None);
        }
        let row = self.store().card_cvv_read(card).await?;
        if let Some(row) = &row {
            seal::card_cvv_verify(self.keys(), row, card)?;
        }
        Ok(row)
    }

    /// The same of each of these cards, in their order.
    pub(super) async fn cvv_rows(
        &self,
        cards: Vec<CardId>,
    ) -> Result<Vec<Option<Arc<CardCvvRow>>>, VaultError> {
        if !self.cvvs().is_shared() || cards.is_empty() {
            return Ok(vec![None; cards.len()]);
        }
        let rows = self.store().card_cvv_read_many(cards.clone()).await?;
        for (row, card) in rows.iter().zip(cards) {
            if let Some(row) = row {
                seal::card_cvv_verify(self.keys(), row, card)?;
            }
        }
        Ok(rows)
    }

    /// For the commit of a card that is new, and has a CVV until then.
    pub(crate) fn cvv_first(
        &self,
        card: CardId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<CvvStep, VaultError> {
        if self.cvvs().is_shared() { self.cvv_step(None, card, Some(until), now) } else { Ok(CvvStep::NONE) }
    }

    /// For a commit that brings a card's CVV, until then, or ends it.
    pub(crate) async fn cvv_next(
        &self,
        card: CardId,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<CvvStep, VaultError> {
        if !self.cvvs().is_shared() {
            return Ok(CvvStep::NONE);
        }
        let row = self.cvv_row(card).await?;
        self.cvv_step(row.as_deref(), card, until, now)
    }

    /// For a commit that deletes a card: the row goes with it. It is not held against its tag, as the card's is not.
    pub(crate) async fn cvv_gone(&self, card: CardId, now: Timestamp) -> Result<CvvStep, VaultError> {
        if !self.cvvs().is_shared() {
            return Ok(CvvStep::NONE);
        }
        let key = RowKey::CardCvv(card);
        let row = self.store().card_cvv_read(card).await?;
        Ok(CvvStep {
            expect: Some(as_read(row.as_deref(), card)),
            effect: row.is_some().then_some(Effect::Delete(key)),
            number: Some(row.map_or_else(|| first_version(now), |row| row.version.saturating_add(1))),
        })
    }

    fn cvv_step(
        &self,
        row: Option<&CardCvvRow>,
        card: CardId,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<CvvStep, VaultError> {
        let version = match row {
            Some(row) => row.version.checked_add(1).ok_or(VaultError::Contended)?,
            None => first_version(now),
        };
        let (cvv_until, used) = (until.unwrap_or(now), until.is_none());
        let next = CardCvvRow { card, version, number: version, cvv_until, used, tag: Tag::NONE };
        Ok(CvvStep {
            expect: Some(as_read(row, card)),
            effect: Some(self.cvv_tagged(next).into()),
            number: Some(version),
        })
    }

    /// The row when its CVV is used, or when it is not after all.
    pub(crate) fn cvv_used(&self, row: &CardCvvRow, used: bool) -> Result<CardCvvRow, VaultError> {
        let version = row.version.checked_add(1).ok_or(VaultError::Contended)?;
        Ok(self.cvv_tagged(CardCvvRow { version, used, ..row.clone() }))
    }

    fn cvv_tagged(&self, row: CardCvvRow) -> CardCvvRow {
        CardCvvRow { tag: seal::card_cvv_tag(self.keys(), &row), ..row }
    }

    /// Removes rows about CVVs whose time, and that of all requests about them, is over.
    ///
    /// The next row of such a card begins with the time. So one that was changed more than once a second for a while, or by nodes whose
    /// clocks differ, stays until its version is well below that.
    pub(crate) async fn cvv_rows_sweep(&self, now: Timestamp) -> Result<(), VaultError> {
        if !self.cvvs().is_shared() {
            return Ok(());
        }
        let before =
            Timestamp::from_unix_millis(now.unix_millis().saturating_sub(CVV_REQUEST_SECONDS * 1000));
        loop {
            let mut rows = self.store().card_cvv_expired(before, SWEEP_ROWS_MAX).await?;
            rows.retain(|row| u64::from(row.version) <= before.unix_seconds());
            // What is left for a later sweep is not looked at again and again.
            let is_all = rows.len() < SWEEP_ROWS_MAX;
            self.cvv_rows_remove(rows, now).await?;
            if is_all {
                return Ok(());
            }
        }
    }

    async fn cvv_rows_remove(
        &self,
        mut rows: Vec<Arc<CardCvvRow>>,
        now: Timestamp,
    ) -> Result<(), VaultError> {
        let nobody = OrganisationId::from_bytes([0; 12]);
        let audit = Requester::VAULT.note(now, Action::CardCvvSweep, nobody, self.id().0);
        while !rows.is_empty() {
            let commit = Commit {
                claim: None,
                expects: rows.iter().map(|row| as_read(Some(row), row.card)).collect(),
                effects: rows.iter().map(|row| Effect::Delete(RowKey::CardCvv(row.card))).collect(),
                audit,
            };
            match self.store().commit(commit).await? {
                Outcome::Done { .. } => break,
                // It was renewed since it was read, or another node has removed it.
                Outcome::Unmet(at) if at < rows.len() => drop(rows.swap_remove(at)),
                Outcome::Unmet(_) | Outcome::Claimed(_) => return Err(VaultError::Contended),
            }
        }
        Ok(())
    }
}

/// That a row is still as it was read.
pub(crate) fn as_read(row: Option<&CardCvvRow>, card: CardId) -> Expect {
    let key = RowKey::CardCvv(card);
    row.map_or(Expect::Absent(key), |row| Expect::Version(key, row.version))
}

/// Where a row begins: above every number that the card's CVVs have had, since a row is not removed before the time has passed its
/// version. In seconds, of which 32 bits are enough until the year 2106.
fn first_version(now: Timestamp) -> u32 {
    u32::try_from(now.unix_seconds()).unwrap_or(u32::MAX)
}
