//! Ways in which ASCII is written as other bytes. Each finds stretches that may be digits and hands out what they say.

use crate::scan::Encoding;

/// Told the ASCII that a stretch stands for, and where the stretch begins.
type Found<'a> = &'a mut dyn FnMut(&[u8], usize);
type Decoder = fn(&[u8], Found<'_>);

pub(super) const DECODERS: &[(Encoding, Decoder)] = &[
    (Encoding::Utf16, utf_16),
    (Encoding::Hex, hex),
    (Encoding::ByteList, byte_list),
    (Encoding::Base64, base_64),
];

/// Digits of the shortest piece that is of interest.
const DIGITS_MIN: usize = 8;

/// Every second byte is zero, whichever byte order it is.
fn utf_16(bytes: &[u8], found: Found<'_>) {
    stretches(bytes, found, |rest| match rest {
        [byte, 0, ..] => Some((*byte, 2)),
        [byte] => Some((*byte, 1)),
        _ => None,
    });
}

/// `3` and a digit is a digit; between bytes a space, a colon or a comma may stand.
fn hex(bytes: &[u8], found: Found<'_>) {
    stretches(bytes, found, |rest| {
        let byte = match rest {
            [b'3', digit @ b'0'..=b'9', ..] => *digit,
            [b'2', b'0', ..] => b' ',
            [b'2', b'd' | b'D', ..] => b'-',
            _ => return None,
        };
        Some((byte, if matches!(rest, [_, _, b' ' | b':' | b',', b'2' | b'3', ..]) { 3 } else { 2 }))
    });
}

/// `48` to `57` are digits; a comma and a space stand between them.
fn byte_list(bytes: &[u8], found: Found<'_>) {
    stretches(bytes, found, |rest| {
        let byte = match rest {
            [b'4', low @ b'8'..=b'9', ..] => low - 8,
            [b'5', low @ b'0'..=b'7', ..] => low + 2,
            [b'3', b'2', ..] => b' ',
            [b'4', b'5', ..] => b'-',
            _ => return None,
        };
        match rest {
            [_, _, b',', b' ', ..] => Some((byte, 4)),
            [_, _, b',', ..] => Some((byte, 3)),
            [_, _, ..] => Some((byte, 2)),
            _ => None,
        }
    });
}

/// Reads one byte at a time for as long as `read` does, from every place where a digit may begin.
fn stretches(bytes: &[u8], found: Found<'_>, read: impl Fn(&[u8]) -> Option<(u8, usize)>) {
    let mut text = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let Some(b'0'..=b'9') = bytes.get(at) else {
            at += 1;
            continue;
        };
        text.clear();
        let mut end = at;
        while let Some((byte @ (b'0'..=b'9' | b' ' | b'-' | b','), len)) = bytes.get(end..).and_then(&read) {
            text.push(byte);
            end += len;
        }
        if text.len() >= DIGITS_MIN {
            found(&text, at);
            // The last byte of the stretch may be the first of another at the other parity.
            at = end - 1;
        } else {
            at += 1;
        }
    }
}

/// Every word of the alphabets of RFC 4648, read from each of the four places where a group may begin.
fn base_64(bytes: &[u8], found: Found<'_>) {
    const CHARS_MIN: usize = (DIGITS_MIN * 4).div_ceil(3);
    let mut sextets = Vec::new();
    let mut text = Vec::new();
    for (at, byte) in bytes.iter().chain(core::iter::once(&b'=')).enumerate() {
        if let Some(value) = sextet(*byte) {
            sextets.push(value);
            continue;
        }
        if sextets.len() >= CHARS_MIN {
            for phase in 0..4 {
                text.clear();
                let chars = sextets.get(phase..).unwrap_or_default();
                for group in chars.chunks(4) {
                    let bits = (0..4).fold(0u32, |bits, at| bits << 6 | group.get(at).copied().unwrap_or(0));
                    let [_, decoded @ ..] = bits.to_be_bytes();
                    text.extend_from_slice(decoded.get(..group.len() * 6 / 8).unwrap_or_default());
                }
                found(&text, at - sextets.len());
            }
        }
        sextets.clear();
    }
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}
