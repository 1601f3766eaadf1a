//! The key that chains is replaced while the log is written.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use panvault_model::{NodeId, Sealed};
use panvault_store::{CardRow, Chain, Store};
use panvault_store_embedded::{EmbeddedStore, Examination, OpenFault, examine};
use panvault_testkit::conformance::card_insert;
use panvault_testkit::conformance::rows::{Turning, VAULT, card};

use crate::support::{Home, block_on, done, settings};

/// A directory with an empty store of such a chain.
fn home(chain: &Arc<Turning>) -> Home {
    let home = Home::empty();
    EmbeddedStore::create(home.path(), VAULT, chain.as_ref(), &settings()).unwrap();
    home
}

fn open(home: &Home, chain: &Arc<Turning>) -> Result<EmbeddedStore, OpenFault> {
    EmbeddedStore::open(home.path(), VAULT, Arc::clone(chain) as Arc<dyn Chain>, settings())
}

/// What is kept. SQLite's own memory beside the view is not.
fn image(home: &Home) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut image = home.image();
    image.retain(|path, _| !path.ends_with("view.sqlite-shm"));
    image
}

fn examined(home: &Home, chain: &Turning) -> Examination {
    examine(home.path(), None, VAULT, chain).unwrap()
}

async fn insert(store: &EmbeddedStore, cards: impl Iterator<Item = u64>) {
    for n in cards {
        done(store.commit(card_insert(&card(n))).await.unwrap());
    }
}

/// Enough that the log goes on in another segment, and gives up the one before.
async fn fill(store: &EmbeddedStore, cards: impl Iterator<Item = u64>) {
    for n in cards {
        let row = CardRow { sealed: Sealed::from_bytes(vec![0xc4; 100_000]), ..card(n) };
        done(store.commit(card_insert(&row)).await.unwrap());
    }
}

#[test]
fn a_log_goes_on_under_a_later_key_and_all_of_it_verifies() {
    let chain = Turning::new(VAULT, [1, 1, 1]);
    let home = home(&chain);
    block_on(async {
        let store = open(&home, &chain).unwrap();
        insert(&store, 10..13).await;
        chain.last.store(2, Ordering::Relaxed);
        insert(&store, 13..15).await;
        chain.active.store(2, Ordering::Relaxed);
        insert(&store, 15..18).await;
        store.close().await.unwrap();
    });
    assert_eq!(examined(&home, &chain).findings, []);
    // A start whose header does not say yet which of them is active goes on where the log has come, and not back.
    let behind = Turning::new(VAULT, [1, 1, 2]);
    block_on(async {
        let store = open(&home, &behind).unwrap();
        insert(&store, 18..20).await;
        assert_eq!(store.audit_read(NodeId(VAULT.0), 1, 100).await.unwrap().len(), 10);
        store.close().await.unwrap();
    });
    let only_later = Turning::new(VAULT, [2, 2, 2]);
    let examination = examined(&home, &chain);
    assert_eq!((examination.sequence, examination.findings.len()), (10, 0));
    assert!(open(&home, &only_later).is_err(), "what the key before chained is still there");
}

/// Whoever has the header of before would take the frames under the later key for the torn end of a log, and write over them.
#[test]
fn a_log_of_a_later_key_is_refused_and_left_as_it_is() {
    let chain = Turning::new(VAULT, [1, 1, 2]);
    let home = home(&chain);
    block_on(async {
        let store = open(&home, &chain).unwrap();
        insert(&store, 10..12).await;
        chain.active.store(2, Ordering::Relaxed);
        insert(&store, 12..14).await;
        store.close().await.unwrap();
    });
    let (before, rolled_back) = (image(&home), Turning::new(VAULT, [1, 1, 1]));
    assert!(matches!(open(&home, &rolled_back), Err(OpenFault::LaterKey { key: 2, .. })));
    assert!(image(&home) == before);
    // The same where a whole segment is under it.
    block_on(async {
        let store = open(&home, &chain).unwrap();
        fill(&store, 30..50).await;
        store.close().await.unwrap();
    });
    let before = image(&home);
    assert!(matches!(open(&home, &rolled_back), Err(OpenFault::LaterKey { key: 2, .. })));
    assert!(image(&home) == before);
    assert!(open(&home, &chain).is_ok());
}

/// Who has a key that was replaced makes nothing behind what the next one made.
#[test]
fn a_frame_under_an_earlier_key_does_not_follow() {
    for forged in [1, 2] {
        let chain = Turning::new(VAULT, [1, 2, 2]);
        let home = home(&chain);
        block_on(async {
            let store = open(&home, &chain).unwrap();
            insert(&store, 10..12).await;
            store.close().await.unwrap();
        });
        let stolen = Turning::new(VAULT, [1, 1, 2]);
        stolen.goes_back.store(true, Ordering::Relaxed);
        block_on(async {
            let store = open(&home, &stolen).unwrap();
            insert(&store, 12..12 + forged).await;
            store.close().await.unwrap();
        });
        let refused = open(&home, &chain).map(drop);
        // One is no other than a frame that was torn, but for the view that has it; of two the second gives it away.
        match forged {
            1 => assert!(matches!(refused, Err(OpenFault::ViewAhead { applied: 3, last: 2 })), "{refused:?}"),
            _ => assert!(matches!(refused, Err(OpenFault::Damaged { segment: 1, .. })), "{refused:?}"),
        }
    }
}

/// A key is needed as long as a record is there that it chained, or a segment of the log that a start reads; and then the vault opens without it.
#[test]
fn a_key_is_needed_until_trail_and_log_have_nothing_of_it() {
    let chain = Turning::new(VAULT, [1, 1, 2]);
    let (home, writer) = (home(&chain), NodeId(VAULT.0));
    block_on(async {
        let store = open(&home, &chain).unwrap();
        insert(&store, 10..13).await;
        assert_eq!(store.chain_key(writer, 1).await, Ok(Some(1)));
        assert_eq!(store.chain_key(NodeId::from_bytes([9; 12]), 1).await, Ok(None));
        chain.active.store(2, Ordering::Relaxed);
        insert(&store, 13..16).await;
        assert_eq!(store.chain_key(writer, 4).await, Ok(Some(1)), "the records are still there");
        store.audit_forget(writer, 4).await.unwrap();
        // The log goes on elsewhere, and what it leaves goes with the next checkpoint of the view.
        assert_eq!(store.chain_key(writer, 4).await, Ok(Some(1)), "the first segment is of it");
        let mut n = 30;
        while store.chain_key(writer, 4).await != Ok(Some(2)) {
            fill(&store, n..n + 12).await;
            n += 12;
            assert!(n < 3_000, "the log keeps its first segment");
        }
        store.close().await.unwrap();
    });
    chain.first.store(2, Ordering::Relaxed);
    block_on(async {
        let store = open(&home, &chain).unwrap();
        assert!(store.audit_read(writer, 4, 3).await.unwrap().iter().map(|record| record.place).eq(4..7));
        store.close().await.unwrap();
    });
}
