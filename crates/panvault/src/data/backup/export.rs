//! A backup is held against the trail of its vault as that was exported: what came after the backup.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{bail, ensure};
use panvault_model::Id;
use panvault_store::{Action, AuditRecord};
use panvault_trail::{CheckpointPublicKey, Fault, Record, Summary};
use panvault_vault::trail_record;

use crate::data::backup::apply::{Applied, Unapplied};
use crate::data::backup::change::{Change, change_of};
use crate::data::backup::verify::Verified;
use crate::trail::{Exported, LinePlace, exported, identities};

/// Lines of what cannot be applied that are said.
const LISTED_MAX: usize = 50;

/// An exported trail, and what of it may be against a restore all the same.
pub(crate) struct Export {
    /// In their order.
    pub(crate) files: Vec<PathBuf>,
    /// Whose signatures are trusted.
    pub(crate) keys: Vec<CheckpointPublicKey>,
    /// Files with what reads it where it is encrypted.
    pub(crate) identities: Vec<PathBuf>,
    /// The backup that is restored though the vault went on after it.
    pub(crate) accept_older: Option<Id>,
    /// Records that need not be applied, by their sequence.
    pub(crate) accept_unapplied: BTreeSet<u64>,
}

/// A record of the export, and where it stands.
pub(crate) struct Placed {
    pub(crate) at: LinePlace,
    pub(crate) record: Record,
    pub(crate) change: Change,
}

/// What an export says of the time after a backup.
pub(crate) struct Since {
    pub(crate) summary: Summary,
    /// What is to be applied, in its order, and what was made since.
    pub(crate) records: Vec<Placed>,
    /// What was done since and is not in the backup, by action.
    pub(crate) lost: BTreeMap<String, u64>,
    /// The last record of the vault that the export has: its place and time.
    pub(crate) last: (u64, String),
}

/// What is found while the export is read.
struct Reading {
    chains: BTreeMap<String, ReadChain>,
    /// The last record of a chain of the backup, or of one that began after it: its place and time.
    last: (u64, String),
    records: Vec<Placed>,
    /// What was done and is in no backup: by whom, and what.
    lost: BTreeMap<(String, String), u64>,
}

/// What is found of a chain of the backup: of the vault's own, or of a node's.
struct ReadChain {
    /// The last of the backup, as an export shows it.
    head: Record,
    /// Places of it that the export has.
    first: Option<u64>,
    last: u64,
    /// Whether the record that is last in the backup was met.
    met: bool,
    /// Where another one stands in its place.
    other: Option<LinePlace>,
}

impl Since {
    /// What was done since, by action, and is not in the backup: what was made since, too.
    pub(crate) fn not_in_backup(&self) -> BTreeMap<String, u64> {
        let mut counts = self.lost.clone();
        for placed in self.records.iter().filter(|placed| placed.change == Change::Made) {
            *counts.entry(placed.record.action.clone()).or_default() += 1;
        }
        counts
    }
}

impl Export {
    /// Reads it, and says what came after a backup. Refuses one that is not whole, or that the backup does not stand in, and a backup that the vault went on after, unless
    /// that was accepted.
    pub(crate) fn since(&self, backup: &Verified) -> anyhow::Result<Since> {
        let manifest = &backup.manifest;
        if let Some(accepted) = self.accept_older {
            ensure!(
                accepted == manifest.id,
                "--accept-older names another backup than {}, which is the one to be restored",
                manifest.id
            );
        }
        let Some(head) = backup.heads.iter().max_by_key(|head| (head.note.at, head.writer)) else {
            bail!("the backup has no trail to be held against the export")
        };
        let mut reading = Reading::new(&backup.heads);
        let keys = self.keys.clone();
        let identities = identities(&self.identities)?;
        let Exported { summary, fault, sealed: _ } =
            exported(&self.files, keys, identities, &mut |at, record| reading.put(at, record))?;
        if let Some((at, fault)) = fault {
            let at = self.place(at);
            if matches!(fault, Fault::Encrypted { .. }) {
                bail!(
                    "the exported trail cannot be read: {at}: {fault}; give --identity FILE, the file of age with the secret half of one"
                );
            }
            bail!("the exported trail is not what the vault wrote: {at}: {fault}");
        }
        let vault = manifest.vault.to_string();
        match &summary.vault {
            None => bail!("the exported trail has no checkpoint: nothing is proved by it"),
            Some(found) => ensure!(
                *found == vault,
                "the exported trail is of vault {found}, and the backup of vault {vault}"
            ),
        }
        self.met(&reading)?;
        let Reading { records, lost: by_whom, last, .. } = reading;
        let mut lost = BTreeMap::new();
        by_whom.into_iter().for_each(|((_, action), count)| *lost.entry(action).or_default() += count);
        let count: u64 = lost.values().sum::<u64>() + records.len() as u64;
        ensure!(
            count == 0 || self.accept_older.is_some(),
            "backup {} ends with record {} of {}, and the vault went on: the last record that it signed elsewhere is {} of {}, and {count} of those between say that \
             something was done. Restore a later backup; or give --accept-older {} to restore this one, to which what the export says has ended since is applied",
            manifest.id,
            head.place,
            head.note.at,
            last.0,
            last.1,
            manifest.id
        );
        Ok(Since { summary, records, lost, last })
    }

    /// Whether the backup stands in the export: the last record of a chain is there, and of no chain another in its place. Of the other chains, one may have ended before the export
    /// begins, and another go on behind its end.
    fn met(&self, reading: &Reading) -> anyhow::Result<()> {
        for chain in reading.chains.values() {
            let order = chain.head.place;
            if let Some(at) = chain.other {
                bail!(
                    "{}: record {order} of the vault is another than the backup has: a copy of the vault, or one that was restored, went on by itself, and the backup and the \
                     export are of two of them",
                    self.place(at)
                );
            }
            let is_late = chain.first.is_some_and(|first| first > order.saturating_add(1));
            ensure!(!is_late, "{}", begins_late(chain.first.unwrap_or(0), order));
        }
        if reading.chains.values().any(|chain| chain.met) {
            return Ok(());
        }
        let Some(chain) = reading.chains.values().max_by_key(|chain| (chain.first.is_some(), chain.last))
        else {
            return Ok(());
        };
        let (order, last) = (chain.head.place, chain.last);
        if let Some(first) = chain.first.filter(|first| *first > order) {
            bail!("{}", begins_late(first, order));
        }
        bail!(
            "the export ends with record {last} of the vault, and the backup with record {order}: it says nothing of what came after the backup; name later files, or leave \
             --trail out"
        )
    }

    /// A line of it, for people.
    pub(crate) fn place(&self, at: LinePlace) -> String {
        let file = self.files.get(at.file).map(|file| file.display().to_string()).unwrap_or_default();
        format!("{file}, line {}", at.line)
    }

    /// Refuses what could not be applied and was not accepted, of which `so` says what that means.
    pub(super) fn accepts(&self, applied: &Applied, so: &str) -> anyhow::Result<()> {
        let is_accepted = |sequence: u64| self.accept_unapplied.contains(&sequence);
        let left: Vec<_> = applied.unapplied.iter().filter(|one| !is_accepted(one.sequence)).collect();
        if left.is_empty() {
            return Ok(());
        }
        let line = |one: &&Unapplied| {
            format!(
                "{}: record {}, {} of {}: {}",
                self.place(one.at),
                one.sequence,
                one.action,
                one.object,
                one.why
            )
        };
        let said: Vec<_> = left.iter().take(LISTED_MAX).map(line).collect();
        let more = left.len().saturating_sub(LISTED_MAX);
        let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
        bail!(
            "{so}, for what the trail says of these cannot be applied; give --accept-unapplied RECORD for each that you will see to yourself before the vault is \
             served:\n  {}{more}",
            said.join("\n  ")
        )
    }
}

impl Reading {
    fn new(heads: &[AuditRecord]) -> Self {
        let chain = |head: &AuditRecord| {
            let head = trail_record(head);
            let chain = ReadChain { head, first: None, last: 0, met: false, other: None };
            (chain.head.writer.clone(), chain)
        };
        Self {
            chains: heads.iter().map(chain).collect(),
            last: (0, String::new()),
            records: Vec::new(),
            lost: BTreeMap::new(),
        }
    }

    fn put(&mut self, at: LinePlace, record: Record) {
        let Some(chain) = self.chains.get_mut(&record.writer) else {
            // Of a node that began later.
            return self.since(at, record);
        };
        chain.first = chain.first.or(Some(record.place));
        chain.last = record.place;
        let in_backup = record.place.cmp(&chain.head.place);
        if in_backup.is_eq() {
            if is_same(&record, &chain.head) {
                // What came before it is in the backup.
                (chain.met, chain.other) = (true, None);
                self.forget(&record.writer);
            } else if !chain.met {
                chain.other = Some(at);
            }
        }
        if in_backup.is_gt() {
            return self.since(at, record);
        }
        if is_restore(&record) {
            // The vault of the backup is the one that was restored there: what had come before and is not in it is of a vault that is no more.
            self.records.clear();
            self.lost.clear();
        }
        self.last = (record.place, record.created_at);
    }

    /// Leaves what was taken for later of a chain.
    fn forget(&mut self, writer: &str) {
        self.records.retain(|placed| placed.record.writer != writer);
        self.lost.retain(|(by, _), _| by != writer);
    }

    /// A record that the backup has not.
    fn since(&mut self, at: LinePlace, record: Record) {
        self.last = (record.place, record.created_at.clone());
        let change = Action::ALL
            .iter()
            .find(|action| action.as_str() == record.action)
            .map_or(Change::Unappliable("this version does not know what that is"), |action| {
                change_of(*action, record.outcome)
            });
        match change {
            Change::Nothing => {}
            Change::Lost => *self.lost.entry((record.writer, record.action)).or_default() += 1,
            change => self.records.push(Placed { at, record, change }),
        }
    }
}

/// Whether it says that the vault was made of a backup.
fn is_restore(record: &Record) -> bool {
    record.action == Action::VaultRestore.as_str()
}

fn begins_late(first: u64, order: u64) -> String {
    format!(
        "the export begins with record {first} of the vault, and the backup ends with record {order}: name the files before these too"
    )
}

/// Whether a record of an export is this one, wherever it stands there.
fn is_same(record: &Record, shown: &Record) -> bool {
    let anywhere = Record { vault: String::new(), sequence: 0, before: String::new(), ..record.clone() };
    anywhere == *shown
}
