use core::fmt;

macro_rules! letters {
    ($(#[$meta:meta])* $name:ident, $len:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $len]);

        impl $name {
            /// From its letters, upper-case ASCII, whether or not the standard knows them: what was stored under an earlier edition
            /// can be read.
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

impl Country {
    /// What a text must be to be read, in words.
    pub const EXPECTED: &str = "must be the code of a country (ISO 3166-1 alpha-2), in capitals, such as NL; the United Kingdom is GB, not UK";

    /// Reads a code that ISO 3166-1 has assigned, in capitals.
    pub fn parse(text: &str) -> Option<Self> {
        let country = Self::from_bytes(text.as_bytes().try_into().ok()?)?;
        text.parse::<iso_currency::Country>().is_ok().then_some(country)
    }
}

letters! {
    /// A currency: ISO 4217, in capitals.
    Currency, 3
}

impl Currency {
    /// Reads exactly three upper-case ASCII letters.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_bytes(text.as_bytes().try_into().ok()?)
    }

    /// Whether ISO 4217 has assigned it, to money or to anything else.
    pub fn is_assigned(self) -> bool {
        iso_currency::Currency::from_code(self.as_str()).is_some()
    }

    /// Decimals of the major unit that the minor unit is, by ISO 4217; `None` where there is no minor unit, or no such currency.
    pub fn exponent(self) -> Option<u8> {
        iso_currency::Currency::from_code(self.as_str())?.exponent().and_then(|many| u8::try_from(many).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_capital_letters() {
        assert_eq!(Country::parse("NL").map(|country| country.to_string()), Some("NL".to_owned()));
        assert_eq!(Currency::parse("EUR").map(|currency| currency.to_string()), Some("EUR".to_owned()));
        assert!(Currency::parse("EUR").is_some_and(Currency::is_assigned));
        for (code, exponent) in
            [("EUR", Some(2)), ("JPY", Some(0)), ("KWD", Some(3)), ("ISK", Some(0)), ("XXQ", None)]
        {
            assert_eq!(Currency::parse(code).and_then(Currency::exponent), exponent, "{code}");
        }
        assert!(!Currency::parse("XXQ").is_some_and(Currency::is_assigned));
        for text in ["", "n", "nl", "NLD", "N1", "ÑL"] {
            assert_eq!(Country::parse(text), None, "{text}");
        }
    }

    /// The bug: UK was taken for a country, and stored. Its cause: any two capital letters were. Its cure: the table of ISO 3166-1.
    #[test]
    fn countries_are_those_that_are_assigned() {
        let letters = || b'A'..=b'Z';
        let all = letters().flat_map(|first| letters().map(move |second| [first, second]));
        let assigned = all.filter(|code| Country::parse(core::str::from_utf8(code).unwrap()).is_some());
        assert_eq!(assigned.count(), 249);
        for text in ["GB", "BQ", "CW", "SS", "SX", "TL", "AX", "ZW"] {
            assert!(Country::parse(text).is_some(), "{text}");
        }
        // Reserved, withdrawn, for users, and never assigned.
        for text in ["UK", "EU", "SU", "AN", "YU", "XK", "ZZ", "AA"] {
            assert_eq!(Country::parse(text), None, "{text}");
        }
        assert_eq!(Country::from_bytes(*b"UK").map(|country| country.to_string()), Some("UK".to_owned()));
    }
}
