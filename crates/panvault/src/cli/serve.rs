//! Serving a vault.

use std::net::{AddrParseError, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use crate::cli::Settings;

/// An address to listen at, or nowhere.
#[derive(Clone, Copy)]
pub(crate) struct Listen(pub(crate) Option<SocketAddr>);

fn address_or_none(text: &str) -> Result<Listen, AddrParseError> {
    if text.is_empty() { Ok(Listen(None)) } else { text.parse().map(|address| Listen(Some(address))) }
}

#[derive(Args)]
pub(crate) struct Dev {
    /// Where to listen; loopback only, port 0 for any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8420")]
    pub(crate) listen: SocketAddr,
    /// Where to serve /metrics, /livez and /readyz too; loopback only, empty for nowhere
    #[arg(long, value_name = "ADDR", value_parser = address_or_none)]
    pub(crate) metrics_listen: Option<Listen>,
    /// Where to serve the console; loopback only; without it, at the port two above --listen, or any free one
    #[arg(long, value_name = "ADDR")]
    pub(crate) console_listen: Option<SocketAddr>,
    /// Keep the vault in this directory; used again, it serves the same vault with the same keys
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Print one line of JSON when it is ready
    #[arg(long)]
    pub(crate) json: bool,
    /// What is logged to standard error: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    pub(crate) log_level: String,
    /// Seconds for which a CVV is held, 0 to 86400
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub(crate) cvv_ttl_seconds: u32,
    /// Settle what was captured every so many seconds, 0 to 86400; 0 for never, but by `panvault settle`
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub(crate) settle_seconds: u64,
}

#[derive(Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Where to listen
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Where to serve /metrics, /livez and /readyz too; empty for nowhere
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics_listen: Option<String>,
    /// Where to serve the console; empty for nowhere
    #[arg(long, value_name = "ADDR")]
    pub(crate) console_listen: Option<String>,
}
