use panvault_keys::VaultKeys;
use panvault_model::{Now, Timestamp};
use panvault_store::{Answer, IdempotencyKey, IdempotencyPlan, IdempotencyRow, Outcome};

use crate::error::VaultError;
use crate::limits::IDEMPOTENCY_SECONDS;
use crate::permit::Permit;
use crate::seal;

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
    /// For the caller's organisation, the path of the request, the caller's key and the body.
    pub(crate) fn new<O>(keys: &VaultKeys, permit: &Permit<O>, path: &str, key: &str, body: &[u8]) -> Self {
        let digest = keys.idempotency_digest(&[&permit.idempotency_scope(), path.as_bytes(), key.as_bytes()]);
        let [head @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = digest;
        Self { key: IdempotencyKey(head), body: keys.idempotency_digest(&[&digest, body]) }
    }

    /// The record that says what the request was answered with.
    pub(crate) fn row(&self, keys: &VaultKeys, expires_at: Timestamp, answer: Answer) -> IdempotencyRow {
        let mut row = IdempotencyRow { key: self.key, body: self.body, expires_at, answer, tag: [0; 16] };
        row.tag = seal::idempotency_tag(keys, &row);
        row
    }

    /// The claim on the key that goes with the durable step.
    pub(crate) fn plan(&self, keys: &VaultKeys, now: Now, answer: Answer) -> IdempotencyPlan {
        IdempotencyPlan {
            row: self.row(keys, now.wall.plus_seconds(IDEMPOTENCY_SECONDS), answer),
            now: now.wall,
        }
    }

    /// What an earlier record means for a request that has not begun.
    pub(crate) fn earlier(&self, row: Option<Box<IdempotencyRow>>, now: Now) -> Outcome<()> {
        match row {
            Some(row) if row.expires_at > now.wall => {
                if row.body != self.body {
                    Outcome::Mismatch
                } else if row.answer == Answer::Running {
                    Outcome::InUse
                } else {
                    Outcome::Replayed(row)
                }
            }
            Some(_) | None => Outcome::Done { value: (), sequence: 0 },
        }
    }
}

/// What a step that was not done means for the caller. A replay is handled before, for its answer has a type.
pub(crate) fn undone<T>(outcome: Outcome<T>) -> VaultError {
    match outcome {
        Outcome::InUse => VaultError::IdempotencyInUse,
        Outcome::Mismatch => VaultError::IdempotencyMismatch,
        Outcome::NotFound => VaultError::NotFound,
        Outcome::Stale | Outcome::Done { .. } | Outcome::Replayed(_) => VaultError::Contended,
    }
}
