use panvault_model::Brand;

use crate::limits::{BIN_DIGITS_MAX, BIN_DIGITS_MIN, SHOWN_MAX};

macro_rules! reasons {
    ($(#[$meta:meta])* $name:ident { $($variant:ident $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $(#[doc = $text] $variant,)+ }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// In words.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

reasons! {
    /// Why a row is not in the table.
    Refused {
        LineTooLong "the line is longer than 64 KiB",
        NotUtf8 "the line is not UTF-8",
        Quotes "a quote is not closed, or something follows it",
        Cells "the line has more or fewer cells than the header",
        NotDigits "the BIN is not digits only",
        TooFewDigits "the BIN has fewer than 6 digits",
        TooManyDigits "the BIN has more than 11 digits, and could be a card number",
        Backwards "the range ends before it starts",
        Repeated "the range is in the list already, with the same facts",
        Conflict "the range is in the list already, with other facts; the first ones stand",
    }
}

reasons! {
    /// Why a value is not in the table, though its row is.
    LeftOut {
        Country "the country is not of ISO 3166-1",
        Type "the type is not known",
        Prepaid "whether it is prepaid is neither true nor false",
        TextTooLong "the text is too long",
        TextControl "the text has control characters",
        TextCardNumber "the text looks like it holds a card number",
        Length "the number of digits of a card number is not 12 to 19",
        Luhn "whether there is a check digit is neither true nor false",
    }
}

reasons! {
    /// What a list says against what the schemes publish. The row is taken all the same.
    Contradiction {
        Brand "the list and the digits name different schemes; the digits stand",
        Length "the scheme of these digits has no numbers of that length",
        Luhn "numbers without a check digit are never stored",
    }
}

/// One that is shown: its line, and what may be said of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shown {
    /// The line of the list, from 1.
    pub line: u64,
    /// More about it; never digits that could be a card number.
    pub what: String,
}

/// How many of a kind there were, and the first few.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted<K> {
    /// The kind.
    pub kind: K,
    /// How many.
    pub count: u64,
    /// The first few, at most [`SHOWN_MAX`].
    pub shown: Vec<Shown>,
}

/// Numbers that begin with the same so many digits, and of which ranges of the list say different things, or nothing of some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// How many digits.
    pub digits: usize,
    /// How many BINs.
    pub count: u64,
    /// The first few, at most [`SHOWN_MAX`].
    pub first: Vec<String>,
}

/// What became of the rows of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows of the list, without its header and empty lines.
    pub rows: u64,
    /// Rows that are in the table.
    pub taken: u64,
    /// Ranges that they make: rows that follow each other and say the same are one.
    pub ranges: u64,
    /// Rows that are not in the table.
    pub refused: Vec<Counted<Refused>>,
    /// Values that are not in the table, of rows that are.
    pub left_out: Vec<Counted<LeftOut>>,
    /// Rows that say something against what the schemes publish.
    pub contradictions: Vec<Counted<Contradiction>>,
    /// BINs of which something is not in the table, since it is not the same of all numbers that begin so.
    pub merged: Vec<Merged>,
    /// Whether the last row has no end of a line.
    pub unended: bool,
    /// The last line, when it has no end and its row was refused: the list was cut short there.
    pub cut: Option<u64>,
}

impl Report {
    pub(super) fn refused(&mut self, kind: Refused, line: u64) {
        count(&mut self.refused, kind, Shown { line, what: String::new() });
    }

    /// The value is shown if it is one or two plain words.
    pub(super) fn left_out(&mut self, kind: LeftOut, line: u64, value: &str) {
        let plain = value.len() <= 24 && value.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b' ');
        let what = if plain { value.to_owned() } else { String::new() };
        count(&mut self.left_out, kind, Shown { line, what });
    }

    pub(super) fn contradiction(&mut self, kind: Contradiction, line: u64, what: impl FnOnce() -> String) {
        let room = counted(&self.contradictions, kind).is_none_or(|counted| counted.shown.len() < SHOWN_MAX);
        let what = if room { what() } else { String::new() };
        count(&mut self.contradictions, kind, Shown { line, what });
    }

    /// BINs of so many digits, in order, of which something is not the same of all numbers.
    pub(super) fn merged(&mut self, digits: usize, bins: &[u64]) {
        if bins.is_empty() {
            return;
        }
        let first = bins.iter().take(SHOWN_MAX).map(|bin| format!("{bin:0digits$}")).collect();
        self.merged.push(Merged { digits, count: bins.len() as u64, first });
    }

    /// Puts all in the order of their kinds, and what is shown in that of lines.
    pub(super) fn sort(&mut self) {
        self.refused.sort_by_key(|counted| counted.kind as u8);
        self.left_out.sort_by_key(|counted| counted.kind as u8);
        self.contradictions.sort_by_key(|counted| counted.kind as u8);
        self.refused.iter_mut().for_each(|counted| counted.shown.sort());
    }

    /// How many rows were refused for one reason.
    pub fn refused_for(&self, kind: Refused) -> u64 {
        counted(&self.refused, kind).map_or(0, |counted| counted.count)
    }

    /// How many values were left out for one reason.
    pub fn left_out_for(&self, kind: LeftOut) -> u64 {
        counted(&self.left_out, kind).map_or(0, |counted| counted.count)
    }

    /// How many rows contradict the schemes in one thing.
    pub fn contradictions_in(&self, kind: Contradiction) -> u64 {
        counted(&self.contradictions, kind).map_or(0, |counted| counted.count)
    }
}

/// Two brands, for a contradiction.
pub(super) fn brands(listed: Brand, of_digits: Brand) -> String {
    format!("{listed} in the list, {of_digits} by its digits")
}

fn counted<K: Copy + PartialEq>(all: &[Counted<K>], kind: K) -> Option<&Counted<K>> {
    all.iter().find(|counted| counted.kind == kind)
}

fn count<K: Copy + PartialEq>(all: &mut Vec<Counted<K>>, kind: K, shown: Shown) {
    match all.iter_mut().find(|counted| counted.kind == kind) {
        Some(counted) => {
            counted.count += 1;
            if counted.shown.len() < SHOWN_MAX {
                counted.shown.push(shown);
            }
        }
        None => all.push(Counted { kind, count: 1, shown: vec![shown] }),
    }
}

const _: () = assert!(BIN_DIGITS_MIN == 6 && BIN_DIGITS_MAX == 11, "the reasons say so");
