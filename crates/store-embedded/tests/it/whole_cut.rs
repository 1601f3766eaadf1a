//! Power cuts over log and view together.
//!
//! Processes with a real store are recorded, call by call, with `strace`. A replay knows which bytes and names a disk has for
//! certain after each call, and which it may have. From that it makes what a power cut may leave, and the store is opened there.

mod disk;
pub(crate) mod life;
mod line;
mod node;
mod recording;
mod script;
mod surviving;
mod tests;
mod trace;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

use panvault_store::{Commit, Store};
use panvault_store_embedded::{OpenFault, examine};
use panvault_testkit::SeededRandom;
use panvault_testkit::conformance::Contents;
use panvault_testkit::conformance::rows::{VAULT, chain};

use crate::support::{Home, all_of, block_on, is_done};
use disk::{Disk, Image, Skipped};
use recording::Recording;

/// Cuts of each of the two long lives, and of each short one.
const CUTS: [usize; 2] = [180, 30];
/// Cuts of each life on a disk that does not flush, at most; and finds after which there are no more.
const SKIPPED_CUTS: usize = 60;
const FINDS: usize = 3;
/// What is not durable at how many of the cuts at least: the view while it is checkpointed back, SQLite's own log, names of segments,
/// other names.
const REACHED: [(&str, usize); 4] = [("view.sqlite", 30), ("view.sqlite-wal", 150), ("log", 150), ("", 40)];
/// Cuts beside each other: most of one is waiting for the disk.
const LANES: usize = 4;

/// The test that recorded processes begin with.
const RECORDED: &str = "whole_cut::every_acknowledged_step_outlives_a_power_cut_of_log_and_view";
/// One recording for all tests.
static RECORDING: LazyLock<Recording> = LazyLock::new(|| Recording::make(RECORDED));
static STEPS: LazyLock<Vec<Commit>> = LazyLock::new(script::steps);
/// What there is after each number of steps.
static COURSES: LazyLock<Vec<Contents>> = LazyLock::new(|| script::courses(&STEPS));

/// A moment of a life, and what the power cut there does.
#[derive(Clone, Copy, Debug)]
struct Cut {
    life: usize,
    moment: usize,
    seed: u64,
}

/// Cuts of every life, spread over all of it: half of them anywhere, half just before a flush returns.
fn cuts(of_life: impl Fn(usize) -> usize) -> Vec<Cut> {
    life::need_strace();
    let mut cuts = Vec::new();
    for life in 0..RECORDING.lives() {
        let moments = [(0..=RECORDING.events(life)).collect(), RECORDING.flushes(life)];
        let count = of_life(life);
        cuts.extend((0..count).map(|nth| {
            let seed = (life * 100_000 + nth) as u64;
            let moments: &Vec<usize> = &moments[nth % 2];
            let part = SeededRandom::new(!seed).below(moments.len().div_ceil(count));
            let moment = moments[(nth * moments.len() / count + part).min(moments.len() - 1)];
            Cut { life, moment, seed }
        }));
    }
    cuts.sort_by_key(|cut| (cut.life, cut.moment));
    cuts
}

/// Does some cuts, in several lanes.
fn each_cut(cuts: &[Cut], skipped: Skipped, check: impl Fn(Cut, &Disk) + Sync) {
    LazyLock::force(&COURSES);
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let check = &check;
            scope.spawn(move || {
                let ours: Vec<Cut> = cuts.iter().skip(lane).step_by(LANES).copied().collect();
                for life in ours.chunk_by(|one, other| one.life == other.life) {
                    let moments: Vec<usize> = life.iter().map(|cut| cut.moment).collect();
                    let mut next = life.iter();
                    RECORDING
                        .at(life[0].life, &moments, skipped, |_, disk| check(*next.next().unwrap(), disk));
                }
            });
        }
    });
}

/// What is wrong with what a cut left, if anything is.
fn wrong_in(image: &Image, acknowledged: Option<u64>) -> Option<String> {
    let home = Home::empty();
    disk::write(image, home.path());
    let mut opened = life::open(home.path());
    if acknowledged.is_none() && matches!(opened, Err(OpenFault::Missing { .. })) {
        // The power was cut while the store was made: it can be made.
        life::create(home.path()).unwrap();
        opened = life::open(home.path());
    }
    let store = match opened {
        Ok(store) => store,
        Err(fault) => return Some(format!("it does not open: {fault}")),
    };
    let wrong = block_on(async {
        let there = all_of(&store).await;
        let steps = there.audit.len();
        if (steps as u64) < acknowledged.unwrap_or(0) {
            return Some(format!("{steps} steps are there"));
        }
        if there != COURSES[steps] {
            return Some(format!("what is there is not what {steps} steps leave"));
        }
        for step in &STEPS[steps..steps + 2] {
            assert!(is_done(&store.commit(step.clone()).await.unwrap()), "a step after the start");
        }
        store.close().await.unwrap();
        None
    });
    drop(store);
    let examined = examine(home.path(), None, VAULT, chain(VAULT).as_ref()).unwrap();
    wrong.or_else(|| (!examined.findings.is_empty()).then(|| format!("{:?}", examined.findings)))
}

/// Cuts found what follows a kill at the wrong moment. A process that was killed had written a frame, named a segment or taken
/// its name away, and had not flushed that. The next one took what it read for durable: it carried the frame into the view,
/// which a power cut then left ahead of the log; it acknowledged steps in a segment whose name the cut took back; it erased a
/// segment whose old name the cut brought back. A start now flushes what it has read before it goes on.
#[test]
fn every_acknowledged_step_outlives_a_power_cut_of_log_and_view() {
    life::lived();
    #[expect(clippy::disallowed_methods, reason = "how long a test looks is no configuration of the vault")]
    let more: usize = std::env::var("PANVAULT_TEST_SEEDS").ok().map_or(0, |count| count.parse().unwrap());
    let cuts = cuts(|life| CUTS[usize::from(life > 1)] + more);
    assert!(cuts.len() >= 300);
    let (reached, wrong) = ([const { AtomicUsize::new(0) }; 4], Mutex::new(Vec::new()));
    each_cut(&cuts, Skipped::Nothing, |cut, disk| {
        println!("{cut:?}");
        for (count, (path, _)) in reached.iter().zip(REACHED) {
            count.fetch_add(usize::from(disk.is_open(path)), Ordering::Relaxed);
        }
        let image = disk.cut(cut.seed);
        if let Some(what) = wrong_in(&image, disk.acknowledged) {
            // No two recordings are the same, so what was found is kept.
            let kept = tempfile::tempdir().unwrap().keep();
            disk::write(&image, &kept);
            let acknowledged = disk.acknowledged;
            wrong
                .lock()
                .unwrap()
                .push(format!("{cut:?}, {acknowledged:?} acknowledged: {what}; see {}", kept.display()));
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (count, (path, enough)) in reached.into_iter().zip(REACHED) {
        let count = count.into_inner();
        println!("{path:?} was not durable at {count} of {} cuts", cuts.len());
        assert!(count >= enough, "only {count} cuts came when {path:?} was not durable");
    }
}

/// Cuts of a disk that does not flush after which something is wrong.
fn found_on(skipped: Skipped) -> usize {
    let found = AtomicUsize::new(0);
    each_cut(&cuts(|_| SKIPPED_CUTS), skipped, |cut, disk| {
        if found.load(Ordering::Relaxed) >= FINDS {
            return;
        }
        // What is not as it was read before may end a read with a panic: that is a find too.
        let wrong = catch_unwind(AssertUnwindSafe(|| wrong_in(&disk.cut(cut.seed), disk.acknowledged)));
        println!("{skipped:?} {cut:?}, {:?} acknowledged: {wrong:?}", disk.acknowledged);
        found.fetch_add(usize::from(!matches!(wrong, Ok(None))), Ordering::Relaxed);
    });
    found.into_inner()
}

/// If these found nothing, the test above could not fail.
#[test]
fn a_disk_that_does_not_flush_the_log_is_found() {
    assert!(found_on(Skipped::Log) > 0);
}

#[test]
fn a_disk_that_does_not_flush_the_view_is_found() {
    assert!(found_on(Skipped::View) > 0);
}

#[test]
fn a_disk_that_does_not_flush_the_log_of_the_view_is_found() {
    assert!(found_on(Skipped::ViewLog) > 0);
}

#[test]
fn a_disk_that_does_not_flush_names_is_found() {
    assert!(found_on(Skipped::Names) > 0);
}
