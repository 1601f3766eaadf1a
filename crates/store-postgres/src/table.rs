//! The tables, and what stands in the columns of a row beside its bytes: see `migrations/`.

use panvault_model::OrganisationId;
use panvault_store::{Chain, Row, RowKey, Table};
use tokio_postgres::types::Type;

/// A value of a column: all are bytes or numbers of 64 bits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    Int(i64),
    Bytes(Vec<u8>),
    /// Nothing, in a column of bytes or of numbers.
    None,
}

impl Value {
    /// What it takes, about.
    pub(crate) const fn bytes(&self) -> usize {
        match self {
            Self::Int(_) | Self::None => size_of::<i64>(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// In a column of numbers.
    pub(crate) fn into_int(self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(number),
            Self::Bytes(_) | Self::None => None,
        }
    }

    /// In a column of bytes.
    pub(crate) fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Int(_) | Self::None => None,
        }
    }
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Bytes,
}

impl Kind {
    /// Of many values of a column at once.
    pub(crate) const fn array(self) -> Type {
        match self {
            Self::Int => Type::INT8_ARRAY,
            Self::Bytes => Type::BYTEA_ARRAY,
        }
    }
}

type Column = (&'static str, Kind);

const ID: Column = ("id", Kind::Bytes);
const VERSION: Column = ("version", Kind::Int);
const ORGANISATION: Column = ("organisation", Kind::Bytes);
const ACCOUNT: Column = ("account", Kind::Bytes);
const STATUS: Column = ("status", Kind::Int);
const OPEN: Column = ("open", Kind::Int);
const ROW: Column = ("row", Kind::Bytes);

/// The name of a table.
pub(crate) const fn name(table: Table) -> &'static str {
    match table {
        Table::Card => "card",
        // `transaction` is a word of SQL.
        Table::Transaction => "payment",
        Table::History => "history",
        Table::Document => "document",
        Table::Idempotency => "idempotency",
        Table::CardCvv => "card_cvv",
        Table::Node => "node",
        Table::ApiKeyUse => "apikey_use",
        Table::Refund => "refund",
        Table::Customer => "customer",
        Table::Delivery => "delivery",
        Table::Checkout => "checkout",
    }
}

/// The columns of a table, `id` and `version` first and `row` last.
pub(crate) const fn columns(table: Table) -> &'static [Column] {
    match table {
        Table::Card => {
            &[ID, VERSION, ORGANISATION, ("fingerprint", Kind::Int), ("fingerprint_before", Kind::Int), ROW]
        }
        Table::Transaction => &[
            ID,
            VERSION,
            ORGANISATION,
            STATUS,
            OPEN,
            ("reference", Kind::Int),
            ("card", Kind::Bytes),
            ACCOUNT,
            ROW,
        ],
        Table::History | Table::Document | Table::Node | Table::ApiKeyUse => &[ID, VERSION, ROW],
        Table::Idempotency => &[ID, VERSION, ("expires_at", Kind::Int), ROW],
        Table::CardCvv => &[ID, VERSION, ("cvv_until", Kind::Int), ROW],
        Table::Refund => &[ID, VERSION, ORGANISATION, STATUS, OPEN, ("payment", Kind::Bytes), ACCOUNT, ROW],
        Table::Customer => &[ID, VERSION, ORGANISATION, ("email", Kind::Bytes), ROW],
        Table::Checkout => &[ID, VERSION, ORGANISATION, ("remove_at", Kind::Int), ROW],
        Table::Delivery => &[
            ID,
            VERSION,
            ORGANISATION,
            STATUS,
            ("waiting", Kind::Int),
            ("object_version", Kind::Int),
            ("due_at", Kind::Int),
            ACCOUNT,
            ("object", Kind::Bytes),
            ("host", Kind::Bytes),
            ROW,
        ],
    }
}

/// Whether rows of a table are somebody's.
pub(crate) const fn is_owned(table: Table) -> bool {
    match table {
        Table::Card
        | Table::Transaction
        | Table::Refund
        | Table::Customer
        | Table::Delivery
        | Table::Checkout => true,
        Table::History
        | Table::Document
        | Table::Idempotency
        | Table::CardCvv
        | Table::Node
        | Table::ApiKeyUse => false,
    }
}

/// The bytes under which a row is kept.
pub(crate) fn id(key: RowKey) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16);
    key.encode(&mut bytes);
    bytes
}

/// A row as it is kept: a value for each of [`columns`].
pub(crate) fn values(row: &Row, chain: &dyn Chain) -> Vec<Value> {
    let mut all = clear(row, chain);
    let mut encoded = Vec::with_capacity(512);
    row.encode(&mut encoded);
    all.push(Value::Bytes(encoded));
    all
}

/// What stands beside the bytes of a row: a value for each of [`columns`] but the last.
pub(crate) fn clear(row: &Row, chain: &dyn Chain) -> Vec<Value> {
    let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
    let mut all = vec![Value::Bytes(id(row.key())), Value::Int(i64::from(row.version()))];
    if let Some(organisation) = row.organisation() {
        all.push(bytes(organisation.as_bytes()));
    }
    match row {
        Row::Card(row) => all.extend([
            Value::Int(first_eight(row.fingerprint.as_bytes())),
            row.fingerprint_before
                .map_or(Value::None, |(before, _)| Value::Int(first_eight(before.as_bytes()))),
        ]),
        Row::Transaction(row) => all.extend([
            Value::Int(i64::from(row.status.code())),
            Value::Int(i64::from(row.is_open())),
            reference(chain, row.organisation, &row.merchant_reference).map_or(Value::None, Value::Int),
            bytes(row.card.as_bytes()),
            bytes(row.account.as_bytes()),
        ]),
        Row::History(_) | Row::Document(_) | Row::Node(_) | Row::ApiKeyUse(_) => {}
        Row::Idempotency(row) => all.push(Value::Int(millis(row.expires_at.unix_millis()))),
        Row::CardCvv(row) => all.push(Value::Int(millis(row.cvv_until.unix_millis()))),
        Row::Refund(row) => all.extend([
            Value::Int(i64::from(row.status.code())),
            Value::Int(i64::from(row.is_open())),
            bytes(row.transaction.as_bytes()),
            bytes(row.account.as_bytes()),
        ]),
        Row::Customer(row) => all.push(row.email.map_or(Value::None, |digest| bytes(digest.as_bytes()))),
        Row::Checkout(row) => all.push(Value::Int(millis(row.remove_at.unix_millis()))),
        Row::Delivery(row) => all.extend([
            Value::Int(i64::from(row.status.code())),
            Value::Int(i64::from(row.is_waiting())),
            Value::Int(i64::from(row.object_version)),
            Value::Int(millis(row.due_at.unix_millis())),
            bytes(row.account.as_bytes()),
            bytes(row.object.as_bytes()),
            bytes(row.host.as_bytes()),
        ]),
    }
    all
}

/// What a time is in a column.
pub(crate) fn millis(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// What stands for a fingerprint in an index; who finds by it looks at the whole one in the row.
pub(crate) fn first_eight(fingerprint: &[u8; 16]) -> i64 {
    let [first @ .., _, _, _, _, _, _, _, _] = *fingerprint;
    i64::from_be_bytes(first)
}

/// What stands for a merchant's reference in an index, if there is one: so keyed that nobody can make two references with one.
pub(crate) fn reference(chain: &dyn Chain, organisation: OrganisationId, reference: &str) -> Option<i64> {
    if reference.is_empty() {
        return None;
    }
    let mark = chain.mark(&[REFERENCE, organisation.as_bytes(), reference.as_bytes()]);
    let [first @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = mark;
    Some(i64::from_be_bytes(first))
}

const REFERENCE: &[u8] = b"panvault postgres reference";
