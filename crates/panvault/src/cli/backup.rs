//! Backups, and vaults that are made of them.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{Shared, Unlock};

#[derive(Args)]
pub(crate) struct Backup {
    /// The directory that backups are in: each is a new directory below it. The server writes it, so it must be one that the server may write to
    #[arg(value_name = "DIR")]
    pub(crate) destination: PathBuf,
    /// An earlier backup, or the directory that backups are in, of which the newest is meant: copy only what came behind it. Where the log no longer has that, the backup is a full one
    #[arg(long, value_name = "BACKUP|DIR")]
    pub(crate) since: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) shared: Shared,
}

#[derive(Args)]
pub(crate) struct Restore {
    /// The backup, or the directory that backups are in, of which the newest is meant. What an increment goes on from is looked for beside it; or name all of them, the full one first
    #[arg(value_name = "BACKUP|DIR", required = true)]
    pub(crate) backups: Vec<PathBuf>,
    /// Read all of the backup and hold it against its manifest and the vault's keys; make nothing
    #[arg(long)]
    pub(crate) verify: bool,
    /// A file of the vault's exported trail, the earliest first; may be repeated. The backup must stand in it, and what it says has ended since the backup ends in the
    /// restored vault too
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) trail: Vec<PathBuf>,
    /// With --trail, a public key that the vault signs with, as panvault audit key showed it; may be repeated
    #[arg(long, value_name = "KEY", requires = "trail")]
    pub(crate) key: Vec<String>,
    /// With --trail, a file with an identity of age that reads what is encrypted of the export; may be repeated
    #[arg(long, value_name = "FILE", requires = "trail")]
    pub(crate) identity: Vec<PathBuf>,
    /// Restore this backup though the exported trail goes on after it
    #[arg(long, value_name = "BACKUP_ID", requires = "trail")]
    pub(crate) accept_older: Option<String>,
    /// A record of the exported trail that cannot be applied, which you will see to yourself; may be repeated
    #[arg(long, value_name = "RECORD", requires = "trail", conflicts_with = "verify")]
    pub(crate) accept_unapplied: Vec<u64>,
    /// Print one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) by: Unlock,
}
