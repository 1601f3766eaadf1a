//! Files of age (age-encryption.org/v1), which are only written here: for one recipient with an X25519 key, armored.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::hmac;
use base64ct::{Base64, Base64Unpadded, Encoding};
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::hpke::public_of;
use crate::limits::AGE_BYTES_MAX;
use crate::root::digest;

/// Somebody who reads what is sealed to them by age: `age1…`, no secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AgeRecipient([u8; 32]);

const PREFIX: &str = "age";
const FILE_KEY_BYTES: usize = 16;
const NONCE_BYTES: usize = 16;
const COLUMNS: usize = 64;

impl AgeRecipient {
    /// Reads a native recipient, `age1` and 58 characters (Bech32, BIP 173). `None` where there is a typing error, or it is of another kind, such as a plugin's, SSH's or
    /// one that is to outlast quantum computers.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(bech32_decode(PREFIX, text)?.try_into().ok()?))
    }

    /// What only the recipient reads, as lines of ASCII.
    pub fn seal(&self, plaintext: &[u8], entropy: &dyn Entropy) -> Result<String, KeysError> {
        if plaintext.len() > AGE_BYTES_MAX {
            return Err(KeysError::TooLong);
        }
        let mut file_key = Zeroizing::new([0; FILE_KEY_BYTES]);
        let (mut ephemeral, mut nonce) = (Zeroizing::new([0; 32]), [0; NONCE_BYTES]);
        entropy.fill_secret(file_key.as_mut_slice())?;
        entropy.fill_secret(ephemeral.as_mut_slice())?;
        entropy.fill_secret(&mut nonce)?;

        let (share, wrapped) = self.stanza(&ephemeral, &file_key)?;
        let header = format!(
            "age-encryption.org/v1\n-> X25519 {}\n{}\n---",
            Base64Unpadded::encode_string(&share),
            Base64Unpadded::encode_string(&wrapped)
        );
        let mac = hmac::Key::new(hmac::HMAC_SHA256, hkdf(&[], file_key.as_slice(), b"header").as_slice());
        let mac = Base64Unpadded::encode_string(hmac::sign(&mac, header.as_bytes()).as_ref());
        let payload = hkdf(&nonce, file_key.as_slice(), b"payload");
        // One chunk, which is the last (STREAM): its counter is 0, and the byte behind that 1.
        let mut sealed = Zeroizing::new(Vec::with_capacity(plaintext.len() + 16));
        sealed.extend_from_slice(plaintext);
        let tag = cipher(&payload)?.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            Aad::empty(),
            &mut sealed,
        )?;
        let file = [header.as_bytes(), b" ", mac.as_bytes(), b"\n", &nonce, &sealed, tag.as_ref()].concat();
        Ok(armored(&file))
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
        let wrapping = agree(&private, peer, KeysError::Cipher, |exchanged| {
            Ok(hkdf(&salt, exchanged, b"age-encryption.org/v1/X25519"))
        })?;
        let mut wrapped = file_key.to_vec();
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let tag = cipher(&wrapping)?.seal_in_place_separate_tag(nonce, Aad::empty(), &mut wrapped)?;
        wrapped.extend_from_slice(tag.as_ref());
        Ok((share, wrapped))
    }
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

/// Bech32 (BIP 173) without its limit of 90 characters: what stands behind the prefix, if the checksum is right.
fn bech32_decode(prefix: &str, text: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    // Capitals alone are as good; both are a mistake.
    let small = text.to_ascii_lowercase();
    if small != text && text.to_ascii_uppercase() != text {
        return None;
    }
    let data = small.strip_prefix(prefix)?.strip_prefix('1')?;
    let value = |byte: u8| LETTERS.iter().position(|letter| *letter == byte);
    let values = data.bytes().map(|byte| u8::try_from(value(byte)?).ok()).collect::<Option<Vec<u8>>>()?;
    let high = prefix.bytes().map(|byte| byte >> 5);
    let low = prefix.bytes().map(|byte| byte & 31);
    let all = high.chain([0]).chain(low).chain(values.iter().copied());
    if polymod(all) != 1 {
        return None;
    }
    let (mut bits, mut count, mut out) = (0_u32, 0_u32, Vec::new());
    for value in values.get(..values.len().checked_sub(6)?)? {
        bits = (bits << 5 | u32::from(*value)) & 0xfff;
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    // Less than a letter is left over, and it is zeroes.
    (count < 5 && bits & ((1 << count) - 1) == 0).then_some(out)
}

fn polymod(values: impl Iterator<Item = u8>) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    values.fold(1_u32, |sum, value| {
        let top = sum >> 25;
        let shifted = (sum & 0x01ff_ffff) << 5 ^ u32::from(value);
        let applied = GENERATOR.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1);
        applied.fold(shifted, |sum, (_, generator)| sum ^ generator)
    })
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
        let other = "AGE-SECRET-KEY-1XMWWC06LY3EE5RYTXM9MFLAZ2U56JJJ36S0MYPDRWSVLUL66MV4QX3S7F6";
        assert!(opened(&file, other).unwrap_err().contains("no identity matched"), "of another recipient");
        assert!(matches!(
            recipient.seal(&[0; AGE_BYTES_MAX + 1], &SystemEntropy::new()),
            Err(KeysError::TooLong)
        ));
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
        // BIP 173's own vectors: whole, and of another prefix.
        assert!(
            bech32_decode("a", "A12UEL5L").is_some()
                && bech32_decode("abcdef", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw").is_some()
        );
        for wrong in ["A1G7SGD8", "a12uel5L", "1qzzfhee", "a1"] {
            assert!(bech32_decode("a", wrong).is_none(), "{wrong}");
        }
    }
}
