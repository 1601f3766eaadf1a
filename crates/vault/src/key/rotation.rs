use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use panvault_keys::{Purpose, VaultKeyDescription, VaultPurpose};
use panvault_model::{OrganisationId, Timestamp};
use tokio::sync::Notify;

/// How keys are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationSettings {
    /// Rows that are sealed anew in a second, at most; at least 1.
    pub rows_per_second: u32,
    /// Days for which a key of an organisation is active at most; 0 is for ever. One that is active for longer is said to be overdue, and works on.
    pub key_days_max: u32,
    /// Seconds for which the fingerprints that a key made are known beside the next ones, once every card has its next one.
    pub fingerprint_overlap_seconds: u64,
}

impl RotationSettings {
    /// As they are where nobody says otherwise.
    pub const DEFAULT: Self =
        Self { rows_per_second: 500, key_days_max: 730, fingerprint_overlap_seconds: DAY_SECONDS };

    /// Until when a key should be active at most.
    pub(super) fn ends_at(self, active_from: Option<Timestamp>) -> Option<Timestamp> {
        let days = Some(u64::from(self.key_days_max)).filter(|days| *days > 0)?;
        Some(active_from?.plus_seconds(days * DAY_SECONDS))
    }
}

/// How rotations stand, as far as this node knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RotationStatus {
    /// Keys that are on their way in or out.
    pub keys_rotating: u64,
    /// Rows that still need a key which another took the place of, where this node has counted them.
    pub rows_left: Option<u64>,
    /// Rows that this node has sealed anew since it started.
    pub rows_resealed: u64,
    /// Rows that this node has given another tag since it started.
    pub rows_retagged: u64,
    /// Rows that do not bear their tag, of the last reading of all for a key of tags: while there is one, none of these keys is destroyed.
    pub rows_damaged: u64,
    /// Keys that are active for longer than they should be.
    pub keys_overdue: u64,
}

/// A key of an organisation that another took the place of.
pub(super) type Retired = (OrganisationId, Purpose, u32);

/// What a reading of all rows found of their tags.
#[derive(Debug)]
pub(super) struct TagsFound {
    /// How many rows bear the tag of each key that another took the place of.
    pub(super) rows: BTreeMap<u16, u64>,
    /// Rows that do not bear their tag.
    pub(super) damaged: u64,
}

/// What a reading of all records of idempotency keys found.
#[derive(Clone)]
pub(super) struct RecordsFound {
    /// How many records each key made that another took the place of.
    pub(super) rows: BTreeMap<u16, u64>,
    /// Records that do not bear their tag.
    pub(super) damaged: u64,
    /// When they are to be read again.
    pub(super) count_at: Timestamp,
}

impl RecordsFound {
    pub(super) fn is_empty(&self) -> bool {
        self.damaged == 0 && self.rows.values().all(|rows| *rows == 0)
    }
}

/// What a node knows of rotations beside what is stored.
pub(crate) struct Rotation {
    settings: RotationSettings,
    rows_left: Mutex<BTreeMap<Retired, u64>>,
    rows_resealed: AtomicU64,
    /// Of each key that tags.
    tags: Mutex<BTreeMap<VaultPurpose, TagsFound>>,
    rows_retagged: AtomicU64,
    records: Mutex<Option<RecordsFound>>,
    /// When this node first saw a key of the vault in a state.
    seen: Mutex<BTreeMap<(VaultPurpose, u16, &'static str), Timestamp>>,
    keys_rotating: AtomicU64,
    keys_overdue: AtomicU64,
    /// Something is to be done.
    woken: Notify,
}

const DAY_SECONDS: u64 = 86_400;

impl Rotation {
    pub(crate) fn new(settings: RotationSettings) -> Self {
        Self {
            settings,
            rows_left: Mutex::default(),
            rows_resealed: AtomicU64::new(0),
            tags: Mutex::default(),
            rows_retagged: AtomicU64::new(0),
            records: Mutex::default(),
            seen: Mutex::default(),
            keys_rotating: AtomicU64::new(0),
            keys_overdue: AtomicU64::new(0),
            woken: Notify::new(),
        }
    }

    pub(crate) fn status(&self) -> RotationStatus {
        let (rows_left, tags) = (self.left(), self.tags());
        let of_tags = || tags.values().flat_map(|found| found.rows.values());
        let is_counted = !rows_left.is_empty() || of_tags().next().is_some();
        RotationStatus {
            keys_rotating: self.keys_rotating.load(Ordering::Relaxed),
            rows_left: is_counted.then(|| rows_left.values().chain(of_tags()).sum()),
            rows_resealed: self.rows_resealed.load(Ordering::Relaxed),
            rows_retagged: self.rows_retagged.load(Ordering::Relaxed),
            rows_damaged: tags.values().map(|found| found.damaged).sum(),
            keys_overdue: self.keys_overdue.load(Ordering::Relaxed),
        }
    }

    /// Until when a key should be active at most.
    pub(super) fn ends_at(&self, active_from: Option<Timestamp>) -> Option<Timestamp> {
        self.settings.ends_at(active_from)
    }

    pub(super) fn rows_per_second(&self) -> u32 {
        self.settings.rows_per_second.max(1)
    }

    pub(super) fn overlap_seconds(&self) -> u64 {
        self.settings.fingerprint_overlap_seconds
    }

    pub(super) fn rows_left(&self, key: Retired) -> Option<u64> {
        self.left().get(&key).copied()
    }

    /// All rows were read: so many need each of these keys.
    pub(super) fn counted(&self, counted: &BTreeMap<Retired, u64>) {
        self.left().clone_from(counted);
    }

    /// One row less needs these keys.
    pub(super) fn resealed(&self, keys: &[Retired]) {
        self.rows_resealed.fetch_add(1, Ordering::Relaxed);
        let mut rows_left = self.left();
        for key in keys {
            if let Some(left) = rows_left.get_mut(key) {
                *left = left.saturating_sub(1);
            }
        }
    }

    /// All rows that a key of this purpose tags were read, and this is what their tags are.
    pub(super) fn tags_counted(&self, purpose: VaultPurpose, found: TagsFound) {
        self.tags().insert(purpose, found);
    }

    /// What the tags of rows are is nobody's to know here.
    pub(super) fn tags_unknown(&self, purpose: VaultPurpose) {
        self.tags().remove(&purpose);
    }

    /// The same of all keys that tag.
    pub(super) fn no_tags_known(&self) {
        self.tags().clear();
    }

    /// One row less bears the tag of a key.
    pub(super) fn retagged(&self, purpose: VaultPurpose, key: u16) {
        self.rows_retagged.fetch_add(1, Ordering::Relaxed);
        if let Some(left) = self.tags().get_mut(&purpose).and_then(|found| found.rows.get_mut(&key)) {
            *left = left.saturating_sub(1);
        }
    }

    /// Rows that bear the tag of a key that another took the place of, where this node has counted them.
    pub(super) fn tags_left(&self, purpose: VaultPurpose, key: u16) -> Option<u64> {
        self.tags().get(&purpose)?.rows.get(&key).copied()
    }

    /// All records of idempotency keys were read; or what there is of them is nobody's to know here.
    pub(super) fn records_counted(&self, found: Option<RecordsFound>) {
        *self.records() = found;
    }

    /// When they are to be read next.
    pub(super) fn records_count_at(&self) -> Timestamp {
        self.records().as_ref().map_or(Timestamp::from_unix_millis(0), |found| found.count_at)
    }

    /// Records that a key made which another took the place of, where this node has counted them.
    pub(super) fn records_left(&self, key: u16) -> Option<u64> {
        self.records().as_ref()?.rows.get(&key).copied()
    }

    /// Since when this node knows that a key of the vault is in its state; now, if it did not.
    pub(super) fn known_since(&self, key: &VaultKeyDescription, now: Timestamp) -> Timestamp {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen.entry((key.purpose, key.version, key.state.as_str())).or_insert(now)
    }

    pub(super) fn keys_are(&self, rotating: u64, overdue: u64) {
        self.keys_rotating.store(rotating, Ordering::Relaxed);
        self.keys_overdue.store(overdue, Ordering::Relaxed);
    }

    pub(crate) fn wake(&self) {
        self.woken.notify_one();
    }

    pub(super) async fn woken(&self) {
        self.woken.notified().await;
    }

    fn records(&self) -> MutexGuard<'_, Option<RecordsFound>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tags(&self) -> MutexGuard<'_, BTreeMap<VaultPurpose, TagsFound>> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self) -> MutexGuard<'_, BTreeMap<Retired, u64>> {
        self.rows_left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
