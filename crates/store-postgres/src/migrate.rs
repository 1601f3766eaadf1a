//! The schema: numbered steps, each with a checksum, done once, whichever nodes try.

use deadpool_postgres::Object;
use panvault_store::StoreFault;
use sha2::{Digest, Sha256};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::connect::Database;
use crate::fault::{is_conflict, store_fault};
use crate::limits::{CONFLICT_TRIES_MAX, RETRY_TIME};

/// A step. What it says is never changed once it was released: a database remembers its checksum.
struct Migration {
    number: i64,
    name: &'static str,
    sql: &'static str,
}

static MIGRATIONS: [Migration; 1] =
    [Migration { number: 1, name: "tables", sql: include_str!("migrations/0001_tables.sql") }];

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
    /// A later program has changed it.
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
}

impl From<StoreFault> for MigrateError {
    fn from(fault: StoreFault) -> Self {
        Self::Store(fault)
    }
}

/// Bookkeeping. Number 0 is no step: whoever migrates holds its row.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS migration \
                     (number int8 PRIMARY KEY, name bytea NOT NULL, checksum bytea NOT NULL);
                     INSERT INTO migration (number, name, checksum) VALUES (0, '', '') ON CONFLICT (number) DO NOTHING";

impl Database {
    /// How the schema stands to what this program knows. Changes nothing.
    pub async fn schema(&self) -> Result<SchemaState, StoreFault> {
        let client = self.reader().await?;
        match steps_done(&client).await {
            Ok(done) => Ok(state(&done)),
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(SchemaState::Empty),
            Err(error) => Err(store_fault(&error)),
        }
    }

    /// Does the steps that are missing, each in a transaction. Several may try at once: each step is done by one of them.
    pub async fn migrate(&self) -> Result<Vec<Applied>, MigrateError> {
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
        while let Some(migration) = self.step(&client).await? {
            applied.push(migration);
        }
        Ok(applied)
    }

    /// Does the next step, if one is missing.
    async fn step(&self, client: &Client) -> Result<Option<Applied>, MigrateError> {
        client
            .batch_execute("BEGIN; SELECT number FROM migration WHERE number = 0 FOR UPDATE")
            .await
            .map_err(fault)?;
        let next = next(client).await;
        let done = match next {
            Ok(Some(migration)) => migration.run(client).await.map(|()| Some(migration)),
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
}

fn fault(error: tokio_postgres::Error) -> MigrateError {
    store_fault(&error).into()
}

/// Numbers and checksums, in order.
async fn steps_done(client: &Client) -> Result<Vec<(i64, Vec<u8>)>, tokio_postgres::Error> {
    let sql = "SELECT number, checksum FROM migration WHERE number > 0 ORDER BY number";
    let rows = client.query_typed(sql, &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

fn state(done: &[(i64, Vec<u8>)]) -> SchemaState {
    let Some((last, _)) = done.last() else { return SchemaState::Empty };
    let known = MIGRATIONS.iter().map(|migration| (migration.number, migration.checksum()));
    for ((number_known, checksum), (number_done, there)) in known.zip(done) {
        if number_known != *number_done || checksum != *there {
            return SchemaState::Changed { number: number(*number_done) };
        }
    }
    let to = MIGRATIONS.last().map_or(0, |migration| migration.number);
    match last.cmp(&to) {
        core::cmp::Ordering::Less => SchemaState::Behind { at: number(*last), to: number(to) },
        core::cmp::Ordering::Equal => SchemaState::Current,
        core::cmp::Ordering::Greater => SchemaState::Ahead { at: number(*last) },
    }
}

fn number(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

async fn next(client: &Client) -> Result<Option<&'static Migration>, MigrateError> {
    let done = steps_done(client).await.map_err(fault)?;
    match state(&done) {
        SchemaState::Empty => Ok(MIGRATIONS.first()),
        SchemaState::Behind { .. } => Ok(MIGRATIONS.get(done.len())),
        SchemaState::Current => Ok(None),
        SchemaState::Ahead { .. } => Err(MigrateError::Ahead),
        SchemaState::Changed { .. } => Err(MigrateError::Changed),
    }
}

impl Migration {
    fn checksum(&self) -> Vec<u8> {
        Sha256::digest(self.sql).to_vec()
    }

    async fn run(&self, client: &Client) -> Result<(), MigrateError> {
        client.batch_execute(self.sql).await.map_err(fault)?;
        let sql = "INSERT INTO migration (number, name, checksum) VALUES ($1, $2, $3)";
        let name = self.name.as_bytes();
        let checksum = self.checksum();
        let row = client
            .query_typed(sql, &[(&self.number, Type::INT8), (&name, Type::BYTEA), (&checksum, Type::BYTEA)])
            .await;
        row.map(drop).map_err(fault)
    }
}
