//! Digits of any script, and what stands between them.

/// The zeroes of all decimal digits (Unicode general category Nd), each with its nine others behind it; and of the subscripts.
const ZEROES: [u32; 77] = [
    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0de6,
    0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0,
    0x1c40, 0x1c50, 0x2080, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30,
    0x10d40, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0,
    0x116da, 0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0, 0x11de0, 0x11f50, 0x16a60,
    0x16ac0, 0x16b50, 0x16d70, 0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0,
    0x1e4f0, 0x1e5f1, 0x1e950, 0x1f101, 0x1fbf0,
];

/// Further symbols that stand for one digit (Unicode numeric type Digit): the first, what it stands for, and how many follow in order.
const SYMBOLS: [(u32, u32, u32); 19] = [
    (0x00b2, 2, 2),
    (0x00b9, 1, 1),
    (0x1369, 1, 9),
    (0x19da, 1, 1),
    (0x2070, 0, 1),
    (0x2074, 4, 6),
    (0x2460, 1, 9),
    (0x2474, 1, 9),
    (0x2488, 1, 9),
    (0x24ea, 0, 1),
    (0x24f5, 1, 9),
    (0x24ff, 0, 1),
    (0x2776, 1, 9),
    (0x2780, 1, 9),
    (0x278a, 1, 9),
    (0x10a40, 1, 4),
    (0x10e60, 1, 9),
    (0x11052, 1, 9),
    (0x1f100, 0, 1),
];

/// The ASCII digit that a symbol stands for, if it stands for one.
pub(super) fn ascii_digit(symbol: char) -> Option<u8> {
    let code = u32::from(symbol);
    if symbol.is_ascii() {
        return symbol.is_ascii_digit().then(|| u8::try_from(code).ok()).flatten();
    }
    let value = decimal(code).or_else(|| {
        SYMBOLS
            .iter()
            .find(|(first, _, count)| (*first..first + count).contains(&code))
            .map(|(first, value, _)| value + (code - first))
    })?;
    u8::try_from(value).ok().map(|value| b'0' + value)
}

fn decimal(code: u32) -> Option<u32> {
    let zero = ZEROES.get(ZEROES.partition_point(|zero| *zero <= code).checked_sub(1)?)?;
    let value = code - zero;
    (value < 10).then_some(value)
}

/// Whether a symbol cannot be seen, or only dresses up the one before it: digits on both of its sides are side by side.
pub(super) const fn is_unseen(symbol: char) -> bool {
    matches!(
        symbol,
        '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{20d0}'..='\u{20f0}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}'..='\u{e01ef}'
    )
}

/// A symbol between digits, with all that look alike as one: a space, a dash, or itself.
pub(super) fn separator(symbol: char) -> char {
    match symbol {
        '\u{2010}'..='\u{2015}'
        | '\u{2043}'
        | '\u{2212}'
        | '\u{2e3a}'
        | '\u{2e3b}'
        | '\u{fe58}'
        | '\u{fe63}'
        | '\u{ff0d}' => '-',
        // Blank, though Unicode calls it a symbol.
        '\u{2800}' => ' ',
        space if space.is_whitespace() => ' ',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_digits_of_all_scripts() {
        for (digits, value) in [("0０٠०৹𝟎𝟘⓪⁰₀", b'0'), ("4４٤۴४৪𝟒④❹₄⁴🄅", b'4')]
        {
            for symbol in digits.chars().filter(|symbol| *symbol != '৹') {
                assert_eq!(ascii_digit(symbol), Some(value), "{symbol}");
            }
        }
        for symbol in ['a', '½', '⑩', 'Ⅳ', '四', '৹', ' ', '/', ':'] {
            assert_eq!(ascii_digit(symbol), None, "{symbol}");
        }
        for pair in ZEROES.windows(2) {
            assert!(pair[0] + 10 <= pair[1], "{pair:x?}");
        }
        let all = (char::MIN..=char::MAX).filter(|symbol| ascii_digit(*symbol).is_some());
        assert!(all.into_iter().all(char::is_numeric), "what is looked for is what is counted first");
    }

    #[test]
    fn what_looks_alike_parts_alike() {
        assert_eq!(['\u{a0}', '\t', '\u{2009}', '\u{3000}', '\u{2028}'].map(separator), [' '; 5]);
        assert_eq!(['\u{2011}', '–', '—', '−'].map(separator), ['-'; 4]);
        assert_eq!(['.', '/', '*', '\u{fffd}'].map(separator), ['.', '/', '*', '\u{fffd}']);
    }
}
