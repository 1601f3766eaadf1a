//! Doctor's look: each thing that can be wrong with the view is found.

use panvault_model::{RefundStatus, TransactionStatus};
use panvault_store::{Commit, DocumentKind, Store};
use panvault_testkit::conformance::rows::{
    at, card, card_answer, card_changed, document, id, kept, key, refund, refund_settled, refunded,
    transaction, transaction_settled,
};
use panvault_testkit::conformance::{
    card_insert, card_update, claim, document_delete, document_put, documents_commit, refund_create,
    refund_settle, transaction_initiate, transaction_settle,
};

use crate::support::{Home, block_on, done};

/// A store with a row of every kind, among them some that changed.
fn furnished() -> Home {
    let home = Home::new();
    block_on(async {
        let store = home.open();
        let record = kept(key(1), 0, card_answer(&card(10)));
        let claim = claim(&record, at(0));
        done(store.commit(Commit { claim, ..card_insert(&card(10)) }).await.unwrap());
        done(store.commit(card_insert(&card(11))).await.unwrap());
        done(store.commit(card_update(&card_changed(&card(11)))).await.unwrap());
        let rows = [transaction(20, card(10).id), transaction(21, card(11).id)];
        for row in &rows {
            done(store.commit(transaction_initiate(row)).await.unwrap());
        }
        let settled = transaction_settled(&rows[0], TransactionStatus::Authorized);
        done(store.commit(transaction_settle(&settled)).await.unwrap());
        let returned = [refund(30, rows[1].id), refund(31, rows[1].id)];
        let first = refunded(&rows[1]);
        done(store.commit(refund_create(&returned[0], &first)).await.unwrap());
        done(store.commit(refund_create(&returned[1], &refunded(&first))).await.unwrap());
        let settled = refund_settled(&returned[0], RefundStatus::Processed);
        done(store.commit(refund_settle(&settled)).await.unwrap());
        let account = |n, version| document_put(document(DocumentKind::Account, n, version));
        let changes = [
            account(1, 1),
            account(2, 1),
            account(3, 1),
            document_delete(DocumentKind::Account, id(3), 1),
            account(1, 2),
        ];
        for (change, version) in changes.into_iter().zip(1..) {
            let head = document_put(document(DocumentKind::DocumentHead, 0, version));
            done(store.commit(documents_commit(vec![change, head])).await.unwrap());
        }
        store.close().await.unwrap();
    });
    home
}

#[test]
fn a_sound_store_has_no_findings() {
    let mut examination = furnished().examine();
    assert_eq!(examination.findings, []);
    assert_eq!((examination.sequence, examination.applied, examination.segments), (14, 14, 1));
    assert_eq!((examination.cards, examination.transactions, examination.refunds), (2, 2, 2));
    let mut counts = [0; 5];
    examination.each_card(&mut |_| counts[0] += 1).unwrap();
    examination.each_transaction(&mut |_| counts[1] += 1).unwrap();
    examination.each_history(&mut |row| counts[2] += usize::from(row.tag.bytes == [0x41; 16])).unwrap();
    examination.each_idempotency(&mut |_| counts[3] += 1).unwrap();
    examination.each_refund(&mut |_| counts[4] += 1).unwrap();
    assert_eq!(counts, [2, 2, 5, 1, 2]);
    assert_eq!(examination.documents().unwrap().len(), 3);
}

/// History and documents were not held against the log: a step or a document that was changed in the view was not found.
#[test]
fn every_change_of_the_view_is_found() {
    let cases = [
        (
            "view",
            "UPDATE card SET row = (SELECT row FROM card ORDER BY id DESC) WHERE id = (SELECT min(id) FROM card)",
        ),
        ("view", "DELETE FROM card WHERE id = (SELECT min(id) FROM card)"),
        ("view", "UPDATE payment SET row = (SELECT row FROM payment ORDER BY id DESC)"),
        ("view", "UPDATE refund SET row = (SELECT row FROM refund ORDER BY id DESC)"),
        ("view", "DELETE FROM refund WHERE id = (SELECT max(id) FROM refund)"),
        ("index", "DELETE FROM refund_by_organisation"),
        ("index", "DELETE FROM refund_by_payment WHERE id = (SELECT max(id) FROM refund)"),
        ("index", "DELETE FROM refund_open"),
        ("index", "INSERT INTO refund_open SELECT min(id) FROM refund"),
        ("view", "UPDATE history SET row = (SELECT row FROM history WHERE version = 2)"),
        ("view", "DELETE FROM history WHERE version = 1"),
        ("view", "UPDATE document SET row = (SELECT row FROM document ORDER BY id DESC)"),
        ("view", "DELETE FROM document WHERE id = (SELECT min(id) FROM document)"),
        (
            "view",
            "INSERT INTO document SELECT kind, X'6553f1030000000000000003', 1, row FROM document LIMIT 1",
        ),
        ("view", "DELETE FROM idempotency"),
        ("index", "DELETE FROM card_by_organisation WHERE id = (SELECT min(id) FROM card)"),
        ("index", "DELETE FROM fingerprint_tail WHERE id = (SELECT min(id) FROM card)"),
        ("index", "UPDATE fingerprint_tail SET fingerprint = X'00'"),
        ("index", "DELETE FROM payment_by_organisation"),
        ("index", "DELETE FROM payment_by_card"),
        ("index", "UPDATE payment_by_card SET card = X'00'"),
        ("index", "DELETE FROM payment_by_account"),
        ("index", "UPDATE payment_by_account SET account = X'00'"),
        ("index", "DELETE FROM payment_by_status"),
        ("index", "UPDATE payment_by_status SET status = 0"),
        ("index", "UPDATE payment_by_card SET organisation = X'00'"),
        ("index", "DELETE FROM fingerprint_tail WHERE id = (SELECT max(id) FROM payment)"),
        ("index", "UPDATE fingerprint_tail SET fingerprint = X'00' WHERE id = (SELECT max(id) FROM payment)"),
        ("index", "DELETE FROM refund_by_account"),
        ("index", "UPDATE refund_by_account SET account = X'00'"),
        ("index", "DELETE FROM refund_by_status"),
        ("index", "UPDATE refund_by_status SET status = 0"),
        ("index", "DELETE FROM payment_open"),
        ("index", "INSERT INTO payment_open VALUES (X'00')"),
        ("index", "DELETE FROM history WHERE version = 2"),
        ("index", "INSERT INTO history SELECT X'00', 1, row FROM history WHERE version = 2 LIMIT 1"),
        ("index", "UPDATE tally SET row = CAST(X'ff' || substr(row, 2) AS BLOB)"),
        ("index", "UPDATE tally SET row = CAST(substr(row, 1, 87) || X'ff' AS BLOB)"),
        ("index", "UPDATE tally SET organisation = X'000000000000000000000000'"),
        ("index", "DELETE FROM tally"),
        ("index", "DELETE FROM meta WHERE name = 'tallies'"),
        ("index", "UPDATE meta SET value = 7 WHERE name = 'tallies'"),
        ("audit", "UPDATE chain SET notes = X'' WHERE first_sequence = 4"),
        (
            "audit",
            "UPDATE chain SET notes = (SELECT notes FROM chain WHERE first_sequence = 1) WHERE first_sequence = 2",
        ),
        ("audit", "DELETE FROM chain WHERE first_sequence = 14"),
        ("audit", "UPDATE chain SET effects_digest = (SELECT effects_digest FROM chain LIMIT 1)"),
        ("view", "UPDATE meta SET value = 15 WHERE name = 'applied'"),
    ];
    let whole = furnished();
    let image = whole.image();
    for (part, sql) in cases {
        let home = Home::of(&image);
        let view = rusqlite::Connection::open(home.path().join("view.sqlite")).unwrap();
        view.execute_batch(sql).unwrap();
        assert!(view.changes() > 0, "{sql} changes nothing");
        view.close().unwrap();
        let findings = home.examine().findings;
        assert!(findings.iter().any(|finding| finding.part == part), "{sql}: {findings:?}");
    }
}

#[test]
fn a_look_changes_nothing() {
    let home = furnished();
    let before = home.kept();
    drop(home.examine());
    assert_eq!(home.kept(), before);
}
