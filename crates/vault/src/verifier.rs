use std::sync::Arc;

use panvault_keys::VaultKeys;
use panvault_model::Fingerprint;
use panvault_store::{
    ApiKeyUseRow, CardCvvRow, CardRow, CheckoutRow, CustomerRow, DeliveryRow, DocumentRow, HistoryRow,
    IdempotencyRow, NodeRow, RefundRow, Row, RowKey, TransactionRow,
};

use crate::document::Snapshot;
use crate::error::VaultError;
use crate::idempotency::answer_readable;
use crate::{row_tag, seal};

/// Holds stored rows against their seals and tags, for an examination of a vault that does not run.
///
/// Every method answers [`VaultError::Tampered`] when a row is not what the vault wrote.
pub struct RowVerifier {
    keys: VaultKeys,
    snapshot: Snapshot,
}

impl RowVerifier {
    /// Unwraps the keys of every organisation; the documents themselves are held against their tags and their head here.
    pub fn open(keys: VaultKeys, documents: &[Arc<DocumentRow>]) -> Result<Self, VaultError> {
        // Examining a vault sends nothing, so processors of test vaults may be there.
        let snapshot = Snapshot::read(documents.to_vec(), &keys, true, None)?;
        snapshot.keys.verify()?;
        Ok(Self { keys, snapshot })
    }

    /// Any row bears its tag. Nothing is opened.
    pub fn row(&self, row: &Row) -> Result<(), VaultError> {
        row_tag::verify(row, &self.keys)
    }

    /// A card bears its tag and opens in its place, in an organisation that exists, and its fingerprints are those of its number. One
    /// whose key is destroyed has nothing left that could be opened.
    pub fn card(&self, row: &CardRow) -> Result<(), VaultError> {
        if self.snapshot.documents.organisation(row.organisation).is_none() {
            return Err(VaultError::Tampered(RowKey::Card(row.id)));
        }
        seal::card_verify(row, row.organisation, &self.keys)?;
        match self.fingerprint(row) {
            Err(VaultError::NotFound(_)) => Ok(()),
            verified => verified,
        }
    }

    /// A transaction bears its tag.
    pub fn transaction(&self, row: &TransactionRow) -> Result<(), VaultError> {
        seal::transaction_verify(&self.keys, row)
    }

    /// A delivery of a webhook bears its tag.
    pub fn delivery(&self, row: &DeliveryRow) -> Result<(), VaultError> {
        seal::delivery_verify(&self.keys, row)
    }

    /// A checkout bears its tag.
    pub fn checkout(&self, row: &CheckoutRow) -> Result<(), VaultError> {
        seal::checkout_verify(&self.keys, row)
    }

    /// A refund bears its tag.
    pub fn refund(&self, row: &RefundRow) -> Result<(), VaultError> {
        seal::refund_verify(&self.keys, row)
    }

    /// A customer bears its tag and opens in its place, in an organisation that exists, and its digest is that of its address. One whose key
    /// is destroyed has nothing left that could be opened.
    pub fn customer(&self, row: &CustomerRow) -> Result<(), VaultError> {
        let tampered = || VaultError::Tampered(RowKey::Customer(row.id));
        if self.snapshot.documents.organisation(row.organisation).is_none() {
            return Err(tampered());
        }
        seal::customer_verify(row, row.organisation, &self.keys)?;
        match seal::customer_open(row, row.organisation, self.keys.vault(), &self.snapshot.keys) {
            Err(VaultError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
            Ok(details) => {
                let email = details.email();
                let is_digest = match (&email, &row.email) {
                    (None, None) => true,
                    (Some(email), Some(digest)) => self.snapshot.keys.email_digest_matches(
                        row.organisation,
                        row.email_key,
                        email.expose_text().as_bytes(),
                        digest,
                    )?,
                    (None, Some(_)) | (Some(_), None) => false,
                };
                if is_digest { Ok(()) } else { Err(tampered()) }
            }
        }
    }

    /// A step of a transaction's history bears its tag.
    pub fn history(&self, row: &HistoryRow) -> Result<(), VaultError> {
        seal::history_verify(&self.keys, row)
    }

    /// What is written of the use of an API key bears its tag, and the key is there.
    pub fn api_key_use(&self, row: &ApiKeyUseRow) -> Result<(), VaultError> {
        seal::api_key_use_verify(&self.keys, row, row.api_key)?;
        let key = self.snapshot.documents.api_key(row.api_key);
        if key.is_some() { Ok(()) } else { Err(VaultError::Tampered(RowKey::ApiKeyUse(row.api_key))) }
    }

    /// An idempotency record bears its tag, and its answer can be given again.
    pub fn idempotency(&self, row: &IdempotencyRow) -> Result<(), VaultError> {
        seal::idempotency_verify(&self.keys, row)?;
        answer_readable(&row.answer).map_err(|_| VaultError::Tampered(RowKey::Idempotency(row.key)))
    }

    /// What is known of a card's CVV bears its tag.
    pub fn card_cvv(&self, row: &CardCvvRow) -> Result<(), VaultError> {
        seal::card_cvv_verify(&self.keys, row, row.card)
    }

    /// A node's row bears its tag.
    pub fn node(&self, row: &NodeRow) -> Result<(), VaultError> {
        seal::node_verify(&self.keys, row)
    }

    /// Any row is whole, as the functions for each kind have it; but a document, which is held against the others and their head when this is opened.
    pub fn row_whole(&self, row: &Row) -> Result<(), VaultError> {
        match row {
            Row::Card(row) => self.card(row),
            Row::Transaction(row) => self.transaction(row),
            Row::History(row) => self.history(row),
            Row::Document(_) => Ok(()),
            Row::Idempotency(row) => self.idempotency(row),
            Row::CardCvv(row) => self.card_cvv(row),
            Row::Node(row) => self.node(row),
            Row::ApiKeyUse(row) => self.api_key_use(row),
            Row::Refund(row) => self.refund(row),
            Row::Customer(row) => self.customer(row),
            Row::Delivery(row) => self.delivery(row),
            Row::Checkout(row) => self.checkout(row),
        }
    }

    /// The card number is here for a moment, and is gone when this answers.
    fn fingerprint(&self, row: &CardRow) -> Result<(), VaultError> {
        let (pan, _holder) = seal::card_open(row, row.organisation, self.keys.vault(), &self.snapshot.keys)?;
        let matches = |key, fingerprint: &Fingerprint| {
            let digits = pan.expose_digits();
            self.snapshot.keys.fingerprint_matches(row.organisation, key, row.kind, digits, fingerprint)
        };
        let mut is_its_own = matches(row.fingerprint_key, &row.fingerprint)?;
        if let Some((before, key)) = &row.fingerprint_before {
            is_its_own &= matches(*key, before)?;
        }
        if is_its_own { Ok(()) } else { Err(VaultError::Tampered(RowKey::Card(row.id))) }
    }
}
