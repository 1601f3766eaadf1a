//! Fingerprint → cards. Fingerprints come in random order, and an index in random order would have each new card write a page
//! of its own. So new entries go to a tail in the order of ids; a full tail is sorted into a run; runs are merged into larger
//! ones, a slice at a time. All of it is written front to back. A look-up asks the tail, which is in memory too, and every run; an entry
//! is in exactly one of them.
//!
//! Whose card it is stands in its row: a fingerprint is made with a key of one organisation, so that hardly any is another's.
//!
//! Merchants' references come in random order too where they are random, and one may be that of any number of transactions. So a reference of a
//! transaction has a fingerprint here as well, which its organisation is a part of.

mod tail;

use std::collections::BTreeSet;
use std::sync::Arc;

use panvault_model::{Fingerprint, OrganisationId};
use panvault_store::{Chain, StoreFault, TransactionRow};
use rusqlite::{Connection, OptionalExtension, params};

use crate::limits::{Merging, RUN_LEVEL_MAX, RUN_NUMBER_MAX};
use crate::view::apply;
use crate::view::list::{Entry, ListSource, NewestOf};
use crate::view::read::unreadable;

pub(crate) use tail::Tail;

/// Finds the newest of a fingerprint between two ids in one run.
const LOOK_UP_NEWEST: &str = "SELECT id FROM fingerprint_run WHERE run = ? AND fingerprint = ? AND id >= ? AND id < ? \
     ORDER BY id DESC LIMIT ?";

/// What sets references apart from all else that is marked.
const REFERENCE: &[u8] = b"reference-fingerprint/1";

/// An entry: a fingerprint, and the id of what has it.
pub(crate) type FoundBy = (Fingerprint, [u8; 12]);

/// The fingerprint of a transaction's reference, if it has one.
pub(crate) fn of_reference(chain: &dyn Chain, row: &TransactionRow) -> Option<Fingerprint> {
    let reference = Some(row.merchant_reference.as_str()).filter(|text| !text.is_empty())?;
    Some(reference_fingerprint(chain, row.organisation, reference))
}

/// The fingerprint of a reference in an organisation: so keyed that nobody can make two references with one.
pub(super) fn reference_fingerprint(
    chain: &dyn Chain,
    organisation: OrganisationId,
    reference: &str,
) -> Fingerprint {
    let [first @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
        chain.mark(&[REFERENCE, organisation.as_bytes(), reference.as_bytes()]);
    Fingerprint::from_bytes(first)
}

/// Puts the newest of some fingerprints between two ids, each with whose it is where that is known; one may come twice.
pub(super) fn look_up(
    source: &ListSource<'_>,
    fingerprints: &BTreeSet<(Option<OrganisationId>, Fingerprint)>,
    (first, before): (&[u8], &[u8]),
    newest: &mut NewestOf,
) -> Result<(), StoreFault> {
    // What leaves the tail is in a run before: so the tail comes first, and nothing is missed.
    for (organisation, fingerprint) in fingerprints {
        let ids = source.tail.look_up(fingerprint);
        for id in ids.into_iter().filter(|id| (first..before).contains(&id.as_slice())) {
            newest.put(Entry::maybe(*organisation, id));
        }
    }
    // All runs as of one moment: an entry that is merged meanwhile would be in neither.
    let view = source.view.unchecked_transaction().map_err(unreadable)?;
    let runs = view
        .prepare_cached("SELECT number FROM run")
        .and_then(|mut runs| runs.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>());
    let runs = runs.map_err(unreadable)?;
    let most = i64::try_from(newest.most()).unwrap_or(i64::MAX);
    let mut statement = view.prepare_cached(LOOK_UP_NEWEST).map_err(unreadable)?;
    for (organisation, fingerprint) in fingerprints {
        for run in &runs {
            source.stop.check()?;
            let bounds = params![run, fingerprint.as_bytes(), first, before, most];
            for id in statement.query_map(bounds, |row| row.get(0)).map_err(unreadable)? {
                if !newest.put(Entry::maybe(*organisation, id.map_err(unreadable)?)) {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Adds entries, which come in the order of their ids.
pub(super) fn insert_all(view: &Connection, entries: &[FoundBy]) -> Result<(), rusqlite::Error> {
    apply::insert_all(view, "fingerprint_tail", 2, entries, |insert, at, (fingerprint, id)| {
        insert.raw_bind_parameter(at, id)?;
        insert.raw_bind_parameter(at + 1, fingerprint.as_bytes())
    })
}

/// Removes an entry, wherever it is.
pub(super) fn delete(
    view: &Connection,
    fingerprint: &Fingerprint,
    id: &[u8; 12],
) -> Result<(), rusqlite::Error> {
    let sql = "DELETE FROM fingerprint_tail WHERE id = ? AND fingerprint = ?";
    if view.prepare_cached(sql)?.execute(params![id, fingerprint.as_bytes()])? > 0 {
        return Ok(());
    }
    let sql =
        "DELETE FROM fingerprint_run WHERE run IN (SELECT number FROM run) AND fingerprint = ? AND id = ?";
    view.prepare_cached(sql)?.execute(params![fingerprint.as_bytes(), id]).map(drop)
}

/// Keeps the tail short and the runs few.
pub(crate) struct Fingerprints {
    /// Entries in the tail, deleted ones counted too.
    tail_rows: u64,
    tail: Arc<Tail>,
    merging: Merging,
}

/// One entry of a run, in the order of runs.
type RunEntry = ([u8; 16], [u8; 12]);

impl Fingerprints {
    pub(crate) fn open(view: &Connection, merging: Merging) -> Result<Self, rusqlite::Error> {
        let mut tail = view.prepare("SELECT fingerprint, id FROM fingerprint_tail")?;
        let entries = tail.query_map([], |row| Ok((Fingerprint::from_bytes(row.get(0)?), row.get(1)?)))?;
        let entries: Vec<FoundBy> = entries.collect::<Result<_, _>>()?;
        let mut opened = Self { tail_rows: 0, tail: Arc::default(), merging };
        opened.added(entries);
        Ok(opened)
    }

    /// The tail, for whoever looks up.
    pub(crate) fn tail(&self) -> Arc<Tail> {
        Arc::clone(&self.tail)
    }

    /// These entries were added. To be told before anybody is to find them.
    pub(crate) fn added(&mut self, entries: impl IntoIterator<Item = FoundBy>) {
        self.tail_rows += self.tail.add(entries);
    }

    /// Does one piece of work, of a few ten milliseconds at most, in a commit of its own. `false` when there is none.
    pub(crate) fn tidy(&mut self, view: &Connection) -> Result<bool, rusqlite::Error> {
        let transaction = view.unchecked_transaction()?;
        if self.tail_rows >= self.merging.tail_rows {
            sort_tail(&transaction)?;
            transaction.commit()?;
            self.tail.clear();
            self.tail_rows = 0;
            return Ok(true);
        }
        let worked = if let Some(target) = target(&transaction, self.merging.runs_per_level)? {
            merge_slice(&transaction, target, self.merging.slice_rows)?;
            true
        } else {
            false
        };
        transaction.commit()?;
        Ok(worked)
    }
}

/// Whether runs have numbers and levels that leave room for more, and are merged into one of the next level.
pub(super) fn are_runs_sound(view: &Connection) -> Result<bool, rusqlite::Error> {
    let unsound = "SELECT EXISTS (SELECT 1 FROM run LEFT JOIN run AS target ON target.number = run.into_run \
                   WHERE run.number NOT BETWEEN 1 AND ?1 OR typeof(run.level) <> 'integer' OR run.level NOT BETWEEN 0 AND ?2 \
                   OR run.into_run IS NOT NULL AND target.level IS NOT run.level + 1)";
    view.query_row(unsound, [RUN_NUMBER_MAX, RUN_LEVEL_MAX], |row| row.get::<_, bool>(0))
        .map(|unsound| !unsound)
}

/// Makes the tail a run of the lowest level.
fn sort_tail(view: &Connection) -> Result<(), rusqlite::Error> {
    let run = new_run(view, 0)?;
    // "Or fail" spares a journal of the statement; the transaction is given up either way.
    let sql = "INSERT OR FAIL INTO fingerprint_run SELECT ?, fingerprint, id FROM fingerprint_tail \
               ORDER BY fingerprint, id";
    view.prepare_cached(sql)?.execute([run])?;
    view.prepare_cached("DELETE FROM fingerprint_tail")?.execute([]).map(drop)
}

fn new_run(view: &Connection, level: i64) -> Result<i64, rusqlite::Error> {
    view.prepare_cached("INSERT INTO run (level) VALUES (?)")?.execute([level])?;
    Ok(view.last_insert_rowid())
}

/// The run that others are being merged into, if any are or should be.
fn target(view: &Connection, runs_per_level: i64) -> Result<Option<i64>, rusqlite::Error> {
    let under_way = "SELECT into_run FROM run WHERE into_run IS NOT NULL LIMIT 1";
    if let Some(target) = view.prepare_cached(under_way)?.query_row([], |row| row.get(0)).optional()? {
        return Ok(Some(target));
    }
    let full = "SELECT level FROM run GROUP BY level HAVING count(*) >= ? ORDER BY level LIMIT 1";
    let level: Option<i64> =
        view.prepare_cached(full)?.query_row([runs_per_level], |row| row.get(0)).optional()?;
    let Some(level) = level else { return Ok(None) };
    let target = new_run(view, level + 1)?;
    view.prepare_cached("UPDATE run SET into_run = ? WHERE level = ?")?.execute([target, level])?;
    Ok(Some(target))
}

/// Moves the smallest entries of all runs that are merged into their target, and lets empty runs go.
fn merge_slice(view: &Connection, target: i64, rows: usize) -> Result<(), rusqlite::Error> {
    let sources: Vec<i64> = view
        .prepare_cached("SELECT number FROM run WHERE into_run = ?")?
        .query_map([target], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let share = (rows / sources.len().max(1)).max(1);
    let limit = i64::try_from(share).unwrap_or(i64::MAX);
    let mut entries: Vec<RunEntry> = Vec::with_capacity(rows);
    // Beyond the last entry of a source that has more, entries of that source are not known.
    let mut known_to: Option<RunEntry> = None;
    let mut front = view.prepare_cached(
        "SELECT fingerprint, id FROM fingerprint_run WHERE run = ? ORDER BY fingerprint, id LIMIT ?",
    )?;
    for source in &sources {
        let before = entries.len();
        let found = front.query_map((source, limit), |row| Ok((row.get(0)?, row.get(1)?)))?;
        for entry in found {
            entries.push(entry?);
        }
        let found = entries.get(before..).unwrap_or_default();
        match found.last() {
            None => {
                view.prepare_cached("DELETE FROM run WHERE number = ?")?.execute([source])?;
            }
            Some(last) if found.len() == share => {
                known_to = Some(known_to.map_or(*last, |known_to| known_to.min(*last)));
            }
            Some(_) => {}
        }
    }
    entries.sort_unstable();
    entries.truncate(known_to.map_or(entries.len(), |to| entries.partition_point(|entry| *entry <= to)));
    let Some((fingerprint, id)) = entries.last() else { return Ok(()) };
    let mut delete =
        view.prepare_cached("DELETE FROM fingerprint_run WHERE run = ? AND (fingerprint, id) <= (?, ?)")?;
    for source in &sources {
        delete.execute(params![source, fingerprint, id])?;
    }
    apply::insert_all(view, "fingerprint_run", 3, &entries, |insert, at, (fingerprint, id)| {
        insert.raw_bind_parameter(at, target)?;
        insert.raw_bind_parameter(at + 1, fingerprint)?;
        insert.raw_bind_parameter(at + 2, id)
    })
}

#[cfg(test)]
mod tests {
    use panvault_testkit::SeededRandom;
    use panvault_testkit::conformance::rows::{VAULT, chain};

    use super::*;
    use crate::stop::Stop;
    use crate::view::{self, Access};

    /// Cards that are found, and are there: the tail in memory may know some that were deleted.
    fn found(
        view: &Connection,
        tail: &Tail,
        fingerprint: Fingerprint,
        there: &BTreeSet<(usize, [u8; 12])>,
    ) -> BTreeSet<[u8; 12]> {
        let tallies = view::Tallies::empty(chain(VAULT));
        let source = ListSource { view, tail, tallies: &tallies, stop: &Stop::default() };
        let all = |most| {
            let mut newest = NewestOf::new(most);
            let ends = (&[0; 12][..], &[0xff; 13][..]);
            look_up(&source, &[(None, fingerprint)].into(), ends, &mut newest).unwrap();
            newest.sorted().0.into_iter().map(|entry| entry.id).collect::<Vec<_>>()
        };
        let found = all(usize::MAX);
        assert_eq!(all(1).first(), found.first(), "the newest is among the first of each run");
        let found = found.into_iter().filter(|id| there.iter().any(|row| row.1 == *id));
        let found: Vec<[u8; 12]> = found.collect();
        let set: BTreeSet<_> = found.iter().copied().collect();
        assert_eq!(set.len(), found.len(), "an entry is in one place only");
        set
    }

    /// Cards come and go while runs are sorted and merged a few rows at a time; at every step each look-up is right.
    #[test]
    fn a_look_up_is_right_whatever_has_been_merged() {
        let directory = tempfile::tempdir().unwrap();
        let held = panvault_directory::Directory::open(directory.path()).unwrap();
        view::create(&held, VAULT, chain(VAULT).as_ref()).unwrap();
        let view = view::connect(&held, Access::Write, 1024).unwrap();
        let merging = Merging { tail_rows: 7, runs_per_level: 3, slice_rows: 24 };
        let mut index = Fingerprints::open(&view, merging).unwrap();
        let mut dice = SeededRandom::new(11);
        let fingerprint = |n: usize| Fingerprint::from_bytes([u8::try_from(n).unwrap(); 16]);
        let mut there: BTreeSet<(usize, [u8; 12])> = BTreeSet::new();
        let mut levels = 0;
        for n in 0u32..2_000 {
            if dice.percent(25) {
                let gone = there.iter().nth(dice.below(there.len().max(1))).copied();
                if let Some(gone) = gone {
                    delete(&view, &fingerprint(gone.0), &gone.1).unwrap();
                    there.remove(&gone);
                }
            } else {
                let mut id = [0; 12];
                id[8..].copy_from_slice(&n.to_be_bytes());
                let which = dice.below(40);
                insert_all(&view, &[(fingerprint(which), id)]).unwrap();
                index.added([(fingerprint(which), id)]);
                there.insert((which, id));
            }
            if dice.percent(80) {
                index.tidy(&view).unwrap();
            }
            if dice.percent(5) {
                index = Fingerprints::open(&view, merging).unwrap();
            }
            let which = dice.below(40);
            let expected: BTreeSet<_> = there.iter().filter(|row| row.0 == which).map(|row| row.1).collect();
            assert_eq!(found(&view, &index.tail, fingerprint(which), &there), expected, "step {n}");
            let level: Option<i64> =
                view.query_row("SELECT max(level) FROM run", [], |row| row.get(0)).unwrap();
            levels = levels.max(level.unwrap_or(0));
        }
        while index.tidy(&view).unwrap() {}
        let runs: i64 = view.query_row("SELECT count(*) FROM run", [], |row| row.get(0)).unwrap();
        assert!(levels >= 3 && runs < 12, "runs of {levels} levels were made, and {runs} are left");
    }
}
