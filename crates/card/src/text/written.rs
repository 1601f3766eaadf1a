//! Digits that are written as card numbers are.

use core::ops::Range;

use panvault_model::Brand;

use super::groups::{Gap, Group, Groups};
use crate::limits::{PAN_DIGITS_MAX, PAN_DIGITS_MIN};
use crate::pan::luhn;
use crate::scheme::{self, Scheme};

/// Digits of the longest number of a telephone that is told from a card number by a plus sign before it. With its country code, of 49
/// for one, it would be a number of Visa's 13 digits in one case of ten.
const PHONE_DIGITS_MAX: usize = 13;
/// Digits of the shortest card number that is looked for where a telephone's is expected.
const BEYOND_PHONE_DIGITS: usize = PHONE_DIGITS_MAX + 1;

/// The groups that card numbers are printed in; those that are left when some of the spaces are lost, or when the first six or last four digits
/// are told apart; and those of a number in thousands.
const SHAPES: [&[usize]; 24] = [
    &[4, 4, 4, 4],
    &[4, 6, 5],
    &[4, 6, 4],
    &[4, 4, 4, 4, 3],
    &[6, 13],
    &[4, 4, 4, 4, 2],
    &[4, 4, 4, 4, 1],
    &[4, 5, 6],
    &[5, 5, 5],
    &[4, 4, 4, 3],
    &[4, 4, 4, 2],
    &[4, 4, 5],
    &[4, 3, 3, 3],
    &[4, 4, 4, 1],
    &[4, 4, 4],
    &[8, 8],
    &[4, 4, 8],
    &[4, 8, 4],
    &[8, 4, 4],
    &[4, 12],
    &[12, 4],
    &[6, 6, 4],
    &[1, 3, 3, 3, 3, 3],
    &[3, 3, 3, 3, 3],
];

/// Where Maestro's numbers of other lengths than 16 and 19 are known to begin: its whole ranges are a twelfth of all numbers.
const MAESTRO_STARTS: [&[u8; 4]; 9] =
    [b"5018", b"5020", b"5038", b"5893", b"6304", b"6759", b"6761", b"6762", b"6763"];

/// Years that an expiry may have, by their last two digits.
const EXPIRY_YEARS: core::ops::RangeInclusive<u8> = 20..=49;

/// Where digits stand that are written as a card number is: side by side, in one of the shapes of above with the same separator
/// between all groups, or one by one or in pairs with the same separator; with CVV or expiry right behind or not.
pub(super) fn written(found: &Groups, phone: bool) -> Vec<Range<usize>> {
    let digits_min = if phone { BEYOND_PHONE_DIGITS } else { PAN_DIGITS_MIN };
    let mut cards = Vec::new();
    let is_card = |digits: &Range<usize>| {
        digits.len() >= digits_min && is_card_with_what_is_behind(found.digits(digits.clone()))
    };
    for (at, group) in found.groups.iter().enumerate() {
        if !(group.after_plus && group.digits.len() <= PHONE_DIGITS_MAX) {
            cards.extend(Some(group.digits.clone()).filter(is_card));
        }
        let rest = found.groups.get(at..).unwrap_or_default();
        let before = at.checked_sub(1).and_then(|before| found.groups.get(before));
        cards.extend([1, 2].iter().filter_map(|size| equal(before, rest, *size)).filter(is_card));
        let shaped = |shape: &&[usize]| {
            let digits = in_shape(rest, shape)?;
            (digits.len() >= digits_min && card(found.digits(digits.clone())).is_some()).then_some(digits)
        };
        cards.extend(SHAPES.iter().filter_map(shaped));
    }
    cards
}

/// The digits of all groups of this size that begin here, unless they began before.
fn equal(before: Option<&Group>, groups: &[Group], size: usize) -> Option<Range<usize>> {
    let [first, second, ..] = groups else { return None };
    let fits = |group: &Group| group.digits.len() == size;
    let joins = |group: &Group| fits(group) && group.gap == second.gap && group.gap != Gap::Wide;
    if !fits(first) || before.is_some_and(|before| fits(before) && joins(first)) {
        return None;
    }
    let last = groups.iter().skip(1).take_while(|group| joins(group)).last()?;
    Some(first.digits.start..last.digits.end)
}

/// The digits of the first groups, if they have this shape.
fn in_shape(groups: &[Group], shape: &[usize]) -> Option<Range<usize>> {
    let groups = groups.get(..shape.len())?;
    let (Some(first), [second, ..], Some(last)) = (groups.first(), groups.get(1..)?, groups.last()) else {
        return None;
    };
    let fits = groups.iter().zip(shape).all(|(group, size)| group.digits.len() == *size);
    let joined = groups.iter().skip(1).all(|group| group.gap == second.gap && group.gap != Gap::Wide);
    (fits && joined).then_some(first.digits.start..last.digits.end)
}

/// A card number, alone or with CVV, expiry or both right behind.
fn is_card_with_what_is_behind(digits: &[u8]) -> bool {
    card(digits).is_some()
        || [14, 15, 16, PAN_DIGITS_MAX].iter().any(|length| {
            digits.split_at_checked(*length).is_some_and(|(front, behind)| {
                card(front).is_some_and(|brand| goes_behind(behind, *length, brand))
            })
        })
}

/// The scheme that a number is of, if it is one that the scheme issues and its check digit is right. Of lengths that a scheme has in theory
/// only those count that cards are known to have: each length more refuses a hundredth of all other numbers of that length.
pub(super) fn card(digits: &[u8]) -> Option<Brand> {
    let Scheme { brand, .. } = scheme::lookup(digits).filter(|scheme| scheme.has_length(digits.len()))?;
    let length = digits.len();
    let issued = match length {
        16 | PAN_DIGITS_MAX => true,
        _ if *brand == Brand::Maestro => {
            MAESTRO_STARTS.iter().any(|start| digits.starts_with(start.as_slice()))
        }
        17 | 18 => *brand == Brand::Verve || digits.starts_with(b"62"),
        _ => *brand != Brand::Upi && (*brand != Brand::Diners || length == 14),
    };
    (issued && luhn(digits)).then_some(*brand)
}

fn goes_behind(digits: &[u8], card_digits: usize, brand: Brand) -> bool {
    // Ranges of one digit: with them, a hundredth of all times in nanoseconds would be refused.
    if brand == Brand::Uatp {
        return false;
    }
    let cvv = if brand == Brand::Amex { 4 } else { 3 };
    let is_cvv = |length: usize| length == cvv;
    let expiry_first = [4, 6].iter().any(|length| {
        digits
            .split_at_checked(*length)
            .is_some_and(|(front, rest)| is_expiry(front) && (rest.is_empty() || is_cvv(rest.len())))
    });
    let cvv_first = digits.split_at_checked(cvv).is_some_and(|(_, rest)| is_expiry(rest));
    // Four digits behind sixteen are no CVV of theirs, but what somebody takes for one, or half of an expiry.
    let is_cvv_alone = is_cvv(digits.len()) || (card_digits == 16 && digits.len() == 4);
    expiry_first || cvv_first || (is_cvv_alone && is_common(brand))
}

/// Of these, a CVV alone is looked for: any three digits are one.
const fn is_common(brand: Brand) -> bool {
    matches!(
        brand,
        Brand::Visa
            | Brand::Mastercard
            | Brand::Amex
            | Brand::Diners
            | Brand::Discover
            | Brand::Jcb
            | Brand::Upi
    )
}

/// Month and year in either order, the year of two digits or four.
fn is_expiry(digits: &[u8]) -> bool {
    let two = |high: u8, low: u8| (high & 0xf) * 10 + (low & 0xf);
    let month = |high, low| (1..=12).contains(&two(high, low));
    let year = |high, low| EXPIRY_YEARS.contains(&two(high, low));
    match *digits {
        [a, b, c, d] => (month(a, b) && year(c, d)) || (year(a, b) && month(c, d)),
        [a, b, b'2', b'0', c, d] if month(a, b) && year(c, d) => true,
        [b'2', b'0', a, b, c, d] => year(a, b) && month(c, d),
        [..] => false,
    }
}
