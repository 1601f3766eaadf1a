use core::hash::Hash;

use panvault_model::Now;

use crate::limit::limiter::{Rate, nanos};
use crate::limit::table::{Slot, Table};
use crate::limit::{LimitReached, Quota};
use crate::limits::{TRIES_KEYS_MAX, TRIES_UNDER_WAY_MAX};

/// How often something may fail, for each key. What is under way may yet fail: a key that has not failed of late may have so many under way,
/// and any other no more than it may still fail. What fails beyond that is owed: it takes as much longer until there is room again.
pub(super) struct Tries {
    rate: Rate,
    slots: Table<Failed>,
}

#[derive(Clone, Copy)]
struct Failed {
    key: u64,
    full_at_nanos: u64,
    under_way: u32,
}

impl Slot for Failed {
    fn new(key: u64) -> Self {
        Self { key, full_at_nanos: 0, under_way: 0 }
    }

    fn key(&self) -> u64 {
        self.key
    }

    fn weight(&self) -> u64 {
        if self.under_way > 0 { u64::MAX } else { self.full_at_nanos }
    }
}

impl Tries {
    /// Without uses it limits nothing.
    pub(super) fn new(limit: &'static str, quota: Quota) -> Self {
        let keys_max = if quota.uses > 0 { TRIES_KEYS_MAX } else { 0 };
        Self { rate: Rate::new(limit, quota), slots: Table::new(keys_max) }
    }

    pub(super) const fn bytes() -> usize {
        Table::<Failed>::bytes(TRIES_KEYS_MAX)
    }

    /// One more is under way from here on, unless it may not be.
    pub(super) fn begin(&self, key: &impl Hash, now: Now) -> Result<(), LimitReached> {
        let begun = self.slots.with(key, |slot| {
            self.rate.taken(slot.full_at_nanos, now)?;
            let may = if slot.full_at_nanos <= nanos(now) {
                TRIES_UNDER_WAY_MAX.max(self.rate.left(0, now))
            } else {
                self.rate.left(slot.full_at_nanos, now)
            };
            if slot.under_way >= may {
                return Err(self.rate.reached(1));
            }
            slot.under_way = slot.under_way.saturating_add(1);
            Ok(())
        });
        begun.unwrap_or(Ok(()))
    }

    /// One that was under way has ended.
    pub(super) fn end(&self, key: &impl Hash, failed: bool, now: Now) {
        self.slots.with(key, |slot| {
            slot.under_way = slot.under_way.saturating_sub(1);
            if failed {
                slot.full_at_nanos = self.rate.owed(slot.full_at_nanos, now);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use panvault_model::Timestamp;

    use super::*;

    #[test]
    fn what_is_under_way_counts_and_what_fails_beyond_is_owed() {
        let tries = Tries::new("test", Quota::per_hour(5));
        let at =
            |seconds: u64| Now { wall: Timestamp::from_unix_millis(0), monotonic_millis: seconds * 1000 };
        let begun = |times, seconds| (0..times).filter(|_| tries.begin(&1, at(seconds)).is_ok()).count();
        assert_eq!(begun(100, 10), 20, "none has failed");
        (0..20).for_each(|_| tries.end(&1, false, at(10)));
        assert_eq!(begun(100, 10), 20, "as many again");
        tries.end(&1, true, at(10));
        assert_eq!(begun(1, 10), 0, "four may still fail, and nineteen are under way");
        (0..19).for_each(|_| tries.end(&1, true, at(10)));
        assert_eq!(tries.begin(&1, at(10)).unwrap_err().retry_after_seconds, 16 * 720);
        assert_eq!(begun(1, 10 + 16 * 720 - 1), 0);
        assert_eq!(begun(9, 10 + 16 * 720), 1);
    }
}
