//! A backup is held against the trail of its vault as that was exported: what came after the backup.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{bail, ensure};
use panvault_model::{Id, NodeId};
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
struct Reading<'a> {
    head: &'a AuditRecord,
    shown: Record,
    /// Places of this vault's own chain: the first, and the last with its time.
    first: Option<u64>,
    last: (u64, String),
    /// Whether the record that is last in the backup was met.
    met: bool,
    /// Where another one stands in its place.
    other: Option<LinePlace>,
    records: Vec<Placed>,
    lost: BTreeMap<String, u64>,
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
        let Some(head) = &backup.head else { bail!("the backup has no trail to be held against the export") };
        let mut reading = Reading::new(head);
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
        self.met(&reading, manifest.order)?;
        let Reading { records, lost, last, .. } = reading;
        let count: u64 = lost.values().sum::<u64>() + records.len() as u64;
        ensure!(
            count == 0 || self.accept_older.is_some(),
            "backup {} ends with record {} of {}, and the vault went on: the last record that it signed elsewhere is {} of {}, and {count} of those between say that \
             something was done. Restore a later backup; or give --accept-older {} to restore this one, to which what the export says has ended since is applied",
            manifest.id,
            manifest.order,
            head.note.at,
            last.0,
            last.1,
            manifest.id
        );
        Ok(Since { summary, records, lost, last })
    }

    /// Whether the backup stands in the export.
    fn met(&self, reading: &Reading<'_>, order: u64) -> anyhow::Result<()> {
        if reading.met {
            return Ok(());
        }
        if let Some(at) = reading.other {
            bail!(
                "{}: record {order} of the vault is another than the backup has: a copy of the vault, or one that was restored, went on by itself, and the backup and the \
                 export are of two of them",
                self.place(at)
            );
        }
        let (first, last) = (reading.first.unwrap_or(0), reading.last.0);
        ensure!(
            first <= order,
            "the export begins with record {first} of the vault, and the backup ends with record {order}: name the files before these too"
        );
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

    /// Refuses what could not be applied and was not accepted.
    pub(super) fn accepts(&self, applied: &Applied) -> anyhow::Result<()> {
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
            "nothing was restored, for what the trail says of these cannot be applied; give --accept-unapplied RECORD for each that you will see to yourself before the vault is \
             served:\n  {}{more}",
            said.join("\n  ")
        )
    }
}

impl<'a> Reading<'a> {
    fn new(head: &'a AuditRecord) -> Self {
        Self {
            head,
            shown: trail_record(head),
            first: None,
            last: (0, String::new()),
            met: false,
            other: None,
            records: Vec::new(),
            lost: BTreeMap::new(),
        }
    }

    fn put(&mut self, at: LinePlace, record: Record) {
        if NodeId::parse(&record.writer).is_ok_and(|writer| writer == self.head.writer) {
            self.first = self.first.or(Some(record.place));
            self.last = (record.place, record.created_at.clone());
            if record.place == self.head.place {
                if is_same(&record, &self.shown) {
                    // What came before it is in the backup.
                    (self.met, self.other) = (true, None);
                    self.records.clear();
                    self.lost.clear();
                    return;
                }
                if !self.met {
                    self.other = Some(at);
                }
            }
        }
        if !self.met {
            return;
        }
        let change = Action::ALL
            .iter()
            .find(|action| action.as_str() == record.action)
            .map_or(Change::Unappliable("this version does not know what that is"), |action| {
                change_of(*action, record.outcome)
            });
        match change {
            Change::Nothing => {}
            Change::Lost => *self.lost.entry(record.action).or_default() += 1,
            change => self.records.push(Placed { at, record, change }),
        }
    }
}

/// Whether a record of an export is this one, wherever it stands there.
fn is_same(record: &Record, shown: &Record) -> bool {
    let anywhere = Record { vault: String::new(), sequence: 0, before: String::new(), ..record.clone() };
    anywhere == *shown
}
