/// Whether a text holds something that is very likely a card number: 13 to 19 digits, alone or grouped by single
/// spaces or dashes, that start like a card of a large scheme and pass the Luhn check.
///
/// Text that callers may store in clear (references, metadata, descriptors) goes through this, so that a card number
/// in the wrong field is refused instead of kept. A number of that length passes by chance about once in fifteen
/// times.
pub fn holds_card_number(text: &str) -> bool {
    text.split(|symbol: char| !matches!(symbol, '0'..='9' | ' ' | '-')).any(|run| {
        let groups: Vec<&str> = run.split([' ', '-']).collect();
        (0..groups.len()).any(|start| groups_hold_card_number(groups.get(start..).unwrap_or_default()))
    })
}

/// Whether the first group, alone or with groups right behind it, is a card number. An empty group is a doubled
/// separator, which no one writes inside a number.
fn groups_hold_card_number(groups: &[&str]) -> bool {
    let mut run = Vec::with_capacity(20);
    for group in groups.iter().take_while(|group| !group.is_empty()) {
        run.extend(group.bytes().map(|digit| digit - b'0'));
        if run.len() > 19 {
            return false;
        }
        if run_holds_card_number(&run) {
            return true;
        }
    }
    false
}

fn run_holds_card_number(run: &[u8]) -> bool {
    (13..=19).contains(&run.len()) && starts_like_a_card(run) && luhn(run)
}

fn starts_like_a_card(run: &[u8]) -> bool {
    matches!(
        run,
        [4, ..] | [5, 1..=5, ..] | [2, 2..=7, ..] | [3, 4 | 7, ..] | [3, 0 | 5 | 6 | 8, ..] | [6, ..]
    )
}

fn luhn(run: &[u8]) -> bool {
    let sum: u32 = run
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, *digit) {
            (0, digit) => u32::from(digit),
            (_, digit) if digit > 4 => u32::from(digit) * 2 - 9,
            (_, digit) => u32::from(digit) * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_card_numbers_in_text() {
        for text in [
            "4111111111111111",
            "card 4111 1111 1111 1111 please",
            "4111-1111-1111-1111",
            "x5555555555554444y",
            "378282246310005",
            "a1 4111111111111111",
        ] {
            assert!(holds_card_number(text), "{text}");
        }
    }

    #[test]
    fn leaves_other_text_alone() {
        for text in [
            "",
            "order 2024-11-23",
            "4111111111111112",
            "411111111111",
            "1234567890123456789012345",
            "+31 20 555 0123",
            "9111111111111111",
            "please 121",
        ] {
            assert!(!holds_card_number(text), "{text}");
        }
    }
}
