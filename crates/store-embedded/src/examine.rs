//! Looks at a store without changing it: the log, the view, its indexes and the audit chain against each other.

use std::collections::HashMap;
use std::path::Path;

use panvault_model::{TransactionStatus, VaultId};
use panvault_store::{AuditNote, CardRow, Chain, DocumentRow, Effect, IdempotencyRow, TransactionRow};
use rusqlite::Connection;

use crate::fault::OpenFault;
use crate::files::SystemFiles;
use crate::log::{Frame, recover};
use crate::store::log_path;
use crate::view::{self, Access};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which part: `log`, `view`, `index`, `audit` or `row`.
    pub part: &'static str,
    /// What is wrong with it, without anything secret.
    pub what: String,
}

/// A store that is looked at.
pub struct Examination {
    /// Last durable step.
    pub sequence: u64,
    /// Last step that the view holds.
    pub applied: u64,
    /// Segments of the log.
    pub segments: usize,
    /// Cards in the view.
    pub cards: u64,
    /// Transactions in the view.
    pub transactions: u64,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
    view: Connection,
}

/// Findings of one kind that are listed; the rest are counted.
const LISTED_MAX: usize = 20;

/// Opens a store for reading and looks at all of it. A process that writes to it goes on; what it has not applied yet is
/// not looked at.
pub fn examine(directory: &Path, vault: VaultId, chain: &dyn Chain) -> Result<Examination, OpenFault> {
    let log = log_path(directory);
    if !log.is_dir() || !view::view_path(directory).exists() {
        return Err(OpenFault::Missing { path: directory.to_owned() });
    }
    let view = view::connect(directory, Access::Read, 16_384)?;
    // One transaction, so that everything is read as of one moment.
    view.execute_batch("BEGIN")?;
    let meta = view::meta(&view, vault)?;
    let mut newest = HashMap::new();
    let mut chained = Vec::new();
    let found = recover(&SystemFiles, &log, vault, chain, &mut |frame| {
        if frame.last_sequence() <= meta.applied {
            chained.push((frame.first_sequence, frame.tag));
        }
        for effect in frame.effects.iter().flatten() {
            if let Some((key, row)) = final_row(effect) {
                newest.insert(key, (frame.last_sequence(), row));
            }
        }
        Ok(())
    })?;
    let mut examination = Examination {
        sequence: found.next_sequence - 1,
        applied: meta.applied,
        segments: found.segments.len(),
        cards: 0,
        transactions: 0,
        findings: Vec::new(),
        view,
    };
    let first = found.segments.first().map_or(1, |segment| segment.first_sequence);
    if meta.applied + 1 < first || meta.applied >= found.next_sequence {
        let what = format!("holds step {} and the log {} to {}", meta.applied, first, examination.sequence);
        examination.found("view", what);
    }
    examination.look_at_view()?;
    examination.look_at_audit(chain, &chained)?;
    for ((table, key), (sequence, row)) in newest {
        if sequence <= meta.applied {
            let stored = examination.row(table, &key)?;
            if stored != row {
                examination.found("view", format!("a row of {table} is not what the log says of it"));
            }
        }
    }
    Ok(examination)
}

type Key = (&'static str, Vec<u8>);

/// Where an effect leaves its row in the view, and the row.
fn final_row(effect: &Effect) -> Option<(Key, Option<Vec<u8>>)> {
    let mut bytes = Vec::new();
    match effect {
        Effect::CardPut(row) => {
            row.encode(&mut bytes);
            Some((("card", row.id.as_bytes().to_vec()), Some(bytes)))
        }
        Effect::CardDelete { id, .. } => Some((("card", id.as_bytes().to_vec()), None)),
        Effect::TransactionPut(row) => {
            row.encode(&mut bytes);
            Some((("payment", row.id.as_bytes().to_vec()), Some(bytes)))
        }
        Effect::IdempotencyPut(row) => {
            row.encode(&mut bytes);
            Some((("idempotency", row.key.0.to_vec()), Some(bytes)))
        }
        Effect::IdempotencyDelete(key) => Some((("idempotency", key.0.to_vec()), None)),
        Effect::HistoryPut(_) | Effect::DocumentPut(_) | Effect::DocumentDelete(..) => None,
    }
}

impl Examination {
    /// Adds something that is not as it should be.
    pub fn found(&mut self, part: &'static str, what: String) {
        if self.findings.iter().filter(|finding| finding.part == part).count() < LISTED_MAX {
            self.findings.push(Finding { part, what });
        }
    }

    /// Hands out every card.
    pub fn each_card(&self, each: &mut dyn FnMut(CardRow)) -> Result<(), OpenFault> {
        self.each("SELECT row FROM card", |bytes| Ok(each(CardRow::decode(bytes)?)))
    }

    /// Hands out every transaction.
    pub fn each_transaction(&self, each: &mut dyn FnMut(TransactionRow)) -> Result<(), OpenFault> {
        self.each("SELECT row FROM payment", |bytes| Ok(each(TransactionRow::decode(bytes)?)))
    }

    /// Hands out every idempotency record.
    pub fn each_idempotency(&self, each: &mut dyn FnMut(IdempotencyRow)) -> Result<(), OpenFault> {
        self.each("SELECT row FROM idempotency", |bytes| Ok(each(IdempotencyRow::decode(bytes)?)))
    }

    /// Every document.
    pub fn documents(&self) -> Result<Vec<DocumentRow>, OpenFault> {
        let mut documents = Vec::new();
        self.each("SELECT row FROM document", |bytes| Ok(documents.push(DocumentRow::decode(bytes)?)))?;
        Ok(documents)
    }

    fn each(&self, sql: &str, mut each: impl FnMut(&[u8]) -> Result<(), OpenFault>) -> Result<(), OpenFault> {
        let mut statement = self.view.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?;
        }
        Ok(())
    }

    fn count(&self, sql: &str) -> Result<u64, OpenFault> {
        Ok(self.view.query_row(sql, [], |row| row.get::<_, i64>(0))?.cast_unsigned())
    }

    fn row(&self, table: &str, key: &[u8]) -> Result<Option<Vec<u8>>, OpenFault> {
        let column = if table == "idempotency" { "key" } else { "id" };
        let sql = format!("SELECT row FROM {table} WHERE {column} = ?");
        let mut statement = self.view.prepare_cached(&sql)?;
        let mut rows = statement.query([key])?;
        Ok(match rows.next()? {
            Some(row) => Some(row.get(0)?),
            None => None,
        })
    }

    /// SQLite's own structure, and every index against its table.
    fn look_at_view(&mut self) -> Result<(), OpenFault> {
        let sound: String = self.view.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if sound != "ok" {
            self.found("view", "SQLite finds its file damaged".to_owned());
        }
        self.cards = self.count("SELECT count(*) FROM card")?;
        self.transactions = self.count("SELECT count(*) FROM payment")?;
        for (index, rows) in [
            ("card_by_organisation", self.cards),
            ("card_by_fingerprint", self.cards),
            ("payment_by_organisation", self.transactions),
            ("payment_by_card", self.transactions),
        ] {
            let entries = self.count(&format!("SELECT count(*) FROM {index}"))?;
            if entries != rows {
                self.found("index", format!("{index} has {entries} entries for {rows} rows"));
            }
        }
        for (column, rows) in [("cards", self.cards), ("payments", self.transactions)] {
            let total = self.count(&format!("SELECT coalesce(sum({column}), 0) FROM total"))?;
            if total != rows {
                self.found("index", format!("total says {total} {column}, the table has {rows}"));
            }
        }
        let mut missing = Vec::new();
        self.each_card(&mut |row| {
            let (organisation, id) = (row.organisation.as_bytes(), row.id.as_bytes());
            let found = [
                self.has(
                    "SELECT 1 FROM card_by_organisation WHERE organisation = ? AND id = ?",
                    &[organisation, id],
                ),
                self.has(
                    "SELECT 1 FROM card_by_fingerprint WHERE organisation = ? AND fingerprint = ? AND id = ?",
                    &[organisation, row.fingerprint.as_bytes(), id],
                ),
            ];
            if !found.into_iter().all(|found| found.unwrap_or(false)) {
                missing.push(format!("card {} lacks an index entry", row.id));
            }
        })?;
        self.each_transaction(&mut |row| {
            let (organisation, id) = (row.organisation.as_bytes(), row.id.as_bytes());
            let open = self.has("SELECT 1 FROM payment_open WHERE id = ?", &[id]).unwrap_or(false);
            let found = [
                self.has(
                    "SELECT 1 FROM payment_by_organisation WHERE organisation = ? AND id = ?",
                    &[organisation, id],
                ),
                self.has(
                    "SELECT 1 FROM payment_by_card WHERE card = ? AND id = ?",
                    &[row.card.as_bytes(), id],
                ),
                Ok(open == (row.status == TransactionStatus::Initiated)),
                self.has("SELECT 1 FROM history WHERE payment = ? AND version = ?", &[id, &row.version]),
            ];
            if !found.into_iter().all(|found| found.unwrap_or(false)) {
                missing.push(format!("transaction {} lacks an index entry", row.id));
            }
        })?;
        missing.into_iter().for_each(|what| self.found("index", what));
        Ok(())
    }

    fn has(&self, sql: &str, parameters: &[&dyn rusqlite::ToSql]) -> Result<bool, rusqlite::Error> {
        self.view.prepare_cached(sql)?.exists(parameters)
    }

    /// The audit trail: numbered without gaps, and chained by tags that cover every note.
    fn look_at_audit(&mut self, chain: &dyn Chain, log: &[(u64, [u8; 32])]) -> Result<(), OpenFault> {
        let findings = self.trail(chain, log)?;
        findings.into_iter().for_each(|what| self.found("audit", what));
        Ok(())
    }

    fn trail(&self, chain: &dyn Chain, log: &[(u64, [u8; 32])]) -> Result<Vec<String>, OpenFault> {
        let logged: HashMap<u64, [u8; 32]> = log.iter().copied().collect();
        let mut findings = Vec::new();
        let mut next = 1;
        let mut previous_tag: Option<[u8; 32]> = None;
        let mut notes = self
            .view
            .prepare("SELECT note FROM audit WHERE sequence >= ? AND sequence < ? ORDER BY sequence")?;
        let mut frames = self.view.prepare("SELECT * FROM chain ORDER BY first_sequence")?;
        let mut frames = frames.query([])?;
        while let Some(row) = frames.next()? {
            let first: i64 = row.get(0)?;
            let (count, segment, effects_bytes): (u32, i64, u32) = (row.get(1)?, row.get(2)?, row.get(3)?);
            let (digest, previous, tag): ([u8; 32], [u8; 32], [u8; 32]) =
                (row.get(4)?, row.get(5)?, row.get(6)?);
            let mut bytes = Vec::with_capacity(AuditNote::BYTES * usize::try_from(count).unwrap_or(0));
            let mut stored = notes.query([first, first + i64::from(count)])?;
            while let Some(note) = stored.next()? {
                bytes.extend_from_slice(note.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?);
            }
            let header = Frame::header(
                segment.cast_unsigned(),
                first.cast_unsigned(),
                count,
                effects_bytes,
                &previous,
            );
            let sound = first.cast_unsigned() == next
                && previous_tag.is_none_or(|tag| tag == previous)
                && chain.tag(&[&header, &chain.digest(&bytes), &digest]) == tag
                && logged.get(&first.cast_unsigned()).is_none_or(|logged| *logged == tag);
            if !sound {
                findings.push(format!("the trail does not verify at step {first}"));
            }
            next = first.cast_unsigned() + u64::from(count);
            previous_tag = Some(tag);
        }
        if next != self.applied + 1 {
            findings.push(format!("the trail ends at step {} and the view at {}", next - 1, self.applied));
        }
        let stray = self.count("SELECT count(*) FROM audit")?;
        if stray != self.applied {
            findings.push(format!("the trail has {stray} notes for {} steps", self.applied));
        }
        Ok(findings)
    }
}
