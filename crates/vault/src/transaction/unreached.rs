use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use panvault_model::{Now, ProcessorId};

use crate::limits::UNREACHED_SECONDS;

/// Processors that were not reached when they were to be asked, and until when they are left alone. Nothing that happened is lost with it: what is open
/// says itself when it is asked about.
#[derive(Default)]
pub(crate) struct Unreached(Mutex<HashMap<ProcessorId, Pause>>);

#[derive(Clone, Copy)]
struct Pause {
    /// How often in a row it was not reached.
    times: usize,
    until_millis: u64,
}

impl Unreached {
    /// Whether a processor is not to be asked yet.
    pub(crate) fn is_left_alone(&self, processor: ProcessorId, now: Now) -> bool {
        let pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.get(&processor).is_some_and(|pause| now.monotonic_millis < pause.until_millis)
    }

    /// Notes whether a processor was reached. Of those that ask it at once the first who is not lengthens the pause.
    pub(crate) fn note(&self, processor: ProcessorId, is_reached: bool, now: Now) {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_reached {
            pauses.remove(&processor);
            return;
        }
        let before = pauses.get(&processor).copied();
        if before.is_some_and(|pause| now.monotonic_millis < pause.until_millis) {
            return;
        }
        let times = before.map_or(0, |pause| pause.times.saturating_add(1));
        let seconds = UNREACHED_SECONDS.get(times).or(UNREACHED_SECONDS.last()).copied().unwrap_or_default();
        let until_millis = now.monotonic_millis.saturating_add(seconds * 1000);
        pauses.insert(processor, Pause { times, until_millis });
    }
}

#[cfg(test)]
mod tests {
    use panvault_model::Timestamp;

    use super::*;

    const ONE: ProcessorId = ProcessorId::from_bytes([1; 12]);
    const OTHER: ProcessorId = ProcessorId::from_bytes([2; 12]);

    fn at(millis: u64) -> Now {
        Now { wall: Timestamp::from_unix_millis(0), monotonic_millis: millis }
    }

    #[test]
    fn who_is_not_reached_is_left_alone_longer_and_longer_until_it_is() {
        let unreached = Unreached::default();
        let mut now = 5;
        for seconds in UNREACHED_SECONDS.iter().chain(UNREACHED_SECONDS.last()) {
            // As many at once as are asked at once.
            (0..64).for_each(|_| unreached.note(ONE, false, at(now)));
            assert!(unreached.is_left_alone(ONE, at(now + seconds * 1000 - 1)), "{seconds}");
            assert!(!unreached.is_left_alone(OTHER, at(now)));
            now += seconds * 1000;
            assert!(!unreached.is_left_alone(ONE, at(now)), "{seconds}");
        }
        unreached.note(ONE, true, at(now));
        unreached.note(ONE, false, at(now));
        assert!(!unreached.is_left_alone(ONE, at(now + UNREACHED_SECONDS[0] * 1000)), "from the beginning");
    }
}
