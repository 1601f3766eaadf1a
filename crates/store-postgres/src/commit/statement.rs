//! The one statement of a step: it does all of it, or fails where something is not as it is expected.
//!
//! A new row is inserted, which fails by its key where there is one. Each part says how many rows it found as it wanted them, or wrote. The last line
//! divides by nothing unless all did, which undoes the statement: that works without a language inside the database, in every relative of PostgreSQL.

use core::time::Duration;
use std::collections::BTreeMap;

use panvault_model::OrganisationId;
use panvault_store::{Chain, Row, RowKey, Table};
use tokio_postgres::types::{ToSql, Type};

use crate::audit::Step;
use crate::commit::chain_end::ChainEnd;
use crate::row::guarded;
use crate::table::{Kind, Value, columns, id, name, values};

/// What a step does in the tables. Each row once, save where it is only looked at.
#[derive(Default)]
pub(crate) struct Changes {
    tables: BTreeMap<Table, Parts>,
    /// Idempotency records that are to be new, or to take the place of those that have expired by `claimed_at`.
    claims: Vec<Vec<Value>>,
    claimed_at: Option<i64>,
    bytes: usize,
}

#[derive(Default)]
struct Parts {
    /// Not there yet.
    new: Vec<Vec<Value>>,
    /// There, in this version.
    changed: Vec<(Vec<Value>, i64)>,
    /// There or not.
    put: Vec<Vec<Value>>,
    /// There in this version, and gone then.
    gone: Vec<(Vec<u8>, i64)>,
    /// There in this version, and left alone.
    same: Vec<(Vec<u8>, i64)>,
    /// There, and this organisation's.
    owned: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Changes {
    /// Bytes of the rows.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn new_row(&mut self, row: &Row, chain: &dyn Chain) {
        let values = self.encoded(row, chain);
        self.of(row.key()).new.push(values);
    }

    pub(crate) fn changed(&mut self, row: &Row, version: u32, chain: &dyn Chain) {
        let values = self.encoded(row, chain);
        self.of(row.key()).changed.push((values, i64::from(version)));
    }

    pub(crate) fn put(&mut self, row: &Row, chain: &dyn Chain) {
        let values = self.encoded(row, chain);
        self.of(row.key()).put.push(values);
    }

    pub(crate) fn gone(&mut self, key: RowKey, version: u32) {
        self.of(key).gone.push((id(key), i64::from(version)));
    }

    pub(crate) fn same(&mut self, key: RowKey, version: u32) {
        self.of(key).same.push((id(key), i64::from(version)));
    }

    pub(crate) fn owned(&mut self, key: RowKey, organisation: OrganisationId) {
        self.of(key).owned.push((id(key), organisation.as_bytes().to_vec()));
    }

    pub(crate) fn claim(&mut self, row: &Row, now: i64, chain: &dyn Chain) {
        let values = self.encoded(row, chain);
        self.claims.push(values);
        // The earliest: what has expired since is decided with care.
        self.claimed_at = Some(self.claimed_at.map_or(now, |earlier| earlier.min(now)));
    }

    fn of(&mut self, key: RowKey) -> &mut Parts {
        self.tables.entry(key.table()).or_default()
    }

    fn encoded(&mut self, row: &Row, chain: &dyn Chain) -> Vec<Value> {
        let values = values(row, chain);
        self.bytes += values.iter().map(Value::bytes).sum::<usize>();
        values
    }

    /// The statement that does it, with the node's step behind the end of its chain.
    pub(crate) fn statement(self, end: &ChainEnd, step: &Step, lock_time: Duration) -> Statement {
        let mut statement = Statement::default();
        // The first of them: no row is waited for before.
        statement.conditions.push(guarded(lock_time));
        for (table, parts) in self.tables {
            statement.parts(table, parts);
        }
        if let Some(now) = self.claimed_at {
            statement.claims(self.claims, now);
        }
        statement.step(end, step);
        statement.finish();
        statement
    }
}

/// A statement, and what is sent with it.
#[derive(Default)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    parameters: Vec<(Parameter, Type)>,
    parts: usize,
    conditions: Vec<String>,
}

enum Parameter {
    Ints(Vec<Option<i64>>),
    Blobs(Vec<Option<Vec<u8>>>),
    Int(i64),
    Blob(Vec<u8>),
}

impl Statement {
    /// As the library takes them.
    pub(crate) fn parameters(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.parameters.iter().map(|(parameter, kind)| (parameter.as_sql(), kind.clone())).collect()
    }

    fn parameter(&mut self, parameter: Parameter, kind: Type) -> String {
        self.parameters.push((parameter, kind));
        format!("${}", self.parameters.len())
    }

    /// Adds a part that finds so many rows, if all is as it should be.
    fn part(&mut self, sql: &str, rows: usize) {
        let comma = if self.parts == 0 { "WITH " } else { ",\n" };
        self.parts += 1;
        let part = self.parts;
        self.sql.push_str(&format!("{comma}p{part} AS ({sql})"));
        self.conditions.push(format!("(SELECT count(*) FROM p{part}) = {rows}"));
    }

    fn parts(&mut self, table: Table, parts: Parts) {
        let named = name(table);
        let Parts { mut new, mut changed, mut put, gone, same, mut owned } = parts;
        let all: Vec<&str> = columns(table).iter().map(|(column, _)| *column).collect();
        let listed = all.join(", ");
        // Two nodes that change the same rows take them in the same order.
        if !new.is_empty() {
            new.sort_by(|one, other| by_id(one, other));
            let rows = new.len();
            let from = self.rows(table, new, None);
            // `ON CONFLICT` would look into the key twice for each row, and write two records of it to the log of changes. Counted all the same: what a
            // trigger swallows is not written.
            self.part(
                &format!("INSERT INTO {named} ({listed}) SELECT {listed} FROM {from} RETURNING 1"),
                rows,
            );
        }
        let assigned = |from: &str| {
            let behind_id = all.iter().skip(1).map(|column| format!("{column} = {from}.{column}"));
            behind_id.collect::<Vec<_>>().join(", ")
        };
        if !changed.is_empty() {
            changed.sort_by(|one, other| by_id(&one.0, &other.0));
            let rows = changed.len();
            let (values, versions): (Vec<_>, Vec<_>) = changed.into_iter().unzip();
            let from = self.rows(table, values, Some(versions));
            let set = assigned("new");
            let sql = format!(
                "UPDATE {named} SET {set} FROM {from} \
                 WHERE {named}.id = new.id AND {named}.version = new.expected RETURNING 1"
            );
            self.part(&sql, rows);
        }
        if !put.is_empty() {
            put.sort_by(|one, other| by_id(one, other));
            let rows = put.len();
            let from = self.rows(table, put, None);
            let set = assigned("excluded");
            let sql = format!(
                "INSERT INTO {named} ({listed}) SELECT {listed} FROM {from} ON CONFLICT (id) DO UPDATE SET {set} RETURNING 1"
            );
            self.part(&sql, rows);
        }
        if !gone.is_empty() {
            let rows = gone.len();
            let from = self.versions(gone);
            let sql = format!(
                "DELETE FROM {named} USING {from} WHERE {named}.id = old.id AND {named}.version = old.expected RETURNING 1"
            );
            self.part(&sql, rows);
        }
        if !same.is_empty() {
            let rows = same.len();
            let from = self.versions(same);
            let sql = format!(
                "SELECT 1 FROM {named} JOIN {from} ON {named}.id = old.id AND {named}.version = old.expected FOR SHARE OF {named}"
            );
            self.part(&sql, rows);
        }
        if !owned.is_empty() {
            owned.sort();
            let rows = owned.len();
            let (ids, organisations): (Vec<_>, Vec<_>) =
                owned.into_iter().map(|(id, organisation)| (Some(id), Some(organisation))).unzip();
            let ids = self.parameter(Parameter::Blobs(ids), Type::BYTEA_ARRAY);
            let organisations = self.parameter(Parameter::Blobs(organisations), Type::BYTEA_ARRAY);
            let sql = format!(
                "SELECT 1 FROM {named} JOIN unnest({ids}, {organisations}) AS old (id, organisation) \
                 ON {named}.id = old.id AND {named}.organisation = old.organisation FOR KEY SHARE OF {named}"
            );
            self.part(&sql, rows);
        }
    }

    fn claims(&mut self, mut claims: Vec<Vec<Value>>, now: i64) {
        claims.sort_by(|one, other| by_id(one, other));
        let rows = claims.len();
        let from = self.rows(Table::Idempotency, claims, None);
        let now = self.parameter(Parameter::Int(now), Type::INT8);
        let sql = format!(
            "INSERT INTO idempotency (id, version, expires_at, row) SELECT id, version, expires_at, row FROM {from} \
             ON CONFLICT (id) DO UPDATE SET version = excluded.version, expires_at = excluded.expires_at, row = excluded.row \
             WHERE idempotency.expires_at <= {now} RETURNING 1"
        );
        self.part(&sql, rows);
    }

    /// The node's own step, behind the one that it knows to be the last.
    fn step(&mut self, end: &ChainEnd, step: &Step) {
        let number = |number: u64| Parameter::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let writer = self.parameter(Parameter::Blob(end.writer.as_bytes().to_vec()), Type::BYTEA);
        let place = self.parameter(number(step.place), Type::INT8);
        let count = self.parameter(number(step.count), Type::INT8);
        let notes = self.parameter(Parameter::Blob(step.notes.clone()), Type::BYTEA);
        let tag = self.parameter(Parameter::Blob(step.tag.to_vec()), Type::BYTEA);
        let mark = end.mark.map(|mark| self.parameter(Parameter::Blob(mark.to_vec()), Type::BYTEA));
        // The one before, which is looked for in the same part: each part costs the database as much as some rows.
        let before = end.last.map(|last| {
            let last = self.parameter(number(last), Type::INT8);
            let tag = self.parameter(Parameter::Blob(end.tag.to_vec()), Type::BYTEA);
            format!("before.writer = {writer} AND before.place = {last} AND before.tag = {tag}")
        });
        let sql = match (mark, before) {
            (Some(mark), before) => {
                let (from, also) = before.map_or_else(Default::default, |before| {
                    (" FROM audit AS before", format!(" AND {before}"))
                });
                format!(
                    "UPDATE audit SET count = {count}, notes = {notes}, tag = {tag}{from} \
                     WHERE audit.writer = {writer} AND audit.place = {place} AND audit.count = 0 AND audit.tag = {mark}{also} RETURNING 1"
                )
            }
            (None, Some(before)) => format!(
                "INSERT INTO audit (writer, place, count, notes, tag) \
                 SELECT {writer}, {place}, {count}, {notes}, {tag} FROM audit AS before WHERE {before} RETURNING 1"
            ),
            (None, None) => format!(
                "INSERT INTO audit (writer, place, count, notes, tag) \
                 VALUES ({writer}, {place}, {count}, {notes}, {tag}) RETURNING 1"
            ),
        };
        self.part(&sql, 1);
    }

    fn finish(&mut self) {
        let all = self.conditions.join("\n AND ");
        self.sql.push_str(&format!("\nSELECT 1 / CASE WHEN {all} THEN 1 ELSE 0 END"));
    }

    /// Whole rows as a table `new`, with the version that is expected of each where that is given.
    fn rows(&mut self, table: Table, rows: Vec<Vec<Value>>, expected: Option<Vec<i64>>) -> String {
        let columns = columns(table);
        let mut arrays: Vec<(Kind, Vec<Value>)> =
            columns.iter().map(|(_, kind)| (*kind, Vec::with_capacity(rows.len()))).collect();
        for row in rows {
            for ((_, array), value) in arrays.iter_mut().zip(row) {
                array.push(value);
            }
        }
        let mut places = Vec::new();
        for (kind, array) in arrays {
            let parameter = match kind {
                Kind::Int => Parameter::Ints(array.into_iter().map(Value::into_int).collect()),
                Kind::Bytes => Parameter::Blobs(array.into_iter().map(Value::into_bytes).collect()),
            };
            places.push(self.parameter(parameter, kind.array()));
        }
        let mut names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        if let Some(expected) = expected {
            let versions = Parameter::Ints(expected.into_iter().map(Some).collect());
            places.push(self.parameter(versions, Type::INT8_ARRAY));
            names.push("expected");
        }
        format!("unnest({}) AS new ({})", places.join(", "), names.join(", "))
    }

    /// Ids and versions as a table `old`.
    fn versions(&mut self, mut rows: Vec<(Vec<u8>, i64)>) -> String {
        rows.sort();
        let (ids, versions): (Vec<_>, Vec<_>) =
            rows.into_iter().map(|(id, version)| (Some(id), Some(version))).unzip();
        let ids = self.parameter(Parameter::Blobs(ids), Type::BYTEA_ARRAY);
        let versions = self.parameter(Parameter::Ints(versions), Type::INT8_ARRAY);
        format!("unnest({ids}, {versions}) AS old (id, expected)")
    }
}

impl Parameter {
    fn as_sql(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Ints(array) => array,
            Self::Blobs(array) => array,
            Self::Int(number) => number,
            Self::Blob(bytes) => bytes,
        }
    }
}

/// The id is the first value of a row.
fn by_id(one: &[Value], other: &[Value]) -> core::cmp::Ordering {
    one.first().cmp(&other.first())
}
