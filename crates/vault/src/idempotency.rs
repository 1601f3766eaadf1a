use panvault_keys::VaultKeys;
use panvault_model::{Now, Timestamp};
use panvault_store::{Answer, IdempotencyClaim, IdempotencyKey, IdempotencyRow};

use crate::error::VaultError;
use crate::limits::IDEMPOTENCY_SECONDS;
use crate::permit::Permit;
use crate::seal;
use crate::vault::Vault;

/// A request that may be repeated: keyed digests of who asks what under which key, and of the body.
#[derive(Clone, Copy)]
pub struct Idempotency {
    pub(crate) key: IdempotencyKey,
    pub(crate) body: [u8; 32],
}

/// An answer, and whether it is that of an earlier request with the same idempotency key.
#[derive(Clone, Debug)]
pub struct Done<T> {
    /// The answer.
    pub value: T,
    /// Whether it was given before.
    pub replayed: bool,
}

impl<T> Done<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { value, replayed: false }
    }

    pub(crate) const fn replayed(value: T) -> Self {
        Self { value, replayed: true }
    }
}

impl Idempotency {
    /// For the caller's organisation, whether it is a browser, the path of the request, the caller's key and the body.
    ///
    /// A browser's keys are apart from a server's: its API key is in everybody's hands, and must neither use up the keys of
    /// servers nor find out what they sent.
    pub(crate) fn new<O>(keys: &VaultKeys, permit: &Permit<O>, path: &str, key: &str, body: &[u8]) -> Self {
        let (organisation, whole) = (permit.idempotency_scope(), [u8::from(permit.sees_all())]);
        let digest = keys.idempotency_digest(&[&organisation, &whole, path.as_bytes(), key.as_bytes()]);
        let [head @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = digest;
        Self { key: IdempotencyKey(head), body: keys.idempotency_digest(&[&digest, body]) }
    }

    /// The record that says what the request was answered with.
    pub(crate) fn row(&self, keys: &VaultKeys, expires_at: Timestamp, answer: Answer) -> IdempotencyRow {
        let mut row = IdempotencyRow { key: self.key, body: self.body, expires_at, answer, tag: [0; 16] };
        row.tag = seal::idempotency_tag(keys, &row);
        row
    }

    /// The claim on the key that goes with a commit.
    pub(crate) fn claim(&self, keys: &VaultKeys, now: Timestamp, answer: Answer) -> IdempotencyClaim {
        let row = self.row(keys, now.plus_seconds(IDEMPOTENCY_SECONDS), answer);
        IdempotencyClaim { row: Box::new(row), now }
    }
}

impl Vault {
    /// The record whose answer is to be given again, or `None` for a request that has not begun. The record is held
    /// against its tag before anything in it is believed.
    pub(crate) async fn idempotency_earlier(
        &self,
        claim: &Idempotency,
        now: Now,
    ) -> Result<Option<Box<IdempotencyRow>>, VaultError> {
        match self.store().idempotency_read(claim.key).await? {
            Some(row) if row.expires_at > now.wall => self.idempotency_claimed(claim, row).map(Some),
            // What has expired says nothing, but is held against its tag all the same.
            Some(row) => self.idempotency_verify(claim.key, &row).map(|()| None),
            None => Ok(None),
        }
    }

    /// The record of an earlier request with the same idempotency key, if its answer is to be given again.
    pub(crate) fn idempotency_claimed(
        &self,
        claim: &Idempotency,
        row: Box<IdempotencyRow>,
    ) -> Result<Box<IdempotencyRow>, VaultError> {
        self.idempotency_verify(claim.key, &row)?;
        if row.body != claim.body {
            Err(VaultError::IdempotencyMismatch)
        } else if row.answer == Answer::Running {
            Err(VaultError::IdempotencyInUse)
        } else {
            Ok(row)
        }
    }

    /// Whether a record bears its tag and is the one that was asked for.
    pub(crate) fn idempotency_verify(
        &self,
        key: IdempotencyKey,
        row: &IdempotencyRow,
    ) -> Result<(), VaultError> {
        seal::idempotency_verify(self.keys(), row)?;
        if row.key == key { Ok(()) } else { Err(VaultError::Tampered) }
    }
}
