use std::net::SocketAddr;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, Parser, Subcommand, ValueEnum};
use panvault_bins::Share;

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
    /// Make a vault with all that a first token needs: root key, settings, organisation, API key, systemd unit
    Setup(Setup),
    /// Make a vault
    Init(Init),
    /// Serve a vault
    Serve(Serve),
    /// Look at a vault without changing it, and say what is wrong
    Doctor(Doctor),
    /// See what the configuration comes to
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Say how a vault is doing: exit code 0 when it is served and ready, 2 when it is served and not ready, 1 when it is not served
    Status(Shared),
    /// Have a server read its certificates and its table of issuers again, as SIGHUP does
    Reload(Shared),
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
    /// Import a list of who issued which cards, and look up in it
    #[command(subcommand)]
    Bin(BinCommand),
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

#[derive(Args)]
pub(crate) struct Dev {
    /// Where to listen; loopback only, port 0 for any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8420")]
    pub(crate) listen: SocketAddr,
    /// Where to serve /metrics, /livez and /readyz too; loopback only
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics_listen: Option<SocketAddr>,
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
}

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
    /// Where to write the root key, outside the vault's directory [default: /etc/panvault/keys/vault.root-key for the package's
    /// vault, else DIR.root-key]
    #[arg(long, value_name = "FILE")]
    pub(crate) root_key_file: Option<PathBuf>,
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
    /// The vault's directory; it must not be there yet, or be empty
    #[arg(value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// A test vault takes the dummy processor and pv_test_ keys; a live vault refuses both
    #[arg(long, value_enum, default_value_t = ModeArg::Live)]
    pub(crate) mode: ModeArg,
    /// Where to write the root key, outside the vault's directory [default: DIR.root-key]
    #[arg(long, value_name = "FILE")]
    pub(crate) root_key_file: Option<PathBuf>,
    /// Print one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ModeArg {
    Test,
    Live,
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

/// Further members of an object, by their names in the API.
#[derive(Args)]
pub(crate) struct Further {
    /// Any further field of the API, such as email=shop@example.com; true and false are what they say. May be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) field: Vec<String>,
}

/// Members of an object that are to end, by their names in the API.
#[derive(Args)]
pub(crate) struct Ending {
    /// A field of the API that is to have no value any more, such as country_code, description or expires_at. May be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) unset: Vec<String>,
}

#[derive(Subcommand)]
pub(crate) enum OrganisationCommand {
    /// Make an organisation and its keys
    Create {
        #[arg(long)]
        name: String,
        /// The organisation above it
        #[arg(long, value_name = "ID")]
        parent: Option<String>,
        /// ISO 3166-1 alpha-2
        #[arg(long, value_name = "CODE")]
        country_code: Option<String>,
        #[command(flatten)]
        further: Further,
        #[command(flatten)]
        shared: Shared,
    },
    /// See all organisations
    List(Shared),
    /// See an organisation
    Show(One),
    /// Change an organisation
    Change {
        #[arg(value_name = "ID")]
        id: String,
        #[arg(long)]
        name: Option<String>,
        /// ISO 3166-1 alpha-2
        #[arg(long, value_name = "CODE")]
        country_code: Option<String>,
        /// Whether everything that changes or pays in it or below it is refused; its keys are nobody's meanwhile, and reading, deleting, revoking keys
        /// and this go on for those above
        #[arg(long, value_name = "true|false")]
        disabled: Option<bool>,
        #[command(flatten)]
        further: Further,
        #[command(flatten)]
        ending: Ending,
        #[command(flatten)]
        shared: Shared,
    },
    /// Delete an organisation on which nothing hangs
    Delete(One),
}

#[derive(Subcommand)]
pub(crate) enum AccountCommand {
    /// Make an account: one currency, and at most one processor of each kind
    Create {
        #[arg(long, value_name = "ID")]
        organisation: String,
        #[arg(long)]
        name: String,
        #[arg(long)]
        description: Option<String>,
        /// ISO 4217
        #[arg(long, value_name = "CODE")]
        currency_code: String,
        /// A processor of the account; may be repeated
        #[arg(long, value_name = "ID")]
        processor: Vec<String>,
        #[command(flatten)]
        further: Further,
        #[command(flatten)]
        shared: Shared,
    },
    /// See all accounts
    List(Shared),
    /// See an account
    Show(One),
    /// Change an account
    Change {
        #[arg(value_name = "ID")]
        id: String,
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        description: Option<String>,
        /// A processor of the account, in place of all it has; may be repeated
        #[arg(long, value_name = "ID")]
        processor: Vec<String>,
        /// Whether it refuses transactions
        #[arg(long, value_name = "true|false")]
        disabled: Option<bool>,
        #[command(flatten)]
        further: Further,
        #[command(flatten)]
        ending: Ending,
        #[command(flatten)]
        shared: Shared,
    },
    /// Delete an account on which nothing hangs
    Delete(One),
}

#[derive(Subcommand)]
pub(crate) enum ProcessorCommand {
    /// Make a processor
    Create {
        #[arg(long, value_name = "ID")]
        organisation: String,
        #[arg(long)]
        name: String,
        /// Its kind, such as card_dummy
        #[arg(long = "type", value_name = "TYPE")]
        type_name: String,
        /// A setting of its configuration, such as decline_without_cvv=20; may be repeated
        #[arg(long, value_name = "NAME=VALUE")]
        configuration: Vec<String>,
        #[command(flatten)]
        shared: Shared,
    },
    /// See all processors
    List(Shared),
    /// See a processor
    Show(One),
    /// Change a processor
    Change {
        #[arg(value_name = "ID")]
        id: String,
        #[arg(long)]
        name: Option<String>,
        /// Its kind, to be given with a configuration
        #[arg(long = "type", value_name = "TYPE")]
        type_name: Option<String>,
        /// A setting, in place of all it has; may be repeated, and needs --type
        #[arg(long, value_name = "NAME=VALUE", requires = "type_name")]
        configuration: Vec<String>,
        #[command(flatten)]
        shared: Shared,
    },
    /// Delete a processor that no account has
    Delete(One),
}

#[derive(Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// Make an API key and print it, this once
    Create {
        #[arg(long, value_name = "ID")]
        organisation: String,
        #[arg(long)]
        name: String,
        /// ProviderAdmin, ProviderUser, MerchantAdmin, MerchantSupervisor, MerchantCashier, MerchantUser or Publishable;
        /// may be repeated
        #[arg(long, value_name = "ROLE", required = true)]
        role: Vec<String>,
        /// Of a key with the role Publishable, a web origin whose pages may use it, such as https://shop.example; may be repeated
        #[arg(long, value_name = "ORIGIN")]
        allowed_origin: Vec<String>,
        /// When it stops working, RFC 3339
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
        #[command(flatten)]
        shared: Shared,
    },
    /// See all API keys, but for the keys themselves
    List(Shared),
    /// See an API key, but for the key itself
    Show(One),
    /// Change an API key, which stays the same text
    Change {
        #[arg(value_name = "ID")]
        id: String,
        #[arg(long)]
        name: Option<String>,
        /// A role, in place of all it has; may be repeated
        #[arg(long, value_name = "ROLE")]
        role: Vec<String>,
        /// When it stops working, RFC 3339, or never
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
        /// Of a publishable key, where its page is from, in place of all it has; may be repeated
        #[arg(long, value_name = "ORIGIN")]
        allowed_origin: Vec<String>,
        #[command(flatten)]
        ending: Ending,
        #[command(flatten)]
        shared: Shared,
    },
    /// Make an API key that takes the place of another, print it, this once, and let the other end
    Rotate {
        #[arg(value_name = "ID")]
        id: String,
        /// Seconds for which the old key works on, at most 2592000
        #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
        overlap_seconds: u32,
        /// When the new key stops working, RFC 3339, or never; without it, when the old one would have
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
        #[command(flatten)]
        shared: Shared,
    },
    /// Revoke an API key: it stops working at once
    #[command(alias = "delete")]
    Revoke(One),
}

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
    Verify(Shared),
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Subcommand)]
pub(crate) enum BinCommand {
    /// Import a list; it takes the place of the one before, also under a server that runs
    Import(BinImport),
    /// Look up the first digits of a number
    Lookup {
        /// 6 to 11 digits
        #[arg(value_name = "DIGITS")]
        digits: String,
        #[command(flatten)]
        shared: Shared,
    },
    /// See which list is imported
    Info(Shared),
    /// Remove the list; it is kept for restore, and cards keep what is known of them
    Remove(Shared),
    /// Bring back the list before the one in use, or the one that was removed; the one in use is kept in its place, so that a second
    /// restore undoes the first
    Restore(Shared),
    /// Derive again who issued the cards that are stored, from the list as it is now, also under a server that runs. What was
    /// begun can be begun again at any time
    Refresh(Shared),
}

#[derive(Args)]
pub(crate) struct BinImport {
    /// The list: CSV with a header, UTF-8
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// How it is laid out
    #[arg(long, value_enum)]
    pub(crate) format: BinFormat,
    /// Of format csv, which column is what, such as bin=IIN,issuer=Bank,country=Country; one of bin or start (and end) is
    /// required, further are brand, type, variant, prepaid, length, luhn
    #[arg(long, value_name = "WHAT=COLUMN,…", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// Where the list is from, such as its address
    #[arg(long)]
    pub(crate) source: String,
    /// On what terms it may be used, such as CC-BY-4.0
    #[arg(long)]
    pub(crate) licence: String,
    /// Whom the licence asks to name
    #[arg(long)]
    pub(crate) attribution: Option<String>,
    /// Rows that may be refused, in percent of all, before the import is
    #[arg(long, value_name = "PERCENT", default_value = "1")]
    pub(crate) refused_max: Share,
    /// Import it although too many rows are refused, it holds less than half of the list in use, or it was cut short
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) shared: Shared,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BinFormat {
    /// BIN,Brand,Type,Category,Issuer,IssuerPhone,IssuerUrl,isoCode2,isoCode3,CountryName
    BinListData,
    /// iin_start,iin_end,number_length,number_luhn,scheme,brand,type,prepaid,country,bank_name,…
    BinlistRanges,
    /// Any other, with --columns
    Csv,
}
