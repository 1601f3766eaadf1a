mod answer;

use panvault_keys::limits::PURPOSE_VERSIONS_MAX;
use panvault_keys::{DigestKey, VaultKeys};
use panvault_model::{Now, ProcessorId, Tag, Timestamp};
use panvault_store::{IdempotencyAnswer, IdempotencyClaim, IdempotencyKey, IdempotencyRow, RowKey};

use crate::error::VaultError;
use crate::limits::IDEMPOTENCY_SECONDS;
use crate::permit::Permit;
use crate::seal;
use crate::vault::Vault;

pub(crate) use answer::{KeptAnswer, answer_of, answer_read, answer_readable};

/// A request that may be repeated: keyed digests of who asks what under which key, and of the body.
#[derive(Clone, Copy)]
pub struct Idempotency {
    pub(crate) key: IdempotencyKey,
    pub(crate) body: [u8; 32],
    /// Version of the key that made the digests.
    digest_key: u16,
    /// The same under the other keys: records of those before may still be there, and another node may make them with the next already.
    others: [Option<Digests>; PURPOSE_VERSIONS_MAX - 1],
}

/// The digests of a request under one key.
#[derive(Clone, Copy)]
struct Digests {
    digest_key: u16,
    key: IdempotencyKey,
    body: [u8; 32],
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
    /// The same with another value.
    pub fn map<U>(self, to: impl FnOnce(T) -> U) -> Done<U> {
        Done { value: to(self.value), replayed: self.replayed }
    }

    pub(crate) const fn new(value: T) -> Self {
        Self { value, replayed: false }
    }

    pub(crate) const fn replayed(value: T) -> Self {
        Self { value, replayed: true }
    }
}

impl Idempotency {
    /// For the caller's organisation, its API key if that is a browser's, the path of the request, the caller's key and the body.
    ///
    /// A browser's keys are apart from those of servers and of other API keys: its own is in everybody's hands, and must neither use
    /// up the keys of others nor find out what they sent.
    pub(crate) fn new<O>(keys: &VaultKeys, permit: &Permit<O>, path: &str, key: &str, body: &[u8]) -> Self {
        let (organisation, browser) = (permit.idempotency_scope(), permit.browser_key());
        let bearer = browser.as_ref().map_or([1].as_slice(), |id| id.as_bytes());
        let scope: [&[u8]; 4] = [&organisation, bearer, path.as_bytes(), key.as_bytes()];
        Self::of_scope(keys, &scope, body)
    }

    fn of_scope(keys: &VaultKeys, scope: &[&[u8]], body: &[u8]) -> Self {
        let Digests { digest_key, key, body: digest } = Digests::new(&keys.digest_key(), scope, body);
        let mut others = [None; PURPOSE_VERSIONS_MAX - 1];
        for (slot, key) in others.iter_mut().zip(keys.other_digest_keys()) {
            *slot = Some(Digests::new(&key, scope, body));
        }
        Self { key, body: digest, digest_key, others }
    }

    /// For what a processor tells, which may be told again: by the processor, and by its name for what happened.
    pub(crate) fn of_notice(keys: &VaultKeys, processor: ProcessorId, event: &str) -> Self {
        let scope: [&[u8]; 4] = [processor.as_bytes(), &[2], b"notification", event.as_bytes()];
        Self::of_scope(keys, &scope, &[])
    }

    /// The request that a record is of.
    pub(crate) const fn of_row(row: &IdempotencyRow) -> Self {
        let others = [None; PURPOSE_VERSIONS_MAX - 1];
        Self { key: row.key, body: row.body, digest_key: row.digest_key, others }
    }

    const fn digests(&self) -> Digests {
        Digests { digest_key: self.digest_key, key: self.key, body: self.body }
    }

    /// The record that says what the request was answered with.
    pub(crate) fn row(
        &self,
        keys: &VaultKeys,
        expires_at: Timestamp,
        answer: IdempotencyAnswer,
    ) -> IdempotencyRow {
        let Self { key, body, digest_key, .. } = *self;
        let mut row = IdempotencyRow { digest_key, key, body, expires_at, answer, tag: Tag::NONE };
        row.tag = seal::idempotency_tag(keys, &row);
        row
    }

    /// The claim on the key that goes with a commit. It fails where there is a record under any key that is not destroyed, so that of two requests that are
    /// the same one is done, also while nodes change from one key to the next.
    pub(crate) fn claim(
        &self,
        keys: &VaultKeys,
        now: Timestamp,
        answer: IdempotencyAnswer,
    ) -> IdempotencyClaim {
        let row = self.row(keys, now.plus_seconds(IDEMPOTENCY_SECONDS), answer);
        let also = self.others.iter().flatten().map(|digests| digests.key).collect();
        IdempotencyClaim { row: Box::new(row), also, now }
    }
}

impl Digests {
    fn new(keyed: &DigestKey, scope: &[&[u8]], body: &[u8]) -> Self {
        let digest = keyed.digest(scope);
        let [head @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = digest;
        let body = keyed.digest(&[&digest, body]);
        Self { digest_key: keyed.version(), key: IdempotencyKey(head), body }
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
        match self.idempotency_record(claim.digests(), now).await? {
            Some(earlier) => Ok(Some(earlier)),
            None => self.idempotency_of_other_keys(claim, now).await,
        }
    }

    /// The same, of a request that came before the key of digests was replaced: its record stands under another name.
    async fn idempotency_of_other_keys(
        &self,
        claim: &Idempotency,
        now: Now,
    ) -> Result<Option<Box<IdempotencyRow>>, VaultError> {
        for digests in claim.others.iter().flatten() {
            if let Some(earlier) = self.idempotency_record(*digests, now).await? {
                return Ok(Some(earlier));
            }
        }
        Ok(None)
    }

    async fn idempotency_record(
        &self,
        digests: Digests,
        now: Now,
    ) -> Result<Option<Box<IdempotencyRow>>, VaultError> {
        match self.store().idempotency_read(digests.key).await? {
            Some(row) if row.expires_at > now.wall => self.idempotency_answer(digests, row).map(Some),
            // What has expired says nothing, but is held against its tag all the same.
            Some(row) => self.idempotency_verify(digests.key, &row).map(|()| None),
            None => Ok(None),
        }
    }

    /// The record of an earlier request with the same idempotency key, which a commit met, if its answer is to be given again.
    pub(crate) fn idempotency_claimed(
        &self,
        claim: &Idempotency,
        row: Box<IdempotencyRow>,
    ) -> Result<Box<IdempotencyRow>, VaultError> {
        let others = claim.others.iter().flatten().copied();
        let digests = others.chain([claim.digests()]).find(|digests| digests.key == row.key);
        self.idempotency_answer(digests.unwrap_or(claim.digests()), row)
    }

    fn idempotency_answer(
        &self,
        digests: Digests,
        row: Box<IdempotencyRow>,
    ) -> Result<Box<IdempotencyRow>, VaultError> {
        self.idempotency_verify(digests.key, &row)?;
        if row.digest_key != digests.digest_key {
            Err(VaultError::Tampered(RowKey::Idempotency(row.key)))
        } else if row.body != digests.body {
            Err(VaultError::IdempotencyMismatch)
        } else if row.answer.is_running() {
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
        if row.key == key { Ok(()) } else { Err(VaultError::Tampered(RowKey::Idempotency(key))) }
    }
}
