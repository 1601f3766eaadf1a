use zeroize::Zeroizing;

use crate::limits::{PAN_DIGITS_MAX, PAN_DIGITS_MIN};
use crate::pan::luhn;
use crate::scheme;

/// Whether a text holds something that is very likely a card number: digits, alone or grouped by single spaces or
/// dashes, that are of a known scheme, have a length of it, and pass the Luhn check.
///
/// Text that callers may store in clear (references, metadata, descriptors) goes through this, so that a card number
/// in the wrong field is refused instead of kept. Of other numbers of 16 digits, about one in twenty looks so by chance.
pub fn holds_card_number(text: &str) -> bool {
    text.split(|symbol: char| !matches!(symbol, '0'..='9' | ' ' | '-')).any(|run| {
        let groups: Vec<&str> = run.split([' ', '-']).collect();
        (0..groups.len()).any(|start| groups_hold_card_number(groups.get(start..).unwrap_or_default()))
    })
}

/// Whether the first group, alone or with groups right behind it, is a card number. An empty group is a doubled
/// separator, which no one writes inside a number.
fn groups_hold_card_number(groups: &[&str]) -> bool {
    let mut run = Zeroizing::new(Vec::with_capacity(PAN_DIGITS_MAX));
    for group in groups.iter().take_while(|group| !group.is_empty()) {
        if run.len() + group.len() > PAN_DIGITS_MAX {
            return false;
        }
        run.extend_from_slice(group.as_bytes());
        if run_holds_card_number(&run) {
            return true;
        }
    }
    false
}

fn run_holds_card_number(run: &[u8]) -> bool {
    let of_a_scheme = || scheme::lookup(run).is_some_and(|scheme| scheme.has_length(run.len()));
    run.len() >= PAN_DIGITS_MIN && luhn(run) && of_a_scheme()
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
            "30569309025904",
            "3940 0000 0000 07",
            "2200000000000004",
            "180000000000002",
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
