//! The steps that recorded processes do: the same at every run, each of them done, so that the n-th is step n of the log.

use panvault_model::{Fingerprint, Sealed, TransactionStatus};
use panvault_store::{
    Answer, CardInsert, CardRow, DocumentChange, DocumentKind, IdempotencyPlan, MemoryStore, Step,
    TransactionInitiate, TransactionRow,
};
use panvault_testkit::Dice;
use panvault_testkit::conformance::rows::{
    at, card, card_changed, document, id, kept, key, transaction, transaction_settled,
};
use panvault_testkit::conformance::{
    Contents, ask, card_delete, card_insert, card_update, documents_commit, sweep, transaction_initiate,
    transaction_settle,
};

use crate::support::{all_of, block_on};

/// No card is deleted for a while, so that the view is folded back several times before the first segment is left.
const SEED: u64 = 112;
/// Steps that there are.
pub(crate) const STEPS: usize = 260;
/// Accounts that come, change and go.
const ACCOUNTS: usize = 3;

/// What has been done so far.
struct Writing {
    dice: Dice,
    /// The number of the next row; also the time in seconds.
    next: u64,
    cards: Vec<CardRow>,
    transactions: Vec<TransactionRow>,
    /// The version of each account that is there.
    accounts: [u32; ACCOUNTS],
    /// Changes of documents, of which each one counts.
    changes: u32,
}

/// All steps.
pub(crate) fn steps() -> Vec<Step> {
    let dice = Dice::new(SEED);
    let (cards, transactions) = (Vec::new(), Vec::new());
    let mut writing = Writing { dice, next: 10, cards, transactions, accounts: [0; ACCOUNTS], changes: 0 };
    let memory = MemoryStore::new();
    let mut steps = Vec::with_capacity(STEPS);
    while steps.len() < STEPS {
        let step = writing.step();
        if block_on(ask(&memory, step.clone())).is_ok_and(|answer| answer.is_done()) {
            writing.done(&step);
            steps.push(step);
        }
    }
    steps
}

/// What a store holds after each number of steps.
pub(crate) fn courses(steps: &[Step]) -> Vec<Contents> {
    block_on(async {
        let memory = MemoryStore::new();
        let mut courses = vec![all_of(&memory).await];
        for step in steps {
            assert!(ask(&memory, step.clone()).await.unwrap().is_done());
            courses.push(all_of(&memory).await);
        }
        courses
    })
}

impl Writing {
    fn step(&mut self) -> Step {
        self.next += 1;
        let unknown = card(self.next);
        let row = self.dice.pick(&self.cards).unwrap_or(&unknown).clone();
        match self.dice.below(12) {
            0..=3 => self.insert(),
            4 | 5 => Step::CardUpdate(card_update(&card_changed(&row))),
            6 => Step::CardDelete(card_delete(&row)),
            7 => {
                let row = transaction(self.next, row.id);
                let idempotency = self.claim(Answer::Running);
                Step::TransactionInitiate(TransactionInitiate { idempotency, ..transaction_initiate(&row) })
            }
            8 | 9 => {
                let unknown = transaction(self.next, row.id);
                let row = self.dice.pick(&self.transactions).unwrap_or(&unknown);
                let settled = transaction_settled(row, TransactionStatus::Authorized);
                Step::TransactionSettle(transaction_settle(&settled))
            }
            10 => self.documents(),
            _ => Step::IdempotencySweep(sweep(at(self.next))),
        }
    }

    /// A card, now and then a large one: a few of those fill a segment.
    fn insert(&mut self) -> Step {
        let most = if self.dice.percent(30) { 24_000 } else { 300 };
        let row = CardRow {
            sealed: Sealed::from_bytes(vec![0xc4; 1 + self.dice.below(most)]),
            fingerprint: Fingerprint::from_bytes([self.dice.roll().to_be_bytes()[0]; 16]),
            ..card(self.next)
        };
        let idempotency = self.claim(Answer::Card(Box::new(row.without_sealed()), None));
        Step::CardInsert(CardInsert { idempotency, ..card_insert(&row) })
    }

    /// A claim of a key, now and then, and not for long.
    fn claim(&mut self, answer: Answer) -> Option<IdempotencyPlan> {
        if !self.dice.percent(40) {
            return None;
        }
        let mut row = kept(key(1 + self.dice.roll().to_be_bytes()[0] % 3), 0, answer);
        row.expires_at = at(self.next + 8);
        Some(IdempotencyPlan { row, now: at(self.next) })
    }

    fn documents(&mut self) -> Step {
        let account = self.dice.below(ACCOUNTS);
        let version = self.accounts[account];
        let change = if version > 0 && self.dice.percent(30) {
            DocumentChange::Delete(DocumentKind::Account, id(account as u64), version)
        } else {
            DocumentChange::Put(document(DocumentKind::Account, account as u64, version + 1))
        };
        let set = DocumentChange::Put(document(DocumentKind::DocumentSet, 0, self.changes + 1));
        Step::DocumentCommit(documents_commit(vec![change, set]))
    }

    fn done(&mut self, step: &Step) {
        match step {
            Step::CardInsert(step) => self.cards.push(step.row.as_ref().clone()),
            Step::CardUpdate(step) => {
                self.cards.retain(|row| row.id != step.id);
                self.cards.extend(step.row.as_deref().cloned());
            }
            Step::CardDelete(step) => self.cards.retain(|row| row.id != step.id),
            Step::TransactionInitiate(step) => self.transactions.push(step.row.as_ref().clone()),
            Step::TransactionSettle(step) => {
                self.transactions.retain(|row| row.id != step.row.id);
                self.transactions.push(step.row.as_ref().clone());
            }
            Step::DocumentCommit(step) => {
                self.changes += 1;
                let (account, version) = match &step.changes[0] {
                    DocumentChange::Put(row) => (row.id, row.version),
                    DocumentChange::Delete(_, gone, _) => (*gone, 0),
                };
                let account = (0..ACCOUNTS).find(|n| id(*n as u64) == account).unwrap();
                self.accounts[account] = version;
            }
            Step::IdempotencySweep(_) => {}
        }
    }
}
