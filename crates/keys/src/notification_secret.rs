use aws_lc_rs::hmac;
use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::limits::{NOTIFICATION_SECRET_BYTES_MAX, NOTIFICATION_SECRET_HEX_BYTES_MIN};
use crate::residue;
use crate::root::digest;

/// What a payment service provider signs its notifications with, by HMAC-SHA-256. Wiped when it goes.
pub struct NotificationSecret(Zeroizing<Vec<u8>>);

impl NotificationSecret {
    /// A secret that is used as it is spelled; `None` when it is empty or too long.
    pub fn of_text(text: &[u8]) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= NOTIFICATION_SECRET_BYTES_MAX;
        fits.then(|| Self(Zeroizing::new(text.to_vec())))
    }

    /// A secret that is spelled in hexadecimal digits, of either case; `None` when it is not, or too short or too long.
    pub fn of_hex(text: &[u8]) -> Option<Self> {
        let (pairs, rest) = text.as_chunks::<2>();
        let fits = (NOTIFICATION_SECRET_HEX_BYTES_MIN..=NOTIFICATION_SECRET_BYTES_MAX).contains(&pairs.len());
        if !fits || !rest.is_empty() {
            return None;
        }
        let mut bytes = Zeroizing::new(vec![0; pairs.len()]);
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Some(Self(bytes))
    }

    /// The signature of a message, which is these parts in a row.
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        residue::hashed(|| {
            let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
            parts.iter().for_each(|part| context.update(part));
            digest(&context.sign())
        })
    }

    /// Whether a signature in hexadecimal digits, of either case, is this secret's.
    pub fn verifies_hex(&self, parts: &[&[u8]], claimed: &str) -> bool {
        let mut bytes = [0; 32];
        let (pairs, rest) = claimed.as_bytes().as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return false;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let (Some(high), Some(low)) = (nibble(*high), nibble(*low)) else { return false };
            *byte = high << 4 | low;
        }
        self.verifies(parts, &bytes)
    }

    /// Whether a signature in base 64 is this secret's.
    pub fn verifies_base64(&self, parts: &[&[u8]], claimed: &str) -> bool {
        let mut bytes = [0; 33];
        Base64::decode(claimed, &mut bytes).is_ok_and(|claimed| self.verifies(parts, claimed))
    }

    /// Whether a signature is this secret's. Takes as long for a wrong one as for the right one.
    pub fn verifies(&self, parts: &[&[u8]], claimed: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(claimed, &self.sign(parts)).is_ok()
    }
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test cases 1 and 2.
    #[test]
    fn signs_as_the_standard_has_it() {
        for (secret, parts, expected) in [
            (
                NotificationSecret::of_hex(b"0b0b0b0b0B0B0b0b0b0b0b0b0b0b0b0b0b0b0b0b"),
                &[b"Hi ".as_slice(), b"There"][..],
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                NotificationSecret::of_text(b"Jefe"),
                &[b"what do ya want for nothing?".as_slice()][..],
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
        ] {
            let (secret, expected) = (secret.unwrap(), hex::decode(expected).unwrap());
            assert_eq!(secret.sign(parts).as_slice(), expected);
            assert!(secret.verifies(parts, &expected));
            for place in 0..expected.len() {
                let mut wrong = expected.clone();
                wrong[place] ^= 1;
                assert!(!secret.verifies(parts, &wrong), "{place}");
            }
            for wrong in [&expected[..31], &[], &[expected.as_slice(), &[0]].concat()] {
                assert!(!secret.verifies(parts, wrong));
            }
            assert!(!secret.verifies(&parts[1..], &expected));
        }
    }

    #[test]
    fn a_secret_is_neither_empty_nor_without_end() {
        let longest = [b'x'; NOTIFICATION_SECRET_BYTES_MAX];
        assert!(NotificationSecret::of_text(&longest).is_some());
        assert!(NotificationSecret::of_text(&[longest.as_slice(), b"x"].concat()).is_none());
        assert!(NotificationSecret::of_text(b"").is_none());
        let shortest = [b'a'; 2 * NOTIFICATION_SECRET_HEX_BYTES_MIN];
        let longest = [b'a'; 2 * NOTIFICATION_SECRET_BYTES_MAX];
        assert!(
            NotificationSecret::of_hex(&shortest).is_some() && NotificationSecret::of_hex(&longest).is_some()
        );
        let (less, more) = (&shortest[2..], [longest.as_slice(), b"aa"].concat());
        for wrong in
            [b"".as_slice(), less, &more, &shortest[1..], &b"0g".repeat(16), "é".repeat(16).as_bytes()]
        {
            assert!(NotificationSecret::of_hex(wrong).is_none());
        }
    }
}
