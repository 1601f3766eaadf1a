//! The limits of this crate, each with its unit.

use core::time::Duration;
use std::path::PathBuf;

use panvault_store::limits::LIST_SECONDS;

/// Steps in one commit at most.
pub const COMMIT_STEPS_MAX: usize = 1024;

/// Steps that a commit answered, from which on the writer waits a moment for those who brought them.
pub const GATHER_STEPS_MIN: usize = 4;

/// Microseconds of that at most, where the commit itself took longer.
pub const GATHER_MICROS_MAX: u64 = 1000;

/// Bytes of one commit after which no further step is added to it; half a segment, when that is less.
pub const COMMIT_BYTES_MAX: usize = 1 << 20;

/// Bytes of the view that are sent on their way to the disk at a time after a checkpoint: whoever flushes the log meanwhile waits for
/// no more than these.
pub const WRITE_OUT_BYTES: u64 = 256 << 10;

/// Milliseconds between two of these, unless somebody waits for the view.
pub const WRITE_OUT_PAUSE_MILLIS: u64 = 4;

/// Milliseconds that a connection to the view waits for another that is in its way.
pub const VIEW_BUSY_MILLIS: u64 = 5000;

/// Milliseconds that the applier waits for another process that writes to the view, before it says so and tries again.
pub const VIEW_WRITE_BUSY_MILLIS: u64 = 500;

/// Milliseconds without work after which the view is checkpointed and segments are recycled.
pub const IDLE_MILLIS: u64 = 300;

/// Steps that the applier would rather carry into the view at once than fewer.
pub const APPLY_STEPS: usize = 2048;

/// Steps that it carries into the view with one commit at most, unless one frame has more. Where each of them writes pages of its own, so
/// many write some 32 MiB.
pub const APPLY_STEPS_MAX: usize = 2048;

/// Bytes of these steps, as they stand in the log, in the same way.
pub const APPLY_BYTES_MAX: u64 = 8 << 20;

/// Bytes of one commit that is read from elsewhere at most: more than any segment has.
pub(crate) const FRAME_BYTES_MAX: u64 = 64 << 20;

/// Commits that are taken out of the trail at once, where their records are kept no longer.
pub const FORGET_COMMITS: u32 = 64;

/// Milliseconds for which the applier waits for that many, unless somebody waits for the view.
pub const APPLY_MILLIS: u64 = 100;

/// Highest number of a run: one is made for some 30,000 cards.
pub const RUN_NUMBER_MAX: i64 = 1 << 48;

/// Highest level of a run: each has 64 times the cards of the one below it.
pub const RUN_LEVEL_MAX: i64 = 16;

/// Bytes of a spare that are filled with zeroes at a time: whoever flushes the log meanwhile waits for no more than these.
pub const ZERO_BYTES: u64 = 128 << 10;

/// Milliseconds between two of these, unless somebody waits for the spare. A segment of 32 MiB is ready long before the one that is written
/// to is full.
pub const ZERO_PAUSE_MILLIS: u64 = 5;

/// Milliseconds between two tries to make room for the next segment when the disk is full.
pub const SPARE_RETRY_MILLIS: u64 = 500;

/// Milliseconds until a segment that could not be erased is tried again for the first time.
pub const ERASE_RETRY_MILLIS: u64 = 500;

/// Seconds between two later tries at most: each pause is twice as long as the one before.
pub const ERASE_RETRY_SECONDS_MAX: u64 = 300;

/// Rows that a start's look at everything takes at a time while the store has nothing else to do, some milliseconds.
pub const PATROL_ROWS: usize = 1024;

/// The same beside each batch that is applied, about a millisecond.
pub const PATROL_BUSY_ROWS: usize = 256;

/// Milliseconds between two of these while there is nothing else to do, so that it takes a part of one core.
pub const PATROL_PAUSE_MILLIS: u64 = 5;

/// Pages of 8 KiB that a copy of the view takes at a time, some milliseconds: what is durable meanwhile waits so long to be carried into the view.
pub const COPY_PAGES: i32 = 256;

/// The same while others commit: whoever flushes the log meanwhile waits for no more than these.
pub const COPY_BUSY_PAGES: i32 = 32;

/// Milliseconds between two of these.
pub const COPY_BUSY_PAUSE_MILLIS: u64 = 8;

/// Milliseconds after the last commit in which a copy still takes it that others commit.
pub const COPY_BUSY_MILLIS: u64 = 200;

/// Ids of one organisation that a list reads at a time.
pub const LIST_BATCH_ROWS: usize = 256;

/// Ids of all organisations, or of what an index gives, that a list holds at a time; twice as many while the newest of them are found.
pub const LIST_IDS_HELD_MAX: usize = 65_536;

/// Bytes that one of them takes at most.
pub const LIST_ID_BYTES: usize = 32;

/// Lists that run at a time; a further one waits. Each has a connection of its own, so that no list is in the way of a read by
/// id.
pub const LISTS_MAX: usize = 4;

/// Lists of one organisation that run at a time; the rest of the slots is for others.
pub const LISTS_OF_ONE_MAX: usize = 3;

/// Lists that wait for a slot; one more is refused, or of whoever has most of them the last.
pub const LISTS_WAITING_MAX: usize = 256;

/// How long whoever asks how much there is waits for the view to catch up.
pub const TOTALS_TIME: Duration = Duration::from_secs(1);

/// Steps of SQLite's machine after which it asks whether a list is still wanted: some tenths of a millisecond.
pub const LIST_STEPS: i32 = 4096;

/// Page caches of the view beside those of its readers, each as large: of the applier, of the reader that is waited for, of whoever
/// commits, and one for all lists.
pub const FURTHER_CACHES: usize = 4;

/// Bytes of memory that a row takes at most, with its texts: a request of 16 KiB brought them.
pub const ROW_BYTES_MAX: usize = 20 * 1024;

/// Bytes of memory that a step takes until the view shows it, beside its texts.
pub const STEP_HELD_BYTES: u64 = 1024;

/// Bytes that are looked through of a last segment that has no header yet: twice those of a segment.
pub const UNUSED_SEGMENT_BYTES_MAX: u64 = 64 << 20;

/// How the index of fingerprints is kept.
#[derive(Clone, Copy, Debug)]
pub struct Merging {
    /// Entries of the tail after which it is sorted into a run.
    pub tail_rows: u64,
    /// Runs of one level that are merged into one of the next.
    pub runs_per_level: i64,
    /// Entries that one slice of a merge reads, about; one follows each batch that the applier carries. So many keep up with new cards,
    /// and take no longer than the batch.
    pub slice_rows: usize,
}

impl Default for Merging {
    fn default() -> Self {
        Self { tail_rows: 32_768, runs_per_level: 64, slice_rows: 2048 }
    }
}

/// What may be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory of the log, such as one on another disk than the view's; `None` for `log` in the store's directory. It holds nothing else.
    pub log_directory: Option<PathBuf>,
    /// Bytes of a segment; a multiple of 4096, at least 1 MiB. Segments that exist keep their size.
    pub segment_bytes: u64,
    /// Zeroed segments that are kept ready at most. One that is no longer needed becomes one of them, and is removed when there are as
    /// many; a new file costs the disk more than one that is written over.
    pub spares_max: usize,
    /// Bytes of segments that the log has given up and that are kept for incremental backups at most; 0 for none. The oldest go first, and all where room is needed.
    pub archive_bytes_max: u64,
    /// Bytes of the write-ahead log of SQLite after which it is carried into the view's file. It is longer by one commit at most, and by
    /// what is carried into the view while somebody reads an older state of it.
    pub view_log_bytes_max: u64,
    /// How long what was deleted stays in the log at most, however much else is going on. With nothing going on it leaves at once.
    pub deleted_time_max: Duration,
    /// How the index of fingerprints is kept.
    pub merging: Merging,
    /// Steps that may wait to be written; more are refused as busy. A few hundred milliseconds of work at most, so that what is
    /// accepted does not wait for long.
    pub queue_steps_max: usize,
    /// Durable steps that the view may lag behind; with more, new steps are refused as busy.
    pub behind_steps_max: u64,
    /// Bytes of steps, as they stand in the log, that the view may lag behind; with more, new steps are refused as busy. What is in memory
    /// of them is some times that.
    pub behind_bytes_max: u64,
    /// Connections to the view for reading.
    pub readers: usize,
    /// KiB of page cache for each connection to the view.
    pub cache_kib: u32,
    /// Bytes of memory for cards and transactions that were read lately; 0 for none.
    pub row_cache_bytes: usize,
    /// How long a list may wait for a slot, and then run.
    pub list_time: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            log_directory: None,
            segment_bytes: 32 << 20,
            spares_max: 3,
            archive_bytes_max: 0,
            view_log_bytes_max: 24 << 20,
            deleted_time_max: Duration::from_secs(60),
            merging: Merging::default(),
            queue_steps_max: 4_096,
            behind_steps_max: 200_000,
            behind_bytes_max: 128 << 20,
            readers: 4,
            cache_kib: 16_384,
            row_cache_bytes: 96 << 20,
            list_time: Duration::from_secs(LIST_SECONDS),
        }
    }
}
