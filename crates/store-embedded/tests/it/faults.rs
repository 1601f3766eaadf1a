//! Every call that may fail, failing: nothing acknowledged is lost, and nothing half done is seen.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use panvault_model::{Sealed, TransactionStatus};
use panvault_store::{CardRow, Commit, Store, StoreFault};
use panvault_store_embedded::{EmbeddedStore, OpenFault};
use panvault_testkit::conformance::rows::{self, card, card_changed, transaction, transaction_settled};
use panvault_testkit::conformance::{
    Contents, card_delete, card_insert, card_update, transaction_initiate, transaction_settle,
};

use crate::support::{Home, LEADER, all_of, block_on, is_done, led};
use crate::watched::{Call, Watched};

/// A card of which four or five fill a segment.
fn large(n: u64) -> CardRow {
    CardRow { sealed: Sealed::from_bytes(vec![0xc4; 200_000]), ..card(n) }
}

const STEPS: usize = 90;
/// Runs beside each other: most of a run is waiting for the disk.
const LANES: usize = 4;

/// Steps of every kind, over five segments.
fn script() -> Vec<Commit> {
    let paid = transaction(100, large(10).id);
    let declined = transaction_settled(&paid, TransactionStatus::Declined);
    let insert = |n| card_insert(&large(n));
    let mut steps: Vec<Commit> = (10..16).map(insert).collect();
    steps.push(transaction_initiate(&paid));
    steps.push(card_update(&card_changed(&large(11))));
    steps.push(transaction_settle(&declined));
    steps.push(card_delete(&large(12)));
    steps.extend((16..22).map(insert));
    for n in 22.. {
        let (row, paid) = (card(n), transaction(100 + n, card(n).id));
        steps.push(card_insert(&row));
        steps.push(transaction_initiate(&paid));
        steps.push(card_update(&card_changed(&row)));
        let settled = transaction_settled(&paid, TransactionStatus::Declined);
        steps.push(transaction_settle(&settled));
        steps.push(card_delete(&card(n)));
        steps.push(card_insert(&card(n + 1000)));
        if steps.len() >= STEPS {
            break;
        }
    }
    steps
}

/// What a store holds after each number of steps of the script.
fn courses() -> Vec<Contents> {
    block_on(async {
        let memory = rows::memory();
        let mut courses = vec![all_of(&memory).await];
        for step in script() {
            assert!(is_done(&memory.commit(step).await.unwrap()));
            courses.push(all_of(&memory).await);
        }
        courses
    })
}

/// The machine's files, of which one call of a thread fails; and how many calls it made.
fn failing(thread: &'static str, at: usize) -> (Arc<Watched>, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let files = Watched::new(move |_, caller| {
        if caller == thread && counted.fetch_add(1, Ordering::SeqCst) == at {
            return Err(io::Error::other("the disk has failed"));
        }
        Ok(())
    });
    (files, calls)
}

/// Does the script, waiting for room where there is none, and says how many steps were acknowledged.
async fn run(store: &dyn Store) -> (usize, Option<StoreFault>) {
    for (acknowledged, step) in script().into_iter().enumerate() {
        loop {
            match store.commit(step.clone()).await {
                Ok(answer) => {
                    assert!(is_done(&answer));
                    break;
                }
                Err(StoreFault::Full) => tokio::task::yield_now().await,
                Err(fault) => return (acknowledged, Some(fault)),
            }
        }
    }
    (script().len(), None)
}

/// What is there after a start with good files: all that was acknowledged, and of the step after that all or nothing.
fn assert_kept(home: &Home, acknowledged: usize, courses: &[Contents], name: &str) {
    let there = block_on(async { all_of(&home.open()).await });
    let steps = there.audit.len();
    assert!(
        steps == acknowledged || steps == acknowledged + 1,
        "{name}: {steps} steps, {acknowledged} acknowledged"
    );
    assert_eq!(there, courses[steps], "{name}");
    assert_eq!(home.examine().findings, [], "{name}");
}

/// Every call in turn, until there are no more: `run` says whether there was such a call.
fn for_every_call(run: impl Fn(usize) -> bool + Sync) {
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let run = &run;
            scope.spawn(move || (lane..).step_by(LANES).find(|at| !run(*at)));
        }
    });
}

/// Does the script until a call fails, and says how many steps were acknowledged. After a failure nothing more is written.
async fn ended(store: EmbeddedStore, courses: Arc<Vec<Contents>>, name: String) -> usize {
    let (acknowledged, fault) = run(&store).await;
    if fault.is_some() {
        assert_eq!(fault, Some(StoreFault::Stopped), "{name}");
        // The disk works again, and still nothing is taken; what is there is shown.
        let more = store.commit(card_insert(&card(99))).await;
        assert_eq!(more, Err(StoreFault::Stopped), "{name}");
        store.stopped().await;
        assert_eq!(store.status().fault, Some(StoreFault::Stopped), "{name}");
        assert_eq!(store.status().sequence, acknowledged as u64, "{name}");
        assert_eq!(all_of(&store).await, courses[acknowledged], "{name}");
        assert_eq!(store.close().await, Err(StoreFault::Stopped), "{name}");
    }
    acknowledged
}

/// Fails every call in turn of the thread that commits; `go` runs the script. Calls that the script makes at least are given.
fn fails_for_good(
    thread: &'static str,
    calls_min: usize,
    go: impl Fn(EmbeddedStore, Arc<Vec<Contents>>, String) -> usize + Sync,
) {
    let courses = Arc::new(courses());
    for_every_call(|at| {
        let name = format!("call {at} of {thread}");
        let home = Home::new();
        let (files, calls) = failing(thread, at);
        let store = home.open_with(files).unwrap();
        let acknowledged = go(store, Arc::clone(&courses), name.clone());
        assert_kept(&home, acknowledged, &courses, &name);
        if calls.load(Ordering::SeqCst) > at {
            return true;
        }
        assert_eq!(acknowledged, script().len());
        assert!(at >= calls_min, "{at} calls of {thread}");
        false
    });
}

#[test]
fn a_call_of_the_writer_that_fails_ends_writing_for_good() {
    // Each step is a write and a flush, and there are rolls.
    fails_for_good("panvault-writer", 2 * STEPS + 4, |store, courses, name| {
        block_on(ended(store, courses, name))
    });
}

#[test]
fn a_call_of_whoever_brings_a_step_that_fails_ends_writing_for_good() {
    // The first step is the writer's, and so is one that came while it was still at work.
    fails_for_good(LEADER, STEPS, |store, courses, name| led(ended(store, courses, name)));
}

/// A flush that fails ends writing for good, as it does everywhere; after any other call the thread tries again.
#[test]
fn a_call_of_the_spare_thread_that_fails_loses_nothing() {
    let courses = courses();
    let ended = AtomicUsize::new(0);
    for_every_call(|at| {
        let name = format!("call {at} of the spare thread");
        let home = Home::new();
        let calls = Arc::new(AtomicUsize::new(0));
        let flush_failed = Arc::new(AtomicBool::new(false));
        let (counted, flush) = (Arc::clone(&calls), Arc::clone(&flush_failed));
        let files = Watched::new(move |call, caller| {
            if caller == "panvault-spare" && counted.fetch_add(1, Ordering::SeqCst) == at {
                flush.store(matches!(call, Call::Flush | Call::SyncDirectory), Ordering::SeqCst);
                return Err(io::Error::other("the disk has failed"));
            }
            Ok(())
        });
        let acknowledged = block_on(async {
            let store = home.open_with(files).unwrap();
            let (acknowledged, fault) = run(&store).await;
            let closed = store.close().await;
            if flush_failed.load(Ordering::SeqCst) {
                // It may have been the last thing that the thread had to do.
                assert!(matches!(fault, None | Some(StoreFault::Stopped)), "{name}");
                ended.fetch_add(usize::from(fault.is_some()), Ordering::SeqCst);
            } else {
                assert_eq!((acknowledged, fault, closed), (script().len(), None, Ok(())), "{name}");
            }
            acknowledged
        });
        assert_kept(&home, acknowledged, &courses, &name);
        calls.load(Ordering::SeqCst) > at
    });
    assert!(ended.load(Ordering::SeqCst) > 0, "no flush that failed was noticed in time");
}

/// The bug: a flush of SQLite's own log that failed was not looked at, the next one went well, and the log's segments were erased, though
/// a flush proves nothing after one that failed. Its cure: any flush that fails ends writing for good, and nothing is erased.
#[test]
fn a_flush_of_the_view_that_fails_ends_writing_for_good() {
    // The control: without the fault, steps that fill several segments have the first one erased.
    for fails in [true, false] {
        let home = Home::new();
        let failed = Arc::new(AtomicBool::new(!fails));
        let once = Arc::clone(&failed);
        let files = Watched::new(move |call, caller| {
            let is_first =
                caller == "panvault-applier" && call == Call::Flush && !once.swap(true, Ordering::SeqCst);
            if is_first { Err(io::Error::other("the disk has failed")) } else { Ok(()) }
        });
        let first = home.segments().remove(0);
        let acknowledged = block_on(async {
            let store = home.open_with(files).unwrap();
            let mut acknowledged = 0;
            for n in 10..40 {
                match store.commit(card_insert(&large(n))).await {
                    Ok(_) => acknowledged += 1,
                    Err(StoreFault::Full) => tokio::task::yield_now().await,
                    Err(fault) => {
                        assert_eq!(fault, StoreFault::Stopped);
                        break;
                    }
                }
            }
            if fails {
                store.stopped().await;
                assert_eq!(store.status().fault, Some(StoreFault::Stopped));
            }
            assert_eq!(store.close().await.is_err(), fails);
            acknowledged
        });
        assert_eq!(first.exists(), fails, "what the view is mended from stays");
        assert_eq!(block_on(async { all_of(&home.open()).await }).cards.len(), acknowledged);
        assert_eq!(home.examine().findings, []);
    }
}

/// A start took what it had read for durable, carried it into the view and went on from there; after a kill between a write and its
/// flush it was not. It is now flushed before anything else is done, and a start that cannot do so changes nothing.
#[test]
fn a_start_that_cannot_flush_what_it_has_read_is_refused() {
    let home = Home::new();
    block_on(async {
        let store = home.open();
        assert!(is_done(&store.commit(script()[0].clone()).await.unwrap()));
        store.close().await.unwrap();
    });
    home.remove_view();
    let before = home.kept();
    for refused in [Call::Flush, Call::SyncDirectory] {
        let files = Watched::new(move |call, thread| {
            let fails = call == refused && !thread.starts_with("panvault-");
            if fails { Err(io::Error::other("the disk has failed")) } else { Ok(()) }
        });
        assert!(matches!(home.open_with(files), Err(OpenFault::Io { .. })), "{refused:?}");
        assert_eq!(home.kept(), before, "{refused:?}");
    }
    assert_eq!(block_on(async { all_of(&home.open()).await }).cards.len(), 1);
}
