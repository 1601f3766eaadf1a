//! The limits of this crate, each with its unit.

/// Random bytes of an id; the other four are its time.
pub const ID_RANDOM_BYTES: usize = 8;

/// Bytes of a plaintext that is sealed at most.
pub const PLAINTEXT_BYTES_MAX: usize = 8192;

/// Keys in a header at most, destroyed ones included.
pub const HEADER_KEYS_MAX: usize = 256;

/// Versions of one purpose that are not destroyed, at most.
pub const PURPOSE_VERSIONS_MAX: usize = 4;

/// The same of the keys that chain the trail and sign it: each stays while a record is kept that it chained, and for good where it signed.
pub const KEPT_VERSIONS_MAX: usize = 32;

/// Slots in a header at most.
pub const HEADER_SLOTS_MAX: usize = 16;

/// Bytes of a header at most.
pub const HEADER_BYTES_MAX: usize = 49 + HEADER_KEYS_MAX * 82 + 3 + HEADER_SLOTS_MAX * 1544 + 32 + 4;

/// Bytes of what a slot is called at most.
pub const SLOT_LABEL_BYTES_MAX: usize = 64;

/// Bytes of a name that a peer has for something, at most.
pub const PEER_NAME_BYTES_MAX: usize = 255;

/// Bytes that a peer makes of a slot's key at most; AWS KMS makes some 200, the others some 100.
pub const PEER_WRAPPED_BYTES_MAX: usize = 512;

/// Shares of a slot's key at most.
pub const SHARES_MAX: usize = 16;

/// KiB of memory that a passphrase of a new slot takes, and passes over it (PCI DSS 4.0.1, 3.7.1, asks for strong keys; RFC 9106, section 4, for no less).
pub const PASSPHRASE_MEMORY_KIB: u32 = 256 << 10;
/// Those.
pub const PASSPHRASE_PASSES: u32 = 3;

/// KiB of memory that a header may ask for.
pub const PASSPHRASE_MEMORY_KIB_MAX: u32 = 2 << 20;

/// Passes that a header may ask for.
pub const PASSPHRASE_PASSES_MAX: u32 = 16;

/// The product of both at most: four times what we make, a few seconds.
pub const PASSPHRASE_WORK_MAX: u32 = 4 * PASSPHRASE_MEMORY_KIB * PASSPHRASE_PASSES;

/// Characters of a new passphrase at least (NIST SP 800-63B-4, section 3.1.1.2, for one that stands alone).
pub const PASSPHRASE_CHARS_MIN: usize = 15;

/// Bytes of a passphrase at most.
pub const PASSPHRASE_BYTES_MAX: usize = 1024;

/// Bytes that the head of the documents seals.
pub const HEAD_BYTES: usize = 64;

/// Bytes of what is sealed to somebody by age, at most.
pub const AGE_BYTES_MAX: usize = 1024;

/// Bytes of a key file at most.
pub const KEY_FILE_BYTES_MAX: usize = 4096;

/// Characters of an API key at most.
pub const API_KEY_CHARS_MAX: usize = 12 + 43 + 6;

/// Number of the protocol of the socket.
pub const SOCKET_PROTOCOL: u16 = 1;

/// Bytes of the message that opens the socket.
pub const SOCKET_HELLO_BYTES: usize = 8 + 2 + 32;

/// Bytes of the server's challenge.
pub const SOCKET_CHALLENGE_BYTES: usize = 8 + 2 + 12 + 32 + 32;

/// Bytes of the answer to it.
pub const SOCKET_ANSWER_BYTES: usize = 32;

/// Bytes that one record on the socket says at most.
pub const SOCKET_RECORD_BYTES_MAX: usize = 16 << 10;

/// Bytes of a secret that webhooks are signed with.
pub const WEBHOOK_SECRET_BYTES: usize = 32;

/// Characters of a signature of a webhook, without its version.
pub const WEBHOOK_SIGNATURE_CHARS: usize = 44;

/// Bytes of a secret that notifications of a payment service provider are signed with, at most.
pub const NOTIFICATION_SECRET_BYTES_MAX: usize = 256;

/// Bytes of one that is spelled in hexadecimal digits, at least: shorter ones are mistakes.
pub const NOTIFICATION_SECRET_HEX_BYTES_MIN: usize = 16;
