use panvault_card::BinTable;
use panvault_keys::{Entropy, KeyRing, KeysError, VaultKeys};
use panvault_model::{Now, VaultId};

use crate::cvv::CvvKeys;

/// All of the outside that a plan may use. One request sees one time and one set of keys.
pub(crate) struct Env<'a> {
    /// What time it is.
    pub now: Now,
    /// Which vault this is.
    pub vault: VaultId,
    /// The keys of the vault itself.
    pub vault_keys: &'a VaultKeys,
    /// The keys of every organisation.
    pub keys: &'a KeyRing,
    /// The keys that seal CVVs while they are held.
    pub cvv_keys: &'a CvvKeys,
    /// Who issued which numbers.
    pub bins: &'a dyn BinTable,
    /// Where randomness comes from.
    pub entropy: &'a dyn Entropy,
    /// Seconds for which a CVV is held; 0 is not at all.
    pub cvv_ttl_seconds: u32,
}

impl Env<'_> {
    /// Eight random bytes, for an id.
    pub(crate) fn make_id_bytes(&self) -> Result<[u8; 8], KeysError> {
        self.entropy.make_id_bytes()
    }
}
