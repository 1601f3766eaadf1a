use std::sync::Arc;

use panvault_model::{ApiKeyId, CardId, Id, NodeId, TransactionId};
use panvault_store::{
    Action, CardCvvRow, Commit, DocumentKind, Effect, Expect, HistoryRow, IdempotencyAnswer, Outcome, Row,
    RowKey, Store, Table,
};

use crate::conformance::rows::{
    api_key_use, at, card, card_changed, card_cvv, checkout, customer, delivery, document, history, id, kept,
    key, node, organisation, refund, transaction,
};
use crate::conformance::{
    StoreCase, card_delete, card_insert, card_update, cases, claim, document_delete, document_put,
    documents_commit, done, note, sweep, transaction_initiate,
};

pub(super) const CASES: &[StoreCase] = cases! {
    what_was_called_runs_to_its_end
    each_expectation_is_looked_at_by_itself
    the_first_that_does_not_hold_is_named
    a_claim_comes_before_what_is_expected
    rows_of_every_table_are_put_and_taken_away
    a_table_is_read_in_the_order_of_its_keys
    a_commit_sees_what_was_committed_with_it
    rows_about_cvvs_are_found_by_the_end_of_their_time
    nodes_are_read_all_at_once
};

pub(super) fn plain(expects: Vec<Expect>, effects: Vec<Effect>) -> Commit {
    Commit { claim: None, expects, effects, audit: note(Action::IdempotencySweep, id(0)) }
}

/// Whoever asked may be gone: a client that hangs up must not decide what becomes of a payment.
async fn what_was_called_runs_to_its_end(store: &dyn Store) {
    for n in 10..40 {
        drop(store.commit(card_insert(&card(n))));
    }
    // Whatever is called later is done later.
    done(store.commit(card_insert(&card(40))).await.unwrap());
    for n in 10..40 {
        let row = card(n);
        assert_eq!(store.card_read(row.id).await, Ok(Some(Arc::new(row))), "card {n}");
    }
    assert_eq!(store.status().sequence, 31);
}

/// A card in version 2, a transaction, a document in version 2, a record that is to expire, a CVV's third row, a node's second, and a key's last use.
async fn filled(store: &dyn Store) {
    let card = card(10);
    let claimed = claim(&kept(key(1), 0, IdempotencyAnswer::RUNNING), at(0));
    done(store.commit(Commit { claim: claimed, ..card_insert(&card) }).await.unwrap());
    done(store.commit(card_update(&card_changed(&card))).await.unwrap());
    done(store.commit(transaction_initiate(&transaction(20, card.id))).await.unwrap());
    for version in [1, 2] {
        account(store, version).await;
    }
    for version in 1..=3 {
        done(store.commit(plain(Vec::new(), vec![card_cvv(10, version).into()])).await.unwrap());
    }
    for version in 1..=2 {
        done(store.commit(plain(Vec::new(), vec![node(10, version).into()])).await.unwrap());
        done(store.commit(plain(Vec::new(), vec![api_key_use(10, version).into()])).await.unwrap());
    }
    let keys = [9, 10].map(|n| ApiKeyId(id(n)));
    let uses = store.api_key_use_read_many(keys.to_vec()).await.unwrap();
    assert_eq!(uses, [None, Some(Arc::new(api_key_use(10, 2)))]);
}

/// The one account, and the head that counts its changes.
async fn account(store: &dyn Store, version: u32) {
    let changes = [(DocumentKind::Account, 1), (DocumentKind::DocumentHead, 0)];
    let changes = changes.map(|(kind, n)| document_put(document(kind, n, version)));
    done(store.commit(documents_commit(changes.into())).await.unwrap());
}

async fn each_expectation_is_looked_at_by_itself(store: &dyn Store) {
    filled(store).await;
    let (there, absent) = (RowKey::Card(CardId(id(10))), RowKey::Card(CardId(id(11))));
    let paid = RowKey::Transaction(TransactionId(id(20)));
    let account = RowKey::Document(DocumentKind::Account, id(1));
    let held = RowKey::CardCvv(CardId(id(10)));
    let lives = RowKey::Node(NodeId(id(10)));
    let hold = [
        Expect::Absent(absent),
        Expect::Absent(RowKey::Document(DocumentKind::Organisation, id(1))),
        Expect::Absent(RowKey::History(TransactionId(id(20)), 2)),
        Expect::Absent(RowKey::CardCvv(CardId(id(11)))),
        Expect::Version(there, 2),
        Expect::Version(paid, 1),
        Expect::Version(account, 2),
        Expect::Version(held, 3),
        Expect::Version(lives, 2),
        Expect::Absent(RowKey::Node(NodeId(id(11)))),
        Expect::Owned(there, organisation(1)),
        Expect::Owned(paid, organisation(1)),
        Expect::Expired(key(1), at(86_400)),
        Expect::Expired(key(2), at(0)),
    ];
    let fail = [
        Expect::Absent(there),
        Expect::Absent(account),
        Expect::Absent(held),
        Expect::Absent(RowKey::History(TransactionId(id(20)), 1)),
        Expect::Version(there, 1),
        Expect::Version(there, 3),
        Expect::Version(absent, 0),
        Expect::Version(absent, 1),
        Expect::Version(held, 2),
        Expect::Version(lives, 1),
        Expect::Absent(lives),
        Expect::Owned(there, organisation(2)),
        Expect::Owned(absent, organisation(1)),
        Expect::Expired(key(1), at(86_399)),
    ];
    let before = store.status().sequence;
    for expect in fail {
        let commit = Commit { expects: vec![expect], ..card_insert(&card(30)) };
        assert_eq!(store.commit(commit).await, Ok(Outcome::Unmet(0)), "{expect:?}");
    }
    assert_eq!(store.card_read(card(30).id).await, Ok(None));
    assert_eq!(store.status().sequence, before, "what is not done leaves no note");
    for expect in hold {
        done(store.commit(plain(vec![expect], Vec::new())).await.unwrap());
    }
    done(store.commit(Commit { expects: hold.to_vec(), ..card_insert(&card(30)) }).await.unwrap());
}

async fn the_first_that_does_not_hold_is_named(store: &dyn Store) {
    filled(store).await;
    let holds = Expect::Version(RowKey::Card(CardId(id(10))), 2);
    let fails = Expect::Absent(RowKey::Card(CardId(id(10))));
    for at in 0..4 {
        let mut expects = vec![holds; 5];
        expects[at] = fails;
        expects[4] = fails;
        assert_eq!(store.commit(plain(expects, Vec::new())).await, Ok(Outcome::Unmet(at)));
    }
}

async fn a_claim_comes_before_what_is_expected(store: &dyn Store) {
    filled(store).await;
    let fails = Expect::Absent(RowKey::Card(CardId(id(10))));
    let claimed = |n| Commit {
        claim: claim(&kept(key(n), 0, IdempotencyAnswer::RUNNING), at(5)),
        ..plain(vec![fails], Vec::new())
    };
    let earlier = store.commit(claimed(1)).await;
    assert_eq!(earlier, Ok(Outcome::Claimed(Box::new(kept(key(1), 0, IdempotencyAnswer::RUNNING)))));
    assert_eq!(store.commit(claimed(2)).await, Ok(Outcome::Unmet(0)));
    assert_eq!(store.idempotency_read(key(2)).await, Ok(None), "what is not done claims nothing");
}

/// A row of every table, in the order of these.
pub(super) async fn one_of_each(store: &dyn Store) -> [Row; Table::ALL.len()] {
    filled(store).await;
    let card = card_changed(&card(10));
    let paid = transaction(20, card.id);
    let returned = refund(30, paid.id);
    done(store.commit(plain(Vec::new(), vec![returned.clone().into()])).await.unwrap());
    let rows: [Row; Table::ALL.len()] = [
        card.clone().into(),
        paid.clone().into(),
        history(&paid).into(),
        document(DocumentKind::Account, 1, 2).into(),
        kept(key(1), 0, IdempotencyAnswer::RUNNING).into(),
        card_cvv(10, 3).into(),
        node(10, 2).into(),
        api_key_use(10, 2).into(),
        returned.clone().into(),
        customer(50, 1).into(),
        delivery(40, 20).into(),
        checkout(45, at(900)).into(),
    ];
    done(
        store.commit(plain(Vec::new(), rows[9..].iter().cloned().map(Effect::Put).collect())).await.unwrap(),
    );
    rows
}

async fn rows_of_every_table_are_put_and_taken_away(store: &dyn Store) {
    let rows = one_of_each(store).await;
    let card = card_changed(&card(10));
    let there = |row: &Row| Expect::Version(row.key(), row.version());
    done(store.commit(plain(rows.iter().map(there).collect(), Vec::new())).await.unwrap());
    let head = document_put(document(DocumentKind::DocumentHead, 0, 3));
    let gone = [
        (0, card_delete(&card)),
        (3, documents_commit(vec![document_delete(DocumentKind::Account, id(1), 2), head])),
        (4, sweep(&[key(1)], at(86_400))),
        (5, plain(Vec::new(), vec![Effect::Delete(rows[5].key())])),
        (6, plain(Vec::new(), vec![Effect::Delete(rows[6].key())])),
        (7, plain(Vec::new(), vec![Effect::Delete(rows[7].key())])),
        (8, plain(Vec::new(), vec![Effect::Delete(rows[8].key())])),
        (9, plain(Vec::new(), vec![Effect::Delete(rows[9].key())])),
    ];
    for (row, commit) in gone {
        let row = &rows[row];
        done(store.commit(commit).await.unwrap());
        done(store.commit(plain(vec![Expect::Absent(row.key())], Vec::new())).await.unwrap());
        assert_eq!(store.commit(plain(vec![there(row)], Vec::new())).await, Ok(Outcome::Unmet(0)), "{row:?}");
    }
}

async fn a_commit_sees_what_was_committed_with_it(store: &dyn Store) {
    let keys: Vec<Id> = (10..30).map(id).collect();
    let asked: Vec<_> = keys
        .iter()
        .map(|object| {
            let key = RowKey::CardCvv(CardId(*object));
            let row = CardCvvRow { card: CardId(*object), ..card_cvv(10, 1) };
            let put = store.commit(plain(vec![Expect::Absent(key)], vec![row.clone().into()]));
            let next = CardCvvRow { version: 2, ..row };
            let changed = store.commit(plain(vec![Expect::Version(key, 1)], vec![next.into()]));
            let late = store.commit(plain(vec![Expect::Version(key, 1)], vec![Effect::Delete(key)]));
            (put, changed, late)
        })
        .collect();
    for (put, changed, late) in asked {
        assert!(done(put.await.unwrap()) < done(changed.await.unwrap()));
        assert_eq!(late.await, Ok(Outcome::Unmet(0)));
    }
}

async fn rows_about_cvvs_are_found_by_the_end_of_their_time(store: &dyn Store) {
    let rows: Vec<_> = [(10, 100), (11, 50), (12, 200)]
        .map(|(n, until)| CardCvvRow { cvv_until: at(until), ..card_cvv(n, 1) })
        .into();
    let effects = rows.iter().cloned().map(Effect::from).collect();
    done(store.commit(plain(Vec::new(), effects)).await.unwrap());
    assert_eq!(store.card_cvv_read(rows[0].card).await, Ok(Some(Arc::new(rows[0].clone()))));
    assert_eq!(store.card_cvv_read(CardId(id(13))).await, Ok(None));
    let asked = vec![rows[2].card, CardId(id(13)), rows[0].card, rows[2].card];
    let found =
        [Some(2), None, Some(0), Some(2)].map(|row| row.map(|row: usize| Arc::new(rows[row].clone())));
    assert_eq!(store.card_cvv_read_many(asked).await, Ok(found.to_vec()));
    assert_eq!(store.card_cvv_read_many(Vec::new()).await, Ok(Vec::new()));
    assert_eq!(store.card_cvv_expired(at(49), 10).await, Ok(Vec::new()));
    let mut expired = store.card_cvv_expired(at(100), 10).await.unwrap();
    expired.sort_by_key(|row| row.card);
    assert_eq!(expired, [Arc::new(rows[0].clone()), Arc::new(rows[1].clone())]);
    assert_eq!(store.card_cvv_expired(at(1000), 2).await.map(|rows| rows.len()), Ok(2));
    let renewed = CardCvvRow { version: 2, cvv_until: at(300), ..rows[0].clone() };
    done(store.commit(plain(Vec::new(), vec![renewed.into()])).await.unwrap());
    assert_eq!(store.card_cvv_expired(at(100), 10).await.map(|rows| rows.len()), Ok(1));
}

/// What is read shows every commit that was answered before: who reads what nodes have in hand, and then the nodes, finds each
/// node that has something and lives.
async fn nodes_are_read_all_at_once(store: &dyn Store) {
    assert_eq!(store.node_read_all().await, Ok(Vec::new()));
    let start = |n| plain(vec![Expect::Absent(RowKey::Node(NodeId(id(n))))], vec![node(n, 1).into()]);
    for n in [12, 10, 11] {
        done(store.commit(start(n)).await.unwrap());
        let found = store.node_read_all().await.unwrap();
        assert!(found.contains(&Arc::new(node(n, 1))), "node {n}");
    }
    assert_eq!(store.commit(start(10)).await, Ok(Outcome::Unmet(0)));
    let key = RowKey::Node(NodeId(id(11)));
    done(store.commit(plain(vec![Expect::Version(key, 1)], vec![node(11, 2).into()])).await.unwrap());
    let rows = [(10, 1), (11, 2), (12, 1)].map(|(n, version)| Arc::new(node(n, version)));
    assert_eq!(store.node_read_all().await, Ok(rows.to_vec()), "in the order of their ids");
    let ends = store.audit_ends(store.audit_writers().await.unwrap()).await.unwrap();
    assert_eq!(store.node_renew(node(12, 2), 1).await, Ok(store.is_shared()));
    // Of one that is not there, and of another version.
    assert_eq!(store.node_renew(node(13, 2), 1).await, Ok(false));
    assert_eq!(store.node_renew(node(11, 3), 1).await, Ok(false));
    let of_twelve = if store.is_shared() { 2 } else { 1 };
    let rows = [(10, 1), (11, 2), (12, of_twelve)].map(|(n, version)| Arc::new(node(n, version)));
    assert_eq!(store.node_read_all().await, Ok(rows.to_vec()));
    let same = store.audit_ends(store.audit_writers().await.unwrap()).await.unwrap();
    assert_eq!(same, ends, "the trail does not tell of renewals");
    let gone = |version| plain(vec![Expect::Version(key, version)], vec![Effect::Delete(key)]);
    assert_eq!(store.commit(gone(1)).await, Ok(Outcome::Unmet(0)), "it was renewed since it was read");
    done(store.commit(gone(2)).await.unwrap());
    assert_eq!(store.node_read_all().await.map(|rows| rows.len()), Ok(2));
}

/// Ids that differ in their first and in their last bytes, a history whose versions have more than one byte, and documents of all kinds.
async fn a_table_is_read_in_the_order_of_its_keys(store: &dyn Store) {
    let numbers = [1, 2, 255, 256, 70_000];
    let mut rows: Vec<Row> = Vec::new();
    for n in numbers {
        // No two objects of a vault have one id.
        let paid = transaction(n + 100_000, CardId(id(n)));
        let returned = refund(n, paid.id);
        let versions = [1, 255, 256].map(|version| HistoryRow { version, ..history(&paid) }.into());
        rows.extend(versions);
        rows.extend([Row::from(card(n)), paid.into(), returned.into()]);
        rows.extend([Row::from(customer(n, 7)), delivery(n, n).into(), node(n, 1).into()]);
        rows.push(checkout(n, at(n)).into());
        rows.extend([Row::from(card_cvv(n, 9)), api_key_use(n, 5).into()]);
        rows.extend(KINDS.map(|kind| document(kind, n, 1).into()));
    }
    for n in [0, 1, 128, 255] {
        rows.push(kept(key(n), n, IdempotencyAnswer::RUNNING).into());
    }
    for rows in rows.rchunks(100) {
        let effects = rows.iter().cloned().map(Effect::Put).collect();
        done(store.commit(plain(Vec::new(), effects)).await.unwrap());
    }
    let bytes = |row: &Row| {
        let mut bytes = Vec::new();
        row.key().encode(&mut bytes);
        bytes
    };
    for table in Table::ALL {
        let mut expected: Vec<Row> = rows.iter().filter(|row| row.key().table() == table).cloned().collect();
        expected.sort_by_key(bytes);
        assert_eq!(store.row_page(table, None, 1000).await, Ok(expected.clone()), "{table:?}");
        for limit in [1, 3] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = store.row_page(table, after, limit).await.unwrap();
                let Some(last) = page.last() else { break };
                after = Some(last.key());
                found.extend(page);
            }
            assert_eq!(found, expected, "{table:?}, {limit} at a time");
        }
    }
    // No vault has such rows, and whoever examines what is left finds none.
    for rows in rows.chunks(100) {
        let effects = rows.iter().map(|row| Effect::Delete(row.key())).collect();
        done(store.commit(plain(Vec::new(), effects)).await.unwrap());
    }
}

const KINDS: [DocumentKind; 14] = [
    DocumentKind::Organisation,
    DocumentKind::Account,
    DocumentKind::Processor,
    DocumentKind::ApiKey,
    DocumentKind::OrganisationKey,
    DocumentKind::DocumentHead,
    DocumentKind::AuditCheckpoint,
    DocumentKind::AuditEnd,
    DocumentKind::ChangeLog,
    DocumentKind::Logo,
    DocumentKind::TrailState,
    DocumentKind::TrailCheckpoint,
    DocumentKind::HandOver,
    DocumentKind::AuditStart,
];
