use core::marker::PhantomData;
use core::ops::RangeInclusive;

use panvault_model::Brand;
use zeroize::Zeroize;

use crate::limits::{CVV_DIGITS_MAX, CVV_DIGITS_MIN};

/// The code printed on a card: 3 digits, 4 for American Express.
///
/// Boxed, wiped when it goes, and not `Send`, so that it cannot be held across a wait.
pub struct Cvv {
    digits: Box<[u8; CVV_DIGITS_MAX]>,
    len: u8,
    _one_step: PhantomData<*const ()>,
}

/// Why a text is not a CVV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CvvFault {
    /// Something other than ASCII digits.
    #[error("must be digits only")]
    NotDigits,
    /// Not as many as the brand has.
    #[error("must have 3 digits, or 4 for American Express")]
    Length,
}

/// How many digits the CVVs of a brand have; of a brand that is not known, 3 or 4.
pub const fn cvv_digits(brand: Option<Brand>) -> RangeInclusive<usize> {
    match brand {
        Some(Brand::Amex) => CVV_DIGITS_MAX..=CVV_DIGITS_MAX,
        Some(_) => CVV_DIGITS_MIN..=CVV_DIGITS_MIN,
        None => CVV_DIGITS_MIN..=CVV_DIGITS_MAX,
    }
}

impl Cvv {
    /// Reads a CVV for a card of `brand`; `None` accepts 3 or 4 digits.
    pub fn parse(text: &str, brand: Option<Brand>) -> Result<Self, CvvFault> {
        let bytes = text.as_bytes();
        if !bytes.iter().all(u8::is_ascii_digit) {
            return Err(CvvFault::NotDigits);
        }
        if !cvv_digits(brand).contains(&bytes.len()) {
            return Err(CvvFault::Length);
        }
        let mut digits = Box::new([0; CVV_DIGITS_MAX]);
        for (slot, digit) in digits.iter_mut().zip(bytes) {
            *slot = *digit;
        }
        Ok(Self {
            digits,
            len: u8::try_from(bytes.len()).map_err(|_| CvvFault::Length)?,
            _one_step: PhantomData,
        })
    }

    /// Its digits, ASCII: for packing, and for the processor.
    pub fn expose_digits(&self) -> &[u8] {
        self.digits.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl Drop for Cvv {
    fn drop(&mut self) {
        self.digits.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_length_of_its_brand() {
        for (text, brand, fits) in [
            ("123", Some(Brand::Visa), true),
            ("1234", Some(Brand::Visa), false),
            ("1234", Some(Brand::Amex), true),
            ("123", Some(Brand::Amex), false),
            ("123", None, true),
            ("1234", None, true),
            ("12", None, false),
            ("12345", None, false),
            ("", Some(Brand::Visa), false),
        ] {
            let cvv = Cvv::parse(text, brand);
            assert_eq!(cvv.is_ok(), fits, "{text} {brand:?}");
            if let Ok(cvv) = cvv {
                assert_eq!(cvv.expose_digits(), text.as_bytes());
            }
        }
    }

    #[test]
    fn is_ascii_digits() {
        for text in ["12a", "1 2", "١٢٣", "１２３", "-12", "1\u{200b}2"] {
            assert_eq!(Cvv::parse(text, None).err(), Some(CvvFault::NotDigits), "{text:?}");
        }
    }
}
