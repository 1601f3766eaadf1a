//! A log in a directory of its own, such as one on another disk.

use std::fs;
use std::path::{Path, PathBuf};

use panvault_model::VaultId;
use panvault_store::Store;
use panvault_store_embedded::{EmbeddedStore, Examination, OpenFault, Settings, examine};
use panvault_testkit::conformance::card_insert;
use panvault_testkit::conformance::rows::{VAULT, card, chain};
use tempfile::TempDir;

use crate::support::{all_of, block_on, done, settings};

/// A directory in which there are two: that of the store, and that of its log.
struct Two(TempDir);

impl Two {
    fn empty() -> Self {
        let two = Self(tempfile::tempdir().unwrap());
        fs::create_dir(two.store()).unwrap();
        two
    }

    /// A store with a card.
    fn new() -> Self {
        let two = Self::empty();
        two.create().unwrap();
        block_on(async {
            let store = two.open().unwrap();
            done(store.commit(card_insert(&card(10))).await.unwrap());
            store.close().await.unwrap();
        });
        two
    }

    fn store(&self) -> PathBuf {
        self.0.path().join("store")
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("other disk")
    }

    fn settings(&self) -> Settings {
        Settings { log_directory: Some(self.log()), ..settings() }
    }

    fn create(&self) -> Result<(), OpenFault> {
        EmbeddedStore::create(&self.store(), VAULT, chain(VAULT).as_ref(), &self.settings())
    }

    fn open(&self) -> Result<EmbeddedStore, OpenFault> {
        EmbeddedStore::open(&self.store(), VAULT, chain(VAULT), self.settings())
    }

    fn refused(&self) -> OpenFault {
        self.open().err().unwrap()
    }

    fn examine(&self) -> Examination {
        examine(&self.store(), Some(&self.log()), VAULT, chain(VAULT).as_ref()).unwrap()
    }
}

fn names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_store_has_its_log_where_it_is_told() {
    let two = Two::new();
    assert!(!two.store().join("log").exists());
    assert!(names(&two.log()).iter().any(|name| name.ends_with(".seg")));
    assert_eq!(two.examine().findings, []);
    // It is the truth there too: the view is made from it.
    fs::remove_file(two.store().join("view.sqlite")).unwrap();
    assert_eq!(block_on(async { all_of(&two.open().unwrap()).await }).cards.len(), 1);
    // And the place that it has without a setting may be named too.
    let inside = two.store().join("log");
    fs::rename(two.log(), &inside).unwrap();
    let settings = Settings { log_directory: Some(inside), ..settings() };
    let store = EmbeddedStore::open(&two.store(), VAULT, chain(VAULT), settings).unwrap();
    assert_eq!(block_on(async { all_of(&store).await }).cards.len(), 1);
}

#[test]
fn what_is_there_already_is_no_place_for_a_log_and_stays() {
    let two = Two::empty();
    fs::create_dir(two.log()).unwrap();
    fs::write(two.log().join("precious"), "somebody's").unwrap();
    assert!(matches!(two.create(), Err(OpenFault::Exists { path }) if path == two.log()));
    assert_eq!(names(&two.log()), ["precious"]);
    assert!(!names(&two.store()).iter().any(|name| name.starts_with("view")));
}

#[test]
fn a_store_that_is_not_made_leaves_no_log_behind() {
    let two = Two::empty();
    fs::create_dir(two.store().join("view.sqlite.new")).unwrap();
    assert!(matches!(two.create(), Err(OpenFault::Io { .. })));
    assert!(!two.log().exists());
    fs::remove_dir(two.store().join("view.sqlite.new")).unwrap();
    two.create().unwrap();
    assert!(two.open().is_ok());
}

/// A disk that is not mounted, a setting that was forgotten, and a log that was copied and not moved: nothing is made anew in place of what
/// is missing, and nothing is guessed.
#[test]
fn a_log_that_is_not_where_it_is_said_to_be_is_refused() {
    let two = Two::new();
    let unset = EmbeddedStore::open(&two.store(), VAULT, chain(VAULT), settings()).err().unwrap();
    assert!(matches!(unset, OpenFault::Missing { .. }), "{unset:?}");
    let away = two.0.path().join("away");
    fs::rename(two.log(), &away).unwrap();
    assert!(matches!(two.refused(), OpenFault::Io { path, .. } if path == two.log()));
    fs::create_dir(two.log()).unwrap();
    assert!(matches!(two.refused(), OpenFault::Damaged { what: "there is no segment", .. }));
    assert_eq!(names(&two.log()), [""; 0]);
    fs::remove_dir(two.log()).unwrap();
    fs::rename(away, two.log()).unwrap();
    fs::create_dir(two.store().join("log")).unwrap();
    assert!(matches!(two.refused(), OpenFault::TwoLogs { .. }));
    let examined = examine(&two.store(), Some(&two.log()), VAULT, chain(VAULT).as_ref());
    assert!(matches!(examined, Err(OpenFault::TwoLogs { .. })));
    fs::remove_dir(two.store().join("log")).unwrap();
    assert!(two.open().is_ok());
}

#[test]
fn the_log_of_another_vault_is_refused() {
    let (two, other) = (Two::new(), Two::empty());
    let stranger = VaultId::from_bytes([9; 12]);
    EmbeddedStore::create(&other.store(), stranger, chain(stranger).as_ref(), &other.settings()).unwrap();
    fs::rename(two.log(), two.0.path().join("away")).unwrap();
    fs::rename(other.log(), two.log()).unwrap();
    assert!(matches!(two.refused(), OpenFault::Foreign { .. }));
}

/// Two stores that share a log would each take the other's steps for damage, or write over them. The log has a lock of its own.
#[test]
fn a_log_belongs_to_one_store_at_a_time() {
    let two = Two::new();
    let store = two.open().unwrap();
    let copy = two.0.path().join("copy");
    fs::create_dir(&copy).unwrap();
    fs::copy(two.store().join("view.sqlite"), copy.join("view.sqlite")).unwrap();
    let second = EmbeddedStore::open(&copy, VAULT, chain(VAULT), two.settings());
    assert!(matches!(second, Err(OpenFault::InUse { .. })));
    drop(store);
    assert!(two.open().is_ok());
}
