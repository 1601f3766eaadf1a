use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
    /// Days for which a key is active at most, one of the vault or of an organisation; 0 is for ever. One that is active for longer is said to be overdue, and works on.
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
    /// Rows that are not what was written, or that nobody can write anew, as the last reading of all found: while there is one, the keys that it may need are not destroyed.
    pub rows_damaged: u64,
    /// Keys that are active for longer than they should be.
    pub keys_overdue: u64,
    /// Seconds for which the fingerprints that a key made are known beside the next ones, as this node is set.
    pub fingerprint_overlap_seconds: u64,
}

/// A key of an organisation that another took the place of.
pub(super) type Retired = (OrganisationId, Purpose, u32);

/// What keeps keys of organisations that others took the place of.
#[derive(Default)]
pub(super) struct RowsKept {
    /// How many rows are to be sealed anew for each.
    pub(super) left: BTreeMap<Retired, u64>,
    /// How many rows nobody can seal anew that need it.
    pub(super) stuck: BTreeMap<Retired, u64>,
    /// Rows that do not bear their tag: each may need any of them.
    pub(super) damaged: u64,
}

impl RowsKept {
    fn damaged_of(&self, key: Retired) -> u64 {
        self.damaged + self.stuck.get(&key).copied().unwrap_or(0)
    }
}

/// What a reading of all rows found of their tags.
#[derive(Debug)]
pub(super) struct TagsFound {
    /// How many rows bear the tag of each key that another took the place of.
    pub(super) rows: BTreeMap<u16, u64>,
    /// Those of them that are left to end.
    pub(super) ending: BTreeMap<u16, u64>,
    /// Rows that do not bear their tag, or that nobody can give another.
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
    rows: Mutex<RowsKept>,
    rows_resealed: AtomicU64,
    /// Of each key that tags.
    tags: Mutex<BTreeMap<VaultPurpose, TagsFound>>,
    rows_retagged: AtomicU64,
    /// The table of issuers of this node bears the tag of a key for documents of before, and was given no other when it should have been.
    is_kept_by_bins: AtomicBool,
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
            rows: Mutex::default(),
            rows_resealed: AtomicU64::new(0),
            tags: Mutex::default(),
            rows_retagged: AtomicU64::new(0),
            is_kept_by_bins: AtomicBool::new(false),
            records: Mutex::default(),
            seen: Mutex::default(),
            keys_rotating: AtomicU64::new(0),
            keys_overdue: AtomicU64::new(0),
            woken: Notify::new(),
        }
    }

    pub(crate) fn status(&self) -> RotationStatus {
        let (rows, tags, records) = (self.rows(), self.tags(), self.records());
        let of_tags = || tags.values().flat_map(|found| found.rows.values());
        let is_counted = !rows.left.is_empty() || of_tags().next().is_some();
        let damaged_of = |purpose| tags.get(&purpose).map_or(0, |found: &TagsFound| found.damaged);
        // Each of these read the same rows.
        let damaged = [
            rows.damaged,
            damaged_of(VaultPurpose::RowTag),
            records.as_ref().map_or(0, |found| found.damaged),
        ];
        let damaged = damaged.into_iter().fold(0, u64::max) + damaged_of(VaultPurpose::DocumentTag);
        RotationStatus {
            keys_rotating: self.keys_rotating.load(Ordering::Relaxed),
            rows_left: is_counted.then(|| rows.left.values().chain(of_tags()).sum()),
            rows_resealed: self.rows_resealed.load(Ordering::Relaxed),
            rows_retagged: self.rows_retagged.load(Ordering::Relaxed),
            rows_damaged: damaged + rows.stuck.values().sum::<u64>(),
            keys_overdue: self.keys_overdue.load(Ordering::Relaxed),
            fingerprint_overlap_seconds: self.overlap_seconds(),
        }
    }

    pub(super) const fn settings(&self) -> RotationSettings {
        self.settings
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
        self.rows().left.get(&key).copied()
    }

    /// Rows that keep a key and that nobody can seal anew, where this node has counted them.
    pub(super) fn rows_damaged(&self, key: Retired) -> Option<u64> {
        let rows = self.rows();
        rows.left.contains_key(&key).then(|| rows.damaged_of(key))
    }

    /// All rows were read: this is what needs each key.
    pub(super) fn counted(&self, counted: RowsKept) {
        *self.rows() = counted;
    }

    /// One row less needs these keys.
    pub(super) fn resealed(&self, keys: &[Retired]) {
        self.rows_resealed.fetch_add(1, Ordering::Relaxed);
        let mut rows = self.rows();
        for key in keys {
            if let Some(left) = rows.left.get_mut(key) {
                *left = left.saturating_sub(1);
            }
        }
    }

    /// So many rows need each of these keys and could not be sealed anew.
    pub(super) fn not_resealed(&self, failed: &BTreeMap<Retired, u64>) {
        let mut rows = self.rows();
        for (key, failed) in failed {
            let known = rows.stuck.insert(*key, *failed).unwrap_or(0);
            if let Some(left) = rows.left.get_mut(key) {
                *left = left.saturating_sub(failed.saturating_sub(known));
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

    /// One row less bears the tag of a key.
    pub(super) fn retagged(&self, purpose: VaultPurpose, key: u16) {
        self.rows_retagged.fetch_add(1, Ordering::Relaxed);
        if let Some(left) = self.tags().get_mut(&purpose).and_then(|found| found.rows.get_mut(&key)) {
            *left = left.saturating_sub(1);
        }
    }

    /// So many rows bear the tag of each of these keys, and nobody could give them another however often all were gone through.
    pub(super) fn tags_not_made(&self, purpose: VaultPurpose, not_made: &BTreeMap<u16, u64>) {
        if let Some(found) = self.tags().get_mut(&purpose) {
            for (key, rows) in not_made {
                if let Some(left) = found.rows.get_mut(key) {
                    *left = left.saturating_sub(*rows);
                }
                found.damaged += rows;
            }
        }
    }

    /// Rows that bear the tag of a key that another took the place of, where this node has counted them.
    pub(super) fn tags_left(&self, purpose: VaultPurpose, key: u16) -> Option<u64> {
        self.tags().get(&purpose)?.rows.get(&key).copied()
    }

    /// Rows that are not what was written or that nobody can give another tag, where this node has counted them.
    pub(super) fn tags_damaged(&self, purpose: VaultPurpose) -> Option<u64> {
        Some(self.tags().get(&purpose)?.damaged)
    }

    /// Whether the table of issuers keeps a key for documents of before.
    pub(super) fn bins_keep_key(&self, they_do: bool) {
        self.is_kept_by_bins.store(they_do, Ordering::Relaxed);
    }

    pub(super) fn is_kept_by_bins(&self) -> bool {
        self.is_kept_by_bins.load(Ordering::Relaxed)
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

    /// Records that do not bear their tag, where this node has counted them.
    pub(super) fn records_damaged(&self) -> Option<u64> {
        Some(self.records().as_ref()?.damaged)
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

    fn rows(&self) -> MutexGuard<'_, RowsKept> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
