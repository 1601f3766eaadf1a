use std::sync::Arc;

use panvault_model::{
    AccountId, CardId, DeliveryStatus, EmailDigest, Fingerprint, NodeId, RefundStatus, TransactionStatus,
};
use panvault_store::{
    Action, CardField, CardRow, Commit, Count, CustomerField, DeliveryField, DeliveryRow, Direction, Field,
    FieldValue, Filter, Indexed, MemoryStore, Outcome, Page, Pending, Query, RefundField, RefundRow, Row,
    Store, Test, TransactionField, TransactionRow,
};
use panvault_testkit::SeededRandom;
use panvault_testkit::conformance::note;
use panvault_testkit::conformance::rows::{card, customer, delivery, id, organisation, refund, transaction};

use crate::support::{Home, block_on};

/// Rows of each kind: more than a list reads at a time.
const ROWS: u64 = 1_500;
/// Questions about each kind.
const QUESTIONS: usize = 150;

/// A commit that keeps rows, whatever is there.
fn put(rows: Vec<Row>) -> Commit {
    let effects: Vec<_> = rows.into_iter().map(Into::into).collect();
    Commit { claim: None, expects: Vec::new(), effects, audit: note(Action::CardCreate, id(1)) }
}

/// Rows of six organisations, of which one has most.
fn rows(dice: &mut SeededRandom) -> Vec<Vec<Row>> {
    let mut kinds = vec![Vec::new(); 5];
    for n in 0..ROWS {
        let mut pick = |most: u64| dice.next_u64() % most;
        let whose = organisation(if pick(3) > 0 { 1 } else { pick(6) });
        let (account, paid) = (AccountId(id(pick(5))), transaction(pick(100), CardId(id(1))).id);
        let print = Fingerprint::from_bytes(u128::from(pick(4)).wrapping_mul(1 << 100).to_be_bytes());
        let reference = ["", "a", "b", "c"].into_iter().nth(usize::try_from(pick(4)).unwrap()).unwrap();
        let mut of = |all: &[TransactionStatus]| *dice.pick(all).unwrap();
        let status = of(TransactionStatus::ALL);
        let refunded = *dice.pick(RefundStatus::ALL).unwrap();
        let delivered = *dice.pick(DeliveryStatus::ALL).unwrap();
        let [email, ..] = dice.next_u64().to_be_bytes();
        let email = (email > 40).then(|| EmailDigest::from_bytes([email % 5; 16]));
        let card_id = CardId(id(dice.next_u64() % 40));
        kinds[0].push(CardRow { organisation: whose, fingerprint: print, ..card(n) }.into());
        kinds[1].push(
            TransactionRow {
                organisation: whose,
                account,
                status,
                merchant_reference: reference.to_owned(),
                ..transaction(n, card_id)
            }
            .into(),
        );
        kinds[2].push(RefundRow { organisation: whose, account, status: refunded, ..refund(n, paid) }.into());
        kinds[3].push(panvault_store::CustomerRow { organisation: whose, email, ..customer(n, 1) }.into());
        kinds[4].push(
            DeliveryRow { organisation: whose, account, status: delivered, ..delivery(n, n % 200) }.into(),
        );
    }
    kinds
}

/// The store in memory says what is right: every kind of list, however its rows are found, and more of them than are read at a time.
#[test]
fn lists_are_those_of_the_store_in_memory() {
    let home = Home::new();
    block_on(async {
        let (store, memory) = (home.open().await, MemoryStore::new().beside(NodeId(id(1))));
        let mut dice = SeededRandom::new(5);
        let kinds = rows(&mut dice);
        for rows in kinds.iter().flat_map(|rows| rows.chunks(100)) {
            let commit = put(rows.to_vec());
            assert!(matches!(memory.commit(commit.clone()).await, Ok(Outcome::Done { .. })));
            assert!(matches!(store.commit(commit).await, Ok(Outcome::Done { .. })));
        }
        let stores = Stores { store: &store, memory: &memory };
        let mut asked = 0;
        asked += stores
            .ask(
                &mut dice,
                CardField::ALL,
                &kinds[0],
                |row| if let Row::Card(row) = row { Some(Arc::clone(row)) } else { None },
                |store, query| store.card_list(query),
            )
            .await;
        asked += stores
            .ask(
                &mut dice,
                TransactionField::ALL,
                &kinds[1],
                |row| if let Row::Transaction(row) = row { Some(Arc::clone(row)) } else { None },
                |store, query| store.transaction_list(query),
            )
            .await;
        asked += stores
            .ask(
                &mut dice,
                RefundField::ALL,
                &kinds[2],
                |row| if let Row::Refund(row) = row { Some(Arc::clone(row)) } else { None },
                |store, query| store.refund_list(query),
            )
            .await;
        asked += stores
            .ask(
                &mut dice,
                CustomerField::ALL,
                &kinds[3],
                |row| if let Row::Customer(row) = row { Some(Arc::clone(row)) } else { None },
                |store, query| store.customer_list(query),
            )
            .await;
        asked += stores
            .ask(
                &mut dice,
                DeliveryField::ALL,
                &kinds[4],
                |row| if let Row::Delivery(row) = row { Some(Arc::clone(row)) } else { None },
                |store, query| store.delivery_list(query),
            )
            .await;
        assert!(asked > 250, "{asked} pages with rows");
    });
}

struct Stores<'a> {
    store: &'a dyn Store,
    memory: &'a dyn Store,
}

type Listing<F> = for<'a> fn(&'a dyn Store, Query<F>) -> Pending<'a, Page<Arc<<F as Field>::Row>>>;

impl Stores<'_> {
    /// Asks both the same questions; how many of the pages had rows.
    async fn ask<F: Indexed + core::fmt::Debug>(
        &self,
        dice: &mut SeededRandom,
        fields: &[F],
        rows: &[Row],
        of: fn(&Row) -> Option<Arc<F::Row>>,
        list: Listing<F>,
    ) -> usize
    where
        F::Row: core::fmt::Debug + PartialEq,
    {
        let rows: Vec<Arc<F::Row>> = rows.iter().filter_map(of).collect();
        let mut found = 0;
        for _ in 0..QUESTIONS {
            let query = question(dice, fields, &rows);
            let expected = list(self.memory, query.clone()).await;
            let answer = list(self.store, query.clone()).await;
            assert_eq!(answer, expected, "{query:?}");
            found += usize::from(answer.is_ok_and(|page| !page.rows.is_empty()));
        }
        found
    }
}

/// Some question, of values that rows have.
fn question<F: Indexed>(dice: &mut SeededRandom, fields: &[F], rows: &[Arc<F::Row>]) -> Query<F> {
    let mut number = |most: u64| dice.next_u64() % most;
    let organisations = (0..1 + number(6)).map(organisation).collect();
    let limit = [0, 1, 20, 700][usize::try_from(number(4)).unwrap()];
    let (skip, after) = (number(2) * number(900), (number(3) == 0).then(|| id(number(ROWS))));
    let examined_max = if number(4) == 0 { number(800) } else { u64::MAX };
    let mut filters = Vec::new();
    for _ in 0..number(3) {
        let tests = [Test::Equal, Test::Equal, Test::Equal, Test::NotEqual, Test::AtLeast, Test::AtMost];
        let test = tests[usize::try_from(number(6)).unwrap()];
        let from = if number(2) == 0 { fields } else { F::INDEXED };
        let field = from[usize::try_from(number(from.len() as u64)).unwrap()];
        let values = (0..1 + number(3)).map(|_| {
            let row = &rows[usize::try_from(number(rows.len() as u64)).unwrap()];
            field.value(row).into_owned()
        });
        // Nobody can ask for what is absent.
        let values: Vec<FieldValue<'static>> = values.filter(|value| *value != FieldValue::Absent).collect();
        if !values.is_empty() {
            filters.push(Filter { field, test, values });
        }
    }
    let sort = (number(4) == 0).then(|| {
        let field = fields[usize::try_from(number(fields.len() as u64)).unwrap()];
        (field, if number(2) == 0 { Direction::Ascending } else { Direction::Descending })
    });
    // Who asks for no rows asks how many there are.
    let counts = if limit == 0 { 2 } else { 3 };
    let count = [Count::All, Count::UpTo(30), Count::PageEnd][usize::try_from(number(counts)).unwrap()];
    let is_part = number(3) == 0;
    Query {
        filters,
        sort,
        after,
        skip,
        count,
        examined_max,
        is_part,
        ..Query::newest(organisations, u32::try_from(limit).unwrap())
    }
}
