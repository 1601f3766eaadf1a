//! The audit trail.

use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::{One, Shared};

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// See the newest records, the newest last
    #[command(visible_alias = "list")]
    Tail {
        /// How many, 1 to 1000; without it 20, or with --since 1000
        #[arg(long, short = 'n', value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
        lines: Option<u32>,
        /// Only those since then: a time, RFC 3339, or how long ago, such as 90s, 15m, 2h or 7d
        #[arg(long, value_name = "TIME|DURATION")]
        since: Option<String>,
        /// Go on, and print each record as it is written, also by the next server where one ends
        #[arg(long, short = 'f')]
        follow: bool,
        /// Only what was done in this organisation
        #[arg(long, value_name = "ID")]
        organisation: Option<String>,
        /// Only what this API key did; local for commands and the vault itself
        #[arg(long, value_name = "ID")]
        actor: Option<String>,
        /// Only what was done to the object with this id
        #[arg(long, value_name = "ID")]
        object: Option<String>,
        /// Only this action, such as document_delete; may be repeated
        #[arg(long, value_name = "ACTION")]
        action: Vec<String>,
        /// Only what was done in this request, which its answer named in X-Request-Id
        #[arg(long, value_name = "ID")]
        request: Option<String>,
        #[command(flatten)]
        shared: Shared,
    },
    /// See one record
    Show(One),
    /// Hold the trail against its chain, and the rows against the trail; works beside a server
    ///
    /// With FILE it holds an exported trail against public keys instead, and needs neither the vault nor a key of it
    Verify {
        /// Files of an exported trail, the earliest first
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// With FILE, a public key that the vault signs with, as panvault audit key shows it; may be repeated
        #[arg(long, value_name = "KEY", requires = "files")]
        key: Vec<String>,
        /// With FILE, a file with an identity of age that reads what is encrypted of the export; may be repeated
        #[arg(long, value_name = "FILE", requires = "files")]
        identity: Vec<PathBuf>,
        #[command(flatten)]
        shared: Shared,
    },
    /// Show the public keys that an exported trail is held against; works beside a server
    Key(Shared),
}
