//! Rows and entries that somebody puts into the view or takes away, who has no key: counts and lists say damaged, or come from what was
//! counted when it was written.

use panvault_model::{OrganisationId, RefundStatus, TransactionStatus};
use panvault_store::{CardQuery, RefundQuery, RowFault, Store, StoreFault, Totals, TransactionQuery};
use panvault_store_embedded::{EmbeddedStore, OpenFault};
use panvault_testkit::SeededRandom;
use panvault_testkit::conformance::rows::{
    card, card_changed, organisation, refund, refund_settled, refunded, transaction, transaction_settled,
};
use panvault_testkit::conformance::{
    card_delete, card_insert, card_update, refund_create, refund_settle, transaction_initiate,
    transaction_settle,
};

use crate::support::{Home, all_of, block_on, done};

/// A store with five cards of one organisation, and two transactions with a refund each.
fn furnished() -> Home {
    let home = Home::new();
    block_on(async {
        let store = home.open();
        for n in 10..15 {
            done(store.commit(card_insert(&card(n))).await.unwrap());
        }
        let rows = [transaction(20, card(10).id), transaction(21, card(11).id)];
        for (n, row) in (30..).zip(&rows) {
            done(store.commit(transaction_initiate(row)).await.unwrap());
            done(store.commit(refund_create(&refund(n, row.id), &refunded(row))).await.unwrap());
        }
        store.close().await.unwrap();
    });
    home
}

fn open(home: &Home) -> rusqlite::Connection {
    rusqlite::Connection::open(home.path().join("view.sqlite")).unwrap()
}

fn execute(home: &Home, change: &str) {
    let view = open(home);
    view.execute_batch(change).unwrap_or_else(|error| panic!("{change}: {error}"));
    view.close().unwrap();
}

/// Waits until everything that was there at the start was looked at.
async fn patrolled(store: &EmbeddedStore) {
    while !store.status().patrolled {
        tokio::task::yield_now().await;
    }
}

fn ours() -> OrganisationId {
    card(10).organisation
}

/// How many cards, transactions and refunds are counted.
async fn counts(store: &EmbeddedStore) -> [Result<u64, StoreFault>; 3] {
    let whose = vec![ours()];
    let cards = store.card_list(CardQuery::newest(whose.clone(), 0)).await.map(|page| page.total);
    let payments = store.transaction_list(TransactionQuery::newest(whose.clone(), 0)).await;
    let refunds = store.refund_list(RefundQuery::newest(whose, 0)).await;
    [cards, payments.map(|page| page.total), refunds.map(|page| page.total)]
}

/// The bug: `/count` and `X-Total-Count` were read from a table that anybody could change. Its cure: they are counted as rows are
/// written, and what is read at start must bear the vault's tag, as of the step that the view has come to.
#[test]
fn counts_that_were_forged_are_refused_at_start() {
    let early = furnished();
    let late = Home::of(&early.image());
    block_on(async {
        let store = late.open();
        done(store.commit(card_insert(&card(15))).await.unwrap());
        store.close().await.unwrap();
    });
    let rows = |home: &Home| {
        let view = open(home);
        let tag: Vec<u8> =
            view.query_row("SELECT value FROM meta WHERE name = 'tallies'", [], |row| row.get(0)).unwrap();
        let row: (Vec<u8>, Vec<u8>) =
            view.query_row("SELECT * FROM tally LIMIT 1", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        (tag, row)
    };
    let ((early_tag, early_row), (late_tag, late_row)) = (rows(&early), rows(&late));
    assert!(early_tag != late_tag && early_row.1 != late_row.1);
    let refused = |change: &dyn Fn(&rusqlite::Connection)| {
        let home = Home::of(&late.image());
        let view = open(&home);
        change(&view);
        view.close().unwrap();
        let before = home.kept();
        let fault = home.try_open().map(drop).unwrap_err();
        assert!(matches!(fault, OpenFault::ViewDamaged { .. }), "{fault:?}");
        assert_eq!(home.kept(), before);
        assert!(home.examine().findings.iter().any(|finding| finding.part == "index"));
    };
    // An older row and an older tag of this vault, each alone and both.
    let row = |view: &rusqlite::Connection| {
        view.execute("UPDATE tally SET row = ? WHERE organisation = ?", (&early_row.1, &early_row.0))
            .unwrap();
    };
    let tag = |view: &rusqlite::Connection| {
        view.execute("UPDATE meta SET value = ? WHERE name = 'tallies'", [&early_tag]).unwrap();
    };
    refused(&row);
    refused(&tag);
    refused(&|view| {
        row(view);
        tag(view);
    });
    for change in [
        "UPDATE tally SET row = CAST(X'00000000000000ff' || substr(row, 9) AS BLOB)",
        "DELETE FROM tally",
        "INSERT INTO tally SELECT X'000000000000000000000001', row FROM tally LIMIT 1",
        "UPDATE tally SET row = 7",
        "DELETE FROM meta WHERE name = 'tallies'",
    ] {
        refused(&|view| view.execute_batch(change).unwrap());
    }
    assert!(late.try_open().is_ok(), "the control");
}

/// The bug: a removed entry of an index made a list shorter than its count, a foreign one put another's card there, and a deleted card that
/// was put back, or an older row of one, was found by doctor only. Its cure: after each start everything is held against what was
/// counted.
#[test]
fn rows_and_entries_that_were_put_there_or_taken_away_are_found_after_a_start() {
    let another = "INSERT INTO card SELECT X'6553f1000000000000000001', row FROM card LIMIT 1";
    let (cards, payments, refunds) = (0, 1, 2);
    for (change, damaged) in [
        ("DELETE FROM card_by_organisation WHERE id = (SELECT min(id) FROM card)", cards),
        ("DELETE FROM card_by_organisation", cards),
        ("DELETE FROM card WHERE id = (SELECT max(id) FROM card)", cards),
        ("DELETE FROM card", cards),
        (another, cards),
        (
            "INSERT INTO card_by_organisation SELECT organisation, X'00' FROM card_by_organisation LIMIT 1",
            cards,
        ),
        (
            "UPDATE card_by_organisation SET id = X'6553f1000000000000000001' WHERE id = (SELECT min(id) FROM card)",
            cards,
        ),
        ("DELETE FROM refund_by_organisation WHERE id = (SELECT min(id) FROM refund)", refunds),
        ("DELETE FROM refund", refunds),
        ("UPDATE refund SET row = (SELECT row FROM refund ORDER BY id DESC)", refunds),
        ("DELETE FROM payment_by_organisation WHERE id = (SELECT min(id) FROM payment)", payments),
        ("DELETE FROM payment", payments),
        ("UPDATE payment SET row = (SELECT row FROM payment ORDER BY id DESC)", payments),
    ] {
        let home = furnished();
        execute(&home, change);
        block_on(async {
            let store = home.open();
            patrolled(&store).await;
            let mut expected = [Ok(5), Ok(2), Ok(2)];
            expected[damaged] = Err(StoreFault::Damaged { row: None, fault: RowFault::Forged });
            assert_eq!(counts(&store).await, expected, "{change}");
            assert_eq!(store.status().damaged, 1, "{change}");
            // How much there should be is said all the same.
            assert_eq!(
                store.totals().await,
                Ok(Totals { cards: 5, transactions: 2, refunds: 2 }),
                "{change}"
            );
            // What is none of theirs goes on.
            let other = CardQuery::newest(vec![organisation(999)], 10);
            assert_eq!(store.card_list(other).await.unwrap().total, 0);
        });
    }
    let home = furnished();
    block_on(async {
        let store = home.open();
        patrolled(&store).await;
        assert_eq!(counts(&store).await, [Ok(5), Ok(2), Ok(2)], "the control");
        assert_eq!(store.status().damaged, 0);
    });
}

/// A whole good row of before, whose tag is right, and a deleted card with all that belonged to it.
#[test]
fn genuine_rows_of_before_are_found_after_a_start() {
    let home = furnished();
    let before = Home::of(&home.image());
    block_on(async {
        let store = home.open();
        done(store.commit(card_delete(&card(10))).await.unwrap());
        done(store.commit(card_update(&card_changed(&card(11)))).await.unwrap());
        let settled = refunded(&transaction(20, card(10).id));
        let settled = transaction_settled(&settled, TransactionStatus::Authorized);
        done(store.commit(transaction_settle(&settled)).await.unwrap());
        let settled = refund_settled(&refund(30, settled.id), RefundStatus::Processed);
        done(store.commit(refund_settle(&settled)).await.unwrap());
        store.close().await.unwrap();
    });
    let attach = format!("ATTACH '{}' AS b", before.path().join("view.sqlite").display());
    for (change, expected) in [
        (
            "INSERT OR IGNORE INTO card SELECT * FROM b.card; INSERT OR IGNORE INTO card_by_organisation SELECT * FROM \
             b.card_by_organisation; INSERT OR IGNORE INTO fingerprint_tail SELECT * FROM b.fingerprint_tail",
            1,
        ),
        ("INSERT OR IGNORE INTO card SELECT * FROM b.card", 1),
        ("UPDATE card SET row = (SELECT row FROM b.card WHERE b.card.id = card.id)", 1),
        ("UPDATE payment SET row = (SELECT row FROM b.payment WHERE b.payment.id = payment.id)", 1),
        ("UPDATE refund SET row = (SELECT row FROM b.refund WHERE b.refund.id = refund.id)", 1),
        ("SELECT 1", 0),
    ] {
        let copy = Home::of(&home.image());
        execute(&copy, &format!("{attach}; {change}"));
        block_on(async {
            let store = copy.open();
            patrolled(&store).await;
            assert_eq!(store.status().damaged, expected, "{change}");
        });
        assert_eq!(copy.examine().findings.is_empty(), expected == 0, "{change}");
    }
}

/// A page is held against what was counted as soon as it is asked for, also of a store that is in use.
#[test]
fn a_page_says_damaged_before_everything_was_looked_at() {
    let removed = "DELETE FROM card_by_organisation WHERE id = (SELECT min(id) FROM card)";
    let foreign = "INSERT INTO card_by_organisation SELECT X'6553f1670000000000000067', id FROM card LIMIT 1";
    let dangling = "INSERT INTO card_by_organisation SELECT organisation, X'ffffffffffffffffffffffff' FROM \
                    card_by_organisation LIMIT 1";
    let gone = "DELETE FROM card WHERE id = (SELECT max(id) FROM card)";
    for change in [removed, dangling, gone] {
        let home = furnished();
        block_on(async {
            let store = home.open();
            patrolled(&store).await;
            execute(&home, change);
            let page = store.card_list(CardQuery::newest(vec![ours()], 100)).await;
            assert!(matches!(page, Err(StoreFault::Damaged { .. })), "{change}: {page:?}");
            assert_eq!(store.status().damaged, 1, "{change}");
            assert!(counts(&store).await[0].is_err(), "{change}");
        });
    }
    let home = furnished();
    block_on(async {
        let store = home.open();
        execute(&home, foreign);
        let whose = OrganisationId::parse("6553f1670000000000000067").unwrap();
        let page = store.card_list(CardQuery::newest(vec![whose, ours()], 100)).await;
        assert!(matches!(page, Err(StoreFault::Damaged { row: Some(_), .. })), "{page:?}");
        let alone = store.card_list(CardQuery::newest(vec![whose], 100)).await.unwrap();
        assert_eq!((alone.total, alone.rows.len()), (0, 0), "who has none is shown none");
        assert_eq!(store.card_list(CardQuery::newest(vec![ours()], 100)).await.unwrap().total, 5);
    });
}

/// Cards come, change and go while everything is looked at: nothing is found where nothing is wrong, and counts are right at every moment.
#[test]
fn what_changes_meanwhile_is_no_damage() {
    let home = Home::new();
    let mut dice = SeededRandom::new(9);
    let mut there: Vec<u64> = Vec::new();
    for life in 0..6_u64 {
        block_on(async {
            let store = home.open();
            for n in 0..300 {
                let number = 1_000 * (life + 1) + n;
                match dice.below(4) {
                    0 if !there.is_empty() => {
                        let gone = there.swap_remove(dice.below(there.len()));
                        done(store.commit(card_delete(&card(gone))).await.unwrap());
                    }
                    _ => {
                        done(store.commit(card_insert(&card(number))).await.unwrap());
                        there.push(number);
                    }
                }
                if dice.percent(10) {
                    let page = store.card_list(CardQuery::newest(vec![ours()], 1_000)).await.unwrap();
                    assert_eq!((page.total, page.rows.len()), (there.len() as u64, there.len()));
                }
            }
            patrolled(&store).await;
            assert_eq!(store.status().damaged, 0);
            if life % 2 == 0 {
                store.close().await.unwrap();
            }
        });
        assert_eq!(home.examine().findings, []);
    }
    home.remove_view();
    let all = block_on(async { all_of(&home.open()).await });
    assert_eq!(all.cards.len(), there.len());
    assert_eq!(home.examine().findings, []);
}
