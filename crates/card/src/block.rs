//! Plaintext blocks of fixed size: what is sealed, so that the length of a card number does not show.
//!
//! | block | byte | what |
//! | --- | --- | --- |
//! | card | 0 | format, 1 |
//! | | 1 | number of digits |
//! | | 2–11 | packed decimal, filled up with `F` |
//! | | 12 | bytes of the holder's name, 0 for none |
//! | | 13–57 | the name, filled up with zeroes |
//! | | 58–63 | zeroes |
//! | holder | 0 | format, 1 |
//! | | 1 | bytes of the name |
//! | | 2–46 | the name, filled up with zeroes |
//! | | 47–63 | zeroes |
//! | CVV | 0 | format, 1 |
//! | | 1 | number of digits |
//! | | 2–5 | the digits, ASCII, filled up with zeroes |
//! | | 6–15 | zeroes |
//! | cryptogram | 0 | format, 1 |
//! | | 1 | characters |
//! | | 2–57 | base64, ASCII, filled up with zeroes |
//! | | 58–63 | zeroes |

use core::marker::PhantomData;

use zeroize::{Zeroize, Zeroizing};

use crate::cryptogram::Cryptogram;
use crate::cvv::Cvv;
use crate::holder::Holder;
use crate::limits::PAN_DIGITS_MAX;
use crate::pan::Pan;

/// Bytes of the plaintext block of a card, and of a name alone.
pub const CARD_BLOCK_BYTES: usize = 64;
/// Bytes of a CVV's plaintext block.
pub const CVV_BLOCK_BYTES: usize = 16;

const FORMAT: u8 = 1;
const PACKED_AT: usize = 2;
const HOLDER_AT: usize = 13;

/// A card number and a holder's name, packed. Wiped when it goes, and not `Send`.
pub struct CardBlock(Box<[u8; CARD_BLOCK_BYTES]>, PhantomData<*const ()>);

/// A holder's name alone, packed, for the time until it is sealed with its card number. Wiped when it goes, and not `Send`.
pub struct HolderBlock(Box<[u8; CARD_BLOCK_BYTES]>, PhantomData<*const ()>);

/// A CVV, packed. Wiped when it goes, and not `Send`.
pub struct CvvBlock(Box<[u8; CVV_BLOCK_BYTES]>, PhantomData<*const ()>);

/// The cryptogram of a network token, packed, for the time until its transaction is sent. Wiped when it goes, and not `Send`.
pub struct CryptogramBlock(Box<[u8; CARD_BLOCK_BYTES]>, PhantomData<*const ()>);

/// A block that was opened is not one that was packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the opened block is not one that this version packs")]
pub struct BlockFault;

impl CardBlock {
    /// Packs a card number and a name.
    pub fn pack(pan: &Pan, holder: Option<&Holder>) -> Self {
        let mut block = Self::empty();
        let digits = pan.expose_digits();
        let mut bytes = block.0.iter_mut();
        let mut put = |byte: u8| {
            if let Some(slot) = bytes.next() {
                *slot = byte;
            }
        };
        put(FORMAT);
        put(u8::try_from(digits.len()).unwrap_or(u8::MAX));
        for place in 0..PAN_DIGITS_MAX.div_ceil(2) {
            let nibble = |at: usize| digits.get(at).map_or(0xf, |digit| digit & 0xf);
            put(nibble(place * 2) << 4 | nibble(place * 2 + 1));
        }
        let name = holder.map_or("", Holder::expose_text);
        put(u8::try_from(name.len()).unwrap_or(u8::MAX));
        name.bytes().for_each(put);
        block
    }

    /// Reads what was packed.
    pub fn unpack(self) -> Result<(Pan, Option<Holder>), BlockFault> {
        let [format, len, ..] = *self.0;
        if format != FORMAT {
            return Err(BlockFault);
        }
        let packed = self.0.get(PACKED_AT..).ok_or(BlockFault)?;
        let mut digits = Zeroizing::new([0u8; PAN_DIGITS_MAX + 1]);
        for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(packed) {
            *pair = [b'0' + (byte >> 4), b'0' + (byte & 0xf)];
        }
        let digits = digits.get(..usize::from(len)).ok_or(BlockFault)?;
        let pan = Pan::unpack(digits).map_err(|_| BlockFault)?;
        let holder_len = usize::from(*self.0.get(HOLDER_AT - 1).ok_or(BlockFault)?);
        let holder = match holder_len {
            0 => None,
            len => {
                let name = text(self.0.get(HOLDER_AT..).and_then(|rest| rest.get(..len)))?;
                Some(Holder::unpack(name).map_err(|_| BlockFault)?)
            }
        };
        Ok((pan, holder))
    }
}

impl HolderBlock {
    /// Packs a name.
    pub fn pack(holder: &Holder) -> Self {
        let mut block = Self::empty();
        let name = holder.expose_text().as_bytes();
        let len = u8::try_from(name.len()).unwrap_or(u8::MAX);
        for (slot, byte) in block.0.iter_mut().zip([FORMAT, len].iter().chain(name)) {
            *slot = *byte;
        }
        block
    }

    /// Reads what was packed.
    pub fn unpack(self) -> Result<Holder, BlockFault> {
        let [format, len, ref rest @ ..] = *self.0;
        if format != FORMAT {
            return Err(BlockFault);
        }
        Holder::unpack(text(rest.get(..usize::from(len)))?).map_err(|_| BlockFault)
    }
}

impl CvvBlock {
    /// Packs a CVV.
    pub fn pack(cvv: &Cvv) -> Self {
        let mut block = Self::empty();
        let digits = cvv.expose_digits();
        let len = u8::try_from(digits.len()).unwrap_or(u8::MAX);
        for (slot, byte) in block.0.iter_mut().zip([FORMAT, len].iter().chain(digits)) {
            *slot = *byte;
        }
        block
    }

    /// Reads what was packed.
    pub fn unpack(self) -> Result<Cvv, BlockFault> {
        let [format, len, ref rest @ ..] = *self.0;
        if format != FORMAT {
            return Err(BlockFault);
        }
        Cvv::parse(text(rest.get(..usize::from(len)))?, None).map_err(|_| BlockFault)
    }
}

impl CryptogramBlock {
    /// Packs a cryptogram.
    pub fn pack(cryptogram: &Cryptogram) -> Self {
        let mut block = Self::empty();
        let chars = cryptogram.expose_text().as_bytes();
        let len = u8::try_from(chars.len()).unwrap_or(u8::MAX);
        for (slot, byte) in block.0.iter_mut().zip([FORMAT, len].iter().chain(chars)) {
            *slot = *byte;
        }
        block
    }

    /// Reads what was packed.
    pub fn unpack(self) -> Result<Cryptogram, BlockFault> {
        let [format, len, ref rest @ ..] = *self.0;
        if format != FORMAT {
            return Err(BlockFault);
        }
        Cryptogram::parse(text(rest.get(..usize::from(len)))?).map_err(|_| BlockFault)
    }
}

fn text(bytes: Option<&[u8]>) -> Result<&str, BlockFault> {
    core::str::from_utf8(bytes.ok_or(BlockFault)?).map_err(|_| BlockFault)
}

macro_rules! block {
    ($block:ident, $bytes:ident) => {
        impl $block {
            /// A block of zeroes, to open into.
            pub fn empty() -> Self {
                Self(Box::new([0; $bytes]), PhantomData)
            }

            /// The plaintext, to be sealed.
            pub fn expose_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// The plaintext, to be opened into.
            pub fn expose_bytes_mut(&mut self) -> &mut [u8; $bytes] {
                &mut self.0
            }
        }

        impl Drop for $block {
            fn drop(&mut self) {
                self.0.zeroize();
            }
        }
    };
}

block!(CardBlock, CARD_BLOCK_BYTES);
block!(HolderBlock, CARD_BLOCK_BYTES);
block!(CvvBlock, CVV_BLOCK_BYTES);
block!(CryptogramBlock, CARD_BLOCK_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_block_has_these_bytes() {
        let pan = Pan::parse("378282246310005").unwrap();
        let holder = Holder::parse("Al").unwrap();
        let mut expected = [0; CARD_BLOCK_BYTES];
        expected[..15].copy_from_slice(&[
            1, 15, 0x37, 0x82, 0x82, 0x24, 0x63, 0x10, 0x00, 0x5f, 0xff, 0xff, 2, b'A', b'l',
        ]);
        assert_eq!(CardBlock::pack(&pan, Some(&holder)).expose_bytes(), &expected);
    }

    #[test]
    fn holder_and_cvv_blocks_have_these_bytes() {
        let mut expected = [0; CARD_BLOCK_BYTES];
        expected[..4].copy_from_slice(&[1, 2, b'A', b'l']);
        assert_eq!(HolderBlock::pack(&Holder::parse("Al").unwrap()).expose_bytes(), &expected);
        let expected = [1, 4, b'0', b'1', b'2', b'3', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(CvvBlock::pack(&Cvv::parse("0123", None).unwrap()).expose_bytes(), &expected);
    }

    #[test]
    fn blocks_open_to_what_was_packed() {
        for number in ["4111111111111111", "378282246310005", "4222222222222"] {
            let pan = Pan::parse(number).unwrap();
            for name in [None, Some("Ann Ö. Lee")] {
                let holder = name.map(|name| Holder::unpack(name).unwrap());
                let (read, read_holder) = CardBlock::pack(&pan, holder.as_ref()).unpack().unwrap();
                assert_eq!(read.expose_digits(), number.as_bytes());
                assert_eq!(read_holder.as_ref().map(Holder::expose_text), name);
            }
        }
        let holder = HolderBlock::pack(&Holder::parse("Ann Ö. Lee").unwrap()).unpack().unwrap();
        assert_eq!(holder.expose_text(), "Ann Ö. Lee");
        let cvv = CvvBlock::pack(&Cvv::parse("0123", None).unwrap()).unpack().unwrap();
        assert_eq!(cvv.expose_digits(), b"0123");
        let longest = format!("{}==", "Ab3/".repeat(13) + "Ab");
        for text in ["AgAAAAAAAIR8CQrXcIhbQAAAAAA=", &longest] {
            let block = CryptogramBlock::pack(&Cryptogram::parse(text).unwrap());
            assert_eq!(block.expose_bytes()[..2], [1, u8::try_from(text.len()).unwrap()]);
            assert_eq!(&block.expose_bytes()[2..2 + text.len()], text.as_bytes());
            assert_eq!(block.unpack().unwrap().expose_text(), text);
        }
    }

    /// The danger: a vault that has grown stricter does not open what it took in before. Zeroes were a card number once.
    #[test]
    fn a_block_of_an_older_version_opens() {
        let mut block = CardBlock::empty();
        let packed = [1, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 16];
        let bytes = packed.iter().chain(b"4111111111111111");
        for (slot, byte) in block.expose_bytes_mut().iter_mut().zip(bytes) {
            *slot = *byte;
        }
        let (pan, holder) = block.unpack().unwrap();
        assert_eq!(pan.expose_digits(), b"0000000000000000");
        assert_eq!(holder.unwrap().expose_text(), "4111111111111111");
    }

    #[test]
    fn other_bytes_are_refused() {
        assert!(CardBlock::empty().unpack().is_err());
        assert!(CvvBlock::empty().unpack().is_err());
        assert!(HolderBlock::empty().unpack().is_err());
        assert!(CryptogramBlock::empty().unpack().is_err());
        let pan = Pan::parse("4111111111111111").unwrap();
        for (at, byte) in [(0, 2), (1, 15), (1, 255), (2, 0x42), (12, 200), (12, 1)] {
            let mut block = CardBlock::pack(&pan, None);
            block.expose_bytes_mut()[at] = byte;
            assert!(block.unpack().is_err(), "byte {at}");
        }
    }
}
