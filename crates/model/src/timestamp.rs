use core::fmt;

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// A moment: milliseconds since the Unix epoch, shown as RFC 3339 UTC with milliseconds and `Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(u64);

/// Why a text is not a moment that can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampFault;

/// What the clocks said once: the calendar time, and a time that never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Calendar time; may step in both directions when the machine's clock is set.
    pub wall: Timestamp,
    /// Milliseconds since some moment of the past; never goes back while the process lives.
    pub monotonic_millis: u64,
}

impl Timestamp {
    /// 9999-12-31T23:59:59.999Z, the last moment that RFC 3339 can show.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// The moment so many milliseconds after the Unix epoch, capped at [`Timestamp::MAX`].
    pub const fn from_unix_millis(millis: u64) -> Self {
        if millis > Self::MAX.0 { Self::MAX } else { Self(millis) }
    }

    /// Milliseconds since the Unix epoch.
    pub const fn unix_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn unix_seconds(self) -> u64 {
        self.0 / 1000
    }

    /// The moment so many seconds later.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u64) -> Self {
        Self::from_unix_millis(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Reads RFC 3339 with any offset; digits beyond milliseconds are dropped.
    pub fn parse(text: &str) -> Result<Self, TimestampFault> {
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| TimestampFault)?;
        let millis = time.unix_timestamp_nanos() / 1_000_000;
        match u64::try_from(millis) {
            Ok(millis) if millis <= Self::MAX.0 => Ok(Self(millis)),
            Ok(_) | Err(_) => Err(TimestampFault),
        }
    }

    /// Year and month (1 to 12) in UTC.
    pub fn year_month(self) -> (u16, u8) {
        let date = self.calendar().date();
        (u16::try_from(date.year()).unwrap_or(9999), u8::from(date.month()))
    }

    fn calendar(self) -> OffsetDateTime {
        let seconds = i64::try_from(self.unix_seconds()).unwrap_or(i64::MAX);
        OffsetDateTime::from_unix_timestamp(seconds)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
            .to_offset(UtcOffset::UTC)
    }
}

impl Timestamp {
    /// As it is shown, in ASCII. Every answer shows several: digits are put in place one by one, which costs far less than formatting them.
    pub fn text(self) -> [u8; 24] {
        let at = self.calendar();
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |from: usize, digits: usize, mut value: u32| {
            for slot in text.iter_mut().skip(from).take(digits).rev() {
                *slot = b'0' + u8::try_from(value % 10).unwrap_or(0);
                value /= 10;
            }
        };
        put(0, 4, at.year().unsigned_abs());
        put(5, 2, u32::from(u8::from(at.month())));
        put(8, 2, u32::from(at.day()));
        put(11, 2, u32::from(at.hour()));
        put(14, 2, u32::from(at.minute()));
        put(17, 2, u32::from(at.second()));
        put(20, 3, u32::try_from(self.0 % 1000).unwrap_or(0));
        text
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_rfc_3339_with_milliseconds() {
        assert_eq!(Timestamp::from_unix_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_unix_millis(1_700_000_000_123).to_string(), "2023-11-14T22:13:20.123Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::from_unix_millis(u64::MAX), Timestamp::MAX);
    }

    #[test]
    fn reads_any_offset() {
        let noon = Timestamp::parse("2024-02-29T12:00:00.123Z").unwrap();
        assert_eq!(Timestamp::parse("2024-02-29T13:00:00.123999+01:00"), Ok(noon));
        for text in ["", "2024-02-30T12:00:00Z", "2024-02-29", "1969-12-31T23:59:59Z", "2024-02-29T12:00:00"]
        {
            assert_eq!(Timestamp::parse(text), Err(TimestampFault), "{text}");
        }
    }

    #[test]
    fn knows_the_month() {
        assert_eq!(Timestamp::parse("2026-12-31T23:59:59.999Z").unwrap().year_month(), (2026, 12));
    }
}
