//! Which changes come to a disk before its power is cut, of those that no flush covers.

use std::collections::{BTreeMap, BTreeSet};

use panvault_testkit::SeededRandom;

use super::node::{Change, Place};

/// What a disk does with the changes of a file or a directory.
#[derive(Clone, Copy, Debug)]
enum Comes {
    Nothing,
    Everything,
    FirstHalf,
    LastHalf,
    Any,
    /// In the order of the changes, up to a moment; a write may be torn there.
    Until(u64),
    /// The latest first, back to a moment.
    Since(u64),
}

/// One power cut. It treats all files alike, or each as it falls.
pub(crate) struct SurvivingWrites {
    dice: SeededRandom,
    /// Numbers of all changes that are not durable.
    open: Vec<u64>,
    alike: Option<Comes>,
}

impl SurvivingWrites {
    pub(super) fn new(seed: u64, mut open: Vec<u64>) -> Self {
        open.sort_unstable();
        let mut surviving = Self { dice: SeededRandom::new(seed), open, alike: None };
        if surviving.dice.percent(60) {
            surviving.alike = Some(surviving.falls());
        }
        surviving
    }

    fn falls(&mut self) -> Comes {
        let moment = self.dice.pick(&self.open).copied().unwrap_or(0);
        let all = [
            Comes::Nothing,
            Comes::Everything,
            Comes::FirstHalf,
            Comes::LastHalf,
            Comes::Any,
            Comes::Until(moment),
            Comes::Since(moment),
        ];
        all[self.dice.below(all.len())]
    }

    /// For each change of a file or a directory, whether it comes.
    pub(super) fn which_come(&mut self, changes: &[Change]) -> Vec<bool> {
        let comes = self.alike.unwrap_or_else(|| self.falls());
        if changes.iter().any(|change| matches!(change.place(), Place::Names(_))) {
            self.names(comes, changes)
        } else {
            self.sectors(comes, changes)
        }
    }

    /// A sector holds what was last written to it before it came: of its changes, the first so many come.
    fn sectors(&mut self, comes: Comes, changes: &[Change]) -> Vec<bool> {
        let mut places: BTreeMap<Place<'_>, Vec<u64>> = BTreeMap::new();
        for change in changes {
            places.entry(change.place()).or_default().push(change.number);
        }
        let half = places.len() / 2;
        let mut came: BTreeSet<u64> = BTreeSet::new();
        for (nth, numbers) in places.into_values().enumerate() {
            let count = match comes {
                Comes::Nothing => 0,
                Comes::Everything => numbers.len(),
                Comes::FirstHalf => numbers.len() * usize::from(nth < half),
                Comes::LastHalf => numbers.len() * usize::from(nth >= half),
                Comes::Any => self.dice.below(numbers.len() + 1),
                Comes::Until(moment) => numbers.partition_point(|number| *number < moment),
                Comes::Since(moment) => numbers.len() * usize::from(numbers.last() >= Some(&moment)),
            };
            came.extend(&numbers[..count]);
        }
        changes.iter().map(|change| came.contains(&change.number)).collect()
    }

    /// Names change one without the other, but no change overtakes one of the same name or the same file.
    fn names(&mut self, comes: Comes, changes: &[Change]) -> Vec<bool> {
        let half = changes.len() / 2;
        let (mut missing_names, mut missing_nodes) = (BTreeSet::new(), BTreeSet::new());
        let mut which = Vec::with_capacity(changes.len());
        for (nth, change) in changes.iter().enumerate() {
            let Place::Names(names) = change.place() else { panic!("a directory has names only") };
            let lucky = match comes {
                Comes::Nothing => false,
                Comes::Everything => true,
                Comes::FirstHalf => nth < half,
                Comes::LastHalf => nth >= half,
                Comes::Any => self.dice.percent(50),
                Comes::Until(moment) => change.number < moment,
                Comes::Since(moment) => change.number >= moment,
            };
            let held_up = names.iter().any(|(name, node)| {
                missing_names.contains(name) || node.is_some_and(|node| missing_nodes.contains(&node))
            });
            if !lucky || held_up {
                missing_names.extend(names.iter().map(|(name, _)| name));
                missing_nodes.extend(names.iter().filter_map(|(_, node)| *node));
            }
            which.push(lucky && !held_up);
        }
        which
    }
}
