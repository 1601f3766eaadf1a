//! Which of the objects that the audit trail tells of are in their tables.
//!
//! Each record of the trail that makes or deletes a card, a transaction or a customer names it, and nobody without a key of the vault can add one or take one away.
//! So the trail says which must be there. Both are read once, whatever their number, and compared as sets by keyed hashes, in so many buckets; of buckets that differ the objects are
//! looked up by name.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use panvault_model::{Id, Timestamp};
use panvault_store::{Action, AuditRecord, Chain, Table};

/// Buckets of each table.
const BUCKETS: usize = 4_096;
/// Objects that are looked up by name at most.
const NAMED_MAX: usize = 1_000_000;

const SET: &[u8; 16] = b"rows by trail   ";
const TABLES: [Table; 3] = [Table::Card, Table::Transaction, Table::Customer];

/// Milliseconds after which what was made is in the trail and in its table, wherever clocks differ and however long a commit took.
const SETTLED_MILLIS: u64 = 90_000;

/// Sets of objects, as the rows and the trail have them.
pub(super) struct Presence {
    chain: Arc<dyn Chain>,
    /// What was made later is not looked at: it may be on its way.
    begun: Timestamp,
    rows: BTreeMap<Table, Vec<u128>>,
    trail: BTreeMap<Table, Vec<u128>>,
    /// Made a moment before, and in no set: by name.
    young: Candidates,
}

/// When an object was made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    Settled,
    Young,
    Later,
}

/// Objects in buckets that differ, by how often the trail has made them more than deleted them; 0 for those that it has deleted.
pub(super) type Candidates = HashMap<(Table, Vec<u8>), i64>;

impl Presence {
    /// Nothing is known yet.
    pub(super) fn new(chain: Arc<dyn Chain>, begun: Timestamp) -> Self {
        let empty = || TABLES.map(|table| (table, vec![0; BUCKETS])).into();
        Self { chain, begun, rows: empty(), trail: empty(), young: Candidates::new() }
    }

    /// A row is there.
    pub(super) fn row(&mut self, table: Table, key: &[u8]) {
        let Ok(id) = <[u8; 12]>::try_from(key) else { return };
        let id = Id::from_bytes(id);
        if self.age(id) == Age::Settled
            && let Some((bucket, hash)) = self.place(table, id)
        {
            flip(&mut self.rows, table, bucket, hash);
        }
    }

    /// The trail tells of one that was made, or deleted.
    pub(super) fn record(&mut self, record: &AuditRecord) {
        let (object, Some((table, by))) = (record.note.object, moves(record.note.action)) else { return };
        match self.age(object) {
            Age::Settled => {
                if let Some((bucket, hash)) = self.place(table, object) {
                    flip(&mut self.trail, table, bucket, hash);
                }
            }
            Age::Young if self.young.len() < NAMED_MAX => {
                *self.young.entry((table, object.as_bytes().to_vec())).or_default() += by;
            }
            Age::Young | Age::Later => {}
        }
    }

    /// Those that were made a moment before.
    pub(super) const fn young(&self) -> &Candidates {
        &self.young
    }

    /// The buckets of a table that differ.
    pub(super) fn differ(&self) -> HashSet<(Table, usize)> {
        let of = |table| {
            let (rows, trail) = (self.rows.get(&table), self.trail.get(&table));
            let buckets = rows.into_iter().flatten().zip(trail.into_iter().flatten()).enumerate();
            buckets.filter(|(_, (rows, trail))| rows != trail).map(move |(bucket, _)| (table, bucket))
        };
        TABLES.into_iter().flat_map(of).collect()
    }

    /// Notes an object of a record that is young, or in a bucket that differs. `false` when there are too many.
    pub(super) fn candidate(
        &self,
        differ: &HashSet<(Table, usize)>,
        record: &AuditRecord,
        candidates: &mut Candidates,
    ) -> bool {
        let (object, Some((table, by))) = (record.note.object, moves(record.note.action)) else {
            return true;
        };
        let is_one = match self.age(object) {
            Age::Settled => {
                self.place(table, object).is_some_and(|(bucket, _)| differ.contains(&(table, bucket)))
            }
            Age::Young => true,
            Age::Later => false,
        };
        if !is_one {
            return true;
        }
        if candidates.len() >= NAMED_MAX {
            return false;
        }
        *candidates.entry((table, object.as_bytes().to_vec())).or_default() += by;
        true
    }

    fn age(&self, id: Id) -> Age {
        let (made, begun) = (id.made_at().unix_millis(), self.begun.unix_millis());
        if made >= begun {
            Age::Later
        } else if made.saturating_add(SETTLED_MILLIS) >= begun {
            Age::Young
        } else {
            Age::Settled
        }
    }

    fn place(&self, table: Table, id: Id) -> Option<(usize, u128)> {
        let mut member = [0; 16];
        let [kind, rest @ ..] = &mut member;
        *kind = match table {
            Table::Card => 1,
            Table::Transaction => 2,
            Table::Customer => 3,
            Table::History
            | Table::Document
            | Table::Idempotency
            | Table::CardCvv
            | Table::Node
            | Table::ApiKeyUse
            | Table::Refund
            | Table::Delivery
            | Table::Checkout => return None,
        };
        rest.iter_mut().zip(id.as_bytes()).for_each(|(to, from)| *to = *from);
        let hash = u128::from_be_bytes(self.chain.member_hash(SET, &member));
        let bucket = usize::try_from(hash % BUCKETS as u128).ok()?;
        Some((bucket, hash))
    }
}

fn flip(sets: &mut BTreeMap<Table, Vec<u128>>, table: Table, bucket: usize, hash: u128) {
    if let Some(bucket) = sets.get_mut(&table).and_then(|buckets| buckets.get_mut(bucket)) {
        *bucket ^= hash;
    }
}

/// The table in which an action makes a row, or from which it takes one.
const fn moves(action: Action) -> Option<(Table, i64)> {
    match action {
        Action::CardCreate => Some((Table::Card, 1)),
        Action::CardDelete => Some((Table::Card, -1)),
        Action::TransactionInitiate => Some((Table::Transaction, 1)),
        Action::CustomerCreate => Some((Table::Customer, 1)),
        Action::CustomerDelete => Some((Table::Customer, -1)),
        Action::CardUpdate
        | Action::TransactionSettle
        | Action::DocumentCreate
        | Action::DocumentUpdate
        | Action::DocumentDelete
        | Action::IdempotencySweep
        | Action::CardRefresh
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
        | Action::TransactionCapture
        | Action::TransactionVoidCapture
        | Action::TransactionVoid
        | Action::TransactionTry
        | Action::RefundCreate
        | Action::RefundSettle
        | Action::RefundFail
        | Action::RefundRead
        | Action::RefundList
        | Action::CustomerUpdate
        | Action::CustomerRead
        | Action::CustomerList
        | Action::WebhookDeliver
        | Action::WebhookSweep
        | Action::WebhookRetry
        | Action::AuditCheckpoint
        | Action::TrailCheckpoint
        | Action::VaultMove
        | Action::NotificationContradict
        | Action::CheckoutCreate
        | Action::CheckoutEnd
        | Action::CheckoutSweep
        | Action::VaultBackup
        | Action::VaultRestore
        | Action::AuditVerify
        | Action::VaultSeal
        | Action::VaultUnseal
        | Action::ShareGive
        | Action::UnsealFail
        | Action::CeremonyHold
        | Action::KeyMake
        | Action::KeyActivate
        | Action::KeyDestroy
        | Action::CardReseal
        | Action::CustomerReseal
        | Action::HeaderChange
        | Action::VaultKeyActivate
        | Action::VaultKeyDestroy
        | Action::KeyRewrap
        | Action::RowRetag => None,
    }
}
