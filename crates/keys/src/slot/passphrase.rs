use argon2::{Algorithm, Argon2, Block, Params, Version};
use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, Zeroizing};

use crate::entropy::Entropy;
use crate::error::{KeysError, PassphraseFault};
use crate::header::Header;
use crate::limits::{
    PASSPHRASE_BYTES_MAX, PASSPHRASE_CHARS_MIN, PASSPHRASE_MEMORY_KIB, PASSPHRASE_MEMORY_KIB_MAX,
    PASSPHRASE_PASSES, PASSPHRASE_PASSES_MAX, PASSPHRASE_WORK_MAX,
};
use crate::slot::{Protection, Slot, SlotKey};
use crate::wrapped::Wrapped;
use crate::xaes::{KEY_BYTES, Xaes};

const SALT_BYTES: usize = 16;
const LANES: u32 = 1;

/// A passphrase that somebody typed. Wiped when it goes.
pub struct Passphrase(Zeroizing<String>);

/// What is kept of a slot that a passphrase opens: how it is derived (Argon2id, RFC 9106), and the slot's key under what comes of that.
#[derive(Clone, Copy)]
pub struct PassphraseLock {
    memory_kib: u32,
    passes: u32,
    salt: [u8; SALT_BYTES],
    wrapped: Wrapped,
}

impl PassphraseLock {
    #[cfg(test)]
    pub(crate) const BYTES: usize = 4 + 4 + SALT_BYTES + Wrapped::BYTES;

    /// Memory that it takes, in KiB, and how often that is gone over.
    pub const fn cost(&self) -> (u32, u32) {
        (self.memory_kib, self.passes)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.memory_kib.to_be_bytes());
        out.extend_from_slice(&self.passes.to_be_bytes());
        out.extend_from_slice(&self.salt);
        self.wrapped.encode(out);
    }

    /// Reads one. A header is read before anybody vouches for it: what would take more than a machine should give is refused, and so is what would be cheap
    /// to guess.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (memory, rest) = bytes.split_first_chunk::<4>()?;
        let (passes, rest) = rest.split_first_chunk::<4>()?;
        let (salt, wrapped) = rest.split_first_chunk::<SALT_BYTES>()?;
        let (memory_kib, passes) = (u32::from_be_bytes(*memory), u32::from_be_bytes(*passes));
        // There may be as many as a header has slots.
        let work = u64::from(memory_kib) * u64::from(passes);
        let fits = (PASSPHRASE_MEMORY_KIB..=PASSPHRASE_MEMORY_KIB_MAX).contains(&memory_kib)
            && (PASSPHRASE_PASSES..=PASSPHRASE_PASSES_MAX).contains(&passes)
            && work <= u64::from(PASSPHRASE_WORK_MAX);
        fits.then_some(())?;
        Some(Self { memory_kib, passes, salt: *salt, wrapped: Wrapped::decode(wrapped)? })
    }

    fn associated(&self) -> Vec<u8> {
        let (memory, passes) = (self.memory_kib.to_be_bytes(), self.passes.to_be_bytes());
        [b"slot-passphrase/1".as_slice(), &memory, &passes, &self.salt].concat()
    }

    fn wrapping(&self, passphrase: &Passphrase) -> Result<Xaes, KeysError> {
        let params = Params::new(self.memory_kib, self.passes, LANES, Some(KEY_BYTES));
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(|_| KeysError::Cipher)?);
        let mut derived = Zeroizing::new([0; KEY_BYTES]);
        let memory = usize::try_from(self.memory_kib).map_err(|_| KeysError::Cipher)?;
        let mut blocks = Vec::new();
        blocks.try_reserve_exact(memory).map_err(|_| KeysError::PassphraseMemory { kib: self.memory_kib })?;
        blocks.resize(memory, Block::new());
        let hashed = argon2.hash_password_into_with_memory(
            passphrase.0.as_bytes(),
            &self.salt,
            derived.as_mut_slice(),
            &mut blocks,
        );
        blocks.iter_mut().for_each(Zeroize::zeroize);
        hashed.map_err(|_| KeysError::Cipher)?;
        Xaes::new(&derived)
    }
}

impl Passphrase {
    /// One to make a slot with: at least [`PASSPHRASE_CHARS_MIN`] characters.
    pub fn new(typed: Zeroizing<String>) -> Result<Self, PassphraseFault> {
        if typed.chars().count() < PASSPHRASE_CHARS_MIN {
            return Err(PassphraseFault::Short);
        }
        Self::typed(typed)
    }

    /// One to open a slot with.
    pub fn typed(typed: Zeroizing<String>) -> Result<Self, PassphraseFault> {
        if typed.len() > PASSPHRASE_BYTES_MAX {
            return Err(PassphraseFault::Long);
        }
        if typed.is_ascii() {
            return Ok(Self(typed));
        }
        // An accent may be a character of its own or not, as the keyboard has it (RFC 8265, section 4.2.2). Never outgrown: U+1D160 and its like become three
        // times as long.
        let mut composed = Zeroizing::new(String::with_capacity(3 * typed.len()));
        composed.extend(typed.nfc());
        Ok(Self(composed))
    }

    pub(super) fn lock(&self, key: &SlotKey, entropy: &dyn Entropy) -> Result<PassphraseLock, KeysError> {
        let mut salt = [0; SALT_BYTES];
        entropy.fill_secret(&mut salt)?;
        let (memory_kib, passes) = (PASSPHRASE_MEMORY_KIB, PASSPHRASE_PASSES);
        let mut lock = PassphraseLock { memory_kib, passes, salt, wrapped: Wrapped::NONE };
        let wrapping = lock.wrapping(self)?;
        lock.wrapped =
            Wrapped::wrap(&wrapping, &lock.associated(), Zeroizing::new(*key.expose_bytes()), entropy)?;
        Ok(lock)
    }

    fn unlock(&self, lock: &PassphraseLock) -> Result<SlotKey, KeysError> {
        let key = lock.wrapped.unwrap(&lock.wrapping(self)?, &lock.associated());
        let key = key.map_err(|_| KeysError::PassphraseWrong)?;
        let mut bytes = Box::new([0; KEY_BYTES]);
        bytes.copy_from_slice(key.as_slice());
        Ok(SlotKey::from_boxed(bytes))
    }
}

impl Slot for Passphrase {
    /// The first slot that the passphrase opens, of those that have one.
    fn open(&self, header: &Header) -> Result<SlotKey, KeysError> {
        let mut failed = KeysError::SlotOfKindMissing { kind: "passphrase" };
        for slot in header.slots() {
            if let Protection::Passphrase(lock) = &slot.protection {
                match self.unlock(lock) {
                    Ok(key) => return Ok(key),
                    Err(error) => failed = error,
                }
            }
        }
        Err(failed)
    }

    fn describe(&self) -> String {
        "a passphrase".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::Counting;

    const ARGON: &str = "aad608b5866cef907f47d5cae529ed01a91301c92c5d5fef46e1a65e394e5742";

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::typed(Zeroizing::new(text.to_owned())).ok().unwrap()
    }

    /// As one keyboard composes it, and as another does not.
    #[test]
    fn an_accent_is_the_same_however_it_is_typed() {
        assert_eq!(
            *passphrase("Schl\u{fc}ssel f\u{fc}r alle").0,
            *passphrase("Schlu\u{308}ssel fu\u{308}r alle").0
        );
        assert_ne!(*passphrase("Schlussel fur alle").0, *passphrase("Schl\u{fc}ssel f\u{fc}r alle").0);
    }

    /// What a header asks for is done before anybody vouches for it.
    #[test]
    fn no_more_work_than_four_times_ours_is_taken() {
        let lock = |memory_kib, passes| {
            let mut bytes = Vec::new();
            PassphraseLock { memory_kib, passes, salt: [0; SALT_BYTES], wrapped: Wrapped::NONE }
                .encode(&mut bytes);
            PassphraseLock::decode(&bytes).is_some()
        };
        assert!(
            lock(PASSPHRASE_MEMORY_KIB, PASSPHRASE_PASSES)
                && lock(2 * PASSPHRASE_MEMORY_KIB, 2 * PASSPHRASE_PASSES)
        );
        assert!(
            !lock(PASSPHRASE_MEMORY_KIB_MAX, PASSPHRASE_PASSES)
                && !lock(PASSPHRASE_MEMORY_KIB, PASSPHRASE_PASSES_MAX)
        );
    }

    /// One vector, since each takes 256 MiB and most of a second: `argon2-cffi` (the reference implementation) derives
    /// `ARGON` from this passphrase, salt 00 … 0f, 3 passes, 256 MiB, 1 lane.
    #[test]
    fn derives_as_the_reference_does_and_opens_for_that_passphrase_alone() {
        let key = SlotKey::from_boxed(Box::new([9; KEY_BYTES]));
        let right = passphrase("correct horse battery staple");
        let lock = right.lock(&key, &Counting(std::sync::Mutex::new(0))).unwrap();
        let derived: [u8; 32] = hex::decode(ARGON).unwrap().try_into().unwrap();
        let opened = lock.wrapped.unwrap(&Xaes::new(&derived).unwrap(), &lock.associated()).unwrap();
        assert_eq!(opened.as_slice(), key.expose_bytes());
        assert_eq!(right.unlock(&lock).ok().unwrap().expose_bytes(), key.expose_bytes());
        let wrong = passphrase("correct horse battery stapler").unlock(&lock);
        assert!(matches!(wrong.err(), Some(KeysError::PassphraseWrong)));
    }

    #[test]
    fn costs_that_nobody_should_pay_are_no_lock() {
        let lock = PassphraseLock {
            memory_kib: PASSPHRASE_MEMORY_KIB,
            passes: PASSPHRASE_PASSES,
            salt: [1; SALT_BYTES],
            wrapped: Wrapped::NONE,
        };
        let decodes = |lock: PassphraseLock| {
            let mut bytes = Vec::new();
            lock.encode(&mut bytes);
            assert_eq!(bytes.len(), PassphraseLock::BYTES);
            PassphraseLock::decode(&bytes).is_some()
        };
        assert!(decodes(lock));
        assert!(!decodes(PassphraseLock { memory_kib: PASSPHRASE_MEMORY_KIB_MAX + 1, ..lock }));
        assert!(!decodes(PassphraseLock { memory_kib: PASSPHRASE_MEMORY_KIB - 1, ..lock }));
        assert!(!decodes(PassphraseLock { passes: PASSPHRASE_PASSES - 1, ..lock }));
        assert!(!decodes(PassphraseLock { passes: PASSPHRASE_PASSES_MAX + 1, ..lock }));
    }

    #[test]
    fn passphrases_have_bounds() {
        let new = |text: String| Passphrase::new(Zeroizing::new(text)).err();
        assert!(matches!(new("é".repeat(PASSPHRASE_CHARS_MIN - 1)), Some(PassphraseFault::Short)));
        assert!(new("é".repeat(PASSPHRASE_CHARS_MIN)).is_none());
        assert!(matches!(new("a".repeat(PASSPHRASE_BYTES_MAX + 1)), Some(PassphraseFault::Long)));
    }
}
