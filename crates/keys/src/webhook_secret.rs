use aws_lc_rs::hmac;
use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::limits::{WEBHOOK_SECRET_BYTES, WEBHOOK_SIGNATURE_CHARS};
use crate::residue;
use crate::root::digest;

/// What webhooks of an account are signed with, as Standard Webhooks has it: `whsec_` and 32 random bytes in base 64. Wiped when it goes.
pub struct WebhookSecret(Box<Zeroizing<[u8; WEBHOOK_SECRET_BYTES]>>);

const PREFIX: &str = "whsec_";
const VERSION: &str = "v1,";

impl WebhookSecret {
    /// Makes a new secret.
    pub fn make(entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let mut bytes = Box::new(Zeroizing::new([0; WEBHOOK_SECRET_BYTES]));
        entropy.fill_secret(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// All zeroes: room for one that is opened.
    pub fn zeroes() -> Self {
        Self(Box::new(Zeroizing::new([0; WEBHOOK_SECRET_BYTES])))
    }

    /// Whatever comes out of a seal goes straight into it.
    pub fn expose_bytes_mut(&mut self) -> &mut [u8; WEBHOOK_SECRET_BYTES] {
        &mut self.0
    }

    /// Reads a secret as it was shown; `None` when it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = Box::new(Zeroizing::new([0; WEBHOOK_SECRET_BYTES]));
        let read = Base64::decode(text.strip_prefix(PREFIX)?, bytes.as_mut_slice()).ok()?.len();
        (read == WEBHOOK_SECRET_BYTES).then_some(Self(bytes))
    }

    /// The secret as its account's owner is shown it, once.
    pub fn expose_text(&self) -> Zeroizing<String> {
        let mut encoded = Zeroizing::new([0; WEBHOOK_SECRET_BYTES.div_ceil(3) * 4]);
        let base64 = Base64::encode(self.0.as_slice(), encoded.as_mut_slice()).unwrap_or_default();
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + base64.len()));
        text.push_str(PREFIX);
        text.push_str(base64);
        text
    }

    /// The bytes, to be sealed.
    pub fn expose_bytes(&self) -> &[u8; WEBHOOK_SECRET_BYTES] {
        &self.0
    }

    /// The signature of a message: `v1,` and the HMAC-SHA-256 over `id.timestamp.body` in base 64.
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let mac = self.mac(id, timestamp, body);
        let mut encoded = [0; WEBHOOK_SIGNATURE_CHARS];
        let base64 = Base64::encode(&mac, &mut encoded).unwrap_or_default();
        [VERSION, base64].concat()
    }

    /// Whether one of the signatures of a header, with spaces between them, is this secret's. Takes as long for one as for another.
    pub fn verifies(&self, signatures: &str, id: &str, timestamp: u64, body: &[u8]) -> bool {
        let mac = self.mac(id, timestamp, body);
        signatures.split(' ').filter_map(|one| one.strip_prefix(VERSION)).any(|base64| {
            let mut decoded = [0; WEBHOOK_SIGNATURE_CHARS];
            Base64::decode(base64, &mut decoded)
                .is_ok_and(|claimed| aws_lc_rs::constant_time::verify_slices_are_equal(claimed, &mac).is_ok())
        })
    }

    fn mac(&self, id: &str, timestamp: u64, body: &[u8]) -> [u8; 32] {
        residue::hashed(|| {
            let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice()));
            context.update(id.as_bytes());
            context.update(b".");
            context.update(timestamp.to_string().as_bytes());
            context.update(b".");
            context.update(body);
            digest(&context.sign())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    fn counting() -> WebhookSecret {
        WebhookSecret::parse("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()
    }

    /// `printf '%s' 'msg_1.1614265330.{"test": 1}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102…1f -binary | base64`
    #[test]
    fn signs_as_openssl_does() {
        let expected = "v1,ye1v+XOORO1cGv1i1klJC6UwOLDnjUtqKJUqNt8sSfY=";
        assert_eq!(counting().sign("msg_1", 1_614_265_330, br#"{"test": 1}"#), expected);
    }

    #[test]
    fn one_signature_of_several_is_enough_and_nothing_else_is() {
        let (secret, body) = (counting(), br#"{"test": 1}"#);
        let right = secret.sign("msg_1", 7, body);
        let other = WebhookSecret::make(&SystemEntropy::new()).unwrap().sign("msg_1", 7, body);
        assert!(secret.verifies(&right, "msg_1", 7, body));
        assert!(secret.verifies(&format!("{other} {right}"), "msg_1", 7, body));
        for wrong in ["", "v1,", &other, &right[3..], &right.replace("v1", "v2"), &right[..right.len() - 4]] {
            assert!(!secret.verifies(wrong, "msg_1", 7, body), "{wrong}");
        }
        assert!(!secret.verifies(&right, "msg_2", 7, body));
        assert!(!secret.verifies(&right, "msg_1", 8, body));
        assert!(!secret.verifies(&right, "msg_1", 7, br#"{"test": 2}"#));
    }

    #[test]
    fn reads_what_it_made_and_nothing_shorter_or_longer() {
        let secret = WebhookSecret::make(&SystemEntropy::new()).unwrap();
        let text = secret.expose_text();
        assert_eq!(WebhookSecret::parse(&text).unwrap().expose_bytes(), secret.expose_bytes());
        for wrong in
            ["", "whsec_", &text[6..], &text[..text.len() - 4], &format!("{}AAAA", &*text), "whsec_é"]
        {
            assert!(WebhookSecret::parse(wrong).is_none());
        }
    }
}
