//! API keys.

use clap::Subcommand;

use crate::cli::document::Ending;
use crate::cli::{One, Shared};

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
