//! SQLite's own log of the view: it is bounded, it is durable before anything of the vault's log is given up, and what was deleted leaves it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use panvault_model::Sealed;
use panvault_store::{CardRow, Store};
use panvault_store_embedded::limits::{APPLY_BYTES_MAX, Merging};
use panvault_store_embedded::{EmbeddedStore, Settings};
use panvault_testkit::conformance::rows::{VAULT, card, chain};
use panvault_testkit::conformance::{card_delete, card_insert};

use crate::support::{Home, all_of, block_on, done, settings};
use crate::watched::{Call, Watched};

fn with(n: u64, sealed: &[u8]) -> CardRow {
    CardRow { sealed: Sealed::from_bytes(sealed), ..card(n) }
}

/// A card of which four or five fill a segment.
fn large(n: u64) -> CardRow {
    with(n, &[0xc4; 200_000])
}

fn bytes_of(home: &Path) -> u64 {
    std::fs::metadata(home.join("view.sqlite-wal")).map_or(0, |file| file.len())
}

/// Flushes of the applier: how many it has asked for, and how many it may do; and what the spare thread has renamed.
#[derive(Default)]
struct Gate {
    state: Mutex<Flushes>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default)]
struct Flushes {
    asked: usize,
    allowed: usize,
    given_up: usize,
}

impl Gate {
    fn ask(&self, call: Call, thread: &str) {
        let mut state = self.state.lock().unwrap();
        match (call, thread) {
            (Call::Flush, "panvault-applier") => {
                state.asked += 1;
                let mine = state.asked;
                drop(self.changed.wait_while(state, |state| state.allowed < mine).unwrap());
            }
            (Call::Rename, "panvault-spare") => state.given_up += 1,
            _ => {}
        }
    }

    fn allow(&self, allowed: usize) {
        self.state.lock().unwrap().allowed = allowed;
        self.changed.notify_all();
    }

    fn now(&self) -> Flushes {
        *self.state.lock().unwrap()
    }
}

/// A segment is given up when the view is durable, and that takes two flushes: SQLite's own log before it is copied into the view's file, and
/// that file. While either is still to come the log stays whole, though the view shows all of it.
#[test]
fn a_segment_waits_for_both_flushes_of_the_view() {
    let home = Home::new();
    let gate = Arc::new(Gate::default());
    let asked = Arc::clone(&gate);
    let files = Watched::new(move |call, thread| {
        asked.ask(call, thread);
        Ok(())
    });
    let settings = Settings { view_log_bytes_max: 2 << 20, spares_max: 1, ..settings() };
    let first = home.segments().remove(0);
    let cards = block_on(async {
        let store = EmbeddedStore::open_with(home.path(), VAULT, chain(VAULT), settings, files).unwrap();
        let mut cards = 0;
        for flush in 1..=2 {
            while gate.now().asked < flush {
                done(store.commit(card_insert(&large(cards))).await.unwrap());
                cards += 1;
            }
            // Segments are filled meanwhile, for each of which the spare thread would first do what else it has to.
            for _ in 0..20 {
                done(store.commit(card_insert(&large(cards))).await.unwrap());
                cards += 1;
            }
            let given_up = gate.now().given_up;
            // Whoever waits at the gate would be waited for.
            gate.allow(if given_up == 0 { flush } else { usize::MAX });
            assert_eq!(given_up, 0, "before flush {flush}");
        }
        gate.allow(usize::MAX);
        while first.exists() {
            tokio::task::yield_now().await;
        }
        assert!(gate.now().given_up > 0);
        store.close().await.unwrap();
        cards
    });
    assert_eq!(block_on(async { all_of(&home.open()).await }).cards.len() as u64, cards);
    assert_eq!(home.examine().findings, []);
}

/// Whoever looks at the whole store holds a state of the view, and reads the log beside it: no segment of that goes meanwhile, though the
/// view has all of it durably.
#[test]
fn a_segment_waits_for_whoever_reads_the_view() {
    let home = Home::new();
    let gate = Arc::new(Gate::default());
    let asked = Arc::clone(&gate);
    let files = Watched::new(move |call, thread| {
        asked.ask(call, thread);
        Ok(())
    });
    gate.allow(usize::MAX);
    let store = home.open_with(files).unwrap();
    let reader = rusqlite::Connection::open(home.path().join("view.sqlite")).unwrap();
    block_on(async {
        let mut cards = 0;
        loop {
            for _ in 0..12 {
                done(store.commit(card_insert(&large(cards))).await.unwrap());
                cards += 1;
            }
            while store.status().behind > 0 {
                tokio::task::yield_now().await;
            }
            reader.execute_batch("BEGIN; SELECT count(*) FROM card").unwrap();
            // On a slow machine the store may have rested before that.
            if home.segments().len() > 2 {
                break;
            }
            reader.execute_batch("ROLLBACK").unwrap();
        }
        let (oldest, flushes) = (home.segments().remove(0), gate.now().asked);
        // A checkpoint flushes twice at most, so that two at least were tried.
        while gate.now().asked < flushes + 5 {
            tokio::task::yield_now().await;
        }
        assert!(oldest.exists());
        assert_eq!(home.examine().findings, []);
        reader.execute_batch("ROLLBACK").unwrap();
        while oldest.exists() {
            tokio::task::yield_now().await;
        }
    });
}

/// The bug: with nothing going on, SQLite's own log grew while runs of fingerprints were merged, to twice the view. Its cause: between two
/// slices nobody looked how long it was. Its cure: it is looked at after every commit of the view.
#[test]
fn sqlites_log_stays_short_while_an_idle_store_merges_fingerprints() {
    const BYTES_MAX: u64 = 256 << 10;
    /// Of the commits of a slice.
    const SLICE_BYTES: u64 = 256 << 10;
    let home = Home::new();
    let merging = Merging { tail_rows: 64, runs_per_level: 8, slice_rows: 128 };
    let settings = Settings { view_log_bytes_max: BYTES_MAX, merging, ..settings() };
    block_on(async {
        let store = EmbeddedStore::open(home.path(), VAULT, chain(VAULT), settings).unwrap();
        let mut longest = 0;
        for run in 0..merging.runs_per_level.unsigned_abs() {
            let cards = (0..merging.tail_rows).map(|n| store.commit(card_insert(&card(run * 1000 + n))));
            for answer in cards.collect::<Vec<_>>() {
                done(answer.await.unwrap());
            }
            while store.status().behind > 0 {
                tokio::task::yield_now().await;
            }
        }
        // It is cut to nothing at the end.
        while bytes_of(home.path()) > 0 {
            longest = longest.max(bytes_of(home.path()));
            tokio::task::yield_now().await;
        }
        assert!(longest <= BYTES_MAX + SLICE_BYTES, "{longest}");
        store.close().await.unwrap();
    });
    let view = rusqlite::Connection::open(home.path().join("view.sqlite")).unwrap();
    let runs: i64 = view.query_row("SELECT count(*) FROM run", [], |row| row.get(0)).unwrap();
    assert_eq!(runs, 1, "all runs are merged");
    assert_eq!(home.examine().findings, []);
}

/// The bug: a start that carried a long log into the view had SQLite's own log grow as long as that. Its cause: it was carried back at the
/// end. Its cure: the start too carries so much at a time, and looks.
#[test]
fn sqlites_log_stays_short_while_a_start_rebuilds_the_view() {
    let home = Home::empty();
    let settings = Settings { segment_bytes: 32 << 20, view_log_bytes_max: 1 << 20, ..settings() };
    EmbeddedStore::create(home.path(), VAULT, chain(VAULT).as_ref(), &settings).unwrap();
    let open = || EmbeddedStore::open(home.path(), VAULT, chain(VAULT), settings.clone()).unwrap();
    block_on(async {
        let store = open();
        for n in 0..250 {
            done(store.commit(card_insert(&with(n, &[0xc4; 100_000]))).await.unwrap());
        }
        store.close().await.unwrap();
    });
    home.remove_view();
    let is_open = AtomicBool::new(false);
    let longest = std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut longest = 0;
            while !is_open.load(Ordering::SeqCst) {
                longest = longest.max(bytes_of(home.path()));
                std::thread::yield_now();
            }
            longest
        });
        let store = open();
        is_open.store(true, Ordering::SeqCst);
        assert_eq!(block_on(async { all_of(&store).await }).cards.len(), 250);
        watching.join().unwrap()
    });
    let most = settings.view_log_bytes_max + APPLY_BYTES_MAX * 5 / 4;
    assert!((1 << 20..=most).contains(&longest), "{longest}");
    assert_eq!(home.examine().findings, []);
}

/// The bug: what was deleted stayed in the log for as long as something went on, at a slow pace for hours. Its cause: its segment was left
/// early only by a store that rested. Its cure: it has a time.
#[test]
fn what_was_deleted_leaves_a_store_that_never_rests() {
    /// Far fewer than fill the segment, or are carried back together.
    const CARDS: u64 = 12_000;
    let home = Home::empty();
    let gone = with(10, b"ciphertext that must not linger");
    let settings = Settings { segment_bytes: 8 << 20, deleted_time_max: Duration::ZERO, ..settings() };
    EmbeddedStore::create(home.path(), VAULT, chain(VAULT).as_ref(), &settings).unwrap();
    let segment = home.segments().remove(0);
    block_on(async {
        let store = EmbeddedStore::open(home.path(), VAULT, chain(VAULT), settings).unwrap();
        done(store.commit(card_insert(&gone)).await.unwrap());
        done(store.commit(card_delete(&gone)).await.unwrap());
        let mut next = 11;
        while segment.exists() || segment.with_extension("old").exists() {
            assert!(next < CARDS, "it lingers");
            done(store.commit(card_insert(&card(next))).await.unwrap());
            next += 1;
        }
        assert_eq!(home.holding(gone.sealed.as_bytes()), Vec::<PathBuf>::new());
        assert!(!home.holding(card(11).sealed.as_bytes()).is_empty(), "the look finds what is there");
    });
    assert_eq!(home.examine().findings, []);
}
