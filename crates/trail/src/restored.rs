//! A trail that goes on from an earlier place, because its vault was restored from a backup, and says so.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::line::{Checkpoint, Record};
use crate::verify::{Attempt, Proved, Step, Verifier};

/// The action of the record that a restored vault writes before anything else.
const RESTORE: &str = "vault_restore";
/// Bytes that are kept of the hash of each proved line: nobody finds another line for them.
pub(crate) const LINE_HASH_BYTES: usize = 16;

/// A place at which the vault was restored from a backup. What was recorded between that backup and this is in the trail before, and not in this vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The record that says so, whose place is the one behind the backup's.
    pub sequence: u64,
    /// The backup.
    pub backup: Option<String>,
    /// When.
    pub created_at: String,
    /// Records of the trail before that the vault knows nothing of.
    pub abandoned: u64,
}

/// The beginning of the hash of a line.
pub(crate) fn shortened(hash: &[u8; 32]) -> [u8; LINE_HASH_BYTES] {
    hash.first_chunk().copied().unwrap_or_default()
}

impl Record {
    /// Whether it says that the vault was restored.
    pub(crate) fn is_restore(&self) -> bool {
        self.action == RESTORE
    }
}

impl Attempt {
    /// The hash of the line of a record in it.
    pub(crate) fn known(&self, sequence: u64) -> Option<[u8; 32]> {
        let first = self.records.first()?.sequence;
        self.hashes.get(usize::try_from(sequence.checked_sub(first)?).ok()?).copied()
    }

    /// Leaves what is before a record of it.
    fn until(&mut self, sequence: u64) {
        let first = self.records.first().map_or(0, |record| record.sequence);
        let many = usize::try_from(sequence.saturating_sub(first)).unwrap_or(usize::MAX);
        self.records.truncate(many);
        self.hashes.truncate(many);
        self.upto.truncate(many);
        self.places = self.records.iter().map(|record| (record.writer.clone(), record.place)).collect();
    }

    /// Whether a checkpoint is over exactly these records.
    pub(crate) fn is_signed_by(&self, checkpoint: &Checkpoint) -> Result<(), Fault> {
        let number = checkpoint.number;
        let first = self.records.first().map_or(0, |record| record.sequence);
        let last = self.records.last().map_or(0, |record| record.sequence);
        if first != checkpoint.first {
            return Err(Fault::Cut { number, expected: checkpoint.first });
        }
        if last < checkpoint.last {
            return Err(Fault::Cut { number, expected: last.saturating_add(1) });
        }
        let records = self.upto.last().cloned().map(|hash| hex::encode(hash.finish()));
        if last != checkpoint.last || records.as_ref() != Some(&checkpoint.records_sha256) {
            return Err(Fault::Records { number, last });
        }
        Ok(())
    }

    /// The first of its records that is not the same as one that was proved or begun before; `None` where all are.
    pub(crate) fn first_new(&self, verifier: &Verifier) -> Option<usize> {
        let is_known = |sequence: u64, hash: &[u8; 32]| {
            verifier.proved_line(sequence) == Some(shortened(hash))
                || verifier.claims.get(&sequence).is_some_and(|claim| claim == hash)
        };
        self.records.iter().zip(&self.hashes).position(|(record, hash)| !is_known(record.sequence, hash))
    }

    /// Where it says that the vault was restored, if that is the first that is new in it.
    pub(crate) fn restored_at(&self, verifier: &Verifier) -> Option<usize> {
        let at = self.first_new(verifier)?;
        self.records.get(at).filter(|record| record.is_restore()).map(|_| at)
    }
}

impl Verifier {
    /// What is kept of a line that was proved.
    fn proved_line(&self, sequence: u64) -> Option<[u8; LINE_HASH_BYTES]> {
        let at = sequence.checked_sub(self.summary.first)?;
        self.lines.get(usize::try_from(at).ok()?).copied()
    }

    /// Begins again with what is before a record that says that the vault was restored, and which takes the place of another: of one that no checkpoint signed yet, or
    /// of one that the last did.
    pub(crate) fn goes_back(&mut self, sequence: u64) -> Result<(), Fault> {
        let mut left = core::mem::take(&mut self.attempt);
        self.claim(&left)?;
        if left.known(sequence).is_none() {
            left = core::mem::take(&mut self.last);
            left.is_again = true;
        }
        left.until(sequence);
        self.attempt = left;
        Ok(())
    }

    /// Takes a checkpoint that goes on from an earlier place than the last, where the records that it signs are the known ones up to the one that says that the vault
    /// was restored. Everything behind that place is the trail of before.
    pub(crate) fn restored(
        &mut self,
        checkpoint: Checkpoint,
        attempt: Attempt,
        hash: [u8; 32],
    ) -> Result<Step, Fault> {
        let (number, last) = (checkpoint.number, checkpoint.last);
        let forked = Fault::Forked { number };
        let before = number.checked_sub(1).and_then(|before| self.checkpoints.get(&before));
        if before.map(hex::encode).as_ref() != Some(&checkpoint.checkpoint_before) {
            return Err(forked);
        }
        let at = attempt.restored_at(self).ok_or(forked)?;
        let places = places(&attempt, at)?;
        let Some(announcing) = attempt.records.get(at) else { return Err(Fault::Forked { number }) };
        let kept = announcing.sequence.saturating_sub(self.summary.first);
        let abandoned = self.summary.last.saturating_sub(announcing.sequence.saturating_sub(1));
        self.summary.restored.push(Restored {
            sequence: announcing.sequence,
            backup: announcing.object.clone(),
            created_at: announcing.created_at.clone(),
            abandoned,
        });
        self.lines.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        self.lines.extend(attempt.hashes.iter().skip(at).map(shortened));
        // Where several nodes wrote, the others too are where they were at the backup, and what comes of them says how far that is.
        self.places = places;
        // What was begun of the trail before and never signed is nobody's any more.
        self.claims.clear();
        self.torn.clear();
        drop(self.checkpoints.split_off(&number));
        drop(self.firsts.split_off(&checkpoint.first));
        self.checkpoints.insert(number, hash);
        self.firsts.insert(checkpoint.first);
        self.proved = Some(Proved { number, last, hash });
        self.summary.last = last;
        self.summary.records = self.lines.len() as u64;
        // The one before the first that was read is known too.
        self.summary.checkpoints = (self.checkpoints.len() as u64).saturating_sub(1);
        self.summary.proved_at = Some(checkpoint.created_at.clone());
        let records = attempt.records.iter().skip(at).cloned().collect();
        self.last = Attempt { is_again: false, ..attempt };
        Ok(Step::Proven(checkpoint, records))
    }
}

/// The place of the last record of each writer, where those behind `at` have no gap.
fn places(attempt: &Attempt, at: usize) -> Result<BTreeMap<String, u64>, Fault> {
    let mut places: BTreeMap<String, u64> = BTreeMap::new();
    for (index, record) in attempt.records.iter().enumerate() {
        let expected = places.get(&record.writer).map(|place| place.saturating_add(1));
        if let Some(expected) = expected.filter(|expected| index >= at && *expected != record.place) {
            return Err(Fault::Place { sequence: record.sequence, expected, found: record.place });
        }
        places.insert(record.writer.clone(), record.place);
    }
    Ok(places)
}
