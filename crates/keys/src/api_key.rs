use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::limits::API_KEY_CHARS_MAX;

/// What kind of vault a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyMode {
    /// `pv_test_…`
    Test,
    /// `pv_live_…`
    Live,
}

/// Who bears a key: so that nobody takes one that may stand in a page for one that may not, or the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyBearer {
    /// `pv_…`, a secret.
    Server,
    /// `pv_pub_…`, which a browser shows to everybody.
    Browser,
}

/// An API key: `pv_test_` or `pv_live_`, of a browser `pv_pub_test_` or `pv_pub_live_`, 256 random bits in 43 base-62 characters, and their CRC-32 in 6 more, which finds
/// typing errors before anything is looked up. Wiped when it goes.
pub struct ApiKey {
    text: Zeroizing<String>,
    mode: KeyMode,
}

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_CHARS: usize = 43;
const CHECK_CHARS: usize = 6;

impl KeyMode {
    const fn prefix(self, bearer: KeyBearer) -> &'static str {
        match (self, bearer) {
            (Self::Test, KeyBearer::Server) => "pv_test_",
            (Self::Live, KeyBearer::Server) => "pv_live_",
            (Self::Test, KeyBearer::Browser) => "pv_pub_test_",
            (Self::Live, KeyBearer::Browser) => "pv_pub_live_",
        }
    }
}

impl ApiKey {
    /// Makes a new key.
    pub fn make(mode: KeyMode, bearer: KeyBearer, entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let mut bytes = Zeroizing::new([0; 32]);
        entropy.fill_secret(bytes.as_mut_slice())?;
        let mut text = Zeroizing::new(String::with_capacity(API_KEY_CHARS_MAX));
        text.push_str(mode.prefix(bearer));
        base62(bytes.as_mut_slice(), RANDOM_CHARS, &mut text);
        let mut check = crc32fast::hash(text.as_bytes()).to_be_bytes();
        base62(&mut check, CHECK_CHARS, &mut text);
        Ok(Self { text, mode })
    }

    /// Reads a key; `None` when it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let modes = [KeyMode::Test, KeyMode::Live].into_iter();
        let (mode, behind) = modes
            .flat_map(|mode| {
                [KeyBearer::Server, KeyBearer::Browser].map(|bearer| (mode, mode.prefix(bearer)))
            })
            .find_map(|(mode, prefix)| Some((mode, text.strip_prefix(prefix)?)))?;
        if behind.len() != RANDOM_CHARS + CHECK_CHARS
            || !behind.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            return None;
        }
        let (body, check) = text.split_at_checked(text.len().checked_sub(CHECK_CHARS)?)?;
        let mut expected = Zeroizing::new(String::with_capacity(CHECK_CHARS));
        base62(&mut crc32fast::hash(body.as_bytes()).to_be_bytes(), CHECK_CHARS, &mut expected);
        (check == expected.as_str()).then(|| Self { text: Zeroizing::new(text.to_owned()), mode })
    }

    /// What kind of vault it belongs to.
    pub const fn mode(&self) -> KeyMode {
        self.mode
    }

    /// The key, to be shown once or hashed.
    pub fn expose_text(&self) -> &str {
        &self.text
    }
}

/// Appends a big-endian number in base 62, `chars` long; leaves zeroes in `number`.
fn base62(number: &mut [u8], chars: usize, out: &mut String) {
    let mut digits = Zeroizing::new([b'0'; RANDOM_CHARS]);
    for slot in digits.iter_mut().take(chars).rev() {
        let mut remainder = 0u32;
        for byte in number.iter_mut() {
            let value = remainder << 8 | u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(0);
            remainder = value % 62;
        }
        *slot = usize::try_from(remainder).ok().and_then(|at| ALPHABET.get(at)).copied().unwrap_or(b'0');
    }
    out.extend(digits.iter().take(chars).map(|digit| char::from(*digit)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn base_62_is_that_of_the_field() {
        let show = |number: u32| {
            let mut out = String::new();
            base62(&mut number.to_be_bytes(), 6, &mut out);
            out
        };
        assert_eq!(
            (show(0), show(61), show(62), show(u32::MAX)),
            ("000000".into(), "00000z".into(), "000010".into(), "4gfFC3".into())
        );
    }

    #[test]
    fn reads_what_it_made() {
        for mode in [KeyMode::Test, KeyMode::Live] {
            for bearer in [KeyBearer::Server, KeyBearer::Browser] {
                let key = ApiKey::make(mode, bearer, &SystemEntropy::new()).unwrap();
                let text = key.expose_text();
                assert!(text.len() <= API_KEY_CHARS_MAX && text.starts_with(mode.prefix(bearer)));
                let read = ApiKey::parse(text).map(|read| (read.mode(), read.expose_text() == text));
                assert_eq!(read, Some((mode, true)));
            }
        }
    }

    #[test]
    fn refuses_keys_with_anything_changed() {
        for bearer in [KeyBearer::Server, KeyBearer::Browser] {
            let key = ApiKey::make(KeyMode::Test, bearer, &SystemEntropy::new()).unwrap();
            let text = key.expose_text();
            for at in 0..text.len() {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
                assert!(ApiKey::parse(core::str::from_utf8(&bytes).unwrap()).is_none(), "character {at}");
            }
            for wrong in [
                &text[..text.len() - 1],
                &format!("{text}0"),
                "",
                "pv_test_",
                "pv_pub_test_",
                &format!(" {text}"),
                "pv_test_é",
                &"é".repeat(57),
            ] {
                assert!(ApiKey::parse(wrong).is_none());
            }
        }
    }
}
