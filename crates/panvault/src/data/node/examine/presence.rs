//! Which of the objects that the audit trail tells of are in their tables.
//!
//! Each record of the trail that makes or deletes a card, a transaction or a customer names it, and nobody without a key of the vault can add one or take one away.
//! So the trail says which must be there. Both are read once, whatever their number, and compared as sets by keyed hashes, in so many buckets; of buckets that differ the objects are
//! looked up by name.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::data::node::examine::rows::kind;
use panvault_model::{Id, Timestamp};
use panvault_store::audit_start::{AuditStart, START_BUCKETS};
use panvault_store::{AuditRecord, Chain, Table};
use panvault_vault::{TOLD_TABLES, told_mark, told_of};

/// Buckets of each table, a multiple of [`START_BUCKETS`].
const BUCKETS: usize = 4_096;
/// Objects that are looked up by name at most.
const NAMED_MAX: usize = 1_000_000;

/// Milliseconds after which what was made is in the trail and in its table, wherever clocks differ and however long a commit took.
const SETTLED_MILLIS: u64 = 90_000;

/// Sets of objects, as the rows and the trail have them.
pub(super) struct Presence {
    chain: Arc<dyn Chain>,
    /// What was made later is not looked at: it may be on its way.
    begun: Timestamp,
    rows: BTreeMap<Table, Vec<u128>>,
    trail: BTreeMap<Table, Vec<u128>>,
    /// Made a moment before, and in no set: by name.
    young: Candidates,
    /// What records told that are kept no longer, where there are any: of the objects in a bucket together, and of none by name.
    retired: Option<AuditStart>,
    /// Marks of what was deleted since the beginning: its row may have been read, or not.
    leaving: Vec<(Table, u128)>,
}

/// When an object was made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    Settled,
    Young,
    Later,
}

/// Objects in buckets that differ, by how often the trail has made them more than deleted them; 0 for those that it has deleted.
pub(super) type Candidates = HashMap<(Table, Vec<u8>), i64>;

impl Presence {
    /// Nothing is known yet.
    pub(super) fn new(chain: Arc<dyn Chain>, begun: Timestamp) -> Self {
        let empty = || TOLD_TABLES.map(|table| (table, vec![0; BUCKETS])).into();
        Self {
            chain,
            begun,
            rows: empty(),
            trail: empty(),
            young: Candidates::new(),
            retired: None,
            leaving: Vec::new(),
        }
    }

    /// A row is there.
    pub(super) fn row(&mut self, table: Table, key: &[u8]) {
        let Ok(id) = <[u8; 12]>::try_from(key) else { return };
        let id = Id::from_bytes(id);
        if self.age(id) == Age::Settled
            && let Some((bucket, hash)) = self.place(table, id)
        {
            flip(&mut self.rows, table, bucket, hash);
        }
    }

    /// The trail tells of one that was made, or deleted.
    pub(super) fn record(&mut self, record: &AuditRecord) {
        let (object, Some((table, by))) = (record.note.object, told_of(record.note.action)) else { return };
        match self.age(object) {
            Age::Settled => {
                if let Some((bucket, hash)) = self.place(table, object) {
                    let is_recent = record.note.at.unix_millis().saturating_add(SETTLED_MILLIS)
                        >= self.begun.unix_millis();
                    if by < 0 && is_recent && self.leaving.len() < NAMED_MAX {
                        self.leaving.push((table, hash));
                    }
                    flip(&mut self.trail, table, bucket, hash);
                }
            }
            Age::Young if self.young.len() < NAMED_MAX => {
                *self.young.entry((table, object.as_bytes().to_vec())).or_default() += by;
            }
            Age::Young | Age::Later => {}
        }
    }

    /// Those that were made a moment before.
    pub(super) const fn young(&self) -> &Candidates {
        &self.young
    }

    /// What records told that are kept no longer.
    pub(super) fn retired(&mut self, told: AuditStart) {
        self.retired = (told != AuditStart::default()).then_some(told);
    }

    /// The buckets of a table that differ.
    pub(super) fn differ(&self) -> HashSet<(Table, usize)> {
        if let Some(told) = &self.retired {
            let parts = self.parts(told).into_iter().filter(|(_, _, differs)| *differs != 0);
            let buckets = |part| (part..BUCKETS).step_by(START_BUCKETS);
            return parts
                .flat_map(|(table, part, _)| buckets(part).map(move |bucket| (table, bucket)))
                .collect();
        }
        let of = |table| {
            let (rows, trail) = (self.rows.get(&table), self.trail.get(&table));
            let buckets = rows.into_iter().flatten().zip(trail.into_iter().flatten()).enumerate();
            buckets.filter(|(_, (rows, trail))| rows != trail).map(move |(bucket, _)| (table, bucket))
        };
        TOLD_TABLES.into_iter().flat_map(of).collect()
    }

    /// By how much rows differ from what was told of them, in buckets as large as those of what is told by no record any more.
    fn parts(&self, told: &AuditStart) -> Vec<(Table, usize, u128)> {
        let sum = |sets: &BTreeMap<Table, Vec<u128>>, table, part| {
            let buckets = sets.get(&table).into_iter().flatten();
            buckets.skip(part).step_by(START_BUCKETS).fold(0, |sum, bucket| sum ^ bucket)
        };
        let of = |(number, table): (usize, Table)| {
            (0..START_BUCKETS).map(move |part| {
                let told = told.sum(number, part) ^ sum(&self.trail, table, part);
                (table, part, told ^ sum(&self.rows, table, part))
            })
        };
        TOLD_TABLES.into_iter().enumerate().flat_map(of).collect()
    }

    /// Tables of which rows differ from what was told of them by more than these, and what was deleted meanwhile, account for: of the rest no record has the name any more.
    pub(super) fn unnamed<'k>(&self, named: impl Iterator<Item = (Table, &'k [u8])>) -> Vec<String> {
        let Some(told) = &self.retired else { return Vec::new() };
        let marks = named.filter_map(|(table, key)| {
            let id = Id::from_bytes(key.try_into().ok()?);
            Some((table, told_mark(self.chain.as_ref(), table, id)?))
        });
        let marks: Vec<_> = marks.chain(self.leaving.iter().copied()).collect();
        let open: BTreeSet<_> = self
            .parts(told)
            .into_iter()
            .filter(|part| !is_told(part, &marks))
            .map(|(table, _, _)| table)
            .collect();
        let said = |table: Table| {
            format!(
                "a {} of before {} is gone, or was deleted and is there again; no record of the audit trail that is kept names it",
                kind(table),
                told.at
            )
        };
        open.into_iter().map(said).collect()
    }

    /// Notes an object of a record that is young, or in a bucket that differs. `false` when there are too many.
    pub(super) fn candidate(
        &self,
        differ: &HashSet<(Table, usize)>,
        record: &AuditRecord,
        candidates: &mut Candidates,
    ) -> bool {
        let (object, Some((table, by))) = (record.note.object, told_of(record.note.action)) else {
            return true;
        };
        let is_one = match self.age(object) {
            Age::Settled => {
                self.place(table, object).is_some_and(|(bucket, _)| differ.contains(&(table, bucket)))
            }
            Age::Young => true,
            Age::Later => false,
        };
        if !is_one {
            return true;
        }
        if candidates.len() >= NAMED_MAX {
            return false;
        }
        *candidates.entry((table, object.as_bytes().to_vec())).or_default() += by;
        true
    }

    fn age(&self, id: Id) -> Age {
        let (made, begun) = (id.made_at().unix_millis(), self.begun.unix_millis());
        if made >= begun {
            Age::Later
        } else if made.saturating_add(SETTLED_MILLIS) >= begun {
            Age::Young
        } else {
            Age::Settled
        }
    }

    fn place(&self, table: Table, id: Id) -> Option<(usize, u128)> {
        let mark = told_mark(self.chain.as_ref(), table, id)?;
        Some((usize::try_from(mark % BUCKETS as u128).ok()?, mark))
    }
}

fn flip(sets: &mut BTreeMap<Table, Vec<u128>>, table: Table, bucket: usize, hash: u128) {
    if let Some(bucket) = sets.get_mut(&table).and_then(|buckets| buckets.get_mut(bucket)) {
        *bucket ^= hash;
    }
}

/// Whether some of these marks account for the difference of a part.
fn is_told((table, part, differs): &(Table, usize, u128), marks: &[(Table, u128)]) -> bool {
    let of = |(of, mark): &&(Table, u128)| of == table && *mark % START_BUCKETS as u128 == *part as u128;
    is_made_of(*differs, marks.iter().filter(of).map(|(_, mark)| *mark))
}

/// Whether a sum is the exclusive or of some of these marks.
fn is_made_of(sum: u128, marks: impl Iterator<Item = u128>) -> bool {
    // Of each leading bit one mark, or none.
    let mut basis: Vec<u128> = Vec::new();
    let reduced = |basis: &[u128], mut mark: u128| {
        for of in basis {
            mark = mark.min(mark ^ of);
        }
        mark
    };
    for mark in marks {
        let rest = reduced(&basis, mark);
        if rest != 0 {
            basis.push(rest);
            basis.sort_unstable_by(|one, other| other.cmp(one));
        }
    }
    reduced(&basis, sum) == 0
}

#[cfg(test)]
mod tests {
    use panvault_model::{NodeId, OrganisationId, RequestId};
    use panvault_store::{Action, AuditNote};
    use panvault_testkit::vault_keys;

    use super::*;

    #[test]
    fn a_sum_is_made_of_some_marks_or_of_none_of_them() {
        let marks = [0b1100_u128, 0b1010, 0b0001];
        let cases =
            [(0, true), (0b1100, true), (0b0110, true), (0b0111, true), (0b0100, false), (0b1000, false)];
        for (sum, made) in cases {
            assert_eq!(is_made_of(sum, marks.into_iter()), made, "{sum:b}");
        }
        assert!(!is_made_of(1, core::iter::empty()));
    }

    const BEGUN_MILLIS: u64 = 2_000_000_000_000;

    /// So many cards that each bucket has some.
    fn card(n: u32) -> Id {
        let made_at = u32::try_from(BEGUN_MILLIS / 1000 - 1_000_000).unwrap();
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&made_at.to_be_bytes());
        bytes[8..].copy_from_slice(&n.to_be_bytes());
        Id::from_bytes(bytes)
    }

    fn record(action: Action, object: Id, millis_before: u64) -> AuditRecord {
        let note = AuditNote {
            at: Timestamp::from_unix_millis(BEGUN_MILLIS - millis_before),
            action,
            actor: None,
            organisation: OrganisationId::from_bytes([1; 12]),
            object,
            request: RequestId::from_bytes([2; 12]),
            address: [0; 16],
            outcome: 0,
            counted: None,
        };
        AuditRecord { writer: NodeId::from_bytes([3; 12]), place: 1, note }
    }

    /// A thousand cards that records made which are kept no longer, a hundred of which were deleted since, and the rows that there are.
    fn looked(rows: impl Iterator<Item = u32>, deleted_before: u64) -> Presence {
        let keys = vault_keys(panvault_model::VaultId::from_bytes([9; 12]), 1);
        let chain = crate::data::chain(&keys);
        let mut told = AuditStart::default();
        told.at = Timestamp::from_unix_millis(5);
        (0..1_000).for_each(|n| told.flip(0, told_mark(chain.as_ref(), Table::Card, card(n)).unwrap()));
        let mut presence = Presence::new(chain, Timestamp::from_unix_millis(BEGUN_MILLIS));
        rows.for_each(|n| presence.row(Table::Card, card(n).as_bytes()));
        (0..100).for_each(|n| presence.record(&record(Action::CardDelete, card(n), deleted_before)));
        presence.retired(told);
        presence
    }

    /// A row that no record names any more is missed all the same, and one that came back is found by name.
    #[test]
    fn rows_are_held_against_what_records_told_that_are_gone() {
        let none = core::iter::empty();
        let whole = looked(100..1_000, 1_000_000);
        assert!(whole.differ().is_empty() && whole.unnamed(none.clone()).is_empty());
        let taken_away = looked(101..1_000, 1_000_000);
        assert_eq!(taken_away.differ().len(), BUCKETS / START_BUCKETS);
        let said = taken_away.unnamed(none.clone());
        assert!(said.len() == 1 && said[0].starts_with("a card of before 1970"), "{said:?}");
        let put_back = looked(99..1_000, 1_000_000);
        assert_eq!(put_back.unnamed(none.clone()).len(), 1);
        let key = card(99);
        let named = core::iter::once((Table::Card, key.as_bytes().as_slice()));
        assert_eq!(put_back.unnamed(named.clone()), Vec::<String>::new(), "it is said by name");
        assert_eq!(taken_away.unnamed(named).len(), 1, "another does not account for it");
        // Deleted while this ran: the row was read before, or was not.
        for first in [50, 100] {
            assert_eq!(looked(first..1_000, 0).unnamed(none.clone()), Vec::<String>::new(), "{first}");
        }
    }
}
