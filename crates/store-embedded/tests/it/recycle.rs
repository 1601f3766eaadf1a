//! Segments roll, are let go once the view has them, and take what was deleted with them.

use panvault_model::Sealed;
use panvault_store::{CardRow, CustomerRow, Store};
use panvault_testkit::conformance::rows::{card, customer};
use panvault_testkit::conformance::{card_delete, card_insert, customer_insert, customer_update};

use crate::support::{Home, all_of, block_on, done, settings};

fn with(n: u64, sealed: &[u8]) -> CardRow {
    CardRow { sealed: Sealed::from_bytes(sealed), ..card(n) }
}

#[test]
fn segments_that_the_view_has_are_used_again() {
    let home = Home::new();
    block_on(async {
        let store = home.open();
        for n in 0..40 {
            done(store.commit(card_insert(&with(n, &[0xc4; 100_000]))).await.unwrap());
        }
        let mut polls = 0;
        while home.segments().len() > 1 {
            polls += 1;
            assert!(polls < 1_000_000, "old segments stay: {:?}", home.segments());
            tokio::task::yield_now().await;
        }
        let [last] = home.segments().try_into().unwrap();
        assert!(last.ends_with("0000000000000004.seg"), "{}", last.display());
        store.close().await.unwrap();
    });
    let logs: Vec<_> = home.image().into_iter().filter(|(path, _)| path.starts_with("log")).collect();
    assert!(logs.len() <= 1 + settings().spares_max, "a segment and spares");
    assert!(logs.iter().all(|(_, bytes)| bytes.len() == 1 << 20), "all of the one size");
    assert_eq!(block_on(async { all_of(&home.open()).await }).cards.len(), 40);
    assert_eq!(home.examine().findings, []);
}

#[test]
fn a_deleted_card_is_soon_in_no_file() {
    let home = Home::new();
    let (gone, kept) = (b"ciphertext that must not linger", b"ciphertext that must stay where it is");
    block_on(async {
        let store = home.open();
        for (n, sealed) in [(10, gone.as_slice()), (11, kept)] {
            done(store.commit(card_insert(&with(n, sealed))).await.unwrap());
        }
        assert!(!home.holding(gone).is_empty());
        done(store.commit(card_delete(&with(10, gone))).await.unwrap());
        home.until_gone(gone);
        assert!(!home.holding(kept).is_empty(), "the look finds what is there");
    });
}

/// A detail that a change had ended stayed in the log, sealed, until the log was full: only what was deleted as a whole went soon.
#[test]
fn a_detail_that_a_customer_no_longer_has_is_soon_in_no_file() {
    let home = Home::new();
    let (gone, kept) = (b"ciphertext that must not linger", b"ciphertext that must stay where it is");
    let before = CustomerRow { sealed: Sealed::from_bytes(gone.as_slice()), ..customer(10, 1) };
    let sealed = Sealed::from_bytes(kept.as_slice());
    let after = CustomerRow { version: 2, sealed_version: 2, sealed, ..before.clone() };
    block_on(async {
        let store = home.open();
        done(store.commit(customer_insert(&before)).await.unwrap());
        assert!(!home.holding(gone).is_empty());
        done(store.commit(customer_update(&after)).await.unwrap());
        home.until_gone(gone);
        assert!(!home.holding(kept).is_empty(), "the look finds what is there");
    });
}

/// A card that was deleted just before the store stopped stayed in the log until the segment was full: a start did not
/// know of it. It now sees from the log that something has to go.
#[test]
fn a_card_that_was_deleted_before_a_stop_goes_after_the_start() {
    let home = Home::new();
    let row = with(10, b"ciphertext that must not linger");
    block_on(async {
        let store = home.open();
        done(store.commit(card_insert(&row)).await.unwrap());
        done(store.commit(card_delete(&row)).await.unwrap());
    });
    assert!(!home.holding(row.sealed.as_bytes()).is_empty());
    let _store = home.open();
    home.until_gone(row.sealed.as_bytes());
}

/// A commit could be longer than a segment when segments are small, and ran over its end. Half a segment is now its most.
#[test]
fn no_commit_is_longer_than_a_segment() {
    let home = Home::new();
    block_on(async {
        let store = home.open();
        let first = store.commit(card_insert(&card(0)));
        let rest: Vec<_> = (1..60).map(|n| store.commit(card_insert(&with(n, &[0xc4; 60_000])))).collect();
        done(first.await.unwrap());
        for answer in rest {
            done(answer.await.unwrap());
        }
        store.close().await.unwrap();
    });
    for path in home.segments() {
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 1 << 20, "{}", path.display());
    }
    assert_eq!(block_on(async { all_of(&home.open()).await }).cards.len(), 60);
}

#[test]
fn a_step_that_is_too_large_is_refused_alone() {
    let home = Home::new();
    block_on(async {
        let store = home.open();
        let most = (1 << 18) - 1000;
        let before = store.commit(card_insert(&card(10)));
        let large = store.commit(card_insert(&with(11, &vec![0xc4; 1 << 18])));
        let after = store.commit(card_insert(&with(12, &vec![0xc4; most])));
        done(before.await.unwrap());
        assert_eq!(large.await, Err(panvault_store::StoreFault::TooLarge));
        done(after.await.unwrap());
        assert_eq!(store.status().sequence, 2);
        assert_eq!(all_of(&store).await.cards.len(), 2);
    });
}
