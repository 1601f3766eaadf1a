//! The steps that recorded processes do: the same at every run, each of them done, so that the n-th is step n of the log.

use panvault_model::{Fingerprint, Id, RefundStatus, Sealed, TransactionStatus};
use panvault_store::{
    CardRow, Commit, CustomerRow, DocumentKind, Effect, IdempotencyAnswer, IdempotencyClaim, MemoryStore,
    RefundRow, Row, RowKey, Store, TransactionRow,
};
use panvault_testkit::SeededRandom;
use panvault_testkit::conformance::rows::{
    self, at, card, card_answer, card_changed, customer, customer_changed, document, id, kept, key, refund,
    refund_settled, refunded, transaction, transaction_settled,
};
use panvault_testkit::conformance::{
    Contents, card_delete, card_insert, card_update, customer_delete, customer_insert, customer_update,
    document_delete, document_put, documents_commit, refund_create, refund_settle, sweep,
    transaction_initiate, transaction_settle,
};

use crate::support::{all_of, block_on, is_done};

/// No card is deleted for a while, so that the view is checkpointed back several times before the first segment is left.
const SEED: u64 = 112;
/// Steps that there are.
pub(crate) const STEPS: usize = 260;
/// Accounts that come, change and go.
const ACCOUNTS: usize = 3;

/// What has been done so far.
struct Writing {
    dice: SeededRandom,
    /// The number of the next row; also the time in seconds.
    next: u64,
    cards: Vec<CardRow>,
    transactions: Vec<TransactionRow>,
    /// Each version of each.
    refunds: Vec<RefundRow>,
    /// The one that there is.
    customer: Option<CustomerRow>,
    /// The version of each account that is there.
    accounts: [u32; ACCOUNTS],
    /// Changes of documents, of which each one counts.
    changes: u32,
}

/// All steps.
pub(crate) fn steps() -> Vec<Commit> {
    let dice = SeededRandom::new(SEED);
    let (cards, transactions) = (Vec::new(), Vec::new());
    let (refunds, accounts) = (Vec::new(), [0; ACCOUNTS]);
    let mut writing =
        Writing { dice, next: 10, cards, transactions, refunds, customer: None, accounts, changes: 0 };
    let memory = rows::memory();
    let mut steps = Vec::with_capacity(STEPS);
    while steps.len() < STEPS {
        let step = block_on(writing.step(&memory));
        if block_on(memory.commit(step.clone())).is_ok_and(|outcome| is_done(&outcome)) {
            writing.done(&step);
            steps.push(step);
        }
    }
    steps
}

/// What a store holds after each number of steps.
pub(crate) fn courses(steps: &[Commit]) -> Vec<Contents> {
    block_on(async {
        let memory = rows::memory();
        let mut courses = vec![all_of(&memory).await];
        for step in steps {
            assert!(is_done(&memory.commit(step.clone()).await.unwrap()));
            courses.push(all_of(&memory).await);
        }
        courses
    })
}

impl Writing {
    async fn step(&mut self, memory: &MemoryStore) -> Commit {
        self.next += 1;
        let unknown = card(self.next);
        let row = self.dice.pick(&self.cards).unwrap_or(&unknown).clone();
        match self.dice.below(12) {
            0..=3 => self.insert(),
            4 | 5 if self.next.is_multiple_of(3) => self.customer(),
            4 | 5 => card_update(&card_changed(&row)),
            6 => card_delete(&row),
            7 => {
                let row = transaction(self.next, row.id);
                Commit { claim: self.claim(IdempotencyAnswer::RUNNING), ..transaction_initiate(&row) }
            }
            9 if self.next.is_multiple_of(3) => self.refund(&row),
            8 | 9 => {
                let unknown = transaction(self.next, row.id);
                let row = self.dice.pick(&self.transactions).unwrap_or(&unknown);
                let settled = transaction_settled(row, TransactionStatus::Authorized);
                transaction_settle(&settled)
            }
            10 => self.documents(),
            _ => {
                let expired = memory.idempotency_expired(at(self.next), 1000).await.unwrap();
                // With nothing to remove it is a note alone, which is a step like any other.
                sweep(&expired, at(self.next))
            }
        }
    }

    /// A card, now and then a large one: a few of those fill a segment.
    fn insert(&mut self) -> Commit {
        let most = if self.dice.percent(30) { 24_000 } else { 300 };
        let row = CardRow {
            sealed: Sealed::from_bytes(vec![0xc4; 1 + self.dice.below(most)]),
            fingerprint: Fingerprint::from_bytes([self.dice.next_u64().to_be_bytes()[0]; 16]),
            ..card(self.next)
        };
        let claim = self.claim(card_answer(&row));
        Commit { claim, ..card_insert(&row) }
    }

    /// A claim of a key, now and then, and not for long.
    fn claim(&mut self, answer: IdempotencyAnswer) -> Option<IdempotencyClaim> {
        if !self.dice.percent(40) {
            return None;
        }
        let mut row = kept(key(1 + self.dice.next_u64().to_be_bytes()[0] % 3), 0, answer);
        row.expires_at = at(self.next + 8);
        Some(IdempotencyClaim { row: Box::new(row), also: Vec::new(), now: at(self.next) })
    }

    /// The last refund is settled; or there is another, which leaves the dice as a settled transaction does.
    fn refund(&mut self, card: &CardRow) -> Commit {
        let unknown = transaction(self.next, card.id);
        let of = self.dice.pick(&self.transactions).unwrap_or(&unknown);
        match self.refunds.last() {
            Some(row) if row.version == 1 && self.next.is_multiple_of(2) => {
                refund_settle(&refund_settled(row, RefundStatus::Processed))
            }
            _ => refund_create(&refund(self.next, of.id), &refunded(of)),
        }
    }

    /// One comes, has another address and goes; the dice are left as a changed card leaves them.
    fn customer(&self) -> Commit {
        match &self.customer {
            None => customer_insert(&customer(self.next, 1)),
            Some(row) if row.version == 1 => customer_update(&customer_changed(row, Some(2))),
            Some(row) => customer_delete(row),
        }
    }

    fn documents(&mut self) -> Commit {
        let account = self.dice.below(ACCOUNTS);
        let version = self.accounts[account];
        let change = if version > 0 && self.dice.percent(30) {
            document_delete(DocumentKind::Account, id(account as u64), version)
        } else {
            document_put(document(DocumentKind::Account, account as u64, version + 1))
        };
        let head = document_put(document(DocumentKind::DocumentHead, 0, self.changes + 1));
        documents_commit(vec![change, head])
    }

    fn done(&mut self, step: &Commit) {
        for effect in &step.effects {
            match effect {
                Effect::Put(Row::Card(row)) => {
                    self.cards.retain(|earlier| earlier.id != row.id);
                    self.cards.push(row.as_ref().clone());
                }
                Effect::Put(Row::Transaction(row)) => {
                    self.transactions.retain(|earlier| earlier.id != row.id);
                    self.transactions.push(row.as_ref().clone());
                }
                Effect::Put(Row::Refund(row)) => self.refunds.push(row.as_ref().clone()),
                Effect::Put(Row::Customer(row)) => self.customer = Some(row.as_ref().clone()),
                Effect::Delete(RowKey::Customer(_)) => self.customer = None,
                Effect::Put(Row::Document(row)) if row.kind == DocumentKind::Account => {
                    self.account(row.id, row.version);
                }
                Effect::Delete(RowKey::Card(id)) => self.cards.retain(|row| row.id != *id),
                Effect::Delete(RowKey::Document(_, id)) => self.account(*id, 0),
                Effect::Put(_) | Effect::Delete(_) | Effect::Retag(_) => {}
            }
        }
    }

    fn account(&mut self, account: Id, version: u32) {
        self.changes += 1;
        let account = (0..ACCOUNTS).find(|n| id(*n as u64) == account).unwrap();
        self.accounts[account] = version;
    }
}
