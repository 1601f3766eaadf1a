//! Random steps on a store, beside the store in memory, and beside a plain map that predicts every card.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a store that does otherwise than predicted is a failed test"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use panvault_model::{CardId, Fingerprint, OrganisationId, TransactionStatus};
use panvault_store::{
    Answer, CardField, CardInsert, CardQuery, CardRow, CardUpdate, Direction, DocumentChange, DocumentKind,
    Field, Filter, IdempotencyPlan, MemoryStore, Outcome, Step, Store, Test, TransactionInitiate,
    TransactionRow,
};

use crate::Dice;
use crate::conformance::rows::{
    at, card, card_changed, document, id, kept, key, organisation, transaction, transaction_settled,
};
use crate::conformance::{
    Answered, ask, card_delete, card_insert, card_update, contents, documents_commit, sweep,
    transaction_initiate, transaction_settle,
};

/// Organisations that own cards.
const ORGANISATIONS: u64 = 3;
/// Idempotency keys in use.
const KEYS: u8 = 3;

/// A run of random steps, the same for the same seed whatever the store.
pub struct Workload {
    seed: u64,
    dice: Dice,
    memory: MemoryStore,
    cards: BTreeMap<CardId, CardRow>,
    transactions: Vec<TransactionRow>,
    /// The number of the next row; also the time in seconds.
    next: u64,
}

/// A step, and whether the card in it will be stored, changed or deleted: `None` when the map cannot tell.
type Predicted = (Step, Option<bool>);

impl Workload {
    /// The run of this seed, for an empty store.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            dice: Dice::new(seed),
            memory: MemoryStore::new(),
            cards: BTreeMap::new(),
            transactions: Vec::new(),
            next: 10,
        }
    }

    /// The dice of the run, for what the test itself does between steps.
    pub const fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    /// Does so many bursts of steps, on the store and in memory, and holds every answer against the other and against the
    /// map.
    pub async fn run(&mut self, store: &dyn Store, bursts: usize) {
        for _ in 0..bursts {
            let count = 1 + self.dice.below(4);
            let mut asked = Vec::new();
            for _ in 0..count {
                let (step, predicted) = self.step();
                // In memory a step is done when it is asked for, so both decide in the same order.
                let expected = ask(&self.memory, step.clone()).await;
                if let (Some(predicted), Ok(expected)) = (predicted, &expected) {
                    assert_eq!(expected.is_done(), predicted, "{self}: {step:?} gave {expected:?}");
                }
                if let Ok(expected) = &expected {
                    self.note(&step, expected);
                }
                asked.push((step.clone(), ask(store, step), expected));
            }
            for (step, answer, expected) in asked {
                assert_eq!(answer.await, expected, "{self}: {step:?}");
            }
            self.look(store).await;
        }
    }

    /// Holds all that the store has against all that it should have.
    pub async fn compare(&self, store: &dyn Store) {
        let organisations: Vec<OrganisationId> = (1..=ORGANISATIONS).map(organisation).collect();
        let keys: Vec<_> = (1..=KEYS).map(key).collect();
        let there = contents(store, &organisations, &keys).await;
        let predicted: Vec<&CardRow> = self.cards.values().rev().collect();
        assert!(
            there.cards.iter().map(|row| row.as_ref()).eq(predicted),
            "{self}: other cards than predicted"
        );
        assert_eq!(there, contents(&self.memory, &organisations, &keys).await, "{self}");
    }

    fn step(&mut self) -> Predicted {
        self.next += 1;
        match self.dice.below(12) {
            0..=2 => self.insert(),
            3 | 4 => self.update(),
            5 => self.delete(),
            6 | 7 => self.initiate(),
            8 | 9 => self.settle(),
            10 => self.documents(),
            _ => (Step::IdempotencySweep(sweep(at(self.next))), None),
        }
    }

    fn insert(&mut self) -> Predicted {
        let row = CardRow {
            organisation: organisation(1 + self.dice.roll() % ORGANISATIONS),
            fingerprint: Fingerprint::from_bytes([self.dice.roll().to_be_bytes()[0] % 4; 16]),
            ..card(self.next)
        };
        let answer = Answer::Card(Box::new(row.without_sealed()), None);
        let idempotency = self.claim(answer);
        let predicted = idempotency.is_none().then_some(true);
        (Step::CardInsert(CardInsert { idempotency, ..card_insert(&row) }), predicted)
    }

    fn update(&mut self) -> Predicted {
        let stored = self.card();
        let mut step = card_update(&card_changed(&stored));
        if self.dice.percent(20) {
            step.organisation = organisation(1 + self.dice.roll() % ORGANISATIONS);
        }
        if self.dice.percent(20) {
            step.version = 1;
        }
        if self.dice.percent(20) {
            step.row = None;
            step.audit.outcome = 0;
        }
        let there = self.cards.get(&step.id);
        let done =
            there.is_some_and(|row| row.organisation == step.organisation && row.version == step.version);
        (Step::CardUpdate(step), Some(done))
    }

    fn delete(&mut self) -> Predicted {
        let stored = self.card();
        let mut step = card_delete(&stored);
        if self.dice.percent(20) {
            step.organisation = organisation(1 + self.dice.roll() % ORGANISATIONS);
        }
        let done = self.cards.get(&step.id).is_some_and(|row| row.organisation == step.organisation);
        (Step::CardDelete(step), Some(done))
    }

    fn initiate(&mut self) -> Predicted {
        let card = self.card();
        let row = TransactionRow { organisation: card.organisation, ..transaction(self.next, card.id) };
        let idempotency = self.claim(Answer::Running);
        let predicted = idempotency.is_none().then_some(self.cards.contains_key(&card.id));
        let step = TransactionInitiate {
            card_organisation: card.organisation,
            idempotency,
            ..transaction_initiate(&row)
        };
        (Step::TransactionInitiate(step), predicted)
    }

    fn settle(&mut self) -> Predicted {
        let unknown = transaction(self.next, card(1).id);
        let row = self.dice.pick(&self.transactions).cloned().unwrap_or(unknown);
        let status = *self.dice.pick(TransactionStatus::ALL).unwrap();
        let settled = transaction_settled(&row, status);
        let mut step = transaction_settle(&settled);
        if self.dice.percent(30) {
            let key = key(1 + self.dice.roll().to_be_bytes()[0] % KEYS);
            let mut answer = kept(key, 0, Answer::Transaction(Box::new(settled)));
            answer.expires_at = at(self.next + 20);
            step.answer = Some(Box::new(answer));
        }
        (Step::TransactionSettle(step), None)
    }

    fn documents(&mut self) -> Predicted {
        let mut changes = Vec::new();
        for at in 0..=self.dice.roll() % 3 {
            // A step's note is of one document; the registry goes with any.
            let kind = if at == 0 { DocumentKind::Account } else { DocumentKind::KeyRegistry };
            let n = if at == 0 { self.dice.roll() % 3 } else { at };
            let version = 1 + u32::from(self.dice.roll().to_be_bytes()[0] % 3);
            changes.push(if self.dice.percent(30) {
                DocumentChange::Delete(kind, id(n), version)
            } else {
                DocumentChange::Put(document(kind, n, version))
            });
        }
        (Step::DocumentCommit(documents_commit(changes)), None)
    }

    /// A claim of a key, now and then; with one of two bodies, and not for long.
    fn claim(&mut self, answer: Answer) -> Option<IdempotencyPlan> {
        if !self.dice.percent(30) {
            return None;
        }
        let [key_byte, body, ..] = self.dice.roll().to_be_bytes();
        let mut row = kept(key(1 + key_byte % KEYS), body % 2, answer);
        row.expires_at = at(self.next + 10);
        Some(IdempotencyPlan { row, now: at(self.next) })
    }

    /// A card that is there, or one that is not.
    fn card(&mut self) -> CardRow {
        let there: Vec<&CardRow> = self.cards.values().collect();
        let absent = card(self.next);
        if self.dice.percent(10) {
            absent
        } else {
            self.dice.pick(&there).map_or(absent, |row| (*row).clone())
        }
    }

    /// Keeps the map as the step leaves it.
    fn note(&mut self, step: &Step, answer: &Answered) {
        match answer {
            Answered::Card(Outcome::Done { value, .. }) => {
                let row = match step {
                    Step::CardInsert(CardInsert { row, .. }) => row.as_ref().clone(),
                    Step::CardUpdate(CardUpdate { row: Some(row), .. }) => row.as_ref().clone(),
                    Step::CardUpdate(CardUpdate { id, row: None, .. }) => self.cards.get(id).unwrap().clone(),
                    other => panic!("{self}: {other:?} gave a card"),
                };
                assert_eq!(**value, row, "{self}: {step:?}");
                self.cards.insert(row.id, row);
            }
            Answered::Nothing(Outcome::Done { .. }) => {
                if let Step::CardDelete(step) = step {
                    self.cards.remove(&step.id);
                }
            }
            Answered::Transaction(Outcome::Done { value, .. }) => {
                self.transactions.retain(|row| row.id != value.id);
                self.transactions.push(value.as_ref().clone());
            }
            Answered::Card(_) | Answered::Transaction(_) | Answered::Nothing(_) | Answered::Count(_) => {}
        }
    }

    /// Asks a random question of both.
    async fn look(&mut self, store: &dyn Store) {
        let card = self.card();
        let predicted = self.cards.get(&card.id).cloned().map(Arc::new);
        assert_eq!(store.card_read(card.id).await, Ok(predicted), "{self}: {}", card.id);
        if !self.dice.percent(30) {
            return;
        }
        let fields = [
            CardField::Fingerprint,
            CardField::ExpiryMonth,
            CardField::LastFour,
            CardField::CreatedAt,
            CardField::UpdatedAt,
        ];
        let field = *self.dice.pick(&fields).unwrap();
        let tests = [Test::Equal, Test::NotEqual, Test::AtLeast, Test::AtMost];
        let value = field.value(&card).into_owned();
        let filters = vec![Filter { field, test: *self.dice.pick(&tests).unwrap(), values: vec![value] }];
        let directions = [Direction::Ascending, Direction::Descending];
        let sort = (*self.dice.pick(&fields).unwrap(), *self.dice.pick(&directions).unwrap());
        let query = CardQuery {
            organisations: (1..=1 + self.dice.roll() % ORGANISATIONS).map(organisation).collect(),
            filters: if self.dice.percent(70) { filters } else { Vec::new() },
            sort: self.dice.percent(50).then_some(sort),
            skip: self.dice.roll() % 5,
            limit: u32::from(self.dice.roll().to_be_bytes()[0] % 20),
        };
        let expected = self.memory.card_list(query.clone()).await;
        assert_eq!(store.card_list(query.clone()).await, expected, "{self}: {query:?}");
    }
}

impl core::fmt::Display for Workload {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "seed {}, row {}", self.seed, self.next)
    }
}
