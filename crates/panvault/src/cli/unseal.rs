//! Unsealing a vault.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{Settings, SlotKind};

#[derive(Args)]
pub(crate) struct Unseal {
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// The kind of the slot to open it with; without it shares where the vault has some, then a passphrase, then the key file
    #[arg(long, value_enum)]
    pub(crate) with: Option<SlotKind>,
    /// A file with the passphrase, of which others can read nothing; without it, it is asked for on the terminal
    #[arg(long, value_name = "FILE", conflicts_with_all = ["share_file", "reset"])]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// A file with a share, of which others can read nothing; once for each; without it one is asked for on the terminal
    #[arg(long, value_name = "FILE", conflicts_with = "reset")]
    pub(crate) share_file: Vec<PathBuf>,
    /// Forget the shares that were given so far
    #[arg(long, conflicts_with = "with")]
    pub(crate) reset: bool,
    /// Say how far it is, and do nothing
    #[arg(long, conflicts_with_all = ["with", "passphrase_file", "share_file", "reset"])]
    pub(crate) status: bool,
}
