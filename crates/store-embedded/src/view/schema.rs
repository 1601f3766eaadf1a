//! What the view is made of, and that it is made of nothing else.
//!
//! A file of SQLite's brings its own program: triggers and views, and expressions in tables and indexes, run in whoever opens it. So a
//! connection runs none of them, and a file whose schema is not exactly the one below is refused before anything of it is used.

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;

use crate::fault::OpenFault;

/// Bytes of a page. With larger ones fewer rows lie across the end of a page, and less of it stays empty.
pub(super) const PAGE_BYTES: u32 = 8192;

pub(super) const SCHEMA: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE card (id BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE card_by_organisation (organisation BLOB, id BLOB, PRIMARY KEY (organisation, id)) WITHOUT ROWID;
CREATE TABLE fingerprint_tail (id BLOB, fingerprint BLOB, PRIMARY KEY (id, fingerprint)) WITHOUT ROWID;
CREATE TABLE fingerprint_run (run INTEGER, fingerprint BLOB, id BLOB,
    PRIMARY KEY (run, fingerprint, id)) WITHOUT ROWID;
CREATE TABLE run (number INTEGER PRIMARY KEY, level INTEGER NOT NULL, into_run INTEGER);
CREATE TABLE payment (id BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE payment_by_organisation (organisation BLOB, id BLOB, PRIMARY KEY (organisation, id)) WITHOUT ROWID;
CREATE TABLE payment_by_card (organisation BLOB, card BLOB, id BLOB, PRIMARY KEY (organisation, card, id)) WITHOUT ROWID;
CREATE TABLE payment_by_account (organisation BLOB, account BLOB, id BLOB, PRIMARY KEY (organisation, account, id)) WITHOUT ROWID;
CREATE TABLE payment_by_status (organisation BLOB, status INTEGER, id BLOB, PRIMARY KEY (organisation, status, id)) WITHOUT ROWID;
CREATE TABLE payment_open (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE refund (id BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE refund_by_organisation (organisation BLOB, id BLOB, PRIMARY KEY (organisation, id)) WITHOUT ROWID;
CREATE TABLE refund_by_payment (payment BLOB, id BLOB, PRIMARY KEY (payment, id)) WITHOUT ROWID;
CREATE TABLE refund_by_account (organisation BLOB, account BLOB, id BLOB, PRIMARY KEY (organisation, account, id)) WITHOUT ROWID;
CREATE TABLE refund_by_status (organisation BLOB, status INTEGER, id BLOB, PRIMARY KEY (organisation, status, id)) WITHOUT ROWID;
CREATE TABLE refund_open (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE customer (id BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE customer_by_organisation (organisation BLOB, id BLOB, PRIMARY KEY (organisation, id)) WITHOUT ROWID;
CREATE TABLE customer_by_email (email BLOB, id BLOB, PRIMARY KEY (email, id)) WITHOUT ROWID;
CREATE TABLE delivery (id BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE delivery_by_organisation (organisation BLOB, id BLOB, PRIMARY KEY (organisation, id)) WITHOUT ROWID;
CREATE TABLE delivery_by_object (object BLOB, id BLOB, PRIMARY KEY (object, id)) WITHOUT ROWID;
CREATE TABLE delivery_by_account (organisation BLOB, account BLOB, id BLOB, PRIMARY KEY (organisation, account, id)) WITHOUT ROWID;
CREATE TABLE delivery_by_status (organisation BLOB, status INTEGER, id BLOB, PRIMARY KEY (organisation, status, id)) WITHOUT ROWID;
CREATE TABLE delivery_waiting (object BLOB, version INTEGER, id BLOB, PRIMARY KEY (object, version, id)) WITHOUT ROWID;
CREATE TABLE delivery_due (organisation BLOB, host TEXT, due INTEGER, id BLOB,
    PRIMARY KEY (organisation, host, due, id)) WITHOUT ROWID;
CREATE TABLE delivery_over (due INTEGER, id BLOB, PRIMARY KEY (due, id)) WITHOUT ROWID;
CREATE TABLE checkout (id BLOB PRIMARY KEY, remove_at INTEGER NOT NULL, row BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX checkout_by_end ON checkout (remove_at);
CREATE TABLE checkout_by_organisation (organisation BLOB, id BLOB, PRIMARY KEY (organisation, id)) WITHOUT ROWID;
CREATE TABLE history (payment BLOB, version INTEGER, row BLOB NOT NULL, PRIMARY KEY (payment, version)) WITHOUT ROWID;
CREATE TABLE document (kind INTEGER, id BLOB, version INTEGER NOT NULL, row BLOB NOT NULL,
    PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE idempotency (key BLOB PRIMARY KEY, expires_at INTEGER NOT NULL, row BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);
CREATE TABLE card_cvv (card BLOB PRIMARY KEY, cvv_until INTEGER NOT NULL, row BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX card_cvv_by_end ON card_cvv (cvv_until);
CREATE TABLE node (id BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE apikey_use (id BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE chain (first_sequence INTEGER PRIMARY KEY, segment INTEGER NOT NULL, effects_bytes INTEGER NOT NULL,
    effects_digest BLOB NOT NULL, previous BLOB NOT NULL, tag BLOB NOT NULL, key INTEGER NOT NULL, notes BLOB NOT NULL);
CREATE TABLE tally (organisation BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID;
";

/// What is set on every connection: the file's own program does not run, and its structure cannot be written past SQLite.
const SETTINGS: [(DbConfig, bool); 5] = [
    (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
    (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
];

/// What the file keeps of how it is to be read, as it is made, in the words of SQLite.
const KEPT: [(&str, &str); 5] = [
    ("page_size", "8192"),
    ("encoding", "UTF-8"),
    ("auto_vacuum", "0"),
    ("user_version", "0"),
    ("application_id", "0"),
];

/// What SQLite says that is beside a view.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Journal {
    /// Its own log.
    Log,
    /// Nothing, which is how it names what is opened as what cannot change, whatever the file says of itself. Before a copy becomes a view it is opened as one.
    None,
}

/// Keeps a connection from running anything that the file brings.
pub(super) fn harden(connection: &Connection) -> Result<(), rusqlite::Error> {
    SETTINGS.iter().try_for_each(|(setting, on)| {
        // An older library answers what it does not know with its old value.
        let is_set = connection.set_db_config(*setting, *on)? == *on;
        if is_set { Ok(()) } else { Err(rusqlite::Error::InvalidQuery) }
    })
}

/// Refuses a view that is not made of exactly what is made. Its names are somebody's own words, and are not repeated.
pub(super) fn is_sound(view: &Connection, journal: Journal) -> Result<(), OpenFault> {
    let damaged = |what| Err(OpenFault::ViewDamaged { what });
    let found = rows(view)?;
    for row in &found {
        match row.kind.as_str() {
            "trigger" => return damaged("it has a trigger, which no view of a vault has"),
            "view" => return damaged("it has a view of its own, which no view of a vault has"),
            _ => {}
        }
    }
    let made = Connection::open_in_memory()?;
    made.execute_batch(SCHEMA)?;
    if found != rows(&made)? {
        return damaged("its tables and indexes are not those that are made");
    }
    // Two of them in one place, or one in none, are one that was put in the place of another.
    let places = "SELECT count(DISTINCT rootpage) <> count(*) OR min(rootpage) < 2 FROM sqlite_schema";
    if view.query_row(places, [], |row| row.get(0))? {
        return damaged("two of its tables are in one place");
    }
    let journal = match journal {
        Journal::Log => "wal",
        Journal::None => "delete",
    };
    for (name, value) in KEPT.into_iter().chain([("journal_mode", journal)]) {
        if kept(view, name)?.as_deref() != Some(value) {
            return damaged(
                "it says of itself what is never written so: size of pages, journal, encoding or version",
            );
        }
    }
    Ok(())
}

/// Watches that nobody changes the schema of a view that is in use.
pub(crate) struct SchemaWatch {
    /// SQLite's count of changes.
    count: i64,
}

impl SchemaWatch {
    /// Of a view that was found sound.
    pub(crate) fn start(view: &Connection) -> Result<Self, rusqlite::Error> {
        count(view).map(|count| Self { count })
    }

    /// Refuses what was changed since; costs one look at the count as long as nothing was.
    pub(crate) fn look(&mut self, view: &Connection) -> Result<(), OpenFault> {
        match self.changed(view) {
            // Whoever is in the way now is not at the next look.
            Err(OpenFault::ViewBusy(_)) => Ok(()),
            looked => looked,
        }
    }

    fn changed(&mut self, view: &Connection) -> Result<(), OpenFault> {
        let now = count(view)?;
        if now != self.count {
            is_sound(view, Journal::Log)?;
            self.count = now;
        }
        Ok(())
    }
}

fn count(view: &Connection) -> Result<i64, rusqlite::Error> {
    view.prepare_cached("PRAGMA schema_version")?.query_row([], |row| row.get(0))
}

/// One row of SQLite's own table, but for its place in the file.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct SchemaRow {
    kind: String,
    name: String,
    table: String,
    sql: Option<String>,
}

fn rows(connection: &Connection) -> Result<Vec<SchemaRow>, rusqlite::Error> {
    let mut statement = connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema")?;
    let found = statement.query_map([], |row| {
        Ok(SchemaRow { kind: row.get(0)?, name: row.get(1)?, table: row.get(2)?, sql: row.get(3)? })
    })?;
    let mut rows: Vec<SchemaRow> = found.collect::<Result<_, _>>()?;
    rows.sort_unstable();
    Ok(rows)
}

/// A setting that the file keeps, in the words of SQLite.
fn kept(view: &Connection, name: &str) -> Result<Option<String>, rusqlite::Error> {
    view.pragma_query_value(None, name, |row| {
        Ok(match row.get_ref(0)? {
            ValueRef::Integer(number) => Some(number.to_string()),
            ValueRef::Text(text) => core::str::from_utf8(text).ok().map(str::to_owned),
            ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => None,
        })
    })
}
