//! Making a vault.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What no flag says is asked, on a terminal.
#[derive(Args)]
pub(crate) struct Setup {
    /// Ask nothing: what no flag says gets its default
    #[arg(long)]
    pub(crate) yes: bool,
    /// The vault's directory; it must not be there yet, or be empty [default: /var/lib/panvault/vault for the package's user, else
    /// panvault in the home directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// A test vault takes the dummy processor and pv_test_ keys; a live vault refuses both [default: test]
    #[arg(long, value_enum)]
    pub(crate) mode: Option<ModeArg>,
    /// What the organisation is called that owns the cards [default in a test vault: Example Ltd]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Certificate chain, PEM; with --tls-key
    #[arg(long, value_name = "FILE", conflicts_with = "behind_proxy")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// The certificate's key, PEM
    #[arg(long, value_name = "FILE", conflicts_with = "behind_proxy")]
    pub(crate) tls_key: Option<PathBuf>,
    /// A proxy in front ends TLS
    #[arg(long)]
    pub(crate) behind_proxy: bool,
    /// Where to listen [default: 127.0.0.1:8420; with a certificate 0.0.0.0:8420]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Where to write the settings [default: /etc/panvault/panvault.toml for the package's vault, else DIR.settings.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where to write the key file, outside the vault's directory [default: /etc/panvault/keys/vault.slot-key for the package's
    /// vault, else DIR.slot-key]
    #[arg(long, value_name = "FILE")]
    pub(crate) slot_key_file: Option<PathBuf>,
    /// Where to write the systemd unit; none for nowhere [default: none where the package's fits, where
    /// there is no /etc/systemd/system for root's, or where the machine has no name for the user; else of root
    /// /etc/systemd/system/panvault.service, of anybody else DIR.service, to be put there]
    #[arg(long, value_name = "FILE|none")]
    pub(crate) unit: Option<PathBuf>,
    /// As root: the user that the vault belongs to and the server runs as [default: panvault, if there is one]
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Print one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Init {
    /// Hold the ceremony of a vault's keys at this terminal: shares are made, handed out and proved one custodian at a time, what was done is written down, and
    /// there is no key file: custodians open the vault
    #[arg(long, conflicts_with_all = ["slot_key_file", "store", "json"])]
    pub(crate) ceremony: bool,
    /// Go through the ceremony with a vault that is gone afterwards
    #[arg(long, requires = "ceremony")]
    pub(crate) rehearsal: bool,
    /// The vault's directory; it must not be there yet, or be empty
    #[arg(value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// A test vault takes the dummy processor and pv_test_ keys; a live vault refuses both
    #[arg(long, value_enum, default_value_t = ModeArg::Live)]
    pub(crate) mode: ModeArg,
    /// Where to write the key file, outside the vault's directory [default: DIR.slot-key]
    #[arg(long, value_name = "FILE")]
    pub(crate) slot_key_file: Option<PathBuf>,
    /// Where to put the write-ahead log, such as on another disk; it must not be there yet [default: DIR/log]
    #[arg(long, value_name = "DIR", conflicts_with = "store")]
    pub(crate) wal_directory: Option<PathBuf>,
    /// Make the vault in this database, which several nodes may share, such as postgres://panvault@db.example/panvault; DIR is then the
    /// first node's own
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// Any further setting, such as store_password_file=FILE or cvv_store=URL; it is written into the settings
    #[arg(long, value_name = "NAME=VALUE", requires = "store")]
    pub(crate) set: Vec<String>,
    /// Print one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ModeArg {
    Test,
    Live,
}
