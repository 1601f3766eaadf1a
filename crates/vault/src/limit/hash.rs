use core::hash::{BuildHasher, Hasher};
use std::hash::RandomState;

/// A keyed hash that costs little: each eight bytes are multiplied with what there is, and the halves of the product are put together (as wyhash
/// and foldhash do). Who does not know the two numbers that a process begins with cannot choose keys that meet; nothing that is answered depends on
/// where a key is.
pub(super) struct KeyedHash {
    start: u64,
    factor: u64,
}

pub(super) struct KeyedHasher {
    state: u64,
    factor: u64,
}

impl KeyedHash {
    pub(super) fn new() -> Self {
        let random = RandomState::new();
        Self { start: random.hash_one(0), factor: random.hash_one(1) }
    }
}

impl BuildHasher for KeyedHash {
    type Hasher = KeyedHasher;

    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher { state: self.start, factor: self.factor }
    }
}

impl KeyedHasher {
    fn fold(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.factor);
        let (high, low) = (product >> 64, product & u128::from(u64::MAX));
        self.state = u64::try_from(high ^ low).unwrap_or(0);
    }
}

impl Hasher for KeyedHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.fold(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            // Of different lengths, different: whoever hashes a slice hashes its length too.
            self.fold(rest.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte)));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.fold(byte.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.fold(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.fold(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.fold(word as u64);
    }

    fn finish(&self) -> u64 {
        // A last step, so that every bit of the last word is in every bit.
        let mut last = Self { ..*self };
        last.fold(self.factor.rotate_left(32));
        last.state
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_that_are_alike_are_far_apart() {
        let hash = KeyedHash::new();
        let hashes: HashSet<u64> = (0..100_000_u64).map(|key| hash.hash_one(([7_u8; 12], key))).collect();
        assert_eq!(hashes.len(), 100_000);
        let mut places = [0_u32; 1024];
        for hash in hashes {
            places[usize::try_from(hash % 1024).unwrap()] += 1;
        }
        // About 98 each; ten standard deviations on either side.
        assert!(places.iter().all(|keys| (1..198).contains(keys)), "{places:?}");
        assert_ne!(hash.hash_one([0_u8; 12]), hash.hash_one([0_u8; 13]));
        assert_ne!(hash.hash_one(1_u64), KeyedHash::new().hash_one(1_u64));
    }
}
