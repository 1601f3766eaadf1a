//! The view is copied while the store is open, and a store is made of the copy.

use panvault_directory::Directory;
use panvault_store::Store;
use panvault_store_embedded::{CopyFault, EmbeddedStore, examine_copy};
use panvault_testkit::conformance::rows::{VAULT, card, chain};
use panvault_testkit::conformance::{card_delete, card_insert};

use crate::support::{Home, all_of, block_on, done, led, settings};

/// Copies the view of a store into a new directory.
async fn copied(store: &EmbeddedStore, to: &Home) -> u64 {
    let directory = Directory::open(to.path()).unwrap();
    store.view_copy(&directory).await.unwrap().end.sequence
}

fn findings(home: &Home) -> Vec<String> {
    let found = examine_copy(home.path(), VAULT, chain(VAULT).as_ref()).unwrap();
    found.findings.iter().map(|finding| format!("{}: {}", finding.part, finding.what)).collect()
}

#[test]
fn a_copy_has_all_that_was_answered_before_it_was_asked_for_and_becomes_a_store() {
    let (home, copy) = (Home::new(), Home::empty());
    block_on(async {
        let store = home.open();
        for n in 0..100 {
            done(store.commit(card_insert(&card(n))).await.unwrap());
        }
        done(store.commit(card_delete(&card(5))).await.unwrap());
        let sequence = copied(&store, &copy).await;
        assert_eq!(sequence, 101);
        let had = all_of(&store).await;
        done(store.commit(card_insert(&card(200))).await.unwrap());
        assert_eq!(findings(&copy), [""; 0]);
        let files = std::fs::read_dir(copy.path()).unwrap();
        assert_eq!(files.count(), 1, "nothing is made beside it");
        let made = EmbeddedStore::create_from_copy(copy.path(), VAULT, chain(VAULT).as_ref(), &settings());
        assert_eq!(made.unwrap(), sequence);
        let restored = copy.open();
        assert_eq!(all_of(&restored).await, had);
        assert_eq!(done(restored.commit(card_insert(&card(200))).await.unwrap()), sequence + 1);
    });
    assert_eq!(copy.examine().findings, []);
}

/// Whatever is committed while it is made, a copy is the view as of one commit: every count, index, tag and the chain agree.
#[test]
fn a_copy_that_is_made_while_others_commit_is_as_of_one_commit() {
    let (home, copy) = (Home::new(), Home::empty());
    let sealed = |n| panvault_store::CardRow {
        sealed: panvault_model::Sealed::from_bytes(vec![0xc4; 20_000]),
        ..card(n)
    };
    let copy = led(async move {
        let store = std::sync::Arc::new(home.open());
        for n in 0..300 {
            done(store.commit(card_insert(&sealed(n))).await.unwrap());
        }
        let (theirs, stop) = (std::sync::Arc::clone(&store), std::sync::Arc::new(tokio::sync::Notify::new()));
        let stopped = std::sync::Arc::clone(&stop);
        let writing = tokio::spawn(async move {
            let mut n = 300;
            let stopped = stopped.notified();
            tokio::pin!(stopped);
            loop {
                done(theirs.commit(card_insert(&sealed(n))).await.unwrap());
                done(theirs.commit(card_delete(&sealed(n - 300))).await.unwrap());
                n += 1;
                tokio::select! {
                    biased;
                    () = &mut stopped => return n,
                    () = tokio::task::yield_now() => {}
                }
            }
        });
        let sequence = copied(&store, &copy).await;
        stop.notify_one();
        let written = writing.await.unwrap();
        assert!(sequence >= 300 && written > 300);
        copy
    });
    assert_eq!(findings(&copy), [""; 0]);
}

#[test]
fn a_copy_goes_only_where_there_is_none_and_a_store_is_made_once() {
    let (home, copy) = (Home::new(), Home::empty());
    block_on(async {
        let store = home.open();
        done(store.commit(card_insert(&card(1))).await.unwrap());
        copied(&store, &copy).await;
        let again = store.view_copy(&Directory::open(copy.path()).unwrap()).await;
        assert!(matches!(again, Err(CopyFault::Unusable(_))));
        let make = || EmbeddedStore::create_from_copy(copy.path(), VAULT, chain(VAULT).as_ref(), &settings());
        make().unwrap();
        assert!(make().is_err());
        store.close().await.unwrap();
        let ended = store.view_copy(&Directory::open(Home::empty().path()).unwrap()).await;
        assert!(ended.is_err());
    });
}

/// A page of a copy that is lost is found, as it is in the view. Bytes of a row are held against its tag by whoever has the keys.
#[test]
fn a_copy_without_one_of_its_pages_does_not_verify() {
    let (home, copy) = (Home::new(), Home::empty());
    block_on(async {
        let store = home.open();
        done(store.commit(card_insert(&card(1))).await.unwrap());
        copied(&store, &copy).await;
    });
    let path = copy.path().join("view.sqlite");
    let mut bytes = std::fs::read(&path).unwrap();
    let sealed = card(1).sealed;
    let at = bytes.windows(sealed.as_bytes().len()).position(|part| part == sealed.as_bytes()).unwrap();
    let page = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    bytes[at / page * page..][..page].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let found = examine_copy(copy.path(), VAULT, chain(VAULT).as_ref());
    assert!(found.is_err() || found.is_ok_and(|found| !found.findings.is_empty()));
}
