use std::collections::BTreeSet;

use panvault_model::Brand;

use crate::entropy::SeededRandom;

/// A card that nobody has: made up for one test, so that any sight of its digits is a leak.
#[derive(Clone, Debug)]
pub struct CanaryCard {
    /// ASCII digits that pass the Luhn check and fit the brand.
    pub number: String,
    /// As many digits as the brand has.
    pub cvv: String,
    /// The scheme of the number.
    pub brand: Brand,
}

/// A kind of canary: first digits, length, scheme, digits of the CVV.
type Kind = (&'static str, usize, Brand, usize);

/// No published test number begins so.
const KINDS: [Kind; 10] = [
    ("4716", 16, Brand::Visa, 3),
    ("4485", 19, Brand::Visa, 3),
    ("5391", 16, Brand::Mastercard, 3),
    ("2689", 16, Brand::Mastercard, 3),
    ("3472", 15, Brand::Amex, 4),
    ("6482", 16, Brand::Discover, 3),
    ("3583", 16, Brand::Jcb, 3),
    ("6247", 19, Brand::Upi, 3),
    ("6768", 19, Brand::Maestro, 3),
    ("3912", 14, Brand::Diners, 3),
];

/// As many distinct canary cards, of all kinds in turn; the same for the same seed.
pub fn canary_cards(seed: u64, count: usize) -> Vec<CanaryCard> {
    let mut dice = SeededRandom::new(seed);
    let mut seen = BTreeSet::new();
    let mut cards = Vec::with_capacity(count);
    for kind in KINDS.iter().cycle() {
        if cards.len() >= count {
            break;
        }
        let card = loop {
            let card = canary_card(kind, &mut dice);
            if !has_long_run(&card.number) && seen.insert(card.number.clone()) {
                break card;
            }
        };
        cards.push(card);
    }
    cards
}

fn canary_card((prefix, len, brand, cvv_digits): &Kind, dice: &mut SeededRandom) -> CanaryCard {
    let mut number = (*prefix).to_owned();
    while number.len() + 1 < *len {
        number.push(digit(dice));
    }
    number.push(check_digit(&number));
    CanaryCard { number, cvv: (0..*cvv_digits).map(|_| digit(dice)).collect(), brand: *brand }
}

fn digit(dice: &mut SeededRandom) -> char {
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'][..].get(dice.below(10)).copied().unwrap_or('0')
}

/// Four equal digits in a row also stand in counters and padding, where they mean nothing.
fn has_long_run(number: &str) -> bool {
    number.as_bytes().windows(4).any(|window| matches!(window, [a, b, c, d] if a == b && b == c && c == d))
}

/// The digit that makes the whole pass the Luhn check (ISO/IEC 7812-1 annex B).
fn check_digit(payload: &str) -> char {
    let sum: u32 = payload
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(digit - b'0')) {
            (0, digit) if digit > 4 => digit * 2 - 9,
            (0, digit) => digit * 2,
            (_, digit) => digit,
        })
        .sum();
    char::from_digit((10 - sum % 10) % 10, 10).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use panvault_card::{Cvv, Pan};

    use super::*;

    #[test]
    fn a_check_digit_is_that_of_the_standard() {
        for number in ["4111111111111111", "378282246310005", "6011111111111117"] {
            let (payload, check) = number.split_at(number.len() - 1);
            assert_eq!(check_digit(payload).to_string(), check);
        }
    }

    #[test]
    fn ten_thousand_cards_are_distinct_and_accepted() {
        let cards = canary_cards(7, 10_000);
        let numbers: BTreeSet<_> = cards.iter().map(|card| card.number.as_str()).collect();
        assert_eq!((cards.len(), numbers.len()), (10_000, 10_000));
        for card in &cards {
            let pan = Pan::parse(&card.number).unwrap();
            assert_eq!(pan.brand(), Some(card.brand));
            assert!(Cvv::parse(&card.cvv, Some(card.brand)).is_ok());
        }
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(canary_cards(1, 3)[2].number, canary_cards(1, 20)[2].number);
        assert_ne!(canary_cards(1, 1)[0].number, canary_cards(2, 1)[0].number);
    }
}
