use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use panvault_model::Sealed;
use panvault_store::{CardRow, Store, StoreFault};
use panvault_testkit::conformance::rows::card;
use panvault_testkit::conformance::{card_delete, card_insert};

use crate::support::{Home, block_on, done};
use crate::watched::{Call, Watched};

fn large(n: u64) -> CardRow {
    CardRow { sealed: Sealed::from_bytes(vec![0xc4; 200_000]), ..card(n) }
}

/// Files on a disk that may be full, so that nothing new fits.
fn bounded() -> (Arc<Watched>, Arc<AtomicBool>) {
    let full = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&full);
    let files = Watched::new(move |call, thread| {
        if thread == "panvault-spare" && call == Call::Write && seen.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    });
    (files, full)
}

#[test]
fn without_room_reads_go_on_and_writes_resume_by_themselves() {
    let home = Home::new();
    let (files, full) = bounded();
    full.store(true, Ordering::SeqCst);
    block_on(async {
        let store = home.open_with(files).unwrap();
        let mut n = 10;
        let fault = loop {
            match store.card_insert(card_insert(&large(n))).await {
                Ok(outcome) => drop(done(outcome)),
                Err(fault) => break fault,
            }
            n += 1;
        };
        assert_eq!(fault, StoreFault::Full);
        assert_eq!(store.status().fault, Some(StoreFault::Full));
        assert!(n > 12, "the segment that is there is used first");
        for there in 10..n {
            assert_eq!(store.card_read(large(there).id).await.unwrap().as_deref(), Some(&large(there)));
        }
        assert_eq!(store.card_read(large(n).id).await, Ok(None));
        // What still fits is taken.
        done(store.card_insert(card_insert(&card(9))).await.unwrap());
        // What was begun is given back, for others need the room. It comes and goes with every try.
        let spare = home.path().join("log/spare");
        while spare.exists() {
            tokio::task::yield_now().await;
        }
        full.store(false, Ordering::SeqCst);
        while store.card_insert(card_insert(&large(n))).await == Err(StoreFault::Full) {
            tokio::task::yield_now().await;
        }
        assert_eq!(store.status().fault, None);
        assert_eq!(store.card_read(large(n).id).await.unwrap().as_deref(), Some(&large(n)));
        let sequence = store.status().sequence;
        let trail = store.audit_read(1, 100).await.unwrap();
        assert!(
            trail.iter().map(|record| record.sequence).eq(1..=sequence),
            "a step that found no room has a number"
        );
    });
    assert_eq!(home.examine().findings, []);
}

/// A card that was deleted while there was no room for another segment stayed in the log: its segment was to be left only
/// once. That is now tried again.
#[test]
fn what_was_deleted_without_room_goes_when_there_is_room() {
    let home = Home::new();
    let (files, full) = bounded();
    full.store(true, Ordering::SeqCst);
    block_on(async {
        let store = home.open_with(files).unwrap();
        let row = CardRow { sealed: Sealed::from_bytes(*b"ciphertext that must not linger"), ..card(10) };
        done(store.card_insert(card_insert(&row)).await.unwrap());
        done(store.card_delete(card_delete(&row)).await.unwrap());
        while store.status().behind > 0 || store.status().fault != Some(StoreFault::Full) {
            tokio::task::yield_now().await;
        }
        assert!(!home.holding(row.sealed.as_bytes()).is_empty());
        // The applier has folded the view and asked for another segment, and the writer has found no room for it.
        let view_log = home.path().join("view.sqlite-wal");
        while std::fs::metadata(&view_log).unwrap().len() > 0 {
            tokio::task::yield_now().await;
        }
        for n in [11, 12] {
            done(store.card_insert(card_insert(&card(n))).await.unwrap());
        }
        full.store(false, Ordering::SeqCst);
        home.until_gone(row.sealed.as_bytes());
    });
}
