//! Digits that could be a card number, however they are written.

use core::ops::Range;

use panvault_model::Brand;

use super::groups::{Gap, Groups};
use crate::limits::{PAN_DIGITS_MAX, PAN_DIGITS_MIN};
use crate::pan::luhn;
use crate::scheme;

/// Lengths that are looked for inside of longer runs of digits.
const WINDOWS: [usize; 2] = [16, 15];

/// Where digits stand that are of a known scheme, have a length of it and the right check digit: one group of digits or several, with any
/// separators between them; and, of the most common schemes, inside of a group.
pub(super) fn anywhere(found: &Groups) -> Vec<Range<usize>> {
    let mut cards = Vec::new();
    for (at, group) in found.groups.iter().enumerate() {
        let behind = found.groups.iter().skip(at + 1).take_while(|next| next.gap != Gap::Wide);
        let joined = core::iter::once(group)
            .chain(behind)
            .map(|last| group.digits.start..last.digits.end)
            .take_while(|digits| digits.len() <= PAN_DIGITS_MAX)
            .filter(|digits| digits.len() >= PAN_DIGITS_MIN);
        cards.extend(joined.filter(|digits| is_card(found.digits(digits.clone()), |_| true)));
        for length in WINDOWS.into_iter().filter(|length| *length < group.digits.len()) {
            let windows = found.digits(group.digits.clone()).windows(length).enumerate();
            let common = windows.filter(|(_, window)| is_card(window, is_common));
            cards.extend(common.map(|(skipped, _)| {
                let start = group.digits.start + skipped;
                start..start + length
            }));
        }
    }
    cards
}

fn is_card(digits: &[u8], is_looked_for: impl Fn(Brand) -> bool) -> bool {
    scheme::lookup(digits)
        .is_some_and(|scheme| scheme.has_length(digits.len()) && is_looked_for(scheme.brand()))
        && luhn(digits)
}

/// With all schemes, a third of all numbers of 20 digits would be masked.
const fn is_common(brand: Brand) -> bool {
    matches!(brand, Brand::Visa | Brand::Mastercard | Brand::Amex | Brand::Discover | Brand::Jcb)
}
