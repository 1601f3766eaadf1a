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
}

/// What may still be done with a key. The numbers are those of stored records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Seals and opens, makes and checks.
    Active,
    /// Opens or checks what was made before.
    OpenOnly,
    /// Gone.
    Destroyed,
}

impl VaultPurpose {
    /// Every purpose, by number.
    pub const ALL: [Self; 8] = [
        Self::DocumentTag,
        Self::DocumentHead,
        Self::ApiKeyHash,
        Self::Idempotency,
        Self::RowTag,
        Self::AuditChain,
        Self::CvvCache,
        Self::Wrapping,
    ];

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::DocumentTag => 1,
            Self::DocumentHead => 2,
            Self::ApiKeyHash => 3,
            Self::Idempotency => 4,
            Self::RowTag => 5,
            Self::AuditChain => 6,
            Self::CvvCache => 7,
            Self::Wrapping => 8,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.code() == code)
    }
}

impl KeyState {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Active => 1,
            Self::OpenOnly => 2,
            Self::Destroyed => 3,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::Active, Self::OpenOnly, Self::Destroyed].into_iter().find(|state| state.code() == code)
    }
}
