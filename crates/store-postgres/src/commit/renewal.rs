//! A lease that is renewed: a statement of its own, beside the node's chain, on a connection for reads.
//!
//! It waits for no commit. It may be sent twice: the row's version lets one be done, and nothing hangs on which.

use panvault_store::{Chain, NodeRow, Row, StoreFault, Table};
use tokio_postgres::types::Type;

use crate::commit::Committer;
use crate::connect::Database;
use crate::limits::LOCK_TIME;
use crate::row::guarded;
use crate::table::{Value, id, name, values};

impl Committer {
    /// Puts a row in the place of one version of it. Not from a node that writes nothing more.
    pub(crate) async fn renew(
        &self,
        database: &Database,
        chain: &dyn Chain,
        row: NodeRow,
        version: u32,
    ) -> Result<bool, StoreFault> {
        if *self.stopped.borrow() {
            return Err(StoreFault::Stopped);
        }
        let row = Row::from(row);
        let (key, next) = (id(row.key()), i64::from(row.version()));
        let bytes = values(&row, chain).pop().and_then(Value::into_bytes).unwrap_or_default();
        let sql = format!(
            "UPDATE {} SET version = $3, row = $4 WHERE id = $1 AND version = $2 AND {} RETURNING version",
            name(Table::Node),
            guarded(LOCK_TIME)
        );
        let written = database
            .write_beside(
                &sql,
                &[
                    (&key.as_slice(), Type::BYTEA),
                    (&i64::from(version), Type::INT8),
                    (&next, Type::INT8),
                    (&bytes.as_slice(), Type::BYTEA),
                ],
            )
            .await?;
        Ok(!written.is_empty())
    }
}
