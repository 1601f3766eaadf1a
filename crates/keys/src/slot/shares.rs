//! A slot's key in n shares, of which t give it back and fewer tell nothing (A. Shamir, How to share a secret, 1979).

use core::fmt::Write;

use zeroize::{Zeroize, Zeroizing};

use crate::entropy::Entropy;
use crate::error::{KeysError, ShareFault};
use crate::header::{Header, HeaderSlot};
use crate::limits::SHARES_MAX;
use crate::slot::gf256::{invert, multiply};
use crate::slot::{Protection, Slot, SlotKey};
use crate::xaes::KEY_BYTES;

const LABEL: &str = "panvault-share-1";
/// Characters of a share's text at most.
const TEXT_CHARS_MAX: usize = 256;

/// Who holds how much of a slot's key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ShareScheme {
    /// How many give the key.
    pub needed: u8,
    /// How many there are.
    pub made: u8,
    /// Which making of shares it was: those of two do not mix.
    pub set: u32,
}

impl ShareScheme {
    /// As many as these, or `None` where that is no scheme: at least 2 of at most [`SHARES_MAX`].
    pub const fn new(needed: u8, made: u8, set: u32) -> Option<Self> {
        if needed >= 2 && needed <= made && made as usize <= SHARES_MAX {
            Some(Self { needed, made, set })
        } else {
            None
        }
    }
}

/// One custodian's part of a slot's key: the values at one place of as many polynomials as the key has bytes. Wiped when it goes.
pub struct Share {
    scheme: ShareScheme,
    /// Where the polynomials were evaluated: 1 to `made`.
    at: u8,
    values: Box<[u8; KEY_BYTES]>,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.values.zeroize();
    }
}

impl Share {
    /// Which of the shares it is, from 1.
    pub const fn number(&self) -> u8 {
        self.at
    }

    /// Of which scheme.
    pub const fn scheme(&self) -> ShareScheme {
        self.scheme
    }

    /// What a custodian keeps: `panvault-share-1 ` ‖ set in 8 hexadecimal digits ‖ ` ` ‖ needed ‖ `/` ‖ made ‖ ` ` ‖ number ‖ ` ` ‖ 64 hexadecimal digits in
    /// groups of four ‖ ` ` ‖ CRC-32 of all that in 8 hexadecimal digits.
    pub fn expose_text(&self) -> Zeroizing<String> {
        // Room for all of it: a text that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(TEXT_CHARS_MAX));
        let ShareScheme { needed, made, set } = self.scheme;
        // Writing into a text does not fail.
        let _ = write!(text, "{LABEL} {set:08x} {needed}/{made} {}", self.at);
        for pair in self.values.as_chunks::<2>().0 {
            let [one, other] = pair;
            let _ = write!(text, " {one:02x}{other:02x}");
        }
        let _ = write!(text, " {:08x}", self.checksum());
        text
    }

    /// Reads what was typed or pasted: capitals and spaces do not matter. What is not a share, or has a mistake in it, is told apart from what is one.
    pub fn parse(text: &str) -> Result<Self, ShareFault> {
        if text.len() > TEXT_CHARS_MAX * 2 {
            return Err(ShareFault::NotAShare);
        }
        let mut words = text.split_ascii_whitespace();
        if !words.next().is_some_and(|word| word.eq_ignore_ascii_case(LABEL)) {
            return Err(ShareFault::NotAShare);
        }
        let set = words.next().and_then(set_parse);
        let counts = words.next().and_then(|word| word.split_once('/'));
        let counts = counts.and_then(|(needed, made)| Some((count_parse(needed)?, count_parse(made)?)));
        let (Some(set), Some((needed, made))) = (set, counts) else { return Err(ShareFault::Mistyped) };
        let scheme = ShareScheme::new(needed, made, set).ok_or(ShareFault::Mistyped)?;
        let at = words.next().and_then(count_parse).filter(|at| (1..=made).contains(at));
        let mut digits = Zeroizing::new(String::with_capacity(TEXT_CHARS_MAX * 2));
        words.for_each(|word| digits.push_str(word));
        let mut share =
            Self { scheme, at: at.ok_or(ShareFault::Mistyped)?, values: Box::new([0; KEY_BYTES]) };
        let split = digits.split_at_checked(KEY_BYTES * 2).ok_or(ShareFault::Mistyped)?;
        hex::decode_to_slice(split.0, share.values.as_mut_slice()).map_err(|_| ShareFault::Mistyped)?;
        let expected = format!("{:08x}", share.checksum());
        if split.1.eq_ignore_ascii_case(&expected) { Ok(share) } else { Err(ShareFault::Mistyped) }
    }

    fn checksum(&self) -> u32 {
        let ShareScheme { needed, made, set } = self.scheme;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(LABEL.as_bytes());
        hasher.update(&set.to_be_bytes());
        hasher.update(&[needed, made, self.at]);
        hasher.update(self.values.as_slice());
        hasher.finalize()
    }
}

/// The number of a set, which has eight digits.
fn set_parse(word: &str) -> Option<u32> {
    let is_whole = word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_whole.then(|| u32::from_str_radix(word, 16).ok()).flatten()
}

/// A count or number as it is printed: with a zero or a plus sign before it, it was typed by somebody who did not copy a share.
fn count_parse(word: &str) -> Option<u8> {
    let is_printed = word.bytes().all(|byte| byte.is_ascii_digit()) && !word.starts_with('0');
    is_printed.then(|| word.parse().ok()).flatten()
}

/// Splits a key. Each byte is the value at 0 of a polynomial of its own, whose other coefficients are drawn uniformly.
pub(super) fn split(
    key: &SlotKey,
    scheme: ShareScheme,
    entropy: &dyn Entropy,
) -> Result<Vec<Share>, KeysError> {
    let mut coefficients = Zeroizing::new(vec![[0; KEY_BYTES]; usize::from(scheme.needed) - 1]);
    for row in coefficients.iter_mut() {
        entropy.fill_secret(row)?;
    }
    let share = |at| {
        let mut values = Box::new([0; KEY_BYTES]);
        // Horner's rule, from the highest coefficient down.
        for row in coefficients.iter().rev() {
            for (value, coefficient) in values.iter_mut().zip(row) {
                *value = multiply(*value ^ coefficient, at);
            }
        }
        for (value, byte) in values.iter_mut().zip(key.expose_bytes()) {
            *value ^= byte;
        }
        Share { scheme, at, values }
    };
    Ok((1..=scheme.made).map(share).collect())
}

/// Puts a key together. That it is the right one is seen where it is used: too few, or one of another set, give some other key.
pub(super) fn join(shares: &[Share]) -> Result<SlotKey, ShareFault> {
    let Some(first) = shares.first() else { return Err(ShareFault::TooFew) };
    if shares.iter().any(|share| share.scheme != first.scheme) {
        return Err(ShareFault::Mixed);
    }
    if shares
        .iter()
        .enumerate()
        .any(|(index, share)| shares.iter().skip(index + 1).any(|other| other.at == share.at))
    {
        return Err(ShareFault::Repeated);
    }
    if shares.len() < usize::from(first.scheme.needed) {
        return Err(ShareFault::TooFew);
    }
    let mut bytes = Box::new([0; KEY_BYTES]);
    for share in shares {
        // Lagrange at 0: the product of x ÷ (x − own) over the others; a difference is a sum here.
        let others = shares.iter().filter(|other| other.at != share.at);
        let weight =
            others.fold(1, |weight, other| multiply(weight, multiply(other.at, invert(other.at ^ share.at))));
        for (byte, value) in bytes.iter_mut().zip(share.values.iter()) {
            *byte ^= multiply(*value, weight);
        }
    }
    Ok(SlotKey::from_boxed(bytes))
}

/// The shares that custodians brought.
pub struct Shares(pub Vec<Share>);

impl Slot for Shares {
    fn open(&self, header: &Header) -> Result<SlotKey, KeysError> {
        let key = join(&self.0)?;
        let public = key.public()?;
        let is_of_shares = |slot: &&HeaderSlot| matches!(slot.protection, Protection::Shares(_));
        let mut slots = header.slots().iter().filter(is_of_shares).peekable();
        if slots.peek().is_none() {
            return Err(KeysError::SlotOfKindMissing { kind: "shares" });
        }
        if slots.any(|slot| slot.public == public) { Ok(key) } else { Err(ShareFault::Foreign.into()) }
    }

    fn describe(&self) -> String {
        "custodians' shares".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    fn scheme(needed: u8, made: u8) -> ShareScheme {
        ShareScheme::new(needed, made, 0x1234_abcd).unwrap()
    }

    fn key() -> SlotKey {
        SlotKey::from_boxed(Box::new(core::array::from_fn(|at| u8::try_from(at * 7).unwrap())))
    }

    fn shares(needed: u8, made: u8) -> Vec<Share> {
        split(&key(), scheme(needed, made), &SystemEntropy::new()).unwrap()
    }

    fn again(shares: &[Share], which: impl IntoIterator<Item = usize>) -> Vec<Share> {
        which.into_iter().map(|at| Share::parse(&shares[at].expose_text()).ok().unwrap()).collect()
    }

    fn fault(shares: &[Share]) -> ShareFault {
        join(shares).err().unwrap()
    }

    #[test]
    fn every_subset_of_three_of_five_gives_the_key_and_fewer_do_not() {
        let made = shares(3, 5);
        for chosen in 0_u32..32 {
            let which = (0..5).filter(|at| chosen >> at & 1 == 1);
            let some = again(&made, which);
            match join(&some) {
                Ok(joined) => {
                    assert!(some.len() >= 3);
                    assert_eq!(joined.expose_bytes(), key().expose_bytes());
                }
                Err(ShareFault::TooFew) => assert!(some.len() < 3, "{chosen:05b}"),
                Err(_) => panic!("{chosen:05b}"),
            }
        }
    }

    /// For two shares of three that are needed, and any key, there is a third share that gives it: the two tell nothing.
    #[test]
    fn two_of_three_fit_every_key() {
        let made = shares(3, 3);
        for wanted in 0..=u8::MAX {
            let mut some = again(&made, 0..3);
            let found = (0..=u8::MAX).filter(|value| {
                some[2].values[0] = *value;
                join(&some).ok().unwrap().expose_bytes()[0] == wanted
            });
            assert_eq!(found.count(), 1, "{wanted}");
        }
    }

    /// A source that gives 0, 1, 2, … for the coefficients: shares are as they are computed by hand.
    #[test]
    fn shares_are_values_of_the_polynomials() {
        let made = split(&key(), scheme(2, 3), &crate::vectors::Counting(std::sync::Mutex::new(0))).unwrap();
        for share in &made {
            for (at, value) in share.values.iter().enumerate() {
                let secret = u8::try_from(at * 7).unwrap();
                let coefficient = made[0].values[at] ^ secret;
                assert_eq!(*value, secret ^ multiply(coefficient, share.at));
            }
        }
    }

    #[test]
    fn every_typing_error_is_told() {
        let text = shares(2, 3).swap_remove(1).expose_text();
        assert!(Share::parse(&text.to_uppercase().replace("PANVAULT", "panvault")).is_ok());
        assert!(Share::parse(&text.replace(' ', "  \n")).is_ok());
        for (at, character) in text.char_indices() {
            for other in "0123456789abcdef/ x".chars().filter(|other| *other != character) {
                let mut typed = text.to_string();
                typed.replace_range(at..=at, other.encode_utf8(&mut [0; 4]));
                let parsed = Share::parse(&typed);
                // Where digits stand in groups does not matter.
                let same = parsed.as_ref().is_ok_and(|share| share.expose_text().as_str() == text.as_str());
                assert!(parsed.is_err() || same, "{at}: {other}");
            }
            assert!(Share::parse(&text[..at]).is_err(), "cut at {at}");
        }
        // What is read as the same number is not what was printed: `2/3` and `2` here, and the set.
        let words: Vec<_> = text.split(' ').collect();
        assert_eq!(words[2..4], ["2/3", "2"]);
        for (place, typed) in [(2, "02/3"), (2, "2/03"), (2, "+2/3"), (3, "02"), (3, "+2")] {
            let mut words = words.clone();
            words[place] = typed;
            assert!(matches!(Share::parse(&words.join(" ")), Err(ShareFault::Mistyped)), "{typed}");
        }
        for set in [format!("0{}", words[1]), format!("+{}", words[1])] {
            let typed = text.replacen(words[1], &set, 1);
            assert!(matches!(Share::parse(&typed), Err(ShareFault::Mistyped)), "{set}");
        }
    }

    #[test]
    fn shares_that_do_not_belong_together_are_told() {
        let (made, others) = (shares(2, 3), shares(2, 3));
        assert!(matches!(fault(&[]), ShareFault::TooFew));
        assert!(matches!(fault(&again(&made, [0])), ShareFault::TooFew));
        assert!(matches!(fault(&again(&made, [0, 0])), ShareFault::Repeated));
        let mut mixed = again(&made, [0]);
        mixed.push(
            split(&key(), ShareScheme::new(2, 3, 1).unwrap(), &SystemEntropy::new()).unwrap().swap_remove(1),
        );
        assert!(matches!(fault(&mixed), ShareFault::Mixed));
        // Two sets that say that they are one: some other key.
        let mut foreign = again(&made, [0]);
        foreign.extend(again(&others, [1]));
        assert_ne!(join(&foreign).ok().unwrap().expose_bytes(), key().expose_bytes());
    }

    #[test]
    fn schemes_have_bounds() {
        assert!(ShareScheme::new(1, 3, 0).is_none());
        assert!(ShareScheme::new(4, 3, 0).is_none());
        assert!(ShareScheme::new(2, 2, 0).is_some());
        let most = u8::try_from(SHARES_MAX).unwrap();
        assert!(ShareScheme::new(2, most, 0).is_some() && ShareScheme::new(2, most + 1, 0).is_none());
        assert_eq!(join(&shares(16, 16)).ok().unwrap().expose_bytes(), key().expose_bytes());
    }
}
