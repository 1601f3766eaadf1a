use super::*;
use crate::api_key::KeyMode;
use crate::entropy::SystemEntropy;
use crate::header::Header;
use crate::organisation_key::{OrganisationKey, Purpose};
use crate::ring::KeyRing;
use crate::vault_keys::VaultKeys;
use crate::vectors::{root, slot};

const VAULT: VaultId = VaultId::from_bytes([1; 12]);
const AT: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

fn header() -> Header {
    Header::make(&root(7), slot(1), VAULT, KeyMode::Test, AT, &SystemEntropy::new()).unwrap()
}

fn opened(header: &Header, by: u8) -> VaultKeys {
    header.open(&root(by), VAULT, KeyMode::Test).unwrap()
}

fn decoded(handed: &HandOver) -> HandOver {
    HandOver::decode(&handed.encode()).unwrap()
}

#[test]
fn reads_what_it_wrote_and_nothing_else() {
    let (header, entropy) = (header(), SystemEntropy::new());
    let next = header.key_make(&root(7), VaultPurpose::RowTag, AT, &entropy).unwrap();
    let bytes = next.hand_over(&root(7), &entropy).unwrap().encode();
    let keys = FIXED_BYTES + (VaultPurpose::ALL.len() + 1) * KEY_BYTES;
    assert_eq!(bytes.len(), keys + 1 + SLOT_BYTES);
    assert_eq!(HandOver::decode(&bytes).unwrap().encode(), bytes);
    for length in 0..bytes.len() {
        assert!(HandOver::decode(&bytes[..length]).is_err(), "cut at {length}");
    }
    assert!(HandOver::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    // Format, count, purpose and state of the first, and the count of slots.
    for at in [0, FIXED_BYTES - 1, FIXED_BYTES, FIXED_BYTES + 3, keys] {
        let mut changed = bytes.clone();
        changed[at] = 99;
        assert!(HandOver::decode(&changed).is_err(), "byte {at}");
    }
}

/// Another root key is another operator key, and no other key: a node that has no root key comes to know it.
#[test]
fn a_node_takes_up_the_operator_key_of_another_root_key() {
    let (header, entropy) = (header(), SystemEntropy::new());
    let node = opened(&header, 7);
    let next = header.rewrap(&root(7), &root(8), &entropy).unwrap();
    let handed = next.hand_over(&root(8), &entropy).unwrap();
    let (old, new) = (root(7).derive_operator_key(VAULT), root(8).derive_operator_key(VAULT));
    assert!(handed.hands() && node.is_operator(&old) && !node.is_operator(&new));
    let tag = node.row_tag(1, b"row");
    node.take(&decoded(&handed)).unwrap();
    assert_eq!(node.header_version(), 2);
    assert!(node.is_operator(&new) && !node.is_operator(&old), "what a removed slot gives is nobody's");
    assert!(node.row_tag_matches(1, b"row", &tag));
    // Once more, and an earlier one again: nothing changes.
    node.take(&handed.taken()).unwrap();
    node.take(&header.hand_over(&root(7), &entropy).unwrap()).unwrap();
    assert!(node.is_operator(&new) && node.header_version() == 2);
    // One that was not there while it was handed over serves, and lets no command in.
    let late = opened(&header, 7);
    late.take(&handed.taken()).unwrap();
    assert!(!late.is_operator(&new) && !late.is_operator(&old));
}

#[test]
fn a_key_is_known_before_it_makes_anything_and_gone_when_it_is_destroyed() {
    let (header, entropy) = (header(), SystemEntropy::new());
    let (node, late) = (opened(&header, 7), opened(&header, 7));
    let next = header.key_make(&root(7), VaultPurpose::RowTag, AT, &entropy).unwrap();
    let handed = next.hand_over(&root(7), &entropy).unwrap();
    let old = node.row_tag(1, b"row");
    node.take(&decoded(&handed)).unwrap();
    assert_eq!((old.key, node.row_tag(1, b"row").key), (1, 1), "nobody makes anything with it yet");

    let (rows, active, open_only) = (VaultPurpose::RowTag, KeyState::Active, KeyState::OpenOnly);
    let activated = handed.taken().with(rows, 2, active, AT).with(rows, 1, open_only, AT);
    node.take(&activated).unwrap();
    let new = node.row_tag(1, b"row");
    assert_eq!(new.key, 2);
    assert!(node.row_tag_matches(1, b"row", &old) && node.row_tag_matches(1, b"row", &new));
    // What was said before is not taken up again.
    node.take(&handed).unwrap();
    assert_eq!(node.row_tag(1, b"row").key, 2);
    // The header has the key, whatever the documents say of it by now; a node that was away has not.
    let started = opened(&next, 7);
    started.take(&activated).unwrap();
    assert!(started.row_tag_matches(1, b"row", &new) && started.row_tag(1, b"row").key == 2);
    assert!(matches!(late.take(&activated), Err(KeysError::HeaderOlder)));
    assert_eq!(late.header_version(), 1, "and takes up nothing");

    let destroyed = activated.with(rows, 1, KeyState::Destroyed, AT);
    node.take(&destroyed).unwrap();
    assert!(node.row_tag_matches(1, b"row", &new) && !node.row_tag_matches(1, b"row", &old));
    let states: Vec<_> = destroyed.keys().collect();
    let settled = next.settle(&root(7), &states, &entropy).unwrap();
    assert_eq!(settled.version(), 3);
    let started = opened(&Header::parse(&settled.encode()).unwrap(), 7);
    assert!(started.row_tag_matches(1, b"row", &new) && !started.row_tag_matches(1, b"row", &old));
    assert_eq!(started.descriptions(), states);
    // Not exactly one would be active.
    let none: Vec<_> = handed.with(rows, 1, KeyState::Destroyed, AT).keys().collect();
    assert!(matches!(next.settle(&root(7), &none, &entropy), Err(KeysError::HeaderDamaged)));
}

/// Since when a key is in its state is kept over further headers, until it is in another.
#[test]
fn it_says_since_when_a_key_is_in_its_state() {
    let (header, entropy, rows) = (header(), SystemEntropy::new(), VaultPurpose::RowTag);
    let next = header.key_make(&root(7), rows, AT, &entropy).unwrap();
    let handed = next.hand_over(&root(7), &entropy).unwrap();
    assert_eq!(handed.since(rows, 1), None, "nobody noted it");
    let (first, second) = (AT.plus_seconds(60), AT.plus_seconds(120));
    let activated = handed.with(rows, 2, KeyState::Active, first).with(rows, 1, KeyState::OpenOnly, first);
    assert_eq!(decoded(&activated).since(rows, 1), Some(first));
    // The next header has them as it had them, and is handed over after that.
    let further = next.rewrap(&root(7), &root(7), &entropy).unwrap();
    let after = further.hand_over(&root(7), &entropy).unwrap().after(&activated);
    assert_eq!((after.since(rows, 1), after.since(rows, 2)), (Some(first), Some(first)));
    let destroyed = after.with(rows, 1, KeyState::Destroyed, second);
    assert_eq!((destroyed.since(rows, 1), destroyed.since(rows, 2)), (Some(second), Some(first)));
}

#[test]
fn a_ring_unwraps_what_a_handed_key_wrapped() {
    let (header, entropy) = (header(), SystemEntropy::new());
    let node = opened(&header, 7);
    let ring = KeyRing::new(&node);
    let next = header.key_make(&root(7), VaultPurpose::Wrapping, AT, &entropy).unwrap();
    let handed = next.hand_over(&root(7), &entropy).unwrap();
    let wrapping = VaultPurpose::Wrapping;
    let active = handed.with(wrapping, 2, KeyState::Active, AT).with(wrapping, 1, KeyState::OpenOnly, AT);
    node.take(&active).unwrap();
    let organisation = panvault_model::OrganisationId::from_bytes([2; 12]);
    let key = OrganisationKey::make(&node, Purpose::Data, organisation, AT, &entropy).unwrap();
    assert_eq!(key.wrapping, 2);
    assert!(ring.with([key]).verify().is_ok());
}

/// Whoever can write rows, and has neither the key for tags nor that of the head, hands nothing over; nor does another vault or header.
#[test]
fn what_was_changed_hands_nothing_over() {
    let (header, entropy) = (header(), SystemEntropy::new());
    let next = header.key_make(&root(7), VaultPurpose::RowTag, AT, &entropy).unwrap();
    let bytes = next.hand_over(&root(7), &entropy).unwrap().encode();
    let new = FIXED_BYTES + 5 * KEY_BYTES;
    assert_eq!(bytes[new..new + 3], [VaultPurpose::RowTag.code(), 0, 2]);
    // Header version, operator key, version of a key, the key itself.
    for at in [4, 20, new + 2, new + 20] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let node = opened(&header, 7);
        if let Ok(handed) = HandOver::decode(&changed) {
            assert!(node.take(&handed).is_err(), "byte {at}");
        }
        assert_eq!(node.header_version(), 1);
    }
}

/// Who has no header knows which slot came or went, by its number, and nothing of what it is called.
#[test]
fn the_slot_that_came_or_went_is_named() {
    let (header, entropy) = (header(), SystemEntropy::new());
    let handed = |header: &Header, by: u8| decoded(&header.hand_over(&root(by), &entropy).unwrap());
    let more = header.slot_add(&root(7), slot(2), AT, &entropy).unwrap();
    let less = more.slot_remove(&root(7), &root(8), 1, &entropy).unwrap();
    let [first, more, less] = [handed(&header, 7), handed(&more, 7), handed(&less, 8)];
    let [one, two] = [more.slots()[0], more.slots()[1]];
    assert_eq!((one.number, two.number, first.slots()), (1, 2, &[one][..]));
    assert_eq!(first.slot_change(&first), None);
    assert_eq!(more.slot_change(&first), Some(SlotChange::Added(two)));
    assert_eq!(less.slot_change(&more), Some(SlotChange::Removed(one)));
    assert_eq!(less.slot_change(&first), None, "two changes are not one");
    // Every node knows them, and says so again.
    let node = opened(&header, 7);
    node.take(&less).unwrap();
    assert_eq!((node.slots(), HandOver::of(&node).slots()), (vec![two], &[two][..]));
}
