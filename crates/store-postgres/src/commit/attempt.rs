//! One try to do a step.

use core::time::Duration;

use deadpool_postgres::Object;
use panvault_store::decide::Decision;
use panvault_store::{Chain, Commit, Outcome, StoreFault};
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::types::Type;

use crate::audit::Step;
use crate::commit::Answer;
use crate::commit::chain_end::ChainEnd;
use crate::commit::decided::{self, Undecided};
use crate::commit::statement::{Changes, Statement};
use crate::connect::Database;
use crate::fault::{is_conflict, is_unknown, store_fault};
use crate::limits::{COMMIT_BYTES_MAX, IDLE_IN_TRANSACTION_MILLIS, STATEMENT_TIME};

/// What came of it.
pub(crate) enum Attempt {
    /// It is done and durable.
    Done(Step, Vec<Answer>),
    /// Nothing was to be done.
    Nothing(Vec<Answer>),
    /// The connection was lost when it may have been done.
    Unknown(Step, Vec<Answer>),
    /// It was undone because something is not as was hoped: it is to be looked at with care.
    Unhoped,
    /// It was undone because it met another node's, or lost its connection before it was told to commit; it may be tried again.
    Met,
    /// It was undone because another held a row, or the place, for too long.
    Held,
    /// It was undone because the place of this node's chain is taken.
    Taken,
    /// The database is not reached, and nothing was done.
    Lost,
    /// The database refused it, and nothing was done.
    Refused(StoreFault),
    /// The last step of this node is not in the database any more.
    Rewound,
}

/// A place to do it from.
pub(crate) struct Attempting<'a> {
    pub(crate) database: &'a Database,
    pub(crate) chain: &'a dyn Chain,
    pub(crate) end: &'a ChainEnd,
    /// How long a row is waited for that another holds.
    pub(crate) lock_time: Duration,
}

impl Attempting<'_> {
    /// In one statement, in the hope that everything is as it is expected. With what cannot be done so: [`Attempt::Unhoped`].
    pub(crate) async fn hope(&self, commits: &[Commit]) -> Attempt {
        let Some(changes) = decided::hoped(commits, self.chain) else { return Attempt::Unhoped };
        if changes.bytes() > COMMIT_BYTES_MAX {
            return Attempt::Refused(StoreFault::TooLarge);
        }
        let (step, answers) = self.step(commits, commits.iter().map(|_| Decision::Do));
        let statement = changes.statement(self.end, &step, self.lock_time);
        let Ok(client) = self.database.committer().await else { return Attempt::Lost };
        match run(&client, &statement).await {
            Ran::Well => Attempt::Done(step, answers),
            Ran::Lost => {
                self.database.abandon(client);
                Attempt::Unknown(step, answers)
            }
            Ran::Failed(error) if is_unhoped(&error) => Attempt::Unhoped,
            Ran::Failed(error) => failed(self.database, client, &error),
        }
    }

    /// With each commit decided by itself.
    pub(crate) async fn decide(&self, commits: &[Commit]) -> Attempt {
        let Ok(client) = self.database.committer().await else { return Attempt::Lost };
        match timeout(STATEMENT_TIME, self.prepare(&client, commits)).await {
            Ok(Ok(Prepared::ToDo(step, answers))) => {
                match timeout(STATEMENT_TIME, client.batch_execute("COMMIT")).await {
                    Ok(Ok(())) => Attempt::Done(step, answers),
                    Ok(Err(error)) if !is_unknown(&error) => failed(self.database, client, &error),
                    Ok(Err(_)) | Err(_) => {
                        self.database.abandon(client);
                        Attempt::Unknown(step, answers)
                    }
                }
            }
            Ok(Ok(Prepared::Ended(attempt))) => {
                roll_back(client).await;
                attempt
            }
            Ok(Err(Undecided::Met)) => {
                roll_back(client).await;
                Attempt::Met
            }
            Ok(Err(Undecided::Damaged(fault))) => {
                roll_back(client).await;
                Attempt::Refused(fault)
            }
            Ok(Err(Undecided::Failed(error))) => {
                if is_unknown(&error) {
                    // It was not told to commit. Whether the database is there shows when the next connection is made.
                    drop(Object::take(client));
                    return Attempt::Met;
                }
                roll_back(client).await;
                if error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) {
                    self.database.forget_readers();
                    return Attempt::Lost;
                }
                refused(&error)
            }
            Err(_) => {
                // Waiting for rows that somebody holds is no loss of the database.
                self.database.abandon(client);
                Attempt::Met
            }
        }
    }

    /// Everything but the end of the transaction.
    async fn prepare(&self, client: &Client, commits: &[Commit]) -> Result<Prepared, Undecided> {
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MILLIS}; \
             SET LOCAL lock_timeout = {}",
            self.lock_time.as_millis()
        );
        client.batch_execute(&begin).await?;
        if !self.is_end(client).await? {
            return Ok(Prepared::Ended(Attempt::Rewound));
        }
        if let Some(ended) = self.is_marked(client).await? {
            return Ok(Prepared::Ended(ended));
        }
        let found = decided::look(client, commits).await?;
        let mut changes = Changes::default();
        let decided = found.decide(commits, &mut changes, self.chain).map_err(Undecided::Damaged)?;
        let is_nothing = !decided.decisions.contains(&Decision::Do);
        let (step, answers) = self.step(commits, decided.decisions.iter().cloned());
        if is_nothing {
            return Ok(Prepared::Ended(Attempt::Nothing(answers)));
        }
        if changes.bytes() > COMMIT_BYTES_MAX {
            return Ok(Prepared::Ended(Attempt::Refused(StoreFault::TooLarge)));
        }
        decided.hold(client).await?;
        let statement = changes.statement(self.end, &step, self.lock_time);
        match client.query_typed(&statement.sql, &statement.parameters()).await {
            // A row that was not there a moment ago.
            Err(error) if is_unhoped(&error) => return Err(Undecided::Met),
            done => drop(done?),
        }
        decided.release(client).await?;
        Ok(Prepared::ToDo(step, answers))
    }

    /// Whether the last step of this node is where it was written.
    async fn is_end(&self, client: &Client) -> Result<bool, tokio_postgres::Error> {
        let Some(last) = self.end.last else { return Ok(true) };
        let sql = "SELECT 1 FROM audit WHERE writer = $1 AND place = $2 AND tag = $3";
        let (writer, tag) = (self.end.writer.as_bytes().as_slice(), self.end.tag.as_slice());
        let place = i64::try_from(last).unwrap_or(i64::MAX);
        let rows = client
            .query_typed(sql, &[(&writer, Type::BYTEA), (&place, Type::INT8), (&tag, Type::BYTEA)])
            .await?;
        Ok(!rows.is_empty())
    }

    /// What has become of the mark at the place of this step, if one was set and is not there: a standby may have been promoted that had all steps, and not
    /// the mark.
    async fn is_marked(&self, client: &Client) -> Result<Option<Attempt>, tokio_postgres::Error> {
        let Some(mark) = self.end.mark else { return Ok(None) };
        let sql = "SELECT count = 0 AND tag = $3 FROM audit WHERE writer = $1 AND place = $2";
        let (writer, tag) = (self.end.writer.as_bytes().as_slice(), mark.as_slice());
        let place = i64::try_from(self.end.place).unwrap_or(i64::MAX);
        let rows = client
            .query_typed(sql, &[(&writer, Type::BYTEA), (&place, Type::INT8), (&tag, Type::BYTEA)])
            .await?;
        Ok(match rows.first().map(|row| row.try_get(0)).transpose()? {
            Some(true) => None,
            Some(false) => Some(Attempt::Taken),
            None => Some(Attempt::Rewound),
        })
    }

    /// The node's step, and what whoever waits is told when it is durable.
    fn step(&self, commits: &[Commit], decisions: impl IntoIterator<Item = Decision>) -> (Step, Vec<Answer>) {
        let (mut notes, mut answers) = (Vec::new(), Vec::new());
        for (commit, decision) in commits.iter().zip(decisions) {
            answers.push(Ok(match decision {
                Decision::Do => {
                    notes.push(commit.audit);
                    Outcome::Done { order: self.end.place + notes.len() as u64 - 1 }
                }
                Decision::Claimed(row) => Outcome::Claimed(row),
                Decision::Unmet(at) => Outcome::Unmet(at),
            }));
        }
        (Step::new(self.chain, &self.end.tag, self.end.writer, self.end.place, &notes), answers)
    }
}

enum Prepared {
    /// Told to commit, it is done.
    ToDo(Step, Vec<Answer>),
    /// It is to be rolled back.
    Ended(Attempt),
}

enum Ran {
    Well,
    Failed(tokio_postgres::Error),
    Lost,
}

async fn run(client: &Client, statement: &Statement) -> Ran {
    match timeout(STATEMENT_TIME, client.query_typed(&statement.sql, &statement.parameters())).await {
        Ok(Ok(_)) => Ran::Well,
        Ok(Err(error)) if !is_unknown(&error) => Ran::Failed(error),
        Ok(Err(_)) | Err(_) => Ran::Lost,
    }
}

/// Whether it was undone because a row is not as was hoped. One of the chain that is there says that its place is taken.
fn is_unhoped(error: &tokio_postgres::Error) -> bool {
    let of_chain = || error.as_db_error().and_then(DbError::table) == Some("audit");
    error.code() == Some(&SqlState::DIVISION_BY_ZERO)
        || (error.code() == Some(&SqlState::UNIQUE_VIOLATION) && !of_chain())
}

/// The database said that it was undone.
fn failed(database: &Database, client: Object, error: &tokio_postgres::Error) -> Attempt {
    if error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) {
        // It was the primary; the next connections look for the one that is.
        drop(Object::take(client));
        database.forget_readers();
    }
    refused(error)
}

fn refused(error: &tokio_postgres::Error) -> Attempt {
    if error.code() == Some(&SqlState::UNIQUE_VIOLATION) {
        Attempt::Taken
    } else if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) {
        Attempt::Held
    } else if is_conflict(error) {
        Attempt::Met
    } else {
        match store_fault(error) {
            StoreFault::Unreachable => Attempt::Lost,
            StoreFault::TimedOut => Attempt::Refused(StoreFault::Busy),
            fault => Attempt::Refused(fault),
        }
    }
}

async fn roll_back(client: Object) {
    if !matches!(timeout(STATEMENT_TIME, client.batch_execute("ROLLBACK")).await, Ok(Ok(()))) {
        drop(Object::take(client));
    }
}
