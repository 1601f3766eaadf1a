use std::collections::BTreeMap;

use panvault_model::{
    CardId, CvvResult, Fingerprint, Now, OrganisationId, RefundId, RefundStatus, Timestamp,
    TransactionAction, TransactionId, TransactionStatus,
};
use panvault_vault::{CardView, Metadata, TransactionRow};

/// What a vault should hold, as plainly as it can be said.
pub(super) struct Expected {
    pub(super) cards: BTreeMap<CardId, ExpectedCard>,
    pub(super) transactions: BTreeMap<TransactionId, ExpectedTransaction>,
    /// Where each stands, and whether the processor has approved it.
    pub(super) refunds: BTreeMap<RefundId, (RefundStatus, bool)>,
    fingerprints: BTreeMap<(OrganisationId, String), Fingerprint>,
    cvv_ttl_millis: u64,
}

/// Amounts in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExpectedTransaction {
    organisation: OrganisationId,
    status: TransactionStatus,
    amount: u32,
    captured: u32,
    refunded: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExpectedCard {
    pub(super) organisation: OrganisationId,
    number: String,
    expiry: (u16, u8),
    metadata: Metadata,
    version: u32,
    created_at: Timestamp,
    updated_at: Timestamp,
    cvv: Option<ExpectedCvv>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ExpectedCvv {
    digits: String,
    expires_at: Timestamp,
    deadline_millis: u64,
}

/// Everything of a card that an answer shows; its digits only as far as they may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    organisation: OrganisationId,
    bin: Option<String>,
    last_four: String,
    expiry: (u16, u8),
    metadata: Metadata,
    version: u32,
    times: (Timestamp, Timestamp),
    cvv_expires_at: Option<Timestamp>,
}

type RowChange = (Option<u8>, Option<u16>, Option<Metadata>);

impl Expected {
    pub(super) const fn new(cvv_ttl_millis: u64) -> Self {
        Self {
            cards: BTreeMap::new(),
            transactions: BTreeMap::new(),
            refunds: BTreeMap::new(),
            fingerprints: BTreeMap::new(),
            cvv_ttl_millis,
        }
    }

    /// What the fingerprint of a number should be: that of an earlier card, or one that no other number has.
    pub(super) fn fingerprint(
        &mut self,
        organisation: OrganisationId,
        number: &str,
        answered: Fingerprint,
    ) -> Option<Fingerprint> {
        let key = (organisation, number.to_owned());
        if let Some(known) = self.fingerprints.get(&key) {
            return Some(*known);
        }
        let taken = self.fingerprints.values().any(|known| *known == answered);
        self.fingerprints.insert(key, answered);
        (!taken).then_some(answered)
    }

    pub(super) fn cvv_put(&mut self, id: CardId, digits: String, now: Now) {
        let ttl = self.cvv_ttl_millis;
        let cvv = ExpectedCvv {
            digits,
            expires_at: Timestamp::from_unix_millis(now.wall.unix_millis() + ttl),
            deadline_millis: now.monotonic_millis + ttl,
        };
        if let Some(card) = self.cards.get_mut(&id) {
            card.cvv = (ttl > 0).then_some(cvv);
        }
    }

    pub(super) fn cvvs_forget(&mut self) {
        self.cards.values_mut().for_each(|card| card.cvv = None);
    }

    /// The card as it is shown now. To look is to notice that a CVV's time is up, and then it is gone.
    pub(super) fn view(&mut self, id: CardId, now: Now) -> Shown {
        let card = self.cards.get_mut(&id).unwrap();
        card.cvv_look(now);
        Shown {
            organisation: card.organisation,
            bin: (card.number.len() > 13).then(|| card.number[..6].to_owned()),
            last_four: card.number[card.number.len() - 4..].to_owned(),
            expiry: card.expiry,
            metadata: card.metadata.clone(),
            version: card.version,
            times: (card.created_at, card.updated_at),
            cvv_expires_at: card.cvv.as_ref().map(|cvv| cvv.expires_at),
        }
    }

    pub(super) fn card_update(
        &mut self,
        id: CardId,
        organisation: OrganisationId,
        (month, year, metadata): RowChange,
        put: Option<&str>,
        clear: bool,
        now: Now,
    ) -> &'static str {
        let Some(card) = self.cards.get_mut(&id).filter(|card| card.organisation == organisation) else {
            return "not found";
        };
        let amex = card.number.len() == 15;
        let expiry = (year.unwrap_or(card.expiry.0), month.unwrap_or(card.expiry.1));
        let (this_year, this_month) = now.wall.year_month();
        let in_range = expiry >= (this_year, this_month) && expiry <= (this_year + 20, this_month);
        let expiry_changes = month.is_some() || year.is_some();
        if put.is_some_and(|digits| (digits.len() == 4) != amex) || expiry_changes && !in_range {
            return "faults";
        }
        if expiry_changes || metadata.is_some() {
            card.expiry = expiry;
            card.version += 1;
            card.updated_at = now.wall;
            card.metadata = metadata.unwrap_or_else(|| card.metadata.clone());
        }
        if clear {
            card.cvv = None;
        }
        if clear || put.is_some() {
            // One of the row that came with it has counted both.
            if now.wall > card.updated_at {
                card.version += 1;
                card.updated_at = now.wall;
            }
        }
        if let Some(digits) = put {
            self.cvv_put(id, digits.to_owned(), now);
        }
        "done"
    }

    /// What should become of a transaction; `None` when there is no such card.
    pub(super) fn transaction_create(
        &mut self,
        id: CardId,
        (amount, reference, capture_now): (u32, &str, bool),
        strict: bool,
        now: Now,
    ) -> Option<(TransactionStatus, bool, CvvResult)> {
        let card = self.cards.get_mut(&id)?;
        card.cvv_look(now);
        let trigger = match (amount % 1_000, reference) {
            (number @ (121 | 122 | 123 | 131 | 132), _) => number,
            (_, "please 121") => 121,
            (_, "please 131") => 131,
            _ => 0,
        };
        if trigger == 131 {
            return Some((TransactionStatus::Unavailable, false, CvvResult::Unavailable));
        }
        let cvv = card.cvv.take();
        let cvv_result = match cvv.as_ref().map(|cvv| cvv.digits.as_str()) {
            Some("111") if trigger != 122 => CvvResult::Matched,
            Some("222") if trigger != 122 => CvvResult::NotMatched,
            Some("333") if trigger != 122 => CvvResult::NotChecked,
            _ => CvvResult::Unavailable,
        };
        let status = match trigger {
            121 => TransactionStatus::Declined,
            122 => TransactionStatus::Unknown,
            123 => TransactionStatus::Failed,
            132 => TransactionStatus::NotSupported,
            _ if strict && cvv.is_none() => TransactionStatus::Declined,
            _ if capture_now && amount > 0 => TransactionStatus::SettlementRequested,
            _ => TransactionStatus::Authorized,
        };
        Some((status, cvv.is_some(), cvv_result))
    }

    /// What should become of a capture or void, written out once more: the vault has its own table.
    pub(super) fn act(
        &mut self,
        id: TransactionId,
        action: TransactionAction,
        amount: Option<u32>,
    ) -> &'static str {
        let row = self.transactions.get_mut(&id).unwrap();
        let (from, to) = match action {
            TransactionAction::Capture => {
                (TransactionStatus::Authorized, TransactionStatus::SettlementRequested)
            }
            TransactionAction::Void => {
                (TransactionStatus::Authorized, TransactionStatus::AuthorizationVoided)
            }
            _ => (TransactionStatus::SettlementRequested, TransactionStatus::SettlementCancelled),
        };
        if row.status != from || action == TransactionAction::Capture && row.amount == 0 {
            return "wrong state";
        }
        let fits = match action {
            TransactionAction::Capture => amount.is_none_or(|amount| amount <= row.amount),
            TransactionAction::Void => amount.is_none_or(|amount| amount == row.amount),
            _ => amount.is_none_or(|amount| amount == row.captured),
        };
        if !fits {
            return "faults";
        }
        if action == TransactionAction::Capture {
            row.captured = amount.unwrap_or(row.amount);
        }
        row.status = to;
        "done"
    }

    /// What should become of a refund: where it stands and its amount, or how it is refused.
    pub(super) fn refund(
        &mut self,
        id: TransactionId,
        amount: Option<u32>,
        reason: &str,
    ) -> Result<(RefundStatus, u32), &'static str> {
        let row = self.transactions.get_mut(&id).unwrap();
        let left = row.captured - row.refunded;
        if row.status != TransactionStatus::SettlementCompleted || amount.is_none() && left == 0 {
            return Err("wrong state");
        }
        let amount = amount.unwrap_or(left);
        if amount > left {
            return Err("faults");
        }
        if reason == "please 121" {
            return Ok((RefundStatus::Failed, amount));
        }
        row.refunded += amount;
        Ok((RefundStatus::Pending, amount))
    }

    /// How many transactions and refunds a settlement should settle.
    pub(super) fn settle(&mut self) -> (u64, u64) {
        let (mut completed, mut processed) = (0, 0);
        for row in self.transactions.values_mut() {
            if row.status == TransactionStatus::SettlementRequested {
                row.status = TransactionStatus::SettlementCompleted;
                completed += 1;
            }
        }
        for (status, is_approved) in self.refunds.values_mut() {
            if *status == RefundStatus::Pending && *is_approved {
                *status = RefundStatus::Processed;
                processed += 1;
            }
        }
        (completed, processed)
    }

    pub(super) fn card_list(
        &self,
        only: Option<OrganisationId>,
        skip: usize,
        limit: usize,
    ) -> (u64, Vec<CardId>) {
        let ids: Vec<_> = self
            .cards
            .iter()
            .rev()
            .filter(|(_, card)| only.is_none_or(|only| card.organisation == only))
            .map(|(id, _)| *id)
            .collect();
        (ids.len() as u64, ids.into_iter().skip(skip).take(limit).collect())
    }

    pub(super) fn transaction_list(
        &self,
        only: Option<OrganisationId>,
    ) -> Vec<(TransactionId, ExpectedTransaction)> {
        let rows = self.transactions.iter().rev().map(|(id, row)| (*id, *row));
        rows.filter(|(_, row)| only.is_none_or(|only| row.organisation == only)).collect()
    }
}

impl ExpectedTransaction {
    pub(super) fn new(organisation: OrganisationId, status: TransactionStatus, amount: u32) -> Self {
        let captured = if status == TransactionStatus::SettlementRequested { amount } else { 0 };
        Self { organisation, status, amount, captured, refunded: 0 }
    }

    /// What an answer showed.
    pub(super) fn shown(row: &TransactionRow) -> Self {
        Self {
            organisation: row.organisation,
            status: row.status,
            amount: row.amount.minor_units(),
            captured: row.captured.minor_units(),
            refunded: row.refunded.minor_units(),
        }
    }
}

impl ExpectedCard {
    pub(super) fn new(organisation: OrganisationId, number: &str, metadata: Metadata, now: Now) -> Self {
        Self {
            organisation,
            number: number.to_owned(),
            expiry: (2030, 12),
            metadata,
            version: 1,
            created_at: now.wall,
            updated_at: now.wall,
            cvv: None,
        }
    }

    /// What an answer showed.
    pub(super) fn shown(view: &CardView) -> Shown {
        let row = &view.row;
        Shown {
            organisation: row.organisation,
            bin: row.bin.map(|bin| bin.to_string()),
            last_four: row.last_four.to_string(),
            expiry: (row.expiry.year(), row.expiry.month()),
            metadata: row.metadata.clone(),
            version: row.version,
            times: (row.created_at, row.updated_at),
            cvv_expires_at: view.cvv_expires_at,
        }
    }

    fn cvv_look(&mut self, now: Now) {
        self.cvv.take_if(|cvv| now.wall >= cvv.expires_at || now.monotonic_millis >= cvv.deadline_millis);
    }
}
