//! The audit trail: a chain for each node, one row for each of its steps.

mod marks;
mod renewal;

use panvault_model::NodeId;
use panvault_store::checkpoint::ChainTag;
use panvault_store::codec::{Reader, RowFault};
use panvault_store::{AuditNote, AuditRecord, Chain, StoreFault};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::connect::Database;
use crate::limits::LOCK_TIME;
use crate::row::guarded;

pub use marks::{ChainMark, MarkState};
pub(crate) use marks::{mark, mark_state, marks};
pub(crate) use renewal::{key, renewed, retag};

const UNREADABLE: StoreFault = StoreFault::Read("a row of the audit trail is not as it was written");
const UNCHAINED: StoreFault =
    StoreFault::Read("the audit trail was changed from outside: a step is not what its tag says");
const LATER: StoreFault = StoreFault::Read(
    "a step of the audit trail is under a key that this node does not have: it was away while keys were handed over, and is to be started again",
);
const GAP: StoreFault = StoreFault::Read("the audit trail was changed from outside: steps are missing");

/// Steps that are read at once.
const STEPS: i64 = 256;

/// Steps that are deleted at once.
const FORGOTTEN_AT_ONCE: i64 = 4_096;

/// Before the first step of a chain.
pub(crate) const FIRST_TAG: ChainTag = [0; 34];

/// One step of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Of its first note, counted from 1.
    pub(crate) place: u64,
    /// How many notes there are.
    pub(crate) count: u64,
    /// The notes, one behind the other.
    pub(crate) notes: Vec<u8>,
    /// Over the tag before, writer, place and notes.
    pub(crate) tag: ChainTag,
}

impl Step {
    /// The step that comes behind a tag.
    pub(crate) fn new(
        chain: &dyn Chain,
        previous: &ChainTag,
        writer: NodeId,
        place: u64,
        notes: &[AuditNote],
    ) -> Self {
        let mut encoded = Vec::with_capacity(notes.len() * AuditNote::BYTES);
        notes.iter().for_each(|note| note.encode(&mut encoded));
        let tag = tag(chain, previous, writer, place, &encoded);
        Self { place, count: notes.len() as u64, notes: encoded, tag }
    }

    /// The place behind it.
    pub(crate) const fn end(&self) -> u64 {
        self.place.saturating_add(self.count)
    }

    fn of(row: &Row) -> Result<Self, StoreFault> {
        let number = |at| row.try_get::<_, i64>(at).ok().and_then(|number| u64::try_from(number).ok());
        let tag: &[u8] = row.try_get(3).map_err(|_| UNREADABLE)?;
        let step = Self {
            place: number(0).ok_or(UNREADABLE)?,
            count: number(1).ok_or(UNREADABLE)?,
            notes: row.try_get(2).map_err(|_| UNREADABLE)?,
            tag: tag.try_into().map_err(|_| UNREADABLE)?,
        };
        let bytes = step.count.checked_mul(AuditNote::BYTES as u64);
        if bytes == Some(step.notes.len() as u64) { Ok(step) } else { Err(UNREADABLE) }
    }

    fn records(&self, writer: NodeId) -> Result<Vec<AuditRecord>, RowFault> {
        let mut reader = Reader::new(&self.notes);
        let notes = (0..self.count).map(|_| AuditNote::decode_from(&mut reader));
        let places = (self.place..).zip(notes);
        places.map(|(place, note)| Ok(AuditRecord { writer, place, note: note? })).collect()
    }
}

/// The tag of the next step, under the key of now.
fn tag(chain: &dyn Chain, previous: &ChainTag, writer: NodeId, place: u64, notes: &[u8]) -> ChainTag {
    let made = || {
        let version = chain.version(version_of(previous));
        let tag = tag_under(chain, version, previous, writer, place, notes)?;
        Some(link(version, Some(tag)))
    };
    // Between version and tag that key may be destroyed, when the next one makes already.
    made().or_else(made).unwrap_or(FIRST_TAG)
}

/// Whether a step is the one behind this tag. A chain does not go back to an earlier key: who has that makes nothing behind what a later one made.
fn verify(chain: &dyn Chain, previous: &ChainTag, writer: NodeId, step: &Step) -> Result<(), StoreFault> {
    let version = version_of(&step.tag);
    let made = tag_under(chain, version, previous, writer, step.place, &step.notes);
    match made {
        None if chain.is_later(version) => Err(LATER),
        Some(_) if version >= version_of(previous) && link(version, made) == step.tag => Ok(()),
        Some(_) | None => Err(UNCHAINED),
    }
}

fn tag_under(
    chain: &dyn Chain,
    version: u16,
    previous: &ChainTag,
    writer: NodeId,
    place: u64,
    notes: &[u8],
) -> Option<[u8; 32]> {
    chain.tag(version, &[CHAIN, previous, writer.as_bytes(), &place.to_be_bytes(), notes])
}

/// A key that makes is always there; if it ever were not, this is a tag that nothing verifies.
pub(crate) fn link(version: u16, tag: Option<[u8; 32]>) -> ChainTag {
    let mut link = FIRST_TAG;
    let bytes = version.to_be_bytes().into_iter().chain(tag.unwrap_or_default());
    link.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
    link
}

/// Version of the key of a tag; 0 before the first.
pub(crate) const fn version_of(link: &ChainTag) -> u16 {
    let [high, low, ..] = *link;
    u16::from_be_bytes([high, low])
}

/// The tag of the row without notes that keeps a chain from going on at this place.
pub(crate) fn closed(chain: &dyn Chain, version: u16, writer: NodeId, place: u64) -> ChainTag {
    link(version, chain.tag(version, &[CLOSED, writer.as_bytes(), &place.to_be_bytes()]))
}

const CHAIN: &[u8] = b"panvault postgres audit";
/// What sets the mark of a chain that goes on no more apart from all else that is tagged.
const CLOSED: &[u8] = b"panvault postgres chain closed";

/// The last two steps of a node, the last first.
pub(crate) async fn last_two(database: &Database, writer: NodeId) -> Result<Vec<Step>, StoreFault> {
    let sql = "SELECT place, count, notes, tag FROM audit WHERE writer = $1 ORDER BY place DESC LIMIT 2";
    let rows = database.query(sql, &[(&writer.as_bytes().as_slice(), Type::BYTEA)]).await?;
    rows.iter().map(Step::of).collect()
}

/// The step of a node at a place, if there is one that begins there.
pub(crate) async fn at(database: &Database, writer: NodeId, place: u64) -> Result<Option<Step>, StoreFault> {
    let sql = "SELECT place, count, notes, tag FROM audit WHERE writer = $1 AND place = $2";
    let place = i64::try_from(place).unwrap_or(i64::MAX);
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&writer.as_bytes().as_slice(), Type::BYTEA), (&place, Type::INT8)];
    let rows = database.query(sql, &parameters).await?;
    rows.first().map(Step::of).transpose()
}

/// Whether a step is there, and wherever commits have to be. What a lost commit left may be on the primary alone, which waited for its standby: a
/// write of the same row waits for that too.
pub(crate) async fn confirm(database: &Database, writer: NodeId, step: &Step) -> Result<bool, StoreFault> {
    let sql = format!(
        "UPDATE audit SET count = count WHERE writer = $1 AND place = $2 AND tag = $3 AND {} RETURNING 1",
        guarded(LOCK_TIME)
    );
    let place = i64::try_from(step.place).unwrap_or(i64::MAX);
    let (writer, tag) = (writer.as_bytes().as_slice(), step.tag.as_slice());
    let rows =
        database.write(&sql, &[(&writer, Type::BYTEA), (&place, Type::INT8), (&tag, Type::BYTEA)]).await?;
    Ok(!rows.is_empty())
}

/// Who has written.
pub(crate) async fn writers(database: &Database) -> Result<Vec<NodeId>, StoreFault> {
    // From one to the next by the key, and not through all that each wrote.
    let sql = "SELECT writer FROM audit WHERE writer > $1 ORDER BY writer LIMIT 1";
    let mut found = Vec::new();
    let mut after = Vec::new();
    while let Some(row) = database.query(sql, &[(&after, Type::BYTEA)]).await?.first() {
        after = row.try_get(0).map_err(|_| UNREADABLE)?;
        let bytes: [u8; 12] = after.as_slice().try_into().map_err(|_| UNREADABLE)?;
        found.push(NodeId::from_bytes(bytes));
    }
    Ok(found)
}

/// The place of the last record of each of these writers; 0 of who has written none.
pub(crate) async fn ends(database: &Database, writers: Vec<NodeId>) -> Result<Vec<u64>, StoreFault> {
    let ids: Vec<&[u8]> = writers.iter().map(|writer| writer.as_bytes().as_slice()).collect();
    let sql = "SELECT asked.at, last.place + last.count - 1 \
               FROM unnest($1) WITH ORDINALITY AS asked (writer, at), \
               LATERAL (SELECT place, count FROM audit WHERE audit.writer = asked.writer ORDER BY place DESC LIMIT 1) AS last";
    let mut ends = vec![0; writers.len()];
    for row in database.query(sql, &[(&ids, Type::BYTEA_ARRAY)]).await? {
        let (at, end): (i64, i64) =
            (row.try_get(0).map_err(|_| UNREADABLE)?, row.try_get(1).map_err(|_| UNREADABLE)?);
        let place = usize::try_from(at).ok().and_then(|at| at.checked_sub(1));
        let slot = place.and_then(|place| ends.get_mut(place)).ok_or(UNREADABLE)?;
        *slot = u64::try_from(end).map_err(|_| UNREADABLE)?;
    }
    Ok(ends)
}

/// Records of a writer from a place on. Each step is held against its tag and the one before, as far as they are read.
pub(crate) async fn read(
    database: &Database,
    chain: &dyn Chain,
    writer: NodeId,
    first: u64,
    limit: usize,
) -> Result<Vec<AuditRecord>, StoreFault> {
    let first = first.max(1);
    let mut records = Vec::new();
    let mut expected = before(database, writer, first).await?;
    while records.len() < limit {
        let from = i64::try_from(expected.0).unwrap_or(i64::MAX);
        let sql = "SELECT place, count, notes, tag FROM audit WHERE writer = $1 AND place >= $2 ORDER BY place LIMIT $3";
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
            [(&writer.as_bytes().as_slice(), Type::BYTEA), (&from, Type::INT8), (&STEPS, Type::INT8)];
        let rows = database.query(sql, &parameters).await?;
        let is_last = (rows.len() as u64) < STEPS.unsigned_abs();
        for (at, row) in rows.iter().enumerate() {
            let step = Step::of(row)?;
            if step.place != expected.0 {
                return Err(GAP);
            }
            // A place that nobody took, and the last.
            if step.count == 0 {
                let is_end = is_last && at + 1 == rows.len();
                return if is_end { Ok(records) } else { Err(GAP) };
            }
            verify(chain, &expected.1, writer, &step)?;
            expected = (step.end(), step.tag);
            let of_the_step =
                step.records(writer).map_err(|fault| StoreFault::Damaged { row: None, fault })?;
            records.extend(
                of_the_step.into_iter().filter(|record| record.place >= first).take(limit - records.len()),
            );
            if records.len() >= limit {
                return Ok(records);
            }
        }
        if is_last {
            break;
        }
    }
    Ok(records)
}

/// Keeps steps of a writer no longer whose records are all before a place, but for the last of them: its tag is what the next hangs on.
pub(crate) async fn forget(database: &Database, writer: NodeId, first: u64) -> Result<(), StoreFault> {
    let sql = format!(
        "DELETE FROM audit WHERE writer = $1 AND place IN ( \
             SELECT place FROM audit WHERE writer = $1 AND place < ( \
                 SELECT place FROM audit WHERE writer = $1 AND place <= $2 ORDER BY place DESC OFFSET 1 LIMIT 1) \
             ORDER BY place LIMIT $3) AND {} RETURNING 1",
        guarded(LOCK_TIME)
    );
    let place = i64::try_from(first).unwrap_or(i64::MAX);
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] = [
        (&writer.as_bytes().as_slice(), Type::BYTEA),
        (&place, Type::INT8),
        (&FORGOTTEN_AT_ONCE, Type::INT8),
    ];
    while !database.write(&sql, &parameters).await?.is_empty() {}
    Ok(())
}

/// Where the step begins that has this place, and the tag before it.
async fn before(database: &Database, writer: NodeId, first: u64) -> Result<(u64, ChainTag), StoreFault> {
    let sql = "SELECT place, count, notes, tag FROM audit WHERE writer = $1 AND place <= $2 ORDER BY place DESC LIMIT 2";
    let place = i64::try_from(first).unwrap_or(i64::MAX);
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&writer.as_bytes().as_slice(), Type::BYTEA), (&place, Type::INT8)];
    let rows = database.query(sql, &parameters).await?;
    match rows.as_slice() {
        [] | [_] => Ok((1, FIRST_TAG)),
        [step, previous, ..] => {
            let (step, previous) = (Step::of(step)?, Step::of(previous)?);
            if previous.end() == step.place { Ok((step.place, previous.tag)) } else { Err(GAP) }
        }
    }
}
