//! What lines of an exported trail are sealed with for those who may read it: a key of their own for lines that go together, wrapped by age for each reader, and
//! ChaCha20-Poly1305 (RFC 8439) under it, the cipher of age.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::age::{AgeIdentity, AgeRecipient, age_file};
use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::xaes::KEY_BYTES;

const DOMAIN: &[u8] = b"panvault-trail-sealed/1\n";

/// Seals lines under a new key, each by its number.
pub struct LineSealer {
    key: Zeroizing<[u8; KEY_BYTES]>,
    cipher: LessSafeKey,
    number: u32,
}

/// Opens them.
pub struct LineOpener(LessSafeKey);

impl LineSealer {
    /// Under a key that is made for these lines alone.
    pub fn make(entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill_secret(key.as_mut_slice())?;
        let cipher = cipher(key.as_slice())?;
        Ok(Self { key, cipher, number: 0 })
    }

    /// The key for those who may read the lines, as a file of age in base64.
    pub fn wrap(&self, recipients: &[AgeRecipient], entropy: &dyn Entropy) -> Result<String, KeysError> {
        Ok(Base64::encode_string(&age_file(recipients, self.key.as_slice(), entropy)?))
    }

    /// Seals the next line to what stands for its envelope: its number, from 1, and what it is then, in base64.
    pub fn seal(&mut self, envelope: &[u8; 32], mut line: Vec<u8>) -> Result<(u32, String), KeysError> {
        let number = self.number.checked_add(1).ok_or(KeysError::TooLong)?;
        self.number = number;
        self.cipher.seal_in_place_append_tag(nonce(number), place(envelope), &mut line)?;
        Ok((number, Base64::encode_string(&line)))
    }
}

impl LineOpener {
    /// With the key that a file of age has for this identity. `None` where it is for others, or was changed.
    pub fn unwrap(file: &str, identity: &AgeIdentity) -> Option<Self> {
        let key = identity.open(&Base64::decode_vec(file).ok()?)?;
        Some(Self(cipher(&key).ok()?))
    }

    /// Opens a line. `None` where it was sealed by another number, to another envelope, or was changed.
    pub fn open(&self, envelope: &[u8; 32], number: u32, sealed: &str) -> Option<Vec<u8>> {
        let mut sealed = Base64::decode_vec(sealed).ok()?;
        let length = self.0.open_in_place(nonce(number), place(envelope), &mut sealed).ok()?.len();
        sealed.truncate(length);
        Some(sealed)
    }
}

fn cipher(key: &[u8]) -> Result<LessSafeKey, KeysError> {
    Ok(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key)?))
}

/// No number comes twice under a key.
fn nonce(number: u32) -> Nonce {
    let [a, b, c, d] = number.to_be_bytes();
    Nonce::assume_unique_for_key([0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d])
}

fn place(envelope: &[u8; 32]) -> Aad<Vec<u8>> {
    Aad::from([DOMAIN, envelope].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    /// By another implementation (pyca/cryptography 48): key 01 × 32, line 1, envelope 02 × 32.
    #[test]
    fn a_line_is_sealed_as_it_is_documented() {
        let key = [1; KEY_BYTES];
        let mut sealer = LineSealer { key: Zeroizing::new(key), cipher: cipher(&key).unwrap(), number: 0 };
        let (number, sealed) = sealer.seal(&[2; 32], b"line\n".to_vec()).unwrap();
        assert_eq!((number, sealed.as_str()), (1, SEALED));
    }

    #[test]
    fn a_line_opens_by_its_number_to_its_envelope_and_for_its_reader() {
        let entropy = SystemEntropy::new();
        let identity = AgeIdentity::parse(IDENTITY).unwrap();
        let mut sealer = LineSealer::make(&entropy).unwrap();
        let file = sealer.wrap(&[identity.recipient()], &entropy).unwrap();
        let (first, one) = sealer.seal(&[2; 32], b"one\n".to_vec()).unwrap();
        let (second, two) = sealer.seal(&[2; 32], b"two\n".to_vec()).unwrap();
        let opener = LineOpener::unwrap(&file, &identity).unwrap();
        assert_eq!(opener.open(&[2; 32], first, &one).unwrap(), b"one\n");
        assert_eq!(opener.open(&[2; 32], second, &two).unwrap(), b"two\n");
        assert!(opener.open(&[2; 32], second, &one).is_none(), "by another number");
        assert!(opener.open(&[3; 32], first, &one).is_none(), "to another envelope");
        let sealed = Base64::decode_vec(&one).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = Base64::encode_string(&changed);
            assert!(opener.open(&[2; 32], first, &changed).is_none(), "bit {bit}");
        }
        let other = LineSealer::make(&entropy).unwrap().wrap(&[identity.recipient()], &entropy).unwrap();
        let other = LineOpener::unwrap(&other, &identity).unwrap();
        assert!(other.open(&[2; 32], first, &one).is_none(), "of another key");
    }

    const SEALED: &str = "eTHuTaOVnGmNBte+vcbXavjRhrSM";
    const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
}
