use core::ops::Range;

use zeroize::Zeroizing;

use super::digit::{ascii_digit, is_unseen, separator};

/// Characters between two digits that still count as one separator.
const SEPARATOR_CHARS_MAX: usize = 3;

/// The digits of a text, in groups.
pub(super) struct Groups {
    /// As ASCII.
    digits: Zeroizing<Vec<u8>>,
    /// Of each digit, which character of the text it is.
    pub(super) places: Vec<usize>,
    pub(super) groups: Vec<Group>,
}

/// Digits with nothing seen between them.
pub(super) struct Group {
    /// Which digits.
    pub(super) digits: Range<usize>,
    /// What parts it from the group before.
    pub(super) gap: Gap,
    /// A plus sign that belongs to nothing else stands before it, as before the number of a telephone.
    pub(super) after_plus: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    /// A separator; characters that look alike are the same, and spaces in a row are one.
    Separator([char; SEPARATOR_CHARS_MAX]),
    /// The beginning of the text, a letter, or too much for a separator.
    Wide,
}

impl Groups {
    pub(super) fn of(symbols: &[char]) -> Self {
        let mut found = Self {
            digits: Zeroizing::new(Vec::with_capacity(symbols.len())),
            places: Vec::new(),
            groups: Vec::new(),
        };
        let mut between = Between::START;
        for (place, symbol) in symbols.iter().enumerate() {
            if let Some(digit) = ascii_digit(*symbol) {
                found.push(digit, place, &between);
                between = Between::NOTHING;
            } else if !is_unseen(*symbol) {
                between.push(*symbol);
            }
        }
        found
    }

    fn push(&mut self, digit: u8, place: usize, before: &Between) {
        let at = self.digits.len();
        match self.groups.last_mut().filter(|_| before.is_nothing()) {
            Some(group) => group.digits.end = at + 1,
            None => {
                self.groups.push(Group {
                    digits: at..at + 1,
                    gap: before.gap,
                    after_plus: before.after_plus(),
                });
            }
        }
        self.digits.push(digit);
        self.places.push(place);
    }

    pub(super) fn digits(&self, range: Range<usize>) -> &[u8] {
        self.digits.get(range).unwrap_or_default()
    }
}

/// What was seen since the last digit.
struct Between {
    gap: Gap,
    chars: usize,
    last: Option<char>,
    before_last: Option<char>,
}

impl Between {
    const START: Self = Self { gap: Gap::Wide, chars: 0, last: None, before_last: None };
    /// Right behind a digit.
    const NOTHING: Self = Self {
        gap: Gap::Separator(['\0'; SEPARATOR_CHARS_MAX]),
        chars: 0,
        last: Some('0'),
        before_last: None,
    };

    fn push(&mut self, symbol: char) {
        let part = separator(symbol);
        if part != ' ' || self.last != Some(' ') {
            self.add(symbol, part);
        }
        (self.before_last, self.last) = (self.last, Some(part));
    }

    fn add(&mut self, symbol: char, part: char) {
        if let Gap::Separator(parts) = &mut self.gap {
            match parts.get_mut(self.chars) {
                Some(slot) if !symbol.is_alphanumeric() => *slot = part,
                Some(_) | None => self.gap = Gap::Wide,
            }
        }
        self.chars += 1;
    }

    fn is_nothing(&self) -> bool {
        self.chars == 0 && self.gap != Gap::Wide
    }

    fn after_plus(&self) -> bool {
        self.last == Some('+') && !self.before_last.is_some_and(char::is_alphanumeric)
    }
}
