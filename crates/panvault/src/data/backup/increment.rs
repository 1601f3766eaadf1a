//! What an increment is made of: the commits behind an earlier backup, as far as the log and its archive still have them. Where they do not, it becomes a full one, and says why.

use std::path::Path;

use anyhow::{Context, anyhow, bail, ensure};
use panvault_directory::Directory;
use panvault_model::Id;
use panvault_store_embedded::{Copied, CopyFault, EmbeddedStore, FramesFault, LogPlace};
use panvault_vault::with_causes;

use crate::data::VIEW;
use crate::data::backup::make::{BackedUp, Backups};
use crate::data::backup::manifest::{Base, ReadManifest};
use crate::data::backup::{FRAMES, MANIFEST, found, is_name, newest_of};

/// What is asked for.
pub(super) enum Asked {
    Full,
    /// What came behind this backup.
    Increment(Based),
    /// The same, and this is why it cannot be.
    FullBecause(String),
}

/// A backup that an increment is to go on from.
pub(super) struct Based {
    base: Base,
    /// Where it ends.
    place: LogPlace,
    shown: String,
}

/// All rows, or what came to them.
pub(super) struct Rows {
    /// The file that has it.
    pub(super) part: &'static str,
    pub(super) copied: Copied,
    /// Of an increment.
    pub(super) base: Option<Base>,
    /// Why it is none, where one was asked for.
    pub(super) full_because: Option<String>,
}

impl Backups {
    /// Looks at the backup that an increment is to go on from. One that is not as the vault wrote it is refused.
    pub(super) fn asked(&self, since: Option<&Path>) -> anyhow::Result<Asked> {
        let Some(since) = since else { return Ok(Asked::Full) };
        ensure!(since.is_absolute(), "the backup to go on from must be named by its whole path");
        if matches!(self.rows, BackedUp::Database(_)) {
            bail!(
                "a backup of a vault in a database has no rows that another could go on from: leave --since out"
            );
        }
        let is_one = since.join(MANIFEST).symlink_metadata().is_ok();
        let name = since.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let path =
            if is_one || is_name(name) { Some(found(since)?) } else { newest_of(since, self.vault.id())? };
        let Some(path) = path else {
            return Ok(Asked::FullBecause(format!(
                "{} has no backup yet that could be gone on from",
                since.display()
            )));
        };
        let shown = path.display().to_string();
        let backup = Directory::open(&path).with_context(|| format!("{shown} cannot be used"))?;
        let read = ReadManifest::of(&backup)?;
        ensure!(read.vault() == self.vault.id(), "{shown} is of vault {}, and not of this one", read.vault());
        if !read.has_key(&self.key) {
            return Ok(Asked::FullBecause(format!(
                "the key was destroyed under which {MANIFEST} of {shown} was written"
            )));
        }
        let base = read.as_base();
        let manifest = read.open(&self.key).with_context(|| format!("{shown} cannot be gone on from"))?;
        let tag = manifest.end.with_context(|| format!("{shown} is of a vault in a database"))?;
        Ok(Asked::Increment(Based { base, place: LogPlace { sequence: manifest.order, tag }, shown }))
    }

    /// Copies what is asked for, as of one commit.
    pub(super) async fn rows(store: &EmbeddedStore, into: &Directory, asked: Asked) -> anyhow::Result<Rows> {
        let full_because = match asked {
            Asked::Full => None,
            Asked::FullBecause(why) => Some(why),
            Asked::Increment(based) => match store.frames_copy(based.place, into, FRAMES).await {
                Ok(copied) => {
                    return Ok(Rows { part: FRAMES, copied, base: Some(based.base), full_because: None });
                }
                Err(fault) => {
                    let why = why_not(&fault, &based.shown).ok_or_else(|| anyhow!(with_causes(&fault)))?;
                    into.remove(FRAMES).with_context(|| format!("{FRAMES} cannot be removed again"))?;
                    Some(why)
                }
            },
        };
        let copied = store.view_copy(into).await.map_err(|fault| match fault {
            CopyFault::Busy => anyhow!("another backup is being made: take this one when that is done"),
            fault => anyhow!(with_causes(&fault)),
        })?;
        Ok(Rows { part: VIEW, copied, base: None, full_because })
    }
}

impl Rows {
    /// The backup that it goes on from.
    pub(super) fn base_id(&self) -> Option<Id> {
        self.base.as_ref().map(|base| base.id)
    }
}

/// Why what came behind a backup cannot be had, where a full one can.
fn why_not(fault: &FramesFault, shown: &str) -> Option<String> {
    match fault {
        FramesFault::Gone { sequence } => Some(format!(
            "the log no longer has what came behind step {sequence}, with which {shown} ends: it keeps that until the next backup, no more than backup_archive_bytes of it, and nothing of it when keys are destroyed"
        )),
        FramesFault::KeyGone => Some(format!(
            "what came behind the end of {shown} is under a key of the chain that was destroyed"
        )),
        FramesFault::Another { sequence } => Some(format!(
            "the vault went another way behind step {sequence}, with which {shown} ends: it was restored since, or that is of a copy of it"
        )),
        FramesFault::Ahead { sequence, last } => Some(format!(
            "{shown} ends with step {sequence}, and the vault with step {last}: it was restored from an earlier one"
        )),
        FramesFault::Damaged { segment } => Some(format!(
            "segment {segment} of the log or of what is kept of it does not verify: look at the disk, and run `panvault doctor`"
        )),
        FramesFault::Read(_)
        | FramesFault::Write(_)
        | FramesFault::Copy(_)
        | FramesFault::Unverified { .. }
        | FramesFault::Stopped => None,
    }
}
