//! The tags of rows, whatever they are of: which key made one, whether a row bears it, and the same row with the tag of now.

use panvault_keys::VaultKeys;
use panvault_store::{
    ApiKeyUseRow, CardCvvRow, CardRow, CheckoutRow, CustomerRow, DeliveryRow, DocumentRow, HistoryRow,
    IdempotencyRow, NodeRow, RefundRow, Row, TransactionRow,
};

use crate::error::VaultError;
use crate::seal;

/// The version of the key that made the tag of a row, as the row names it: of the key for documents, or of that for all other rows.
pub(crate) fn tag_key(row: &Row) -> u16 {
    let tag = match row {
        Row::Card(row) => row.tag,
        Row::Transaction(row) => row.tag,
        Row::History(row) => row.tag,
        Row::Document(row) => row.tag,
        Row::Idempotency(row) => row.tag,
        Row::CardCvv(row) => row.tag,
        Row::Node(row) => row.tag,
        Row::ApiKeyUse(row) => row.tag,
        Row::Refund(row) => row.tag,
        Row::Customer(row) => row.tag,
        Row::Delivery(row) => row.tag,
        Row::Checkout(row) => row.tag,
    };
    tag.key
}

/// Whether a row bears its tag. Nothing is opened. [`VaultError::Tampered`] where it does not.
pub(crate) fn verify(row: &Row, keys: &VaultKeys) -> Result<(), VaultError> {
    match row {
        Row::Card(row) => seal::card_verify(row, row.organisation, keys),
        Row::Transaction(row) => seal::transaction_verify(keys, row),
        Row::History(row) => seal::history_verify(keys, row),
        Row::Document(row) => seal::document_verify(keys, row),
        Row::Idempotency(row) => seal::idempotency_verify(keys, row),
        Row::CardCvv(row) => seal::card_cvv_verify(keys, row, row.card),
        Row::Node(row) => seal::node_verify(keys, row),
        Row::ApiKeyUse(row) => seal::api_key_use_verify(keys, row, row.api_key),
        Row::Refund(row) => seal::refund_verify(keys, row),
        Row::Customer(row) => seal::customer_verify(row, row.organisation, keys),
        Row::Delivery(row) => seal::delivery_verify(keys, row),
        Row::Checkout(row) => seal::checkout_verify(keys, row),
    }
}

/// The same row with the tag that the key of now makes. To be called of one that bears its tag: what somebody changed would be believed from then on.
pub(crate) fn retagged(row: &Row, keys: &VaultKeys) -> Row {
    match row {
        Row::Card(row) => CardRow { tag: seal::card_tag(row, keys), ..row.as_ref().clone() }.into(),
        Row::Transaction(row) => {
            TransactionRow { tag: seal::transaction_tag(keys, row), ..row.as_ref().clone() }.into()
        }
        Row::History(row) => HistoryRow { tag: seal::history_tag(keys, row), ..row.as_ref().clone() }.into(),
        Row::Document(row) => document_retagged(row, keys).into(),
        Row::Idempotency(row) => {
            IdempotencyRow { tag: seal::idempotency_tag(keys, row), ..row.as_ref().clone() }.into()
        }
        Row::CardCvv(row) => CardCvvRow { tag: seal::card_cvv_tag(keys, row), ..row.as_ref().clone() }.into(),
        Row::Node(row) => NodeRow { tag: seal::node_tag(keys, row), ..row.as_ref().clone() }.into(),
        Row::ApiKeyUse(row) => {
            ApiKeyUseRow { tag: seal::api_key_use_tag(keys, row), ..row.as_ref().clone() }.into()
        }
        Row::Refund(row) => RefundRow { tag: seal::refund_tag(keys, row), ..row.as_ref().clone() }.into(),
        Row::Customer(row) => {
            CustomerRow { tag: seal::customer_tag(row, keys), ..row.as_ref().clone() }.into()
        }
        Row::Delivery(row) => {
            DeliveryRow { tag: seal::delivery_tag(keys, row), ..row.as_ref().clone() }.into()
        }
        Row::Checkout(row) => {
            CheckoutRow { tag: seal::checkout_tag(keys, row), ..row.as_ref().clone() }.into()
        }
    }
}

/// The same of a document.
pub(crate) fn document_retagged(row: &DocumentRow, keys: &VaultKeys) -> DocumentRow {
    DocumentRow { tag: seal::document_tag(keys, row), ..row.clone() }
}
