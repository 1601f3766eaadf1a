use core::fmt;

use panvault_model::Timestamp;
use rustls_pki_types::CertificateDer;

/// A certificate should be renewed when less than this is left of it, or a quarter of its time if that is less.
const SOON_SECONDS: u64 = 14 * 86_400;

/// From when until when every certificate of a chain is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

/// Whether clients will take a certificate, as far as its times go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// They will.
    Valid,
    /// Not for long.
    ExpiresSoon(Timestamp),
    /// Not any more.
    Expired(Timestamp),
    /// Not yet.
    NotYet(Timestamp),
}

impl Times {
    /// The times that all certificates of a chain share, or the first one, counted from 1, that is not X.509.
    pub(super) fn of(chain: &[CertificateDer<'_>]) -> Result<Self, usize> {
        let mut shared =
            Self { from: Timestamp::from_unix_millis(0), until: Timestamp::from_unix_millis(u64::MAX) };
        for (at, der) in chain.iter().enumerate() {
            let at = at.saturating_add(1);
            let (_, certificate) = x509_parser::parse_x509_certificate(der).map_err(|_| at)?;
            let validity = certificate.validity();
            shared.from = shared.from.max(time(validity.not_before.timestamp()));
            shared.until = shared.until.min(time(validity.not_after.timestamp()));
        }
        Ok(shared)
    }

    pub(super) fn at(self, now: Timestamp) -> Validity {
        let lifetime = self.until.unix_seconds().saturating_sub(self.from.unix_seconds());
        let soon = SOON_SECONDS.min(lifetime / 4);
        if now > self.until {
            Validity::Expired(self.until)
        } else if now < self.from {
            Validity::NotYet(self.from)
        } else if now.plus_seconds(soon) > self.until {
            Validity::ExpiresSoon(self.until)
        } else {
            Validity::Valid
        }
    }
}

impl Validity {
    /// What to do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Valid => "none",
            Self::ExpiresSoon(_) | Self::Expired(_) => {
                "renew the certificate, put it in place of the file, and send SIGHUP to a server that runs"
            }
            Self::NotYet(_) => "look at the clock of this machine, or wait",
        }
    }
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Valid => f.write_str("is valid"),
            Self::ExpiresSoon(until) => write!(f, "expires soon, at {until}"),
            Self::Expired(until) => write!(f, "expired at {until}; clients refuse it"),
            Self::NotYet(from) => write!(f, "is valid from {from} on only; clients refuse it until then"),
        }
    }
}

/// Seconds since 1970, before which this system knows no time.
fn time(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fortnight_or_a_quarter_is_soon() {
        let day = |day: u64| Timestamp::from_unix_millis(day * 86_400_000);
        let at = |times: Times, millis: u64| times.at(Timestamp::from_unix_millis(millis));
        let year = Times { from: day(1000), until: day(1365) };
        assert_eq!(year.at(day(999)), Validity::NotYet(day(1000)));
        assert_eq!(year.at(day(1000)), Validity::Valid);
        assert_eq!(year.at(day(1351)), Validity::Valid);
        assert_eq!(at(year, 1351 * 86_400_000 + 1000), Validity::ExpiresSoon(day(1365)));
        assert_eq!(year.at(day(1365)), Validity::ExpiresSoon(day(1365)));
        assert_eq!(at(year, 1365 * 86_400_000 + 1), Validity::Expired(day(1365)));
        let week = Times { from: day(1000), until: day(1008) };
        assert_eq!(
            (week.at(day(1006)), week.at(day(1007))),
            (Validity::Valid, Validity::ExpiresSoon(day(1008)))
        );
    }
}
