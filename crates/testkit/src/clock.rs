use core::sync::atomic::{AtomicU64, Ordering};

use panvault_model::{Now, Timestamp};
use panvault_vault::Clock;

/// Two clocks that stand still until they are moved, each on its own.
pub struct TestClock {
    wall_millis: AtomicU64,
    monotonic_millis: AtomicU64,
}

/// 2026-03-01T12:00:00Z
const START_MILLIS: u64 = 1_772_366_400_000;

impl TestClock {
    /// Clocks that show 2026-03-01T12:00:00Z and a minute since the start.
    pub const fn new() -> Self {
        Self::at(Timestamp::from_unix_millis(START_MILLIS))
    }

    /// Clocks that show `wall` and a minute since the start.
    pub const fn at(wall: Timestamp) -> Self {
        Self { wall_millis: AtomicU64::new(wall.unix_millis()), monotonic_millis: AtomicU64::new(60_000) }
    }

    /// Time passes: both clocks go on.
    pub fn pass_millis(&self, millis: u64) {
        self.wall_forward_millis(millis);
        self.monotonic_millis.fetch_add(millis, Ordering::SeqCst);
    }

    /// Somebody sets the calendar ahead; no time passes.
    pub fn wall_forward_millis(&self, millis: u64) {
        self.wall_millis.fetch_add(millis, Ordering::SeqCst);
    }

    /// Somebody sets the calendar back; no time passes.
    pub fn wall_back_millis(&self, millis: u64) {
        self.wall_millis.fetch_sub(millis, Ordering::SeqCst);
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Now {
        Now {
            wall: Timestamp::from_unix_millis(self.wall_millis.load(Ordering::SeqCst)),
            monotonic_millis: self.monotonic_millis.load(Ordering::SeqCst),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_moves_alone_and_time_moves_both() {
        let clock = TestClock::new();
        assert_eq!(clock.now().wall.to_string(), "2026-03-01T12:00:00.000Z");
        clock.wall_back_millis(3_600_000);
        clock.pass_millis(1);
        clock.wall_forward_millis(1_000);
        let now = clock.now();
        assert_eq!(
            (now.wall.to_string().as_str(), now.monotonic_millis),
            ("2026-03-01T11:00:01.001Z", 60_001)
        );
    }
}
