use aws_lc_rs::digest::{Context, Digest, SHA256, digest};

/// SHA-256 of a file that is read a part at a time.
pub struct FileDigest(Context);

impl Default for FileDigest {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl FileDigest {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all of them.
    pub fn finish(self) -> [u8; 32] {
        bytes_of(&self.0.finish())
    }
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    bytes_of(&digest(&SHA256, bytes))
}

fn bytes_of(digest: &Digest) -> [u8; 32] {
    let mut out = [0; 32];
    for (slot, byte) in out.iter_mut().zip(digest.as_ref()) {
        *slot = *byte;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix B.2.
    #[test]
    fn is_sha_256_however_it_is_cut() {
        let text = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        let mut digest = FileDigest::default();
        let (head, tail) = text.split_at(5);
        digest.update(head);
        digest.update(tail);
        let known = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
        assert_eq!(hex::encode(digest.finish()), known);
    }
}
