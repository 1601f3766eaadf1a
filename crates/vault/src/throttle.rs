use core::sync::atomic::{AtomicU64, Ordering};

use panvault_model::Now;

use crate::limits::SELDOM_SECONDS;

/// Lets through the first of what happens often, and then one a minute: for log lines that a caller can cause at will.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    /// When the next one is let through, by the clock that never goes back.
    next_millis: AtomicU64,
}

impl Throttle {
    /// Whether this one is let through. Of any number that ask at once, one is.
    pub(crate) fn is_due(&self, now: Now) -> bool {
        let next = now.monotonic_millis.saturating_add(SELDOM_SECONDS * 1000);
        let due = |due| (now.monotonic_millis >= due).then_some(next);
        self.next_millis.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use panvault_model::Timestamp;

    use super::*;

    #[test]
    fn the_first_is_let_through_and_then_one_a_minute() {
        let seldom = Throttle::default();
        let due =
            |monotonic_millis| seldom.is_due(Now { wall: Timestamp::from_unix_millis(0), monotonic_millis });
        assert!(due(500));
        assert!(!due(501) && !due(60_499));
        assert!(due(60_500) && !due(60_500));
        assert!(due(1_000_000) && !due(60_500), "a request may be older than the one before it");
    }
}
