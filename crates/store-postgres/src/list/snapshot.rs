use core::time::Duration;

use panvault_store::StoreFault;
use tokio_postgres::Row;

use crate::connect::{Database, Lent};
use crate::fault::store_fault;
use crate::row::Argument;

/// A transaction that only reads, and sees all of it as of one moment. One that is dropped before its end takes its connection with it.
pub(crate) struct Snapshot(Lent);

impl Snapshot {
    /// Each of its statements may take so long.
    pub(crate) async fn begin(database: &Database, time: Duration) -> Result<Self, StoreFault> {
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {}",
            // Zero would be no limit at all.
            time.as_millis().max(1)
        );
        // A connection that was lost while nobody used it shows that with the first statement.
        for is_last in [false, true] {
            let snapshot = Self(database.lend().await?);
            match snapshot.0.client()?.batch_execute(&begin).await {
                Err(error) if error.is_closed() && !is_last => {}
                begun => return begun.map(|()| snapshot).map_err(|error| store_fault(&error)),
            }
        }
        Err(StoreFault::Unreachable)
    }

    pub(crate) async fn query(&self, sql: &str, arguments: &[Argument<'_>]) -> Result<Vec<Row>, StoreFault> {
        let typed: Vec<_> = arguments.iter().map(Argument::typed).collect();
        self.0.client()?.query_typed(sql, &typed).await.map_err(|error| store_fault(&error))
    }

    /// Gives the connection back; after a statement that failed too.
    pub(crate) async fn end(self) -> Result<(), StoreFault> {
        self.0.client()?.batch_execute("COMMIT").await.map_err(|error| store_fault(&error))?;
        self.0.give_back();
        Ok(())
    }
}
