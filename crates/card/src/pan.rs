use core::marker::PhantomData;

use panvault_model::{Bin, Brand, Expiry, LastFour};
use zeroize::Zeroize;

use crate::cvv::Cvv;
use crate::holder::Holder;
use crate::limits::{PAN_DIGITS_MAX, PAN_DIGITS_MIN};
use crate::scheme;

/// A card number (primary account number, ISO/IEC 7812-1): 12 to 19 digits that pass the Luhn check.
///
/// Boxed, wiped when it goes, and pinned to one step: it is not `Send`, so it cannot be held across a wait.
pub struct Pan {
    digits: Box<[u8; PAN_DIGITS_MAX]>,
    len: u8,
    bin: Bin,
    last_four: LastFour,
    brand: Option<Brand>,
    _one_step: PhantomData<*const ()>,
}

/// Why a text is not a card number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PanFault {
    /// Something other than ASCII digits.
    #[error("must be digits only, without spaces or dashes")]
    NotDigits,
    /// Fewer than 12 or more than 19.
    #[error("must have 12 to 19 digits")]
    Length,
    /// The last digit does not fit the others (ISO/IEC 7812-1 annex B).
    #[error("fails the Luhn check")]
    Luhn,
    /// The scheme has no numbers of this length.
    #[error("has the wrong number of digits for its brand")]
    LengthForBrand,
}

/// A card as a caller sends it. Taken by value, so that it is wiped where it is used.
pub struct NewCard {
    /// The card number.
    pub pan: Pan,
    /// Month at whose end it expires.
    pub expiry: Expiry,
    /// The CVV, if it was sent.
    pub cvv: Option<Cvv>,
    /// The name on the card, if it was sent.
    pub holder: Option<Holder>,
}

impl Pan {
    /// Reads a card number. Spaces and dashes are refused, not stripped.
    pub fn parse(text: &str) -> Result<Self, PanFault> {
        let bytes = text.as_bytes();
        if !bytes.iter().all(u8::is_ascii_digit) {
            return Err(PanFault::NotDigits);
        }
        if !(PAN_DIGITS_MIN..=PAN_DIGITS_MAX).contains(&bytes.len()) {
            return Err(PanFault::Length);
        }
        if !luhn(bytes) {
            return Err(PanFault::Luhn);
        }
        let scheme = scheme::lookup(bytes);
        if scheme.is_some_and(|scheme| !scheme.has_length(bytes.len())) {
            return Err(PanFault::LengthForBrand);
        }
        let clear = |part: Option<_>| part.ok_or(PanFault::Length);
        let bin = clear(bytes.first_chunk().and_then(|digits| Bin::from_digits(*digits)))?;
        let last_four =
            bytes.last_chunk().and_then(|digits| LastFour::from_digits(*digits)).ok_or(PanFault::Length)?;
        let mut digits = Box::new([0; PAN_DIGITS_MAX]);
        for (slot, digit) in digits.iter_mut().zip(bytes) {
            *slot = *digit;
        }
        let len = u8::try_from(bytes.len()).map_err(|_| PanFault::Length)?;
        Ok(Self {
            digits,
            len,
            bin,
            last_four,
            brand: scheme.map(|scheme| scheme.brand),
            _one_step: PhantomData,
        })
    }

    /// Its scheme; `None` when it is of none that is known.
    pub const fn brand(&self) -> Option<Brand> {
        self.brand
    }

    /// Its first six digits.
    pub const fn bin(&self) -> Bin {
        self.bin
    }

    /// Its last four digits.
    pub const fn last_four(&self) -> LastFour {
        self.last_four
    }

    /// All its digits, ASCII: for the fingerprint, the issuer look-up and packing.
    pub fn expose_digits(&self) -> &[u8] {
        self.digits.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl Drop for Pan {
    fn drop(&mut self) {
        self.digits.zeroize();
    }
}

/// Whether the last digit is the check digit of the others (ISO/IEC 7812-1 annex B).
pub(crate) fn luhn(digits: &[u8]) -> bool {
    /// What every second digit counts for: its double, with its digits added up.
    const DOUBLED: [u32; 10] = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9];
    let mut sum = 0;
    let mut doubled = false;
    for digit in digits.iter().rev() {
        let value = digit.wrapping_sub(b'0');
        sum += if doubled { DOUBLED.get(usize::from(value)).copied().unwrap_or(0) } else { u32::from(value) };
        doubled = !doubled;
    }
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<PanFault> {
        Pan::parse(text).err()
    }

    /// The number with a check digit behind it.
    fn with_check_digit(payload: &str) -> String {
        (0..10).map(|digit| format!("{payload}{digit}")).find(|text| luhn(text.as_bytes())).unwrap()
    }

    #[test]
    fn reads_published_test_numbers() {
        for (text, brand) in [
            ("4111111111111111", Brand::Visa),
            ("4222222222222", Brand::Visa),
            ("5555555555554444", Brand::Mastercard),
            ("2223003122003222", Brand::Mastercard),
            ("378282246310005", Brand::Amex),
            ("30569309025904", Brand::Diners),
            ("6011111111111117", Brand::Discover),
            ("3530111333300000", Brand::Jcb),
            ("6200000000000005", Brand::Upi),
            ("2200000000000004", Brand::Mir),
        ] {
            let pan = Pan::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            assert_eq!(pan.brand(), Some(brand), "{text}");
            assert_eq!(pan.expose_digits(), text.as_bytes());
            assert_eq!((pan.bin().as_str(), pan.last_four().as_str()), (&text[..6], &text[text.len() - 4..]));
        }
    }

    #[test]
    fn refuses_what_is_not_ascii_digits() {
        for text in [
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "411111111111111a",
            " 4111111111111111",
            "4111111111111111\n",
            "4111111111111111\0",
            "4111\u{200b}111111111111",
            "٤١١١١١١١١١١١١١١١",
            "４１１１１１１１１１１１１１１１",
            "+411111111111111",
        ] {
            assert_eq!(fault(text), Some(PanFault::NotDigits), "{text:?}");
        }
    }

    #[test]
    fn has_twelve_to_nineteen_digits() {
        assert_eq!(fault(""), Some(PanFault::Length));
        assert_eq!(fault(&with_check_digit("9000000000")), Some(PanFault::Length), "11 digits");
        assert_eq!(fault(&with_check_digit("90000000000")), None, "12 digits");
        assert_eq!(fault(&with_check_digit("900000000000000000")), None, "19 digits");
        assert_eq!(fault(&with_check_digit("9000000000000000000")), Some(PanFault::Length), "20 digits");
    }

    #[test]
    fn has_a_length_of_its_brand() {
        assert_eq!(
            fault(&with_check_digit("41111111111111")),
            Some(PanFault::LengthForBrand),
            "15 digits of Visa"
        );
        assert_eq!(
            fault(&with_check_digit("3782822463100012")),
            Some(PanFault::LengthForBrand),
            "17 of Amex"
        );
        assert_eq!(
            fault(&with_check_digit("555555555555444412")),
            Some(PanFault::LengthForBrand),
            "19 of Mastercard"
        );
    }

    #[test]
    fn finds_every_single_wrong_digit_and_most_swaps() {
        let good = b"4539578763621486";
        assert!(luhn(good));
        for place in 0..good.len() {
            for digit in b'0'..=b'9' {
                let mut text = *good;
                text[place] = digit;
                assert_eq!(luhn(&text), digit == good[place], "digit {place}");
            }
        }
        for place in 1..good.len() {
            let mut text = *good;
            text.swap(place - 1, place);
            let blind = matches!((good[place - 1], good[place]), (b'0', b'9') | (b'9', b'0'));
            assert_eq!(luhn(&text), blind || good[place - 1] == good[place], "swap {place}");
        }
    }

    #[test]
    fn is_of_no_brand_when_no_scheme_has_its_digits() {
        assert_eq!(Pan::parse(&with_check_digit("990000000000000")).unwrap().brand(), None);
    }
}
