use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use panvault_model::{ApiKeyId, Now};

use crate::limits::RATE_KEYS_MAX;

/// How often each API key may do something: so many a minute, at once or spread out.
///
/// A bucket for each key fills at that rate; it is full at first, and each use takes one. A restart fills all of them.
pub(crate) struct Rate {
    per_minute: u32,
    buckets: Mutex<HashMap<ApiKeyId, Bucket>>,
}

/// What is in a bucket, in parts of a use: a use is 60,000 of them, so that each millisecond adds `per_minute`.
#[derive(Clone, Copy)]
struct Bucket {
    parts: u64,
    filled_millis: u64,
}

const USE: u64 = 60_000;

impl Rate {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { per_minute, buckets: Mutex::default() }
    }

    /// Takes one use, or says after how many seconds there is one.
    pub(crate) fn take(&self, key: ApiKeyId, now: Now) -> Result<(), u64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= RATE_KEYS_MAX {
            // A bucket that is full says nothing: without it, its key would get a full one.
            buckets.retain(|_, bucket| self.filled(*bucket, now).parts < self.full());
        }
        let new = Bucket { parts: self.full(), filled_millis: now.monotonic_millis };
        let bucket = buckets.entry(key).or_insert(new);
        *bucket = self.filled(*bucket, now);
        match bucket.parts.checked_sub(USE) {
            Some(rest) => {
                bucket.parts = rest;
                Ok(())
            }
            None => {
                let missing = USE - bucket.parts;
                Err(missing.div_ceil(u64::from(self.per_minute.max(1)) * 1000))
            }
        }
    }

    fn full(&self) -> u64 {
        u64::from(self.per_minute) * USE
    }

    fn filled(&self, bucket: Bucket, now: Now) -> Bucket {
        // A request may be older than the one before it.
        let millis = now.monotonic_millis.saturating_sub(bucket.filled_millis);
        let parts = bucket.parts.saturating_add(millis.saturating_mul(u64::from(self.per_minute)));
        Bucket {
            parts: parts.min(self.full()),
            filled_millis: bucket.filled_millis.max(now.monotonic_millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use panvault_model::Timestamp;

    use super::*;

    fn at(monotonic_millis: u64) -> Now {
        Now { wall: Timestamp::from_unix_millis(0), monotonic_millis }
    }

    fn key(number: u32) -> ApiKeyId {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        ApiKeyId::from_bytes(bytes)
    }

    #[test]
    fn a_bucket_empties_and_fills_by_the_minute() {
        let rate = Rate::new(3);
        for _ in 0..3 {
            assert_eq!(rate.take(key(1), at(5000)), Ok(()));
        }
        assert_eq!(rate.take(key(1), at(5000)), Err(20));
        assert_eq!(rate.take(key(2), at(5000)), Ok(()), "each key has its own");
        assert_eq!(rate.take(key(1), at(24_001)), Err(1));
        assert_eq!(rate.take(key(1), at(25_000)), Ok(()));
        assert_eq!(rate.take(key(1), at(24_000)), Err(20), "time that goes back fills nothing");
        for _ in 0..3 {
            assert_eq!(rate.take(key(1), at(10_000_000)), Ok(()));
        }
        assert!(rate.take(key(1), at(10_000_000)).is_err(), "no more than a minute's is kept");
    }

    #[test]
    fn waiting_as_long_as_is_said_is_enough() {
        for per_minute in [1, 7, 59, 60, 61, 600, 1_000_000] {
            let rate = Rate::new(per_minute);
            while rate.take(key(1), at(0)).is_ok() {}
            let seconds = rate.take(key(1), at(0)).unwrap_err();
            assert!((1..=60).contains(&seconds));
            assert_eq!(rate.take(key(1), at(seconds * 1000)), Ok(()), "{per_minute}");
        }
    }

    #[test]
    fn full_buckets_are_forgotten_when_there_are_many() {
        let rate = Rate::new(60);
        for number in 0..u32::try_from(RATE_KEYS_MAX).unwrap() {
            assert_eq!(rate.take(key(number), at(0)), Ok(()));
        }
        while rate.take(key(0), at(999)).is_ok() {}
        assert_eq!(rate.take(key(u32::MAX), at(1000)), Ok(()));
        assert_eq!(rate.buckets.lock().unwrap().len(), 2, "the empty one is kept");
    }
}
