use core::pin::Pin;

use panvault_model::Timestamp;

/// What the process that serves knows beside its vault, and can do to itself.
pub trait Process: Send + Sync {
    /// How it is. It may read a directory, so it is asked on a thread that may wait.
    fn report(&self) -> ProcessReport;
    /// Reads again what may change while it runs, and says of each what became of it.
    fn reload(&self) -> Pin<Box<dyn Future<Output = Vec<Reloaded>> + Send + '_>>;
}

/// What a process says of itself.
#[derive(Clone, Debug, Default)]
pub struct ProcessReport {
    /// Where the API is.
    pub url: Option<String>,
    /// Where the metrics are.
    pub metrics_url: Option<String>,
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
