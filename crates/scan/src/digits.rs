use panvault_card::{CardNumberSeen, card_numbers};
use zeroize::Zeroizing;

/// Bytes between two digits that may still belong to one number: three separators, each as an escape.
const BETWEEN_BYTES_MAX: usize = 24;
/// The same of what is no escape, without blanks of which several are one.
const SEPARATOR_BYTES_MAX: usize = 8;
/// Bytes of an escape before a letter in it.
const ESCAPE_BYTES: usize = 8;
/// What escapes begin with.
const ESCAPES: [u8; 3] = *b"%\\&";
/// Digits of the shortest card number.
pub(crate) const DIGITS_MIN: usize = 12;
/// Bytes of a stretch of digits that are judged together.
const STRETCH_BYTES_MAX: usize = 8 << 10;
/// Bytes of the longest number in the longest escapes, with what stands behind it.
const NUMBER_BYTES_MAX: usize = 1 << 10;

/// The card numbers that stand in these bytes, and where.
pub(crate) fn numbers(bytes: &[u8]) -> Vec<(usize, CardNumberSeen)> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(stretch) = next_stretch(bytes, at) {
        at = stretch.end;
        pieces(bytes, stretch.start, stretch.end, &mut all);
    }
    all
}

/// A long stretch is judged piece by piece; a number at the seam belongs to the piece that it begins in.
fn pieces(bytes: &[u8], start: usize, end: usize, all: &mut Vec<(usize, CardNumberSeen)>) {
    let mut from = start;
    while from < end {
        let own_end = end.min(from + STRETCH_BYTES_MAX);
        let before = from.saturating_sub(NUMBER_BYTES_MAX).max(start);
        let seen_end = end.min(own_end + NUMBER_BYTES_MAX);
        let text = text_of(bytes.get(before..seen_end).unwrap_or_default());
        for seen in card_numbers(&text) {
            let at = before + seen.at;
            if (from..own_end).contains(&at) {
                all.push((at, seen));
            }
        }
        from = own_end;
    }
}

/// Whether what stands between two digits may part digits of one number: a few signs and no letter, blanks, or an escape, of which digits may be a part.
fn joins(bytes: &[u8], start: usize, end: usize) -> bool {
    let between = bytes.get(start..end).unwrap_or_default();
    let around = bytes.get(start.saturating_sub(ESCAPE_BYTES)..end).unwrap_or_default();
    between.len() <= BETWEEN_BYTES_MAX
        && (around.iter().any(|byte| ESCAPES.contains(byte))
            || between.iter().all(u8::is_ascii_whitespace)
            || between.len() <= SEPARATOR_BYTES_MAX && !between.iter().any(u8::is_ascii_alphabetic))
}

struct Stretch {
    start: usize,
    end: usize,
}

/// The next bytes that have as many digits as a card number, none of them far from the next; what is no ASCII may be digits of another script.
fn next_stretch(bytes: &[u8], from: usize) -> Option<Stretch> {
    let mut start = None;
    let (mut last, mut digits) = (0, 0);
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        if !byte.is_ascii_digit() && byte.is_ascii() {
            continue;
        }
        if start.is_some() && !joins(bytes, last + 1, at) {
            if digits >= DIGITS_MIN {
                break;
            }
            start = None;
        }
        if start.is_none() {
            start = Some(at);
            digits = 0;
        }
        digits += 1;
        last = at;
    }
    let start = start.filter(|_| digits >= DIGITS_MIN)?;
    // An escape begins before its digits, and the letter before a number is told from a separator.
    Some(Stretch { start: start.saturating_sub(BETWEEN_BYTES_MAX).max(from), end: last + 1 })
}

/// As many bytes, as text: what is no UTF-8 parts digits.
fn text_of(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len()));
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}
