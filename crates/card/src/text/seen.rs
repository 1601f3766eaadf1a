use core::ops::Range;

use panvault_model::Brand;

use super::groups::Groups;
use super::{is_iban, layers, may_hold, written};
use crate::pan::Pan;

/// A card number that stands in a text, as far as it may be shown.
#[derive(Debug, PartialEq, Eq)]
pub struct CardNumberSeen {
    /// The byte of the text that it begins at, or that the escape of its first digit does.
    pub at: usize,
    /// Its scheme.
    pub brand: Brand,
    /// Its first six digits, where they may be shown, and its last four; a star for each other.
    pub masked: String,
}

/// The card numbers in a text: what [`super::holds_card_number`] finds, in the order in which they begin. Of those that overlap the first is told.
pub fn card_numbers(text: &str) -> Vec<CardNumberSeen> {
    if !may_hold(text) || is_iban(text) {
        return Vec::new();
    }
    let mut all: Vec<(Range<usize>, CardNumberSeen)> = Vec::new();
    for layer in layers(text) {
        let groups = Groups::of(&layer.symbols);
        for digits in written::written(&groups, false) {
            let Some((length, brand, pan)) = front(groups.digits(digits.clone())) else { continue };
            let span = |digit: usize| {
                groups
                    .places
                    .get(digit)
                    .and_then(|place| layer.spans.get(*place))
                    .cloned()
                    .unwrap_or_default()
            };
            let own = span(digits.start).start..span(digits.start + length - 1).end;
            if all.iter().all(|(other, _)| other.end <= own.start || own.end <= other.start) {
                all.push((own.clone(), pan_seen(own.start, length, brand, &pan)));
            }
        }
    }
    all.sort_by_key(|(span, _)| span.start);
    all.into_iter().map(|(_, seen)| seen).collect()
}

/// The card number that digits are or begin with, and how many of them are of it.
fn front(digits: &[u8]) -> Option<(usize, Brand, Pan)> {
    [digits.len(), 14, 15, 16, 19].into_iter().find_map(|length| {
        let front = digits.get(..length)?;
        let brand = written::card(front)?;
        Some((length, brand, Pan::parse(core::str::from_utf8(front).ok()?).ok()?))
    })
}

fn pan_seen(at: usize, length: usize, brand: Brand, pan: &Pan) -> CardNumberSeen {
    let bin = pan.bin();
    let bin = bin.as_ref().map_or("", |bin| bin.as_str());
    let last_four = pan.last_four();
    let hidden = "*".repeat(length.saturating_sub(bin.len() + last_four.as_str().len()));
    CardNumberSeen { at, brand, masked: [bin, &hidden, last_four.as_str()].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> Vec<(usize, String)> {
        card_numbers(text).into_iter().map(|seen| (seen.at, seen.masked)).collect()
    }

    #[test]
    fn shows_what_may_be_shown() {
        for (text, expected) in [
            ("4111111111111111", vec![(0, "411111******1111")]),
            (
                "a 4111 1111 1111 1111 b 378282246310005",
                vec![(2, "411111******1111"), (24, "378282*****0005")],
            ),
            ("4111111111111111123", vec![(0, "411111******1111")]),
            ("n=4222222222222;", vec![(2, "*********2222")]),
            ("%34111111111111111", vec![(0, "411111******1111")]),
            ("4111111111111112", vec![]),
            ("nothing", vec![]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(at, masked)| (at, masked.to_owned())).collect();
            assert_eq!(masked(text), expected, "{text}");
        }
    }
}
