use core::fmt;
use std::sync::Arc;

use panvault_model::{
    ApiKeyId, CardId, CheckoutId, CustomerId, DeliveryId, Id, NodeId, OrganisationId, RefundId, TransactionId,
};

use crate::codec::{Reader, RowFault, Writer};
use crate::document::{DocumentKind, DocumentRow};
use crate::row::{
    ApiKeyUseRow, CardCvvRow, CardRow, CheckoutRow, CustomerRow, DeliveryRow, HistoryRow, IdempotencyKey,
    IdempotencyRow, NodeRow, RefundRow, TransactionRow,
};

/// What a row is of. The numbers are those of stored records and are append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// [`CardRow`], found by organisation and by fingerprint too.
    Card,
    /// [`TransactionRow`], found by organisation, by card, and while it is open too.
    Transaction,
    /// [`HistoryRow`], by transaction and version.
    History,
    /// [`DocumentRow`], by kind.
    Document,
    /// [`IdempotencyRow`], found by the end of its time too.
    Idempotency,
    /// [`CardCvvRow`], found by the end of its time too.
    CardCvv,
    /// [`NodeRow`]; there are few.
    Node,
    /// [`ApiKeyUseRow`].
    ApiKeyUse,
    /// [`RefundRow`], found by organisation, by transaction, and while it is open too.
    Refund,
    /// [`CustomerRow`], found by organisation and by the digest of its e-mail address too.
    Customer,
    /// [`DeliveryRow`], found by organisation, account, status and object too; while it waits by the version of its object, and by its lane
    /// and when it is due; then by when it is removed.
    Delivery,
    /// [`CheckoutRow`], found by organisation, and by when it is removed too.
    Checkout,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 12] = [
        Self::Card,
        Self::Transaction,
        Self::History,
        Self::Document,
        Self::Idempotency,
        Self::CardCvv,
        Self::Node,
        Self::ApiKeyUse,
        Self::Refund,
        Self::Customer,
        Self::Delivery,
        Self::Checkout,
    ];

    /// The number that stands for it in stored records.
    pub const fn code(self) -> u8 {
        match self {
            Self::Card => 1,
            Self::Transaction => 2,
            Self::History => 3,
            Self::Document => 4,
            Self::Idempotency => 5,
            Self::CardCvv => 6,
            Self::Node => 7,
            Self::ApiKeyUse => 8,
            Self::Refund => 9,
            Self::Customer => 10,
            Self::Delivery => 12,
            Self::Checkout => 13,
        }
    }

    /// The table that a stored number stands for.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.code() == code)
    }
}

/// Names a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RowKey {
    /// A card.
    Card(CardId),
    /// A transaction.
    Transaction(TransactionId),
    /// The step of a transaction's history that made this version of it.
    History(TransactionId, u32),
    /// A document.
    Document(DocumentKind, Id),
    /// An idempotency record.
    Idempotency(IdempotencyKey),
    /// What is known of a card's CVV.
    CardCvv(CardId),
    /// A node.
    Node(NodeId),
    /// When an API key was last used.
    ApiKeyUse(ApiKeyId),
    /// A refund.
    Refund(RefundId),
    /// A customer.
    Customer(CustomerId),
    /// A delivery of a webhook.
    Delivery(DeliveryId),
    /// A checkout.
    Checkout(CheckoutId),
}

/// A row of any table. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// A card.
    Card(Arc<CardRow>),
    /// A transaction.
    Transaction(Arc<TransactionRow>),
    /// A step of a transaction's history.
    History(Arc<HistoryRow>),
    /// A document.
    Document(Arc<DocumentRow>),
    /// An idempotency record.
    Idempotency(Arc<IdempotencyRow>),
    /// What is known of a card's CVV.
    CardCvv(Arc<CardCvvRow>),
    /// A node.
    Node(Arc<NodeRow>),
    /// When an API key was last used.
    ApiKeyUse(Arc<ApiKeyUseRow>),
    /// A refund.
    Refund(Arc<RefundRow>),
    /// A customer.
    Customer(Arc<CustomerRow>),
    /// A delivery of a webhook.
    Delivery(Arc<DeliveryRow>),
    /// A checkout.
    Checkout(Arc<CheckoutRow>),
}

impl RowKey {
    /// The table that it is a key of.
    pub const fn table(self) -> Table {
        match self {
            Self::Card(_) => Table::Card,
            Self::Transaction(_) => Table::Transaction,
            Self::History(..) => Table::History,
            Self::Document(..) => Table::Document,
            Self::Idempotency(_) => Table::Idempotency,
            Self::CardCvv(_) => Table::CardCvv,
            Self::Node(_) => Table::Node,
            Self::ApiKeyUse(_) => Table::ApiKeyUse,
            Self::Refund(_) => Table::Refund,
            Self::Customer(_) => Table::Customer,
            Self::Delivery(_) => Table::Delivery,
            Self::Checkout(_) => Table::Checkout,
        }
    }

    /// What it is of, in a word, for logs and messages.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Card(_) => "card",
            Self::Transaction(_) => "transaction",
            Self::History(..) => "history",
            Self::Document(DocumentKind::Organisation, _) => "organisation",
            Self::Document(DocumentKind::Account, _) => "account",
            Self::Document(DocumentKind::Processor, _) => "processor",
            Self::Document(DocumentKind::ApiKey, _) => "apikey",
            Self::Document(DocumentKind::OrganisationKey, _) => "organisation_key",
            Self::Document(DocumentKind::DocumentHead, _) => "document_head",
            Self::Document(DocumentKind::AuditCheckpoint, _) => "audit_checkpoint",
            Self::Document(DocumentKind::AuditEnd, _) => "audit_end",
            Self::Document(DocumentKind::AuditStart, _) => "audit_start",
            Self::Document(DocumentKind::ChangeLog, _) => "change_log",
            Self::Document(DocumentKind::Logo, _) => "logo",
            Self::Document(DocumentKind::TrailState, _) => "trail_state",
            Self::Document(DocumentKind::TrailCheckpoint, _) => "trail_checkpoint",
            Self::Document(DocumentKind::HandOver, _) => "hand_over",
            Self::Idempotency(_) => "idempotency",
            Self::CardCvv(_) => "card_cvv",
            Self::Node(_) => "node",
            Self::ApiKeyUse(_) => "apikey_use",
            Self::Refund(_) => "refund",
            Self::Customer(_) => "customer",
            Self::Delivery(_) => "delivery",
            Self::Checkout(_) => "checkout",
        }
    }

    /// Its id: of a step of a history that of its transaction and the version, of an idempotency record its keyed digest.
    pub fn id(self) -> String {
        match self {
            Self::Card(id) | Self::CardCvv(id) => id.to_string(),
            Self::Transaction(id) => id.to_string(),
            Self::History(id, version) => format!("{id}/{version}"),
            Self::Document(_, id) => id.to_string(),
            Self::Idempotency(key) => key.0.iter().map(|byte| format!("{byte:02x}")).collect(),
            Self::Node(id) => id.to_string(),
            Self::ApiKeyUse(id) => id.to_string(),
            Self::Refund(id) => id.to_string(),
            Self::Customer(id) => id.to_string(),
            Self::Delivery(id) => id.to_string(),
            Self::Checkout(id) => id.to_string(),
        }
    }

    /// Appends its bytes: ids in 12, a version in 4, a kind in 1, a digest in 16.
    pub fn encode(self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        match self {
            Self::Card(id) | Self::CardCvv(id) => writer.fixed(id.as_bytes()),
            Self::Transaction(id) => writer.fixed(id.as_bytes()),
            Self::History(id, version) => {
                writer.fixed(id.as_bytes());
                writer.u32(version);
            }
            Self::Document(kind, id) => {
                writer.u8(kind.code());
                writer.fixed(id.as_bytes());
            }
            Self::Idempotency(key) => writer.fixed(&key.0),
            Self::Node(id) => writer.fixed(id.as_bytes()),
            Self::ApiKeyUse(id) => writer.fixed(id.as_bytes()),
            Self::Refund(id) => writer.fixed(id.as_bytes()),
            Self::Customer(id) => writer.fixed(id.as_bytes()),
            Self::Delivery(id) => writer.fixed(id.as_bytes()),
            Self::Checkout(id) => writer.fixed(id.as_bytes()),
        }
    }

    /// Reads a key of a table.
    pub fn decode(table: Table, bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::new(bytes);
        let key = match table {
            Table::Card => Self::Card(CardId::from_bytes(reader.fixed()?)),
            Table::Transaction => Self::Transaction(TransactionId::from_bytes(reader.fixed()?)),
            Table::History => Self::History(TransactionId::from_bytes(reader.fixed()?), reader.u32()?),
            Table::Document => {
                Self::Document(reader.code(DocumentKind::from_code)?, Id::from_bytes(reader.fixed()?))
            }
            Table::Idempotency => Self::Idempotency(IdempotencyKey(reader.fixed()?)),
            Table::CardCvv => Self::CardCvv(CardId::from_bytes(reader.fixed()?)),
            Table::Node => Self::Node(NodeId::from_bytes(reader.fixed()?)),
            Table::ApiKeyUse => Self::ApiKeyUse(ApiKeyId::from_bytes(reader.fixed()?)),
            Table::Refund => Self::Refund(RefundId::from_bytes(reader.fixed()?)),
            Table::Customer => Self::Customer(CustomerId::from_bytes(reader.fixed()?)),
            Table::Delivery => Self::Delivery(DeliveryId::from_bytes(reader.fixed()?)),
            Table::Checkout => Self::Checkout(CheckoutId::from_bytes(reader.fixed()?)),
        };
        reader.end()?;
        Ok(key)
    }
}

/// As in "card 65f1c0de8a4b3c2d1e0f9a8b".
impl fmt::Display for RowKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.kind(), self.id())
    }
}

impl Row {
    /// What names it.
    pub fn key(&self) -> RowKey {
        match self {
            Self::Card(row) => RowKey::Card(row.id),
            Self::Transaction(row) => RowKey::Transaction(row.id),
            Self::History(row) => RowKey::History(row.transaction, row.version),
            Self::Document(row) => RowKey::Document(row.kind, row.id),
            Self::Idempotency(row) => RowKey::Idempotency(row.key),
            Self::CardCvv(row) => RowKey::CardCvv(row.card),
            Self::Node(row) => RowKey::Node(row.id),
            Self::ApiKeyUse(row) => RowKey::ApiKeyUse(row.api_key),
            Self::Refund(row) => RowKey::Refund(row.id),
            Self::Customer(row) => RowKey::Customer(row.id),
            Self::Delivery(row) => RowKey::Delivery(row.id),
            Self::Checkout(row) => RowKey::Checkout(row.id),
        }
    }

    /// Counts its changes, from 1; of what is known of a CVV from the time at which it began, and of a key's last use
    /// in minutes. An idempotency record is 1 while its request
    /// runs, and 2 with the answer.
    pub fn version(&self) -> u32 {
        match self {
            Self::Card(row) => row.version,
            Self::Transaction(row) => row.version,
            Self::History(row) => row.version,
            Self::Document(row) => row.version,
            Self::Idempotency(row) => row.version(),
            Self::CardCvv(row) => row.version,
            Self::Node(row) => row.version,
            Self::ApiKeyUse(row) => row.version(),
            Self::Refund(row) => row.version,
            Self::Customer(row) => row.version,
            Self::Delivery(row) => row.version,
            Self::Checkout(row) => row.version,
        }
    }

    /// Whose it is, where rows of its table are somebody's.
    pub fn organisation(&self) -> Option<OrganisationId> {
        match self {
            Self::Card(row) => Some(row.organisation),
            Self::Transaction(row) => Some(row.organisation),
            Self::Refund(row) => Some(row.organisation),
            Self::Customer(row) => Some(row.organisation),
            Self::Delivery(row) => Some(row.organisation),
            Self::Checkout(row) => Some(row.organisation),
            Self::History(_)
            | Self::Document(_)
            | Self::Idempotency(_)
            | Self::CardCvv(_)
            | Self::Node(_)
            | Self::ApiKeyUse(_) => None,
        }
    }

    /// Appends its bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Card(row) => row.encode(out),
            Self::Transaction(row) => row.encode(out),
            Self::History(row) => row.encode(out),
            Self::Document(row) => row.encode(out),
            Self::Idempotency(row) => row.encode(out),
            Self::CardCvv(row) => row.encode(out),
            Self::Node(row) => row.encode(out),
            Self::ApiKeyUse(row) => row.encode(out),
            Self::Refund(row) => row.encode(out),
            Self::Customer(row) => row.encode(out),
            Self::Delivery(row) => row.encode(out),
            Self::Checkout(row) => row.encode(out),
        }
    }

    /// Reads a row of a table.
    pub fn decode(table: Table, bytes: &[u8]) -> Result<Self, RowFault> {
        match table {
            Table::Card => CardRow::decode(bytes).map(Arc::new).map(Self::Card),
            Table::Transaction => TransactionRow::decode(bytes).map(Arc::new).map(Self::Transaction),
            Table::History => HistoryRow::decode(bytes).map(Arc::new).map(Self::History),
            Table::Document => DocumentRow::decode(bytes).map(Arc::new).map(Self::Document),
            Table::Idempotency => IdempotencyRow::decode(bytes).map(Arc::new).map(Self::Idempotency),
            Table::CardCvv => CardCvvRow::decode(bytes).map(Arc::new).map(Self::CardCvv),
            Table::Node => NodeRow::decode(bytes).map(Arc::new).map(Self::Node),
            Table::ApiKeyUse => ApiKeyUseRow::decode(bytes).map(Arc::new).map(Self::ApiKeyUse),
            Table::Refund => RefundRow::decode(bytes).map(Arc::new).map(Self::Refund),
            Table::Customer => CustomerRow::decode(bytes).map(Arc::new).map(Self::Customer),
            Table::Delivery => DeliveryRow::decode(bytes).map(Arc::new).map(Self::Delivery),
            Table::Checkout => CheckoutRow::decode(bytes).map(Arc::new).map(Self::Checkout),
        }
    }
}

macro_rules! rows {
    ($($row:ident => $variant:ident,)+) => { $(
        impl From<Arc<$row>> for Row {
            fn from(row: Arc<$row>) -> Self {
                Self::$variant(row)
            }
        }

        impl From<$row> for Row {
            fn from(row: $row) -> Self {
                Self::$variant(Arc::new(row))
            }
        }
    )+ };
}

rows! {
    CardRow => Card,
    TransactionRow => Transaction,
    HistoryRow => History,
    DocumentRow => Document,
    IdempotencyRow => Idempotency,
    CardCvvRow => CardCvv,
    NodeRow => Node,
    ApiKeyUseRow => ApiKeyUse,
    RefundRow => Refund,
    CustomerRow => Customer,
    DeliveryRow => Delivery,
    CheckoutRow => Checkout,
}
