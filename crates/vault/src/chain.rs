use panvault_keys::ChainKey;
use panvault_store::Chain;

/// The chain of commits, keyed by a key that the store never sees.
pub struct StoreChain(ChainKey);

impl StoreChain {
    /// Chains with this key.
    pub const fn new(key: ChainKey) -> Self {
        Self(key)
    }
}

impl Chain for StoreChain {
    fn digest(&self, bytes: &[u8]) -> [u8; 32] {
        self.0.digest(bytes)
    }

    fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.0.tag(parts)
    }
}
