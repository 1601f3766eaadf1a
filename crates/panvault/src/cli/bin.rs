//! The table of issuers.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use panvault_bins::Share;

use crate::cli::Shared;

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
