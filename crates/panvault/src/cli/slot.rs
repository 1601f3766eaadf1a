//! Slots: ways to come by the root key.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::Settings;

#[derive(Subcommand)]
pub(crate) enum SlotCommand {
    /// List the slots, of which any one opens the vault
    List {
        #[command(flatten)]
        by: Unlock,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Add a slot
    #[command(subcommand)]
    Add(SlotAdd),
    /// Remove a slot, and make a new root key: the slot opens only backups that were made before
    Remove {
        /// Which, as `list` numbers them
        #[arg(value_name = "NUMBER")]
        number: u16,
        #[command(flatten)]
        by: Unlock,
    },
    /// See that a slot opens the vault, and which it is
    Test(Unlock),
}

#[derive(Subcommand)]
pub(crate) enum SlotAdd {
    /// A file whose owner alone can read it
    KeyFile {
        /// Where to write it; keep it away from the vault and its backups
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        added: Added,
    },
    /// A passphrase, asked for twice on the terminal, of at least 15 characters; opening takes 256 MiB and about a second
    Passphrase {
        /// Read it from a file instead, of which others can read nothing
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
        #[command(flatten)]
        added: Added,
    },
    /// Shares for custodians: so many of them open the vault, and fewer tell nothing
    Shares {
        /// How many are needed
        #[arg(long, value_name = "T")]
        needed: u8,
        /// How many are made: at most 16
        #[arg(long, value_name = "N")]
        made: u8,
        /// A new directory for them, one file each, to be handed out and removed; without it each is shown on the terminal and asked for once
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// A custodian's key of age, `age1…` or a file with it, to whom their share is sealed in DIR: once for each share, in their order; each is then asked for once
        #[arg(long, value_name = "KEY", requires = "out")]
        recipient: Vec<String>,
        #[command(flatten)]
        added: Added,
    },
    /// The key of a token (PKCS#11) that the settings slot_pkcs11_… name: it wraps the slot's key and never leaves the token
    Pkcs11 {
        /// Make that key on the token first: AES, 256 bits, which the token gives to nobody
        #[arg(long)]
        make_key: bool,
        #[command(flatten)]
        added: Added,
    },
    /// The key of AWS KMS that the settings slot_aws_kms_… name; needs kms:Encrypt beside the kms:Decrypt of a server
    AwsKms {
        #[command(flatten)]
        added: Added,
    },
    /// The key of a transit engine, of OpenBao or HashiCorp Vault, that the settings slot_transit_… name
    Transit {
        #[command(flatten)]
        added: Added,
    },
}

#[derive(Args)]
pub(crate) struct Added {
    /// What to call it: who has it, where it is kept
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: String,
    #[command(flatten)]
    pub(crate) by: Unlock,
}

/// What opens the vault for a command.
#[derive(Args)]
pub(crate) struct Unlock {
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// The kind of the slot to open it with; without it the key file if it is there, then what the settings name: a token, KMS, a transit engine
    #[arg(long, value_enum)]
    pub(crate) with: Option<SlotKind>,
    /// A file with the passphrase, of which others can read nothing
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// A file with a share, of which others can read nothing; once for each
    #[arg(long, value_name = "FILE")]
    pub(crate) share_file: Vec<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SlotKind {
    KeyFile,
    Passphrase,
    Shares,
    Pkcs11,
    AwsKms,
    Transit,
}
