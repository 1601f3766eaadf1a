//! Rows that somebody put back, took away or rolled back, long after the log has forgotten them.
//!
//! Doctor held the tables against the log, which reaches back a few minutes, and against each other: a row from an old backup with
//! its entries in every index, or one without any left, agreed with all of it, and "everything agreed". The audit trail knows every
//! row that there ever was; it is now held against the tables.

use panvault_model::{CardId, Sealed, TransactionId, TransactionStatus};
use panvault_store::{Action, CardRow, Commit, DocumentKind, DocumentRow, Store, TransactionRow};
use panvault_testkit::conformance::rows::{
    VAULT, card, card_changed, chain, document, history, id, refund, refunded, transaction,
    transaction_settled,
};
use panvault_testkit::conformance::{
    card_delete, card_insert, card_noted, card_update, document_delete, document_put, documents_commit, note,
    refund_create, transaction_initiate, transaction_settle,
};
use rusqlite::{Connection, params};

use crate::support::{Home, block_on, done};

/// The log speaks of none of: cards 10, 11 (changed), 12 (gone); transactions 20 (settled, refunded, and the refund failed), 21 (open); accounts 1 (changed), 2,
/// 3 (gone).
fn forgotten() -> Home {
    let home = Home::new();
    block_on(async {
        let store = home.open();
        for n in 10..=12 {
            done(store.commit(card_insert(&card(n))).await.unwrap());
        }
        done(store.commit(card_update(&card_changed(&card(11)))).await.unwrap());
        done(store.commit(card_noted(&card(10))).await.unwrap());
        done(store.commit(card_delete(&card(12))).await.unwrap());
        for n in [20, 21] {
            let row = transaction(n, card(10).id);
            done(store.commit(transaction_initiate(&row)).await.unwrap());
        }
        done(store.commit(transaction_settle(&settled())).await.unwrap());
        let with = refunded(&settled());
        done(store.commit(refund_create(&refund(25, with.id), &with)).await.unwrap());
        let without = transaction_settled(&with, TransactionStatus::SettlementCompleted);
        let audit = note(Action::RefundFail, without.id.0);
        done(store.commit(Commit { audit, ..transaction_settle(&without) }).await.unwrap());
        let account = |n, version| document_put(document(DocumentKind::Account, n, version));
        let gone = document_delete(DocumentKind::Account, id(3), 1);
        let changes = [account(1, 1), account(2, 1), account(3, 1), gone, account(1, 2)];
        for (change, version) in changes.into_iter().zip(1..) {
            let head = document_put(document(DocumentKind::DocumentHead, 0, version));
            done(store.commit(documents_commit(vec![change, head])).await.unwrap());
        }
        // Enough to roll on, so that the first segment goes.
        for n in 30..50 {
            let row = CardRow { sealed: Sealed::from_bytes(vec![0xc4; 100_000]), ..card(n) };
            done(store.commit(card_insert(&row)).await.unwrap());
        }
        store.close().await.unwrap();
    });
    assert!(!home.segments()[0].ends_with("0000000000000001.seg"), "the log still knows");
    home
}

fn settled() -> TransactionRow {
    transaction_settled(&transaction(20, card(10).id), TransactionStatus::Authorized)
}

fn run(view: &Connection, sql: &str, id: &[u8; 12]) {
    assert_eq!(view.execute(sql, [id]).unwrap(), 1, "{sql}");
}

fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out);
    out
}

/// A card's row as a view keeps it, such as that of a backup.
fn kept(row: &CardRow) -> Vec<u8> {
    let home = Home::new();
    block_on(async {
        let store = home.open();
        done(store.commit(card_insert(row)).await.unwrap());
        store.close().await.unwrap();
    });
    let view = Connection::open(home.path().join("view.sqlite")).unwrap();
    view.query_row("SELECT row FROM card WHERE id = ?", [row.id.as_bytes()], |row| row.get(0)).unwrap()
}

fn card_put(view: &Connection, row: &CardRow) {
    let (id, organisation) = (row.id.as_bytes(), row.organisation.as_bytes());
    let bytes = kept(row);
    view.execute("INSERT INTO card VALUES (?, ?)", params![id, bytes]).unwrap();
    view.execute("INSERT INTO card_by_organisation VALUES (?, ?)", params![organisation, id]).unwrap();
    let entry = params![id, row.fingerprint.as_bytes()];
    view.execute("INSERT INTO fingerprint_tail VALUES (?, ?)", entry).unwrap();
}

fn card_take(view: &Connection, row: &CardRow) {
    run(view, "DELETE FROM card WHERE id = ?", row.id.as_bytes());
    run(view, "DELETE FROM card_by_organisation WHERE id = ?", row.id.as_bytes());
    run(view, "DELETE FROM fingerprint_tail WHERE id = ?", row.id.as_bytes());
}

/// As docs/record-format.md has it.
fn reference_fingerprint(row: &TransactionRow) -> [u8; 16] {
    let parts = [
        b"reference-fingerprint/1",
        row.organisation.as_bytes().as_slice(),
        row.merchant_reference.as_bytes(),
    ];
    *chain(VAULT).mark(&parts).first_chunk().unwrap()
}

fn transaction_put(view: &Connection, row: &TransactionRow) {
    let (id, organisation) = (row.id.as_bytes(), row.organisation.as_bytes());
    let (bytes, step) = (encoded(|out| row.encode(out)), encoded(|out| history(row).encode(out)));
    view.execute("INSERT INTO payment VALUES (?, ?)", params![id, bytes]).unwrap();
    view.execute("INSERT INTO payment_by_organisation VALUES (?, ?)", params![organisation, id]).unwrap();
    let by_card = params![organisation, row.card.as_bytes(), id];
    view.execute("INSERT INTO payment_by_card VALUES (?, ?, ?)", by_card).unwrap();
    view.execute("INSERT INTO fingerprint_tail VALUES (?, ?)", params![id, reference_fingerprint(row)])
        .unwrap();
    let by_account = params![organisation, row.account.as_bytes(), id];
    view.execute("INSERT INTO payment_by_account VALUES (?, ?, ?)", by_account).unwrap();
    let by_status = params![organisation, row.status.code(), id];
    view.execute("INSERT INTO payment_by_status VALUES (?, ?, ?)", by_status).unwrap();
    view.execute("INSERT INTO history VALUES (?, 1, ?)", params![id, step]).unwrap();
    run(view, "INSERT INTO payment_open VALUES (?)", id);
}

fn transaction_take(view: &Connection, row: &TransactionRow) {
    let id = row.id.as_bytes();
    let indexes = ["by_organisation", "by_card", "by_account", "by_status"].map(|by| format!("payment_{by}"));
    for table in indexes.iter().map(String::as_str).chain(["payment"]) {
        run(view, &format!("DELETE FROM {table} WHERE id = ?"), id);
    }
    run(view, "DELETE FROM fingerprint_tail WHERE id = ?", id);
    view.execute("DELETE FROM history WHERE payment = ?", [id]).unwrap();
    view.execute("DELETE FROM payment_open WHERE id = ?", [id]).unwrap();
}

fn document_restore(view: &Connection, row: &DocumentRow) {
    let (id, bytes) = (row.id.as_bytes(), encoded(|out| row.encode(out)));
    let row = params![row.kind.code(), id, row.version, bytes];
    view.execute("INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?)", row).unwrap();
}

/// What is done to the view, and what doctor says of it.
type Case = (fn(&Connection), &'static str);

const GONE: &str = "is there, and the trail says that it was deleted";
const UNKNOWN: &str = "is there, and the trail does not know it";
const MISSING: &str = "is missing, and the trail does not say that it was deleted";
const OLD: &str = "is not as the last change that the trail tells of left it";

#[test]
fn what_the_log_has_forgotten_the_trail_knows() {
    let home = forgotten();
    assert_eq!(home.examine().findings, []);
    let image = home.image();
    let cases: &[Case] = &[
        (|view| card_put(view, &card(12)), GONE),
        (|view| card_put(view, &card(13)), UNKNOWN),
        (|view| card_take(view, &card(10)), MISSING),
        (
            |view| {
                card_take(view, &card_changed(&card(11)));
                card_put(view, &card(11));
            },
            OLD,
        ),
        (
            |view| {
                let other = encoded(|out| transaction(21, card(10).id).encode(out));
                let sql = "UPDATE payment SET row = ? WHERE id = ?";
                view.execute(sql, params![other, settled().id.as_bytes()]).unwrap();
            },
            "has the row of another",
        ),
        (|view| transaction_take(view, &settled()), MISSING),
        (|view| transaction_take(view, &transaction(21, card(10).id)), MISSING),
        (|view| transaction_put(view, &transaction(22, card(10).id)), UNKNOWN),
        (
            |view| {
                transaction_take(view, &settled());
                transaction_put(view, &transaction(20, card(10).id));
            },
            OLD,
        ),
        (|view| document_restore(view, &document(DocumentKind::Account, 3, 1)), GONE),
        (|view| document_restore(view, &document(DocumentKind::Account, 4, 1)), UNKNOWN),
        (|view| document_restore(view, &document(DocumentKind::Account, 1, 1)), OLD),
        (|view| run(view, "DELETE FROM document WHERE id = ?", id(2).as_bytes()), MISSING),
        (
            |view| run(view, "UPDATE document SET version = 2 WHERE id = ?", id(2).as_bytes()),
            "kept as of another",
        ),
        (
            |view| document_restore(view, &document(DocumentKind::DocumentHead, 0, 4)),
            "the documents are those after 4 changes, and the trail tells of 5",
        ),
        (
            |view| view.execute_batch("INSERT INTO card VALUES (X'00', X'00')").unwrap(),
            "card something is kept under no id",
        ),
    ];
    for (at, (change, expected)) in cases.iter().enumerate() {
        let home = Home::of(&image);
        let view = Connection::open(home.path().join("view.sqlite")).unwrap();
        change(&view);
        view.close().unwrap();
        let findings = home.examine().findings;
        assert!(
            findings.iter().any(|finding| finding.part == "audit" && finding.what.contains(expected)),
            "case {at}, {expected}: {findings:?}"
        );
    }
}

/// What is found is named, and nothing else is but whose rows they are: not even an index disagrees.
#[test]
fn a_finding_names_the_row_and_nothing_else() {
    let home = forgotten();
    let view = Connection::open(home.path().join("view.sqlite")).unwrap();
    card_put(&view, &card(12));
    transaction_take(&view, &settled());
    document_restore(&view, &document(DocumentKind::Account, 3, 1));
    view.close().unwrap();
    let findings = home.examine().findings;
    let said: Vec<&str> = findings.iter().map(|finding| finding.what.as_str()).collect();
    let (gone, back) = (TransactionId(id(20)), CardId(id(12)));
    assert_eq!(
        said,
        [
            format!("organisation {} has other cards than were counted", card(12).organisation),
            format!("organisation {} has other transactions than were counted", settled().organisation),
            format!("document {} {GONE}", id(3)),
            format!("transaction {gone} {MISSING}"),
            format!("card {back} {GONE}"),
        ]
    );
}
