use core::hash::Hash;

use panvault_model::Now;

use crate::limit::table::{Slot, Table};
use crate::limit::{LimitReached, Quota};

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_MILLI: u64 = 1_000_000;

/// How often something may be done, for each key: a bucket that is full at first, fills steadily, and of which each use takes one.
///
/// Of a bucket one number is kept: when it is full again, in nanoseconds of the clock that never goes back (the generic cell rate algorithm,
/// ITU-T I.371). A restart fills all of them.
pub struct Limiter {
    rate: Rate,
    buckets: Table<Bucket>,
}

/// How fast buckets fill, and how much they hold.
pub(super) struct Rate {
    limit: &'static str,
    quota: Quota,
    /// For which one use lasts.
    step_nanos: u64,
}

#[derive(Clone, Copy)]
struct Bucket {
    key: u64,
    full_at_nanos: u64,
    /// What it was last taken for.
    last: u64,
}

impl Slot for Bucket {
    fn new(key: u64) -> Self {
        Self { key, full_at_nanos: 0, last: 0 }
    }

    fn key(&self) -> u64 {
        self.key
    }

    fn weight(&self) -> u64 {
        self.full_at_nanos
    }
}

impl Limiter {
    /// The limit of this name, for at least so many keys at a time. Without uses it limits nothing, and takes no memory.
    pub fn new(limit: &'static str, quota: Quota, keys_max: usize) -> Self {
        let keys_max = if quota.uses > 0 { keys_max } else { 0 };
        Self { rate: Rate::new(limit, quota), buckets: Table::new(keys_max) }
    }

    /// Bytes of memory of one for so many keys.
    pub const fn bytes(keys_max: usize) -> usize {
        Table::<Bucket>::bytes(keys_max)
    }

    /// Takes one use of a key's.
    pub fn take(&self, key: &impl Hash, now: Now) -> Result<(), LimitReached> {
        let taken = self.buckets.with(key, |bucket| {
            bucket.full_at_nanos = self.rate.taken(bucket.full_at_nanos, now)?;
            Ok(())
        });
        taken.unwrap_or(Ok(()))
    }

    /// The same, for something: when the last use was for the same, none is taken. There must be one left all the same: else who finds
    /// that one thing is not refused would know that it was the last.
    pub(crate) fn take_for(&self, key: &impl Hash, what: u64, now: Now) -> Result<(), LimitReached> {
        let taken = self.buckets.with(key, |bucket| {
            let full_at_nanos = self.rate.taken(bucket.full_at_nanos, now)?;
            if bucket.full_at_nanos == 0 || bucket.last != what {
                *bucket = Bucket { full_at_nanos, last: what, ..*bucket };
            }
            Ok(())
        });
        taken.unwrap_or(Ok(()))
    }
}

impl Rate {
    pub(super) fn new(limit: &'static str, quota: Quota) -> Self {
        let span = u64::from(quota.seconds).saturating_mul(NANOS_PER_SECOND);
        Self { limit, quota, step_nanos: span.div_ceil(u64::from(quota.uses).max(1)) }
    }

    /// When a bucket is full again, once a use is taken of it.
    pub(super) fn taken(&self, full_at_nanos: u64, now: Now) -> Result<u64, LimitReached> {
        let full_at = self.owed(full_at_nanos, now);
        let missing = full_at.saturating_sub(nanos(now)).saturating_sub(self.room_nanos());
        if missing == 0 { Ok(full_at) } else { Err(self.reached(missing.div_ceil(NANOS_PER_SECOND))) }
    }

    /// The same, though there may be none left.
    pub(super) fn owed(&self, full_at_nanos: u64, now: Now) -> u64 {
        full_at_nanos.max(nanos(now)).saturating_add(self.step_nanos)
    }

    /// How many uses are left of a bucket.
    pub(super) fn left(&self, full_at_nanos: u64, now: Now) -> u32 {
        let room = self.room_nanos().saturating_sub(full_at_nanos.saturating_sub(nanos(now)));
        room.checked_div(self.step_nanos).and_then(|left| left.try_into().ok()).unwrap_or(u32::MAX)
    }

    pub(super) const fn reached(&self, retry_after_seconds: u64) -> LimitReached {
        LimitReached { limit: self.limit, quota: self.quota, retry_after_seconds }
    }

    fn room_nanos(&self) -> u64 {
        self.step_nanos.saturating_mul(u64::from(self.quota.uses))
    }
}

/// Of the clock that never goes back.
pub(super) const fn nanos(now: Now) -> u64 {
    now.monotonic_millis.saturating_mul(NANOS_PER_MILLI)
}

#[cfg(test)]
mod tests {
    use panvault_model::Timestamp;

    use super::*;

    fn at(monotonic_millis: u64) -> Now {
        Now { wall: Timestamp::from_unix_millis(0), monotonic_millis }
    }

    fn per_minute(uses: u32) -> Limiter {
        Limiter::new("test", Quota::per_minute(uses), 64)
    }

    fn wait(taken: Result<(), LimitReached>) -> u64 {
        taken.map_or_else(|reached| reached.retry_after_seconds, |()| 0)
    }

    #[test]
    fn a_bucket_empties_and_fills_by_the_minute() {
        let limiter = per_minute(3);
        let take = |key: u32, millis| wait(limiter.take(&key, at(millis)));
        assert_eq!([take(1, 5000), take(1, 5000), take(1, 5000), take(1, 5000)], [0, 0, 0, 20]);
        assert_eq!(take(2, 5000), 0, "each key has its own");
        assert_eq!(take(1, 24_001), 1);
        assert_eq!(take(1, 25_000), 0);
        assert_eq!(take(1, 24_000), 21, "time that goes back fills nothing");
        let much_later = [0; 4].map(|_: u8| take(1, 10_000_000));
        assert_eq!(much_later, [0, 0, 0, 20], "no more than a minute's is kept");
        let refused = limiter.take(&1_u32, at(10_000_000)).unwrap_err();
        assert_eq!((refused.limit, refused.quota), ("test", Quota { uses: 3, seconds: 60 }));
    }

    #[test]
    fn waiting_as_long_as_is_said_is_enough() {
        for uses in [1, 7, 59, 60, 61, 600, 1_000_000] {
            let limiter = per_minute(uses);
            while limiter.take(&1, at(0)).is_ok() {}
            let seconds = wait(limiter.take(&1, at(0)));
            assert!((1..=60).contains(&seconds));
            assert_eq!(limiter.take(&1, at(seconds * 1000)), Ok(()), "{uses}");
        }
    }

    #[test]
    fn none_is_any_number() {
        let limiter = per_minute(0);
        assert!((0..100_000).all(|_| limiter.take(&1, at(0)).is_ok()));
    }

    /// Else one of two answers would tell that a card number is the one that was stored last.
    #[test]
    fn the_same_again_takes_nothing_but_needs_a_use_that_is_left() {
        let limiter = per_minute(2);
        let take = |what| wait(limiter.take_for(&1, what, at(0)));
        assert_eq!([take(7), take(7), take(7)], [0, 0, 0]);
        assert_eq!([take(8), take(8), take(7)], [0, 30, 30]);
    }
}
