use panvault_model::Brand;
use zeroize::Zeroizing;

use crate::limits::{PAN_DIGITS_MAX, PAN_DIGITS_MIN};
use crate::pan::luhn;
use crate::scheme;

/// Characters between two digits that still count as one separator.
const SEPARATOR_CHARS_MAX: usize = 3;
/// Times that a text is percent-decoded to look at what is below.
const DECODINGS_MAX: usize = 3;
/// Lengths that are looked for in a run of digits that is too long to be a card number itself.
const WINDOWS: [usize; 2] = [16, 15];

/// Whether a text holds something that is very likely a card number: digits, alone or with one to three characters between
/// them that are neither letters nor digits, that are of a known scheme, have a length of it, and pass the Luhn check.
///
/// Text that callers may store in clear (references, metadata, descriptors) goes through this, so that a card number
/// in the wrong field is refused instead of kept. It looks below percent-encoding, and for the most common schemes inside of
/// longer runs of digits. Twelve or more digits of which some are not ASCII's are refused as they are. Of other numbers of
/// 16 digits, about one in twenty looks so by chance.
pub fn holds_card_number(text: &str) -> bool {
    // Most text ends here. Percent-encoding spends a digit or more on each digit, so this holds for encoded text too.
    let digits = text.chars().filter(|symbol| symbol.is_numeric());
    digits.take(PAN_DIGITS_MIN).count() == PAN_DIGITS_MIN && holds(text, DECODINGS_MAX)
}

/// Whether a name says that its value is what must not be kept in clear, or not at all: a CVV, a card number, a track, a PIN.
/// Case, and all that is neither a letter nor a digit, do not count.
pub fn is_secret_name(name: &str) -> bool {
    let name: String =
        name.chars().filter(|symbol| symbol.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let bare = name.strip_prefix("card").unwrap_or(&name);
    name == "cardnumber" || SECRET_NAMES.contains(&bare)
}

/// In small letters without separators; each also behind "card".
const SECRET_NAMES: [&str; 17] = [
    "cvv",
    "cvv2",
    "cvc",
    "cvc2",
    "cid",
    "csc",
    "cav2",
    "securitycode",
    "verificationcode",
    "verificationvalue",
    "pan",
    "primaryaccountnumber",
    "track1",
    "track2",
    "trackdata",
    "pin",
    "pinblock",
];

fn holds(text: &str, decodings: usize) -> bool {
    let below = || percent_decoded(text).is_some_and(|text| holds(&text, decodings - 1));
    holds_as_written(text) || (decodings > 0 && below())
}

fn holds_as_written(text: &str) -> bool {
    let mut run = Run::with_room_for(text);
    let mut between = 0;
    for symbol in text.chars() {
        if symbol.is_numeric() {
            run.push(symbol, between > 0);
            between = 0;
            continue;
        }
        between += 1;
        if symbol.is_alphanumeric() || between > SEPARATOR_CHARS_MAX {
            if run.holds_card_number() {
                return true;
            }
            run.clear();
        }
    }
    run.holds_card_number()
}

/// Groups of digits with no more than separators between them.
struct Run {
    digits: Zeroizing<Vec<u8>>,
    /// Where each group begins.
    starts: Vec<usize>,
    /// A digit is not one of ASCII's.
    foreign: bool,
}

impl Run {
    /// Digits never outgrow it: a vector that grows leaves copies behind.
    fn with_room_for(text: &str) -> Self {
        Self { digits: Zeroizing::new(Vec::with_capacity(text.len())), starts: Vec::new(), foreign: false }
    }

    fn push(&mut self, digit: char, begins_group: bool) {
        if begins_group || self.digits.is_empty() {
            self.starts.push(self.digits.len());
        }
        self.foreign |= !digit.is_ascii();
        self.digits.push(u8::try_from(digit).unwrap_or(b'0'));
    }

    fn clear(&mut self) {
        self.digits.clear();
        self.starts.clear();
        self.foreign = false;
    }

    fn holds_card_number(&self) -> bool {
        if self.digits.len() < PAN_DIGITS_MIN {
            return false;
        }
        self.foreign || (0..self.starts.len()).any(|group| self.begins_card_number(group))
    }

    /// Whether a group, alone or with groups behind it, is a card number, or is too long for one and has one inside.
    fn begins_card_number(&self, group: usize) -> bool {
        let groups = self.starts.get(group..).unwrap_or_default();
        let Some((&start, behind)) = groups.split_first() else { return false };
        let ends = behind.iter().copied().chain([self.digits.len()]);
        for (joined, end) in ends.enumerate() {
            let digits = self.digits.get(start..end).unwrap_or_default();
            if digits.len() > PAN_DIGITS_MAX {
                return joined == 0 && has_common_card_number_inside(digits);
            }
            if digits.len() >= PAN_DIGITS_MIN && is_card_number(digits, |_| true) {
                return true;
            }
        }
        false
    }
}

/// Only the most common schemes are looked for: with all of them, a third of all numbers of 20 digits would be refused.
fn has_common_card_number_inside(digits: &[u8]) -> bool {
    let common =
        |brand| matches!(brand, Brand::Visa | Brand::Mastercard | Brand::Amex | Brand::Discover | Brand::Jcb);
    WINDOWS.iter().any(|length| digits.windows(*length).any(|window| is_card_number(window, common)))
}

fn is_card_number(digits: &[u8], is_looked_for: impl Fn(Brand) -> bool) -> bool {
    luhn(digits)
        && scheme::lookup(digits)
            .is_some_and(|scheme| scheme.has_length(digits.len()) && is_looked_for(scheme.brand))
}

/// The text with every `%XX` decoded, or `None` when there is none.
fn percent_decoded(text: &str) -> Option<Zeroizing<String>> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let (byte, left) = match percent_decoded_byte(rest) {
            Some(decoded) => decoded,
            None => (*first, behind),
        };
        decoded.push(byte);
        rest = left;
    }
    let changed = decoded.len() < text.len();
    changed.then(|| Zeroizing::new(String::from_utf8_lossy(&decoded).into_owned()))
}

fn percent_decoded_byte(text: &[u8]) -> Option<(u8, &[u8])> {
    let ([b'%', high, low], rest) = text.split_first_chunk()? else { return None };
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|nibble| u8::try_from(nibble).ok());
    Some((nibble(*high)? << 4 | nibble(*low)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_card_numbers_in_text() {
        for text in [
            "4111111111111111",
            "card 4111 1111 1111 1111 please",
            "4111-1111-1111-1111",
            "x5555555555554444y",
            "378282246310005",
            "a1 4111111111111111",
            "30569309025904",
            "3940 0000 0000 07",
            "2200000000000004",
            "180000000000002",
        ] {
            assert!(holds_card_number(text), "{text}");
        }
    }

    /// The bug: a card number with dots between its groups was stored in clear metadata. Its cause: only a single ASCII space or
    /// dash counted as a separator. Its cure: one to three characters of any kind do that are neither letters nor digits.
    #[test]
    fn finds_card_numbers_between_any_separators() {
        for separator in
            [".", "/", "_", "  ", "\u{a0}", "\u{200b}", " - ", "+", "\u{2011}", "\t", "\u{fe0f}\u{20e3}"]
        {
            let groups = ["4111", "1111", "1111", "1111"].join(separator);
            let digits: Vec<String> = "4111111111111111".chars().map(String::from).collect();
            for text in [groups, digits.join(separator)] {
                assert!(holds_card_number(&text), "{text:?}");
                assert!(holds_card_number(&format!("order 7, {text}, 12/29 111")), "{text:?}");
            }
        }
        for text in ["4111x1111x1111x1111", "4111    1111    1111    1111"] {
            assert!(!holds_card_number(text), "letters and four characters part numbers: {text:?}");
        }
    }

    /// The bug: a card number in full-width digits was stored. Its cause: only ASCII's were taken for digits. Its cure: a run
    /// with others in it is refused once it is as long as a card number.
    #[test]
    fn refuses_long_runs_with_digits_of_other_scripts() {
        for text in [
            "４１１１ １１１１ １１１１ １１１１",
            "٤١١١١١١١١١١١١١١١",
            "4111 1111 1111 111１",
            "123456789 ①②③",
        ] {
            assert!(holds_card_number(text), "{text}");
        }
        for text in ["２０２４-11-23", "12345678 ①②③", "100 m² 25 m² 1000 m² 75 m²", "১২৩৪৫৬৭৮৯০১"]
        {
            assert!(!holds_card_number(text), "{text}");
        }
    }

    /// The bug: a card number with digits before and behind it was stored. Its cause: a run of more than 19 digits was passed
    /// over. Its cure: it is looked through.
    #[test]
    fn finds_card_numbers_inside_longer_runs() {
        for number in ["4111111111111111", "5555555555554444", "378282246310005", "6011111111111117"] {
            for text in [format!("0000000{number}"), format!("{number}00000"), format!("99{number}{number}")]
            {
                assert!(holds_card_number(&text), "{text}");
            }
        }
        assert!(!holds_card_number("00004111111111111112"));
    }

    /// The bug: a card number in a URL was stored. Its cause: percent-encoded separators put digits of their own between the
    /// groups. Its cure: text is decoded, and looked at again.
    #[test]
    fn finds_card_numbers_below_percent_encoding() {
        for text in [
            "https://shop.example/pay?card=4111%201111%201111%201111",
            "4111%2D1111%2d1111-1111",
            "%34%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31",
            "4111%25201111%25201111%25201111",
            "4111%EF%BC%91111111111111",
            "%ff4111%ff1111%ff1111%ff1111",
        ] {
            assert!(holds_card_number(text), "{text}");
        }
        for text in [
            "https://shop.example/a%20b?at=1700000000000",
            "100% 200% 300% 400%",
            "%",
            "%4",
            "%zz12345678901234",
        ] {
            assert!(!holds_card_number(text), "{text}");
        }
    }

    #[test]
    fn every_digit_is_encoded_with_a_digit() {
        let numeric = (char::MIN..=char::MAX).filter(|symbol| symbol.is_numeric());
        for symbol in numeric {
            let encoded: String = symbol.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
            assert!(encoded.contains(|symbol: char| symbol.is_ascii_digit()), "{symbol}");
        }
    }

    #[test]
    fn leaves_other_text_alone() {
        for text in [
            "",
            "order 2024-11-23",
            "4111111111111112",
            "411111111111",
            "1234567890123456789012345",
            "+31 20 555 0123",
            "9111111111111111",
            "please 121",
            "2024-11-23 10:15:30.123456",
            "2024-11-23T10:15:30.123456789Z",
            "from 203.0.113.7, 198.51.100.42 and 192.0.2.200",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
            "550e8400-e29b-41d4-a716-446655440000",
            "DE89 3704 0044 0532 0130 00",
            "DE89370400440532013000",
            "10.00, 20.00, 30.00, 40.00, 50.00",
            "52.370216, 4.895168",
            "https://shop.example/a%20b?at=1700000000000",
        ] {
            assert!(!holds_card_number(text), "{text}");
        }
    }

    /// Numbers that are not card numbers, made by a generator with a fixed seed: how many are refused by chance.
    #[test]
    fn chance_refuses_few_numbers() {
        let mut state = 1_u64;
        let mut digits = |count: usize| -> String {
            (0..count)
                .map(|_| {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    char::from(b'0' + u8::try_from((state >> 33) % 10).unwrap())
                })
                .collect()
        };
        for (length, percent_max) in [(12, 1), (14, 2), (16, 5), (18, 3), (19, 4), (20, 12), (24, 22)] {
            let refused = (0..10_000).filter(|_| holds_card_number(&digits(length))).count();
            assert!(refused <= percent_max * 100, "{length} digits: {refused} of 10000");
        }
    }

    #[test]
    fn knows_names_of_what_must_not_be_kept() {
        for name in [
            "cvv",
            "CVV2",
            "cvc",
            "Cvc-2",
            "CID",
            "csc",
            "cav2",
            "security code",
            "SecurityCode",
            "card_cvv",
            "pan",
            "card number",
            "card-pan",
            "cardNumber",
            "track 1",
            "track2",
            "PIN",
            "pin block",
            "p.i.n",
            "cardSecurityCode",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "",
            "number",
            "card",
            "company",
            "span",
            "pinned",
            "order_id",
            "track",
            "panel",
            "card_type",
            "cvv_checked",
            "cidr",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
