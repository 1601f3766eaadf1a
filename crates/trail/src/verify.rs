use std::collections::{BTreeMap, BTreeSet};

use panvault_keys::{CheckpointPublicKey, Sha256};

use crate::limits::{BATCH_RECORDS_MAX, CUT_OFF_MAX, KEYS_MAX, LINE_BYTES_MAX};
use crate::line::{Checkpoint, KeyStatement, Line, Record, before, key_id, signature, signed};
use crate::restored::{LINE_HASH_BYTES, Restored, shortened};

/// What every line begins with.
const KIND: &[u8] = b"{\"type\":\"";

/// Holds an export against the signatures in it, line by line, from its first line on. What it hands out is proved; after a fault nothing more is.
///
/// An export may begin at any checkpoint: what came before its first record is not known. What a writer was cut off in may be begun again, and what was written
/// may come again, as long as both times say the same. A vault that was restored from a backup goes on from the place of that, and says so first.
pub struct Verifier {
    trusted: BTreeMap<String, CheckpointPublicKey>,
    /// Keys whose place another has taken.
    replaced: BTreeSet<String>,
    vault: Option<String>,
    /// The last checkpoint that was proved.
    pub(crate) proved: Option<Proved>,
    /// Every checkpoint that was proved, by number, and the one that the first goes on from: the hash of its line.
    pub(crate) checkpoints: BTreeMap<u64, [u8; 32]>,
    /// Where the records of each begin.
    pub(crate) firsts: BTreeSet<u64>,
    /// The beginning of the hash of the line of each proved record, from the first on.
    pub(crate) lines: Vec<[u8; LINE_HASH_BYTES]>,
    /// The place of the last proved record of each writer.
    pub(crate) places: BTreeMap<String, u64>,
    /// The records since the last checkpoint.
    attempt: Attempt,
    /// Hashes of lines that were begun and not proved, by sequence: what is proved later must be the same.
    pub(crate) claims: BTreeMap<u64, [u8; 32]>,
    /// Lines that were cut off: one that comes later must begin like each.
    pub(crate) torn: Vec<Vec<u8>>,
    pub(crate) summary: Summary,
}

/// A checkpoint that was proved.
#[derive(Clone, Copy)]
pub(crate) struct Proved {
    pub(crate) number: u64,
    pub(crate) last: u64,
    pub(crate) hash: [u8; 32],
}

/// Records that wait for their checkpoint.
#[derive(Default)]
pub(crate) struct Attempt {
    pub(crate) records: Vec<Record>,
    pub(crate) hashes: Vec<[u8; 32]>,
    pub(crate) all: Option<Sha256>,
    places: BTreeMap<String, u64>,
    /// They were proved before.
    is_again: bool,
}

/// What became of a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing is proved by it yet.
    Pending,
    /// A checkpoint that proves these records, which come for the first time.
    Proven(Checkpoint, Vec<Record>),
    /// A checkpoint that came before, with the same records.
    Again,
}

/// What an export has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Whose it is, once a checkpoint has proved it.
    pub vault: Option<String>,
    /// Lines that were read.
    pub lines: u64,
    /// Records that are proved.
    pub records: u64,
    /// The sequence of the first of these; 0 for none. Where it is not 1, what came before is not in this export.
    pub first: u64,
    /// The sequence of the last of these.
    pub last: u64,
    /// Checkpoints that prove them.
    pub checkpoints: u64,
    /// When the last checkpoint was made.
    pub proved_at: Option<String>,
    /// Records behind the last checkpoint, which nothing proves.
    pub unproven: u64,
    /// Where the vault was restored and its trail goes on from an earlier place. What is counted above is the trail as it is since the last of these.
    pub restored: Vec<Restored>,
}

/// The first line that is not what the vault wrote there. It repeats nothing of the line but numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Longer than any line is.
    #[error("the line is longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// Not written by any vault.
    #[error("the line is not one of an export")]
    Unreadable,
    /// Lines of two vaults.
    #[error("the line is of another vault than those before it")]
    OtherVault,
    /// Records are missing.
    #[error("record {expected} is missing: record {found} is in its place")]
    Missing {
        /// The sequence that should be here.
        expected: u64,
        /// The one that is.
        found: u64,
    },
    /// A record comes twice, or late.
    #[error("record {found} comes again or late: record {expected} should be here")]
    Repeated {
        /// The sequence that should be here.
        expected: u64,
        /// The one that is.
        found: u64,
    },
    /// The line before is another one than the vault wrote.
    #[error("the line before record {sequence} was changed, or another was put there")]
    Changed {
        /// The record that says so.
        sequence: u64,
    },
    /// The records of one node have a gap.
    #[error("record {sequence} has place {found} among those of its node, and {expected} comes next")]
    Place {
        /// The record.
        sequence: u64,
        /// The place that comes next.
        expected: u64,
        /// The one that it has.
        found: u64,
    },
    /// It was written twice, and the two differ.
    #[error("record {sequence} comes twice and differs")]
    Differs {
        /// The record.
        sequence: u64,
    },
    /// More records than any checkpoint signs.
    #[error("{BATCH_RECORDS_MAX} records have no checkpoint behind them")]
    NoCheckpoint,
    /// Checkpoints are missing, or in another order.
    #[error("checkpoint {found} stands where checkpoint {expected} should be")]
    Checkpoint {
        /// The number that should be here.
        expected: u64,
        /// The one that is.
        found: u64,
    },
    /// A checkpoint that goes on from another one: the vault, or a copy of it, was put back to an earlier moment, or one of them is forged.
    #[error("checkpoint {number} does not go on from the one before it: there are two trails of one vault")]
    Forked {
        /// The checkpoint.
        number: u64,
    },
    /// Records are missing before it.
    #[error("record {expected} is missing before checkpoint {number}")]
    Cut {
        /// The checkpoint.
        number: u64,
        /// The first record that is missing.
        expected: u64,
    },
    /// It signs other records.
    #[error("checkpoint {number} does not sign what is before it: record {last} was changed")]
    Records {
        /// The checkpoint.
        number: u64,
        /// The last record before it.
        last: u64,
    },
    /// Signed by a key that nobody vouches for.
    #[error("the line is signed by a key that is neither given nor follows one that is")]
    KeyUnknown,
    /// Signed by a key whose place another has taken.
    #[error("the line is signed by a key whose place another has taken")]
    KeyReplaced,
    /// The signature is not of that key.
    #[error("the signature of the line is not of its key")]
    Forged,
    /// More keys than are read.
    #[error("there are more than {KEYS_MAX} keys")]
    TooManyKeys,
}

impl Verifier {
    /// Trusts these keys, and those that they say follow them.
    pub fn new(keys: impl IntoIterator<Item = CheckpointPublicKey>) -> Self {
        Self {
            trusted: keys.into_iter().map(|key| (key_id(&key), key)).take(KEYS_MAX).collect(),
            replaced: BTreeSet::new(),
            vault: None,
            proved: None,
            checkpoints: BTreeMap::new(),
            firsts: BTreeSet::new(),
            lines: Vec::new(),
            places: BTreeMap::new(),
            attempt: Attempt::default(),
            claims: BTreeMap::new(),
            torn: Vec::new(),
            summary: Summary::default(),
        }
    }

    /// Reads the next line, with its line feed; without one it was cut off.
    pub fn line(&mut self, bytes: &[u8]) -> Result<Step, Fault> {
        self.summary.lines += 1;
        if bytes.len() > LINE_BYTES_MAX {
            return Err(Fault::TooLong);
        }
        let Some(line) = Line::parse(bytes).filter(|_| bytes.ends_with(b"\n")) else {
            return self.cut_off(bytes);
        };
        self.torn.retain(|torn| !bytes.starts_with(torn));
        let vault = match &line {
            Line::Record(record) => &record.vault,
            Line::Checkpoint(checkpoint) => &checkpoint.vault,
            Line::Key(statement) => &statement.vault,
        };
        if self.vault.get_or_insert_with(|| vault.clone()) != vault {
            return Err(Fault::OtherVault);
        }
        match line {
            Line::Record(record) => self.record(*record, bytes),
            Line::Checkpoint(checkpoint) => self.checkpoint(checkpoint, bytes),
            Line::Key(statement) => self.statement(&statement, bytes),
        }
    }

    /// What the export has. A line that was cut off at its end is nothing that is proved.
    pub fn finish(self) -> Summary {
        let proved = self.summary.last;
        let waiting = self.attempt.records.iter().map(|record| record.sequence);
        let waiting: BTreeSet<u64> =
            waiting.chain(self.claims.into_keys()).filter(|at| *at > proved).collect();
        Summary { unproven: waiting.len() as u64, ..self.summary }
    }

    /// What is no line may be what is left of one whose writer was killed, and which it wrote again later. Whether it is, is seen then.
    fn cut_off(&mut self, bytes: &[u8]) -> Result<Step, Fault> {
        let torn = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        if torn.is_empty()
            || !torn.starts_with(KIND.get(..torn.len().min(KIND.len())).unwrap_or_default())
            || self.torn.len() >= CUT_OFF_MAX
        {
            return Err(Fault::Unreadable);
        }
        self.torn.push(torn.to_vec());
        Ok(Step::Pending)
    }

    fn record(&mut self, record: Record, bytes: &[u8]) -> Result<Step, Fault> {
        let (sequence, hash) = (record.sequence, Sha256::of(bytes));
        let last = self.attempt.records.last().map(|record| record.sequence);
        let expected = last.or(self.proved.map(|proved| proved.last)).map(|last| last.saturating_add(1));
        match expected {
            Some(expected) if sequence > expected => {
                return Err(Fault::Missing { expected, found: sequence });
            }
            Some(expected) if sequence < expected => self.again(sequence, expected)?,
            Some(_) | None => {}
        }
        if self.attempt.records.len() >= BATCH_RECORDS_MAX {
            return Err(Fault::NoCheckpoint);
        }
        let is_first_again = self.attempt.is_again && self.attempt.records.is_empty();
        let line_before = self.attempt.hashes.last().copied().or(self.proved.map(|proved| proved.hash));
        if line_before.is_some_and(|hash| before(&hash) != record.before) && !is_first_again {
            return Err(Fault::Changed { sequence });
        }
        if !self.attempt.is_again {
            let known = self.attempt.places.get(&record.writer).or_else(|| self.places.get(&record.writer));
            if let Some(expected) = known.map(|place| place.saturating_add(1))
                && expected != record.place
            {
                return Err(Fault::Place { sequence, expected, found: record.place });
            }
            self.attempt.places.insert(record.writer.clone(), record.place);
        }
        self.attempt.all.get_or_insert_with(Sha256::new).update(bytes);
        self.attempt.hashes.push(hash);
        self.attempt.records.push(record);
        Ok(Step::Pending)
    }

    /// A record that came before: what a checkpoint signs is written again, from its beginning.
    fn again(&mut self, sequence: u64, expected: u64) -> Result<(), Fault> {
        let first = self.attempt.records.first().map(|record| record.sequence);
        let is_proved = self.firsts.contains(&sequence);
        if first != Some(sequence)
            && !is_proved
            && self.proved.map(|proved| proved.last.saturating_add(1)) != Some(sequence)
        {
            return Err(Fault::Repeated { expected, found: sequence });
        }
        let left = core::mem::take(&mut self.attempt);
        for (record, hash) in left.records.iter().zip(left.hashes) {
            let sequence = record.sequence;
            if *self.claims.entry(sequence).or_insert(hash) != hash {
                return Err(Fault::Differs { sequence });
            }
        }
        if self.claims.len() > 2 * BATCH_RECORDS_MAX {
            return Err(Fault::NoCheckpoint);
        }
        self.attempt.is_again = is_proved;
        Ok(())
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint, bytes: &[u8]) -> Result<Step, Fault> {
        let mut attempt = core::mem::take(&mut self.attempt);
        let (number, hash) = (checkpoint.number, Sha256::of(bytes));
        self.signed(&checkpoint.key, &checkpoint.signature, bytes, attempt.is_again)?;
        let expected = self.proved.map_or(number, |proved| proved.number.saturating_add(1));
        let known = self.checkpoints.get(&number).copied();
        let differs = attempt.records.iter().zip(&attempt.hashes).find_map(|(record, hash)| {
            let claim = self.claims.get(&record.sequence)?;
            (claim != hash).then_some(record.sequence)
        });
        let is_other = known.is_some_and(|known| known != hash);
        if (is_other || differs.is_some()) && attempt.restored_at(self).is_some() {
            // A key whose place another took may have signed what comes again, and nothing else.
            self.signed(&checkpoint.key, &checkpoint.signature, bytes, false)?;
            attempt.is_signed_by(&checkpoint)?;
            return self.restored(checkpoint, attempt, hash);
        }
        if is_other {
            return Err(Fault::Forked { number });
        }
        if known.is_some() != attempt.is_again || (number != expected && known.is_none()) {
            return Err(Fault::Checkpoint { expected, found: number });
        }
        let goes_on =
            self.proved.is_none_or(|proved| hex::encode(proved.hash) == checkpoint.checkpoint_before);
        if !goes_on && known.is_none() {
            return Err(Fault::Forked { number });
        }
        attempt.is_signed_by(&checkpoint)?;
        if let Some(sequence) = differs {
            return Err(Fault::Differs { sequence });
        }
        self.claims.retain(|sequence, _| !(checkpoint.first..=checkpoint.last).contains(sequence));
        if attempt.is_again {
            return Ok(Step::Again);
        }
        if !self.torn.is_empty() {
            return Err(Fault::Unreadable);
        }
        if self.proved.is_none() {
            let before = hex::decode(&checkpoint.checkpoint_before).ok();
            let before = before.and_then(|hash| hash.try_into().ok()).ok_or(Fault::Unreadable)?;
            self.checkpoints.insert(number.saturating_sub(1), before);
        }
        let (first, last) = (checkpoint.first, checkpoint.last);
        self.lines.extend(attempt.hashes.iter().map(shortened));
        self.places.extend(attempt.places);
        self.proved = Some(Proved { number, last, hash });
        self.checkpoints.insert(number, hash);
        self.firsts.insert(first);
        self.summary.vault = Some(checkpoint.vault.clone());
        self.summary.records += attempt.records.len() as u64;
        self.summary.checkpoints += 1;
        if self.summary.first == 0 {
            self.summary.first = first;
        }
        self.summary.last = last;
        self.summary.proved_at = Some(checkpoint.created_at.clone());
        Ok(Step::Proven(checkpoint, attempt.records))
    }

    fn statement(&mut self, statement: &KeyStatement, bytes: &[u8]) -> Result<Step, Fault> {
        let key = hex::decode(&statement.public_key).ok().and_then(|key| key.try_into().ok());
        let key = CheckpointPublicKey::from_bytes(key.ok_or(Fault::Unreadable)?);
        let id = key_id(&key);
        let is_trusted = self.trusted.contains_key(&id);
        if is_trusted && !self.trusted.contains_key(&statement.key) {
            // Whoever gave the later key alone needs nobody to vouch for it.
            return Ok(Step::Pending);
        }
        let is_again = is_trusted && self.replaced.contains(&statement.key);
        self.signed(&statement.key, &statement.signature, bytes, is_again)?;
        if self.trusted.len() >= KEYS_MAX && !is_trusted {
            return Err(Fault::TooManyKeys);
        }
        if id != statement.key {
            self.replaced.insert(statement.key.clone());
        }
        self.trusted.insert(id, key);
        Ok(Step::Pending)
    }

    /// Whether a line is signed by a key that is trusted, and that signs here.
    fn signed(&self, key: &str, digits: &str, bytes: &[u8], is_again: bool) -> Result<(), Fault> {
        let public = self.trusted.get(key).ok_or(Fault::KeyUnknown)?;
        let signature = signature(digits).ok_or(Fault::Forged)?;
        if !public.is_signed(signed(bytes), &signature) {
            return Err(Fault::Forged);
        }
        if self.replaced.contains(key) && !is_again {
            return Err(Fault::KeyReplaced);
        }
        Ok(())
    }
}
