//! A database that is filled from another store, and one that another store is filled from.
//!
//! All of it may be done again: what is there is put once more, so that an answer that was lost is no reason to stop.

use panvault_model::NodeId;
use panvault_store::{AuditNote, Chain, Row, RowKey, StoreFault, Table};
use tokio_postgres::types::{ToSql, Type};

use crate::audit::{self, Step};
use crate::commit::ChainEnd;
use crate::connect::Database;
use crate::limits::{IMPORT_DELETE_ROWS, TRAIL_STEP_NOTES};
use crate::row::{Argument, DURABLE, UNREADABLE};
use crate::table::{self, Kind, Value, columns, name};

/// The tables beside those of rows.
const BESIDE: [&str; 3] = ["audit", "vault", "migration"];

impl Database {
    /// The last key of a table.
    pub async fn last_key(&self, table: Table) -> Result<Option<RowKey>, StoreFault> {
        let sql = format!("SELECT id FROM {} ORDER BY id DESC LIMIT 1", name(table));
        let rows = self.query(&sql, &[]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let id: &[u8] = row.try_get(0).map_err(|_| UNREADABLE)?;
        RowKey::decode(table, id).map(Some).map_err(|fault| StoreFault::Damaged { row: None, fault })
    }

    /// Puts rows of one table, whether or not they are there.
    pub async fn put_rows(&self, chain: &dyn Chain, table: Table, rows: &[Row]) -> Result<(), StoreFault> {
        let columns = columns(table);
        let mut arrays: Vec<Array> = columns.iter().map(|(_, kind)| Array::of(*kind, rows.len())).collect();
        for row in rows {
            for (array, value) in arrays.iter_mut().zip(table::values(row, chain)) {
                array.push(value);
            }
        }
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let places: Vec<String> = (1..=names.len()).map(|at| format!("${at}")).collect();
        let behind_id = names.iter().skip(1).map(|name| format!("{name} = excluded.{name}"));
        let sql = format!(
            "INSERT INTO {} ({names}) SELECT * FROM unnest({}) ON CONFLICT (id) DO UPDATE SET {}",
            name(table),
            places.join(", "),
            behind_id.collect::<Vec<_>>().join(", "),
            names = names.join(", "),
        );
        let parameters: Vec<_> =
            arrays.iter().zip(columns).map(|(array, (_, kind))| (array.as_sql(), kind.array())).collect();
        self.write(&sql, &parameters).await.map(drop)
    }

    /// Takes away all rows and all records, some at a time. Whether anything is left: it is to be called until nothing is.
    pub async fn clear_some(&self) -> Result<bool, StoreFault> {
        for table in Table::ALL {
            if self.clear_some_of(table).await? {
                return Ok(true);
            }
        }
        let sql = "DELETE FROM audit WHERE (writer, place) IN (SELECT writer, place FROM audit ORDER BY writer, place LIMIT $1) RETURNING 1";
        Ok(!self.write(sql, &[(&IMPORT_DELETE_ROWS, Type::INT8)]).await?.is_empty())
    }

    /// The same of one table.
    pub async fn clear_some_of(&self, table: Table) -> Result<bool, StoreFault> {
        let sql = format!(
            "DELETE FROM {0} WHERE id IN (SELECT id FROM {0} ORDER BY id LIMIT $1) RETURNING 1",
            name(table)
        );
        Ok(!self.write(&sql, &[(&IMPORT_DELETE_ROWS, Type::INT8)]).await?.is_empty())
    }

    /// How many tables a vault has.
    pub const TABLES: usize = Table::ALL.len() + BESIDE.len();

    /// The names of the tables of a vault that are not there.
    pub async fn tables_missing(&self) -> Result<Vec<&'static str>, StoreFault> {
        let names: Vec<&'static str> = Table::ALL.map(name).into_iter().chain(BESIDE).collect();
        let mut missing = Vec::new();
        for name in names {
            let rows = self.query("SELECT to_regclass($1) IS NULL", &[(&name, Type::TEXT)]).await?;
            if rows.first().and_then(|row| row.try_get(0).ok()) != Some(false) {
                missing.push(name);
            }
        }
        Ok(missing)
    }

    /// Whether there is no row and no record.
    pub async fn is_empty(&self) -> Result<bool, StoreFault> {
        for table in Table::ALL.map(name).into_iter().chain(["audit"]) {
            let sql = format!("SELECT 1 FROM {table} LIMIT 1");
            if !self.query(&sql, &[]).await?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Says what the vault is now, in the words of the caller, in the row that has this version, which counts up. `false` when it has another: nothing
    /// was changed. [`StoreFault::Unresolved`]: it may be so, or come to be so.
    pub async fn vault_mode_replace(&self, mode: &str, version: u32) -> Result<bool, StoreFault> {
        let sql = format!(
            "UPDATE vault SET mode = $1, version = version + 1 \
             WHERE one = 1 AND version = $2 AND {DURABLE} RETURNING version"
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 2] =
            [(&mode.as_bytes(), Type::BYTEA), (&i64::from(version), Type::INT8)];
        Ok(!self.write_once(&sql, &parameters).await?.is_empty())
    }

    /// Marks the place behind the end of each of these chains, so that none goes on: a node that is there after all, and was not heard of, finds its place
    /// taken and ends. Whoever has written meanwhile has another end than this: `false`.
    pub async fn chains_close(&self, chain: &dyn Chain, ends: &[(NodeId, u64)]) -> Result<bool, StoreFault> {
        let (mut writers, mut places, mut tags) = (Vec::new(), Vec::new(), Vec::new());
        for (writer, end) in ends {
            let place = end.saturating_add(1);
            tags.push(audit::closed(chain, chain.version(0), *writer, place).to_vec());
            places.push(i64::try_from(place).unwrap_or(i64::MAX));
            writers.push(writer.as_bytes().to_vec());
        }
        let sql = format!(
            "INSERT INTO audit (writer, place, count, notes, tag) \
             SELECT closed.writer, closed.place, 0, ''::bytea, closed.tag \
             FROM unnest($1, $2, $3) AS closed (writer, place, tag) WHERE {DURABLE} \
             ON CONFLICT (writer, place) DO UPDATE SET tag = excluded.tag WHERE audit.count = 0 RETURNING 1"
        );
        let arguments = [Argument::BytesOf(&writers), Argument::Ints(&places), Argument::BytesOf(&tags)];
        let typed: Vec<_> = arguments.iter().map(Argument::typed).collect();
        Ok(self.write(&sql, &typed).await?.len() == ends.len())
    }
}

/// The values of one column of many rows.
enum Array {
    Ints(Vec<Option<i64>>),
    Blobs(Vec<Option<Vec<u8>>>),
}

impl Array {
    fn of(kind: Kind, rows: usize) -> Self {
        match kind {
            Kind::Int => Self::Ints(Vec::with_capacity(rows)),
            Kind::Bytes => Self::Blobs(Vec::with_capacity(rows)),
        }
    }

    fn push(&mut self, value: Value) {
        match self {
            Self::Ints(ints) => ints.push(value.into_int()),
            Self::Blobs(blobs) => blobs.push(value.into_bytes()),
        }
    }

    fn as_sql(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Ints(ints) => ints,
            Self::Blobs(blobs) => blobs,
        }
    }
}

/// A chain that is written from another store's trail.
pub struct TrailImport {
    end: ChainEnd,
}

impl TrailImport {
    /// The chain of a writer, which goes on where it ends.
    pub async fn open(database: &Database, writer: NodeId) -> Result<Self, StoreFault> {
        Ok(Self { end: ChainEnd::read(database, writer).await? })
    }

    /// Records so far.
    pub const fn records(&self) -> u64 {
        self.end.place.saturating_sub(1)
    }

    /// Puts the next records of the trail. Where it fails it may have been done, and the same records are to be put again.
    pub async fn put(
        &mut self,
        database: &Database,
        chain: &dyn Chain,
        notes: &[AuditNote],
    ) -> Result<(), StoreFault> {
        let mut end = self.end.clone();
        let (mut places, mut counts, mut encoded, mut tags) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for notes in notes.chunks(TRAIL_STEP_NOTES) {
            let step = Step::new(chain, &end.tag, end.writer, end.place, notes);
            end.follow(&step);
            places.push(i64::try_from(step.place).unwrap_or(i64::MAX));
            counts.push(i64::try_from(step.count).unwrap_or(i64::MAX));
            encoded.push(step.notes);
            tags.push(step.tag.to_vec());
        }
        let sql = "INSERT INTO audit (writer, place, count, notes, tag) \
                   SELECT $1, step.place, step.count, step.notes, step.tag \
                   FROM unnest($2, $3, $4, $5) AS step (place, count, notes, tag) \
                   ON CONFLICT (writer, place) DO UPDATE SET count = excluded.count, notes = excluded.notes, tag = excluded.tag";
        let arguments = [
            Argument::Bytes(end.writer.as_bytes()),
            Argument::Ints(&places),
            Argument::Ints(&counts),
            Argument::BytesOf(&encoded),
            Argument::BytesOf(&tags),
        ];
        let typed: Vec<_> = arguments.iter().map(Argument::typed).collect();
        database.write(sql, &typed).await?;
        self.end = end;
        Ok(())
    }
}
