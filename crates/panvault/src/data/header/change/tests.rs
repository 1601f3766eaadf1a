use panvault_keys::{KeyState, VaultPurpose};
use panvault_model::Timestamp;

use super::*;
use crate::data::header::tests::{Filled, runtime, settings};

const REPLACED: [VaultPurpose; 3] = [VaultPurpose::Wrapping, VaultPurpose::DocumentHead, VaultPurpose::RowTag];
const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

/// Another key takes the place of one while the vault is open, and the one before is destroyed.
fn rotate(filled: &Filled, key: &str, purpose: VaultPurpose) {
    let found = DataDirectory::find(&filled.path()).unwrap();
    runtime().block_on(async {
        let open = found.open(&settings(&filled.directory, key)).await.unwrap();
        let OpenHeader { root, copies, .. } = found.header_by(&filled.key_file(key)).unwrap();
        let entropy = SystemEntropy::new();
        let next = copies.header().key_make(&root, purpose, NOW, &entropy).unwrap();
        let handed = next.hand_over_after(&root, &named(&open).unwrap(), &entropy).unwrap();
        let permit = open.operator().unwrap().permit().unwrap();
        open.vault.header_change(&permit, next.encode(), handed).await.unwrap();
        open.vault.keys_rotate().await.unwrap();
        open.vault.close().await.unwrap();
    });
}

/// How far the keys of a purpose have come, as both copies of the header say: of one that they call destroyed they have no bytes.
fn states(filled: &Filled, key: &str, purpose: VaultPurpose) -> Vec<KeyState> {
    let [one, two] = filled.header();
    assert_eq!(one, two);
    let found = DataDirectory::find(&filled.path()).unwrap();
    let keys = found.header_by(&filled.key_file(key)).unwrap().keys.descriptions();
    keys.iter().filter(|key| key.purpose == purpose).map(|key| key.state).collect()
}

/// The bug: of a key that was destroyed while the vault was served the bytes stayed in the header, however often that was changed while nobody served the vault. Its cause: a server was asked
/// how far each key had come, and where there was none nobody was. Its cure: the vault is opened for such a change, and says so.
#[test]
fn a_change_while_nobody_serves_leaves_no_bytes_of_destroyed_keys() {
    let filled = Filled::new();
    for purpose in REPLACED {
        rotate(&filled, "old.key", purpose);
        assert_eq!(states(&filled, "old.key", purpose), [KeyState::Active, KeyState::PreActive]);
    }
    filled.add("old.key", "new.key");
    for purpose in REPLACED {
        assert_eq!(states(&filled, "new.key", purpose), [KeyState::Destroyed, KeyState::Active]);
    }
    // The same with another root key, and without any other slot.
    rotate(&filled, "new.key", VaultPurpose::Wrapping);
    filled.remove("new.key", 1);
    let wrapping = states(&filled, "new.key", VaultPurpose::Wrapping);
    assert_eq!(wrapping, [KeyState::Destroyed, KeyState::Destroyed, KeyState::Active]);
    filled.opens("new.key").unwrap();
}
