//! What a start reads: the log whole, and from it what the view lacks.

use std::io;
use std::path::Path;
use std::sync::Arc;

use panvault_directory::Directory;
use panvault_model::VaultId;
use panvault_store::Chain;

use crate::apply_queue::carried_at_once;
use crate::deleted::{Ended, ended};
use crate::fault::OpenFault;
use crate::files::Files;
use crate::limits::Settings;
use crate::log::{Recovered, recover, segment_path};
use crate::view::{self, Access, ApplyFrame, Tallies};

/// What a start has found.
pub(crate) struct Replayed {
    pub(crate) found: Recovered,
    pub(crate) tallies: Tallies,
    /// The segment that last has something that was deleted since.
    pub(crate) deleted_in: Option<u64>,
    /// The same of keys that were destroyed.
    pub(crate) keys_ended_in: Option<u64>,
}

/// Reads the log, and brings the view up to its end.
pub(crate) fn replay(
    directory: &Directory,
    log: &Path,
    vault: VaultId,
    chain: &Arc<dyn Chain>,
    files: &dyn Files,
    settings: &Settings,
) -> Result<Replayed, OpenFault> {
    // The log is read whole before anything is changed: a refusal must leave all as it was.
    let (applied, tallies) = match view_meta(directory, vault, chain, settings.cache_kib)? {
        Some(found) => found,
        None => (view::Meta { applied: 0, link: None }, Tallies::empty(Arc::clone(chain))),
    };
    let mut frames: Vec<ApplyFrame> = Vec::new();
    let mut foreign = None;
    let (mut deleted_in, mut keys_ended_in) = (None, None);
    let found = recover(files, log, vault, chain.as_ref(), &mut |frame| {
        if frame.last_sequence() == applied.applied && Some((frame.tag, frame.key)) != applied.link {
            foreign = Some(frame.last_sequence());
        }
        match ended(&frame.notes, &frame.effects) {
            Ended::Nothing => {}
            Ended::Rows => deleted_in = Some(frame.segment),
            Ended::Keys => (deleted_in, keys_ended_in) = (Some(frame.segment), Some(frame.segment)),
        }
        if frame.first_sequence > applied.applied {
            frames.push(frame.into());
        }
        Ok(())
    })?;
    let first = found.segments.first().map_or(1, |segment| segment.first_sequence);
    if applied.applied + 1 < first {
        return Err(OpenFault::ViewTooOld { applied: applied.applied, first });
    }
    if applied.applied >= found.next_sequence {
        return Err(OpenFault::ViewAhead { applied: applied.applied, last: found.next_sequence - 1 });
    }
    if let Some(sequence) = foreign {
        return Err(OpenFault::ViewForeign { sequence });
    }
    settle(files, log, &found).map_err(OpenFault::io(log))?;
    if found.torn {
        let advice = "none after a crash or a power cut, for it was never acknowledged; else find out who changed the end of the log";
        tracing::warn!(advice, "log.torn_tail_dropped");
    }
    if !view::is_there(directory)? {
        tracing::warn!(advice = "none; it is rebuilt from the log", "view.missing");
        view::create(directory, vault, chain.as_ref())?;
    }
    let connection = view::connect(directory, Access::Write, settings.cache_kib)?;
    let mut rest = frames.as_slice();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(carried_at_once(rest));
        view::apply(&connection, &tallies, now)?;
        rest = later;
        if view::log_bytes(&connection)? > settings.view_log_bytes_max {
            view::end_log(&connection, false)?;
        }
    }
    Ok(Replayed { found, tallies, deleted_in, keys_ended_in })
}

/// Makes durable what is there. A process that was killed may have written a frame, or given a segment its name, and not have
/// flushed it; from here on that is shown, carried into the view and built upon, so a power cut must not take it back.
fn settle(files: &dyn Files, log: &Path, found: &Recovered) -> io::Result<()> {
    // Whoever goes on in another segment has flushed the one before it.
    if let Some(last) = found.segments.last() {
        files.open(&segment_path(log, last.number))?.flush()?;
    }
    files.sync_directory(log)
}

/// What the view says of itself; `None` when it is not there.
fn view_meta(
    directory: &Directory,
    vault: VaultId,
    chain: &Arc<dyn Chain>,
    cache_kib: u32,
) -> Result<Option<(view::Meta, Tallies)>, OpenFault> {
    if !view::is_there(directory)? {
        return Ok(None);
    }
    let connection = view::connect(directory, Access::Read, cache_kib)?;
    // As of one moment: another process may write to it.
    connection.execute_batch("BEGIN")?;
    let meta = view::meta(&connection, vault)?;
    let tallies = Tallies::load(&connection, Arc::clone(chain), meta.applied)?;
    Ok(Some((meta, tallies)))
}
