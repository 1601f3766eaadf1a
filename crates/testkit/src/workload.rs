//! Random commits on a store, beside the store in memory, and beside a plain map that predicts every card.

#![expect(clippy::unwrap_used, reason = "a store that does otherwise than predicted is a failed test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use panvault_model::{
    ActionState, CardId, Fingerprint, NodeId, OrganisationId, RefundStatus, TransactionStatus,
};
use panvault_store::{
    CardField, CardQuery, CardRow, Commit, Count, CustomerField, CustomerQuery, CustomerRow, Direction,
    DocumentKind, Effect, Expect, Field, Filter, IdempotencyAnswer, IdempotencyClaim, MemoryStore, Outcome,
    RefundField, RefundQuery, RefundRow, Row, RowKey, Store, Test, TransactionField, TransactionQuery,
    TransactionRow,
};

use crate::SeededRandom;
use crate::conformance::rows::{
    self, at, card, card_answer, card_changed, card_cvv, customer, customer_changed, document, id, kept, key,
    node, organisation, refund, refund_settled, refunded, transaction, transaction_answer,
    transaction_settled,
};
use crate::conformance::{
    card_delete, card_insert, card_update, contents, customer_delete, customer_insert, customer_update,
    document_delete, document_put, documents_commit, refund_create, refund_settle, sweep,
    transaction_initiate, transaction_settle,
};

/// Organisations that own cards.
const ORGANISATIONS: u64 = 3;
/// Idempotency keys in use.
const KEYS: u8 = 3;

/// A run of random commits, the same for the same seed whatever the store.
pub struct Workload {
    seed: u64,
    dice: SeededRandom,
    memory: MemoryStore,
    cards: BTreeMap<CardId, CardRow>,
    transactions: Vec<TransactionRow>,
    refunds: Vec<RefundRow>,
    customers: Vec<CustomerRow>,
    /// The number of the next row; also the time in seconds.
    next: u64,
}

/// A commit, and whether it will be done: `None` when the map cannot tell.
type Predicted = (Commit, Option<bool>);

impl Workload {
    /// The run of this seed, for an empty store.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            dice: SeededRandom::new(seed),
            memory: rows::memory(),
            cards: BTreeMap::new(),
            transactions: Vec::new(),
            refunds: Vec::new(),
            customers: Vec::new(),
            next: 10,
        }
    }

    /// The dice of the run, for what the test itself does between commits.
    pub const fn dice(&mut self) -> &mut SeededRandom {
        &mut self.dice
    }

    /// Does so many bursts of commits, on the store and in memory, and holds every answer against the other and against the
    /// map.
    pub async fn run(&mut self, store: &dyn Store, bursts: usize) {
        for _ in 0..bursts {
            let count = 1 + self.dice.below(4);
            let mut asked = Vec::new();
            for _ in 0..count {
                let (commit, predicted) = self.commit().await;
                // In memory a commit is done when it is called, so both decide in the same order.
                let expected = self.memory.commit(commit.clone()).await.unwrap();
                let done = matches!(expected, Outcome::Done { .. });
                if let Some(predicted) = predicted {
                    assert_eq!(done, predicted, "{self}: {commit:?} gave {expected:?}");
                }
                if done {
                    self.note(&commit);
                }
                asked.push((commit.clone(), store.commit(commit), expected));
            }
            for (commit, answer, expected) in asked {
                match (answer.await.unwrap(), expected) {
                    // Each store has orders of its own.
                    (Outcome::Done { .. }, Outcome::Done { .. }) => {}
                    (answer, expected) => assert_eq!(answer, expected, "{self}: {commit:?}"),
                }
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

    async fn commit(&mut self) -> Predicted {
        self.next += 1;
        match self.dice.below(19) {
            0..=2 => self.insert(),
            3 | 4 => self.update(),
            5 => self.delete(),
            6 | 7 => self.initiate(),
            8 | 9 => self.settle(),
            10 => self.documents(),
            11 => self.card_cvv(),
            12 => self.node(),
            13 | 14 => self.refund_create(),
            15 => self.refund_settle(),
            16 | 17 => self.customer(),
            _ => {
                let now = at(self.next);
                let keys = self.memory.idempotency_expired(now, 10).await.unwrap();
                (sweep(&keys, now), None)
            }
        }
    }

    fn insert(&mut self) -> Predicted {
        let row = CardRow {
            organisation: organisation(1 + self.dice.next_u64() % ORGANISATIONS),
            fingerprint: Fingerprint::from_bytes([self.dice.next_u64().to_be_bytes()[0] % 4; 16]),
            ..card(self.next)
        };
        let claim = self.claim(card_answer(&row));
        let predicted = claim.is_none().then_some(true);
        (Commit { claim, ..card_insert(&row) }, predicted)
    }

    fn update(&mut self) -> Predicted {
        let stored = self.card();
        let key = RowKey::Card(stored.id);
        let mut commit = card_update(&card_changed(&stored));
        let mut version = stored.version;
        let mut owner = stored.organisation;
        if self.dice.percent(20) {
            version = 1;
            commit.expects = vec![Expect::Version(key, version)];
        }
        if self.dice.percent(20) {
            owner = organisation(1 + self.dice.next_u64() % ORGANISATIONS);
            commit.expects.push(Expect::Owned(key, owner));
        }
        if self.dice.percent(20) {
            commit.effects.clear();
            commit.audit.outcome = 0;
        }
        let there = self.cards.get(&stored.id);
        let done = there.is_some_and(|row| row.organisation == owner && row.version == version);
        (commit, Some(done))
    }

    fn delete(&mut self) -> Predicted {
        let mut stored = self.card();
        if self.dice.percent(20) {
            stored.organisation = organisation(1 + self.dice.next_u64() % ORGANISATIONS);
        }
        let done = self.cards.get(&stored.id).is_some_and(|row| row.organisation == stored.organisation);
        (card_delete(&stored), Some(done))
    }

    fn initiate(&mut self) -> Predicted {
        let card = self.card();
        let row = TransactionRow { organisation: card.organisation, ..transaction(self.next, card.id) };
        let claim = self.claim(IdempotencyAnswer::RUNNING);
        let predicted = claim.is_none().then_some(self.cards.contains_key(&card.id));
        let mut commit = transaction_initiate(&row);
        commit.expects.swap_remove(0);
        commit.expects.push(Expect::Owned(RowKey::Card(card.id), card.organisation));
        (Commit { claim, ..commit }, predicted)
    }

    fn settle(&mut self) -> Predicted {
        let unknown = transaction(self.next, card(1).id);
        let row = self.dice.pick(&self.transactions).cloned().unwrap_or(unknown);
        let status = *self.dice.pick(TransactionStatus::ALL).unwrap();
        let settled = transaction_settled(&row, status);
        let mut commit = transaction_settle(&settled);
        if self.dice.percent(30) {
            let key = key(1 + self.dice.next_u64().to_be_bytes()[0] % KEYS);
            let mut answer = kept(key, 0, transaction_answer(&settled));
            answer.expires_at = at(self.next + 20);
            commit.effects.push(answer.into());
        }
        (commit, None)
    }

    /// A refund of a transaction as it was last seen, or as it was before.
    fn refund_create(&mut self) -> Predicted {
        let unknown = transaction(self.next, card(1).id);
        let mut of = self.dice.pick(&self.transactions).cloned().unwrap_or(unknown);
        if self.dice.percent(20) {
            of.version = 1;
        }
        let row = RefundRow { organisation: of.organisation, ..refund(self.next, of.id) };
        let claim = self.claim(IdempotencyAnswer::RUNNING);
        (Commit { claim, ..refund_create(&row, &refunded(&of)) }, None)
    }

    fn refund_settle(&mut self) -> Predicted {
        let unknown = refund(self.next, transaction(self.next, card(1).id).id);
        let row = self.dice.pick(&self.refunds).cloned().unwrap_or(unknown);
        let status = *self.dice.pick(RefundStatus::ALL).unwrap();
        let state = *self.dice.pick(ActionState::ALL).unwrap();
        (refund_settle(&RefundRow { state, ..refund_settled(&row, status) }), None)
    }

    /// A customer comes, changes or goes, as it was last seen or as it was before.
    fn customer(&mut self) -> Predicted {
        let email = self.dice.next_u64().to_be_bytes()[0] % 4;
        let made = CustomerRow {
            organisation: organisation(1 + self.dice.next_u64() % ORGANISATIONS),
            ..customer(self.next, email)
        };
        let mut stored = self.dice.pick(&self.customers).cloned().unwrap_or_else(|| made.clone());
        if self.dice.percent(20) {
            stored.version = 1;
        }
        match self.dice.below(4) {
            0 => (customer_delete(&stored), None),
            1 | 2 => {
                let email = self.dice.percent(70).then_some(email);
                (customer_update(&customer_changed(&stored, email)), None)
            }
            _ => (customer_insert(&made), Some(true)),
        }
    }

    fn documents(&mut self) -> Predicted {
        let mut changes = Vec::new();
        for at in 0..=self.dice.next_u64() % 3 {
            // A commit's note is of one document; a key goes with its organisation, whichever that is.
            let kind = if at == 0 { DocumentKind::Account } else { DocumentKind::OrganisationKey };
            let n = if at == 0 { self.dice.next_u64() % 3 } else { at };
            let version = 1 + u32::from(self.dice.next_u64().to_be_bytes()[0] % 3);
            changes.push(if self.dice.percent(30) {
                document_delete(kind, id(n), version)
            } else {
                document_put(document(kind, n, version))
            });
        }
        (documents_commit(changes), None)
    }

    /// What is known of a card's CVV comes, changes or goes, beside a card that stays as it is.
    fn card_cvv(&mut self) -> Predicted {
        let stored = self.card();
        let key = RowKey::CardCvv(stored.id);
        let version = 1 + u32::from(self.dice.next_u64().to_be_bytes()[0] % 3);
        let mut commit = crate::conformance::card_noted(&stored);
        let row = panvault_store::CardCvvRow { card: stored.id, ..card_cvv(1, version) };
        commit.expects.push(match version {
            1 => Expect::Absent(key),
            later => Expect::Version(key, later - 1),
        });
        commit.effects.push(if self.dice.percent(30) { Effect::Delete(key) } else { row.into() });
        (commit, None)
    }

    /// A node starts, renews its lease or ends, beside a card that stays as it is.
    fn node(&mut self) -> Predicted {
        let stored = self.card();
        let n = self.dice.next_u64() % 3;
        let key = RowKey::Node(NodeId(id(n)));
        let version = 1 + u32::from(self.dice.next_u64().to_be_bytes()[0] % 3);
        let mut commit = crate::conformance::card_noted(&stored);
        commit.expects.push(match version {
            1 => Expect::Absent(key),
            later => Expect::Version(key, later - 1),
        });
        commit.effects.push(if self.dice.percent(30) {
            Effect::Delete(key)
        } else {
            node(n, version).into()
        });
        (commit, None)
    }

    /// A claim of a key, now and then; with one of two bodies, and not for long.
    fn claim(&mut self, answer: IdempotencyAnswer) -> Option<IdempotencyClaim> {
        if !self.dice.percent(30) {
            return None;
        }
        let [key_byte, body, ..] = self.dice.next_u64().to_be_bytes();
        let mut row = kept(key(1 + key_byte % KEYS), body % 2, answer);
        row.expires_at = at(self.next + 10);
        Some(IdempotencyClaim { row: Box::new(row), also: Vec::new(), now: at(self.next) })
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

    /// Keeps the map as the commit leaves it.
    fn note(&mut self, commit: &Commit) {
        for effect in &commit.effects {
            match effect {
                Effect::Put(Row::Card(row)) => {
                    self.cards.insert(row.id, row.as_ref().clone());
                }
                Effect::Put(Row::Transaction(row)) => {
                    self.transactions.retain(|earlier| earlier.id != row.id);
                    self.transactions.push(row.as_ref().clone());
                }
                Effect::Put(Row::Refund(row)) => {
                    self.refunds.retain(|earlier| earlier.id != row.id);
                    self.refunds.push(row.as_ref().clone());
                }
                Effect::Put(Row::Customer(row)) => {
                    self.customers.retain(|earlier| earlier.id != row.id);
                    self.customers.push(row.as_ref().clone());
                }
                Effect::Delete(RowKey::Customer(id)) => {
                    self.customers.retain(|earlier| earlier.id != *id);
                }
                Effect::Delete(RowKey::Card(id)) => {
                    self.cards.remove(id);
                }
                Effect::Put(_) | Effect::Delete(_) | Effect::Retag(_) => {}
            }
        }
    }

    /// Asks both for what an index finds: transactions that are like one of them, refunds, customers.
    async fn look_by_index(&mut self, store: &dyn Store) {
        let organisations: Vec<OrganisationId> = (1..=ORGANISATIONS).map(organisation).collect();
        let count = *self.dice.pick(&[Count::All, Count::UpTo(3), Count::PageEnd]).unwrap();
        let limit = u32::from(self.dice.next_u64().to_be_bytes()[0] % 5);
        if let Some(row) = self.dice.pick(&self.transactions) {
            let fields = [
                TransactionField::Card,
                TransactionField::MerchantReference,
                TransactionField::Account,
                TransactionField::Status,
            ];
            let field = *self.dice.pick(&fields).unwrap();
            let filters = equal(field, row);
            let newest = TransactionQuery::newest(organisations.clone(), limit);
            let query = TransactionQuery { filters, count, examined_max: 0, ..newest };
            let expected = self.memory.transaction_list(query.clone()).await;
            assert_eq!(store.transaction_list(query.clone()).await, expected, "{self}: {query:?}");
        }
        if let Some(row) = self.dice.pick(&self.refunds) {
            let fields = [RefundField::Transaction, RefundField::Account, RefundField::Status];
            let filters = equal(*self.dice.pick(&fields).unwrap(), row);
            let newest = RefundQuery::newest(organisations.clone(), limit);
            let query = RefundQuery { filters, count, examined_max: 0, ..newest };
            let expected = self.memory.refund_list(query.clone()).await;
            assert_eq!(store.refund_list(query.clone()).await, expected, "{self}: {query:?}");
        }
        if let Some(row) = self.dice.pick(&self.customers).filter(|row| row.email.is_some()) {
            let filters = equal(CustomerField::Email, row);
            let newest = CustomerQuery::newest(organisations, limit);
            let query = CustomerQuery { filters, count, examined_max: 0, ..newest };
            let expected = self.memory.customer_list(query.clone()).await;
            assert_eq!(store.customer_list(query.clone()).await, expected, "{self}: {query:?}");
        }
    }

    /// Asks a random question of both.
    async fn look(&mut self, store: &dyn Store) {
        let card = self.card();
        let predicted = self.cards.get(&card.id).cloned().map(Arc::new);
        assert_eq!(store.card_read(card.id).await, Ok(predicted), "{self}: {}", card.id);
        if self.dice.percent(30) {
            self.look_by_index(store).await;
        }
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
        let organisations = (1..=1 + self.dice.next_u64() % ORGANISATIONS).map(organisation);
        let query = CardQuery {
            filters: if self.dice.percent(70) { filters } else { Vec::new() },
            sort: self.dice.percent(50).then_some(sort),
            skip: self.dice.next_u64() % 5,
            after: self.dice.percent(20).then_some(card.id.0),
            examined_max: if self.dice.percent(20) { 5 } else { u64::MAX },
            is_part: self.dice.percent(50),
            count: *self.dice.pick(&[Count::All, Count::UpTo(3), Count::PageEnd]).unwrap(),
            ..CardQuery::newest(
                organisations.collect(),
                u32::from(self.dice.next_u64().to_be_bytes()[0] % 20),
            )
        };
        let expected = self.memory.card_list(query.clone()).await;
        assert_eq!(store.card_list(query.clone()).await, expected, "{self}: {query:?}");
    }
}

/// What is equal in this field.
fn equal<F: Field>(field: F, row: &F::Row) -> Vec<Filter<F>> {
    vec![Filter { field, test: Test::Equal, values: vec![field.value(row).into_owned()] }]
}

impl core::fmt::Display for Workload {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "seed {}, row {}", self.seed, self.next)
    }
}
