//! Settings: flag, then environment, then file, then default. Read and checked whole before anything starts.

mod environment;
mod file;
mod judged;
mod peers;
pub(crate) mod secret;
mod sources;
mod stores;
mod table;
mod trail;

use core::str::FromStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use panvault_server::{RequestLimits, ServerSettings, SigninProxy, SigninProxyFault, TrustedProxies};
use panvault_slots::Peer;
use panvault_vault::limits::CVV_TTL_SECONDS_MAX;
use panvault_vault::{GuardSettings, RotationSettings, origin_fits};
use panvault_webhook::AddressPolicy;

use crate::cli;
use crate::config::sources::Values;
use crate::telemetry::{self, LogFormat};
use crate::trail::TrailConfig;

pub(crate) use stores::{CvvServer, Cvvs, Shared};
pub(crate) use table::{SETTINGS, Setting};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag,
    Environment,
    File {
        /// Counted from 1.
        line: usize,
    },
    Default,
}

/// Every setting, checked.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The vault's directory, or with a database this node's own.
    pub(crate) data_directory: PathBuf,
    /// The database that nodes share; `None` for a vault that is its directory.
    pub(crate) shared: Option<Shared>,
    /// The key file; `None` for where `init` puts it.
    pub(crate) slot_key_file: Option<PathBuf>,
    /// What opens the vault where there is no key file, in the order in which they are asked.
    pub(crate) slot_peers: Vec<Peer>,
    /// The directory of the log; `None` for the one in the vault's.
    pub(crate) wal_directory: Option<PathBuf>,
    /// Bytes of the log that are kept for incremental backups at most; 0 for none.
    pub(crate) backup_archive_bytes: u64,
    /// Descriptions of PSPs beside those that come with the program.
    pub(crate) processors: Option<PathBuf>,
    pub(crate) listen: SocketAddr,
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Where and for whom the console is; `None` for nowhere.
    pub(crate) console: Option<ConsoleConfig>,
    /// Certificate and key, PEM.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// A proxy in front ends TLS.
    pub(crate) behind_proxy: bool,
    /// A live vault may run on a machine with swap though its memory is not locked.
    pub(crate) allow_swap: bool,
    pub(crate) cvv_ttl_seconds: u32,
    pub(crate) cvvs_held_max: u64,
    pub(crate) server: ServerSettings,
    pub(crate) guards: GuardSettings,
    pub(crate) rotation: RotationSettings,
    /// Seconds between two settlements; 0 is never.
    pub(crate) settle_seconds: u64,
    /// Where the trail goes to.
    pub(crate) trail: TrailConfig,
    /// Where webhooks may go to.
    pub(crate) webhooks: AddressPolicy,
    /// How long a list may wait for its turn, and then take.
    pub(crate) list_time: Duration,
    pub(crate) log_level: String,
    pub(crate) log_format: LogFormat,
}

/// Where the console is, and what people sign in by beside their API keys.
#[derive(Clone, Debug)]
pub(crate) struct ConsoleConfig {
    pub(crate) listen: SocketAddr,
    /// Who signs the certificates that are asked for; `None` where none are.
    pub(crate) clients: Option<PathBuf>,
    /// The proxy that people sign in at.
    pub(crate) proxy: Option<SigninProxy>,
}

/// A value with its origin, as `config print` shows it.
pub(crate) struct Shown {
    pub(crate) setting: &'static Setting,
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// Reads all sources, without judging them.
pub(crate) fn shown(settings: &cli::Settings, flags: &[(&'static str, String)]) -> Vec<Shown> {
    let values = Values::read(settings, flags);
    let shown = SETTINGS.iter().map(|setting| {
        let (value, origin) = values.of(setting.name);
        Shown { setting, value: without_password(&value), origin }
    });
    shown.collect()
}

/// An address as it may be printed: one with a password in it is refused, and is not the way by which that comes to be seen.
fn without_password(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    // Also one that was not written as it must be, such as with a slash in it.
    let Some((user, host)) = rest.rsplit_once('@') else { return value.to_owned() };
    match user.split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:…@{host}"),
        None => value.to_owned(),
    }
}

/// Reads and checks all settings. Every fault is said at once.
pub(crate) fn read(settings: &cli::Settings, flags: &[(&'static str, String)]) -> anyhow::Result<Config> {
    check(Values::read(settings, flags))
}

fn check(mut values: Values) -> anyhow::Result<Config> {
    let mut checked = Checked { faults: core::mem::take(&mut values.faults), values };
    let (requests, guards) = checked.limits();
    let mut config = Config {
        data_directory: checked.path("data_directory").unwrap_or_default(),
        shared: checked.shared(),
        slot_key_file: checked.path("slot_key_file"),
        slot_peers: checked.peers(),
        wal_directory: checked.path("wal_directory"),
        backup_archive_bytes: checked.number("backup_archive_bytes", 0, 1 << 44),
        processors: checked.path("processors"),
        listen: checked.value("listen", "must be an address and a port, such as 127.0.0.1:8420"),
        metrics_listen: checked.option("metrics_listen", "must be an address and a port, or empty"),
        console: checked.console(),
        tls: checked.tls(),
        behind_proxy: checked.value("behind_proxy", "must be true or false"),
        allow_swap: checked.value("allow_swap", "must be true or false"),
        cvv_ttl_seconds: checked.number("cvv_ttl_seconds", 0, u64::from(CVV_TTL_SECONDS_MAX)),
        cvvs_held_max: checked.number("cvvs_held_max", 1, 100_000_000),
        server: ServerSettings {
            connections_max: checked.number("connections_max", 1, 1_000_000),
            header_timeout: checked.seconds("header_timeout_seconds"),
            body_timeout: checked.seconds("body_timeout_seconds"),
            handshake_timeout: checked.seconds("handshake_timeout_seconds"),
            answers_bytes_max: checked.number("answers_bytes_max", 16 << 20, 1 << 40),
            stop_grace: checked.seconds("stop_grace_seconds"),
            bin_lookups_per_minute: checked.number("bin_lookups_per_minute", 1, 1_000_000),
            requests,
            public_origin: checked.public_origin(),
            trusted_proxies: checked.value(
                "trusted_proxies",
                "must be addresses and networks, such as 10.0.0.0/8, with commas between them",
            ),
            ..ServerSettings::default()
        },
        guards,
        rotation: RotationSettings {
            rows_per_second: checked.number("rotation_rows_per_second", 1, 1_000_000),
            key_days_max: checked.number("key_days_max", 0, 36_500),
            fingerprint_overlap_seconds: checked.number("fingerprint_overlap_seconds", 0, 31_536_000),
        },
        settle_seconds: checked.number("settle_seconds", 0, 86_400),
        trail: checked.trail(),
        webhooks: checked.networks("webhook_allow"),
        list_time: checked.seconds("list_seconds_max"),
        log_level: checked.log_level(),
        log_format: checked.log_format(),
    };
    // All clients have the address of a proxy that is not trusted to tell theirs.
    if config.behind_proxy && config.server.trusted_proxies.is_empty() {
        config.server.requests.address_requests_per_minute = 0;
    }
    if config.data_directory.as_os_str().is_empty() && !checked.values.file_unread {
        checked.fault(
            "data_directory",
            "is required: give --data DIR, or --config FILE with data_directory in it",
        );
    }
    let plain = config.tls.is_none() && !config.behind_proxy;
    if plain && !config.listen.ip().is_loopback() {
        let what = "is not a loopback address: set tls_certificate_file and tls_key_file, or behind_proxy = true when a \
                    proxy in front ends TLS";
        checked.fault("listen", what);
    }
    if !config.behind_proxy && config.metrics_listen.is_some_and(|address| !address.ip().is_loopback()) {
        checked
            .fault("metrics_listen", "is not a loopback address: set behind_proxy = true if that is wanted");
    }
    if let Some(console) = &config.console {
        checked.console_is_signed_in_to(console, config.tls.is_some(), config.behind_proxy);
    }
    if checked.faults.is_empty() { Ok(config) } else { anyhow::bail!(checked.faults.join("\n  ")) }
}

/// Values, and what was found wrong with them.
struct Checked {
    values: Values,
    faults: Vec<String>,
}

impl Checked {
    fn fault(&mut self, name: &str, what: &str) {
        let from = match self.values.of(name).1 {
            Origin::Flag => "from a flag".to_owned(),
            Origin::Environment => format!("PANVAULT_{} in the environment", name.to_uppercase()),
            Origin::File { line } => format!("line {line} of the configuration file"),
            Origin::Default => "by default".to_owned(),
        };
        self.faults.push(format!("the setting {name} ({from}) {what}"));
    }

    fn text(&self, name: &str) -> String {
        self.values.of(name).0
    }

    fn is_default(&self, name: &str) -> bool {
        self.values.of(name).1 == Origin::Default
    }

    fn value<T: FromStr + Fallback>(&mut self, name: &str, what: &str) -> T {
        match self.text(name).parse() {
            Ok(value) => value,
            Err(_) => {
                self.fault(name, what);
                T::fallback()
            }
        }
    }

    fn option(&mut self, name: &str, what: &str) -> Option<SocketAddr> {
        if self.text(name).is_empty() { None } else { Some(self.value(name, what)) }
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        let text = self.text(name);
        if text.is_empty() { None } else { Some(PathBuf::from(text)) }
    }

    fn public_origin(&mut self) -> Option<String> {
        let origin = self.text("public_origin");
        if !origin.is_empty() && origin_fits("public_origin", &origin).is_err() {
            let what = "must be a web origin as browsers write it, such as https://vault.example, or empty";
            self.fault("public_origin", what);
        }
        Some(origin).filter(|origin| !origin.is_empty())
    }

    fn number<T: TryFrom<u64> + Default>(&mut self, name: &str, min: u64, max: u64) -> T {
        let number = self.text(name).parse().ok().filter(|number| (min..=max).contains(number));
        match number.and_then(|number| T::try_from(number).ok()) {
            Some(number) => number,
            None => {
                self.fault(name, &format!("must be a number, {min} to {max}"));
                T::default()
            }
        }
    }

    fn networks(&mut self, name: &str) -> AddressPolicy {
        let text = self.text(name);
        let networks = text.split(',').map(str::trim).filter(|network| !network.is_empty());
        AddressPolicy::allowing(networks).unwrap_or_else(|fault| {
            self.fault(name, &fault.to_string());
            AddressPolicy::default()
        })
    }

    fn seconds(&mut self, name: &str) -> Duration {
        Duration::from_secs(self.number(name, 1, 3600))
    }

    /// How often may be asked, and what is done about card testing.
    fn limits(&mut self) -> (RequestLimits, GuardSettings) {
        let are_on = self.value("limits", "must be true or false");
        let mut limit = |name| self.number(name, 0, 1_000_000_000);
        let requests = RequestLimits {
            requests_per_minute: limit("requests_per_minute"),
            organisation_requests_per_minute: limit("organisation_requests_per_minute"),
            cards_per_minute: limit("cards_per_minute"),
            browser_requests_per_minute: limit("browser_requests_per_minute"),
            address_requests_per_minute: limit("address_requests_per_minute"),
        };
        let guards = GuardSettings {
            card_guesses_per_day: limit("card_guesses_per_day"),
            card_declines_per_hour: limit("card_declines_per_hour"),
            declines_percent_max: self.number("declines_percent_max", 0, 100),
        };
        if are_on { (requests, guards) } else { (RequestLimits::default(), GuardSettings::OFF) }
    }

    fn console(&mut self) -> Option<ConsoleConfig> {
        let listen = self.option("console_listen", "must be an address and a port, or empty");
        let (addresses, header) = (self.text("console_proxies"), self.text("console_proxy_header"));
        let proxy = match (addresses.as_str(), header.as_str()) {
            ("", "") => None,
            ("", _) => {
                self.fault("console_proxies", "is required beside console_proxy_header");
                None
            }
            (_, "") => {
                self.fault("console_proxy_header", "is required beside console_proxies");
                None
            }
            (addresses, header) => match SigninProxy::new(addresses, header) {
                Ok(proxy) => Some(proxy),
                Err(fault) => {
                    let name = match fault {
                        SigninProxyFault::Header => "console_proxy_header",
                        SigninProxyFault::Addresses => "console_proxies",
                    };
                    self.fault(name, &fault.to_string());
                    None
                }
            },
        };
        let clients = self.path("console_client_ca_file");
        listen.map(|listen| ConsoleConfig { listen, clients, proxy })
    }

    /// Says where the console could be opened by whoever has a key and is nobody in particular, or be overheard.
    fn console_is_signed_in_to(&mut self, console: &ConsoleConfig, has_tls: bool, behind_proxy: bool) {
        if console.clients.is_some() && !has_tls {
            let what = "needs tls_certificate_file and tls_key_file: certificates are asked for over TLS";
            self.fault("console_client_ca_file", what);
        }
        if console.listen.ip().is_loopback() {
            return;
        }
        let has_proxy = !self.text("console_proxies").is_empty();
        let is_encrypted = has_tls || (behind_proxy && has_proxy);
        if console.clients.is_none() && !has_proxy {
            let what = "is not a loopback address, where people sign in as themselves beside their API key: set \
                        console_client_ca_file, or console_proxy_header and console_proxies";
            self.fault("console_listen", what);
        } else if !is_encrypted {
            let what = "is not a loopback address: set tls_certificate_file and tls_key_file, or behind_proxy = true when the \
                        proxy of console_proxies ends TLS";
            self.fault("console_listen", what);
        }
    }

    fn tls(&mut self) -> Option<(PathBuf, PathBuf)> {
        match (self.path("tls_certificate_file"), self.path("tls_key_file")) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => {
                self.fault("tls_key_file", "is required beside tls_certificate_file");
                None
            }
            (None, Some(_)) => {
                self.fault("tls_certificate_file", "is required beside tls_key_file");
                None
            }
        }
    }

    fn log_level(&mut self) -> String {
        let level = self.text("log_level");
        if let Err(fault) = telemetry::filter(&level) {
            self.fault("log_level", fault);
        }
        level
    }

    fn log_format(&mut self) -> LogFormat {
        match self.text("log_format").as_str() {
            "auto" => LogFormat::Auto,
            "json" => LogFormat::Json,
            "text" => LogFormat::Text,
            _ => {
                self.fault("log_format", "must be auto, json or text");
                LogFormat::Json
            }
        }
    }
}

/// What stands in for a value that was refused, until all faults are said.
trait Fallback {
    fn fallback() -> Self;
}

impl Fallback for SocketAddr {
    fn fallback() -> Self {
        Self::from(([127, 0, 0, 1], 0))
    }
}

impl Fallback for TrustedProxies {
    fn fallback() -> Self {
        Self::default()
    }
}

impl Fallback for bool {
    fn fallback() -> Self {
        false
    }
}

#[cfg(test)]
pub(crate) mod tests;
