use panvault_keys::{CheckpointKey, CheckpointPublicKey, KeysError, Sha256};

use crate::limits::{BATCH_RECORDS_MAX, WRITTEN_BYTES_MAX};
use crate::line::{Checkpoint, KeyStatement, Line, Record, before, key_id};

/// How far an export has come: what the next batch goes on from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Checkpoints so far.
    pub number: u64,
    /// Records so far.
    pub sequence: u64,
    /// SHA-256 of the line of the last checkpoint; zeroes where there is none.
    pub checkpoint: [u8; 32],
}

/// What signs a checkpoint.
pub struct Signer<'a> {
    /// Whose trail it is.
    pub vault: &'a str,
    /// The key.
    pub key: &'a CheckpointKey,
    /// What is said before the checkpoint of keys that took the place of others; nothing where the same key signed the one before.
    pub statements: &'a [KeyStatement],
}

/// Records that belong together, as lines, and the checkpoint that signs them.
pub struct Batch {
    start: Position,
    lines: Vec<u8>,
    count: u64,
    records: Sha256,
    line_before: [u8; 32],
}

/// Why there is no such batch.
#[derive(Debug, thiserror::Error)]
pub enum BatchFault {
    /// A line would be longer than a reader takes.
    #[error("a record is longer than a line may be")]
    TooLong,
    /// More records than a checkpoint signs, or none.
    #[error("a checkpoint signs one to {BATCH_RECORDS_MAX} records")]
    Count,
    /// The key does not sign.
    #[error("the checkpoint cannot be signed")]
    Key(#[source] KeysError),
}

impl Batch {
    /// Begins behind what was exported so far.
    pub fn new(start: Position) -> Self {
        Self { start, lines: Vec::new(), count: 0, records: Sha256::new(), line_before: start.checkpoint }
    }

    /// Writes a record. Its sequence, vault and what was before it are set here.
    pub fn record(&mut self, vault: &str, mut record: Record) -> Result<(), BatchFault> {
        if self.count >= BATCH_RECORDS_MAX as u64 {
            return Err(BatchFault::Count);
        }
        vault.clone_into(&mut record.vault);
        record.sequence = self.start.sequence.saturating_add(self.count).saturating_add(1);
        record.before = before(&self.line_before);
        let line = Line::Record(Box::new(record)).encode();
        if line.len() > WRITTEN_BYTES_MAX {
            return Err(BatchFault::TooLong);
        }
        self.records.update(&line);
        self.line_before = Sha256::of(&line);
        self.lines.extend_from_slice(&line);
        self.count += 1;
        Ok(())
    }

    /// The lines of the records so far.
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// How many records there are so far.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Whether what was signed is these records: `lines` are what [`Batch::sign`] gave.
    pub fn is_what_was_signed(self, lines: &[u8]) -> bool {
        let last = lines.split_inclusive(|byte| *byte == b'\n').next_back();
        let Some(Line::Checkpoint(checkpoint)) = last.and_then(Line::parse) else { return false };
        let end = self.start.sequence.saturating_add(self.count);
        (checkpoint.last, checkpoint.records_sha256) == (end, hex::encode(self.records.finish()))
    }

    /// Signs them: the lines that stand behind the records, the last of which is the checkpoint, and how far the export has come with them.
    pub fn sign(self, signer: &Signer<'_>, created_at: String) -> Result<(Vec<u8>, Position), BatchFault> {
        if self.count == 0 {
            return Err(BatchFault::Count);
        }
        let mut end = Position {
            number: self.start.number.saturating_add(1),
            sequence: self.start.sequence.saturating_add(self.count),
            checkpoint: [0; 32],
        };
        let mut checkpoint = Checkpoint {
            vault: signer.vault.to_owned(),
            number: end.number,
            first: self.start.sequence.saturating_add(1),
            last: end.sequence,
            records_sha256: hex::encode(self.records.finish()),
            checkpoint_before: hex::encode(self.start.checkpoint),
            created_at,
            key: key_id(&signer.key.public()),
            signature: String::new(),
        };
        let unsigned = Line::Checkpoint(checkpoint.clone()).encode();
        let signature = signer.key.sign(crate::line::signed(&unsigned)).map_err(BatchFault::Key)?;
        checkpoint.signature = hex::encode(signature);
        let line = Line::Checkpoint(checkpoint).encode();
        end.checkpoint = Sha256::of(&line);
        let mut lines: Vec<u8> =
            signer.statements.iter().flat_map(|statement| Line::Key(statement.clone()).encode()).collect();
        lines.extend_from_slice(&line);
        Ok((lines, end))
    }
}

impl KeyStatement {
    /// Says that a key takes the place of the one that signs this.
    pub fn sign(
        vault: &str,
        version: u16,
        public: &CheckpointPublicKey,
        created_at: String,
        by: &CheckpointKey,
    ) -> Result<Self, BatchFault> {
        let mut statement = Self {
            vault: vault.to_owned(),
            version,
            public_key: hex::encode(public.as_bytes()),
            created_at,
            key: key_id(&by.public()),
            signature: String::new(),
        };
        let unsigned = Line::Key(statement.clone()).encode();
        let signature = by.sign(crate::line::signed(&unsigned)).map_err(BatchFault::Key)?;
        statement.signature = hex::encode(signature);
        Ok(statement)
    }
}
