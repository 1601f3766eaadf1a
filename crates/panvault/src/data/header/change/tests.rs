use core::cell::{Cell, RefCell};

use panvault_keys::{KeyState, VaultPurpose};
use panvault_model::Timestamp;
use panvault_store_embedded::OpenFault;
use panvault_vault::NewOrganisation;

use super::*;
use crate::data::beside::{Looked, looked, versions};
use crate::data::header::tests::{Filled, runtime, settings};
use crate::data::judged::examined;

const REPLACED: [VaultPurpose; 3] =
    [VaultPurpose::Wrapping, VaultPurpose::DocumentHead, VaultPurpose::RowTag];
const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

/// Another key takes the place of one while the vault is open, what that made is made anew, and something is written behind it.
async fn rotated(filled: &Filled, key: &str, purpose: VaultPurpose) {
    let found = DataDirectory::find(&filled.path()).unwrap();
    let open = found.open(&settings(&filled.directory, key)).await.unwrap();
    let OpenHeader { root, copies, .. } = found.header_by(&filled.key_file(key)).unwrap();
    let entropy = SystemEntropy::new();
    let next = copies.header().key_make(&root, purpose, NOW, &entropy).unwrap();
    let handed = next.hand_over_after(&root, &named(&open).await.unwrap(), &entropy).unwrap();
    let permit = open.operator().unwrap().permit().unwrap();
    open.vault.header_change(&permit, next.encode(), handed).await.unwrap();
    // No request sees documents of before by then.
    drop(permit);
    open.vault.keys_rotate().await.unwrap();
    let another = NewOrganisation { name: "Another".to_owned(), ..NewOrganisation::default() };
    open.vault.organisation_create(&open.operator().unwrap().permit().unwrap(), another).await.unwrap();
    open.vault.close().await.unwrap();
}

fn rotate(filled: &Filled, key: &str, purpose: VaultPurpose) {
    runtime().block_on(rotated(filled, key, purpose));
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

/// The bug: who had read the header a moment before a rotation called damaged what was under the next key. Its cause: nobody looked whether there was another header by then. Its cure: it is read once
/// more where all is not as it should be.
#[test]
fn what_is_under_a_key_that_came_meanwhile_is_not_damaged() {
    for purpose in [VaultPurpose::AuditChain, VaultPurpose::RowTag, VaultPurpose::DocumentTag] {
        let (filled, looks, first) = (Filled::new(), Cell::new(0), RefCell::new(String::new()));
        let found = DataDirectory::find(&filled.path()).unwrap();
        let look = async || {
            let keys = found.header_by(&filled.key_file("old.key")).unwrap().keys;
            looks.set(looks.get() + 1);
            if looks.get() == 1 {
                rotated(&filled, "old.key", purpose).await;
            }
            let said = match examined(&found, keys) {
                Ok(examination) => format!("{:?}", examination.findings),
                Err(fault) => fault.to_string(),
            };
            if looks.get() == 1 {
                first.replace(said.clone());
            }
            said
        };
        let looked = looked(async || versions(&found.headers()), look, |said| said == "[]");
        let Looked { found: said, keys_change } = runtime().block_on(looked);
        assert_eq!((said.as_str(), keys_change, looks.get()), ("[]", false, 2), "{purpose:?}");
        assert_ne!(first.into_inner(), "[]", "{purpose:?}: keys of before do not explain it");
    }
}

/// The bug: what was written after a rotation of the key that chains was chained with the one before until the next start. Its cause: the store was opened with keys of its own, which learnt nothing. Its
/// cure: vault and store have the same.
#[test]
fn what_is_written_behind_a_rotation_is_chained_with_the_next_key() {
    let filled = Filled::new();
    let found = DataDirectory::find(&filled.path()).unwrap();
    let keys = found.header_by(&filled.key_file("old.key")).unwrap().keys;
    rotate(&filled, "old.key", VaultPurpose::AuditChain);
    assert!(matches!(examined(&found, keys), Err(OpenFault::LaterKey { key: 2, .. })));
}
