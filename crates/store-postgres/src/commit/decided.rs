//! The careful way: rows are locked and read, each commit is decided by itself, and what is to be done is done in the same transaction.
//!
//! At READ COMMITTED. What is there is locked as far as a commit needs it: what is written against everybody, what is expected in a version
//! against whoever writes, what is expected to be somebody's against whoever takes it away. What is not there cannot be locked: whoever
//! writes it finds out by its key, and what is only expected to be absent is held by a row that is made and taken away in the transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use panvault_model::OrganisationId;
use panvault_store::decide::{Decision, Standing, State, decide};
use panvault_store::{
    Chain, Commit, Effect, Expect, IdempotencyKey, IdempotencyRow, Row, RowKey, StoreFault, Table,
};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::commit::batch::{expected, meet};
use crate::commit::statement::Changes;
use crate::table::{Kind, columns, id, is_owned, name};

/// How a row is held: a later one holds more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lock {
    /// It stays.
    KeyShare,
    /// It stays as it is.
    Share,
    /// It is to change.
    NoKeyUpdate,
    /// It is to go.
    Update,
}

impl Lock {
    const ALL: [Self; 4] = [Self::Update, Self::NoKeyUpdate, Self::Share, Self::KeyShare];

    const fn sql(self) -> &'static str {
        match self {
            Self::KeyShare => "FOR KEY SHARE",
            Self::Share => "FOR SHARE",
            Self::NoKeyUpdate => "FOR NO KEY UPDATE",
            Self::Update => "FOR UPDATE",
        }
    }
}

/// Why it was not found out.
pub(crate) enum Undecided {
    /// Another node was quicker.
    Met,
    /// The statement failed.
    Failed(tokio_postgres::Error),
    /// What is there is not what was written.
    Damaged(StoreFault),
}

impl From<tokio_postgres::Error> for Undecided {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Failed(error)
    }
}

/// What was found, locked.
#[derive(Default)]
pub(crate) struct Found {
    standing: HashMap<RowKey, Standing>,
    idempotency: HashMap<IdempotencyKey, Box<IdempotencyRow>>,
}

/// What was found, and what was decided since.
struct Staged<'a> {
    found: &'a Found,
    /// Rows as they will be; `None` of those that go.
    rows: HashMap<RowKey, Option<Row>>,
}

impl Staged<'_> {
    fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Put(row) | Effect::Retag(row) => drop(self.rows.insert(row.key(), Some(row))),
            Effect::Delete(key) => drop(self.rows.insert(key, None)),
        }
    }
}

impl State for Staged<'_> {
    fn standing(&self, key: RowKey) -> Result<Option<Standing>, StoreFault> {
        let standing = |row: &Row| Standing { version: row.version(), organisation: row.organisation() };
        let staged = self.rows.get(&key).map(|row| row.as_ref().map(standing));
        Ok(staged.unwrap_or_else(|| self.found.standing.get(&key).copied()))
    }

    fn idempotency(&self, key: IdempotencyKey) -> Result<Option<Box<IdempotencyRow>>, StoreFault> {
        Ok(match self.rows.get(&RowKey::Idempotency(key)) {
            Some(Some(Row::Idempotency(row))) => Some(Box::new(row.as_ref().clone())),
            Some(_) => None,
            None => self.found.idempotency.get(&key).cloned(),
        })
    }
}

/// Every row that some commits name, with how it is to be held.
fn locks(commits: &[Commit]) -> BTreeMap<RowKey, Lock> {
    let mut locks: BTreeMap<RowKey, Lock> = BTreeMap::new();
    let mut lock = |key, lock| {
        let held = locks.entry(key).or_insert(lock);
        *held = lock.max(*held);
    };
    for commit in commits {
        for expect in &commit.expects {
            match expect {
                Expect::Absent(key) | Expect::Version(key, _) => lock(*key, Lock::Share),
                Expect::Expired(key, _) => lock(RowKey::Idempotency(*key), Lock::Share),
                Expect::Owned(key, _) => lock(*key, Lock::KeyShare),
            }
        }
        for effect in &commit.effects {
            match effect {
                Effect::Put(row) | Effect::Retag(row) => lock(row.key(), Lock::NoKeyUpdate),
                Effect::Delete(key) => lock(*key, Lock::Update),
            }
        }
        if let Some(claim) = &commit.claim {
            lock(RowKey::Idempotency(claim.row.key), Lock::NoKeyUpdate);
            claim.also.iter().for_each(|key| lock(RowKey::Idempotency(*key), Lock::Share));
        }
    }
    locks
}

/// Locks and reads all that some commits name.
pub(crate) async fn look(client: &Client, commits: &[Commit]) -> Result<Found, Undecided> {
    let locks = locks(commits);
    let mut found = Found::default();
    for table in Table::ALL {
        for lock in Lock::ALL {
            let keys = locks.iter().filter(|(key, wanted)| key.table() == table && **wanted == lock);
            let keys: HashMap<Vec<u8>, RowKey> = keys.map(|(key, _)| (id(*key), *key)).collect();
            if !keys.is_empty() {
                found.read(client, table, lock, &keys).await?;
            }
        }
    }
    Ok(found)
}

impl Found {
    async fn read(
        &mut self,
        client: &Client,
        table: Table,
        lock: Lock,
        keys: &HashMap<Vec<u8>, RowKey>,
    ) -> Result<(), Undecided> {
        let (named, how) = (name(table), lock.sql());
        let further = if is_owned(table) {
            ", organisation"
        } else if table == Table::Idempotency {
            ", row"
        } else {
            ""
        };
        let sql = format!("SELECT id, version{further} FROM {named} WHERE id = ANY($1) ORDER BY id {how}");
        let ids: Vec<&[u8]> = keys.keys().map(Vec::as_slice).collect();
        for row in client.query_typed(&sql, &[(&ids, Type::BYTEA_ARRAY)]).await? {
            let key = keys.get(row.try_get::<_, &[u8]>(0)?).copied().ok_or(Undecided::Met)?;
            let damaged = |fault| Undecided::Damaged(StoreFault::Damaged { row: Some(key), fault });
            let value = || damaged(panvault_store::RowFault::Value);
            let version = u32::try_from(row.try_get::<_, i64>(1)?).map_err(|_| value())?;
            let mut organisation = None;
            if is_owned(table) {
                let bytes: [u8; 12] = row.try_get::<_, &[u8]>(2)?.try_into().map_err(|_| value())?;
                organisation = Some(OrganisationId::from_bytes(bytes));
            }
            if let RowKey::Idempotency(kept) = key {
                let record = IdempotencyRow::decode(row.try_get(2)?).map_err(damaged)?;
                if record.key != kept {
                    return Err(value());
                }
                self.idempotency.insert(kept, Box::new(record));
            }
            self.standing.insert(key, Standing { version, organisation });
        }
        Ok(())
    }

    /// What becomes of each commit, one after the other; what is to be done in the end goes into `changes`.
    pub(crate) fn decide(
        &self,
        commits: &[Commit],
        changes: &mut Changes,
        chain: &dyn Chain,
    ) -> Result<Decided, StoreFault> {
        let mut staged = Staged { found: self, rows: HashMap::new() };
        let mut decisions = Vec::with_capacity(commits.len());
        let mut absent = BTreeSet::new();
        for commit in commits {
            let decision = decide(commit, &staged)?;
            if decision == Decision::Do {
                let claim = commit.claim.iter().map(|claim| Effect::from(claim.row.as_ref().clone()));
                commit.effects.iter().cloned().chain(claim).for_each(|effect| staged.apply(effect));
                absent.extend(commit.expects.iter().filter_map(expected_absent));
                let also = commit.claim.iter().flat_map(|claim| &claim.also);
                absent.extend(also.map(|key| RowKey::Idempotency(*key)));
            }
            decisions.push(decision);
        }
        // What is written says by itself that it was not there.
        absent
            .retain(|key| !self.standing.contains_key(key) && !matches!(staged.rows.get(key), Some(Some(_))));
        for (key, row) in staged.rows {
            match (row, self.standing.get(&key)) {
                (Some(row), Some(before)) => changes.changed(&row, before.version, chain),
                (Some(row), None) => changes.new_row(&row, chain),
                (None, Some(before)) => changes.gone(key, before.version),
                // What is not there does not go.
                (None, None) => {}
            }
        }
        Ok(Decided { decisions, absent })
    }
}

/// What an expectation wants not to be there, or may.
const fn expected_absent(expect: &Expect) -> Option<RowKey> {
    match *expect {
        Expect::Absent(key) => Some(key),
        Expect::Expired(key, _) => Some(RowKey::Idempotency(key)),
        Expect::Version(..) | Expect::Owned(..) => None,
    }
}

/// What becomes of some commits.
pub(crate) struct Decided {
    pub(crate) decisions: Vec<Decision>,
    /// What is to stay absent until they are done.
    absent: BTreeSet<RowKey>,
}

impl Decided {
    /// Keeps others from making what is to be absent.
    pub(crate) async fn hold(&self, client: &Client) -> Result<(), Undecided> {
        for key in &self.absent {
            hold_absent(client, *key).await?;
        }
        Ok(())
    }

    /// Takes away the rows that hold absences.
    pub(crate) async fn release(&self, client: &Client) -> Result<(), tokio_postgres::Error> {
        for key in &self.absent {
            let sql = format!("DELETE FROM {} WHERE id = $1", name(key.table()));
            client.query_typed(&sql, &[(&id(*key), Type::BYTEA)]).await?;
        }
        Ok(())
    }
}

/// Makes a row that nobody sees, so that nobody else makes it meanwhile.
async fn hold_absent(client: &Client, key: RowKey) -> Result<(), Undecided> {
    let columns = columns(key.table());
    let names: Vec<&str> = columns.iter().map(|(column, _)| *column).collect();
    let behind_id = columns.iter().skip(1).map(|(_, kind)| match kind {
        Kind::Int => ", 0",
        Kind::Bytes => ", ''",
    });
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ($1{}) ON CONFLICT (id) DO NOTHING RETURNING 1",
        name(key.table()),
        names.join(", "),
        behind_id.collect::<String>(),
    );
    let made = client.query_typed(&sql, &[(&id(key), Type::BYTEA)]).await?;
    if made.is_empty() { Err(Undecided::Met) } else { Ok(()) }
}

/// The quick way, where it is enough: what commits expect of each row and do to it is one of a few simple things, and all of it will hold.
pub(crate) fn hoped(commits: &[Commit], chain: &dyn Chain) -> Option<Changes> {
    if meet(commits) {
        return None;
    }
    let mut changes = Changes::default();
    for commit in commits {
        let mut expects: HashMap<RowKey, Expect> = HashMap::new();
        for expect in &commit.expects {
            if expects.insert(expected(expect), *expect).is_some() {
                return None;
            }
        }
        if let Some(claim) = &commit.claim {
            // What is to stay absent is looked at with care.
            if !claim.also.is_empty() || expects.contains_key(&RowKey::Idempotency(claim.row.key)) {
                return None;
            }
            let row = Row::from(claim.row.as_ref().clone());
            changes.claim(&row, crate::table::millis(claim.now.unix_millis()), chain);
        }
        for effect in &commit.effects {
            match (effect, expects.remove(&effect.key())) {
                (Effect::Put(row), Some(Expect::Absent(_))) => changes.new_row(row, chain),
                (Effect::Put(row) | Effect::Retag(row), Some(Expect::Version(_, version))) => {
                    changes.changed(row, version, chain);
                }
                (Effect::Put(row), None) => changes.put(row, chain),
                (Effect::Delete(key), Some(Expect::Version(_, version))) => changes.gone(*key, version),
                (Effect::Put(_) | Effect::Delete(_) | Effect::Retag(_), _) => return None,
            }
        }
        for (key, expect) in expects {
            match expect {
                Expect::Version(_, version) => changes.same(key, version),
                Expect::Owned(_, organisation) if is_owned(key.table()) => changes.owned(key, organisation),
                Expect::Owned(..) | Expect::Absent(_) | Expect::Expired(..) => return None,
            }
        }
    }
    Some(changes)
}
