//! Segments become coarser: of all numbers that begin with the same leading digits, what all of them have in common stands. What is kept
//! of a card depends on nothing else, so no list can tell of digits behind those that may be shown.

use std::collections::HashMap;

use crate::file::{Facts, Segment};

/// What comes of merging.
pub(super) struct Merged {
    /// Sorted, apart from each other, on the scale of the merged numbers.
    pub(super) segments: Vec<Segment>,
    /// The merged numbers of which something became unknown, since it is not the same of all that begin so. Sorted.
    pub(super) contradicted: Vec<u64>,
}

/// The facts of one merged number while its parts come in.
struct Cell {
    number: u64,
    /// Numbers of the finer scale that have come.
    covered: u64,
    facts: Facts,
    contradicted: bool,
}

/// Merges numbers that are alike but for what `unit`, a power of ten, divides away. `facts` gets what is new.
pub(super) fn merge(segments: &[Segment], unit: u64, facts: &mut Vec<Facts>) -> Merged {
    let known = facts.iter().copied().zip(0..).collect();
    let mut merging =
        Merging { unit, facts, known, segments: Vec::new(), contradicted: Vec::new(), cell: None };
    for segment in segments {
        merging.take(*segment);
    }
    merging.end_cell();
    Merged { segments: merging.segments, contradicted: merging.contradicted }
}

struct Merging<'a> {
    unit: u64,
    facts: &'a mut Vec<Facts>,
    known: HashMap<Facts, u32>,
    segments: Vec<Segment>,
    contradicted: Vec<u64>,
    cell: Option<Cell>,
}

impl Merging<'_> {
    fn take(&mut self, segment: Segment) {
        let Segment { start, end, facts } = segment;
        let (first, last) = (start / self.unit, end / self.unit);
        let starts_within = start % self.unit != 0;
        let ends_within = end % self.unit != self.unit - 1;
        if starts_within || (ends_within && first == last) {
            let until = end.min((first + 1) * self.unit - 1);
            self.part(first, until - start + 1, facts);
            if first == last {
                return;
            }
        }
        let (whole_first, whole_behind) = (first + u64::from(starts_within), last + u64::from(!ends_within));
        if whole_first < whole_behind {
            self.end_cell();
            self.push(Segment { start: whole_first, end: whole_behind - 1, facts });
        }
        if ends_within {
            self.part(last, end - last * self.unit + 1, facts);
        }
    }

    /// A part of the numbers that begin so.
    fn part(&mut self, number: u64, count: u64, facts: u32) {
        let facts = self.facts.get(facts as usize).copied().unwrap_or_default();
        match &mut self.cell {
            Some(cell) if cell.number == number => {
                cell.keep_equal(facts);
                cell.covered += count;
            }
            Some(_) | None => {
                self.end_cell();
                self.cell = Some(Cell { number, covered: count, facts, contradicted: false });
            }
        }
    }

    fn end_cell(&mut self) {
        let Some(mut cell) = self.cell.take() else { return };
        if cell.covered < self.unit {
            // Of the others nothing is known.
            cell.keep_equal(Facts::default());
        }
        if cell.contradicted {
            self.contradicted.push(cell.number);
        }
        if cell.facts != Facts::default() {
            let next = u32::try_from(self.facts.len()).unwrap_or(u32::MAX);
            let number = *self.known.entry(cell.facts).or_insert(next);
            if number == next {
                self.facts.push(cell.facts);
            }
            self.push(Segment { start: cell.number, end: cell.number, facts: number });
        }
    }

    /// Neighbours that say the same are one.
    fn push(&mut self, segment: Segment) {
        match self.segments.last_mut() {
            Some(before) if before.end + 1 == segment.start && before.facts == segment.facts => {
                before.end = segment.end;
            }
            Some(_) | None => self.segments.push(segment),
        }
    }
}

impl Cell {
    fn keep_equal(&mut self, other: Facts) {
        let Self { facts, contradicted, .. } = self;
        keep(&mut facts.issuer, other.issuer, contradicted);
        keep(&mut facts.variant, other.variant, contradicted);
        keep(&mut facts.country, other.country, contradicted);
        keep(&mut facts.currency, other.currency, contradicted);
        keep(&mut facts.card_type, other.card_type, contradicted);
    }
}

fn keep<T: PartialEq>(kept: &mut Option<T>, other: Option<T>, contradicted: &mut bool) {
    if *kept != other {
        *contradicted = true;
        *kept = None;
    }
}

/// Leaves out the facts and texts that no segment names any more: what was merged away is not in the file.
pub(super) fn without_unused(segments: &mut [Segment], facts: &mut Vec<Facts>, strings: &mut Vec<String>) {
    let mut numbers = Numbers::new(facts.len());
    segments.iter().for_each(|segment| numbers.used(segment.facts));
    let kept_facts = numbers.renumber();
    segments.iter_mut().for_each(|segment| segment.facts = numbers.of(segment.facts));
    *facts = kept_facts.filter_map(|at| facts.get(at).copied()).collect();
    let mut numbers = Numbers::new(strings.len());
    let texts = |facts: &Facts| [facts.issuer, facts.variant];
    facts.iter().flat_map(texts).flatten().for_each(|text| numbers.used(text));
    let kept_strings = numbers.renumber();
    for facts in facts.iter_mut() {
        facts.issuer = facts.issuer.map(|text| numbers.of(text));
        facts.variant = facts.variant.map(|text| numbers.of(text));
    }
    *strings = kept_strings.filter_map(|at| strings.get_mut(at).map(core::mem::take)).collect();
}

/// Which of so many are used, and then what their numbers are without the others.
struct Numbers(Vec<Option<u32>>);

impl Numbers {
    fn new(count: usize) -> Self {
        Self(vec![None; count])
    }

    fn used(&mut self, number: u32) {
        if let Some(used) = self.0.get_mut(number as usize) {
            *used = Some(0);
        }
    }

    /// Numbers the used ones from 0; gives their places of before.
    fn renumber(&mut self) -> std::vec::IntoIter<usize> {
        let used = self.0.iter_mut().enumerate().filter_map(|(at, number)| Some((at, number.as_mut()?)));
        let places: Vec<usize> = used
            .zip(0..)
            .map(|((at, number), next)| {
                *number = next;
                at
            })
            .collect();
        places.into_iter()
    }

    fn of(&self, number: u32) -> u32 {
        self.0.get(number as usize).copied().flatten().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(segments: &[(u64, u64, u32)], facts: &mut Vec<Facts>) -> (Vec<(u64, u64, u32)>, Vec<u64>) {
        let segments: Vec<_> = segments
            .iter()
            .map(|(start, end, facts)| Segment { start: *start, end: *end, facts: *facts })
            .collect();
        let Merged { segments, contradicted } = merge(&segments, 10, facts);
        (segments.iter().map(|segment| (segment.start, segment.end, segment.facts)).collect(), contradicted)
    }

    fn facts() -> Vec<Facts> {
        let facts = |issuer, variant| Facts { issuer: Some(issuer), variant, ..Facts::default() };
        vec![facts(0, Some(5)), facts(1, Some(5)), facts(2, None)]
    }

    #[test]
    fn what_covers_whole_numbers_stays_as_it_is() {
        for (segments, expected) in [
            (vec![], vec![]),
            (vec![(10, 19, 0)], vec![(1, 1, 0)]),
            (vec![(0, 99, 0)], vec![(0, 9, 0)]),
            (vec![(10, 19, 0), (20, 39, 1)], vec![(1, 1, 0), (2, 3, 1)]),
            (vec![(10, 13, 0), (14, 19, 0)], vec![(1, 1, 0)]),
        ] {
            assert_eq!(merged(&segments, &mut facts()), (expected, vec![]), "{segments:?}");
        }
    }

    #[test]
    fn what_is_not_the_same_of_all_becomes_unknown() {
        let mut all = facts();
        let common = Facts { variant: Some(5), ..Facts::default() };
        // Two banks with one product; then a part of which nothing is known; then nothing in common.
        let segments = [(10, 14, 0), (15, 19, 1), (20, 38, 0), (40, 44, 0), (45, 49, 2)];
        assert_eq!(merged(&segments, &mut all), (vec![(1, 1, 3), (2, 2, 0)], vec![1, 3, 4]));
        assert_eq!((all.len(), all[3]), (4, common));
        assert_eq!(merged(&[(5, 34, 0)], &mut facts()), (vec![(1, 2, 0)], vec![0, 3]));
        assert_eq!(merged(&[(5, 6, 0), (7, 7, 1), (8, 41, 2)], &mut facts()), (vec![(1, 3, 2)], vec![0, 4]));
    }

    #[test]
    fn what_is_not_used_is_left_out() {
        let (mut facts, mut strings) = (facts(), ["a", "b", "c", "d", "e", "f"].map(str::to_owned).to_vec());
        let mut segments = [Segment { start: 1, end: 1, facts: 1 }, Segment { start: 3, end: 3, facts: 2 }];
        without_unused(&mut segments, &mut facts, &mut strings);
        assert_eq!(segments.map(|segment| segment.facts), [0, 1]);
        assert_eq!(
            facts.iter().map(|facts| (facts.issuer, facts.variant)).collect::<Vec<_>>(),
            [(Some(0), Some(2)), (Some(1), None)]
        );
        assert_eq!(strings, ["b", "c", "f"]);
    }
}
