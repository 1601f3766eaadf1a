use std::sync::Arc;

use panvault_store::{Chain, Row, RowKey, Table};
use panvault_testkit::conformance::rows::{VAULT, chain};
use panvault_testkit::servers::{Postgres, PostgresDatabase, PostgresVersion};
use zeroize::Zeroizing;

use crate::connect::{Database, Password, PostgresSettings};
use crate::read::Reads;
use crate::row::{self, Argument};
use crate::table::{self, Kind, Value};
use crate::url::PostgresUrl;

/// A database with the tables in it, and reads of it.
pub(super) struct Made {
    pub(super) server: Arc<Postgres>,
    pub(super) at: PostgresDatabase,
    pub(super) reads: Reads,
}

impl Made {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With some settings.
    pub(super) async fn with(set: impl FnOnce(&mut PostgresSettings)) -> Self {
        let server = Postgres::shared(PostgresVersion::V15);
        let at = server.database();
        Self::set(server, at, set).await
    }

    pub(super) async fn at(server: Arc<Postgres>, at: PostgresDatabase) -> Self {
        Self::set(server, at, |_| {}).await
    }

    async fn set(
        server: Arc<Postgres>,
        at: PostgresDatabase,
        set: impl FnOnce(&mut PostgresSettings),
    ) -> Self {
        let password = Password::new(Zeroizing::new(at.password.clone()));
        let mut settings = PostgresSettings::new(PostgresUrl::parse(&at.url).unwrap(), Some(password));
        set(&mut settings);
        let database = Database::connect(settings).await.unwrap();
        database.migrate().await.unwrap();
        let reads = Reads::new(database, chain(VAULT));
        Self { server, at, reads }
    }

    pub(super) fn chain(&self) -> &dyn Chain {
        self.reads.chain.as_ref()
    }

    pub(super) fn sql(&self, statements: &str) -> String {
        self.server.sql(&self.at.name, statements)
    }

    /// Puts rows of one table there as commits do, without commits.
    pub(super) async fn put(&self, rows: impl IntoIterator<Item = impl Into<Row>>) {
        let rows: Vec<Row> = rows.into_iter().map(Into::into).collect();
        for rows in rows.chunks(512) {
            let table = rows.first().map_or(Table::Card, |row| row.key().table());
            let columns = table::columns(table);
            let values: Vec<Vec<Value>> = rows.iter().map(|row| table::values(row, self.chain())).collect();
            // Of a column that none of them has nothing is said.
            let is_there = |at: &usize| values.iter().any(|row| row[*at] != Value::None);
            let there: Vec<usize> = (0..columns.len()).filter(is_there).collect();
            let arrays: Vec<Array> = there.iter().map(|at| Array::of(columns[*at].1, *at, &values)).collect();
            let names: Vec<&str> = there.iter().map(|at| columns[*at].0).collect();
            let numbers: Vec<String> = (1..=there.len()).map(|number| format!("${number}")).collect();
            let (names, numbers) = (names.join(", "), numbers.join(", "));
            let sql = format!("INSERT INTO {} ({names}) SELECT * FROM unnest({numbers})", table::name(table));
            let arguments: Vec<Argument<'_>> = arrays.iter().map(Array::argument).collect();
            let typed: Vec<_> = arguments.iter().map(Argument::typed).collect();
            self.reads.database.query(&sql, &typed).await.unwrap();
        }
    }
}

enum Array {
    Ints(Vec<i64>),
    Bytes(Vec<Vec<u8>>),
}

impl Array {
    fn of(kind: Kind, at: usize, values: &[Vec<Value>]) -> Self {
        let values = values.iter().map(|row| &row[at]);
        match kind {
            Kind::Int => Self::Ints(values.map(|value| row::int(value).unwrap()).collect()),
            Kind::Bytes => Self::Bytes(values.map(|value| row::bytes(value).unwrap().to_vec()).collect()),
        }
    }

    fn argument(&self) -> Argument<'_> {
        match self {
            Self::Ints(values) => Argument::Ints(values),
            Self::Bytes(values) => Argument::BytesOf(values),
        }
    }
}

/// What names a row, as it stands in a column, for a statement of `psql`.
pub(super) fn hex_of(key: RowKey) -> String {
    format!("'\\x{}'", hex::encode(table::id(key)))
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
