use std::time::{Instant, SystemTime, UNIX_EPOCH};

use panvault_model::{Now, Timestamp};

/// Where the time comes from. One request asks once.
pub trait Clock: Send + Sync {
    /// Both clocks, read together.
    fn now(&self) -> Now;

    /// The one that never goes back, alone.
    fn monotonic_millis(&self) -> u64 {
        self.now().monotonic_millis
    }
}

/// The machine's clocks.
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Starts the clock that never goes back.
    #[expect(clippy::disallowed_methods, reason = "this is the place where the clock is read")]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the place where the clock is read")]
    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            wall: Timestamp::from_unix_millis(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)),
            monotonic_millis: self.monotonic_millis(),
        }
    }

    fn monotonic_millis(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
