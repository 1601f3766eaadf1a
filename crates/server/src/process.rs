use core::pin::Pin;

use std::path::Path;

use panvault_model::Timestamp;
use panvault_vault::{Permit, VaultBackup};

/// What the process that serves knows beside its vault, and can do to itself.
pub trait Process: Send + Sync {
    /// How it is. It may read a directory, so it is asked on a thread that may wait.
    fn report(&self) -> ProcessReport;
    /// How far the standbys of the database are behind, as it was last seen; `None` where nodes share none, or that is not seen.
    fn standbys(&self) -> Option<Standbys> {
        None
    }
    /// What assessors ask of its settings and of this machine, as one object of JSON; `None` where it was not looked at. It may read files.
    fn posture(&self) -> Option<String> {
        None
    }
    /// Reads again what may change while it runs, and says of each what became of it.
    fn reload(&self) -> Pin<Box<dyn Future<Output = Vec<Reloaded>> + Send + '_>>;
    /// Makes a backup of the vault below a directory, of what came behind an earlier one where that is named; why not, in words, where it does not.
    fn backup<'a>(
        &'a self,
        permit: &'a Permit<VaultBackup>,
        destination: &'a Path,
        since: Option<&'a Path>,
    ) -> Pin<Box<dyn Future<Output = Result<BackupMade, String>> + Send + 'a>>;
}

/// What a process says of itself.
#[derive(Clone, Debug, Default)]
pub struct ProcessReport {
    /// Where the API is.
    pub url: Option<String>,
    /// Where the metrics are.
    pub metrics_url: Option<String>,
    /// Where the console is.
    pub console_url: Option<String>,
    /// When it began to serve.
    pub started_at: Option<Timestamp>,
    /// When its certificate is no longer valid.
    pub certificate_expires_at: Option<Timestamp>,
    /// Segments of the log.
    pub log_segments: Option<u64>,
    /// Bytes on the disk, of all that belongs to the vault.
    pub disk_bytes: Option<u64>,
    /// The database that nodes share, by its address without a password.
    pub database: Option<String>,
    /// How the database keeps what is committed.
    pub replication: Option<Replicated>,
    /// Bytes that each standby has not applied, and the milliseconds that it took lately, in the same order; empty where that is not seen.
    pub standby_lags: Vec<(u64, u64)>,
    /// The last warnings and errors of its log, the newest first.
    pub faults: Vec<LoggedFault>,
}

/// A warning or an error of the log: its name and what to do, and nothing else of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedFault {
    /// When.
    pub at: Timestamp,
    /// How much it matters.
    pub level: LogLevel,
    /// Its name.
    pub event: String,
    /// What to do.
    pub advice: Option<String>,
    /// The id of the request in which it happened.
    pub request: Option<String>,
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Something did not go as it should.
    Warn,
    /// Something failed.
    Error,
}

impl LogLevel {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Warn, Self::Error];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// The standbys of a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standbys {
    /// How many are connected.
    pub count: u64,
    /// Whether a commit waits for one.
    pub is_synchronous: bool,
    /// Bytes that the one has not applied that is behind most.
    pub lag_bytes: u64,
    /// Milliseconds that the slowest took lately.
    pub lag_millis: u64,
}

/// How a database keeps what is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replicated {
    /// A commit waits for another machine.
    Synchronous,
    /// Another machine gets it a moment later.
    Asynchronous,
    /// There is no other machine that the database knows of.
    No,
}

impl Replicated {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Synchronous, Self::Asynchronous, Self::No];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Synchronous => "synchronous",
            Self::Asynchronous => "asynchronous",
            Self::No => "none",
        }
    }
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupMade {
    /// Its directory.
    pub path: String,
    /// Its id, as the trail has it.
    pub id: String,
    /// The last durable step that it has.
    pub order: u64,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Of an increment the id of the backup that it goes on from.
    pub base: Option<String>,
    /// Why it is a full one, where an increment was asked for.
    pub full_because: Option<String>,
    /// Directories beside it that were begun as backups and never finished.
    pub unfinished: Vec<String>,
}

/// What became of something that was read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// What: `certificate` or `bin_table`.
    pub what: &'static str,
    /// Whether what is there now is in use.
    pub is_done: bool,
    /// In words, with what to do when it is not.
    pub said: String,
}
