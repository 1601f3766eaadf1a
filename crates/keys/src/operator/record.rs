//! What is said behind the handshake: records, each sealed with the key of its direction under its place in it.
//!
//! | part | bytes |
//! | --- | --- |
//! | n: bytes that are said, at most 16384; 0 in the last record of a direction | 2 |
//! | ciphertext | n |
//! | tag | 16 |
//!
//! The cipher is AES-256-GCM. The nonce is 4 bytes of zeroes and the number of the record in its direction, from 0, in 8; the associated
//! data is the length. A direction that ends without its last record was cut off.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::error::KeysError;
use crate::limits::SOCKET_RECORD_BYTES_MAX;
use crate::xaes::{KEY_BYTES, TAG_BYTES};

const LENGTH_BYTES: usize = 2;

/// Seals what one end says.
pub struct RecordSealer(Direction);

/// Opens what the other end said.
pub struct RecordOpener(Direction);

struct Direction {
    key: LessSafeKey,
    /// Records so far.
    count: u64,
}

/// The beginning of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordLength([u8; LENGTH_BYTES]);

impl RecordLength {
    /// How many bytes it takes.
    pub const BYTES: usize = LENGTH_BYTES;

    /// Reads it; `None` when it promises more than a record has.
    pub fn read(bytes: [u8; LENGTH_BYTES]) -> Option<Self> {
        (usize::from(u16::from_be_bytes(bytes)) <= SOCKET_RECORD_BYTES_MAX).then_some(Self(bytes))
    }

    /// How many bytes follow.
    pub fn sealed_bytes(self) -> usize {
        usize::from(u16::from_be_bytes(self.0)) + TAG_BYTES
    }
}

impl RecordSealer {
    pub(super) fn new(key: &[u8; KEY_BYTES]) -> Result<Self, KeysError> {
        Direction::new(key).map(Self)
    }

    /// Appends a record of the first bytes of `said`, as many as a record has; gives how many. None is the last record.
    pub fn seal(&mut self, said: &[u8], out: &mut Vec<u8>) -> Result<usize, KeysError> {
        let said = said.get(..said.len().min(SOCKET_RECORD_BYTES_MAX)).unwrap_or_default();
        let length = u16::try_from(said.len()).map_err(|_| KeysError::TooLong)?.to_be_bytes();
        out.extend_from_slice(&length);
        let from = out.len();
        out.extend_from_slice(said);
        let bytes = out.get_mut(from..).ok_or(KeysError::Cipher)?;
        let nonce = self.0.nonce()?;
        let tag = self.0.key.seal_in_place_separate_tag(nonce, Aad::from(length), bytes)?;
        out.extend_from_slice(tag.as_ref());
        Ok(said.len())
    }
}

impl RecordOpener {
    pub(super) fn new(key: &[u8; KEY_BYTES]) -> Result<Self, KeysError> {
        Direction::new(key).map(Self)
    }

    /// Opens a record in place, and leaves what was said; nothing when it was the last one. [`KeysError::Refused`] when it is not what
    /// the other end says at this place.
    pub fn open(&mut self, length: RecordLength, sealed: &mut Vec<u8>) -> Result<(), KeysError> {
        if sealed.len() != length.sealed_bytes() {
            return Err(KeysError::Refused);
        }
        let nonce = self.0.nonce()?;
        let opened = self.0.key.open_in_place(nonce, Aad::from(length.0), sealed);
        let bytes = opened.map_err(|_| KeysError::Refused)?.len();
        sealed.truncate(bytes);
        Ok(())
    }
}

impl Direction {
    fn new(key: &[u8; KEY_BYTES]) -> Result<Self, KeysError> {
        Ok(Self { key: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key)?), count: 0 })
    }

    /// The nonce of the next record: none twice.
    fn nonce(&mut self) -> Result<Nonce, KeysError> {
        let mut nonce = [0; 12];
        if let Some(place) = nonce.last_chunk_mut::<8>() {
            *place = self.count.to_be_bytes();
        }
        self.count = self.count.checked_add(1).ok_or(KeysError::Cipher)?;
        Ok(Nonce::assume_unique_for_key(nonce))
    }
}
