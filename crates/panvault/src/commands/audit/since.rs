//! From when on: a time, or how long ago.

use anyhow::Context;
use panvault_model::Timestamp;

/// What is said of anything else. It repeats nothing.
const EXPECTED: &str = "--since must be a time (RFC 3339), such as 2035-01-31T12:00:00Z, or how long ago, such as 90s, 15m, 2h or 7d";

/// The moment that is meant, at `now`. One before 1970 is refused, as one that cannot be read.
pub(super) fn parse(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    if let Ok(time) = Timestamp::parse(text) {
        return Ok(time);
    }
    let ago = seconds(text).and_then(|seconds| seconds.checked_mul(1000));
    let since = ago.and_then(|millis| now.unix_millis().checked_sub(millis)).context(EXPECTED)?;
    Ok(Timestamp::from_unix_millis(since))
}

/// A whole number and its unit.
fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse::<u64>().ok().filter(|_| is_plain)?.checked_mul(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_how_long_ago() {
        let now = Timestamp::parse("2026-03-10T12:00:00Z").unwrap();
        for (text, since) in [
            ("90s", "2026-03-10T11:58:30.000Z"),
            ("15m", "2026-03-10T11:45:00.000Z"),
            ("2h", "2026-03-10T10:00:00.000Z"),
            ("7d", "2026-03-03T12:00:00.000Z"),
            ("0s", "2026-03-10T12:00:00.000Z"),
            ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00.000Z"),
            ("2026-03-01T02:00:00+02:00", "2026-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(parse(text, now).unwrap().to_string(), since, "{text}");
        }
        for wrong in [
            "",
            "s",
            "90",
            "+9s",
            "-9s",
            "1.5h",
            "9 s",
            "9S",
            "9w",
            "9sé",
            "é",
            "yesterday",
            "2026-03-01",
            "99999999d",
            "18446744073709551615d",
            "4111111111111111",
        ] {
            let said = parse(wrong, now).unwrap_err().to_string();
            assert_eq!(said, EXPECTED, "{wrong}");
        }
    }
}
