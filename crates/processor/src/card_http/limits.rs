//! The limits of described PSPs, each with its unit.

use core::time::Duration;

use panvault_model::ProcessorId;

/// Bytes of a description at most.
pub const DESCRIPTION_BYTES_MAX: u64 = 128 << 10;

/// Descriptions in a directory at most.
pub const DESCRIPTIONS_MAX: usize = 256;

/// Bytes of a file of certificates at most.
pub const ROOTS_BYTES_MAX: u64 = 1 << 20;

/// Members of members of a body at most.
pub const BODY_DEPTH_MAX: usize = 8;

/// Bytes of a setting at most.
pub const SETTING_BYTES_MAX: usize = 500;

/// Bytes of a secret at most: an API key has tens, a private key of RSA as PEM 3,300.
pub const SECRET_BYTES_MAX: usize = 4_096;

/// Bytes of the head of an answer at most.
pub const ANSWER_HEAD_BYTES_MAX: usize = 16 << 10;

/// Bytes of a text of an answer that are kept at most.
pub const ANSWER_TEXT_BYTES_MAX: usize = 500;

/// Headers of an answer at most.
pub const ANSWER_HEADERS_MAX: usize = 96;

/// Addresses of a host that are tried at most.
pub const ADDRESSES_MAX: usize = 4;

/// Milliseconds of one act, all that is waited for in it together, at most: the vault gives a processor up after 30 seconds.
pub const ACT_MILLIS_MAX: u64 = 28_000;

/// Milliseconds before a connection is tried again; twice as many before each further time.
pub const RETRY_PAUSE_MILLIS: u64 = 50;

/// Bytes of the file of limits at most.
pub const LIMITS_BYTES_MAX: u64 = 128 << 10;

/// Processors at most that are counted each by itself; the others of a type are counted together.
pub const PROCESSORS_METERED_MAX: usize = 256;

/// How much of a PSP's and of this machine's time one processor may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Until an act has one of the connections.
    pub wait_millis: u64,
    /// Acts that wait for a connection at a time.
    pub waiting_max: u64,
    /// Until a new connection stands, TLS and further tries included.
    pub connect_millis: u64,
    /// Further tries to connect, before the first byte of a request.
    pub connect_retries: u64,
    /// From the first byte of a request to the last of its answer.
    pub answer_millis: u64,
    /// After which a connection that nobody uses is closed.
    pub idle_millis: u64,
    /// Connections at a time.
    pub connections_max: u64,
    /// Bytes of the body of an answer.
    pub answer_bytes_max: u64,
    /// Failures in a row after which the PSP is left alone; after 0 it never is.
    pub breaker_failures: u64,
    /// For how long.
    pub breaker_pause_millis: u64,
}

/// The limits of one type of processors, and of some that have others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeLimits {
    /// `configuration._type`
    pub type_name: String,
    /// Of each that is not named.
    pub limits: HttpLimits,
    /// Of these.
    pub processors: Vec<ProcessorLimits>,
}

/// The limits of one processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessorLimits {
    /// Of which.
    pub id: ProcessorId,
    /// Where the file names it, counted from 1.
    pub line: usize,
    /// What it has, what the file leaves as it is for its type included.
    pub limits: HttpLimits,
}

/// A limit out of its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpLimitFault {
    /// No limit has that name.
    #[error("no limit of that name")]
    Name,
    /// Its range.
    #[error("{name} must be {least} to {most}")]
    Range {
        /// Of the limit.
        name: &'static str,
        /// At least.
        least: u64,
        /// At most.
        most: u64,
    },
    /// What one act may wait for is together too long.
    #[error("wait_millis, connect_millis and answer_millis must be at most {ACT_MILLIS_MAX} together")]
    Together,
}

/// Name, least and most of each limit.
pub const HTTP_LIMITS: &[(&str, u64, u64)] = &[
    ("wait_millis", 1, 10_000),
    ("waiting_max", 0, 16_384),
    ("connect_millis", 100, 10_000),
    ("connect_retries", 0, 5),
    ("answer_millis", 100, 27_000),
    ("idle_millis", 0, 600_000),
    ("connections_max", 1, 1_024),
    ("answer_bytes_max", 1_024, 1 << 20),
    ("breaker_failures", 0, 1_000),
    ("breaker_pause_millis", 100, 600_000),
];

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            wait_millis: 2_000,
            waiting_max: 256,
            connect_millis: 5_000,
            connect_retries: 1,
            answer_millis: 20_000,
            idle_millis: 30_000,
            connections_max: 64,
            answer_bytes_max: 64 << 10,
            breaker_failures: 8,
            breaker_pause_millis: 10_000,
        }
    }
}

impl HttpLimits {
    /// Sets one by its name.
    pub fn set(&mut self, name: &str, value: u64) -> Result<(), HttpLimitFault> {
        let (name, least, most) =
            HTTP_LIMITS.iter().find(|(known, _, _)| *known == name).ok_or(HttpLimitFault::Name)?;
        if !(*least..=*most).contains(&value) {
            return Err(HttpLimitFault::Range { name, least: *least, most: *most });
        }
        *self.field(name).ok_or(HttpLimitFault::Name)? = value;
        Ok(())
    }

    /// Itself, if every limit is in its range and together they fit.
    pub fn checked(mut self) -> Result<Self, HttpLimitFault> {
        for (name, _, _) in HTTP_LIMITS {
            let value = *self.field(name).ok_or(HttpLimitFault::Name)?;
            self.set(name, value)?;
        }
        let sum = self.wait_millis + self.connect_millis + self.answer_millis;
        if sum > ACT_MILLIS_MAX { Err(HttpLimitFault::Together) } else { Ok(self) }
    }

    /// Name and value of each, in the order of [`HTTP_LIMITS`].
    pub fn shown(mut self) -> Vec<(&'static str, u64)> {
        HTTP_LIMITS.iter().filter_map(|(name, _, _)| Some((*name, *self.field(name)?))).collect()
    }

    fn field(&mut self, name: &str) -> Option<&mut u64> {
        Some(match name {
            "wait_millis" => &mut self.wait_millis,
            "waiting_max" => &mut self.waiting_max,
            "connect_millis" => &mut self.connect_millis,
            "connect_retries" => &mut self.connect_retries,
            "answer_millis" => &mut self.answer_millis,
            "idle_millis" => &mut self.idle_millis,
            "connections_max" => &mut self.connections_max,
            "answer_bytes_max" => &mut self.answer_bytes_max,
            "breaker_failures" => &mut self.breaker_failures,
            "breaker_pause_millis" => &mut self.breaker_pause_millis,
            _ => return None,
        })
    }

    pub(super) const fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_millis)
    }

    pub(super) const fn connect(&self) -> Duration {
        Duration::from_millis(self.connect_millis)
    }

    pub(super) const fn answer(&self) -> Duration {
        Duration::from_millis(self.answer_millis)
    }

    pub(super) const fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_millis)
    }

    pub(super) const fn breaker_pause(&self) -> Duration {
        Duration::from_millis(self.breaker_pause_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_range() {
        assert_eq!(HttpLimits::default().checked(), Ok(HttpLimits::default()));
        for (name, least, most) in HTTP_LIMITS {
            let mut limits = HttpLimits::default();
            assert_eq!((limits.set(name, *least), limits.set(name, *most)), (Ok(()), Ok(())), "{name}");
            let range = HttpLimitFault::Range { name, least: *least, most: *most };
            assert_eq!(limits.set(name, most + 1), Err(range.clone()), "{name}");
            if let Some(less) = least.checked_sub(1) {
                assert_eq!(limits.set(name, less), Err(range), "{name}");
            }
        }
        assert_eq!(HttpLimits::default().set("other", 1), Err(HttpLimitFault::Name));
    }

    #[test]
    fn an_act_is_not_longer_than_the_vault_waits() {
        let limits = HttpLimits {
            wait_millis: 3_000,
            connect_millis: 5_000,
            answer_millis: 20_000,
            ..HttpLimits::default()
        };
        assert_eq!(limits.checked(), Ok(limits));
        assert_eq!(HttpLimits { wait_millis: 3_001, ..limits }.checked(), Err(HttpLimitFault::Together));
    }
}
