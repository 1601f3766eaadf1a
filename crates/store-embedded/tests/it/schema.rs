//! A view that brings a program of its own: triggers, views, expressions, and tables that are not those that are made.

use panvault_store::{Store, StoreFault};
use panvault_store_embedded::OpenFault;
use panvault_testkit::conformance::card_insert;
use panvault_testkit::conformance::rows::{VAULT, card, chain};

use crate::support::{Home, all_of, block_on, done};

/// Removes a card from the view as soon as it is put there.
const TRIGGER: &str = "CREATE TRIGGER gone AFTER INSERT ON card_by_organisation BEGIN \
                       DELETE FROM card WHERE id = NEW.id; END";

/// A store with two cards, whose view was changed so.
fn forged(change: &str) -> Home {
    let home = Home::new();
    block_on(async {
        let store = home.open();
        for n in 10..12 {
            done(store.commit(card_insert(&card(n))).await.unwrap());
        }
        store.close().await.unwrap();
    });
    execute(&home, change);
    home
}

fn execute(home: &Home, change: &str) {
    let view = rusqlite::Connection::open(home.path().join("view.sqlite")).unwrap();
    view.execute_batch(change).unwrap_or_else(|error| panic!("{change}: {error}"));
    view.close().unwrap();
}

/// The bug: a trigger that somebody had put into the view was run by the server, and an acknowledged card read 404. Its cause: SQLite runs
/// what the schema of a file says, and nobody looked at that schema. Its cure: nothing of a file is run, and a schema that is not
/// exactly the one that is made is refused, by whoever opens the vault and by whoever only looks.
#[test]
fn a_view_with_another_schema_is_refused() {
    let swapped = "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = \
                   (SELECT rootpage FROM sqlite_schema WHERE name = 'payment') WHERE name = 'card'";
    for change in [
        TRIGGER,
        "ALTER TABLE card RENAME TO kept; CREATE VIEW card AS SELECT * FROM kept",
        "CREATE VIEW cards AS SELECT * FROM card",
        "CREATE TABLE card_again (id BLOB)",
        "CREATE INDEX card_row ON card (hex(row))",
        "CREATE UNIQUE INDEX one_card ON card_by_organisation (id)",
        "DROP INDEX idempotency_by_expiry",
        "DROP TABLE node",
        "DROP TABLE node; CREATE TABLE node (id BLOB PRIMARY KEY, row BLOB NOT NULL CHECK (length(row) < 9)) WITHOUT ROWID",
        "ALTER TABLE node ADD COLUMN more GENERATED ALWAYS AS (abs(-9223372036854775807 - length(id)))",
        "CREATE VIRTUAL TABLE words USING fts5 (word)",
        "ANALYZE",
        swapped,
        "PRAGMA user_version = 7",
        "PRAGMA application_id = 7",
        "PRAGMA journal_mode = delete",
        "PRAGMA journal_mode = delete; PRAGMA page_size = 4096; VACUUM; PRAGMA journal_mode = wal",
        "PRAGMA auto_vacuum = full; VACUUM",
    ] {
        let home = forged(change);
        let before = home.kept();
        let fault = home.try_open().map(drop).unwrap_err();
        assert!(matches!(fault, OpenFault::ViewDamaged { .. }), "{change}: {fault:?}");
        assert_eq!(home.kept(), before, "{change}");
        let looked = panvault_store_embedded::examine(home.path(), None, VAULT, chain(VAULT).as_ref());
        assert!(matches!(looked, Err(OpenFault::ViewDamaged { .. })), "{change}");
    }
    // The controls: what an operator may do to the file, and a change that was taken back.
    for change in ["VACUUM", "REINDEX", &format!("{TRIGGER}; DROP TRIGGER gone")] {
        assert!(forged(change).try_open().is_ok(), "{change}");
    }
}

/// One that is put there while the store is open does not run, ends the store with what it has, and is refused from then on.
#[test]
fn a_trigger_in_a_view_in_use_does_not_run() {
    let home = forged("");
    block_on(async {
        let store = home.open();
        execute(&home, "VACUUM");
        done(store.commit(card_insert(&card(12))).await.unwrap());
        assert_eq!(all_of(&store).await.cards.len(), 3, "what changes nothing of the schema is no fault");
        execute(&home, TRIGGER);
        done(store.commit(card_insert(&card(13))).await.unwrap());
        store.stopped().await;
        assert_eq!(store.commit(card_insert(&card(14))).await, Err(StoreFault::Stopped));
    });
    assert!(matches!(home.try_open().map(drop), Err(OpenFault::ViewDamaged { .. })));
    execute(&home, "DROP TRIGGER gone");
    assert_eq!(block_on(async { all_of(&home.open()).await }).cards.len(), 4, "nothing acknowledged is lost");
}
