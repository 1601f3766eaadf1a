use core::fmt;
use core::num::NonZeroU32;
use std::sync::Arc;

use crate::id::hex;
use crate::named::named_enum;
use crate::{Country, Currency};

named_enum! {
    /// A card scheme. The names are those of the API; the numbers are those of stored records.
    pub enum Brand {
        /// American Express.
        Amex = 1 "Amex",
        /// Cartes Bancaires (France).
        Cb = 2 "CB",
        /// Diners Club.
        Diners = 3 "Diners",
        /// Discover.
        Discover = 4 "Discover",
        /// JCB.
        Jcb = 5 "JCB",
        /// Maestro.
        Maestro = 6 "Maestro",
        /// Mastercard.
        Mastercard = 7 "Mastercard",
        /// UnionPay International.
        Upi = 8 "UnionPay",
        /// Visa.
        Visa = 9 "Visa",
        /// Mir (Russia).
        Mir = 10 "Mir",
        /// RuPay (India).
        Rupay = 11 "RuPay",
        /// Universal Air Travel Plan.
        Uatp = 12 "UATP",
        /// Elo (Brazil).
        Elo = 13 "Elo",
        /// Hiper (Brazil).
        Hiper = 14 "Hiper",
        /// Hipercard (Brazil).
        Hipercard = 15 "Hipercard",
        /// Troy (Türkiye).
        Troy = 16 "Troy",
        /// Verve (Nigeria).
        Verve = 17 "Verve",
        /// Dankort (Denmark).
        Dankort = 18 "Dankort",
        /// mada (Saudi Arabia).
        Mada = 19 "Mada",
        /// Humo (Uzbekistan).
        Humo = 20 "Humo",
        /// Uzcard (Uzbekistan).
        Uzcard = 21 "Uzcard",
        /// Belkart (Belarus).
        Belkart = 22 "Belkart",
        /// NAPAS (Viet Nam).
        Napas = 23 "Napas",
        /// BC Card (Korea).
        Bccard = 24 "BCCard",
        /// Naranja (Argentina).
        Naranja = 25 "Naranja",
        /// Cabal (Argentina).
        Cabal = 26 "Cabal",
        /// LankaPay (Sri Lanka).
        Lankapay = 27 "LankaPay",
        /// InterPayment.
        Interpayment = 28 "InterPayment",
    }
}

named_enum! {
    /// What the number of a card is.
    pub enum CardKind {
        /// That of the card itself, or of one that stands for it as any other would.
        Card = 1 "card",
        /// One that the card's network gave the merchant in the place of it, which is good with a cryptogram for each payment (EMV Payment
        /// Tokenisation: a payment token).
        NetworkToken = 2 "network_token",
    }
}

named_enum! {
    /// How the holder pays for what the card buys.
    pub enum CardType {
        /// Paid later, in parts if the holder likes.
        Credit = 1 "credit",
        /// Paid at once from the holder's account.
        Debit = 2 "debit",
        /// Paid beforehand.
        Prepaid = 3 "prepaid",
        /// Paid later, in full.
        Charge = 4 "charge",
    }
}

/// The first six digits of a card number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bin([u8; 6]);

/// The last four digits of a card number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LastFour([u8; 4]);

macro_rules! clear_digits {
    ($name:ident, $len:literal) => {
        impl $name {
            /// From its ASCII digits.
            pub fn from_digits(digits: [u8; $len]) -> Option<Self> {
                digits.iter().all(u8::is_ascii_digit).then_some(Self(digits))
            }

            /// Its ASCII digits.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Its digits, as text.
            pub fn as_str(&self) -> &str {
                core::str::from_utf8(&self.0).unwrap_or_default()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        // Logs have no business with card fields, even the clear ones.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

clear_digits!(Bin, 6);
clear_digits!(LastFour, 4);

/// Keyed hash of a whole card number: equal for equal numbers inside an organisation, unrelated across them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// From its 128 bits.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its 128 bits.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// As it is shown, in ASCII.
    pub fn digits(&self) -> [u8; 32] {
        hex(&self.0)
    }

    /// Reads exactly 32 lowercase hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|value| Self(value.to_be_bytes()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint")
    }
}

/// What a BIN table says of a card's issuer. What it does not know is `None`, never guessed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerFacts {
    /// The bank, as the table spells it.
    pub issuer_name: Option<Arc<str>>,
    /// Where the bank is.
    pub issuer_country: Option<Country>,
    /// National currency of that country.
    pub currency: Option<Currency>,
    /// Credit, debit, prepaid or charge.
    pub card_type: Option<CardType>,
    /// The product, such as `GOLD`.
    pub variant: Option<Arc<str>>,
    /// Version of the table that said so; 0 when no table did.
    pub table_version: u32,
}

impl IssuerFacts {
    /// Whether anything at all is known.
    pub const fn is_known(&self) -> bool {
        self.issuer_name.is_some()
            || self.issuer_country.is_some()
            || self.currency.is_some()
            || self.card_type.is_some()
            || self.variant.is_some()
    }
}

/// Bytes that only `panvault-keys` can open.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Box<[u8]>);

impl Sealed {
    /// Wraps sealed bytes.
    pub fn from_bytes(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The sealed bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// Bytes of a sealed CVV: a format, a nonce, a block of one size for every CVV, and a tag. `panvault-keys` has what is where.
pub const SEALED_CVV_BLOCK_BYTES: usize = 57;

/// A sealed CVV: bytes that only `panvault-keys` can open. All have one size, so that a million of them need no allocation each.
#[derive(Clone)]
pub struct SealedCvvBlock {
    bytes: [u8; SEALED_CVV_BLOCK_BYTES],
    component: Option<NonZeroU32>,
}

impl SealedCvvBlock {
    /// Wraps sealed bytes. `component` is the number of the key component that their key was derived from, where nodes share CVVs.
    pub const fn new(component: Option<NonZeroU32>, bytes: [u8; SEALED_CVV_BLOCK_BYTES]) -> Self {
        Self { bytes, component }
    }

    /// The sealed bytes.
    pub const fn as_bytes(&self) -> &[u8; SEALED_CVV_BLOCK_BYTES] {
        &self.bytes
    }

    /// Which key component opens it, with a key of the vault. None where the key is the process's.
    pub const fn component(&self) -> Option<NonZeroU32> {
        self.component
    }
}

impl fmt::Debug for SealedCvvBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedCvvBlock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brand_names_and_codes_lead_back() {
        for brand in Brand::ALL {
            assert_eq!(Brand::parse(brand.as_str()), Some(*brand));
            assert_eq!(Brand::from_code(brand.code()), Some(*brand));
        }
        assert_eq!(Brand::from_code(0), None);
    }

    #[test]
    fn fingerprints_are_32_hex_digits() {
        let fingerprint = Fingerprint::from_bytes([0x0f; 16]);
        assert_eq!(Fingerprint::parse(&fingerprint.to_string()), Some(fingerprint));
        assert_eq!(Fingerprint::parse(&"0F".repeat(16)), None);
        assert_eq!(Fingerprint::parse("+f"), None);
    }

    #[test]
    fn debug_shows_no_digits() {
        assert_eq!(format!("{:?}", LastFour::from_digits(*b"1111")), "Some(LastFour)");
    }
}
