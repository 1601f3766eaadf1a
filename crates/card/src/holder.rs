use core::marker::PhantomData;

use zeroize::Zeroize;

use crate::limits::{HOLDER_BYTES_MAX, HOLDER_BYTES_MIN};
use crate::text::holds_card_number;

/// The name on a card. Sealed with the card number, and never shown.
///
/// Boxed, wiped when it goes, and not `Send`, so that it cannot be held across a wait.
pub struct Holder {
    text: Box<[u8; HOLDER_BYTES_MAX]>,
    len: u8,
    _one_step: PhantomData<*const ()>,
}

/// Why a text is not a holder's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HolderFault {
    /// Shorter than 2 or longer than 45 bytes.
    #[error("must have 2 to 45 bytes")]
    Length,
    /// A control character, or something else that no name has.
    #[error("must hold letters, digits, spaces and . ' , & / ( ) - only")]
    Character,
    /// It is a card number.
    #[error("looks like it holds a card number")]
    CardNumber,
}

impl Holder {
    /// Reads a name: letters of any script, ASCII digits, spaces and a little punctuation.
    pub fn parse(text: &str) -> Result<Self, HolderFault> {
        if !(HOLDER_BYTES_MIN..=HOLDER_BYTES_MAX).contains(&text.len()) {
            return Err(HolderFault::Length);
        }
        let fits = |symbol: char| {
            symbol.is_alphabetic()
                || symbol.is_ascii_digit()
                || matches!(symbol, ' ' | '.' | '\'' | ',' | '&' | '/' | '(' | ')' | '-')
        };
        if !text.chars().all(fits) || text.trim().is_empty() {
            return Err(HolderFault::Character);
        }
        if holds_card_number(text) {
            return Err(HolderFault::CardNumber);
        }
        Self::boxed(text)
    }

    /// Takes up a name that was packed. What was once taken in stays a name, even where `parse` has grown stricter since.
    pub(crate) fn unpack(text: &str) -> Result<Self, HolderFault> {
        if text.len() < HOLDER_BYTES_MIN { Err(HolderFault::Length) } else { Self::boxed(text) }
    }

    fn boxed(text: &str) -> Result<Self, HolderFault> {
        if text.len() > HOLDER_BYTES_MAX {
            return Err(HolderFault::Length);
        }
        let mut boxed = Box::new([0; HOLDER_BYTES_MAX]);
        for (slot, byte) in boxed.iter_mut().zip(text.as_bytes()) {
            *slot = *byte;
        }
        let len = u8::try_from(text.len()).map_err(|_| HolderFault::Length)?;
        Ok(Self { text: boxed, len, _one_step: PhantomData })
    }

    /// The name: for packing, and for the processor.
    pub fn expose_text(&self) -> &str {
        let bytes = self.text.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names() {
        for text in ["Al", "J. O'Neill-Smith", "MÜLLER/ANNA", "李 小龙", &"a".repeat(45)] {
            assert_eq!(
                Holder::parse(text).ok().map(|holder| holder.expose_text().to_owned()).as_deref(),
                Some(text)
            );
        }
    }

    /// What a name may be has changed, and will again. A name that is sealed must still open.
    #[test]
    fn what_was_packed_stays_a_name() {
        for text in ["Ann Lee", "4111 1111 1111 1111", "a\u{202e}b"] {
            assert_eq!(
                Holder::unpack(text).ok().map(|holder| holder.expose_text().to_owned()).as_deref(),
                Some(text)
            );
        }
        assert!(Holder::unpack("A").is_err() && Holder::unpack(&"a".repeat(46)).is_err());
    }

    #[test]
    fn refuses_the_rest() {
        assert_eq!(Holder::parse("A").err(), Some(HolderFault::Length));
        assert_eq!(Holder::parse(&"a".repeat(46)).err(), Some(HolderFault::Length));
        for text in ["A\nB", "A\0B", "  ", "<b>", "a\u{202e}b", "{\"a\"}"] {
            assert_eq!(Holder::parse(text).err(), Some(HolderFault::Character), "{text:?}");
        }
        assert_eq!(Holder::parse("4111 1111 1111 1111").err(), Some(HolderFault::CardNumber));
    }
}
