use core::marker::PhantomData;

use zeroize::Zeroize;

use crate::limits::{CRYPTOGRAM_BYTES_MAX, CRYPTOGRAM_BYTES_MIN, CRYPTOGRAM_CHARS_MAX};

/// What a network token comes with in each payment: the network made it for this one, and takes it once.
///
/// Visa calls it TAVV, and it has 20 bytes; Mastercard's of digital secure remote payments have 19 or more, and those of American Express 20 or 40.
///
/// Boxed, wiped when it goes, and not `Send`, so that it cannot be held across a wait.
pub struct Cryptogram {
    chars: Box<[u8; CRYPTOGRAM_CHARS_MAX]>,
    len: u8,
    _one_step: PhantomData<*const ()>,
}

/// Why a text is not a cryptogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptogramFault {
    /// Something other than base64.
    #[error("must be base64")]
    NotBase64,
    /// Of too few or too many bytes.
    #[error("must be base64 of {CRYPTOGRAM_BYTES_MIN} to {CRYPTOGRAM_BYTES_MAX} bytes")]
    Length,
}

impl Cryptogram {
    /// Reads base64 (RFC 4648, section 4). What it is filled up with may be left out, and is put back.
    pub fn parse(text: &str) -> Result<Self, CryptogramFault> {
        let digits = text.trim_end_matches('=');
        let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        let filled = digits.len().next_multiple_of(4);
        // Four digits are three bytes; a last one alone is none.
        let is_whole = digits.len() % 4 != 1 && (text.len() == digits.len() || text.len() == filled);
        if !is_whole || !digits.bytes().all(is_digit) {
            return Err(CryptogramFault::NotBase64);
        }
        let bytes = digits.len() / 4 * 3 + (digits.len() % 4).saturating_sub(1);
        if !(CRYPTOGRAM_BYTES_MIN..=CRYPTOGRAM_BYTES_MAX).contains(&bytes) {
            return Err(CryptogramFault::Length);
        }
        let mut chars = Box::new([b'='; CRYPTOGRAM_CHARS_MAX]);
        for (slot, digit) in chars.iter_mut().zip(digits.bytes()) {
            *slot = digit;
        }
        let len = u8::try_from(filled).map_err(|_| CryptogramFault::Length)?;
        Ok(Self { chars, len, _one_step: PhantomData })
    }

    /// Its base64, filled up: for packing, and for the processor.
    pub fn expose_text(&self) -> &str {
        let chars = self.chars.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(chars).unwrap_or_default()
    }
}

impl Drop for Cryptogram {
    fn drop(&mut self) {
        self.chars.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, CryptogramFault> {
        Cryptogram::parse(text).map(|read| read.expose_text().to_owned())
    }

    #[test]
    fn cryptograms_of_the_networks_are_taken_and_filled_up() {
        for (text, filled) in [
            ("AgAAAAAAAIR8CQrXcIhbQAAAAAA", "AgAAAAAAAIR8CQrXcIhbQAAAAAA="),
            ("AgAAAAAAAIR8CQrXcIhbQAAAAAA=", "AgAAAAAAAIR8CQrXcIhbQAAAAAA="),
            ("ALnt+yWSJdXBACMLLWMNGgADFA==", "ALnt+yWSJdXBACMLLWMNGgADFA=="),
            ("ALnt+yWSJdXBACMLLWMNGgADFA", "ALnt+yWSJdXBACMLLWMNGgADFA=="),
            ("/wAAAAAAAAAAAAAAAAAAAAAAAAAA", "/wAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(filled), "{text}");
        }
        // 40 bytes, of American Express.
        let longest = format!("{}==", "Ab3/".repeat(13) + "Ab");
        assert_eq!(read(&longest).as_deref(), Ok(longest.as_str()));
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "AAAAAAAAAAAAAAAAAAAAAAAA", &"A".repeat(55), &"A".repeat(56), &"A".repeat(4096)] {
            assert_eq!(read(text), Err(CryptogramFault::Length), "{text}");
        }
        for text in [
            "AgAAAAAAAIR8CQrXcIhbQAAAAAA==",
            "AgAAAAAAAIR8CQrXcIhbQAAAAA=",
            "AgAAAAAAAIR8CQrXcIhbQAAAA",
            "AgAAAAAAAIR8CQrXcIhbQAAAA-A=",
            "AgAAAAAAAIR8CQrXcIhb AAAAAA=",
            "=gAAAAAAAIR8CQrXcIhbQAAAAAA=",
            "АgAAAAAAAIR8CQrXcIhbQAAAAA",
        ] {
            assert_eq!(read(text), Err(CryptogramFault::NotBase64), "{text}");
        }
    }
}
