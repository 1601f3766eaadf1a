use std::collections::{HashMap, HashSet};

/// Bytes by which a form is found.
const KEY: usize = 8;
/// Bytes of a needle that are looked for; eight of them as hexadecimal digits, twelve as base64.
const RAW: usize = 16;
const FILTER_BITS: u64 = 1 << 20;

/// Looks for random bytes that must be nowhere, such as a sealed value or a key: as they are, as hexadecimal digits, and in base64 at any alignment.
pub struct NeedleScan {
    /// What follows the first eight bytes of each form.
    forms: HashMap<u64, Vec<Vec<u8>>>,
    filter: Vec<bool>,
}

impl NeedleScan {
    /// Looks for these, of at least 16 bytes each.
    pub fn new<T: AsRef<[u8]>>(needles: impl IntoIterator<Item = T>) -> Self {
        let slots = usize::try_from(FILTER_BITS).unwrap_or(0);
        let mut scan = Self { forms: HashMap::new(), filter: vec![false; slots] };
        let forms: HashSet<Vec<u8>> = needles.into_iter().flat_map(|needle| forms(needle.as_ref())).collect();
        for form in forms {
            let Some((key, rest)) = form.split_first_chunk::<KEY>() else { continue };
            let key = u64::from_le_bytes(*key);
            if let Some(slot) = scan.filter.get_mut(slot(key)) {
                *slot = true;
            }
            scan.forms.entry(key).or_default().push(rest.to_vec());
        }
        scan
    }

    /// Where in these bytes one of them begins.
    pub fn find(&self, bytes: &[u8]) -> Vec<usize> {
        let is_there = |at: &usize| {
            let window = bytes.get(*at..).unwrap_or_default();
            let Some((key, rest)) = window.split_first_chunk::<KEY>() else { return false };
            let key = u64::from_le_bytes(*key);
            self.filter.get(slot(key)) == Some(&true)
                && self.forms.get(&key).is_some_and(|forms| forms.iter().any(|form| rest.starts_with(form)))
        };
        (0..bytes.len().saturating_sub(KEY - 1)).filter(is_there).collect()
    }
}

fn slot(key: u64) -> usize {
    usize::try_from((key ^ key >> 20 ^ key >> 40) % FILTER_BITS).unwrap_or(0)
}

fn forms(needle: &[u8]) -> Vec<Vec<u8>> {
    let (raw, _) = needle.split_at_checked(RAW).unwrap_or((needle, &[]));
    let hex: String = raw.iter().take(KEY).map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![raw.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
    for phase in 0..3 {
        let Some(bytes) = raw.get(phase..phase + 12) else { continue };
        for alphabet in [STANDARD, URL_SAFE] {
            forms.push(base_64(bytes, alphabet));
        }
    }
    forms
}

/// Of whole groups of three bytes.
fn base_64(bytes: &[u8], alphabet: &[u8; 64]) -> Vec<u8> {
    let groups = bytes.chunks(3);
    let bits = groups.map(|group| group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)));
    let sextet = |bits: u32, at: u32| usize::try_from(bits >> (18 - 6 * at) & 63).unwrap_or(0);
    bits.flat_map(|bits| (0..4).filter_map(move |at| alphabet.get(sextet(bits, at)).copied())).collect()
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// How often each three digits stand in these bytes by themselves, and are no part of a longer number or of hexadecimal digits: 1,000 counts.
///
/// A CVV is three digits, which stand everywhere by chance. Where so many cards have one and the same, and it was written even once for each, it stands so
/// many times more often than any other. An id that happens to have them may be in every row that there is, and says nothing.
pub fn triples(bytes: &[u8]) -> Vec<u64> {
    let mut counts = vec![0; 1_000];
    let goes_on = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_hexdigit);
    for (at, window) in bytes.windows(3).enumerate() {
        let digits = window.iter().map(|byte| byte.wrapping_sub(b'0'));
        if digits.clone().all(|digit| digit < 10)
            && !goes_on(at.checked_sub(1))
            && !goes_on(at.checked_add(window.len()))
        {
            let value = digits.fold(0, |value, digit| value * 10 + usize::from(digit));
            if let Some(count) = counts.get_mut(value) {
                *count += 1;
            }
        }
    }
    counts
}

/// Where a CVV stands as it is before it is sealed: format 1, how many digits, the digits, and zeroes up to 16 bytes.
pub fn plain_blocks(bytes: &[u8]) -> Vec<usize> {
    let is_block = |window: &[u8]| match window {
        [1, count @ 3..=4, rest @ ..] => {
            let (digits, zeroes) = rest.split_at_checked(usize::from(*count)).unwrap_or((&[], rest));
            !digits.is_empty()
                && digits.iter().all(u8::is_ascii_digit)
                && zeroes.iter().all(|byte| *byte == 0)
        }
        _ => false,
    };
    bytes.windows(16).enumerate().filter(|(_, window)| is_block(window)).map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_are_found_in_every_form() {
        let needle: Vec<u8> = (0..57u8).map(|at| at.wrapping_mul(73) ^ 0x5a).collect();
        let scan = NeedleScan::new([&needle]);
        let hex: String = needle.iter().map(|byte| format!("{byte:02x}")).collect();
        for before in [&b""[..], b"x", b"xy"] {
            let stream = [before, &needle].concat();
            let stream = &stream[..stream.len() / 3 * 3];
            assert_eq!(scan.find(stream), [before.len()]);
            assert_eq!(scan.find(&base_64(stream, STANDARD)).len(), 1, "{}", before.len());
            assert_eq!(scan.find(&base_64(stream, URL_SAFE)).len(), 1);
        }
        assert_eq!(scan.find(hex.as_bytes()), [0]);
        assert_eq!(scan.find(hex.to_uppercase().as_bytes()), [0]);
        assert_eq!(scan.find(&needle[1..]), Vec::<usize>::new());
    }

    #[test]
    fn digits_are_counted_and_plain_blocks_are_found() {
        let counts = triples(b"123 1234 'x123'234. 6b0a739f 6b0a0739");
        assert_eq!((counts[123], counts[234], counts.iter().sum::<u64>()), (2, 1, 3));
        let block = |digits: &[u8]| {
            let mut block = [0; 16];
            block[0] = 1;
            block[1] = u8::try_from(digits.len()).unwrap();
            block[2..2 + digits.len()].copy_from_slice(digits);
            [b"xx".as_slice(), &block].concat()
        };
        assert_eq!(plain_blocks(&block(b"123")), [2]);
        assert_eq!(plain_blocks(&block(b"1234")), [2]);
        assert_eq!(plain_blocks(&block(b"12")), Vec::<usize>::new());
        assert_eq!(plain_blocks(&[0; 64]), Vec::<usize>::new());
    }

    /// The block is the one that is sealed.
    #[test]
    fn a_plain_block_is_what_is_sealed() {
        for digits in ["123", "0000"] {
            let cvv = panvault_card::Cvv::parse(digits, None).unwrap_or_else(|_| panic!("{digits}"));
            assert_eq!(plain_blocks(panvault_card::CvvBlock::pack(&cvv).expose_bytes()), [0]);
        }
    }
}
