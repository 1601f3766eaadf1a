//! Every row of a table, as an examination reads it: by its key, page by page, while nodes write.

use std::collections::HashSet;

use panvault_store::{Row, RowFault, RowKey, StoreFault, Table};

use crate::row::{self, Argument, UNREADABLE, limit};
use crate::store::PostgresStore;
use crate::table;

/// A row that was read, or why it is not what was written: its bytes, or the columns beside them by which it is found.
pub struct ExaminedRow {
    /// The bytes of its key.
    pub key: Vec<u8>,
    /// Itself.
    pub row: Result<Row, RowFault>,
}

impl PostgresStore {
    /// The rows of a table whose keys come after this one, in the order of their keys, so many at most.
    pub async fn rows_after(
        &self,
        table: Table,
        after: &[u8],
        rows: usize,
    ) -> Result<Vec<ExaminedRow>, StoreFault> {
        let sql = format!("{} WHERE id > $1 ORDER BY id LIMIT $2", row::selected(table));
        self.examined(table, &sql, &[Argument::Bytes(after), limit(rows)]).await
    }

    /// The rows of these keys that are there.
    pub async fn rows_of(&self, table: Table, keys: &[Vec<u8>]) -> Result<Vec<ExaminedRow>, StoreFault> {
        let sql = format!("{} WHERE id = ANY($1)", row::selected(table));
        self.examined(table, &sql, &[Argument::BytesOf(keys)]).await
    }

    /// Which of these keys have no row.
    pub async fn rows_missing(&self, table: Table, keys: &[Vec<u8>]) -> Result<HashSet<Vec<u8>>, StoreFault> {
        let mut missing: HashSet<Vec<u8>> = keys.iter().cloned().collect();
        if missing.is_empty() {
            return Ok(missing);
        }
        let sql = format!("SELECT id FROM {} WHERE id = ANY($1)", table::name(table));
        for found in self.database().query(&sql, &[Argument::BytesOf(keys).typed()]).await? {
            let id: Vec<u8> = found.try_get(0).map_err(|_| UNREADABLE)?;
            missing.remove(&id);
        }
        Ok(missing)
    }

    async fn examined(
        &self,
        table: Table,
        sql: &str,
        arguments: &[Argument<'_>],
    ) -> Result<Vec<ExaminedRow>, StoreFault> {
        let typed: Vec<_> = arguments.iter().map(Argument::typed).collect();
        let found = self.database().query(sql, &typed).await?;
        let examined = found.iter().map(|found| {
            let key: Vec<u8> = found.try_get(0).map_err(|_| UNREADABLE)?;
            let row = match row::row(table, self.chain(), found) {
                Ok(row) => Ok(row),
                Err(StoreFault::Damaged { fault, .. }) => Err(fault),
                Err(fault) => return Err(fault),
            };
            Ok(ExaminedRow { key, row })
        });
        examined.collect()
    }
}

/// The bytes of a key.
pub fn key_bytes(key: RowKey) -> Vec<u8> {
    table::id(key)
}
