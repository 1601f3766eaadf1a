use panvault_model::Timestamp;

use crate::limits::{KEPT_VERSIONS_MAX, PURPOSE_VERSIONS_MAX};

/// What a key of the vault is for. Each is random, has versions, and is wrapped by the root key in the header. The numbers are those of
/// stored headers and are append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VaultPurpose {
    /// Tags documents, among them the keys of organisations.
    DocumentTag,
    /// Seals the head of the documents, and hashes what it covers.
    DocumentHead,
    /// Hashes API keys.
    ApiKeyHash,
    /// Makes digests of requests that may be repeated.
    Idempotency,
    /// Tags cards, transactions, steps of histories, idempotency records, card_cvv rows and nodes.
    RowTag,
    /// Chains commits.
    AuditChain,
    /// Seals CVVs in a cache that nodes share, together with a half that lives only there.
    CvvCache,
    /// Wraps the keys of organisations.
    Wrapping,
    /// Signs checkpoints of the audit trail, for whoever holds an export against its public half.
    TrailCheckpoint,
    /// Hashes sets of rows and seals what is counted of them, and makes the marks by which transactions are found by their reference.
    SetHash,
}

/// What may be done with a key. The numbers are those of stored records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Opens and checks, and does not seal or make anything yet: every node comes to know it first.
    PreActive,
    /// Seals and opens, makes and checks.
    Active,
    /// Opens or checks what was made before.
    OpenOnly,
    /// Gone.
    Destroyed,
}

/// What may be said of a key of the vault: all but the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VaultKeyDescription {
    /// What it is for.
    pub purpose: VaultPurpose,
    /// Counts the keys of this purpose, from 1.
    pub version: u16,
    /// What may be done with it.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
}

impl VaultPurpose {
    /// Every purpose, by number.
    pub const ALL: [Self; 10] = [
        Self::DocumentTag,
        Self::DocumentHead,
        Self::ApiKeyHash,
        Self::Idempotency,
        Self::RowTag,
        Self::AuditChain,
        Self::CvvCache,
        Self::Wrapping,
        Self::TrailCheckpoint,
        Self::SetHash,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DocumentTag => "document_tag",
            Self::DocumentHead => "document_head",
            Self::ApiKeyHash => "api_key_hash",
            Self::Idempotency => "idempotency",
            Self::RowTag => "row_tag",
            Self::AuditChain => "audit_chain",
            Self::CvvCache => "cvv_cache",
            Self::Wrapping => "wrapping",
            Self::TrailCheckpoint => "trail_checkpoint",
            Self::SetHash => "set_hash",
        }
    }

    /// The number that stands for it in stored records.
    pub const fn code(self) -> u8 {
        match self {
            Self::DocumentTag => 1,
            Self::DocumentHead => 2,
            Self::ApiKeyHash => 3,
            Self::Idempotency => 4,
            Self::RowTag => 5,
            Self::AuditChain => 6,
            Self::CvvCache => 7,
            Self::Wrapping => 8,
            Self::TrailCheckpoint => 9,
            Self::SetHash => 10,
        }
    }

    /// How many of its keys may be there at a time that are not destroyed. One that chains or signs the trail stays for as long as that is kept.
    pub(crate) const fn versions_max(self) -> usize {
        match self {
            Self::AuditChain | Self::TrailCheckpoint => KEPT_VERSIONS_MAX,
            Self::DocumentTag
            | Self::DocumentHead
            | Self::ApiKeyHash
            | Self::Idempotency
            | Self::RowTag
            | Self::CvvCache
            | Self::Wrapping
            | Self::SetHash => PURPOSE_VERSIONS_MAX,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.code() == code)
    }
}

impl KeyState {
    /// Every state, in the order in which a key has them.
    pub const ALL: [Self; 4] = [Self::PreActive, Self::Active, Self::OpenOnly, Self::Destroyed];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreActive => "pre_active",
            Self::Active => "active",
            Self::OpenOnly => "open_only",
            Self::Destroyed => "destroyed",
        }
    }

    /// How far it is on the way of a key.
    pub(crate) const fn order(self) -> u8 {
        match self {
            Self::PreActive => 1,
            Self::Active => 2,
            Self::OpenOnly => 3,
            Self::Destroyed => 4,
        }
    }

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Active => 1,
            Self::OpenOnly => 2,
            Self::Destroyed => 3,
            Self::PreActive => 4,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }
}
