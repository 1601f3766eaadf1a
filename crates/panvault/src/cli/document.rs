//! Organisations, accounts and processors.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::{One, Shared};

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
        /// A route of a card_route: processor=ID, and with spaces between them brands, currencies, amount_min, amount_max, issuer_countries,
        /// percentage and again_after, lists with commas; may be repeated, in the order in which they are tried
        #[arg(long, value_name = "MEMBERS")]
        route: Vec<String>,
        /// A secret of its configuration, by the file that has it, for others on this machine see arguments; may be repeated
        #[arg(long, value_name = "NAME=FILE")]
        secret: Vec<String>,
        #[command(flatten)]
        shared: Shared,
    },
    /// See all processors
    List(Shared),
    /// See a processor
    Show(One),
    /// Say what is wrong with a description of a PSP, with limits.toml or in their directory, by line, or what it comes to; needs no vault
    Check {
        /// The description, limits.toml beside descriptions, or the directory: then all of it as a server reads it, with who may write there
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print one object of JSON
        #[arg(long)]
        json: bool,
    },
    /// Send a verification (amount 0) with a test card to it, in a test vault; an account must have it
    Try {
        /// Authorise this amount instead, in the smallest unit of the account's currency, and release it again
        #[arg(long, value_name = "AMOUNT", default_value_t = 0)]
        amount: u64,
        #[command(flatten)]
        one: One,
    },
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
        /// A route of a card_route, in place of all it has; may be repeated
        #[arg(long, value_name = "MEMBERS")]
        route: Vec<String>,
        /// A secret, in place of the one with that name; may be repeated
        #[arg(long, value_name = "NAME=FILE")]
        secret: Vec<String>,
        #[command(flatten)]
        shared: Shared,
    },
    /// Delete a processor that no account has and no route names
    Delete(One),
}
