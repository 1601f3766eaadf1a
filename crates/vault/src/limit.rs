//! Limits on how often something is done, each in memory of a fixed size and counted by this process alone.

mod declines;
mod guards;
mod hash;
mod limiter;
mod table;
mod tries;

pub use guards::GuardSettings;
pub(crate) use guards::Guards;
pub use limiter::Limiter;

/// So many uses in so many seconds, at once or spread out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many; 0 is any number.
    pub uses: u32,
    /// In how many seconds.
    pub seconds: u32,
}

impl Quota {
    /// In a minute.
    pub const fn per_minute(uses: u32) -> Self {
        Self { uses, seconds: 60 }
    }

    /// In an hour.
    pub const fn per_hour(uses: u32) -> Self {
        Self { uses, seconds: 3600 }
    }

    /// In a day.
    pub const fn per_day(uses: u32) -> Self {
        Self { uses, seconds: 86_400 }
    }
}

/// A limit that is reached, and when there is room under it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitReached {
    /// The limit, by the name of its setting.
    pub limit: &'static str,
    /// How much it allows.
    pub quota: Quota,
    /// Seconds after which there is room for one more, if nobody else takes it.
    pub retry_after_seconds: u64,
}
