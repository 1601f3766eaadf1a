//! Moving a vault.

use std::path::PathBuf;

use clap::Args;

/// One of the two is a directory, the other a database, such as postgres://panvault@db.example/panvault.
#[derive(Args)]
pub(crate) struct Move {
    /// The vault's directory, or the database that it is in; nobody may serve it meanwhile
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) from: String,
    /// An empty database, or a directory that is not there yet or is empty; or where an earlier try stopped
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) to: String,
    /// The key file, which stays where it is [default: DIR.slot-key]
    #[arg(long, value_name = "FILE")]
    pub(crate) slot_key_file: Option<PathBuf>,
    /// Where the write-ahead log of the vault in --from is, if not in its directory
    #[arg(long, value_name = "DIR")]
    pub(crate) wal_directory: Option<PathBuf>,
    /// Any further setting of the database, such as store_password_file=FILE
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// Print one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}
