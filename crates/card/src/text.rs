//! Card numbers in texts that are kept in clear.
//!
//! Two questions, for two kinds of text. What a caller chooses is refused if it is *written* as a card number is (`written.rs`): order
//! numbers and ids that are refused by chance are lost payments. What a shopper's device or another system makes is never
//! refused: whatever *could* be a card number is masked (`anywhere.rs`). Both look below escapes (`layer.rs`).

mod anywhere;
mod digit;
mod groups;
mod iban;
mod layer;
mod name;
mod seen;
#[cfg(test)]
mod tests;
mod written;

use core::iter;

use zeroize::Zeroizing;

use crate::limits::{PAN_DIGITS_MAX, PAN_DIGITS_MIN};
use digit::is_unseen;
use groups::Groups;
use iban::is_iban;
use layer::Layer;

pub use name::is_secret_name;
pub use seen::{CardNumberSeen, card_numbers};

/// Times that a text is decoded to look at what is below its escapes.
const DECODINGS_MAX: usize = 3;
/// How many times as much of a text is looked at as is kept of it: a card number that is cut is seen whole, in any escapes.
const SEEN_TIMES: usize = 8;
/// What escapes begin with.
const ESCAPES: [char; 3] = ['%', '\\', '&'];
/// What stands for each digit that is masked.
const MASK: char = '*';

/// Whether a text holds digits that are written as a card number is, of a known scheme and with the right check digit: side by side, in
/// the groups of a printed card with the same separator between all of them, or one by one or in pairs; with CVV or expiry right behind or
/// not; in digits of any script, and below escapes.
///
/// Text that callers may store in clear (references, metadata, names) goes through this, so that a card number in the wrong
/// field is refused instead of kept. `docs/guide.md` says how many other numbers of each length are refused by chance.
pub fn holds_card_number(text: &str) -> bool {
    holds(text, false)
}

/// As [`holds_card_number`], of a text that is the number of a telephone: those have up to 13 digits, and begin with anything.
pub fn phone_holds_card_number(text: &str) -> bool {
    holds(text, true)
}

/// Whether an id that nobody looks up is a card number with something behind it: it has decimal digits only, and begins with one. An id
/// of 24 hexadecimal digits is that by chance once in 100,000 times.
pub fn id_holds_card_number(id: &str) -> bool {
    let digits = id.as_bytes();
    let begins = |length: usize| digits.get(..length).is_some_and(|front| written::card(front).is_some());
    digits.iter().all(u8::is_ascii_digit) && (PAN_DIGITS_MIN..=PAN_DIGITS_MAX).any(begins)
}

/// The text as it may be kept, in at most `bytes_max` bytes: control characters are spaces, the digits of whatever could be a card number
/// are `*`, and so are all digits beside one that is written as such, for they may be its CVV; what is too long is cut. No card number is
/// found in it any more.
///
/// For text that a shopper's device or another system makes: it may hold anything, and must not decide whether a payment is made.
pub fn masked_text(text: &str, bytes_max: usize) -> String {
    let seen = text.floor_char_boundary(bytes_max.saturating_mul(SEEN_TIMES));
    let text = text.get(..seen).unwrap_or_default();
    let mut kept = Zeroizing::new(String::with_capacity(text.len()));
    kept.extend(text.chars().map(|symbol| if symbol.is_control() { ' ' } else { symbol }));
    mask(&mut kept);
    let end = kept.floor_char_boundary(bytes_max);
    kept.truncate(end);
    // Where a number was cut, what is left of it may be another one.
    mask(&mut kept);
    (*kept).clone()
}

fn holds(text: &str, phone: bool) -> bool {
    may_hold(text)
        && layers(text).any(|layer| !written::written(&Groups::of(&layer.symbols), phone).is_empty())
        && !is_iban(text)
}

/// Most text ends here: it has not enough digits, or letters between them and no escapes. What could begin an escape counts as a digit,
/// for it may be one.
fn may_hold(text: &str) -> bool {
    let digits = text.chars().filter(|symbol| symbol.is_numeric() || ESCAPES.contains(symbol));
    if digits.take(PAN_DIGITS_MIN).count() < PAN_DIGITS_MIN {
        return false;
    }
    let mut between_letters = 0;
    text.contains(ESCAPES)
        || text.chars().any(|symbol| {
            if symbol.is_numeric() {
                between_letters += 1;
            } else if symbol.is_alphabetic() && !is_unseen(symbol) {
                between_letters = 0;
            }
            between_letters == PAN_DIGITS_MIN
        })
}

/// The text, and what is below its escapes.
fn layers(text: &str) -> impl Iterator<Item = Layer> {
    let mut next = Some(Layer::of(text));
    let mut left = DECODINGS_MAX;
    iter::from_fn(move || {
        let layer = next.take()?;
        if left > 0 {
            left -= 1;
            next = layer.decoded();
        }
        Some(layer)
    })
}

/// Masks, until nothing is found any more: what is left between two masked numbers may be a third.
fn mask(text: &mut Zeroizing<String>) {
    while may_hold(text) {
        let mut found = vec![false; text.len()];
        for layer in layers(text) {
            let groups = Groups::of(&layer.symbols);
            // Where a card number is written, any other digits may be its CVV or the rest of its track.
            let cards = if written::written(&groups, false).is_empty() {
                anywhere::anywhere(&groups)
            } else {
                let all = 0..groups.places.len();
                vec![all]
            };
            for card in cards {
                for place in groups.places.get(card).unwrap_or_default() {
                    let span = layer.spans.get(*place).cloned().unwrap_or_default();
                    found.get_mut(span).unwrap_or_default().fill(true);
                }
            }
        }
        if !found.contains(&true) {
            break;
        }
        // Each mask is as long as the digit or shorter, so the text is never outgrown.
        let mut masked = Zeroizing::new(String::with_capacity(text.len()));
        masked.extend(
            text.char_indices().map(|(at, symbol)| if found.get(at) == Some(&true) { MASK } else { symbol }),
        );
        *text = masked;
    }
}
