//! Power cuts: what was not flushed is lost in any part, and every acknowledged step is there.

mod disk;

use std::collections::BTreeMap;
use std::sync::Arc;

use panvault_model::{CardId, Sealed};
use panvault_store::{CardRow, Commit, Store};
use panvault_testkit::SeededRandom;
use panvault_testkit::conformance::rows::{card, card_changed};
use panvault_testkit::conformance::{card_delete, card_insert, card_update};

use crate::support::{Home, block_on, is_done};
use disk::Disk;

const CUTS: usize = 200;
const LIVES: usize = 5;
/// Cuts of a disk that does not flush.
const DEAF_CUTS: u64 = 10;

/// What each card may be: what was acknowledged last, and what was asked for since.
#[derive(Default)]
struct Expected(BTreeMap<CardId, Vec<Option<CardRow>>>);

impl Expected {
    /// Some steps that are asked for together, each of a card of its own.
    fn steps(&mut self, dice: &mut SeededRandom, next: &mut u64) -> Vec<(CardId, Commit)> {
        let mut steps: Vec<(CardId, Commit)> = Vec::new();
        for _ in 0..1 + dice.below(5) {
            let there: Vec<CardRow> =
                self.0.values().filter_map(|states| states.last().cloned().flatten()).collect();
            let chosen = dice.pick(&there).filter(|row| steps.iter().all(|(id, _)| *id != row.id));
            let (id, row, step) = match (dice.below(4), chosen) {
                (0, Some(row)) => (row.id, None, card_delete(row)),
                (1, Some(row)) => {
                    let changed = card_changed(row);
                    (row.id, Some(changed.clone()), card_update(&changed))
                }
                _ => {
                    *next += 1;
                    let sealed = Sealed::from_bytes(vec![0xc4; dice.below(120_000)]);
                    let row = CardRow { sealed, ..card(*next) };
                    (row.id, Some(row.clone()), card_insert(&row))
                }
            };
            self.0.entry(id).or_insert_with(|| vec![None]).push(row);
            steps.push((id, step));
        }
        steps
    }

    fn acknowledged(&mut self, id: CardId) {
        let states = self.0.get_mut(&id).unwrap();
        states.drain(..states.len() - 1);
    }

    /// What is not there, or not as it should be, once the store is open again.
    fn lost_in(&self, home: &Home) -> Option<String> {
        let store = match home.try_open() {
            Ok(store) => store,
            Err(fault) => return Some(format!("it does not open: {fault}")),
        };
        block_on(async {
            for (id, states) in &self.0 {
                let there = store.card_read(*id).await.unwrap().map(|row| CardRow::clone(&row));
                if !states.contains(&there) {
                    return Some(format!("card {id} is {there:?}, not one of {states:?}"));
                }
            }
            store.close().await.unwrap();
            None
        })
    }
}

#[test]
fn every_acknowledged_step_outlives_a_power_cut() {
    // Most of a life is waiting, so some are lived beside each other.
    let rolled: usize = std::thread::scope(|scope| {
        let lives = (0..LIVES).map(|life| {
            let seeds = (life..CUTS).step_by(LIVES);
            let live = |seed| {
                let (home, expected) = cut(seed, Disk::of);
                let rolled =
                    home.segments().len() > 1 || !home.segments()[0].ends_with("0000000000000001.seg");
                assert_eq!(expected.lost_in(&home), None, "seed {seed}");
                assert_eq!(home.examine().findings, [], "seed {seed}");
                usize::from(rolled)
            };
            scope.spawn(move || seeds.map(|seed| live(seed as u64)).sum::<usize>())
        });
        let lives: Vec<_> = lives.collect();
        lives.into_iter().map(|life| life.join().unwrap()).sum()
    });
    assert!(rolled > 60, "only {rolled} cuts came after a segment was full");
}

/// If this found nothing missing, the test above could not fail.
#[test]
fn a_disk_that_does_not_flush_loses_what_was_acknowledged() {
    let lost = |seed| {
        let (home, expected) = cut(seed, Disk::deaf);
        usize::from(expected.lost_in(&home).is_some())
    };
    let losses: usize = (0..DEAF_CUTS).map(lost).sum();
    assert!(losses > 0, "{DEAF_CUTS} cuts of a disk that flushes nothing lost nothing");
}

/// One life and one cut: what is left, and what should be there.
fn cut(seed: u64, disk: impl Fn(&Home, u64, usize) -> Disk) -> (Home, Expected) {
    println!("seed {seed}");
    let mut dice = SeededRandom::new(seed);
    let home = Home::new();
    let disk = disk(&home, seed, 3 + dice.below(120));
    let mut expected = Expected::default();
    block_on(async {
        let store = home.open_with(Arc::new(disk.clone())).unwrap();
        let mut next = 10;
        'life: loop {
            let asked: Vec<_> = expected
                .steps(&mut dice, &mut next)
                .into_iter()
                .map(|(id, step)| (id, store.commit(step)))
                .collect();
            for (id, answer) in asked {
                match answer.await {
                    Ok(answer) => {
                        assert!(is_done(&answer));
                        expected.acknowledged(id);
                    }
                    Err(_) if disk.is_cut() => break 'life,
                    Err(fault) => panic!("seed {seed}: {fault}"),
                }
            }
            // Now and then the store has a rest, in which it lets old segments go.
            while disk.segments() > 3 && !disk.is_cut() {
                tokio::task::yield_now().await;
            }
        }
    });
    disk.leave(&home);
    (home, expected)
}
