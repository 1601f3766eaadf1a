//! Looks at a store without changing it: the log, the view, its indexes and the audit chain against each other.

mod expected;
mod index;
mod logged;
mod tallies;
mod trail;

use std::io;
use std::path::Path;

use std::sync::Arc;

use panvault_directory::Directory;
use panvault_model::{NodeId, VaultId};
use panvault_store::{
    ApiKeyUseRow, Archived, AuditRecord, CardRow, Chain, CheckoutRow, CustomerRow, DeliveryRow, DocumentRow,
    HistoryRow, IdempotencyRow, RefundRow, StoreFault, TransactionRow,
};
use rusqlite::{Connection, Row};

use crate::examine::logged::LoggedRows;
use crate::fault::OpenFault;
use crate::files::HeldFiles;
use crate::log::{archived_segments, recover};
use crate::store::log_of;
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
    /// LoggedRows durable step.
    pub sequence: u64,
    /// LoggedRows step that the view holds.
    pub applied: u64,
    /// Segments of the log.
    pub segments: usize,
    /// What of the log is kept for incremental backups, by the files that are there; of their bound they say nothing.
    pub archived: Archived,
    /// Behind the last step is something that is no whole commit. A crash leaves it, of what was never acknowledged, and the next start
    /// drops it; else somebody changed the end of the log.
    pub has_torn_tail: bool,
    /// Cards in the view.
    pub cards: u64,
    /// Transactions in the view.
    pub transactions: u64,
    /// Refunds in the view.
    pub refunds: u64,
    /// Customers in the view.
    pub customers: u64,
    /// The table of issuers that the audit trail told of last; all zeroes when it was removed, `None` when there never was one.
    pub bins: Option<panvault_model::Id>,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
    view: Connection,
}

/// Findings of one part that are listed.
const LISTED_MAX: usize = 20;

/// Times that the log is read before what is wrong is said: a process that writes may have moved it on meanwhile.
const TRIES: usize = 5;

/// Opens a store for reading and looks at all of it. A process that writes to it goes on; what it has not applied yet is
/// not looked at.
///
/// `log_directory` is that of [`Settings`](crate::Settings).
pub fn examine(
    directory: &Path,
    log_directory: Option<&Path>,
    vault: VaultId,
    chain: &dyn Chain,
) -> Result<Examination, OpenFault> {
    if !view::view_path(directory).exists() {
        return Err(OpenFault::Missing { path: directory.to_owned() });
    }
    let held = Directory::open(directory).map_err(OpenFault::io(directory))?;
    let log = log_of(&held, log_directory)?;
    let (log, files) = (log.path().to_owned(), HeldFiles([log]));
    let view = view::connect(&held, Access::Read, 16_384)?;
    // One transaction, so that everything is read as of one moment, and no segment goes that it does not cover.
    view.execute_batch("BEGIN")?;
    let meta = view::meta(&view, vault)?;
    let read = || {
        let (mut last, mut chained) = (LoggedRows::default(), Vec::new());
        let found = recover(&files, &log, vault, chain, &mut |frame| {
            if frame.last_sequence() <= meta.applied {
                chained.push((frame.first_sequence, frame.tag));
            }
            last.put(&frame);
            Ok(())
        });
        found.map(|found| (found, last, chained))
    };
    // What another process is writing just now looks torn too, for a moment.
    let whole = || read().ok().filter(|(found, ..)| !found.torn);
    let (found, last, chained) = (1..TRIES).find_map(|_| whole()).map_or_else(read, Ok)?;
    let mut examination = Examination {
        sequence: found.next_sequence - 1,
        segments: found.segments.len(),
        archived: archived(&files, &log).map_err(OpenFault::io(&log))?,
        has_torn_tail: found.torn,
        ..Examination::of(view, meta.applied)
    };
    let first = found.segments.first().map_or(1, |segment| segment.first_sequence);
    if meta.applied + 1 < first || meta.applied >= found.next_sequence {
        let what = format!("holds step {} and the log {} to {}", meta.applied, first, examination.sequence);
        examination.found("view", what);
    }
    examination.look_at_view(chain)?;
    examination.look_at_audit(chain, &chained)?;
    for table in last.differ(&examination.view, meta.applied)? {
        examination.found("view", format!("a row of {table} is not what the log says of it"));
    }
    Ok(examination)
}

/// What of a log is kept for incremental backups.
fn archived(files: &HeldFiles<1>, log: &Path) -> io::Result<Archived> {
    let bytes = |path: &Path| {
        let entry = path.file_name().map(|name| files.0[0].entry(name)).transpose()?.flatten();
        entry.map(|entry| entry.len()).ok_or_else(|| io::ErrorKind::NotFound.into())
    };
    let found = archived_segments(files, log, &bytes)?;
    Ok(Archived {
        segments: found.len(),
        bytes: found.iter().map(|segment| segment.bytes).sum(),
        bytes_max: 0,
        since: found.first().and_then(|oldest| oldest.begun_at),
    })
}

/// The same of a copy of the view, in a directory that nobody writes to. Nothing is made beside it.
pub fn examine_copy(directory: &Path, vault: VaultId, chain: &dyn Chain) -> Result<Examination, OpenFault> {
    let held = Directory::open(directory).map_err(OpenFault::io(directory))?;
    let view = view::connect_copy(&held)?;
    let meta = view::copy_meta(&view, vault)?;
    let mut examination = Examination::of(view, meta.applied);
    examination.look_at_view(chain)?;
    examination.look_at_audit(chain, &[])?;
    Ok(examination)
}

impl Examination {
    /// Of a view as far as it has come, before anything is looked at.
    const fn of(view: Connection, applied: u64) -> Self {
        Self {
            sequence: applied,
            applied,
            segments: 0,
            archived: Archived { segments: 0, bytes: 0, bytes_max: 0, since: None },
            has_torn_tail: false,
            cards: 0,
            transactions: 0,
            refunds: 0,
            customers: 0,
            bins: None,
            findings: Vec::new(),
            view,
        }
    }

    /// The record of the trail at a place, if the view has it. The view bears the name of its vault.
    pub fn audit_record(&self, vault: VaultId, place: u64) -> Result<Option<AuditRecord>, StoreFault> {
        let writer = NodeId(vault.0);
        Ok(view::audit(&self.view, writer, place, 1)?.into_iter().find(|record| record.place == place))
    }

    /// Adds something that is not as it should be.
    pub fn found(&mut self, part: &'static str, what: String) {
        if self.findings.iter().filter(|finding| finding.part == part).count() < LISTED_MAX {
            self.findings.push(Finding { part, what });
        }
    }

    /// Hands out every card that can be read, and says how many cannot.
    pub fn each_card(&self, each: &mut dyn FnMut(CardRow)) -> Result<usize, OpenFault> {
        self.each(
            "SELECT row, id FROM card",
            |bytes, row| CardRow::decode_under_id(row.get_ref(1).ok()?.as_blob().ok()?, bytes).ok(),
            each,
        )
    }

    /// Hands out every transaction that can be read, and says how many cannot.
    pub fn each_transaction(&self, each: &mut dyn FnMut(TransactionRow)) -> Result<usize, OpenFault> {
        self.each("SELECT row FROM payment", |bytes, _| TransactionRow::decode(bytes).ok(), each)
    }

    /// Hands out every refund that can be read, and says how many cannot.
    pub fn each_refund(&self, each: &mut dyn FnMut(RefundRow)) -> Result<usize, OpenFault> {
        self.each("SELECT row FROM refund", |bytes, _| RefundRow::decode(bytes).ok(), each)
    }

    /// Hands out every customer that can be read, and says how many cannot.
    pub fn each_customer(&self, each: &mut dyn FnMut(CustomerRow)) -> Result<usize, OpenFault> {
        self.each("SELECT row FROM customer", |bytes, _| CustomerRow::decode(bytes).ok(), each)
    }

    /// Hands out every checkout that can be read, and says how many cannot.
    pub fn each_checkout(&self, each: &mut dyn FnMut(CheckoutRow)) -> Result<usize, OpenFault> {
        self.each("SELECT row FROM checkout", |bytes, _| CheckoutRow::decode(bytes).ok(), each)
    }

    /// The same for deliveries of webhooks.
    pub fn each_delivery(&self, each: &mut dyn FnMut(DeliveryRow)) -> Result<usize, OpenFault> {
        self.each("SELECT row FROM delivery", |bytes, _| DeliveryRow::decode(bytes).ok(), each)
    }

    /// Hands out every step of every transaction that can be read, and says how many cannot.
    pub fn each_history(&self, each: &mut dyn FnMut(HistoryRow)) -> Result<usize, OpenFault> {
        self.each("SELECT row FROM history", |bytes, _| HistoryRow::decode(bytes).ok(), each)
    }

    /// Hands out every idempotency record that can be read, and says how many cannot.
    pub fn each_idempotency(&self, each: &mut dyn FnMut(IdempotencyRow)) -> Result<usize, OpenFault> {
        self.each("SELECT row FROM idempotency", |bytes, _| IdempotencyRow::decode(bytes).ok(), each)
    }

    /// Hands out every last use of an API key that can be read, and says how many cannot.
    pub fn each_api_key_use(&self, each: &mut dyn FnMut(ApiKeyUseRow)) -> Result<usize, OpenFault> {
        self.each("SELECT row FROM apikey_use", |bytes, _| ApiKeyUseRow::decode(bytes).ok(), each)
    }

    /// Every document; what cannot be read is a finding.
    pub fn documents(&mut self) -> Result<Vec<Arc<DocumentRow>>, OpenFault> {
        let mut documents = Vec::new();
        let unreadable =
            self.each("SELECT row FROM document", |bytes, _| DocumentRow::decode(bytes).ok(), &mut |row| {
                documents.push(Arc::new(row))
            })?;
        self.found_unreadable("documents", unreadable);
        Ok(documents)
    }

    /// Adds rows that cannot be read.
    pub fn found_unreadable(&mut self, rows: &str, count: usize) {
        if count > 0 {
            self.found("row", format!("{count} {rows} cannot be read"));
        }
    }

    fn each<T>(
        &self,
        sql: &str,
        decode: impl Fn(&[u8], &Row<'_>) -> Option<T>,
        each: &mut dyn FnMut(T),
    ) -> Result<usize, OpenFault> {
        let mut statement = self.view.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut unreadable = 0;
        while let Some(row) = rows.next()? {
            match row.get_ref(0)?.as_blob().ok().and_then(|bytes| decode(bytes, row)) {
                Some(row) => each(row),
                None => unreadable += 1,
            }
        }
        Ok(unreadable)
    }

    fn count(&self, sql: &str) -> Result<u64, OpenFault> {
        Ok(self.view.query_row(sql, [], |row| row.get::<_, i64>(0))?.cast_unsigned())
    }
}
