use core::mem;
use core::ops::Range;

use zeroize::Zeroizing;

/// Letters of the longest name of a character that is looked for (`&nbsp;`, `&NonBreakingSpace;`).
const NAME_LETTERS_MAX: usize = 20;
/// Digits of the longest number of a character that is looked for (`&#0000052;`, `\u{000034}`).
const NUMBER_DIGITS_MAX: usize = 8;

/// A text, or what is below its escapes: its characters, and of each the bytes of the text that it is written with.
pub(super) struct Layer {
    pub(super) symbols: Zeroizing<Vec<char>>,
    pub(super) spans: Vec<Range<usize>>,
}

/// What an escape stands for.
enum Escaped {
    /// A byte of UTF-8.
    Byte(u8),
    Char(char),
}

impl Layer {
    pub(super) fn of(text: &str) -> Self {
        let mut layer = Self::with_room_for(text.len());
        for (at, symbol) in text.char_indices() {
            layer.push(symbol, at..at + symbol.len_utf8());
        }
        layer
    }

    /// Never outgrown: a vector that grows leaves copies behind.
    fn with_room_for(symbols: usize) -> Self {
        Self { symbols: Zeroizing::new(Vec::with_capacity(symbols)), spans: Vec::with_capacity(symbols) }
    }

    fn push(&mut self, symbol: char, span: Range<usize>) {
        self.symbols.push(symbol);
        self.spans.push(span);
    }

    /// The text with every escape decoded, or `None` when there is none: `%34`, `%u0034`, `\u0034`, `\u{34}`, `\x34`, `\064`, `\n`, `\\`,
    /// `&#52;`, `&#x34;`, and characters by name, of which only `&amp;` is told apart: all others part digits.
    pub(super) fn decoded(&self) -> Option<Self> {
        let mut below = Self::with_room_for(self.symbols.len());
        let mut bytes = Bytes::with_room_for(self.symbols.len());
        let mut at = 0;
        while let Some(rest) = self.symbols.get(at..).filter(|rest| !rest.is_empty()) {
            let (escaped, length) = match (escaped(rest), rest) {
                (Some(found), _) => found,
                (None, [symbol, ..]) => (Escaped::Char(*symbol), 1),
                (None, []) => break,
            };
            let span = self.span(at..at + length);
            match escaped {
                Escaped::Byte(byte) => bytes.push(byte, span),
                Escaped::Char(symbol) => {
                    bytes.flush(&mut below);
                    below.push(symbol, span);
                }
            }
            at += length;
        }
        bytes.flush(&mut below);
        (below.symbols.len() < self.symbols.len()).then_some(below)
    }

    /// The bytes of the text that these characters are written with.
    fn span(&self, symbols: Range<usize>) -> Range<usize> {
        joined(self.spans.get(symbols).unwrap_or_default())
    }
}

fn joined(spans: &[Range<usize>]) -> Range<usize> {
    spans.first().map_or(0, |first| first.start)..spans.last().map_or(0, |last| last.end)
}

/// Bytes that were decoded one after the other, on their way to characters.
struct Bytes {
    bytes: Zeroizing<Vec<u8>>,
    spans: Vec<Range<usize>>,
}

impl Bytes {
    fn with_room_for(bytes: usize) -> Self {
        Self { bytes: Zeroizing::new(Vec::with_capacity(bytes)), spans: Vec::new() }
    }

    fn push(&mut self, byte: u8, span: Range<usize>) {
        self.bytes.push(byte);
        self.spans.push(span);
    }

    /// What is no UTF-8 becomes U+FFFD.
    fn flush(&mut self, into: &mut Layer) {
        let spans = mem::take(&mut self.spans);
        let mut rest = spans.as_slice();
        let mut next = |bytes: usize| {
            let (taken, left) = rest.split_at_checked(bytes).unwrap_or((rest, &[]));
            rest = left;
            joined(taken)
        };
        for chunk in self.bytes.utf8_chunks() {
            for symbol in chunk.valid().chars() {
                into.push(symbol, next(symbol.len_utf8()));
            }
            if !chunk.invalid().is_empty() {
                into.push(char::REPLACEMENT_CHARACTER, next(chunk.invalid().len()));
            }
        }
        self.bytes.clear();
    }
}

/// The escape that a text begins with, and how many characters it has.
fn escaped(text: &[char]) -> Option<(Escaped, usize)> {
    match text {
        ['%', 'u' | 'U', rest @ ..] => fixed::<4>(rest, 2),
        ['%', high, low, ..] => {
            let byte = high.to_digit(16)? << 4 | low.to_digit(16)?;
            Some((Escaped::Byte(u8::try_from(byte).ok()?), 3))
        }
        ['\\', 'u' | 'U', '{', rest @ ..] => number(rest, 16, 3, true),
        ['\\', 'u' | 'U', rest @ ..] => fixed::<4>(rest, 2),
        ['\\', 'x' | 'X', rest @ ..] => fixed::<2>(rest, 2),
        ['\\', '\\', ..] => Some((Escaped::Char('\\'), 2)),
        // White space and other controls of one letter (RFC 8259, section 7, and C).
        ['\\', 'b' | 'f' | 'n' | 'r' | 't' | 'v', ..] => Some((Escaped::Char(' '), 2)),
        ['\\', rest @ ..] => octal(rest),
        ['&', '#', 'x' | 'X', rest @ ..] => number(rest, 16, 3, false),
        ['&', '#', rest @ ..] => number(rest, 10, 2, false),
        ['&', rest @ ..] => named(rest),
        [..] => None,
    }
}

/// A character by a number of so many hexadecimal digits.
fn fixed<const DIGITS: usize>(text: &[char], before: usize) -> Option<(Escaped, usize)> {
    let digits = text.first_chunk::<DIGITS>()?;
    let code = digits.iter().try_fold(0, |code, digit| Some(code << 4 | digit.to_digit(16)?))?;
    Some((Escaped::Char(char_of(code)), before + DIGITS))
}

/// A byte by three octal digits, behind a backslash.
fn octal(text: &[char]) -> Option<(Escaped, usize)> {
    let digits = text.first_chunk::<3>()?;
    let code = digits.iter().try_fold(0, |code, digit| Some(code << 3 | digit.to_digit(8)?))?;
    Some((Escaped::Byte(u8::try_from(code).ok()?), 4))
}

/// A character by a number of any length. What ends it must be a brace, or may be a semicolon.
fn number(text: &[char], radix: u32, before: usize, braced: bool) -> Option<(Escaped, usize)> {
    let digits = text.iter().take(NUMBER_DIGITS_MAX).map_while(|digit| digit.to_digit(radix));
    let (mut code, mut count) = (0_u32, 0);
    for digit in digits {
        code = code.saturating_mul(radix).saturating_add(digit);
        count += 1;
    }
    let end = text.get(count);
    let ended = usize::from(end == Some(if braced { &'}' } else { &';' }));
    (count > 0 && (!braced || ended == 1)).then(|| (Escaped::Char(char_of(code)), before + count + ended))
}

fn char_of(code: u32) -> char {
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn named(text: &[char]) -> Option<(Escaped, usize)> {
    // As old pages write it, without its semicolon, which browsers take.
    if let ['n', 'b', 's', 'p', next, ..] = text
        && next.is_ascii_digit()
    {
        return Some((Escaped::Char(' '), 5));
    }
    let letters =
        text.iter().take(NAME_LETTERS_MAX).take_while(|symbol| symbol.is_ascii_alphabetic()).count();
    let symbol = if let ['a', 'm', 'p', ';', ..] = text { '&' } else { ' ' };
    (letters > 1 && text.get(letters) == Some(&';')).then_some((Escaped::Char(symbol), letters + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Option<String> {
        Layer::of(text).decoded().map(|layer| layer.symbols.iter().collect())
    }

    #[test]
    fn decodes_escapes() {
        for (text, below) in [
            ("%34a", "4a"),
            ("%EF%BC%94", "４"),
            ("%ff4", "\u{fffd}4"),
            ("%2534", "%34"),
            ("%u0034", "4"),
            ("\\u0034\\u{34}\\x34", "444"),
            ("&#52;&#52 &#x34;&#X00034;", "44 44"),
            ("4&nbsp;1&amp;#52;", "4 1&#52;"),
            ("4&nbsp1", "4 1"),
            ("4\\n1\\r\\n1", "4 1  1"),
            ("\\064\\302\\2401", "4\u{a0}1"),
            ("\\\\u0034", "\\u0034"),
            ("\\ud835", "\u{fffd}"),
        ] {
            assert_eq!(decoded(text).as_deref(), Some(below), "{text}");
        }
        for text in [
            "", "%", "%4", "%zz", "\\u00", "\\06", "\\400", "\\0a4", "\\", "\\q", "&nbsp", "\\u{34", "&#;",
            "&", "&a=1;", "a & b;", "100%",
        ] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }

    #[test]
    fn knows_where_what_it_decoded_is_written() {
        let text = "a%EF%BC%94%ffb&#52;";
        let layer = Layer::of(text).decoded().unwrap();
        let written: Vec<&str> = layer.spans.iter().map(|span| &text[span.clone()]).collect();
        assert_eq!(written, ["a", "%EF%BC%94", "%ff", "b", "&#52;"]);
        let below = Layer::of("%2534x").decoded().unwrap().decoded().unwrap();
        assert_eq!((below.symbols.as_slice(), &below.spans[0]), (['4', 'x'].as_slice(), &(0..5)));
    }
}
