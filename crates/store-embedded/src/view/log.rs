//! SQLite's own log of the view: how long it is, and its way into the view's file.

use core::time::Duration;

use rusqlite::Connection;

use crate::limits::VIEW_WRITE_BUSY_MILLIS;
use crate::view::schema::PAGE_BYTES;

/// Bytes of the log before its first frame, and of a frame before its page (<https://www.sqlite.org/fileformat2.html#walformat>).
const LOG_HEADER_BYTES: u64 = 32;
const FRAME_HEADER_BYTES: u64 = 24;

/// Bytes of it that are in use; its file may be longer.
pub(crate) fn log_bytes(view: &Connection) -> Result<u64, rusqlite::Error> {
    let asked = "PRAGMA wal_checkpoint(NOOP)";
    let frames: i64 = view.prepare_cached(asked)?.query_row([], |row| row.get(1))?;
    let frames = u64::try_from(frames).unwrap_or(0);
    Ok(LOG_HEADER_BYTES.saturating_add(frames.saturating_mul(FRAME_HEADER_BYTES + u64::from(PAGE_BYTES))))
}

/// Copies all of it into the view's file, and flushes neither: it has to be durable before this, and the view's file before the next
/// write. `false` when somebody was in the way, and a part was copied at most.
pub(crate) fn carry_log(view: &Connection) -> Result<bool, rusqlite::Error> {
    view.pragma_update(None, "synchronous", "off")?;
    let copied = view.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        let (busy, frames, copied): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(busy == 0 && frames == copied)
    });
    view.pragma_update(None, "synchronous", "normal")?;
    copied
}

/// Has the next write begin it anew, and cuts its file if asked to. What is not in the view's file yet is carried there first, durably.
/// `false` when somebody reads it: who reads is not waited for.
pub(crate) fn end_log(view: &Connection, cut: bool) -> Result<bool, rusqlite::Error> {
    let ended = if cut { "PRAGMA wal_checkpoint(TRUNCATE)" } else { "PRAGMA wal_checkpoint(RESTART)" };
    view.busy_timeout(Duration::ZERO)?;
    let busy = view.query_row(ended, [], |row| row.get::<_, i64>(0));
    view.busy_timeout(Duration::from_millis(VIEW_WRITE_BUSY_MILLIS))?;
    busy.map(|busy| busy == 0)
}
