//! How many requests there were lately, and how long they took: counted by second, for as long as somebody who looks wants to know.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;

use tokio::time::Instant;

/// Seconds that are remembered: more than are asked for, so that the one which begins anew is not among them.
const SECONDS: usize = 64;
/// Seconds over which times are taken together.
const LATENCY_SECONDS: u64 = 60;
/// Seconds over which requests are counted.
const RATE_SECONDS: u64 = 10;
/// A power of two of microseconds is divided into so many parts.
const PARTS: u64 = 8;
/// Powers of two above that; what takes longer than all of them, more than a minute, is in the last.
const POWERS: u64 = 23;
#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a small constant")]
const BUCKETS: usize = (PARTS * (POWERS + 1)) as usize;

/// Requests of the last minute.
pub(crate) struct Recent {
    began: Instant,
    answered: AtomicU64,
    seconds: Box<[Second]>,
}

struct Second {
    /// Which one since the beginning, from 1.
    number: AtomicU64,
    buckets: [AtomicU32; BUCKETS],
}

/// What is said of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecentView {
    /// Answered since the start.
    pub(crate) answered: u64,
    /// Of the last ten seconds.
    pub(crate) per_second: u64,
    /// Microseconds that half of those of the last minute took at most, and 99 of a hundred; `None` where there were none.
    pub(crate) latency: Option<(u64, u64)>,
}

impl Recent {
    pub(crate) fn new() -> Self {
        let second =
            || Second { number: AtomicU64::new(0), buckets: core::array::from_fn(|_| AtomicU32::new(0)) };
        let seconds = (0..SECONDS).map(|_| second()).collect();
        Self { began: Instant::now(), answered: AtomicU64::new(0), seconds }
    }

    /// One was answered at `at`, after so long. Without a lock: where two begin a second at once, one of them may be forgotten.
    pub(crate) fn answered(&self, at: Instant, after: Duration) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        let number = self.number(at);
        let Some(second) = self.slot(number) else { return };
        let known = second.number.load(Ordering::Acquire);
        if known < number
            && second.number.compare_exchange(known, number, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        {
            second.buckets.iter().for_each(|bucket| bucket.store(0, Ordering::Relaxed));
        }
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = second.buckets.get(bucket(micros)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// As it was at `at`.
    pub(crate) fn view(&self, at: Instant) -> RecentView {
        let number = self.number(at);
        let (mut counts, mut rate) = ([0_u64; BUCKETS], 0_u64);
        for back in 0..LATENCY_SECONDS.min(number) {
            let wanted = number.saturating_sub(back);
            let Some(second) = self.slot(wanted) else { continue };
            if second.number.load(Ordering::Acquire) != wanted {
                continue;
            }
            for (count, bucket) in counts.iter_mut().zip(&second.buckets) {
                let of_second = u64::from(bucket.load(Ordering::Relaxed));
                *count = count.saturating_add(of_second);
                if back < RATE_SECONDS {
                    rate = rate.saturating_add(of_second);
                }
            }
        }
        let all: u64 = counts.iter().sum();
        let at_most = |percent: u64| {
            let wanted = all.saturating_mul(percent).div_ceil(100);
            let mut seen = 0_u64;
            let found = counts.iter().position(|count| {
                seen = seen.saturating_add(*count);
                seen >= wanted
            });
            found.map_or(0, longest)
        };
        RecentView {
            answered: self.answered.load(Ordering::Relaxed),
            per_second: rate.div_ceil(RATE_SECONDS.min(number)),
            latency: (all > 0).then(|| (at_most(50), at_most(99))),
        }
    }

    fn number(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.began).as_secs().saturating_add(1)
    }

    fn slot(&self, number: u64) -> Option<&Second> {
        self.seconds.get(usize::try_from(number).unwrap_or(0) % SECONDS)
    }
}

/// Where a time is counted: exactly up to [`PARTS`], then by an eighth of its power of two.
fn bucket(micros: u64) -> usize {
    let power = u64::from(micros.max(1).ilog2()).saturating_sub(u64::from(PARTS.ilog2()));
    let place = if micros < PARTS {
        micros
    } else {
        let part = (micros >> power) % PARTS;
        power.saturating_add(1).saturating_mul(PARTS).saturating_add(part)
    };
    usize::try_from(place).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The longest time that is counted there.
fn longest(bucket: usize) -> u64 {
    let place = bucket as u64;
    let (power, part) = (place / PARTS, place % PARTS);
    match power.checked_sub(1) {
        None => place,
        Some(power) => ((PARTS + part + 1) << power) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_known_to_an_eighth() {
        for micros in (0..5000).chain([65_535, 65_536, 1_000_000, 60_000_000]) {
            let most = longest(bucket(micros));
            assert!(most >= micros && most <= micros + micros / 8, "{micros}: {most}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert!(longest(BUCKETS - 1) > 60_000_000);
    }

    #[test]
    fn what_was_a_minute_ago_is_forgotten_and_counted_all_the_same() {
        let recent = Recent::new();
        let at = |second: u64| recent.began + Duration::from_secs(second);
        assert_eq!(recent.view(at(0)), RecentView { answered: 0, per_second: 0, latency: None });
        for _ in 0..99 {
            recent.answered(at(5), Duration::from_micros(7));
        }
        recent.answered(at(6), Duration::from_secs(2));
        let view = recent.view(at(7));
        assert_eq!((view.answered, view.per_second, view.latency), (100, 13, Some((7, 7))));
        recent.answered(at(7), Duration::from_secs(2));
        let (half, most) = recent.view(at(20)).latency.unwrap();
        assert!(half == 7 && (2_000_000..2_250_000).contains(&most), "{most}");
        assert_eq!(recent.view(at(20)).per_second, 0, "not of the last ten seconds");
        assert_eq!(recent.view(at(66)).latency.map(|(half, _)| half), Some(longest(bucket(2_000_000))));
        assert_eq!(recent.view(at(67)), RecentView { answered: 101, per_second: 0, latency: None });
        // The place of a second that was long ago is taken by a new one.
        recent.answered(at(5 + SECONDS as u64), Duration::from_micros(1));
        assert_eq!(recent.view(at(5 + SECONDS as u64)).latency, Some((1, 1)));
    }
}
