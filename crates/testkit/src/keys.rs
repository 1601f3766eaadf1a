use panvault_keys::limits::ID_RANDOM_BYTES;
use panvault_keys::{Entropy, Header, KeyMode, KeysError, NewSlot, OperatorKey, RootKey, SlotKey, VaultKeys};
use panvault_model::{Timestamp, VaultId};
use panvault_vault::{Caller, Origin, Vault};

use crate::SeededEntropy;

/// The root key of a seed.
pub fn root_key(seed: u64) -> RootKey {
    RootKey::make(&SeededEntropy::new(seed)).unwrap()
}

/// The header of a test vault under the root key of a seed: the same for the same seed and vault.
pub fn vault_header(vault: VaultId, seed: u64) -> Header {
    let [_, _, _, _, low @ ..] = *vault.as_bytes();
    let entropy = SeededEntropy::new(!seed ^ u64::from_be_bytes(low));
    let now = Timestamp::from_unix_millis(1_700_000_000_000);
    Header::make(&root_key(seed), slot(), vault, KeyMode::Test, now, &entropy).unwrap()
}

/// The key of the slot of every such header.
pub fn slot_key() -> SlotKey {
    SlotKey::make(&SeededEntropy::new(0)).unwrap()
}

fn slot() -> NewSlot {
    NewSlot::of_key_file(&slot_key(), "test").unwrap()
}

/// What proves the root key of a seed to a vault.
pub fn operator_key(vault: VaultId, seed: u64) -> OperatorKey {
    root_key(seed).derive_operator_key(vault)
}

/// A command on the machine of a test vault whose keys are those of a seed.
pub fn operator(vault: &Vault, seed: u64) -> Caller {
    vault.operator(&operator_key(vault.id(), seed), Origin::LOCAL).unwrap()
}

/// The keys of a test vault: the same for the same seed and vault.
pub fn vault_keys(vault: VaultId, seed: u64) -> VaultKeys {
    vault_header(vault, seed).open(&root_key(seed), vault, KeyMode::Test).unwrap()
}

/// The keys of a test vault, all of which are this one.
pub(crate) fn vault_keys_of(vault: VaultId, key: [u8; 32]) -> VaultKeys {
    let (now, root) = (Timestamp::from_unix_millis(0), root_key(0));
    let header = Header::make(&root, slot(), vault, KeyMode::Test, now, &OneKey(key)).unwrap();
    header.open(&root, vault, KeyMode::Test).unwrap()
}

/// Gives out one key, and beginnings of it.
struct OneKey([u8; 32]);

impl Entropy for OneKey {
    fn fill_secret(&self, out: &mut [u8]) -> Result<(), KeysError> {
        for (slot, byte) in out.iter_mut().zip(self.0) {
            *slot = byte;
        }
        Ok(())
    }

    fn make_id_bytes(&self) -> Result<[u8; ID_RANDOM_BYTES], KeysError> {
        Err(KeysError::Entropy)
    }
}
