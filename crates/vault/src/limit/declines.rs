use core::hash::Hash;

use panvault_model::Now;

use crate::limit::table::{Slot, Table};
use crate::limit::{LimitReached, Limiter, Quota};
use crate::limits::{DECLINES_KEYS_MAX, DECLINES_SECONDS, DECLINES_TRIALS_PER_MINUTE};

const LIMIT: &str = "declines_percent_max";

/// How many of a key's payments are declined, over the last minutes. Where too many are, only a few are let through, which show when
/// it is over.
pub(super) struct Declines {
    percent_max: u8,
    shares: Table<Share>,
    trials: Limiter,
}

/// What became of payments in this half of the time and in the one before.
#[derive(Clone, Copy)]
struct Share {
    key: u64,
    half: u64,
    now: Ended,
    before: Ended,
}

#[derive(Clone, Copy, Default)]
struct Ended {
    all: u32,
    declined: u32,
}

impl Slot for Share {
    fn new(key: u64) -> Self {
        Self { key, half: 0, now: Ended::default(), before: Ended::default() }
    }

    fn key(&self) -> u64 {
        self.key
    }

    fn weight(&self) -> u64 {
        let declined = self.now.declined.saturating_add(self.before.declined);
        (self.half << 32) | u64::from(declined)
    }
}

impl Share {
    /// Moves on to the half of the time that it is.
    fn move_on(&mut self, now: Now) {
        let half = now.monotonic_millis / (DECLINES_SECONDS * 500);
        match half.saturating_sub(self.half) {
            0 => return,
            1 => self.before = self.now,
            _ => self.before = Ended::default(),
        }
        self.now = Ended::default();
        self.half = half;
    }
}

impl Declines {
    /// 0 limits nothing.
    pub(super) fn new(percent_max: u8) -> Self {
        let (keys_max, trials) =
            if percent_max == 0 { (0, 0) } else { (DECLINES_KEYS_MAX, DECLINES_TRIALS_PER_MINUTE) };
        Self {
            percent_max,
            shares: Table::new(keys_max),
            trials: Limiter::new(LIMIT, Quota::per_minute(trials), keys_max),
        }
    }

    pub(super) const fn bytes() -> usize {
        Table::<Share>::bytes(DECLINES_KEYS_MAX).saturating_add(Limiter::bytes(DECLINES_KEYS_MAX))
    }

    /// Whether one more payment may go out: so many have ended of late that the share says something, and it is not too large; or it is one of
    /// the few that are let through.
    pub(super) fn allows(&self, key: &impl Hash, payments_min: u32, now: Now) -> Result<(), LimitReached> {
        let is_too_large = self.shares.with_known(key, |share| {
            share.move_on(now);
            let all = share.now.all.saturating_add(share.before.all);
            let declined = share.now.declined.saturating_add(share.before.declined);
            all >= payments_min && u64::from(declined) * 100 >= u64::from(self.percent_max) * u64::from(all)
        });
        if is_too_large == Some(true) { self.trials.take(key, now) } else { Ok(()) }
    }

    /// Counts a payment that has ended.
    pub(super) fn note(&self, key: &impl Hash, declined: bool, now: Now) {
        self.shares.with(key, |share| {
            share.move_on(now);
            share.now.all = share.now.all.saturating_add(1);
            share.now.declined = share.now.declined.saturating_add(u32::from(declined));
        });
    }
}

#[cfg(test)]
mod tests {
    use panvault_model::Timestamp;

    use super::*;

    fn at(seconds: u64) -> Now {
        Now { wall: Timestamp::from_unix_millis(0), monotonic_millis: seconds * 1000 }
    }

    fn allowed(declines: &Declines, seconds: u64) -> bool {
        declines.allows(&"account", 20, at(seconds)).is_ok()
    }

    #[test]
    fn a_share_counts_once_enough_have_ended_and_until_it_is_long_ago() {
        let declines = Declines::new(80);
        let note = |times, declined, seconds| {
            (0..times).for_each(|_| declines.note(&"account", declined, at(seconds)));
        };
        note(4, false, 1000);
        note(15, true, 1000);
        assert!(allowed(&declines, 1000), "19 are too few to say anything");
        note(1, true, 1001);
        let trials = (0..100).filter(|_| allowed(&declines, 1001)).count();
        assert_eq!(trials, DECLINES_TRIALS_PER_MINUTE as usize, "80 percent");
        assert!(declines.allows(&"another", 20, at(1001)).is_ok());
        let reached = declines.allows(&"account", 20, at(1001)).unwrap_err();
        assert_eq!((reached.limit, reached.retry_after_seconds), (LIMIT, 10));
        note(1, false, 1002);
        assert!(allowed(&declines, 1002), "16 of 21");
        note(100, true, 1002);
        assert!(!(0..100).all(|_| allowed(&declines, 1002 + DECLINES_SECONDS / 2)));
        assert!((0..100).all(|_| allowed(&declines, 1002 + DECLINES_SECONDS)));
    }

    #[test]
    fn none_is_any_share() {
        let declines = Declines::new(0);
        (0..1000).for_each(|_| declines.note(&"account", true, at(0)));
        assert!((0..1000).all(|_| allowed(&declines, 0)));
    }
}
