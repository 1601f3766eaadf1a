use core::fmt;

use crate::Timestamp;

/// How many years ahead a card may expire.
pub const EXPIRY_YEARS_AHEAD_MAX: u16 = 20;

/// The month at whose end, in UTC, a card expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Expiry {
    year: u16,
    month: u8,
}

/// Why an expiry is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiryFault {
    /// The month is not `1`–`12` or `01`–`12`.
    Month,
    /// The year is not two or four ASCII digits.
    Year,
    /// The month has ended.
    Past,
    /// More than [`EXPIRY_YEARS_AHEAD_MAX`] years ahead.
    Far,
}

impl Expiry {
    /// Reads a month of one or two digits and a year of two or four; a year of two digits is in this century.
    pub fn parse(month: &str, year: &str) -> Result<Self, ExpiryFault> {
        Ok(Self { month: Self::parse_month(month)?, year: Self::parse_year(year)? })
    }

    /// Reads a month: `1`–`12` or `01`–`12`.
    pub fn parse_month(text: &str) -> Result<u8, ExpiryFault> {
        let value =
            digits(text, &[1, 2]).and_then(|value| u8::try_from(value).ok()).ok_or(ExpiryFault::Month)?;
        if (1..=12).contains(&value) { Ok(value) } else { Err(ExpiryFault::Month) }
    }

    /// Reads a year: two digits (2000 is added) or four.
    pub fn parse_year(text: &str) -> Result<u16, ExpiryFault> {
        let value = digits(text, &[2, 4]).ok_or(ExpiryFault::Year)?;
        Ok(if text.len() == 2 { value + 2000 } else { value })
    }

    /// From numbers: `month` 1 to 12, `year` up to 9999.
    pub const fn new(year: u16, month: u8) -> Option<Self> {
        if month >= 1 && month <= 12 && year <= 9999 { Some(Self { year, month }) } else { None }
    }

    /// Itself, if a card with it can be taken in at `now`.
    pub fn in_future(self, now: Timestamp) -> Result<Self, ExpiryFault> {
        let (year, month) = now.year_month();
        if self.is_past(now) {
            Err(ExpiryFault::Past)
        } else if (self.year, self.month) > (year.saturating_add(EXPIRY_YEARS_AHEAD_MAX), month) {
            Err(ExpiryFault::Far)
        } else {
            Ok(self)
        }
    }

    /// Whether the month has ended at `now`.
    pub fn is_past(self, now: Timestamp) -> bool {
        (self.year, self.month) < now.year_month()
    }

    /// Year, four digits.
    pub const fn year(self) -> u16 {
        self.year
    }

    /// Month, 1 to 12.
    pub const fn month(self) -> u8 {
        self.month
    }

    /// `"MM"`, as the API shows it.
    pub fn month_text(self) -> String {
        format!("{:02}", self.month)
    }

    /// `"YY"`, as the API shows it.
    pub fn year_text(self) -> String {
        format!("{:02}", self.year % 100)
    }
}

fn digits(text: &str, lengths: &[usize]) -> Option<u16> {
    let plain = lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

impl fmt::Display for ExpiryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Month => "must be a month, 1 to 12 or 01 to 12",
            Self::Year => "must be a year of two or four digits",
            Self::Past => "is in the past",
            Self::Far => "is more than 20 years ahead",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn reads_months_and_years() {
        assert_eq!(Expiry::parse("1", "30"), Ok(Expiry { year: 2030, month: 1 }));
        assert_eq!(Expiry::parse("12", "2030"), Ok(Expiry { year: 2030, month: 12 }));
        for month in ["", "0", "00", "13", "001", "1 ", "+1", "١", "jan"] {
            assert_eq!(Expiry::parse(month, "30"), Err(ExpiryFault::Month), "{month}");
        }
        for year in ["", "3", "030", "20300", "3O", "-1", "٣٠"] {
            assert_eq!(Expiry::parse("1", year), Err(ExpiryFault::Year), "{year}");
        }
    }

    #[test]
    fn holds_until_the_end_of_the_month() {
        let expiry = Expiry::parse("02", "24").unwrap();
        assert_eq!(expiry.in_future(at("2024-02-29T23:59:59.999Z")), Ok(expiry));
        assert_eq!(expiry.in_future(at("2024-03-01T00:00:00Z")), Err(ExpiryFault::Past));
    }

    #[test]
    fn is_at_most_twenty_years_ahead() {
        let now = at("2024-02-10T00:00:00Z");
        assert!(Expiry::parse("02", "2044").unwrap().in_future(now).is_ok());
        assert_eq!(Expiry::parse("03", "2044").unwrap().in_future(now), Err(ExpiryFault::Far));
    }

    /// Both ends of the year, where month and year change at once.
    #[test]
    fn holds_at_the_turn_of_a_year() {
        let expiry = |month, year| Expiry::parse(month, year).unwrap();
        let (last, first) = (at("2029-12-31T23:59:59.999Z"), at("2030-01-01T00:00:00Z"));
        for (month, year, now, right) in [
            ("12", "29", last, Ok(())),
            ("12", "2029", first, Err(ExpiryFault::Past)),
            ("1", "30", first, Ok(())),
            ("12", "49", last, Ok(())),
            ("01", "50", last, Err(ExpiryFault::Far)),
            ("01", "2050", first, Ok(())),
            ("02", "2050", first, Err(ExpiryFault::Far)),
            ("12", "00", first, Err(ExpiryFault::Past)),
            ("12", "9999", first, Err(ExpiryFault::Far)),
        ] {
            assert_eq!(expiry(month, year).in_future(now).map(drop), right, "{month}/{year}");
        }
        for month in 1..=12_u8 {
            assert_eq!(Expiry::parse_month(&month.to_string()), Ok(month));
            assert_eq!(Expiry::parse_month(&format!("{month:02}")), Ok(month));
        }
    }

    #[test]
    fn is_shown_as_two_digits_each() {
        let expiry = Expiry::parse("3", "2031").unwrap();
        assert_eq!((expiry.month_text(), expiry.year_text()), ("03".to_owned(), "31".to_owned()));
    }
}
