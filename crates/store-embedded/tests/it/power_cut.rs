//! Power cuts: what was not flushed is lost in any part, and every acknowledged step is there.

mod disk;

use std::collections::BTreeMap;
use std::sync::Arc;

use panvault_model::{CardId, Sealed};
use panvault_store::{CardRow, Step, Store};
use panvault_testkit::Dice;
use panvault_testkit::conformance::rows::{card, card_changed};
use panvault_testkit::conformance::{ask, card_delete, card_insert, card_update};

use crate::support::{Home, block_on};
use disk::Disk;

const CUTS: usize = 50;
const LIVES: usize = 5;

/// What each card may be: what was acknowledged last, and what was asked for since.
#[derive(Default)]
struct Expected(BTreeMap<CardId, Vec<Option<CardRow>>>);

impl Expected {
    /// Some steps that are asked for together, each of a card of its own.
    fn steps(&mut self, dice: &mut Dice, next: &mut u64) -> Vec<(CardId, Step)> {
        let mut steps: Vec<(CardId, Step)> = Vec::new();
        for _ in 0..1 + dice.below(5) {
            let there: Vec<CardRow> =
                self.0.values().filter_map(|states| states.last().cloned().flatten()).collect();
            let chosen = dice.pick(&there).filter(|row| steps.iter().all(|(id, _)| *id != row.id));
            let (id, row, step) = match (dice.below(4), chosen) {
                (0, Some(row)) => (row.id, None, Step::CardDelete(card_delete(row))),
                (1, Some(row)) => {
                    let changed = card_changed(row);
                    (row.id, Some(changed.clone()), Step::CardUpdate(card_update(&changed)))
                }
                _ => {
                    *next += 1;
                    let sealed = Sealed::from_bytes(vec![0xc4; dice.below(120_000)]);
                    let row = CardRow { sealed, ..card(*next) };
                    (row.id, Some(row.clone()), Step::CardInsert(card_insert(&row)))
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
}

#[test]
fn every_acknowledged_step_outlives_a_power_cut() {
    // Most of a life is waiting, so some are lived beside each other.
    let rolled: usize = std::thread::scope(|scope| {
        let lives = (0..LIVES).map(|life| {
            let seeds = (life..CUTS).step_by(LIVES);
            scope.spawn(move || seeds.map(|seed| cut(seed as u64)).sum::<usize>())
        });
        let lives: Vec<_> = lives.collect();
        lives.into_iter().map(|life| life.join().unwrap()).sum()
    });
    assert!(rolled > 10, "only {rolled} cuts came after a segment was full");
}

/// One life, one cut, and a look at what is left. Says whether the log had rolled.
fn cut(seed: u64) -> usize {
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let home = Home::new();
    let disk = Disk::of(&home, seed, 3 + dice.below(120));
    let mut expected = Expected::default();
    block_on(async {
        let store = home.open_with(Arc::new(disk.clone())).unwrap();
        let mut next = 10;
        'life: loop {
            let asked: Vec<_> = expected
                .steps(&mut dice, &mut next)
                .into_iter()
                .map(|(id, step)| (id, ask(&store, step)))
                .collect();
            for (id, answer) in asked {
                match answer.await {
                    Ok(answer) => {
                        assert!(answer.is_done());
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
    let rolled = home.segments().len() > 1 || !home.segments()[0].ends_with("0000000000000001.seg");
    block_on(async {
        let store = home.open();
        for (id, states) in &expected.0 {
            let there = store.card_read(*id).await.unwrap().map(|row| CardRow::clone(&row));
            assert!(states.contains(&there), "seed {seed}: card {id} is {there:?}, not one of {states:?}");
        }
        store.close().await.unwrap();
    });
    assert_eq!(home.examine().findings, [], "seed {seed}");
    usize::from(rolled)
}
