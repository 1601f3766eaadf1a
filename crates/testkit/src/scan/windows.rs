use std::collections::{HashMap, HashSet};

/// Digits of the shortest piece of a card number that is a leak.
const WINDOW: usize = 8;
/// Digits that a piece needs inside a longer run of digits, or inside a long hexadecimal name. Ids, fingerprints and
/// times are such runs, and enough of them meet one of ten thousand windows of eight by chance; eleven do not.
const WINDOW_INSIDE: usize = 11;
/// Digits that a piece needs when packed. Eight are four bytes, and any 50 MB of ciphertext holds some of nine thousand
/// such windows by chance; twelve it does not.
const WINDOW_PACKED: usize = 12;
/// Digits of a card number that may be shown: the first six and the last four.
const SHOWN: usize = 10;
/// Hexadecimal digits from which on a word is a name and no number.
const NAME: usize = 16;
const FILTER_BITS: u64 = 1 << 20;

/// Every piece of every card number, to be looked up quickly.
pub(super) struct Windows {
    numbers: Vec<Vec<u8>>,
    /// Which numbers have these eight digits, and where.
    places: HashMap<u64, Vec<(usize, usize)>>,
    filter: Filter,
    /// First six and last four digits of each number, which stored rows hold side by side.
    shown: HashSet<u64>,
    packed: HashSet<u64>,
    packed_filter: Filter,
}

/// Says of most values that they are not in a set, without hashing.
struct Filter(Vec<bool>);

/// A digit, and where it stands.
#[derive(Clone, Copy)]
struct Digit {
    value: u8,
    at: usize,
}

impl Filter {
    fn new() -> Self {
        Self(vec![false; usize::try_from(FILTER_BITS).unwrap_or(0)])
    }

    fn slot(value: u64) -> usize {
        usize::try_from((value ^ value >> 20) % FILTER_BITS).unwrap_or(0)
    }

    fn insert(&mut self, value: u64) {
        if let Some(slot) = self.0.get_mut(Self::slot(value)) {
            *slot = true;
        }
    }

    fn may_hold(&self, value: u64) -> bool {
        self.0.get(Self::slot(value)).is_some_and(|slot| *slot)
    }
}

impl Windows {
    pub(super) fn new<T: AsRef<str>>(card_numbers: impl IntoIterator<Item = T>) -> Self {
        let mut windows = Self {
            numbers: Vec::new(),
            places: HashMap::new(),
            filter: Filter::new(),
            shown: HashSet::new(),
            packed: HashSet::new(),
            packed_filter: Filter::new(),
        };
        for number in card_numbers {
            let digits: Vec<u8> = number.as_ref().bytes().map(|digit| digit.wrapping_sub(b'0')).collect();
            for (start, window) in digits.windows(WINDOW).enumerate() {
                let value = number_of(window);
                windows.filter.insert(value);
                windows.places.entry(value).or_default().push((windows.numbers.len(), start));
            }
            for window in digits.windows(WINDOW_PACKED) {
                windows.packed_filter.insert(number_of(window));
                windows.packed.insert(number_of(window));
            }
            if let (Some(bin), Some(last_four)) = (digits.first_chunk::<6>(), digits.last_chunk::<4>()) {
                windows.shown.insert(number_of(&[bin.as_slice(), last_four].concat()));
            }
            windows.numbers.push(digits);
        }
        windows
    }

    /// Finds pieces written in ASCII.
    pub(super) fn find(&self, bytes: &[u8], found: &mut dyn FnMut(usize)) {
        let mut run = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            match bytes.get(at) {
                Some(byte @ b'0'..=b'9') => {
                    run.push(Digit { value: byte - b'0', at });
                    at += 1;
                }
                Some(_) if run.is_empty() => at += 1,
                Some(_) | None => {
                    let gap = separators(bytes.get(at..).unwrap_or_default());
                    if gap == 0 {
                        self.find_in_run(bytes, &run, found);
                        run.clear();
                    }
                    at += gap.max(1);
                }
            }
        }
        self.find_in_run(bytes, &run, found);
    }

    fn find_in_run(&self, bytes: &[u8], run: &[Digit], found: &mut dyn FnMut(usize)) {
        let values: Vec<u8> = run.iter().map(|digit| digit.value).take(SHOWN + 1).collect();
        if values.len() == SHOWN && self.shown.contains(&number_of(&values)) {
            return;
        }
        let mut told = 0;
        for (start, window) in run.windows(WINDOW).enumerate() {
            let value = window.iter().fold(0, |value, digit| value * 10 + u64::from(digit.value));
            if start < told || !self.filter.may_hold(value) {
                continue;
            }
            for (number, place) in self.places.get(&value).into_iter().flatten() {
                let Some(number) = self.numbers.get(*number) else { continue };
                let end = start + matching(run.get(start..), number.get(*place..));
                if is_leak(bytes, run.get(start..end).unwrap_or_default())
                    && let Some(first) = run.get(start)
                {
                    found(first.at);
                    told = end;
                    break;
                }
            }
        }
    }

    /// Finds pieces written two digits to a byte.
    pub(super) fn find_packed(&self, bytes: &[u8], found: &mut dyn FnMut(usize)) {
        const MODULUS: u64 = 10u64.pow(12);
        let (mut value, mut digits) = (0, 0);
        for (at, byte) in bytes.iter().enumerate() {
            if *byte == 0 && value == 0 {
                digits += 2;
                continue;
            }
            for nibble in [byte >> 4, byte & 0xf] {
                if nibble > 9 {
                    (value, digits) = (0, 0);
                    continue;
                }
                value = (value * 10 + u64::from(nibble)) % MODULUS;
                digits += 1;
                if digits >= WINDOW_PACKED
                    && self.packed_filter.may_hold(value)
                    && self.packed.contains(&value)
                {
                    found((at + 1).saturating_sub(WINDOW_PACKED.div_ceil(2)));
                }
            }
        }
    }
}

/// How many digits of the run are those of the card number, from the front of both.
fn matching(run: Option<&[Digit]>, number: Option<&[u8]>) -> usize {
    run.unwrap_or_default()
        .iter()
        .zip(number.unwrap_or_default())
        .take_while(|(digit, value)| digit.value == **value)
        .count()
}

/// Whether a piece that matches is long enough for where it stands.
fn is_leak(bytes: &[u8], piece: &[Digit]) -> bool {
    let (Some(first), true) = (piece.first(), piece.len() >= WINDOW) else { return false };
    if piece.len() >= WINDOW_INSIDE {
        return true;
    }
    let is_free = |from: &Digit, to: &Digit| {
        let digit_at = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
        !digit_at(from.at.checked_sub(1))
            && !digit_at(to.at.checked_add(1))
            && !is_name(bytes, from.at, to.at)
    };
    piece.get(WINDOW - 1..).unwrap_or_default().iter().any(|last| is_free(first, last))
}

/// Whether the digits are part of a long hexadecimal word with letters in it.
fn is_name(bytes: &[u8], from: usize, to: usize) -> bool {
    let hex = |byte: &&u8| byte.is_ascii_hexdigit();
    let before = bytes.get(..from).unwrap_or_default().iter().rev().take_while(hex).count();
    let after = bytes.get(to..).unwrap_or_default().iter().take_while(hex).count();
    let word = bytes.get(from - before..to + after).unwrap_or_default();
    word.len() >= NAME && word.iter().any(u8::is_ascii_alphabetic)
}

/// Bytes that may stand between two digits of one number: one or two of them, then a digit.
fn separators(rest: &[u8]) -> usize {
    const SEPARATORS: &[u8] = b" -,";
    match rest {
        [a, b'0'..=b'9', ..] if SEPARATORS.contains(a) => 1,
        [a, b, b'0'..=b'9', ..] if SEPARATORS.contains(a) && SEPARATORS.contains(b) => 2,
        _ => 0,
    }
}

fn number_of(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |value, digit| value * 10 + u64::from(*digit))
}
