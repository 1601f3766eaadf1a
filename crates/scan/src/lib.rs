#![doc = include_str!("../README.md")]

mod coded;
mod cvv;
mod digits;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use panvault_card::CardNumberSeen;
use zeroize::Zeroizing;

/// Bytes that are looked at together.
const WINDOW_BYTES: usize = 256 << 10;
/// Bytes before and behind a finding that decide what it is: of the longest number in the longest escapes, or of a base64 text that it is in.
const AROUND_BYTES: usize = 4 << 10;
/// What a file that gzip made begins with (RFC 1952, section 2.3.1).
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];

/// Something that was found.
pub struct Finding {
    /// How many line feeds stand before it, and one.
    pub line: u64,
    /// How many bytes stand before it, or before the text in base64 or hexadecimal digits that it is in; of what gzip packed, of what was packed.
    pub offset: u64,
    /// What it is.
    pub what: What,
}

/// What was found, as far as it may be shown.
pub enum What {
    /// A card number.
    CardNumber(CardNumberSeen),
    /// Digits that are called a CVV: what they are called.
    Cvv(String),
}

/// Reads to the end, and tells of each finding, in the order in which they stand. What gzip packed is unpacked.
pub fn scan(reader: impl Read, mut found: impl FnMut(Finding)) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(WINDOW_BYTES, reader);
    if reader.fill_buf()?.starts_with(&GZIP) {
        windows(MultiGzDecoder::new(reader), &mut found)
    } else {
        windows(reader, &mut found)
    }
}

fn windows(mut reader: impl Read, found: &mut dyn FnMut(Finding)) -> io::Result<()> {
    let mut window = Zeroizing::new(vec![0; WINDOW_BYTES + 2 * AROUND_BYTES]);
    let (mut filled, mut before) = (0, Before { offset: 0, lines: 0 });
    let mut told = 0;
    loop {
        let read = fill(&mut reader, window.get_mut(filled..).unwrap_or_default())?;
        filled += read;
        let bytes = window.get(..filled).unwrap_or_default();
        let is_last = filled < window.len();
        // What begins later is seen whole in the next window.
        let until = if is_last { filled } else { filled - AROUND_BYTES };
        let mut findings = findings(bytes);
        findings.retain(|(at, _)| (told..until).contains(at));
        for (at, what) in findings {
            let lines = count_lines(bytes.get(..at).unwrap_or_default());
            found(Finding {
                line: before.lines + lines + 1,
                offset: before.offset + u64::try_from(at).unwrap_or(u64::MAX),
                what,
            });
        }
        if is_last {
            return Ok(());
        }
        let kept = 2 * AROUND_BYTES;
        let gone = filled - kept;
        before.lines += count_lines(bytes.get(..gone).unwrap_or_default());
        before.offset += u64::try_from(gone).unwrap_or(u64::MAX);
        window.copy_within(gone..filled, 0);
        (filled, told) = (kept, kept - AROUND_BYTES);
    }
}

/// What stands before a window.
struct Before {
    offset: u64,
    lines: u64,
}

/// Reads until it is full or the end has come.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn count_lines(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u64::MAX)
}

/// All that is in these bytes, and where, in order. One number that is found in several ways is told once.
fn findings(bytes: &[u8]) -> Vec<(usize, What)> {
    let mut all = plain(bytes);
    coded::texts(bytes, |at, text| {
        if may_say(text) {
            all.extend(plain(text).into_iter().map(|(_, what)| (at, what)));
        }
    });
    for wide in coded::wide(bytes) {
        all.extend(plain(&wide.text).into_iter().map(|(at, what)| (wide.start + 2 * at, what)));
    }
    all.sort_by_key(|(at, _)| *at);
    // With zeroes between them, digits are also written one by one.
    all.dedup_by(|(at, what), (before, same)| *at - *before <= 1 && is_same(what, same));
    all
}

fn is_same(one: &What, other: &What) -> bool {
    match (one, other) {
        (What::CardNumber(one), What::CardNumber(other)) => one.masked == other.masked,
        (What::Cvv(one), What::Cvv(other)) => one == other,
        _ => false,
    }
}

/// Whether what was decoded is more than chance: enough digits, or mostly what can be printed.
fn may_say(text: &[u8]) -> bool {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let printed = text.iter().filter(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()).count();
    digits >= digits::DIGITS_MIN || printed * 4 >= text.len() * 3
}

/// What stands there as text.
fn plain(bytes: &[u8]) -> Vec<(usize, What)> {
    let mut all: Vec<_> =
        digits::numbers(bytes).into_iter().map(|(at, seen)| (at, What::CardNumber(seen))).collect();
    all.extend(cvv::labelled(bytes).into_iter().map(|(at, label)| (at, What::Cvv(label))));
    all
}
