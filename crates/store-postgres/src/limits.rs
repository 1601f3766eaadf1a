//! The limits of this crate, each with its unit.

use core::time::Duration;

/// Commits that go into one statement, where nothing else is set.
pub const COMMIT_ROWS_MAX: u32 = 256;

/// Connections for reads, where nothing else is set. One more is for commits.
pub const CONNECTIONS_MAX: u32 = 16;

/// Commits that may wait; past it they are refused.
pub const QUEUE_COMMITS_MAX: usize = 4_096;

/// Bytes of the rows of one commit that goes into a step.
pub const COMMIT_BYTES_MAX: usize = 16 << 20;

/// How long a connection may take to be made, or to become free.
pub const CONNECT_TIME: Duration = Duration::from_secs(5);

/// How long an address of a host may take to be reached, before the host's next one is tried.
pub const ADDRESS_TIME: Duration = Duration::from_secs(2);

/// How long is waited for the other hosts of a URL once one has said that it takes writes: another may have been promoted since.
pub const OTHER_HOSTS_TIME: Duration = Duration::from_millis(500);

/// How long what is sent may stay without any answer of the other machine before the connection is given up.
pub const SILENCE_TIME: Duration = Duration::from_secs(10);

/// How long one statement of a commit may take before its connection is given up, and its fate looked up on another.
pub const STATEMENT_TIME: Duration = Duration::from_secs(10);

/// How long a transaction of a node that has gone may hold rows, in milliseconds.
pub const IDLE_IN_TRANSACTION_MILLIS: u32 = 5_000;

/// How long a statement waits for a row that another holds: less than until its connection is given up.
pub const LOCK_TIME: Duration = Duration::from_secs(3);

/// The same of a commit that is tried by itself, because those that it was with were not done.
pub const ALONE_LOCK_TIME: Duration = Duration::from_secs(1);

/// How long those of one step are tried by themselves.
pub const ALONE_TIME: Duration = Duration::from_secs(20);

/// How often a step is tried again that met another one.
pub const CONFLICT_TRIES_MAX: u32 = 20;

/// How long a step is tried again that met another one.
pub const CONFLICT_TIME: Duration = Duration::from_secs(10);

/// How long whoever asked waits while it is unknown whether a commit was done.
pub const RESOLVE_TIME: Duration = Duration::from_secs(20);

/// How long a step of the schema waits for a table, and all that nodes send there with it: much less than any of them is given up.
pub const MIGRATE_LOCK_TIME: Duration = Duration::from_millis(250);

/// How long they go on before the step is tried again.
pub const MIGRATE_PAUSE_TIME: Duration = Duration::from_millis(750);

/// How often it is: for five minutes.
pub const MIGRATE_TRIES_MAX: u32 = 300;

/// How long to wait before the database is asked again.
pub const RETRY_TIME: Duration = Duration::from_millis(100);

/// Longest wait before a step that met another is tried again, for each try that there was.
pub const JITTER_MICROS: u64 = 4_000;

/// How long a read by key, or by an index, may take before its connection is given up.
pub const READ_TIME: Duration = Duration::from_secs(5);

/// How long a read that was given up may have waited before its silence is taken for that of all connections, if none was answered meanwhile.
pub const SILENT_READ_TIME: Duration = Duration::from_millis(900);

/// How long a look at the head of documents may take, which waits for a standby as a commit does, before its connection is given up. Whoever looks waits for a
/// second.
pub const LOOK_TIME: Duration = Duration::from_millis(1_000);

/// Documents that are read at a time where all are read.
pub const DOCUMENTS_PAGE_ROWS: usize = 2_048;

/// Damaged rows of which it is said that they are left out.
pub const LEFT_OUT_MAX: usize = 1_024;

/// Lists that run at a time of one asker, where there are connections for so many.
pub const LISTS_OF_ONE_MAX: usize = 3;

/// Lists that wait for a slot; one more is refused, or of whoever has most of them the last.
pub const LISTS_WAITING_MAX: usize = 256;

/// Ids that a list reads of one organisation, or of one value of an index, at a time.
pub const IDS_MAX: usize = 4_096;

/// Ids of all organisations, or of what an index gives, that a list holds at a time.
pub const IDS_HELD_MAX: usize = 65_536;

/// Organisations, or values of an index, of which one statement of a list reads ids.
pub const RANGES_MAX: usize = 8_192;

/// Rows that a list reads at a time to see whether they meet a condition: so few at first, and twice as many each time.
pub const READ_ROWS_LEAST: usize = 32;

/// The most of them.
pub const READ_ROWS_MAX: usize = 512;

/// Rows of some organisations that are counted for a page of all of them, where no more are asked for. They are counted in an index, ten thousand
/// in about a millisecond.
pub const COUNTED_MAX: u64 = 10_000;

/// Rows of a table that are counted for how many there are in all; beyond, it is what the database takes for their number.
pub const TOTALS_COUNTED_MAX: i64 = 100_000;

/// Records of a trail that is written from another store's, in one of its steps.
pub const TRAIL_STEP_NOTES: usize = 256;

/// Rows that are taken away at a time where all are.
pub const IMPORT_DELETE_ROWS: i64 = 20_000;

/// Lists that run at a time: half of the connections for reads, so that no number of lists is in the way of a read by key.
pub const fn lists_max(connections: usize) -> usize {
    if connections < 2 { 1 } else { connections / 2 }
}
/// A step waits for those who were just answered only where they are as many.
pub(crate) const GATHER_FROM: usize = 8;
/// It waits as long as the one before took, and no longer than this.
pub(crate) const GATHER_TIME_MAX: Duration = Duration::from_millis(4);
