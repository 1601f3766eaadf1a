use core::hash::{BuildHasher, Hash, Hasher};
use core::num::NonZeroU32;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::HashMap;
use std::collections::hash_map::RandomState as AnyKeys;
use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState as KnownKeys;
use panvault_model::{ApiKeyId, Id, OrganisationId, RequestId, Timestamp};
use panvault_store::{Action, AuditNote, Counted, RefusalReason};

use crate::limits::{ACCESS_REFUSALS_COUNTED_MAX, READS_COUNTED_MAX, SIGNIN_REFUSALS_COUNTED_MAX};

/// What is counted together: all of it but the times and the last object is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) action: Action,
    pub(crate) actor: Option<ApiKeyId>,
    pub(crate) organisation: OrganisationId,
    /// All zeroes for this machine's own commands, and for several addresses.
    pub(crate) address: [u8; 16],
    /// Number of the reason of a refusal; 0 for several.
    pub(crate) reason: u8,
    /// Number of the operation that was refused; [`Counted::SEVERAL`].
    pub(crate) operation: u8,
}

impl Subject {
    /// Those for whom there is no room to tell them apart.
    const fn several(action: Action) -> Self {
        Self {
            action,
            actor: None,
            organisation: OrganisationId::from_bytes([0; 12]),
            address: [0; 16],
            reason: 0,
            operation: Counted::SEVERAL,
        }
    }
}

/// A subject as a map knows it: every read looks one up, and whole words are compared and hashed with the fewest instructions.
#[derive(Clone, Copy, Eq)]
struct Key([u64; 6]);

/// Without the call to compare memory that comparing arrays is.
impl PartialEq for Key {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).fold(0, |differ, (one, two)| differ | (one ^ two)) == 0
    }
}

impl Key {
    #[inline]
    fn of(subject: &Subject) -> Self {
        let [a, b, c] = subject.actor.as_ref().map_or([0; 3], |actor| words(actor.as_bytes()));
        let [d, e, f] = words(subject.organisation.as_bytes());
        let [high, low] = halves(&subject.address);
        let what = u32::from_be_bytes([0, subject.action.code(), subject.reason, subject.operation]);
        Self([two(a, b), two(c, d), two(e, f), high, low, u64::from(what)])
    }
}

fn two(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn halves(address: &[u8; 16]) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, low @ ..] = *address;
    [[a, b, c, d, e, f, g, h], low].map(u64::from_be_bytes)
}

fn words(id: &[u8; 12]) -> [u32; 3] {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *id;
    [[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_be_bytes)
}

impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.iter().for_each(|word| state.write_u64(*word));
    }
}

/// How often, between when, and of what last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    times: NonZeroU32,
    first_at: Timestamp,
    last_at: Timestamp,
    object: Id,
}

impl Count {
    fn once(object: Id, at: Timestamp) -> Self {
        Self { times: NonZeroU32::MIN, first_at: at, last_at: at, object }
    }

    fn add(&mut self, other: &Self) {
        self.times = self.times.saturating_add(other.times.get());
        self.first_at = self.first_at.min(other.first_at);
        if other.last_at >= self.last_at {
            (self.last_at, self.object) = (other.last_at, other.object);
        }
    }
}

/// What was seen and refused since it was last written down. Of each class so many subjects are told apart; where there are more, those of one key
/// are counted together wherever they come from, and when there is no room for those either, all of an action.
#[derive(Default)]
pub(crate) struct Counts {
    reads: Mutex<Table<KnownKeys>>,
    /// Anybody can make some of these, with a browser's key, and of those below, from addresses of their choice.
    access_refusals: Mutex<Table<AnyKeys>>,
    signin_refusals: Mutex<Table<AnyKeys>>,
    /// Refusals since the start, by reason.
    refused: [AtomicU64; RefusalReason::ALL.len()],
    /// What was counted since the start without who it was.
    several: AtomicU64,
}

impl Counts {
    /// Counts one.
    pub(crate) fn add(&self, subject: Subject, object: Id, at: Timestamp) {
        let reason = usize::from(subject.reason).checked_sub(1);
        if let Some(refused) = reason.and_then(|at| self.refused.get(at)) {
            refused.fetch_add(1, Ordering::Relaxed);
        }
        if !self.put(subject, Count::once(object, at)) {
            self.several.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Adds what could not be written down.
    pub(crate) fn put_back(&self, counts: &[(Subject, Count)]) {
        for (subject, count) in counts {
            self.put(*subject, *count);
        }
    }

    /// All that was counted; none of it is here any more.
    pub(crate) fn take(&self) -> Vec<(Subject, Count)> {
        let mut counts = taken(&self.reads);
        counts.extend(taken(&self.access_refusals));
        counts.extend(taken(&self.signin_refusals));
        // In the order in which it happened, which the trail is read in.
        counts.sort_unstable_by_key(|(_, count)| count.last_at);
        counts
    }

    /// How often there was a refusal since the start, by reason.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (RefusalReason, u64)> {
        let times = self.refused.iter().map(|times| times.load(Ordering::Relaxed));
        RefusalReason::ALL.iter().copied().zip(times)
    }

    /// How much was counted since the start without who it was.
    pub(crate) fn several(&self) -> u64 {
        self.several.load(Ordering::Relaxed)
    }

    fn put(&self, subject: Subject, count: Count) -> bool {
        match subject.action {
            Action::SigninRefuse => put(&self.signin_refusals, SIGNIN_REFUSALS_COUNTED_MAX, subject, &count),
            Action::AccessRefuse => put(&self.access_refusals, ACCESS_REFUSALS_COUNTED_MAX, subject, &count),
            Action::CardRead
            | Action::CardList
            | Action::TransactionRead
            | Action::TransactionList
            | Action::AuditRead
            | Action::CardCreate
            | Action::CardUpdate
            | Action::CardDelete
            | Action::TransactionInitiate
            | Action::TransactionTry
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
            | Action::TransactionCapture
            | Action::TransactionVoidCapture
            | Action::TransactionVoid
            | Action::RefundCreate
            | Action::RefundSettle
            | Action::RefundFail
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
            | Action::VaultBackup
            | Action::VaultRestore
            | Action::AuditRetire
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
            | Action::TrailCheckpoint
            | Action::HeaderChange
            | Action::SlotAdd
            | Action::SlotRemove
            | Action::VaultKeyActivate
            | Action::VaultKeyDestroy
            | Action::KeyRewrap
            | Action::RowRetag
            | Action::DocumentRetag => put(&self.reads, READS_COUNTED_MAX, subject, &count),
        }
    }
}

/// Counts by subject.
struct Table<S>(HashMap<Key, (Subject, Count), S>);

impl<S: Default> Default for Table<S> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

fn put<S: BuildHasher>(table: &Mutex<Table<S>>, most: usize, subject: Subject, count: &Count) -> bool {
    table.lock().unwrap_or_else(PoisonError::into_inner).put(most, subject, count)
}

fn taken<S: Default>(table: &Mutex<Table<S>>) -> Vec<(Subject, Count)> {
    let table = core::mem::take(&mut *table.lock().unwrap_or_else(PoisonError::into_inner));
    table.0.into_values().collect()
}

impl<S: BuildHasher> Table<S> {
    /// Counts it, and says whether it is known of whom.
    fn put(&mut self, most: usize, subject: Subject, count: &Count) -> bool {
        if let Some((_, known)) = self.0.get_mut(&Key::of(&subject)) {
            known.add(count);
            return true;
        }
        self.put_new(most, subject, count)
    }

    #[cold]
    fn put_new(&mut self, most: usize, subject: Subject, count: &Count) -> bool {
        let from_several = Subject { address: [0; 16], ..subject };
        let kept = if self.0.len() < most {
            subject
        } else if self.0.len() < most + most / 4 || self.0.contains_key(&Key::of(&from_several)) {
            from_several
        } else {
            Subject::several(subject.action)
        };
        let known = self.0.entry(Key::of(&kept)).and_modify(|(_, known)| known.add(count));
        known.or_insert((kept, *count));
        kept.operation != Counted::SEVERAL
    }
}

impl Count {
    /// The note that says it, written down at `at`.
    pub(crate) fn note(&self, subject: &Subject, at: Timestamp) -> AuditNote {
        let counted = Counted::new(self.times, self.first_at, self.last_at, at, subject.operation);
        AuditNote {
            at,
            action: subject.action,
            actor: subject.actor,
            organisation: subject.organisation,
            object: if subject.operation == Counted::SEVERAL { Id::from_bytes([0; 12]) } else { self.object },
            request: RequestId::from_bytes([0; 12]),
            address: subject.address,
            outcome: subject.reason,
            counted: Some(counted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_unix_millis(millis)
    }

    fn id(n: u8) -> Id {
        Id::from_bytes([n; 12])
    }

    fn read(n: u8) -> Subject {
        Subject {
            action: Action::CardRead,
            actor: Some(ApiKeyId(id(n))),
            organisation: OrganisationId(id(1)),
            address: [n; 16],
            reason: 0,
            operation: 0,
        }
    }

    fn failed(n: u32) -> Subject {
        let mut address = [0xfe; 16];
        address[..4].copy_from_slice(&n.to_be_bytes());
        Subject {
            action: Action::SigninRefuse,
            actor: None,
            address,
            reason: RefusalReason::KeyUnknown.code(),
            ..read(0)
        }
    }

    fn times(counts: &[(Subject, Count)]) -> u64 {
        counts.iter().map(|(_, count)| u64::from(count.times.get())).sum()
    }

    #[test]
    fn what_is_alike_is_counted_together() {
        let counts = Counts::default();
        counts.add(read(1), id(10), at(5));
        counts.add(read(2), id(11), at(6));
        counts.add(read(1), id(12), at(9));
        // A request may end later than one that began after it.
        counts.add(read(1), id(13), at(7));
        let taken = counts.take();
        let count = |times, first, last, object| Count {
            times: NonZeroU32::new(times).unwrap(),
            first_at: at(first),
            last_at: at(last),
            object: id(object),
        };
        assert_eq!(taken, [(read(2), count(1, 6, 6, 11)), (read(1), count(3, 5, 9, 12))]);
        assert!(counts.take().is_empty());
        counts.put_back(&taken);
        counts.add(read(2), id(14), at(20));
        assert_eq!(counts.take(), [(read(1), count(3, 5, 9, 12)), (read(2), count(2, 6, 20, 14))]);
    }

    /// A million failed sign-ins from a million addresses are as many entries as are told apart, and none is left out of the count.
    #[test]
    fn a_flood_is_bounded_and_counted_whole() {
        let counts = Counts::default();
        for n in 0..1_000_000 {
            counts.add(failed(n), id(0), at(n.into()));
        }
        counts.add(read(1), id(10), at(2_000_000));
        let taken = counts.take();
        assert_eq!(times(&taken), 1_000_001);
        // All beyond those that are told apart by address are of one reason.
        assert_eq!(taken.len(), SIGNIN_REFUSALS_COUNTED_MAX + 1 + 1);
        assert_eq!(taken.last().unwrap().0, read(1), "reads have room of their own");
        let unknown = usize::from(RefusalReason::KeyUnknown.code()) - 1;
        assert_eq!(counts.refused().nth(unknown), Some((RefusalReason::KeyUnknown, 1_000_000)));
        assert_eq!(counts.several(), 0);
    }

    /// One key from many addresses is still that key; many keys beyond all room are counted, and it is said that they are several.
    #[test]
    fn where_there_is_no_room_it_is_said_of_fewer() {
        let counts = Counts::default();
        let from = |n: u32, actor: u32| {
            let mut bytes = [7; 12];
            bytes[..4].copy_from_slice(&actor.to_be_bytes());
            let actor = Some(ApiKeyId::from_bytes(bytes));
            Subject { action: Action::CardRead, actor, reason: 0, ..failed(n) }
        };
        let most = u32::try_from(READS_COUNTED_MAX).unwrap();
        (0..2 * most).for_each(|n| counts.add(from(n, 1), id(1), at(1)));
        let taken = counts.take();
        assert_eq!((taken.len(), times(&taken)), (READS_COUNTED_MAX + 1, u64::from(2 * most)));
        assert!(taken.iter().all(|(subject, _)| subject.actor.is_some()));
        (0..2 * most).for_each(|n| counts.add(from(n, n), id(1), at(1)));
        let taken = counts.take();
        let all = READS_COUNTED_MAX + READS_COUNTED_MAX / 4;
        assert_eq!((taken.len(), times(&taken)), (all + 1, u64::from(2 * most)));
        let several: Vec<_> = taken.iter().filter(|(subject, _)| subject.actor.is_none()).collect();
        assert_eq!((several.len(), several[0].1.times.get()), (1, 2 * most - u32::try_from(all).unwrap()));
        assert!(several[0].1.note(&several[0].0, at(1)).is_anonymous());
        assert_eq!(counts.several(), u64::from(several[0].1.times.get()));
    }
}
