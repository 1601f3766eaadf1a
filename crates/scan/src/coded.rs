use base64ct::{Base64Unpadded, Encoding};
use zeroize::Zeroizing;

/// Symbols of base64 that hold as many digits as the shortest card number.
const BASE64_MIN: usize = 16;
/// Symbols on a line of base64 that goes on in the next: 64 of PEM (RFC 7468), 76 of MIME (RFC 2045).
const BASE64_LINE_MIN: usize = 64;
/// Hexadecimal digits of as many digits as the shortest card number.
const HEX_MIN: usize = 24;
/// Characters of UTF-16 of the same.
const WIDE_MIN: usize = 12;

/// Texts that are written in base64, of either alphabet, or in hexadecimal digits: where each begins, and what it says from each place at which it may begin.
pub(crate) fn texts(bytes: &[u8], mut each: impl FnMut(usize, &[u8])) {
    for (at, symbols) in base64_runs(bytes) {
        for skipped in 0..4 {
            let symbols = symbols.get(skipped..).unwrap_or_default();
            let whole = symbols.len() - symbols.len() % 4;
            let mut decoded = Zeroizing::new(vec![0; whole]);
            if let Ok(text) = Base64Unpadded::decode(symbols.get(..whole).unwrap_or_default(), &mut decoded) {
                each(at, text);
            }
        }
    }
    for (at, digits) in hex_runs(bytes) {
        for skipped in 0..2 {
            let pairs = digits.get(skipped..).unwrap_or_default().as_chunks::<2>().0;
            let byte = |[high, low]: &[u8; 2]| value(*high) << 4 | value(*low);
            let text: Zeroizing<Vec<u8>> = Zeroizing::new(pairs.iter().map(byte).collect());
            each(at, &text);
        }
    }
}

/// Each run of symbols of base64 in the standard alphabet, without the ends of its lines.
fn base64_runs(bytes: &[u8]) -> Vec<(usize, Zeroizing<Vec<u8>>)> {
    let mut runs = Vec::new();
    let (mut run, mut start, mut line): (Zeroizing<Vec<u8>>, usize, usize) = (Zeroizing::default(), 0, 0);
    let mut rest = bytes.iter().copied().enumerate().peekable();
    while let Some((at, byte)) = rest.next() {
        if let Some(symbol) = base64_symbol(byte) {
            if run.is_empty() {
                start = at;
            }
            run.push(symbol);
            line += 1;
            continue;
        }
        if byte == b'\r' && line >= BASE64_LINE_MIN && rest.peek().is_some_and(|(_, next)| *next == b'\n') {
            continue;
        }
        if byte == b'\n' && line >= BASE64_LINE_MIN {
            line = 0;
            continue;
        }
        if run.len() >= BASE64_MIN {
            runs.push((start, core::mem::take(&mut run)));
        }
        run.clear();
        line = 0;
    }
    if run.len() >= BASE64_MIN {
        runs.push((start, run));
    }
    runs
}

const fn base64_symbol(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => Some(byte),
        b'-' => Some(b'+'),
        b'_' => Some(b'/'),
        _ => None,
    }
}

fn hex_runs(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    bytes.split(|byte| !byte.is_ascii_hexdigit()).filter_map(move |run| {
        let start = at;
        at += run.len() + 1;
        (run.len() >= HEX_MIN).then_some((start, run))
    })
}

const fn value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// Text of which every other byte is zero, as UTF-16 of either order writes what ASCII has.
pub(crate) struct Wide {
    pub(crate) start: usize,
    pub(crate) text: Zeroizing<Vec<u8>>,
}

/// All of it.
pub(crate) fn wide(bytes: &[u8]) -> Vec<Wide> {
    let mut all = Vec::new();
    for parity in 0..2 {
        let pairs = bytes.get(parity..).unwrap_or_default().as_chunks::<2>().0;
        let is_wide = |[symbol, zero]: &[u8; 2]| *symbol != 0 && *zero == 0;
        let mut at = 0;
        while let Some(begun) = pairs.get(at..).and_then(|rest| rest.iter().position(is_wide)) {
            let run = pairs.get(at + begun..).unwrap_or_default();
            let length = run.iter().position(|pair| !is_wide(pair)).unwrap_or(run.len());
            if length >= WIDE_MIN {
                let symbols = run.iter().take(length).map(|[symbol, _]| *symbol);
                let text = Zeroizing::new(symbols.collect());
                all.push(Wide { start: parity + 2 * (at + begun), text });
            }
            at += begun + length;
        }
    }
    all
}
