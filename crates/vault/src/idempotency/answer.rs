//! Answers as idempotency records keep them: a kind, and its bytes.
//!
//! | kind | answer | bytes |
//! | --- | --- | --- |
//! | 0 | none yet: the request still runs | none |
//! | 1 | a card | the card row, its sealed part empty and its tag zeroes |
//! | 2 | a transaction, whatever became of it | the transaction row |
//! | 3 | an organisation | the document |
//! | 4 | an account, without what signs its webhooks | the document, without secrets |
//! | 5 | a processor | the document |
//! | 6 | an API key, without the key itself | the document |
//! | 7 | a refund, whatever became of it | the refund row |
//! | 8 | a customer, without its details | the customer row, without digest and sealed part, and its tag zeroes |
//! | 9 | a delivery of a webhook that is sent again | the delivery row |
//! | 10 | a checkout | the checkout row |
//! | 11 | a key of an organisation, without the key itself | its document's id, and its bytes as if it were destroyed |
//!
//! Kinds are append-only; an operation that answers with something else takes the next number here, and the store knows nothing of it.
//! **What cannot be said twice is not kept.** The state of a CVV and the details of a customer are looked up when an answer is given again. The secret of an API key is
//! shown once and kept nowhere: the answer of its creation is given again without it, marked as a repetition. So whoever lost the first
//! answer learns which key to delete, and makes another. What signs an account's webhooks is shown once too, and replaced when it was lost.

use panvault_keys::OrganisationKey;
use panvault_model::Id;
use panvault_store::{
    AccountRow, ApiKeyRow, CardRow, CheckoutRow, CustomerRow, DeliveryRow, IdempotencyAnswer, IdempotencyRow,
    OrganisationRow, ProcessorRow, RefundRow, RowFault, TransactionRow,
};

use crate::account::MadeAccount;
use crate::api_key::MadeApiKey;
use crate::error::VaultError;
use crate::key::MadeKey;

/// What may be an answer.
pub(crate) trait KeptAnswer: Sized {
    /// The number of its kind.
    const KIND: u8;

    /// Its bytes.
    fn to_bytes(&self) -> Vec<u8>;

    /// What such bytes say.
    fn from_bytes(bytes: &[u8]) -> Result<Self, RowFault>;
}

impl KeptAnswer for CardRow {
    const KIND: u8 = 1;

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        self.encode_without_sealed(&mut bytes);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, RowFault> {
        Self::decode(bytes)
    }
}

impl KeptAnswer for TransactionRow {
    const KIND: u8 = 2;

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(512);
        self.encode(&mut bytes);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, RowFault> {
        Self::decode(bytes)
    }
}

impl KeptAnswer for RefundRow {
    const KIND: u8 = 7;

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        self.encode(&mut bytes);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, RowFault> {
        Self::decode(bytes)
    }
}

impl KeptAnswer for DeliveryRow {
    const KIND: u8 = 9;

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        self.encode(&mut bytes);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, RowFault> {
        Self::decode(bytes)
    }
}

impl KeptAnswer for CheckoutRow {
    const KIND: u8 = 10;

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        self.encode(&mut bytes);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, RowFault> {
        Self::decode(bytes)
    }
}

impl KeptAnswer for CustomerRow {
    const KIND: u8 = 8;

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        self.without_details().encode(&mut bytes);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, RowFault> {
        Self::decode(bytes)
    }
}

impl KeptAnswer for MadeKey {
    const KIND: u8 = 11;

    fn to_bytes(&self) -> Vec<u8> {
        let id = self.0.document.unwrap_or(Id::from_bytes([0; 12]));
        [id.as_bytes().as_slice(), &self.0.without_key().encode()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, RowFault> {
        let (id, key) = bytes.split_first_chunk().ok_or(RowFault::Short)?;
        let mut key = OrganisationKey::decode(key).map_err(|_| RowFault::Value)?;
        key.document = Some(Id::from_bytes(*id));
        Ok(Self(key))
    }
}

macro_rules! documents {
    ($($row:ident $kind:literal)+) => { $(
        impl KeptAnswer for $row {
            const KIND: u8 = $kind;

            fn to_bytes(&self) -> Vec<u8> {
                self.encode()
            }

            fn from_bytes(bytes: &[u8]) -> Result<Self, RowFault> {
                Self::decode(bytes)
            }
        }
    )+ };
}

documents! {
    OrganisationRow 3
    ApiKeyRow 6
}

impl KeptAnswer for ProcessorRow {
    const KIND: u8 = 5;

    fn to_bytes(&self) -> Vec<u8> {
        self.without_secrets().encode()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, RowFault> {
        Self::decode(bytes)
    }
}

impl KeptAnswer for MadeAccount {
    const KIND: u8 = 4;

    fn to_bytes(&self) -> Vec<u8> {
        self.row.without_secrets().encode()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, RowFault> {
        Ok(Self { row: AccountRow::decode(bytes)?, secret: None })
    }
}

impl KeptAnswer for MadeApiKey {
    const KIND: u8 = ApiKeyRow::KIND;

    fn to_bytes(&self) -> Vec<u8> {
        self.row.encode()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, RowFault> {
        Ok(Self { row: ApiKeyRow::decode(bytes)?, key: None })
    }
}

/// An answer as it is kept.
pub(crate) fn answer_of<T: KeptAnswer>(answered: &T) -> IdempotencyAnswer {
    IdempotencyAnswer { kind: T::KIND, bytes: answered.to_bytes() }
}

/// The answer of a record that was verified. [`VaultError::IdempotencyMismatch`] when it is one of another kind: a path has answers of
/// one kind, so that the key was used for something else.
pub(crate) fn answer_read<T: KeptAnswer>(row: &IdempotencyRow) -> Result<T, VaultError> {
    if row.answer.kind == T::KIND {
        Ok(T::from_bytes(&row.answer.bytes)?)
    } else {
        Err(VaultError::IdempotencyMismatch)
    }
}

/// Whether an answer is of a kind that there is, and can be read.
pub(crate) fn answer_readable(answer: &IdempotencyAnswer) -> Result<(), RowFault> {
    match answer.kind {
        CardRow::KIND => CardRow::from_bytes(&answer.bytes).map(drop),
        TransactionRow::KIND => TransactionRow::from_bytes(&answer.bytes).map(drop),
        OrganisationRow::KIND => OrganisationRow::from_bytes(&answer.bytes).map(drop),
        MadeAccount::KIND => MadeAccount::from_bytes(&answer.bytes).map(drop),
        ProcessorRow::KIND => ProcessorRow::from_bytes(&answer.bytes).map(drop),
        ApiKeyRow::KIND => ApiKeyRow::from_bytes(&answer.bytes).map(drop),
        RefundRow::KIND => RefundRow::from_bytes(&answer.bytes).map(drop),
        CustomerRow::KIND => CustomerRow::from_bytes(&answer.bytes).map(drop),
        CheckoutRow::KIND => CheckoutRow::from_bytes(&answer.bytes).map(drop),
        DeliveryRow::KIND => DeliveryRow::from_bytes(&answer.bytes).map(drop),
        MadeKey::KIND => MadeKey::from_bytes(&answer.bytes).map(drop),
        _ if answer.is_running() => Ok(()),
        _ => Err(RowFault::Value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kinds are stored, and those of later versions cannot be read by this one.
    #[test]
    fn kinds_are_numbers_that_stay() {
        assert_eq!((IdempotencyAnswer::RUNNING.kind, CardRow::KIND, TransactionRow::KIND), (0, 1, 2));
        assert_eq!(answer_readable(&IdempotencyAnswer::RUNNING), Ok(()));
        let documents = [OrganisationRow::KIND, MadeAccount::KIND, ProcessorRow::KIND, ApiKeyRow::KIND];
        assert_eq!(documents, [3, 4, 5, 6]);
        for (kind, format) in
            [(1, 7), (2, 7), (3, 1), (4, 3), (5, 2), (6, 3), (7, 2), (8, 1), (9, 1), (10, 2)]
        {
            let cut = IdempotencyAnswer { kind, bytes: vec![format, 0] };
            assert_eq!(answer_readable(&cut), Err(RowFault::Short), "{kind}");
        }
        let cut = IdempotencyAnswer { kind: MadeKey::KIND, bytes: vec![2, 0] };
        assert_eq!((cut.kind, answer_readable(&cut)), (11, Err(RowFault::Short)));
        for kind in 12..=255 {
            let later = IdempotencyAnswer { kind, bytes: Vec::new() };
            assert_eq!(answer_readable(&later), Err(RowFault::Value), "{kind}");
        }
    }
}
