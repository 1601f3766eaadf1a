//! The view can be thrown away as far as the log reaches back; one that does not belong to the log is refused.

use panvault_model::VaultId;
use panvault_store::Store;
use panvault_store_embedded::{EmbeddedStore, OpenFault};
use panvault_testkit::conformance::rows::{card, card_changed, chain};
use panvault_testkit::conformance::{card_insert, card_update};

use crate::support::{Home, all_of, block_on, done, settings};

/// Stores cards of these numbers, then stops.
fn insert(home: &Home, numbers: std::ops::Range<u64>) {
    block_on(async {
        let store = home.open();
        for n in numbers {
            done(store.commit(card_insert(&card(n))).await.unwrap());
        }
        store.close().await.unwrap();
    });
}

fn copy(from: &Home, to: &Home, name: &str) {
    std::fs::copy(from.path().join(name), to.path().join(name)).unwrap();
}

/// The refusal, which changed nothing.
fn refused(home: &Home) -> OpenFault {
    let before = home.kept();
    let fault = home.try_open().map(drop).unwrap_err();
    assert_eq!(home.kept(), before, "{fault}");
    fault
}

#[test]
fn a_view_that_is_gone_is_rebuilt() {
    let home = Home::new();
    insert(&home, 10..20);
    let before = block_on(async { all_of(&home.open()).await });
    home.remove_view();
    assert_eq!(block_on(async { all_of(&home.open()).await }), before);
    assert_eq!(home.examine().findings, []);
}

/// SQLite's own log outlived the view that was thrown away, and was taken for the new view's. What a view leaves behind
/// now goes before another is made.
#[test]
fn what_a_view_leaves_behind_goes_with_it() {
    let home = Home::new();
    insert(&home, 10..20);
    let (before, left) = block_on(async {
        let store = home.open();
        let changed = card_changed(&card(10));
        done(store.commit(card_update(&changed)).await.unwrap());
        let before = all_of(&store).await;
        // As a killed process leaves it.
        (
            before,
            ["view.sqlite-wal", "view.sqlite-shm"].map(|name| std::fs::read(home.path().join(name)).unwrap()),
        )
    });
    assert!(!left[0].is_empty(), "there is something to be taken for the new view's");
    home.remove_view();
    for (name, bytes) in ["view.sqlite-wal", "view.sqlite-shm"].into_iter().zip(left) {
        std::fs::write(home.path().join(name), bytes).unwrap();
    }
    assert_eq!(block_on(async { all_of(&home.open()).await }), before);
    assert_eq!(home.examine().findings, []);
}

#[test]
fn a_view_that_is_behind_catches_up() {
    let (home, early) = (Home::new(), Home::empty());
    insert(&home, 10..15);
    copy(&home, &early, "view.sqlite");
    insert(&home, 15..20);
    let before = block_on(async { all_of(&home.open()).await });
    copy(&early, &home, "view.sqlite");
    assert_eq!(block_on(async { all_of(&home.open()).await }), before);
    assert_eq!(home.examine().findings, []);
}

#[test]
fn a_view_from_before_the_log_begins_is_refused() {
    let (home, early) = (Home::new(), Home::empty());
    insert(&home, 10..12);
    copy(&home, &early, "view.sqlite");
    // Enough to roll, so that the first segment goes.
    block_on(async {
        let store = home.open();
        for n in 20..40 {
            let mut row = card(n);
            row.sealed = panvault_model::Sealed::from_bytes(vec![0xc4; 100_000]);
            done(store.commit(card_insert(&row)).await.unwrap());
        }
        store.close().await.unwrap();
    });
    assert!(!home.segments()[0].ends_with("0000000000000001.seg"));
    copy(&early, &home, "view.sqlite");
    let fault = refused(&home);
    assert!(matches!(fault, OpenFault::ViewTooOld { applied: 2, .. }), "{fault:?}");
    home.remove_view();
    let fault = refused(&home);
    assert!(matches!(fault, OpenFault::ViewTooOld { applied: 0, .. }), "{fault:?}");
    assert!(!home.path().join("view.sqlite").exists());
}

#[test]
fn a_view_ahead_of_the_log_is_refused() {
    let (home, ahead) = (Home::new(), Home::empty());
    insert(&home, 10..12);
    let log = home.kept();
    insert(&home, 12..14);
    copy(&home, &ahead, "view.sqlite");
    for (path, bytes) in log {
        std::fs::write(home.path().join(path), bytes).unwrap();
    }
    copy(&ahead, &home, "view.sqlite");
    let fault = refused(&home);
    assert!(matches!(fault, OpenFault::ViewAhead { applied: 4, last: 2 }), "{fault:?}");
}

#[test]
fn a_view_of_another_course_of_the_same_vault_is_refused() {
    let (home, other) = (Home::new(), Home::new());
    insert(&home, 10..14);
    insert(&other, 30..32);
    copy(&other, &home, "view.sqlite");
    let fault = refused(&home);
    assert!(matches!(fault, OpenFault::ViewForeign { sequence: 2 }), "{fault:?}");
}

#[test]
fn what_belongs_to_another_vault_is_refused() {
    let (home, other) = (Home::new(), Home::empty());
    let theirs = VaultId::from_bytes([0x0b; 12]);
    EmbeddedStore::create(other.path(), theirs, chain(theirs).as_ref(), &settings()).unwrap();
    copy(&other, &home, "view.sqlite");
    assert_eq!(
        refused(&home).to_string(),
        "view.sqlite belongs to another vault; restore the file that belongs here"
    );
    home.remove_view();
    copy(&other, &home, "log/0000000000000001.seg");
    let fault = refused(&home);
    assert!(matches!(fault, OpenFault::Foreign { .. }), "{fault:?}");
}

#[test]
fn another_view_and_one_that_is_none_are_refused() {
    let home = Home::new();
    let with_format = |format: u32| {
        let view = rusqlite::Connection::open(home.path().join("view.sqlite")).unwrap();
        view.execute("UPDATE meta SET value = ? WHERE name = 'format'", [format]).unwrap();
        view.close().unwrap();
        refused(&home)
    };
    assert!(matches!(with_format(13), OpenFault::NewerFormat { .. }));
    for format in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] {
        let fault = with_format(format);
        assert!(matches!(fault, OpenFault::OlderFormat { format: found, .. } if found == format), "{fault}");
    }
    std::fs::write(home.path().join("view.sqlite"), b"not a database, and long enough to be read as one")
        .unwrap();
    assert!(matches!(refused(&home), OpenFault::View(_)));
}

/// The bug: a view whose last step was -1 ended the start with a panic, and forged runs of fingerprints were served, to panic one day.
/// Its cure: what is never written so is refused as damage, and nothing is changed.
#[test]
fn a_view_with_what_is_never_written_is_refused() {
    let forged = |change: &str| {
        let home = Home::new();
        insert(&home, 10..14);
        let view = rusqlite::Connection::open(home.path().join("view.sqlite")).unwrap();
        view.execute_batch(change).unwrap();
        view.close().unwrap();
        home
    };
    for change in [
        "UPDATE meta SET value = -1 WHERE name = 'applied'",
        "UPDATE meta SET value = -9223372036854775808 WHERE name = 'applied'",
        "UPDATE chain SET first_sequence = -1 WHERE first_sequence = 1",
        "UPDATE chain SET first_sequence = 9223372036854775807 WHERE first_sequence = 1",
        "INSERT INTO run VALUES (9223372036854775807, 0, NULL)",
        "INSERT INTO run VALUES (0, 0, NULL)",
        "INSERT INTO run VALUES (1, 9223372036854775807, NULL)",
        "INSERT INTO run VALUES (1, -1, NULL)",
        "INSERT INTO run VALUES (1, 'x', NULL)",
        "INSERT INTO run VALUES (1, 0, -7)",
        "INSERT INTO run VALUES (1, 0, 1)",
        "INSERT INTO run VALUES (1, 0, 2); INSERT INTO run VALUES (2, 2, NULL)",
    ] {
        let fault = refused(&forged(change));
        assert!(matches!(fault, OpenFault::ViewDamaged { .. }), "{change}: {fault:?}");
    }
    // The control: runs as they are made.
    let home = forged("INSERT INTO run VALUES (1, 0, 2); INSERT INTO run VALUES (2, 1, NULL)");
    assert!(home.try_open().is_ok());
}

#[test]
fn a_damaged_log_is_refused_where_it_is_damaged() {
    let home = Home::new();
    insert(&home, 10..14);
    let path = home.path().join("log/0000000000000001.seg");
    let good = std::fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[4096 + 100] ^= 1;
    std::fs::write(&path, &bad).unwrap();
    let fault = refused(&home);
    assert!(fault.to_string().contains("segment 1, byte 4096"), "{fault}");

    std::fs::write(&path, &good).unwrap();
    assert_eq!(block_on(async { all_of(&home.open()).await }).cards.len(), 4);
}
