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

/// How long what is sent may stay without any answer of the other machine before the connection is given up.
pub const SILENCE_TIME: Duration = Duration::from_secs(10);

/// How long one statement of a commit may take before its connection is given up, and its fate looked up on another.
pub const STATEMENT_TIME: Duration = Duration::from_secs(10);

/// How long a transaction of a node that has gone may hold rows, in milliseconds.
pub const IDLE_IN_TRANSACTION_MILLIS: u32 = 5_000;

/// How often a step is tried again that met another one.
pub const CONFLICT_TRIES_MAX: u32 = 20;

/// How long whoever asked waits while it is unknown whether a commit was done.
pub const RESOLVE_TIME: Duration = Duration::from_secs(20);

/// How long to wait before the database is asked again.
pub const RETRY_TIME: Duration = Duration::from_millis(100);

/// Longest wait before a step that met another is tried again, for each try that there was.
pub const JITTER_MICROS: u64 = 4_000;
