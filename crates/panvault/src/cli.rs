//! What can be asked on the command line.

mod api_key;
mod audit;
mod backup;
mod bin;
mod document;
mod key;
mod moving;
mod pci;
mod serve;
mod setup;
mod slot;
mod unseal;
mod webhook;

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use api_key::ApiKeyCommand;
pub(crate) use audit::AuditCommand;
pub(crate) use backup::{Backup, Restore};
pub(crate) use bin::{BinCommand, BinFormat, BinImport};
pub(crate) use document::{AccountCommand, Ending, Further, OrganisationCommand, ProcessorCommand};
pub(crate) use key::{KeyCommand, RotatedPurpose};
pub(crate) use moving::Move;
pub(crate) use pci::{PciCommand, PciReport};
pub(crate) use serve::{Dev, Serve};
pub(crate) use setup::{Init, ModeArg, Setup};
pub(crate) use slot::{Added, SlotAdd, SlotCommand, SlotKind, Unlock};
pub(crate) use unseal::Unseal;
pub(crate) use webhook::WebhookCommand;

/// Reads the command line, or ends with what is wrong with it. A value is not repeated: it may be a key or a card number.
pub(crate) fn read() -> Cli {
    Cli::try_parse().unwrap_or_else(|mut error| {
        for kind in [ContextKind::InvalidValue, ContextKind::InvalidSubcommand, ContextKind::InvalidArg] {
            let is_name = |text: &str| !text.bytes().any(|byte| byte.is_ascii_digit() || byte == b'_');
            let hidden = match error.get(kind) {
                Some(ContextValue::String(text)) => kind == ContextKind::InvalidValue || !is_name(text),
                _ => false,
            };
            if hidden {
                error.insert(kind, ContextValue::String("…".to_owned()));
                error.remove(ContextKind::Suggested);
            }
        }
        error.exit()
    })
}

/// A self-hosted vault for payment cards.
#[derive(Parser)]
#[command(name = "panvault", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Walk through a card's life against a vault of its own, and show its requests and answers
    Demo,
    /// Serve a test vault, ready to try: an organisation, a EUR account with the dummy processor, two API keys
    Dev(Dev),
    /// Make a vault with all that a first token needs: key file, settings, organisation, API key, systemd unit
    Setup(Setup),
    /// Make a vault
    Init(Init),
    /// Bring the tables of the database that nodes share up to date, as a later version needs them
    Migrate(Shared),
    /// Move a vault that nobody serves from its directory into a database, or back: whole, and held against its source row by row
    Move(Move),
    /// Serve a vault
    Serve(Serve),
    /// Make a backup of a vault, while it is served or not: as of one moment, in a new directory, without anything that opens it
    Backup(Backup),
    /// Make a vault of a backup in the directory that --data names, or with --verify see that the backup is whole
    Restore(Restore),
    /// Look at a vault without changing it, and say what is wrong
    Doctor(Doctor),
    /// See what the configuration comes to
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Say how a vault is doing: exit code 0 when it is served and ready, 2 when it is served and not ready, 1 when it is not served
    Status(Shared),
    /// Have a server read its certificates and its table of issuers again, as SIGHUP does
    Reload(Shared),
    /// Take what was captured as settled, and what was refunded as done: no processor says when money has moved
    Settle(Shared),
    /// See, add, remove and try the ways to the root key: key files, passphrases, shares of custodians
    #[command(subcommand)]
    Slot(SlotCommand),
    /// Seal a vault on all nodes at once: nothing opens it, and no restart does, until somebody unseals it
    Seal(Unlock),
    /// Unseal a vault: with a passphrase, with shares that custodians bring one at a time, or with its key file
    Unseal(Unseal),
    /// See and replace the keys of organisations
    #[command(subcommand)]
    Key(KeyCommand),
    /// Show an assessor of PCI DSS how a vault is kept
    #[command(subcommand)]
    Pci(PciCommand),
    /// See who did what
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Make, see, change and delete organisations
    #[command(subcommand)]
    Organisation(OrganisationCommand),
    /// Make, see, change and delete accounts
    #[command(subcommand)]
    Account(AccountCommand),
    /// Make, see, change and delete processors
    #[command(subcommand)]
    Processor(ProcessorCommand),
    /// Make, see, change and revoke API keys
    #[command(subcommand, name = "apikey")]
    ApiKey(ApiKeyCommand),
    /// See what receivers of webhooks are told, send it again, and try it out
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// Import a list of who issued which cards, and look up in it
    #[command(subcommand)]
    Bin(BinCommand),
    /// Look for card numbers and CVVs in files, also packed by gzip: prints where they are, masked, and nothing when there are none
    ///
    /// Exit code 0: nothing was found, and everything was read. 1: something was found, or nothing could be done. 2: nothing was found, and not
    /// everything could be read.
    Scan(Scan),
    /// Print the OpenAPI document
    #[command(name = "openapi")]
    OpenApi {
        /// Print the table of errors, in Markdown, instead
        #[arg(long)]
        errors: bool,
        /// Print the table of roles, in Markdown, instead
        #[arg(long, conflicts_with = "errors")]
        roles: bool,
    },
    /// Print what makes a shell complete these commands
    Completions {
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print which version this is
    Version {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// What is looked at.
#[derive(Args)]
pub(crate) struct Scan {
    /// Files, and directories with all that is below them; `-` is standard input. Links below a directory are not followed
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Print each finding as a line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where a vault is, and what else is set. A flag wins over the environment, that over the file, that over the default.
#[derive(Args, Clone, Default)]
pub(crate) struct Settings {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The vault's directory: the setting data_directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Any setting
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Print one object of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every setting, its value and where that came from
    Print(Shared),
}

/// What every command on documents takes.
#[derive(Args)]
pub(crate) struct Shared {
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// An object that is there.
#[derive(Args)]
pub(crate) struct One {
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) shared: Shared,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}
