//! Steps that stand for all of their chain up to there.

use panvault_model::NodeId;
use panvault_store::StoreFault;
use panvault_store::checkpoint::{ChainTag, TrailMark};
use tokio_postgres::types::Type;

use crate::audit::{FIRST_TAG, UNREADABLE, last_two, version_of};
use crate::connect::Database;

/// How far the chain of a writer has come: its last record, and the tag of the step that ends with it, which stands for all of the chain up to there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainMark {
    /// Whose chain.
    pub writer: NodeId,
    /// The place of the record, counted from 1.
    pub place: u64,
    /// The version of its key and the tag of the step.
    pub tag: [u8; 34],
}

/// How a chain stands to a mark that was made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkState {
    /// It goes through it, or ends there.
    Stands,
    /// It ends before, with this record; 0 for one that is not there.
    Short {
        /// The place of its last record.
        end: u64,
    },
    /// It has something else there.
    Other,
}

/// How far a writer has come; `None` of who has written nothing.
pub(crate) async fn mark(database: &Database, writer: NodeId) -> Result<Option<ChainMark>, StoreFault> {
    let last = last_two(database, writer).await?.into_iter().find(|step| step.count > 0);
    Ok(last.map(|step| ChainMark { writer, place: step.end().saturating_sub(1), tag: step.tag }))
}

/// Whether a tag is under a later key: the last step of a chain that is over was given another. Whether it is what that says shows whoever reads the chain.
fn is_later_link(tag: &[u8], than: &ChainTag) -> bool {
    let tag: Option<&ChainTag> = tag.try_into().ok();
    tag.is_some_and(|tag| version_of(tag) > version_of(than))
}

/// How the chain of a writer stands to a mark.
pub(crate) async fn mark_state(database: &Database, mark: &ChainMark) -> Result<MarkState, StoreFault> {
    let sql = "SELECT place + count - 1, tag FROM audit WHERE writer = $1 AND place <= $2 AND count > 0 ORDER BY place DESC LIMIT 1";
    let place = i64::try_from(mark.place).unwrap_or(i64::MAX);
    let writer = mark.writer.as_bytes().as_slice();
    let rows = database.query(sql, &[(&writer, Type::BYTEA), (&place, Type::INT8)]).await?;
    let Some(row) = rows.first() else { return Ok(MarkState::Short { end: 0 }) };
    let (end, tag): (i64, &[u8]) =
        (row.try_get(0).map_err(|_| UNREADABLE)?, row.try_get(1).map_err(|_| UNREADABLE)?);
    let end = u64::try_from(end).map_err(|_| UNREADABLE)?;
    Ok(if end < mark.place {
        MarkState::Short { end }
    } else if end == mark.place && (tag == mark.tag || is_later_link(tag, &mark.tag)) {
        MarkState::Stands
    } else {
        MarkState::Other
    })
}

/// Of each of these chains the last step that begins at a place or before.
pub(crate) async fn marks(
    database: &Database,
    chains: Vec<(NodeId, u64)>,
) -> Result<Vec<TrailMark>, StoreFault> {
    let ids: Vec<&[u8]> = chains.iter().map(|(writer, _)| writer.as_bytes().as_slice()).collect();
    let places: Vec<i64> =
        chains.iter().map(|(_, place)| i64::try_from(*place).unwrap_or(i64::MAX)).collect();
    let sql = "SELECT asked.at, last.place + last.count - 1, last.tag \
               FROM unnest($1, $2) WITH ORDINALITY AS asked (writer, place, at), \
               LATERAL (SELECT place, count, tag FROM audit \
                        WHERE audit.writer = asked.writer AND audit.place <= asked.place AND audit.count > 0 \
                        ORDER BY audit.place DESC LIMIT 1) AS last";
    let mut marks = vec![TrailMark::NONE; chains.len()];
    for row in database.query(sql, &[(&ids, Type::BYTEA_ARRAY), (&places, Type::INT8_ARRAY)]).await? {
        let (at, end): (i64, i64) =
            (row.try_get(0).map_err(|_| UNREADABLE)?, row.try_get(1).map_err(|_| UNREADABLE)?);
        let tag: &[u8] = row.try_get(2).map_err(|_| UNREADABLE)?;
        let place = usize::try_from(at).ok().and_then(|at| at.checked_sub(1));
        let slot = place.and_then(|place| marks.get_mut(place)).ok_or(UNREADABLE)?;
        // A tag that is none is not that of any step.
        *slot = TrailMark {
            place: u64::try_from(end).map_err(|_| UNREADABLE)?,
            tag: tag.try_into().unwrap_or(FIRST_TAG),
        };
    }
    Ok(marks)
}
