use std::sync::Arc;

use panvault_model::{CardId, NodeId};
use panvault_store::{Action, Commit, Effect, Expect, IdempotencyAnswer, Outcome, RowKey, Store, StoreFault};
use panvault_store_postgres::PostgresStore;
use panvault_testkit::conformance::rows::{
    at, card, card_changed, card_cvv, id, kept, key, node as node_row, organisation, transaction,
};
use panvault_testkit::conformance::{
    card_delete, card_insert, card_update, claim, note, transaction_initiate,
};

use crate::support::{Home, all, block_on, connect, is_done, node};

fn plain(expects: Vec<Expect>, effects: Vec<Effect>) -> Commit {
    Commit { claim: None, expects, effects, audit: note(Action::IdempotencySweep, id(0)) }
}

/// Some nodes over one database.
async fn nodes(home: &Home, count: u64) -> Vec<Arc<PostgresStore>> {
    let mut nodes = Vec::new();
    for n in 1..=count {
        nodes.push(Arc::new(home.open_as(node(n)).await));
    }
    nodes
}

/// Calls a commit on each node at once.
async fn race(
    nodes: &[Arc<PostgresStore>],
    commit: impl Fn(usize) -> Commit,
) -> Vec<Result<Outcome, StoreFault>> {
    let called: Vec<_> = nodes
        .iter()
        .enumerate()
        .map(|(at, node)| {
            let (node, commit) = (Arc::clone(node), commit(at));
            tokio::spawn(async move { node.commit(commit).await })
        })
        .collect();
    let mut answers = Vec::new();
    for answer in called {
        answers.push(answer.await.unwrap());
    }
    answers
}

/// Of commits that exclude each other one is done, whichever nodes they come from.
#[test]
fn of_those_that_race_on_several_nodes_one_is_done() {
    let home = Home::new();
    block_on(async {
        let nodes = nodes(&home, 4).await;
        for round in 0..15 {
            let row = card(100 + round);
            let answers = race(&nodes, |_| card_insert(&row)).await;
            assert_eq!(answers.iter().filter(|answer| is_done(answer)).count(), 1, "{answers:?}");
            assert_eq!(answers.iter().filter(|answer| **answer == Ok(Outcome::Unmet(0))).count(), 3);
            let changed = card_changed(&row);
            let answers = race(&nodes, |_| card_update(&changed)).await;
            assert_eq!(answers.iter().filter(|answer| is_done(answer)).count(), 1, "{answers:?}");
            let record = kept(key(u8::try_from(round).unwrap()), 0, IdempotencyAnswer::RUNNING);
            let claimed = |_| Commit { claim: claim(&record, at(0)), ..plain(Vec::new(), Vec::new()) };
            let answers = race(&nodes, claimed).await;
            assert_eq!(answers.iter().filter(|answer| is_done(answer)).count(), 1, "{answers:?}");
            let earlier = Ok(Outcome::Claimed(Box::new(record.clone())));
            assert_eq!(answers.iter().filter(|answer| **answer == earlier).count(), 3, "{answers:?}");
            let late = |_| Commit { claim: claim(&record, at(86_400)), ..plain(Vec::new(), Vec::new()) };
            let answers = race(&nodes, late).await;
            assert!(answers.iter().any(is_done), "an expired record is replaced: {answers:?}");
        }
    });
}

/// A row that is expected to be absent, and not written, is absent until the commit is done: of two commits of which each writes what the other
/// expects to be absent one is done. Neither holds a row that the other could wait for.
#[test]
fn an_absence_is_held_though_nothing_is_written_there() {
    let home = Home::new();
    block_on(async {
        let nodes = nodes(&home, 2).await;
        for round in 0..15 {
            let keys = [node(1_000 + 2 * round), node(1_001 + 2 * round)];
            let commit = |at: usize| {
                let (own, other) = (keys[at], keys[1 - at]);
                let row = panvault_store::NodeRow { id: own, ..node_row(10, 1) };
                plain(
                    vec![Expect::Absent(RowKey::Node(other)), Expect::Absent(RowKey::Node(own))],
                    vec![row.into()],
                )
            };
            let answers = race(&nodes, commit).await;
            assert_eq!(answers.iter().filter(|answer| is_done(answer)).count(), 1, "{answers:?}");
            assert_eq!(answers.iter().filter(|answer| **answer == Ok(Outcome::Unmet(0))).count(), 1);
        }
        assert_eq!(home.sql("SELECT count(*) FROM node"), "15", "what held an absence is gone");
    });
}

/// A card that is deleted while it is used is either used before, or not used.
#[test]
fn what_is_owned_is_not_deleted_meanwhile() {
    let home = Home::new();
    block_on(async {
        let nodes = nodes(&home, 2).await;
        for round in 0..15 {
            let row = card(100 + round);
            assert!(is_done(&nodes[0].commit(card_insert(&row)).await));
            let paid = transaction(1_000 + round, row.id);
            let answers =
                race(&nodes, |at| if at == 0 { card_delete(&row) } else { transaction_initiate(&paid) })
                    .await;
            assert!(is_done(&answers[0]), "{answers:?}");
            let unused = Ok(Outcome::Unmet(0));
            assert!(is_done(&answers[1]) || answers[1] == unused, "{answers:?}");
            assert!(
                nodes[1].commit(transaction_initiate(&transaction(5_000 + round, row.id))).await == unused
            );
        }
    });
}

/// What waits goes together, and comes back one by one: of a step some are done, some claimed, some not as they were expected to be.
#[test]
fn what_waits_goes_in_one_step() {
    let home = Home::new();
    block_on(async {
        let store = home.open_as(node(1)).await;
        let commits: Vec<_> = (0..400).map(|n| card_insert(&card(1_000 + n))).collect();
        let answers = all(&store, commits).await;
        assert!(answers.iter().all(is_done));
        let orders: Vec<u64> = answers
            .into_iter()
            .map(|answer| match answer {
                Ok(Outcome::Done { order }) => order,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(orders.is_sorted_by(|one, next| one < next), "{orders:?}");
        let steps: u64 = home.sql("SELECT count(*) FROM audit").parse().unwrap();
        assert!(steps < 40, "400 commits in {steps} steps");
        let mixed = vec![
            card_insert(&card(1_000)),
            card_insert(&card(2_000)),
            card_update(&card_changed(&card(1_001))),
            card_delete(&card(3_000)),
            card_insert(&card(2_001)),
        ];
        let answers = all(&store, mixed).await;
        let done: Vec<bool> = answers.iter().map(is_done).collect();
        assert_eq!(done, [false, true, true, false, true], "{answers:?}");
        assert_eq!(store.audit_ends(vec![node(1)]).await, Ok(vec![403]));
    });
}

/// A row that the database itself refuses fails alone.
#[test]
fn one_bad_row_never_fails_its_neighbours() {
    let home = Home::new();
    block_on(async {
        let store = home.open_as(node(1)).await;
        let bad: String = card(15).id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        home.sql(&format!("ALTER TABLE card ADD CHECK (id <> '\\x{bad}')"));
        let answers = all(&store, (10..30).map(|n| card_insert(&card(n))).collect()).await;
        for (n, answer) in (10..).zip(&answers) {
            assert_eq!(is_done(answer), n != 15, "card {n}: {answer:?}");
        }
        assert_eq!(answers[5], Err(StoreFault::Read("the database refused a statement")));
        assert_eq!(home.sql("SELECT count(*) FROM card"), "19");
        assert_eq!(store.audit_read(node(1), 1, 100).await.map(|trail| trail.len()), Ok(19));
    });
}

/// What meets is decided one after the other, in the order in which it was called, though it goes in one step.
#[test]
fn those_of_one_row_go_one_after_the_other() {
    let home = Home::new();
    block_on(async {
        drop(home.connect().await);
        let chain = panvault_testkit::conformance::rows::chain(panvault_testkit::conformance::rows::VAULT);
        for commit_rows_max in [1, 64] {
            let database = connect(&home.database, commit_rows_max).await;
            let writer = NodeId(id(u64::from(commit_rows_max)));
            let store = PostgresStore::open(database, Arc::clone(&chain), writer).await.unwrap();
            let held = u64::from(commit_rows_max) * 1_000;
            let put = |version| {
                let key = RowKey::CardCvv(CardId(id(held)));
                let expect =
                    if version == 1 { Expect::Absent(key) } else { Expect::Version(key, version - 1) };
                plain(
                    vec![expect],
                    vec![
                        panvault_store::CardCvvRow { card: CardId(id(held)), ..card_cvv(10, version) }.into(),
                    ],
                )
            };
            let mut commits = Vec::new();
            for version in 1..=20 {
                commits.push(put(version));
                commits.push(card_insert(&card(held + u64::from(version))));
            }
            let answers = all(&store, commits).await;
            assert!(answers.iter().all(is_done), "{answers:?}");
            assert_eq!(store.commit(put(20)).await, Ok(Outcome::Unmet(0)));
            assert_eq!(
                store
                    .commit(plain(
                        vec![Expect::Owned(RowKey::CardCvv(CardId(id(held))), organisation(1))],
                        vec![]
                    ))
                    .await,
                Ok(Outcome::Unmet(0)),
                "rows of this table are nobody's"
            );
        }
    });
}

/// Whoever asks sees which card it was, and nothing else is said; the database's own log neither.
#[test]
fn a_card_of_everyday_size_takes_less_than_five_hundred_bytes() {
    let home = Home::new();
    block_on(async {
        let store = home.open_as(node(1)).await;
        let mut taken = Vec::new();
        for part in 0..20 {
            let commits = (0..200).map(|n| card_insert(&card(10_000 + part * 200 + n))).collect();
            taken.extend(all(&store, commits).await);
        }
        assert!(taken.iter().all(is_done));
        let sizes = home.sql(
            "SELECT pg_total_relation_size('card') / 4000, pg_total_relation_size('audit') / 4000, avg(length(row))::int FROM card",
        );
        println!("bytes a card: card with indexes | audit | row: {sizes}");
        let mut sizes = sizes.split('|').map(|size| size.parse::<u64>().unwrap());
        let (card, audit) = (sizes.next().unwrap(), sizes.next().unwrap());
        assert!(card + audit <= 500, "{card} and {audit}");
    });
}

/// Those who were just answered come back in a moment: they go with those who waited meanwhile, not each half in a step of its own.
#[test]
fn callers_that_come_back_go_together() {
    const CALLERS: u64 = 32;
    const EACH: u64 = 40;
    let home = Home::new();
    block_on(async {
        let store = Arc::new(home.open_as(node(1)).await);
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    for n in 0..EACH {
                        let row = card(100_000 + caller * EACH + n);
                        assert!(is_done(&store.commit(card_insert(&row)).await));
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
        let batches = store.status().batches;
        assert!(batches.commits >= CALLERS * EACH);
        assert!(batches.commits / batches.count >= CALLERS * 2 / 3, "{batches:?}");
    });
}

/// Whoever is alone waits for nobody.
#[test]
fn a_caller_alone_is_not_kept_waiting() {
    let home = Home::new();
    block_on(async {
        let store = home.open_as(node(1)).await;
        let together: Vec<_> = (0..20).map(|n| card_insert(&card(200_000 + n))).collect();
        assert!(all(&store, together).await.iter().all(is_done));
        let before = store.status().batches;
        assert!(is_done(&store.commit(card_insert(&card(300_000))).await));
        let after = store.status().batches;
        assert_eq!((after.count, after.commits), (before.count + 1, before.commits + 1));
    });
}
