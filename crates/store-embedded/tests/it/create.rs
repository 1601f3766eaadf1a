use std::os::unix::fs::PermissionsExt;

use panvault_store::Store;
use panvault_store_embedded::{EmbeddedStore, OpenFault};
use panvault_testkit::conformance::card_insert;
use panvault_testkit::conformance::rows::{VAULT, card, chain};

use crate::support::{Home, block_on, done, settings};

fn create(home: &Home) -> Result<(), OpenFault> {
    EmbeddedStore::create(home.path(), VAULT, chain(VAULT).as_ref(), &settings())
}

fn stores(home: &Home) {
    block_on(async {
        let store = home.open();
        done(store.commit(card_insert(&card(10))).await.unwrap());
        assert!(store.card_read(card(10).id).await.unwrap().is_some());
    });
    assert_eq!(home.examine().findings, []);
}

#[test]
fn a_store_is_made_once() {
    let home = Home::empty();
    assert!(matches!(home.try_open().map(drop), Err(OpenFault::Missing { .. })));
    create(&home).unwrap();
    let before = home.kept();
    assert!(matches!(create(&home), Err(OpenFault::Exists { .. })));
    assert_eq!(home.kept(), before);
    stores(&home);
}

#[test]
fn a_missing_directory_is_named() {
    let home = Home::empty();
    let nowhere = home.path().join("nowhere");
    let fault = EmbeddedStore::create(&nowhere, VAULT, chain(VAULT).as_ref(), &settings()).unwrap_err();
    assert!(fault.to_string().contains("nowhere"), "{fault}");
}

#[test]
fn files_are_for_their_owner_only() {
    let home = Home::new();
    let _store = home.open();
    for path in home.image().keys() {
        let mode = std::fs::metadata(home.path().join(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}

/// A crash while a store was made left a part of it that was neither a store, for it did not open, nor nothing, for it
/// could not be made again. The log now gets its name when it is whole, and the view can be made later.
#[test]
fn making_a_store_may_be_cut_off() {
    let whole = Home::new().image();
    for (name, left) in [
        ("an empty log", vec![("log.new/0000000000000001.seg", Vec::new())]),
        ("a log without a header", vec![("log.new/0000000000000001.seg", vec![0; 1 << 20])]),
    ] {
        let home = Home::empty();
        std::fs::create_dir(home.path().join("log.new")).unwrap();
        for (path, bytes) in left {
            std::fs::write(home.path().join(path), bytes).unwrap();
        }
        assert!(matches!(home.try_open().map(drop), Err(OpenFault::Missing { .. })), "{name}");
        create(&home).unwrap();
        assert_eq!(home.image().keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>(), "{name}");
        stores(&home);
    }
    let home = Home::new();
    home.remove_view();
    assert!(matches!(create(&home), Err(OpenFault::Exists { .. })), "a store without a view is a store");
    stores(&home);
}

/// A crash while the view was made left a view without tables, which the next start refused. It is now made under another
/// name, and what is left under that name is made anew.
#[test]
fn making_a_view_may_be_cut_off() {
    let home = Home::new();
    home.remove_view();
    for name in ["view.sqlite.new", "view.sqlite.new-wal", "view.sqlite.new-shm", "view.sqlite.new-journal"] {
        std::fs::write(home.path().join(name), b"a part of it").unwrap();
    }
    stores(&home);
    let names: Vec<_> = home.image().into_keys().collect();
    assert!(!names.iter().any(|path| path.to_string_lossy().contains(".new")), "{names:?}");
}
