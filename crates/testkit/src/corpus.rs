//! The kept corpus of the fuzz targets (`fuzz/corpus/`), run by ordinary tests.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::SeededRandom;

/// Damaged copies of the corpus that a test runs, beside the corpus itself.
pub const MUTATIONS: usize = 20_000;

/// Bytes that an input grows to at most.
const BYTES_MAX: usize = 64 * 1024;

/// Numbers at which lengths and counts go wrong.
const EDGES: [u8; 8] = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff, b'"'];

/// An input of a target, by the name of its file.
pub struct Input {
    /// The name of its file.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// The kept inputs of a target, in the order of their names.
pub fn inputs(target: &str) -> Vec<Input> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let listed = std::fs::read_dir(&directory);
    let mut inputs: Vec<Input> = listed
        .unwrap_or_else(|error| panic!("{} is not there: {error}", directory.display()))
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Input { name, bytes: std::fs::read(&path).unwrap() }
        })
        .collect();
    inputs.sort_by(|one, other| one.name.cmp(&other.name));
    inputs
}

/// Runs a target over its corpus and [`MUTATIONS`] damaged copies of it.
///
/// # Panics
///
/// When the target does, with the input; or when the corpus is worth little: it must have what is taken, what is refused, and no more
/// than fits a head.
pub fn replay(target: &str, run: impl Fn(&[u8]) -> bool) {
    let inputs = inputs(target);
    assert!((5..=100).contains(&inputs.len()), "{target} has {} inputs", inputs.len());
    let mut taken = 0;
    for input in &inputs {
        match alive(&run, &input.bytes) {
            Ok(was_taken) => taken += usize::from(was_taken),
            Err(words) => panic!("{target} fails on {}: {words}", input.name),
        }
    }
    assert!(taken > 0 && taken < inputs.len(), "{target} takes {taken} of {} inputs", inputs.len());
    let seed = 1;
    let mut dice = SeededRandom::new(seed);
    for turn in 0..MUTATIONS {
        let bytes = mutated(&inputs, &mut dice);
        if let Err(words) = alive(&run, &bytes) {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            panic!("{target} fails on mutation {turn} of seed {seed}: {words}; keep it: {hex}");
        }
    }
}

/// What a target said, or the words of its panic.
fn alive(run: &impl Fn(&[u8]) -> bool, bytes: &[u8]) -> Result<bool, String> {
    catch_unwind(AssertUnwindSafe(|| run(bytes))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}

/// A copy of some input with one to four things done to it.
fn mutated(inputs: &[Input], dice: &mut SeededRandom) -> Vec<u8> {
    let mut bytes = dice.pick(inputs).map(|input| input.bytes.clone()).unwrap_or_default();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len());
        let until = at + dice.below(bytes.len() - at + 1).min(64);
        match dice.below(7) {
            0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << dice.below(8)),
            1 => {
                let edge = dice.pick(&EDGES).copied().unwrap_or(0);
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = edge);
            }
            2 => drop(bytes.drain(at..until)),
            3 => {
                let again = bytes.get(at..until).unwrap_or_default().to_vec();
                drop(bytes.splice(at..at, again));
            }
            4 => bytes.truncate(at),
            5 => bytes.insert(at, dice.pick(&EDGES).copied().unwrap_or(0)),
            _ => {
                let other = dice.pick(inputs).map(|input| input.bytes.as_slice()).unwrap_or_default();
                let from = other.get(dice.below(other.len())..).unwrap_or_default();
                let part = from.get(..dice.below(from.len() + 1)).unwrap_or_default();
                drop(bytes.splice(at..until, part.iter().copied()));
            }
        }
        bytes.truncate(BYTES_MAX);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(run: impl Fn(&[u8]) -> bool) -> String {
        let replayed = catch_unwind(AssertUnwindSafe(|| replay("list_query", run)));
        replayed.unwrap_err().downcast_ref::<String>().unwrap().clone()
    }

    /// The controls: a target that panics fails the test, on a kept input and on a damaged one, and so does one that takes all or nothing.
    #[test]
    fn a_target_that_fails_is_found() {
        let first = inputs("list_query").remove(0);
        let said = words(|bytes| {
            assert_ne!(bytes, first.bytes, "the kept one");
            true
        });
        assert!(said.contains(&format!("list_query fails on {}", first.name)), "{said}");
        let kept: Vec<_> = inputs("list_query").into_iter().map(|input| input.bytes).collect();
        let said = words(|bytes| {
            assert!(kept.iter().any(|known| known == bytes), "a new one");
            bytes.len() % 2 == 0
        });
        assert!(said.contains("fails on mutation") && said.contains("a new one"), "{said}");
        assert!(words(|_| true).contains("takes"));
        assert!(words(|_| false).contains("takes"));
    }

    #[test]
    fn the_same_seed_damages_alike() {
        let inputs = inputs("list_query");
        let some = |seed| {
            let mut dice = SeededRandom::new(seed);
            (0..50).map(|_| mutated(&inputs, &mut dice)).collect::<Vec<_>>()
        };
        assert_eq!(some(1), some(1));
        assert_ne!(some(1), some(2));
    }
}
