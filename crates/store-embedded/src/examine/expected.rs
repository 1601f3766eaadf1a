//! What the audit trail tells of rows. Its notes are chained, so they say which rows there must be long after the log has forgotten: a row that was put back, taken away or
//! rolled back is not as they tell. Of rows that notes made which are kept no longer they tell the changes since.

use panvault_model::Timestamp;
use panvault_store::audit_start::{AuditStart, HeadChanges};
use panvault_store::{Action, AuditNote, CardRow, DocumentKind, DocumentRow, TransactionRow};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::examine::LISTED_MAX;

type Id = [u8; 12];

/// What was told of the rows of one kind: 12 bytes for each step that made, changed or removed one.
#[derive(Default)]
struct Steps {
    made: Vec<Id>,
    changed: Vec<Id>,
    gone: Vec<Id>,
}

/// What was told of all rows.
#[derive(Default)]
pub(super) struct ExpectedRows {
    cards: Steps,
    transactions: Steps,
    documents: Steps,
    head: HeadChanges,
    /// What was made by then is told of by records that are kept no longer.
    old: Option<Timestamp>,
    /// The place of the last record that is kept no longer, as a later one says.
    pub(super) retired: u64,
    /// The table of issuers that was taken up last.
    pub(super) bins: Option<panvault_model::Id>,
}

impl ExpectedRows {
    /// What the records told that are kept no longer.
    pub(super) fn begin(&mut self, start: &AuditStart) {
        self.head = start.head;
        self.old = Some(start.at);
        self.bins = start.bins;
    }

    /// Takes up a note.
    pub(super) fn put(&mut self, note: &AuditNote) {
        self.head.note(note);
        let ids = match note.action {
            Action::CardCreate => &mut self.cards.made,
            // A change of the CVV alone leaves the row as it is.
            Action::CardUpdate if note.outcome == 0 => return,
            Action::CardUpdate | Action::CardRefresh | Action::CardReseal => &mut self.cards.changed,
            Action::CardDelete => &mut self.cards.gone,
            Action::TransactionInitiate => &mut self.transactions.made,
            Action::TransactionCapture
            | Action::TransactionVoidCapture
            | Action::TransactionVoid
            | Action::RefundCreate
            | Action::RefundFail
            | Action::TransactionSettle => &mut self.transactions.changed,
            // One step with what became of the try before: two versions.
            Action::TransactionTry => {
                self.transactions.changed.push(*note.object.as_bytes());
                &mut self.transactions.changed
            }
            Action::DocumentCreate => &mut self.documents.made,
            Action::DocumentUpdate if note.outcome == AuditNote::TWICE => {
                self.documents.changed.push(*note.object.as_bytes());
                &mut self.documents.changed
            }
            // Some of these name a document that they change, and others a key, which has no row of its own here.
            Action::DocumentUpdate
            | Action::KeyMake
            | Action::KeyActivate
            | Action::KeyDestroy
            | Action::HeaderChange
            | Action::SlotAdd
            | Action::SlotRemove
            | Action::VaultKeyActivate
            | Action::VaultKeyDestroy
            | Action::KeyRewrap
            | Action::DocumentRetag => &mut self.documents.changed,
            Action::DocumentDelete => &mut self.documents.gone,
            Action::BinsLoad => {
                self.bins = Some(note.object);
                return;
            }
            Action::AuditRetire => {
                self.retired =
                    note.object.as_bytes().last_chunk().map_or(0, |place| u64::from_be_bytes(*place));
                return;
            }
            // Its trail began anew.
            Action::VaultMove => {
                self.retired = 0;
                return;
            }
            // Their rows have no place in the trail: they go when their time is over.
            Action::IdempotencySweep
            | Action::CardCvvSweep
            | Action::NodeStart
            | Action::NodeRenew
            | Action::NodeStop
            | Action::AuditCheckpoint
            | Action::NotificationContradict
            | Action::RowRetag
            | Action::ApiKeyUse => return,
            // The head alone counts them.
            Action::VaultSeal
            | Action::VaultUnseal
            | Action::VaultBackup
            | Action::VaultRestore
            | Action::AuditVerify
            | Action::ShareGive
            | Action::UnsealFail
            | Action::CeremonyHold => return,
            // Deliveries and checkouts are swept, and not counted.
            Action::WebhookDeliver
            | Action::WebhookSweep
            | Action::WebhookRetry
            | Action::CheckoutCreate
            | Action::CheckoutEnd
            | Action::CheckoutSweep => return,
            // The tallies say which refunds and customers there are.
            Action::RefundSettle
            | Action::CustomerCreate
            | Action::CustomerUpdate
            | Action::CustomerReseal
            | Action::TrailCheckpoint
            | Action::CustomerDelete => return,
            // What was seen or refused changed nothing.
            Action::CardRead
            | Action::CardList
            | Action::TransactionRead
            | Action::TransactionList
            | Action::AuditRead
            | Action::RefundRead
            | Action::RefundList
            | Action::CustomerRead
            | Action::CustomerList
            | Action::AccessRefuse
            | Action::SigninRefuse => return,
        };
        ids.push(*note.object.as_bytes());
    }

    /// What is there and was not told so, or was told and is not there. Documents first: they are few, and say who may do what.
    pub(super) fn differ(self, view: &Connection) -> Result<Vec<String>, rusqlite::Error> {
        let old = self.old;
        let mut findings = documents_differ(view, self.documents, old, self.head.count())?;
        let sql = "SELECT id, row FROM payment ORDER BY id";
        findings.extend(rows_differ(
            view,
            Against::new("transaction", self.transactions, old),
            sql,
            |_, row| TransactionRow::decode(row).ok().map(|row| (*row.id.as_bytes(), row.version)),
        )?);
        let sql = "SELECT id, row FROM card ORDER BY id";
        findings.extend(rows_differ(view, Against::new("card", self.cards, old), sql, |key, row| {
            CardRow::decode_under_id(&key?, row).ok().map(|row| (*row.id.as_bytes(), row.version))
        })?);
        Ok(findings)
    }
}

/// Reads id and version of the row that is kept under a key.
type Decode = fn(Option<Id>, &[u8]) -> Option<(Id, u32)>;

/// `sql` gives key and row, in the order of keys.
fn rows_differ(
    view: &Connection,
    mut against: Against,
    sql: &str,
    decode: Decode,
) -> Result<Vec<String>, rusqlite::Error> {
    let mut statement = view.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let key = id(row.get_ref(0)?);
        against.row(key, blob(row.get_ref(1)?).and_then(|row| decode(key, row)));
    }
    Ok(against.end())
}

/// Keys, pictures and head have no notes of their own. A key or picture goes with its organisation, and the head covers it; the head's version counts the
/// notes of all other documents.
fn documents_differ(
    view: &Connection,
    steps: Steps,
    old: Option<Timestamp>,
    told: u64,
) -> Result<Vec<String>, rusqlite::Error> {
    let mut against = Against::new("document", steps, old);
    let mut findings = Vec::new();
    let mut statement = view.prepare("SELECT id, row, kind, version FROM document ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let decoded = blob(row.get_ref(1)?).and_then(|row| DocumentRow::decode(row).ok());
        let (kind, version) = (row.get_ref(2)?.as_i64().ok(), row.get_ref(3)?.as_i64().ok());
        if let Some(row) = &decoded
            && (Some(row.kind.code().into()), Some(row.version.into())) != (kind, version)
        {
            findings.push(format!("document {} is kept as of another kind or version", row.id));
        }
        match kind.and_then(|kind| u8::try_from(kind).ok()).and_then(DocumentKind::from_code) {
            Some(DocumentKind::DocumentHead) => {
                let count = decoded.map_or(0, |row| row.version);
                if u64::from(count) != told {
                    findings.push(format!(
                        "the documents are those after {count} changes, and the trail tells of {told}"
                    ));
                }
            }
            // Nodes that share a store write all but the first, and there is one here.
            Some(
                DocumentKind::OrganisationKey
                | DocumentKind::AuditCheckpoint
                | DocumentKind::AuditEnd
                | DocumentKind::AuditStart
                | DocumentKind::ChangeLog
                | DocumentKind::Logo
                | DocumentKind::TrailState
                | DocumentKind::TrailCheckpoint
                | DocumentKind::HandOver,
            ) => {}
            Some(
                DocumentKind::Organisation
                | DocumentKind::Account
                | DocumentKind::Processor
                | DocumentKind::ApiKey,
            )
            | None => {
                against.row(id(row.get_ref(0)?), decoded.map(|row| (*row.id.as_bytes(), row.version)));
            }
        }
    }
    findings.extend(against.end());
    Ok(findings)
}

fn blob(value: ValueRef<'_>) -> Option<&[u8]> {
    value.as_blob().ok()
}

fn id(value: ValueRef<'_>) -> Option<Id> {
    blob(value).and_then(|bytes| bytes.try_into().ok())
}

/// Rows, which come in the order of their ids, held against what was told of them.
struct Against {
    what: &'static str,
    steps: [Sorted; 3],
    old: Option<Timestamp>,
    findings: Vec<String>,
    further: u64,
}

fn shown(id: Id) -> String {
    panvault_model::Id::from_bytes(id).to_string()
}

/// Ids in order, and how far they were looked at.
struct Sorted {
    ids: Vec<Id>,
    at: usize,
}

impl Sorted {
    fn new(mut ids: Vec<Id>) -> Self {
        ids.sort_unstable();
        Self { ids, at: 0 }
    }

    fn first(&self) -> Option<Id> {
        self.ids.get(self.at).copied()
    }

    /// How often an id is there. Ids before it have been looked at.
    fn take(&mut self, id: Id) -> u32 {
        let mut count = 0;
        while self.first() == Some(id) {
            self.at += 1;
            count += 1;
        }
        count
    }
}

impl Against {
    fn new(what: &'static str, steps: Steps, old: Option<Timestamp>) -> Self {
        let steps = [steps.made, steps.changed, steps.gone].map(Sorted::new);
        Self { what, steps, old, findings: Vec::new(), further: 0 }
    }

    /// A row under its key, with its own id and version if it can be read; what cannot be read is found elsewhere.
    fn row(&mut self, key: Option<Id>, row: Option<(Id, u32)>) {
        let Some(key) = key else { return self.found("something".to_owned(), "is kept under no id") };
        self.missing(Some(key));
        let [made, changed, gone] = self.take(key);
        // Which of these there are is in what was counted as they were written, and in the head of the documents.
        let made_at = panvault_model::Id::from_bytes(key).made_at();
        let is_old = made == 0 && gone == 0 && self.old.is_some_and(|old| made_at <= old);
        if is_old {
            if matches!(row, Some((_, version)) if version <= changed) {
                self.found(shown(key), "is not as the last change that the trail tells of left it");
            }
        } else if made == 0 && gone == 0 {
            self.found(shown(key), "is there, and the trail does not know it");
        } else if made <= gone {
            self.found(shown(key), "is there, and the trail says that it was deleted");
        }
        match row {
            Some((id, _)) if id != key => self.found(shown(key), "has the row of another"),
            // An id that was made again began again with version 1; a vault makes none twice.
            Some((_, version)) if made == 1 && gone == 0 && version != changed.saturating_add(1) => {
                self.found(shown(key), "is not as the last change that the trail tells of left it");
            }
            Some(_) | None => {}
        }
    }

    /// Everything before an id, or everything, that was told of and has not come.
    fn missing(&mut self, before: Option<Id>) {
        while let Some(id) = self.steps.iter().filter_map(Sorted::first).min()
            && before.is_none_or(|before| id < before)
        {
            let [made, _, gone] = self.take(id);
            if made > gone {
                self.found(shown(id), "is missing, and the trail does not say that it was deleted");
            }
        }
    }

    fn take(&mut self, id: Id) -> [u32; 3] {
        self.steps.each_mut().map(|steps| steps.take(id))
    }

    fn found(&mut self, which: String, how: &str) {
        // One place is kept for the count of the rest.
        if self.findings.len() + 1 < LISTED_MAX {
            self.findings.push(format!("{} {which} {how}", self.what));
        } else {
            self.further += 1;
        }
    }

    fn end(mut self) -> Vec<String> {
        self.missing(None);
        if self.further > 0 {
            self.findings.push(format!("and {} further findings of a {}", self.further, self.what));
        }
        self.findings
    }
}
