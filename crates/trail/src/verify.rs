use std::collections::{BTreeMap, BTreeSet};

use panvault_keys::{CheckpointPublicKey, Sha256};

use crate::fault::Fault;
use crate::limits::{BATCH_RECORDS_MAX, CUT_OFF_MAX, KEYS_MAX, LINE_BYTES_MAX};
use crate::line::{Checkpoint, KeyStatement, Line, Record, before, key_id, signature, signed};
use crate::restored::{LINE_HASH_BYTES, Restored, shortened};

/// What every line begins with.
const KIND: &[u8] = b"{\"type\":\"";

/// Holds an export against the signatures in it, line by line, from its first line on. What it hands out is proved; after a fault nothing more is.
///
/// An export may begin at any checkpoint: what came before its first record is not known. What a writer was cut off in may be begun again, and what was written
/// may come again, as long as both times say the same: checkpoint by checkpoint, and line by line from the last proved checkpoint's records on, for a server may read two
/// connections of one writer at once. A vault that was restored from a backup goes on from the place of that, and says so first.
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
    /// What the last checkpoint proved.
    pub(crate) last: Attempt,
    /// The records since the last checkpoint.
    pub(crate) attempt: Attempt,
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

/// Records that wait for their checkpoint, or have it.
#[derive(Default)]
pub(crate) struct Attempt {
    pub(crate) records: Vec<Record>,
    /// Of the line of each.
    pub(crate) hashes: Vec<[u8; 32]>,
    /// Over all lines up to each.
    pub(crate) upto: Vec<Sha256>,
    /// The place of the last of each writer, where it was looked at.
    pub(crate) places: BTreeMap<String, u64>,
    /// They were proved before.
    pub(crate) is_again: bool,
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
            last: Attempt::default(),
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
        match self.known(sequence) {
            Some(known) if known == hash => return Ok(Step::Pending),
            Some(_) if record.is_restore() => self.goes_back(sequence)?,
            // What begins again long before is judged by its checkpoint.
            Some(_) if self.attempt.is_again && self.attempt.known(sequence).is_none() => {}
            Some(_) => return Err(Fault::Differs { sequence }),
            None => {}
        }
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
            // It goes on from a record that a checkpoint already ended with.
            let known = sequence.checked_sub(1).and_then(|at| self.known(at));
            let is_another_trail = known.is_some_and(|hash| before(&hash) == record.before);
            return match self.proved.filter(|_| is_another_trail) {
                Some(Proved { number, .. }) => Err(Fault::Forked { number }),
                None => Err(Fault::Changed { sequence }),
            };
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
        let mut upto = self.attempt.upto.last().cloned().unwrap_or_else(Sha256::new);
        upto.update(bytes);
        self.attempt.upto.push(upto);
        self.attempt.hashes.push(hash);
        self.attempt.records.push(record);
        Ok(Step::Pending)
    }

    /// The hash of a line that came since the last checkpoint, or that this one proved.
    fn known(&self, sequence: u64) -> Option<[u8; 32]> {
        self.attempt.known(sequence).or_else(|| self.last.known(sequence))
    }

    /// A record that came long before: what a checkpoint signs is written again, from its beginning.
    fn again(&mut self, sequence: u64, expected: u64) -> Result<(), Fault> {
        if !self.firsts.contains(&sequence) {
            return Err(Fault::Repeated { expected, found: sequence });
        }
        let left = core::mem::take(&mut self.attempt);
        self.claim(&left)?;
        self.attempt.is_again = true;
        Ok(())
    }

    /// Keeps what was begun and not proved.
    pub(crate) fn claim(&mut self, left: &Attempt) -> Result<(), Fault> {
        for (record, hash) in left.records.iter().zip(&left.hashes) {
            let sequence = record.sequence;
            if self.claims.entry(sequence).or_insert(*hash) != hash {
                return Err(Fault::Differs { sequence });
            }
        }
        if self.claims.len() > 2 * BATCH_RECORDS_MAX {
            return Err(Fault::NoCheckpoint);
        }
        Ok(())
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint, bytes: &[u8]) -> Result<Step, Fault> {
        let (number, hash) = (checkpoint.number, Sha256::of(bytes));
        if !self.attempt.is_again && self.proved.is_some_and(|proved| proved.hash == hash) {
            return Ok(Step::Again);
        }
        let mut attempt = core::mem::take(&mut self.attempt);
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
        self.places.append(&mut attempt.places);
        self.proved = Some(Proved { number, last, hash });
        self.checkpoints.insert(number, hash);
        self.firsts.insert(first);
        let records = attempt.records.clone();
        self.last = attempt;
        self.summary.vault = Some(checkpoint.vault.clone());
        self.summary.records += self.last.records.len() as u64;
        self.summary.checkpoints += 1;
        if self.summary.first == 0 {
            self.summary.first = first;
        }
        self.summary.last = last;
        self.summary.proved_at = Some(checkpoint.created_at.clone());
        Ok(Step::Proven(checkpoint, records))
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
