//! The limits of this crate, each with its unit.

/// Bytes of a plaintext that is sealed at most.
pub const PLAINTEXT_BYTES_MAX: usize = 64;

/// Bytes of a key file at most.
pub const KEY_FILE_BYTES_MAX: u64 = 4096;

/// Characters of an API key.
pub const API_KEY_CHARS: usize = 8 + 43 + 6;
