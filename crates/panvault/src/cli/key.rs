//! Keys of organisations.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use panvault_keys::VaultPurpose;

use crate::cli::{Shared, Unlock};

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// See which keys there are: what each is for, what may be done with it, since when and until when, and how many rows still need it
    List {
        /// Only of this organisation
        #[arg(long, value_name = "ID")]
        organisation: Option<String>,
        #[command(flatten)]
        shared: Shared,
    },
    /// Print all keys: those of the vault itself, which the root key wraps, and those of every organisation
    Inventory(Shared),
    /// Replace a key: the new one seals or makes at once, what the old one sealed or made is sealed anew in the background, and then the old one is destroyed
    Rotate {
        /// Which one
        #[arg(value_enum)]
        purpose: RotatedPurpose,
        /// Whose, of a key of an organisation
        #[arg(long, value_name = "ID", required_if_eq_any([("purpose", "data"), ("purpose", "fingerprint")]))]
        organisation: Option<String>,
        /// Return when the old key is destroyed, and say meanwhile how many rows are left
        #[arg(long)]
        wait: bool,
        /// Of fingerprints: write a new file that says what each was before and what it is now, a line for each card
        #[arg(long, value_name = "FILE")]
        mapping: Option<PathBuf>,
        #[command(flatten)]
        by: Unlock,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Destroy all keys of an organisation, and disable it: nothing that was sealed for it opens any more. Asks for its id once more
    Destroy {
        /// Whose
        #[arg(long, value_name = "ID")]
        organisation: String,
        #[command(flatten)]
        shared: Shared,
    },
}

/// A key that can be replaced.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RotatedPurpose {
    /// The key above all keys, which every slot opens: all keys of the vault are wrapped with another, and no row is touched
    Root,
    /// What wraps the keys of organisations
    Wrapping,
    /// What tags every row, so that one that was changed from outside is found
    #[value(name = "row_tag")]
    RowTag,
    /// What tags documents (organisations, accounts, processors, API keys, wrapped keys), tables of issuers and manifests of backups
    #[value(name = "document_tag")]
    DocumentTag,
    /// What seals the head of the documents, which says which of them there are
    #[value(name = "document_head")]
    DocumentHead,
    /// What makes the digests by which a repeated request is known
    Idempotency,
    /// What hashes API keys
    #[value(name = "api_key_hash")]
    ApiKeyHash,
    /// What seals CVVs that nodes share
    #[value(name = "cvv_cache")]
    CvvCache,
    /// What chains the records of the audit trail
    #[value(name = "audit_chain")]
    AuditChain,
    /// What signs checkpoints of the exported trail
    #[value(name = "trail_checkpoint")]
    TrailCheckpoint,
    /// What seals cards, customers and secrets of an organisation
    Data,
    /// What makes the fingerprints of an organisation's cards, and the digests by which its customers are found: the fingerprints become others
    Fingerprint,
}

impl RotatedPurpose {
    /// The purpose in the header of the vault's keys; `None` of the root key and of keys of organisations, which are not there.
    pub(crate) const fn of_vault(self) -> Option<VaultPurpose> {
        match self {
            Self::Root | Self::Data | Self::Fingerprint => None,
            Self::Wrapping => Some(VaultPurpose::Wrapping),
            Self::RowTag => Some(VaultPurpose::RowTag),
            Self::DocumentTag => Some(VaultPurpose::DocumentTag),
            Self::DocumentHead => Some(VaultPurpose::DocumentHead),
            Self::Idempotency => Some(VaultPurpose::Idempotency),
            Self::ApiKeyHash => Some(VaultPurpose::ApiKeyHash),
            Self::CvvCache => Some(VaultPurpose::CvvCache),
            Self::AuditChain => Some(VaultPurpose::AuditChain),
            Self::TrailCheckpoint => Some(VaultPurpose::TrailCheckpoint),
        }
    }

    /// As the API has it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Wrapping => "wrapping",
            Self::RowTag => "row_tag",
            Self::DocumentTag => "document_tag",
            Self::DocumentHead => "document_head",
            Self::Idempotency => "idempotency",
            Self::ApiKeyHash => "api_key_hash",
            Self::CvvCache => "cvv_cache",
            Self::AuditChain => "audit_chain",
            Self::TrailCheckpoint => "trail_checkpoint",
            Self::Data => "data",
            Self::Fingerprint => "fingerprint",
        }
    }
}
