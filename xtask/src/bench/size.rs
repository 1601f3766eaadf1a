//! Numbers of cards as they are said: `10000`, `100k`, `10M`.

use anyhow::{Context, bail, ensure};

/// Cards that there are numbers for.
const CARDS_MAX: u64 = 400_000_000;

/// Reads a number of cards.
pub(super) fn parse(text: &str) -> anyhow::Result<u64> {
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (text.get(..at), 1_000),
        Some((at, 'm' | 'M')) => (text.get(..at), 1_000_000),
        Some(_) => (Some(text), 1),
        None => bail!("a number of cards is missing"),
    };
    let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let number: u64 = digits
        .and_then(|digits| digits.parse().ok())
        .with_context(|| format!("{text} is no number of cards, such as 10000, 100k or 10M"))?;
    let cards = number.saturating_mul(unit);
    ensure!((1..=CARDS_MAX).contains(&cards), "the number of cards must be 1 to {}", shown(CARDS_MAX));
    Ok(cards)
}

/// Writes it the same way, to one place.
pub(super) fn shown(cards: u64) -> String {
    let (unit, name) = match cards {
        0..1_000 => return cards.to_string(),
        1_000..1_000_000 => (1e3, "k"),
        1_000_000.. => (1e6, "M"),
    };
    let number = format!("{:.1}", cards as f64 / unit);
    format!("{} {name}", number.strip_suffix(".0").unwrap_or(&number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_with_and_without_a_unit() {
        for (text, cards) in
            [("10000", 10_000), ("100k", 100_000), ("1M", 1_000_000), ("10m", 10_000_000), ("1", 1)]
        {
            assert_eq!(parse(text).unwrap(), cards, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_number_of_cards() {
        for text in ["", "M", "-1", "1.5M", "1G", "ten", "0", "401M", "99999999999999999999", "1 k", "ü"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shows_what_it_reads() {
        for (cards, text) in [
            (0, "0"),
            (999, "999"),
            (1_500, "1.5 k"),
            (123_456, "123.5 k"),
            (2_000_000, "2 M"),
            (2_540_000, "2.5 M"),
        ] {
            assert_eq!(shown(cards), text);
        }
    }
}
