//! Backups, and vaults that are made of them.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{Shared, Unlock};

#[derive(Args)]
pub(crate) struct Backup {
    /// The directory that backups are in: each is a new directory below it. The server writes it, so it must be one that the server may write to
    #[arg(value_name = "DIR")]
    pub(crate) destination: PathBuf,
    #[command(flatten)]
    pub(crate) shared: Shared,
}

#[derive(Args)]
pub(crate) struct Restore {
    /// The backup, or the directory that backups are in, of which the newest is meant
    #[arg(value_name = "BACKUP|DIR")]
    pub(crate) backup: PathBuf,
    /// Read all of the backup and hold it against its manifest and the vault's keys; make nothing
    #[arg(long)]
    pub(crate) verify: bool,
    /// Print one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) by: Unlock,
}
