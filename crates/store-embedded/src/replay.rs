//! What a start reads: the log whole, and from it what the view lacks.

use std::path::Path;

use panvault_model::VaultId;
use panvault_store::Chain;

use crate::applier::is_delete;
use crate::fault::OpenFault;
use crate::files::Files;
use crate::log::{Recovered, recover};
use crate::view::{self, Access, ApplyFrame};

/// Reads the log, and brings the view up to its end. Says too which segment last has a card that was deleted since.
pub(crate) fn replay(
    directory: &Path,
    log: &Path,
    vault: VaultId,
    chain: &dyn Chain,
    files: &dyn Files,
    cache_kib: u32,
) -> Result<(Recovered, Option<u64>), OpenFault> {
    // The log is read whole before anything is changed: a refusal must leave all as it was.
    let applied = match view_meta(directory, vault, cache_kib)? {
        Some(meta) => meta,
        None => view::Meta { applied: 0, tag: None },
    };
    let mut frames: Vec<ApplyFrame> = Vec::new();
    let mut foreign = None;
    let mut deleted_in = None;
    let found = recover(files, log, vault, chain, &mut |frame| {
        if frame.last_sequence() == applied.applied && Some(frame.tag) != applied.tag {
            foreign = Some(frame.last_sequence());
        }
        if frame.effects.iter().flatten().any(is_delete) {
            deleted_in = Some(frame.segment);
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
    if found.torn {
        tracing::warn!(advice = "none; it was never acknowledged", "log.torn_tail_dropped");
    }
    if !view::view_path(directory).exists() {
        tracing::warn!(advice = "none; it is rebuilt from the log", "view.missing");
        view::create(directory, vault)?;
    }
    let mut connection = view::connect(directory, Access::Write, cache_kib)?;
    view::renew(&connection)?;
    for frames in frames.chunks(64) {
        view::apply(&mut connection, frames)?;
    }
    Ok((found, deleted_in))
}

/// What the view says of itself; `None` when it is not there.
fn view_meta(directory: &Path, vault: VaultId, cache_kib: u32) -> Result<Option<view::Meta>, OpenFault> {
    if !view::view_path(directory).exists() {
        return Ok(None);
    }
    let connection = view::connect(directory, Access::Read, cache_kib)?;
    view::meta(&connection, vault).map(Some)
}
