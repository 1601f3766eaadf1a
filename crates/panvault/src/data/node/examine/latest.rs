//! Whether each row is the last of its versions, in a database that nobody writes to.
//!
//! A row bears a tag, so it is one that the vault wrote, and none is newer than the last that it wrote. Each change of a card or a transaction is a record of the trail that names it. So where the
//! versions of all rows come to as many as the trail tells of changes, each is the last: of rows in so many buckets, so that those that are not can be named. Refunds, and steps of transactions, are
//! counted as a whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use panvault_model::{Id, Timestamp};
use panvault_store::{Action, AuditNote, Row, Table};
use panvault_vault::limits::AUDIT_SKEW_MILLIS;

/// Buckets of each table.
const BUCKETS: usize = 4_096;
/// Objects that are looked up by name at most.
const NAMED_MAX: usize = 1_000_000;

const TABLES: [Table; 2] = [Table::Card, Table::Transaction];

/// Versions, as rows and trail have them.
pub(super) struct Latest {
    rows: BTreeMap<Table, Vec<u64>>,
    trail: BTreeMap<Table, Vec<u64>>,
    /// Cards that were deleted, in their order once all are known: what the trail tells of their changes is of no row.
    deleted: Vec<[u8; 12]>,
    refunds: Counted,
    steps: Counted,
    /// What was made by then has changes that no record tells of any more; so have refunds, whenever they were made.
    told_since: Option<Timestamp>,
}

/// What is counted as a whole: how many there are, and their changes.
#[derive(Default)]
struct Counted {
    rows: u64,
    versions: u64,
    told: u64,
    told_versions: u64,
}

/// Objects in buckets that differ, by their changes.
pub(super) type Suspects = HashMap<(Table, Vec<u8>), u64>;

impl Latest {
    /// Nothing is known yet. Where records are kept no longer, what was made by the latest time of these, and by nodes whose clocks are behind, is not looked at.
    pub(super) fn new(retired_until: Option<Timestamp>) -> Self {
        let told_since = retired_until
            .map(|at| Timestamp::from_unix_millis(at.unix_millis().saturating_add(AUDIT_SKEW_MILLIS)));
        let empty = || TABLES.map(|table| (table, vec![0; BUCKETS])).into();
        let (refunds, steps) = (Counted::default(), Counted::default());
        Self { rows: empty(), trail: empty(), deleted: Vec::new(), refunds, steps, told_since }
    }

    /// Whether all changes of an object are told of.
    fn is_told(&self, object: Id) -> bool {
        self.told_since.is_none_or(|since| object.made_at() > since)
    }

    /// A row is there.
    pub(super) fn row(&mut self, row: &Row) {
        let version = u64::from(row.version());
        match row {
            Row::Card(row) if !self.is_told(row.id.0) => {}
            Row::Transaction(row) if !self.is_told(row.id.0) => {}
            Row::History(row) if !self.is_told(row.transaction.0) => {}
            Row::Card(row) => add(&mut self.rows, Table::Card, row.id.0, version),
            Row::Transaction(row) => add(&mut self.rows, Table::Transaction, row.id.0, version),
            Row::Refund(_) => {
                self.refunds.rows += 1;
                self.refunds.versions = self.refunds.versions.saturating_add(version);
            }
            Row::History(_) => self.steps.rows += 1,
            Row::Document(_)
            | Row::Idempotency(_)
            | Row::CardCvv(_)
            | Row::Node(_)
            | Row::ApiKeyUse(_)
            | Row::Customer(_)
            | Row::Delivery(_)
            | Row::Checkout(_) => {}
        }
    }

    /// The trail tells of a change.
    pub(super) fn record(&mut self, note: &AuditNote) {
        let told = Told::of(note);
        // Of refunds the transaction is the object, or they are themselves: they are counted as a whole, or not at all.
        if !self.is_told(note.object) {
            return;
        }
        if let Some((table, changes)) = told.changed() {
            add(&mut self.trail, table, note.object, changes);
            if table == Table::Transaction {
                self.steps.told = self.steps.told.saturating_add(changes);
            }
        }
        match told {
            Told::CardGone => self.deleted.push(*note.object.as_bytes()),
            Told::RefundMade => {
                self.refunds.told += 1;
                self.refunds.told_versions += 1;
            }
            Told::RefundChanged | Told::RefundFailed => self.refunds.told_versions += 1,
            Told::Card | Told::Transaction(_) | Told::Nothing => {}
        }
    }

    /// Whether the changes of what was deleted are to be taken away: the trail is to be read once more, by [`Self::without_deleted`].
    pub(super) fn has_deleted(&mut self) -> bool {
        self.deleted.sort_unstable();
        !self.deleted.is_empty()
    }

    /// Takes away a change of a card that was deleted.
    pub(super) fn without_deleted(&mut self, note: &AuditNote) {
        if let Some((Table::Card, changes)) = Told::of(note).changed()
            && self.is_deleted(note.object)
            && self.is_told(note.object)
            && let Some(bucket) = bucket(&mut self.trail, Table::Card, note.object)
        {
            *bucket = bucket.saturating_sub(changes);
        }
    }

    fn is_deleted(&self, object: Id) -> bool {
        self.deleted.binary_search(object.as_bytes()).is_ok()
    }

    /// The buckets that differ.
    pub(super) fn differ(&self) -> BTreeSet<(Table, usize)> {
        let of = |table| {
            let (rows, trail) = (self.rows.get(&table), self.trail.get(&table));
            let buckets = rows.into_iter().flatten().zip(trail.into_iter().flatten()).enumerate();
            buckets.filter(|(_, (rows, trail))| rows != trail).map(move |(at, _)| (table, at))
        };
        TABLES.into_iter().flat_map(of).collect()
    }

    /// Notes a change of an object in a bucket that differs. `false` when there are too many.
    pub(super) fn suspect(
        &self,
        differ: &BTreeSet<(Table, usize)>,
        note: &AuditNote,
        suspects: &mut Suspects,
    ) -> bool {
        let Some((table, changes)) = Told::of(note).changed() else { return true };
        let is_deleted = table == Table::Card && self.is_deleted(note.object);
        if is_deleted || !self.is_told(note.object) || !differ.contains(&(table, place(note.object))) {
            return true;
        }
        if suspects.len() >= NAMED_MAX {
            return false;
        }
        *suspects.entry((table, note.object.as_bytes().to_vec())).or_default() += changes;
        true
    }

    /// What is not as it was counted in the trail, as a whole.
    pub(super) fn counted(&self) -> Vec<String> {
        let Self { refunds, steps, .. } = self;
        let mut found = Vec::new();
        if self.told_since.is_some() {
            // Some of their records may be gone.
        } else if refunds.rows != refunds.told {
            found.push(format!(
                "there are {} refunds, and the audit trail tells of {}",
                refunds.rows, refunds.told
            ));
        } else if refunds.versions != refunds.told_versions {
            let behind = refunds.told_versions.abs_diff(refunds.versions);
            found.push(format!(
                "refunds are as they were before {behind} changes that the audit trail tells of"
            ));
        }
        if steps.rows != steps.told {
            found.push(format!(
                "there are {} steps of transactions, and the audit trail tells of {}",
                steps.rows, steps.told
            ));
        }
        found
    }
}

fn add(sums: &mut BTreeMap<Table, Vec<u64>>, table: Table, object: Id, changes: u64) {
    if let Some(bucket) = bucket(sums, table, object) {
        *bucket = bucket.saturating_add(changes);
    }
}

fn bucket(sums: &mut BTreeMap<Table, Vec<u64>>, table: Table, object: Id) -> Option<&mut u64> {
    sums.get_mut(&table).and_then(|buckets| buckets.get_mut(place(object)))
}

/// The end of an id is random.
fn place(object: Id) -> usize {
    let [.., high, low] = *object.as_bytes();
    usize::from(u16::from_be_bytes([high, low])) % BUCKETS
}

/// What a record says of the rows that are counted.
#[derive(Clone, Copy)]
enum Told {
    Card,
    CardGone,
    /// So many versions.
    Transaction(u64),
    /// With the transaction, of whose sum it is.
    RefundMade,
    RefundChanged,
    /// With the transaction, of whose sum it was.
    RefundFailed,
    Nothing,
}

impl Told {
    const fn of(note: &AuditNote) -> Self {
        match note.action {
            Action::CardCreate | Action::CardRefresh | Action::CardReseal => Self::Card,
            // A change of the CVV alone leaves the row as it is.
            Action::CardUpdate if note.outcome == 0 => Self::Nothing,
            Action::CardUpdate => Self::Card,
            Action::CardDelete => Self::CardGone,
            Action::TransactionInitiate
            | Action::TransactionCapture
            | Action::TransactionVoidCapture
            | Action::TransactionVoid
            | Action::TransactionSettle => Self::Transaction(1),
            // One step with what became of the try before: two versions.
            Action::TransactionTry => Self::Transaction(2),
            Action::RefundCreate => Self::RefundMade,
            Action::RefundSettle => Self::RefundChanged,
            Action::RefundFail => Self::RefundFailed,
            Action::DocumentCreate
            | Action::DocumentUpdate
            | Action::DocumentDelete
            | Action::IdempotencySweep
            | Action::NodeStart
            | Action::NodeRenew
            | Action::NodeStop
            | Action::CardCvvSweep
            | Action::ApiKeyUse
            | Action::BinsLoad
            | Action::CardRead
            | Action::CardList
            | Action::TransactionRead
            | Action::TransactionList
            | Action::AuditRead
            | Action::AccessRefuse
            | Action::SigninRefuse
            | Action::RefundRead
            | Action::RefundList
            | Action::CustomerCreate
            | Action::CustomerUpdate
            | Action::CustomerDelete
            | Action::CustomerRead
            | Action::CustomerList
            | Action::WebhookDeliver
            | Action::WebhookSweep
            | Action::WebhookRetry
            | Action::AuditCheckpoint
            | Action::VaultMove
            | Action::NotificationContradict
            | Action::CheckoutCreate
            | Action::CheckoutEnd
            | Action::CheckoutSweep
            | Action::VaultSeal
            | Action::VaultUnseal
            | Action::ShareGive
            | Action::UnsealFail
            | Action::CeremonyHold
            | Action::KeyMake
            | Action::KeyActivate
            | Action::KeyDestroy
            | Action::CustomerReseal
            | Action::VaultBackup
            | Action::VaultRestore
            | Action::AuditRetire
            | Action::AuditVerify
            | Action::TrailCheckpoint
            | Action::HeaderChange
            | Action::SlotAdd
            | Action::SlotRemove
            | Action::VaultKeyActivate
            | Action::VaultKeyDestroy
            | Action::KeyRewrap
            | Action::RowRetag
            | Action::DocumentRetag => Self::Nothing,
        }
    }

    /// The row that is named, and by how many versions it went on.
    const fn changed(self) -> Option<(Table, u64)> {
        match self {
            Self::Card => Some((Table::Card, 1)),
            Self::Transaction(versions) => Some((Table::Transaction, versions)),
            Self::RefundMade | Self::RefundFailed => Some((Table::Transaction, 1)),
            Self::CardGone | Self::RefundChanged | Self::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use panvault_model::{ApiKeyId, OrganisationId, RequestId, Timestamp};

    use super::*;

    fn note(action: Action, object: u8) -> AuditNote {
        AuditNote {
            at: Timestamp::from_unix_millis(1),
            action,
            actor: None::<ApiKeyId>,
            organisation: OrganisationId::from_bytes([0; 12]),
            object: Id::from_bytes([object; 12]),
            request: RequestId::from_bytes([0; 12]),
            address: [0; 16],
            outcome: 1,
            counted: None,
        }
    }

    #[test]
    fn a_row_of_before_is_found_and_one_that_was_deleted_is_none() {
        let told = [
            note(Action::CardCreate, 1),
            note(Action::CardUpdate, 1),
            note(Action::CardCreate, 2),
            note(Action::CardDelete, 2),
            note(Action::TransactionInitiate, 3),
            note(Action::TransactionTry, 3),
        ];
        for (card, transaction, expected) in
            [(2, 3, vec![]), (1, 3, vec![Table::Card]), (2, 2, vec![Table::Transaction])]
        {
            let mut latest = Latest::new(None);
            add(&mut latest.rows, Table::Card, Id::from_bytes([1; 12]), card);
            add(&mut latest.rows, Table::Transaction, Id::from_bytes([3; 12]), transaction);
            told.iter().for_each(|note| latest.record(note));
            assert!(latest.has_deleted());
            told.iter().for_each(|note| latest.without_deleted(note));
            let differ = latest.differ();
            assert_eq!(differ.iter().map(|(table, _)| *table).collect::<Vec<_>>(), expected);
            let mut suspects = Suspects::new();
            assert!(told.iter().all(|note| latest.suspect(&differ, note, &mut suspects)));
            let changes: Vec<u64> = suspects.into_values().collect();
            let of = |table: &Table| if *table == Table::Card { 2 } else { 3 };
            assert_eq!(changes, expected.iter().map(of).collect::<Vec<_>>());
        }
    }

    #[test]
    fn refunds_and_steps_are_counted() {
        let mut latest = Latest::new(None);
        latest.refunds = Counted { rows: 1, versions: 1, ..Counted::default() };
        [note(Action::RefundCreate, 1), note(Action::RefundSettle, 2)]
            .iter()
            .for_each(|note| latest.record(note));
        latest.steps.rows = 1;
        assert_eq!(
            latest.counted(),
            ["refunds are as they were before 1 changes that the audit trail tells of"]
        );
        latest.refunds.rows = 0;
        latest.steps.rows = 2;
        assert_eq!(
            latest.counted(),
            [
                "there are 0 refunds, and the audit trail tells of 1",
                "there are 2 steps of transactions, and the audit trail tells of 1"
            ]
        );
    }
}
