use core::fmt;

macro_rules! letters {
    ($(#[$meta:meta])* $name:ident, $len:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Reads exactly that many upper-case ASCII letters.
            pub fn parse(text: &str) -> Option<Self> {
                Self::from_bytes(text.as_bytes().try_into().ok()?)
            }

            /// From its letters, upper-case ASCII.
            pub fn from_bytes(bytes: [u8; $len]) -> Option<Self> {
                bytes.iter().all(u8::is_ascii_uppercase).then_some(Self(bytes))
            }

            /// Its letters.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Its letters, as text.
            pub fn as_str(&self) -> &str {
                core::str::from_utf8(&self.0).unwrap_or_default()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

letters! {
    /// A country: ISO 3166-1 alpha-2, in capitals.
    Country, 2
}

letters! {
    /// A currency: ISO 4217, in capitals.
    Currency, 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_capital_letters() {
        assert_eq!(Country::parse("NL").map(|country| country.to_string()), Some("NL".to_owned()));
        assert_eq!(Currency::parse("EUR").map(|currency| currency.to_string()), Some("EUR".to_owned()));
        for text in ["", "n", "nl", "NLD", "N1", "ÑL"] {
            assert_eq!(Country::parse(text), None, "{text}");
        }
    }
}
