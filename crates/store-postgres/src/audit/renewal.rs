//! The last step of a chain that is over is given a tag of a later key.

use panvault_model::NodeId;
use panvault_store::checkpoint::{ChainTag, TrailMark};
use panvault_store::{Chain, StoreFault};
use tokio_postgres::types::Type;

use crate::audit::{Step, before, tag, verify, version_of};
use crate::connect::Database;
use crate::limits::LOCK_TIME;
use crate::row::guarded;

/// The step that has this record, or the first behind it, and the one behind that; with the tag before it.
async fn two_from(
    database: &Database,
    writer: NodeId,
    first: u64,
) -> Result<(ChainTag, Vec<Step>), StoreFault> {
    let (place, previous) = before(database, writer, first.max(1)).await?;
    let sql = "SELECT place, count, notes, tag FROM audit WHERE writer = $1 AND place >= $2 AND count > 0 ORDER BY place LIMIT 2";
    let place = i64::try_from(place).unwrap_or(i64::MAX);
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&writer.as_bytes().as_slice(), Type::BYTEA), (&place, Type::INT8)];
    let rows = database.query(sql, &parameters).await?;
    Ok((previous, rows.iter().map(Step::of).collect::<Result<_, _>>()?))
}

/// Version of the key of the step that has this record, or the first behind it; `None` where there is none.
pub(crate) async fn key(database: &Database, writer: NodeId, first: u64) -> Result<Option<u16>, StoreFault> {
    let (_, steps) = two_from(database, writer, first).await?;
    Ok(steps.first().map(|step| version_of(&step.tag)))
}

/// The tag under the key of now of the step that has this mark, where it is the only one from a record on, is what its tag says and is under an earlier key.
pub(crate) async fn renewed(
    database: &Database,
    chain: &dyn Chain,
    writer: NodeId,
    first: u64,
    mark: TrailMark,
) -> Result<Option<ChainTag>, StoreFault> {
    let (previous, steps) = two_from(database, writer, first).await?;
    let [last] = steps.as_slice() else { return Ok(None) };
    let is_it = last.end() == mark.place.saturating_add(1) && last.tag == mark.tag;
    if !is_it || version_of(&last.tag) >= chain.version(0) {
        return Ok(None);
    }
    verify(chain, &previous, writer, last)?;
    Ok(Some(tag(chain, &previous, writer, last.place, &last.notes)))
}

/// Gives the last step of a chain another tag. `false` where it is not that any more, or nothing keeps the chain from going on.
pub(crate) async fn retag(
    database: &Database,
    writer: NodeId,
    mark: TrailMark,
    next: &ChainTag,
) -> Result<bool, StoreFault> {
    let sql = format!(
        "UPDATE audit SET tag = $4 WHERE writer = $1 AND place + count - 1 = $2 AND place <= $2 AND count > 0 AND tag = $3 \
         AND EXISTS (SELECT 1 FROM audit AS closed WHERE closed.writer = $1 AND closed.place = $2 + 1 AND closed.count = 0) \
         AND place = (SELECT max(last.place) FROM audit AS last WHERE last.writer = $1 AND last.place <= $2) AND {} RETURNING 1",
        guarded(LOCK_TIME)
    );
    let place = i64::try_from(mark.place).unwrap_or(i64::MAX);
    let (writer, tag, next) = (writer.as_bytes().as_slice(), mark.tag.as_slice(), next.as_slice());
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] =
        [(&writer, Type::BYTEA), (&place, Type::INT8), (&tag, Type::BYTEA), (&next, Type::BYTEA)];
    Ok(!database.write(&sql, &parameters).await?.is_empty())
}
