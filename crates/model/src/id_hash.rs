use core::hash::{BuildHasher, Hasher};

/// Hashes ids and keyed hashes, for maps by them: both have 54 random bits or more at their end, which nobody who sends a
/// request chooses, so they need no mixing.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdHash;

/// The exclusive or of the last eight bytes of what it was handed.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdHasher(u64);

impl BuildHasher for IdHash {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher::default()
    }
}

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        let last = bytes.last_chunk::<8>().map_or_else(
            || bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
            |last| u64::from_be_bytes(*last),
        );
        self.0 ^= last;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Id, Timestamp};

    #[test]
    fn ids_of_one_moment_spread_over_the_low_bits() {
        let now = Timestamp::from_unix_millis(1_700_000_000_000);
        // The random part counts, as the worst dice would.
        let hashes = (0..1024_u64).map(|n| IdHash.hash_one(Id::make(now, n.to_be_bytes())));
        let low: std::collections::HashSet<u64> = hashes.map(|hash| hash & 1023).collect();
        assert_eq!(low.len(), 1024);
    }

    #[test]
    fn what_is_shorter_than_eight_bytes_counts_too() {
        assert_ne!(IdHash.hash_one(1_u16), IdHash.hash_one(2_u16));
        assert_ne!(IdHash.hash_one((1_u16, [7_u8; 32])), IdHash.hash_one((2_u16, [7_u8; 32])));
    }
}
