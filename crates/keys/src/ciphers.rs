//! What is used for what, for those who keep an inventory of it.

/// A use of a cipher, a hash or a key exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CipherUse {
    /// What it is used for.
    pub what: &'static str,
    /// The algorithm.
    pub algorithm: &'static str,
    /// Bits of its key.
    pub key_bits: u16,
    /// Who specifies it.
    pub standard: &'static str,
}

const fn used(
    what: &'static str,
    algorithm: &'static str,
    key_bits: u16,
    standard: &'static str,
) -> CipherUse {
    CipherUse { what, algorithm, key_bits, standard }
}

/// Every use in this crate. A new one gets its line.
pub const CIPHERS: &[CipherUse] = &[
    used(
        "cards, customers and secrets at rest; CVVs in memory; keys that are wrapped",
        "XAES-256-GCM",
        256,
        "C2SP XAES-256-GCM, NIST SP 800-38D",
    ),
    used(
        "the root key, sealed to a slot",
        "HPKE: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM",
        256,
        "RFC 9180",
    ),
    used(
        "what commands and a running server say to each other on this machine",
        "HMAC-SHA-256, AES-256-GCM",
        256,
        "FIPS 198-1, NIST SP 800-38D",
    ),
    used("a slot's key under a passphrase", "Argon2id", 256, "RFC 9106"),
    used("a slot's key in shares", "Shamir over GF(2^8)", 256, "ISO/IEC 19592-2"),
    used(
        "a share, for a custodian's age key",
        "age: X25519, HKDF-SHA-256, ChaCha20-Poly1305",
        256,
        "age-encryption.org/v1",
    ),
    used(
        "the exported trail, for the age keys of those who may read it",
        "age: X25519, HKDF-SHA-256, ChaCha20-Poly1305; ChaCha20-Poly1305",
        256,
        "age-encryption.org/v1, RFC 8439",
    ),
    used(
        "fingerprints of card numbers, tags of rows, the chain of the trail, hashes of API keys",
        "HMAC-SHA-256",
        256,
        "FIPS 198-1, FIPS 180-4",
    ),
];
