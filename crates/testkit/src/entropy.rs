use std::sync::{Mutex, PoisonError};

use panvault_keys::limits::ID_RANDOM_BYTES;
use panvault_keys::{Entropy, KeysError};

/// SeededRandom that always fall the same for the same seed (SplitMix64). For tests; nothing here is hard to guess.
#[derive(Clone, Debug)]
pub struct SeededRandom(u64);

/// Randomness for a vault under test: the same for the same seed. Ids have dice of their own, so that how many were made changes no
/// key.
pub struct SeededEntropy {
    secrets: Mutex<SeededRandom>,
    ids: Mutex<SeededRandom>,
}

impl SeededRandom {
    /// SeededRandom of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, or 0 when that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next_u64() % end).unwrap_or(0)
    }

    /// True so many times out of a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of the items.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// Fills `out`.
    pub fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            for (slot, byte) in chunk.iter_mut().zip(self.next_u64().to_le_bytes()) {
                *slot = byte;
            }
        }
    }
}

impl SeededEntropy {
    /// Randomness of this seed.
    pub const fn new(seed: u64) -> Self {
        Self { secrets: Mutex::new(SeededRandom::new(seed)), ids: Mutex::new(SeededRandom::new(!seed)) }
    }
}

impl Entropy for SeededEntropy {
    fn fill_secret(&self, out: &mut [u8]) -> Result<(), KeysError> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).fill(out);
        Ok(())
    }

    fn make_id_bytes(&self) -> Result<[u8; ID_RANDOM_BYTES], KeysError> {
        Ok(self.ids.lock().unwrap_or_else(PoisonError::into_inner).next_u64().to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs of SplitMix64 for seed 1234567, as its author's reference code prints them.
    #[test]
    fn rolls_as_the_reference_does() {
        let mut dice = SeededRandom::new(1_234_567);
        let rolled = [dice.next_u64(), dice.next_u64(), dice.next_u64()];
        assert_eq!(rolled, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let bytes = |seed| {
            let mut out = [0; 13];
            SeededEntropy::new(seed).fill_secret(&mut out).unwrap();
            out
        };
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
    }

    #[test]
    fn ids_change_no_key() {
        let key = |ids: usize| {
            let entropy = SeededEntropy::new(1);
            let made = (0..ids).map(|_| entropy.make_id_bytes().unwrap()).collect::<Vec<_>>();
            let mut key = [0; 32];
            entropy.fill_secret(&mut key).unwrap();
            assert!(made.iter().all(|id| !key.chunks(8).any(|part| part == id)));
            key
        };
        assert_eq!(key(0), key(5));
    }
}
