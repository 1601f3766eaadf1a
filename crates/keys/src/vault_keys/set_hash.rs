//! The key by which sets of rows are told from other sets, and rows are looked up by what nobody else is to read.

use std::sync::Arc;

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

use crate::error::KeysError;
use crate::root::digest;
use crate::xaes::KEY_BYTES;

/// Bytes of a hash of a member.
pub const MEMBER_HASH_BYTES: usize = 16;

/// The key that hashes sets. It may live in a thread of its own.
pub struct SetHashKey(Arc<Derived>);

struct Derived {
    marks: hmac::Key,
    members: EncryptingKey,
}

impl SetHashKey {
    /// The key itself makes marks; HMAC-SHA-256 over `set-member/1` is the key of members.
    pub(super) fn derive(key: &[u8; KEY_BYTES]) -> Result<Self, KeysError> {
        let marks = hmac::Key::new(hmac::HMAC_SHA256, key);
        let members = Zeroizing::new(digest(&hmac::sign(&marks, b"set-member/1")));
        let members = EncryptingKey::cbc(UnboundCipherKey::new(&AES_256, members.as_slice())?)?;
        Ok(Self(Arc::new(Derived { marks, members })))
    }

    /// For somebody who outlives these keys.
    pub(super) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// HMAC-SHA-256 over the concatenation of the parts.
    pub fn mark(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0.marks);
        parts.iter().for_each(|part| context.update(part));
        digest(&context.sign())
    }

    /// Keyed hash of a member of a set: AES-256 in CBC-MAC over exactly two blocks, the set's and the member's, which is a
    /// pseudo-random function for texts of one length, and costs two blocks. A set's hash is the exclusive or of its members': these
    /// and that are kept only sealed, for who saw enough of them could make another set of the same hash.
    pub fn member_hash(&self, set: &[u8; 16], member: &[u8; 16]) -> [u8; MEMBER_HASH_BYTES] {
        let mut blocks = [0; 32];
        if let [first, last] = blocks.as_chunks_mut().0 {
            (*first, *last) = (*set, *member);
        }
        let zero = EncryptionContext::Iv128(FixedLength::from([0; 16]));
        match (self.0.members.less_safe_encrypt(&mut blocks, zero), blocks.last_chunk()) {
            (Ok(_), Some(last)) => *last,
            // Two whole blocks are never refused; if they ever were, they would always be, and this is as good a function.
            (_, _) => {
                let [hash @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
                    self.mark(&[b"set-member/1", set, member]);
                hash
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answer: computed with another implementation of AES (the `openssl` command), key and texts as here.
    #[test]
    fn a_member_has_this_hash() {
        let key = SetHashKey::derive(&[7; KEY_BYTES]).unwrap();
        assert_eq!(hex::encode(key.member_hash(&[1; 16], &[2; 16])), "7d53ee9829abfda0c95da11a1cae6b56");
    }

    #[test]
    fn every_bit_of_set_and_member_counts() {
        let key = SetHashKey::derive(&[7; KEY_BYTES]).unwrap();
        let hash = key.member_hash(&[1; 16], &[2; 16]);
        assert_eq!(hash, key.share().member_hash(&[1; 16], &[2; 16]));
        for bit in 0..128 {
            let mut flipped = [1; 16];
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(key.member_hash(&flipped, &[2; 16]), hash);
            let mut flipped = [2; 16];
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(key.member_hash(&[1; 16], &flipped), hash);
        }
        let other = SetHashKey::derive(&[8; KEY_BYTES]).unwrap();
        assert_ne!(other.member_hash(&[1; 16], &[2; 16]), hash);
    }
}
