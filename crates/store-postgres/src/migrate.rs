//! The schema: numbered steps, each with a checksum, done once, whichever nodes try.

use deadpool_postgres::Object;
use panvault_store::StoreFault;
use sha2::{Digest, Sha256};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::connect::Database;
use crate::fault::{is_conflict, store_fault};
use crate::limits::{
    CONFLICT_TRIES_MAX, MIGRATE_LOCK_TIME, MIGRATE_PAUSE_TIME, MIGRATE_TRIES_MAX, RETRY_TIME,
};

/// A step of the schema. What it says is never changed once it was released: a database remembers its checksum.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number, one more than that of the step before.
    pub number: i64,
    /// Its name.
    pub name: &'static str,
    /// The least number that a program must know to use the tables after this step. One that only adds says what the step before says, so that nodes of
    /// before serve on and can be started again; one that takes something away says the number of the step since which nobody uses that, and is released later.
    pub usable_from: i64,
    /// What is done.
    pub change: Change,
}

/// What a step does.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// Statements in one transaction. They lock what they change: none of them may take longer than a node can wait, whatever the tables hold.
    Statements(&'static str),
    /// An index on a table that may be large, made while rows are written: `table` and what is behind it in `CREATE INDEX`.
    Index {
        /// Its name.
        name: &'static str,
        /// Such as `card (organisation, id)`.
        on: &'static str,
    },
}

static MIGRATIONS: [Migration; 1] = [Migration {
    number: 1,
    name: "tables",
    usable_from: 1,
    change: Change::Statements(include_str!("migrations/0001_tables.sql")),
}];

/// How the schema of a database stands to what this program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// Nothing of a vault is there.
    Empty,
    /// As it is wanted.
    Current,
    /// Steps are missing: `panvault migrate` does them.
    Behind {
        /// The last that was done.
        at: u32,
        /// The last that is known.
        to: u32,
    },
    /// A later program has added to it what this one does not know, and need not.
    Expanded {
        /// The last that was done.
        at: u32,
    },
    /// A later program has changed it so that this one cannot use it.
    Ahead {
        /// The last that was done.
        at: u32,
    },
    /// A step that was done says something else than the one of this number that is known.
    Changed {
        /// Its number.
        number: u32,
    },
}

/// A step that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
}

/// Why the schema was not brought up to date. What was not done whole was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MigrateError {
    /// The database.
    #[error("the database did not do it")]
    Store(#[source] StoreFault),
    /// A later program has changed the schema.
    #[error("the schema is newer than this program")]
    Ahead,
    /// A step that was done says something else now.
    #[error("a step that was done is not the one that this program knows")]
    Changed,
    /// A table that it changes is in use all the time.
    #[error("a table that a step changes is in use for long, and nodes were not to wait behind it")]
    InUse,
    /// An index is not as it is to be.
    #[error("an index was not finished")]
    IndexUnfinished,
}

impl From<StoreFault> for MigrateError {
    fn from(fault: StoreFault) -> Self {
        Self::Store(fault)
    }
}

/// Bookkeeping. Number 0 is no step: whoever migrates holds its row.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS migration \
                     (number int8 PRIMARY KEY, name bytea NOT NULL, checksum bytea NOT NULL, usable_from int8 NOT NULL);
                     INSERT INTO migration (number, name, checksum, usable_from) VALUES (0, '', '', 0) ON CONFLICT (number) DO NOTHING";

/// Begins a transaction in which nobody else migrates.
const BEGIN: &str = "BEGIN; SELECT number FROM migration WHERE number = 0 FOR UPDATE";

/// A step that was done.
struct Done {
    number: i64,
    checksum: Vec<u8>,
    usable_from: i64,
}

impl Database {
    /// How the schema stands to what this program knows. Changes nothing.
    pub async fn schema(&self) -> Result<SchemaState, StoreFault> {
        self.schema_for(&MIGRATIONS).await
    }

    /// Does the steps that are missing. Several may try at once: each step is done by one of them. Nodes serve meanwhile: no statement of theirs waits behind
    /// a step for longer than [`MIGRATE_LOCK_TIME`].
    pub async fn migrate(&self) -> Result<Vec<Applied>, MigrateError> {
        self.migrate_by(&MIGRATIONS).await
    }

    /// The steps that this program knows. A program that comes later knows these and more.
    pub const fn migrations() -> &'static [Migration] {
        &MIGRATIONS
    }

    /// How the schema stands to what a program knows that knows these steps.
    pub async fn schema_for(&self, steps: &[Migration]) -> Result<SchemaState, StoreFault> {
        let client = self.reader().await?;
        match steps_done(&client).await {
            Ok(done) => Ok(state(steps, &done)),
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(SchemaState::Empty),
            Err(error) => Err(store_fault(&error)),
        }
    }

    /// Does what such a program would do.
    pub async fn migrate_by(&self, steps: &[Migration]) -> Result<Vec<Applied>, MigrateError> {
        // Of its own: given up in the middle, it is not used again.
        let client = Object::take(self.reader().await?);
        let mut tries = 0;
        while let Err(error) = client.batch_execute(TABLE).await {
            // Two that make one table at once meet in the catalogue.
            tries += 1;
            if !is_conflict(&error) || tries >= CONFLICT_TRIES_MAX {
                return Err(store_fault(&error).into());
            }
            tokio::time::sleep(RETRY_TIME).await;
        }
        let mut applied = Vec::new();
        let mut tries = 0;
        loop {
            match self.step(&client, steps).await {
                Ok(Some(step)) => {
                    applied.push(step);
                    tries = 0;
                }
                Ok(None) => return Ok(applied),
                // Whoever uses the table goes on meanwhile.
                Err(MigrateError::InUse) if tries < MIGRATE_TRIES_MAX => {
                    tries += 1;
                    tokio::time::sleep(MIGRATE_PAUSE_TIME).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Does the next step, if one is missing.
    async fn step(&self, client: &Client, steps: &[Migration]) -> Result<Option<Applied>, MigrateError> {
        client.batch_execute(BEGIN).await.map_err(fault)?;
        let done = match next(client, steps).await {
            Ok(Some(migration)) => self.run(migration, client).await.map(|()| Some(migration)),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        match done {
            Ok(Some(migration)) => {
                client.batch_execute("COMMIT").await.map_err(fault)?;
                Ok(Some(Applied { number: number(migration.number), name: migration.name }))
            }
            Ok(None) => {
                client.batch_execute("ROLLBACK").await.map_err(fault)?;
                Ok(None)
            }
            Err(error) => {
                // A connection that is lost rolls back too.
                drop(client.batch_execute("ROLLBACK").await);
                Err(error)
            }
        }
    }

    /// Does a step, and notes it in the transaction that keeps others from migrating.
    async fn run(&self, migration: &Migration, client: &Client) -> Result<(), MigrateError> {
        match migration.change {
            Change::Statements(sql) => {
                // What waits for a table keeps all others that come after it waiting too.
                let millis = MIGRATE_LOCK_TIME.as_millis();
                let sql = format!("SET LOCAL lock_timeout = {millis}; {sql}");
                client.batch_execute(&sql).await.map_err(in_use)?;
            }
            Change::Index { name, on } => {
                // It is made outside of any transaction. One that was not finished is there, and serves nothing: it is made anew.
                let own = Object::take(self.reader().await?);
                // What was read last on the other connection is done with, so that its transaction sees nothing that making an index waits for.
                client.batch_execute("SELECT 1").await.map_err(fault)?;
                if !is_index_valid(&own, name).await? {
                    let gone = format!("DROP INDEX CONCURRENTLY IF EXISTS {name}");
                    own.batch_execute(&gone).await.map_err(fault)?;
                    let made = format!("CREATE INDEX CONCURRENTLY {name} ON {on}");
                    own.batch_execute(&made).await.map_err(fault)?;
                }
                if !is_index_valid(&own, name).await? {
                    return Err(MigrateError::IndexUnfinished);
                }
            }
        }
        let sql = "INSERT INTO migration (number, name, checksum, usable_from) VALUES ($1, $2, $3, $4)";
        let (name, checksum) = (migration.name.as_bytes(), migration.checksum());
        let row = client
            .query_typed(
                sql,
                &[
                    (&migration.number, Type::INT8),
                    (&name, Type::BYTEA),
                    (&checksum, Type::BYTEA),
                    (&migration.usable_from, Type::INT8),
                ],
            )
            .await;
        row.map(drop).map_err(fault)
    }
}

fn fault(error: tokio_postgres::Error) -> MigrateError {
    store_fault(&error).into()
}

/// The same of a statement that waits for a table at most for a while.
fn in_use(error: tokio_postgres::Error) -> MigrateError {
    let is_in_use = [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED];
    if error.code().is_some_and(|code| is_in_use.contains(code)) { MigrateError::InUse } else { fault(error) }
}

/// Whether there is an index of this name that was finished.
async fn is_index_valid(client: &Client, name: &str) -> Result<bool, MigrateError> {
    let sql = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)";
    let rows = client.query_typed(sql, &[(&name, Type::TEXT)]).await.map_err(fault)?;
    rows.first().map_or(Ok(false), |row| row.try_get(0).map_err(fault))
}

/// In order.
async fn steps_done(client: &Client) -> Result<Vec<Done>, tokio_postgres::Error> {
    let sql = "SELECT number, checksum, usable_from FROM migration WHERE number > 0 ORDER BY number";
    let rows = client.query_typed(sql, &[]).await?;
    let read = rows.iter().map(|row| {
        Ok(Done { number: row.try_get(0)?, checksum: row.try_get(1)?, usable_from: row.try_get(2)? })
    });
    read.collect()
}

fn state(steps: &[Migration], done: &[Done]) -> SchemaState {
    let Some(last) = done.last() else { return SchemaState::Empty };
    for (known, there) in steps.iter().zip(done) {
        if known.number != there.number || known.checksum() != there.checksum {
            return SchemaState::Changed { number: number(there.number) };
        }
    }
    let to = steps.last().map_or(0, |migration| migration.number);
    // Of each that is not known, for one that only adds may come after one that does not.
    let usable_from = done.iter().skip(steps.len()).map(|done| done.usable_from).max();
    let at = number(last.number);
    match usable_from {
        None if last.number < to => SchemaState::Behind { at, to: number(to) },
        None => SchemaState::Current,
        Some(usable_from) if usable_from <= to => SchemaState::Expanded { at },
        Some(_) => SchemaState::Ahead { at },
    }
}

fn number(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

async fn next<'a>(client: &Client, steps: &'a [Migration]) -> Result<Option<&'a Migration>, MigrateError> {
    let done = steps_done(client).await.map_err(fault)?;
    match state(steps, &done) {
        SchemaState::Empty => Ok(steps.first()),
        SchemaState::Behind { .. } => Ok(steps.get(done.len())),
        SchemaState::Current | SchemaState::Expanded { .. } => Ok(None),
        SchemaState::Ahead { .. } => Err(MigrateError::Ahead),
        SchemaState::Changed { .. } => Err(MigrateError::Changed),
    }
}

impl Migration {
    fn checksum(&self) -> Vec<u8> {
        match self.change {
            Change::Statements(sql) => Sha256::digest(sql).to_vec(),
            Change::Index { name, on } => Sha256::digest(format!("{name} ON {on}")).to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn step(number: i64, usable_from: i64) -> Migration {
        Migration { number, name: "step", usable_from, change: Change::Statements("SELECT 1") }
    }

    fn done(steps: &[Migration]) -> Vec<Done> {
        let done = |step: &Migration| Done {
            number: step.number,
            checksum: step.checksum(),
            usable_from: step.usable_from,
        };
        steps.iter().map(done).collect()
    }

    #[test]
    fn what_only_adds_is_used_by_who_does_not_know_it() {
        let (one, added) = (step(1, 1), step(2, 1));
        assert_eq!(state(&[one], &[]), SchemaState::Empty);
        assert_eq!(state(&[one], &done(&[one])), SchemaState::Current);
        assert_eq!(state(&[one, added], &done(&[one])), SchemaState::Behind { at: 1, to: 2 });
        assert_eq!(state(&[one], &done(&[one, added])), SchemaState::Expanded { at: 2 });
        assert_eq!(state(&[one], &done(&[one, added, step(3, 1)])), SchemaState::Expanded { at: 3 });
        let taken = step(3, 2);
        assert_eq!(state(&[one], &done(&[one, added, taken])), SchemaState::Ahead { at: 3 });
        assert_eq!(state(&[one, added], &done(&[one, added, taken])), SchemaState::Expanded { at: 3 });
        // What comes later brings nothing back.
        assert_eq!(state(&[one], &done(&[one, added, taken, step(4, 1)])), SchemaState::Ahead { at: 4 });
        assert_eq!(state(&[one], &done(&[added])), SchemaState::Changed { number: 2 });
    }

    #[test]
    fn steps_are_numbered_and_say_what_may_use_them() {
        for (number, step) in (1..).zip(&MIGRATIONS) {
            assert_eq!(step.number, number);
            assert!((1..=number).contains(&step.usable_from), "step {number}");
        }
    }
}
