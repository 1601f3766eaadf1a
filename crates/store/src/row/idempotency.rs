//! A kept request.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 3 |
//! | 2 | version of the key of both digests |
//! | 16 | key, a keyed digest |
//! | 32 | keyed digest of the body |
//! | 6 | when it may be forgotten |
//! | 1 | kind of the answer; 0 while the request runs |
//! | bytes | the answer, in the form of its kind; none while the request runs |
//! | tag | keyed tag over all of the above |
//!
//! The kinds and their forms are the vault's: see `answer.rs` there.

use panvault_model::{Tag, Timestamp};

use crate::codec::{Reader, RowFault, Writer};

/// The kind of an answer that is not there yet.
const RUNNING_KIND: u8 = 0;

/// Keyed digest of organisation, path and the caller's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdempotencyKey(pub [u8; 16]);

/// What an idempotent request was answered with, so that it can be answered so again. What the kinds are, and what their bytes say, is
/// the vault's: a new operation needs nothing new here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyAnswer {
    /// Which kind of answer it is. The numbers are those of stored records and are append-only.
    pub kind: u8,
    /// The answer, in the form of its kind.
    pub bytes: Vec<u8>,
}

impl IdempotencyAnswer {
    /// The request still runs.
    pub const RUNNING: Self = Self { kind: RUNNING_KIND, bytes: Vec::new() };

    /// Whether the request still runs.
    pub const fn is_running(&self) -> bool {
        self.kind == RUNNING_KIND
    }
}

/// A kept request: who it was (as digests) and what it was answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRow {
    /// Version of the key that made the two digests.
    pub digest_key: u16,
    /// Names the record.
    pub key: IdempotencyKey,
    /// Keyed digest of the body.
    pub body: [u8; 32],
    /// When it may be forgotten.
    pub expires_at: Timestamp,
    /// The answer.
    pub answer: IdempotencyAnswer,
    /// Keyed tag over all of the above, made by the vault.
    pub tag: Tag,
}

impl IdempotencyRow {
    const FORMAT: u8 = 3;

    /// 1 while the request runs, 2 once it is answered.
    pub const fn version(&self) -> u32 {
        if self.answer.is_running() { 1 } else { 2 }
    }

    /// Appends everything that the tag covers.
    pub fn encode_clear(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(Self::FORMAT);
        writer.u16(self.digest_key);
        writer.fixed(&self.key.0);
        writer.fixed(&self.body);
        writer.timestamp(self.expires_at);
        writer.u8(self.answer.kind);
        writer.bytes(&self.answer.bytes);
    }

    /// Appends the whole row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_clear(out);
        Writer::new(out).tag(&self.tag);
    }

    /// Reads a row that [`IdempotencyRow::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::of_format(bytes, Self::FORMAT)?;
        let row = Self {
            digest_key: reader.u16()?,
            key: IdempotencyKey(reader.fixed()?),
            body: reader.fixed()?,
            expires_at: reader.timestamp()?,
            answer: IdempotencyAnswer { kind: reader.u8()?, bytes: reader.bytes()?.to_vec() },
            tag: reader.tag()?,
        };
        reader.end()?;
        // One that runs has one form.
        if row.answer.is_running() && !row.answer.bytes.is_empty() {
            return Err(RowFault::Value);
        }
        Ok(row)
    }
}
