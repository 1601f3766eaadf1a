//! Webhooks.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::{One, Shared};

#[derive(Subcommand)]
pub(crate) enum WebhookCommand {
    /// See what receivers are told, the newest last
    List {
        /// How many, 1 to 1000
        #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        lines: u32,
        /// Only those that stand there: waiting, delivered or failed
        #[arg(long, value_name = "STATUS")]
        status: Option<String>,
        /// Only of this account
        #[arg(long, value_name = "ID")]
        account: Option<String>,
        /// Only of this transaction
        #[arg(long, value_name = "ID")]
        transaction: Option<String>,
        /// Only of this refund
        #[arg(long, value_name = "ID")]
        refund: Option<String>,
        #[command(flatten)]
        shared: Shared,
    },
    /// Send one again, whatever became of it
    Retry(One),
    /// Make what webhooks of an account are signed with, and print it, this once; the one before it signs beside it for a day
    Secret(One),
    /// Be a receiver on this machine: print what arrives, and check signatures; for trying webhooks out
    Listen {
        /// Where to listen, on this machine; with port 0 the system chooses one
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
        listen: SocketAddr,
        /// A file with the account's webhook_secret, or - for standard input; without it, signatures are not checked
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
        /// What each message is answered with: 500 shows how it is tried again
        #[arg(long, value_name = "STATUS", default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..=599))]
        answer: u16,
        /// Print JSON, one object a line
        #[arg(long)]
        json: bool,
    },
}
