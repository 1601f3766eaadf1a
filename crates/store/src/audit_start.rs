//! Where what is kept of an audit trail begins, and what the records before it told.
//!
//! The body of a start:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 1 |
//! | 8 | place of the last record that is not kept; 0 for none |
//! | 6 | the latest time of those |
//! | 12 | the node that the first record named as the one before; zeroes for none |
//! | 4 | number of the last checkpoint that they told of |
//! | 8 | documents that they told were made, changed or deleted |
//! | 1 + 8 + 8 + 8 + 8 | how the head of the documents was changed: another node began before, or the head was there: 1, else 0; changes; seals; when it was last sealed, and when a seal was last lifted, in Unix milliseconds, 0 for never |
//! | 12 | the table of issuers that was taken up last; zeroes for none |
//! | 3 × 64 × 16 | for cards, transactions and customers, so many buckets: exclusive or of the marks of those that were made or deleted |

use panvault_model::{Id, Timestamp};

use crate::codec::{Reader, RowFault, Writer};
use crate::row::{Action, AuditNote};

const FORMAT: u8 = 1;

/// Buckets of each table.
pub const START_BUCKETS: usize = 64;
/// Tables of which there are sums.
pub const START_TABLES: usize = 3;

const NOBODY: Id = Id::from_bytes([0; 12]);
const NEVER: Timestamp = Timestamp::from_unix_millis(0);

/// How the head of the documents was changed, as records tell of it: a document shows its own changes, and not that the vault was sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadChanges {
    /// A head was there before these records.
    pub is_begun: bool,
    changes: u64,
    seals: u64,
    /// Unix milliseconds of the last seal, and of the last time that one was lifted; 0 for never.
    sealed_at: u64,
    unsealed_at: u64,
}

impl HeadChanges {
    /// How many there were.
    pub fn count(&self) -> u64 {
        (self.changes + self.seals.saturating_mul(2)).saturating_sub(u64::from(self.is_sealed()))
    }

    fn is_sealed(&self) -> bool {
        self.sealed_at > self.unsealed_at
    }

    /// Takes up a record.
    pub fn note(&mut self, note: &AuditNote) {
        // A key has no row of its own in what is held against it: each is a change that the head counts.
        let is_change = matches!(
            note.action,
            Action::DocumentCreate
                | Action::DocumentUpdate
                | Action::DocumentDelete
                | Action::KeyMake
                | Action::KeyActivate
                | Action::KeyDestroy
                | Action::HeaderChange
                | Action::SlotAdd
                | Action::SlotRemove
                | Action::VaultKeyActivate
                | Action::VaultKeyDestroy
                | Action::KeyRewrap
                | Action::DocumentRetag
        );
        let comes_with_the_first = matches!(
            note.action,
            Action::VaultBackup
                | Action::VaultRestore
                | Action::AuditVerify
                | Action::ShareGive
                | Action::UnsealFail
                | Action::CeremonyHold
        );
        if is_change {
            self.changes += 1;
        } else if comes_with_the_first {
            self.first();
        } else if note.action == Action::VaultSeal && (note.outcome > 0 || self.is_sealed()) {
            // One that was sealed stays so, and the head says it once more.
            self.changes += 1;
        } else if note.action == Action::VaultSeal {
            // That it is sealed is in the head.
            self.seals += 1;
            self.sealed_at = note.at.unix_millis().max(self.unsealed_at.saturating_add(1));
        } else if note.action == Action::VaultUnseal {
            if !self.is_sealed() {
                self.first();
            }
            self.unsealed_at = note.at.unix_millis().max(self.sealed_at);
        } else if note.action == Action::NodeStart {
            self.is_begun |= note.object != NOBODY;
        }
    }

    /// Where there is no head yet, what is done comes with one.
    fn first(&mut self) {
        self.changes += u64::from(!self.is_begun && self.count() == 0);
    }

    fn add(&mut self, other: &Self) {
        self.is_begun |= other.is_begun;
        self.changes += other.changes;
        self.seals += other.seals;
        self.sealed_at = self.sealed_at.max(other.sealed_at);
        self.unsealed_at = self.unsealed_at.max(other.unsealed_at);
    }
}

/// Where what is kept of the trail of one node begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditStart {
    /// The place of the last record that is not kept; 0 for none.
    pub place: u64,
    /// The latest time of those.
    pub at: Timestamp,
    /// The node that began last before this one, as its first record said.
    pub before: Id,
    /// The last checkpoint that they told of.
    pub checkpoint: u32,
    /// Documents that they told were made, changed or deleted.
    pub documents: u64,
    /// What they told of the head of the documents.
    pub head: HeadChanges,
    /// The table of issuers that was taken up last.
    pub bins: Option<Id>,
    sums: Vec<u128>,
}

impl Default for AuditStart {
    fn default() -> Self {
        Self {
            place: 0,
            at: NEVER,
            before: NOBODY,
            checkpoint: 0,
            documents: 0,
            head: HeadChanges::default(),
            bins: None,
            sums: vec![0; START_BUCKETS * START_TABLES],
        }
    }
}

impl AuditStart {
    /// Counts an object in or out of the sum of its bucket, of the table of a number below [`START_TABLES`], by its mark.
    pub fn flip(&mut self, table: usize, mark: u128) {
        if let Some(sum) = self.sums.get_mut(at(table, bucket(mark))) {
            *sum ^= mark;
        }
    }

    /// The sum of a bucket of a table.
    pub fn sum(&self, table: usize, bucket: usize) -> u128 {
        self.sums.get(at(table, bucket)).copied().unwrap_or(0)
    }

    /// Adds what the records of another node told. Place, time and the node before stay; the later of two times does.
    pub fn add(&mut self, other: &Self) {
        let is_later = other.at >= self.at;
        self.bins = if is_later { other.bins.or(self.bins) } else { self.bins.or(other.bins) };
        self.at = self.at.max(other.at);
        self.documents += other.documents;
        self.head.add(&other.head);
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, other)| *sum ^= other);
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(80 + self.sums.len() * 16);
        let mut writer = Writer::new(&mut out);
        writer.u8(FORMAT);
        writer.u64(self.place);
        writer.timestamp(self.at);
        writer.fixed(self.before.as_bytes());
        writer.u32(self.checkpoint);
        writer.u64(self.documents);
        writer.u8(u8::from(self.head.is_begun));
        writer.u64(self.head.changes);
        writer.u64(self.head.seals);
        writer.u64(self.head.sealed_at);
        writer.u64(self.head.unsealed_at);
        writer.fixed(self.bins.unwrap_or(NOBODY).as_bytes());
        self.sums.iter().for_each(|sum| writer.fixed(&sum.to_be_bytes()));
        out
    }

    /// Reads what [`AuditStart::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::of_format(bytes, FORMAT)?;
        let mut start = Self {
            place: reader.u64()?,
            at: reader.timestamp()?,
            before: Id::from_bytes(reader.fixed()?),
            checkpoint: reader.u32()?,
            documents: reader.u64()?,
            head: HeadChanges {
                is_begun: reader.flag()?,
                changes: reader.u64()?,
                seals: reader.u64()?,
                sealed_at: reader.u64()?,
                unsealed_at: reader.u64()?,
            },
            bins: Some(Id::from_bytes(reader.fixed()?)).filter(|bins| *bins != NOBODY),
            sums: Vec::with_capacity(START_BUCKETS * START_TABLES),
        };
        for _ in 0..START_BUCKETS * START_TABLES {
            start.sums.push(u128::from_be_bytes(reader.fixed()?));
        }
        reader.end()?;
        Ok(start)
    }
}

fn bucket(mark: u128) -> usize {
    usize::try_from(mark % START_BUCKETS as u128).unwrap_or(0)
}

const fn at(table: usize, bucket: usize) -> usize {
    table.saturating_mul(START_BUCKETS).saturating_add(bucket)
}

#[cfg(test)]
mod tests {
    use panvault_model::{OrganisationId, RequestId};

    use super::*;

    /// Every byte has one meaning: what is cut, longer or of another format is refused.
    #[test]
    fn a_start_is_read_as_it_was_written_and_in_no_other_way() {
        let mut start = AuditStart { place: 7, at: Timestamp::from_unix_millis(9), ..AuditStart::default() };
        start.bins = Some(Id::from_bytes([3; 12]));
        (start.documents, start.checkpoint, start.head.is_begun) = (4, 5, true);
        start.flip(2, (1 << 100) + 63);
        let bytes = start.encode();
        assert_eq!(AuditStart::decode(&bytes), Ok(start.clone()));
        assert_eq!((start.sum(2, 63), start.sum(2, 62), start.sum(1, 63)), ((1 << 100) + 63, 0, 0));
        for len in 0..bytes.len() {
            assert!(AuditStart::decode(&bytes[..len]).is_err(), "{len}");
        }
        assert!(AuditStart::decode(&[&bytes[..], &[0]].concat()).is_err());
        assert!(AuditStart::decode(&[&[2], &bytes[1..]].concat()).is_err());
        start.flip(2, (1 << 100) + 63);
        assert_eq!(start.sum(2, 63), 0, "made and deleted");
    }

    /// A seal of one node that another lifted is two changes, as it is of one.
    #[test]
    fn seals_are_counted_whichever_node_lifts_them() {
        let at = |action, millis| AuditNote {
            at: Timestamp::from_unix_millis(millis),
            action,
            actor: None,
            organisation: OrganisationId::from_bytes([0; 12]),
            object: NOBODY,
            request: RequestId::from_bytes([0; 12]),
            address: [0; 16],
            outcome: 0,
            counted: None,
        };
        let told = |notes: &[AuditNote]| {
            let mut head = HeadChanges::default();
            notes.iter().for_each(|note| head.note(note));
            head
        };
        let (made, seal, lift) =
            (at(Action::DocumentCreate, 1), at(Action::VaultSeal, 2), at(Action::VaultUnseal, 3));
        let one = told(&[made, seal, lift]);
        assert_eq!((told(&[made, seal]).count(), one.count()), (2, 3));
        assert_eq!(told(&[made, seal, seal, lift]).count(), 4, "a seal of one that is sealed is one change");
        let mut both = told(&[made, seal]);
        both.add(&HeadChanges { is_begun: true, ..HeadChanges::default() });
        let mut other = HeadChanges { is_begun: true, ..HeadChanges::default() };
        other.note(&lift);
        both.add(&other);
        assert_eq!(both.count(), one.count());
        assert_eq!(told(&[lift]).count(), 1, "the first comes with the head");
    }
}
