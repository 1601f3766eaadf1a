use std::sync::Mutex;

use super::*;
use crate::api_key::ApiKey;
use crate::entropy::SystemEntropy;
use crate::organisation_key::{OrganisationKey, Purpose};
use crate::ring::KeyRing;
use crate::slot::{Passphrase, PeerKind, PeerLock, Protection, ShareScheme, Shares, Slot};
use crate::vectors::{Counting, root, slot, slot_key};

const VAULT: VaultId = VaultId::from_bytes([1; 12]);
const AT: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

fn header() -> Header {
    Header::make(&root(7), slot(1), VAULT, KeyMode::Test, AT, &SystemEntropy::new()).unwrap()
}

fn opened(header: &Header, root: &RootKey) -> VaultKeys {
    header.open(root, VAULT, KeyMode::Test).unwrap()
}

/// Something that each key made, so that two sets of keys can be told apart.
fn made(keys: &VaultKeys) -> Vec<Vec<u8>> {
    let key = ApiKey::parse("pv_test_000000000000000000000000000000000000000000z29Imgk").unwrap();
    vec![
        keys.row_tag(1, b"row").bytes.to_vec(),
        keys.document_tag(1, b"row").bytes.to_vec(),
        keys.chain().tag(1, &[b"row"]).unwrap().to_vec(),
        keys.set_hash().mark(&[b"row"]).to_vec(),
        keys.api_key_hash(&key).1.to_vec(),
        keys.digest_key().digest(&[b"row"]).to_vec(),
        keys.head_hash(1, b"row").unwrap().to_vec(),
    ]
}

#[test]
fn every_cut_and_every_flipped_bit_is_damage() {
    let bytes = header().encode();
    let slot_bytes = HeaderSlot::BYTES_MAX - crate::limits::SLOT_LABEL_BYTES_MAX + "key file".len()
        - crate::slot::PeerLock::BYTES_MAX;
    assert_eq!(bytes.len(), 49 + 10 * HeaderKey::BYTES + 3 + slot_bytes + 32 + 4);
    for cut in 0..bytes.len() {
        assert!(matches!(Header::parse(&bytes[..cut]), Err(KeysError::HeaderDamaged)), "cut at {cut}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(Header::parse(&flipped), Err(KeysError::HeaderDamaged)), "bit {bit}");
    }
}

/// Who can write files can also make the checksum fit. They get no further than the first thing that is wrong, and no keys.
#[test]
fn a_forged_header_never_opens() {
    let bytes = header().encode();
    for at in 0..bytes.len() - 4 {
        let mut forged = bytes[..bytes.len() - 4].to_vec();
        forged[at] ^= 1;
        let checksum = crc32fast::hash(&forged).to_be_bytes();
        forged.extend_from_slice(&checksum);
        let opened = Header::parse(&forged).and_then(|header| header.open(&root(7), VAULT, KeyMode::Test));
        assert!(opened.is_err(), "byte {at}");
    }
}

fn organisation_key(keys: &VaultKeys, organisation: u8) -> OrganisationKey {
    let organisation = panvault_model::OrganisationId::from_bytes([organisation; 12]);
    OrganisationKey::make(keys, Purpose::Data, organisation, AT, &SystemEntropy::new()).unwrap()
}

#[test]
fn all_keys_are_different_and_none_is_the_root() {
    let made = made(&opened(&header(), &root(7)));
    for (at, one) in made.iter().enumerate() {
        assert!(made.iter().skip(at + 1).all(|other| one[..16] != other[..16]), "key {at}");
    }
}

#[test]
fn another_root_changes_the_wrapping_and_no_key() {
    let header = header();
    let rewrapped = header.rewrap(&root(7), &root(8), &SystemEntropy::new()).unwrap();
    assert_eq!((header.version(), rewrapped.version()), (1, 2));
    assert_eq!((header.root_version, rewrapped.root_version), (1, 2));
    let (before, after) = (opened(&header, &root(7)), opened(&rewrapped, &root(8)));
    assert_eq!(made(&before), made(&after));
    // The wrapping key is the same too: what it wrapped still unwraps.
    assert!(KeyRing::open(&after, [organisation_key(&before, 2)]).unwrap().verify().is_ok());
    let old = rewrapped.open(&root(7), VAULT, KeyMode::Test);
    assert!(matches!(old, Err(KeysError::RootKeyWrong)));
    let wrong = header.rewrap(&root(9), &root(8), &SystemEntropy::new());
    assert!(matches!(wrong, Err(KeysError::RootKeyWrong)));
}

#[test]
fn a_renewed_key_makes_and_the_one_before_still_checks() {
    let header = header();
    let before = opened(&header, &root(7));
    let tag = before.row_tag(1, b"row");
    let renewed = header.renew(&root(7), VaultPurpose::RowTag, AT, &SystemEntropy::new()).unwrap();
    let after = opened(&renewed, &root(7));
    let new = after.row_tag(1, b"row");
    assert_eq!((tag.key, new.key, after.header_version()), (1, 2, 2));
    assert!(new.bytes != tag.bytes && after.row_tag_matches(1, b"row", &tag));
    assert!(after.row_tag_matches(1, b"row", &new) && !before.row_tag_matches(1, b"row", &new));
    // A tag of one key does not pass as that of another.
    let mixed = panvault_model::Tag { key: 2, ..tag };
    assert!(!after.row_tag_matches(1, b"row", &mixed));
    let sets = header.renew(&root(7), VaultPurpose::SetHash, AT, &SystemEntropy::new());
    assert!(matches!(sets, Err(KeysError::NotRenewable)));
}

#[test]
fn a_renewed_wrapping_key_wraps_and_the_one_before_still_unwraps() {
    let header = header();
    let before = opened(&header, &root(7));
    let old = || organisation_key(&before, 2);
    let renewed = header.renew(&root(7), VaultPurpose::Wrapping, AT, &SystemEntropy::new()).unwrap();
    let after = opened(&renewed, &root(7));
    let keys = || [old(), organisation_key(&after, 3)];
    assert!(KeyRing::open(&after, keys()).unwrap().verify().is_ok());
    assert!(matches!(KeyRing::open(&before, keys()).unwrap().verify(), Err(KeysError::KeyDamaged)));
}

#[test]
fn a_destroyed_key_is_not_opened_and_stays_destroyed() {
    let mut header = header().renew(&root(7), VaultPurpose::RowTag, AT, &SystemEntropy::new()).unwrap();
    let tag = opened(&header, &root(7)).row_tag(1, b"row");
    let old = panvault_model::Tag { key: 1, ..tag };
    for key in header.keys.iter_mut().filter(|key| key.place() == (VaultPurpose::RowTag.code(), 1)) {
        key.state = KeyState::Destroyed;
    }
    let header = header.authenticated(&root(7)).rewrap(&root(7), &root(8), &SystemEntropy::new()).unwrap();
    let keys = opened(&Header::parse(&header.encode()).unwrap(), &root(8));
    assert!(keys.row_tag_matches(1, b"row", &tag) && !keys.row_tag_matches(1, b"row", &old));
}

/// So many versions of a purpose may be open and no more, as `limits` say.
#[test]
fn a_purpose_has_so_many_versions() {
    let mut header = header();
    for version in 2..=crate::limits::PURPOSE_VERSIONS_MAX {
        header = header.renew(&root(7), VaultPurpose::Idempotency, AT, &SystemEntropy::new()).unwrap();
        let keys = opened(&header, &root(7));
        let mut versions = vec![keys.digest_key().version()];
        versions.extend(keys.other_digest_keys().map(|key| key.version()));
        let newest_first: Vec<u16> = (1..=u16::try_from(version).unwrap()).rev().collect();
        assert_eq!(versions, newest_first);
    }
    let more = header.renew(&root(7), VaultPurpose::Idempotency, AT, &SystemEntropy::new());
    assert!(matches!(more, Err(KeysError::NotRenewable)));
}

/// A header has so many keys, destroyed ones included, and no more, as `limits` say.
#[test]
fn a_header_has_so_many_keys() {
    let mut header = header();
    // Beside as many slots as there may be, of which none can be longer.
    let (entropy, name) = (SystemEntropy::new(), "n".repeat(crate::limits::PEER_NAME_BYTES_MAX));
    for byte in 2..=u8::try_from(HEADER_SLOTS_MAX).unwrap() {
        let wrapped = vec![byte; crate::limits::PEER_WRAPPED_BYTES_MAX];
        let lock = PeerLock::new(PeerKind::Transit, &name, &name, &name, wrapped).unwrap();
        let slot = NewSlot::of_peer(&slot_key(byte), &"l".repeat(64), lock).unwrap();
        header = header.slot_add(&root(7), slot, AT, &entropy).unwrap();
    }
    let (wrapping, context) = (header.wrapping(&root(7)).unwrap(), header.context());
    let add = |header: &mut Header| {
        let version = header.keys.last().unwrap().version + 1;
        let entropy = SystemEntropy::new();
        let key = HeaderKey::make(
            &wrapping,
            &context,
            (VaultPurpose::SetHash, version, KeyState::Active),
            AT,
            &entropy,
        );
        let mut key = key.unwrap();
        key.state = KeyState::Destroyed;
        header.keys.push(key);
    };
    while header.keys.len() < HEADER_KEYS_MAX {
        add(&mut header);
    }
    let mut header = header.authenticated(&root(7));
    assert!(header.encode().len() <= HEADER_BYTES_MAX);
    assert!(Header::parse(&header.encode()).unwrap().open(&root(7), VAULT, KeyMode::Test).is_ok());
    let renewed = header.renew(&root(7), VaultPurpose::TrailCheckpoint, AT, &SystemEntropy::new());
    assert!(matches!(renewed, Err(KeysError::NotRenewable)));
    add(&mut header);
    let more = header.authenticated(&root(7)).encode();
    assert!(matches!(Header::parse(&more), Err(KeysError::HeaderDamaged)));
}

/// A header that its root key authenticates and that has not one active key for each purpose is no header.
#[test]
fn each_purpose_has_one_active_key() {
    for purpose in VaultPurpose::ALL {
        let changes: [fn(&mut Header, VaultPurpose); 2] = [
            |header, purpose| header.keys.retain(|key| key.purpose != purpose),
            |header, purpose| {
                let key = header.keys.iter_mut().find(|key| key.purpose == purpose).unwrap();
                key.state = KeyState::OpenOnly;
            },
        ];
        for change in changes {
            let mut header =
                Header::make(&root(7), slot(1), VAULT, KeyMode::Test, AT, &Counting(Mutex::new(0))).unwrap();
            change(&mut header, purpose);
            let opened = header.authenticated(&root(7)).open(&root(7), VAULT, KeyMode::Test);
            assert!(matches!(opened, Err(KeysError::HeaderDamaged)), "{purpose:?}");
        }
    }
}

#[test]
fn only_the_named_header_or_the_next_is_taken() {
    let mut header = header();
    let mut check = |named| {
        let keys = opened(&header, &root(7));
        let checked = keys.header_check(named);
        header = header.rewrap(&root(7), &root(7), &SystemEntropy::new()).unwrap();
        checked
    };
    assert!(matches!(check(2), Err(KeysError::HeaderOlder)));
    assert!(check(2).is_ok());
    assert!(check(2).is_ok());
    assert!(matches!(check(2), Err(KeysError::HeaderNewer)));
}

/// What was sealed for one vault, mode, root key or slot is of no use in another's place.
#[test]
fn a_slot_opens_its_own_root_key_and_no_other() {
    let header = header();
    assert_eq!(header.root(&slot_key(1)).ok().unwrap().expose_bytes(), root(7).expose_bytes());
    assert!(matches!(header.root(&slot_key(2)).err(), Some(KeysError::SlotUnknown)));
    let two = header.slot_add(&root(7), slot(2), AT, &SystemEntropy::new()).unwrap();
    let mut swapped = Header::parse(&two.encode()).unwrap();
    swapped.slots.swap(0, 1);
    for (at, slot) in swapped.slots.iter_mut().enumerate() {
        let bytes = two.slots[at].public;
        slot.public = bytes;
    }
    let swapped = swapped.authenticated(&root(7));
    assert!(matches!(swapped.root(&slot_key(1)).err(), Some(KeysError::HeaderDamaged)));
    let later = header.rewrap(&root(7), &root(7), &SystemEntropy::new()).unwrap();
    let mut rolled = Header::parse(&later.encode()).unwrap();
    rolled.slots = Header::parse(&header.encode()).unwrap().slots;
    let rolled = rolled.authenticated(&root(7));
    assert!(matches!(rolled.root(&slot_key(1)).err(), Some(KeysError::HeaderDamaged)));
}

#[test]
fn every_slot_opens_a_new_root_key_that_nobody_brought_it() {
    let entropy = SystemEntropy::new();
    let header = header().slot_add(&root(7), slot(2), AT, &entropy).unwrap();
    let replaced = header.rewrap(&root(7), &root(8), &entropy).unwrap();
    let replaced = Header::parse(&replaced.encode()).unwrap();
    for key in [1, 2] {
        assert_eq!(replaced.root(&slot_key(key)).ok().unwrap().expose_bytes(), root(8).expose_bytes());
    }
    assert_eq!(made(&opened(&header, &root(7))), made(&opened(&replaced, &root(8))));
}

#[test]
fn a_slot_that_is_removed_opens_nothing_that_is_written_later() {
    let entropy = SystemEntropy::new();
    let header = header().slot_add(&root(7), slot(2), AT, &entropy).unwrap();
    let removed = header.slot_remove(&root(7), &root(8), 1, &entropy).unwrap();
    assert!(matches!(removed.root(&slot_key(1)).err(), Some(KeysError::SlotUnknown)));
    assert_eq!(removed.root(&slot_key(2)).ok().unwrap().expose_bytes(), root(8).expose_bytes());
    assert!(matches!(removed.open(&root(7), VAULT, KeyMode::Test), Err(KeysError::RootKeyWrong)));
    let last = removed.slot_remove(&root(8), &root(9), 2, &entropy);
    assert!(matches!(last, Err(KeysError::SlotLast)));
    let unknown = removed.slot_remove(&root(8), &root(9), 1, &entropy);
    assert!(matches!(unknown, Err(KeysError::SlotUnknown)));
    // No number comes twice, though the slot with the highest is gone.
    let again = header.slot_remove(&root(7), &root(8), 2, &entropy).unwrap();
    let again = again.slot_add(&root(8), slot(3), AT, &entropy).unwrap();
    let numbers: Vec<_> =
        Header::parse(&again.encode()).unwrap().slots.iter().map(HeaderSlot::number).collect();
    assert_eq!(numbers, [1, 3]);
}

/// A header has so many slots and no more, as `limits` say; renewing a key keeps them.
#[test]
fn a_header_has_so_many_slots() {
    let entropy = SystemEntropy::new();
    let mut header = header();
    for key in 2..=u8::try_from(HEADER_SLOTS_MAX).unwrap() {
        header = header.slot_add(&root(7), slot(key), AT, &entropy).unwrap();
    }
    let renewed = header.renew(&root(7), VaultPurpose::RowTag, AT, &entropy).unwrap();
    let renewed = Header::parse(&renewed.encode()).unwrap();
    for key in 1..=u8::try_from(HEADER_SLOTS_MAX).unwrap() {
        assert!(renewed.root(&slot_key(key)).is_ok());
    }
    assert!(matches!(header.slot_add(&root(7), slot(99), AT, &entropy), Err(KeysError::SlotsFull)));
}

/// Custodians open it, and a passphrase does, after the header went through its bytes.
#[test]
fn shares_and_passphrases_open_their_slots() {
    let entropy = SystemEntropy::new();
    let passphrase = |text: &str| Passphrase::new(zeroize::Zeroizing::new(text.to_owned())).unwrap();
    let scheme = ShareScheme::new(2, 3, 7).unwrap();
    let (shares_slot, mut shares) = NewSlot::of_shares(scheme, "custodians", &entropy).unwrap();
    let words = passphrase("four words that stand");
    let words_slot = NewSlot::of_passphrase(&words, "safe", &entropy).unwrap();
    let none = words.open(&header());
    assert!(matches!(none.err(), Some(KeysError::SlotOfKindMissing { kind: "passphrase" })));
    let header = header().slot_add(&root(7), shares_slot, AT, &entropy).unwrap();
    let header = header.slot_add(&root(7), words_slot, AT, &entropy).unwrap();
    let header = Header::parse(&header.encode()).unwrap();
    let named: Vec<_> = header.slots.iter().map(|slot| (slot.label(), slot.protection().name())).collect();
    assert_eq!(named, [("key file", "key_file"), ("custodians", "shares"), ("safe", "passphrase")]);
    shares.remove(1);
    for key in [words.open(&header).unwrap(), Shares(shares).open(&header).unwrap()] {
        assert_eq!(header.root(&key).ok().unwrap().expose_bytes(), root(7).expose_bytes());
    }
    let wrong = passphrase("four words that stood").open(&header);
    assert!(matches!(wrong.err(), Some(KeysError::PassphraseWrong)));
    let (_, others) = NewSlot::of_shares(scheme, "others", &entropy).unwrap();
    let foreign = Shares(others).open(&header).err();
    assert!(matches!(foreign, Some(KeysError::Share(crate::error::ShareFault::Foreign))));
    assert!(matches!(header.slots[1].protection, Protection::Shares(_)));
}

#[test]
fn a_slot_is_called_what_a_terminal_can_show() {
    let named = |label: &str| NewSlot::of_key_file(&slot_key(1), label).is_ok();
    assert!(named("Büro, Safe 2") && named(&"a".repeat(64)));
    for label in ["", " a", "a ", "a\nb", "a\u{1b}[2J", "\u{202e}a", &"a".repeat(65)] {
        assert!(!named(label), "{label:?}");
    }
}

/// The bug: whoever could write a header could seal a root key of their own to a slot, whose public half stands in it, and put a vault of their own in the
/// place of another, which the operator's key file then opened. Its cause: who sealed was not asked. Its cure: it takes a key that only the slot and who has the
/// root key have.
#[test]
fn a_header_of_somebody_without_the_root_key_is_opened_by_no_slot() {
    let public = slot_key(1).public().unwrap();
    for sender in [[0; 32], public] {
        let forged = NewSlot {
            label: "key file".to_owned(),
            public,
            sender: zeroize::Zeroizing::new(sender),
            protection: Protection::KeyFile,
        };
        let forged = Header::make(&root(9), forged, VAULT, KeyMode::Test, AT, &SystemEntropy::new()).unwrap();
        assert!(
            forged.open(&root(9), VAULT, KeyMode::Test).is_ok(),
            "it is whole under a root key of theirs"
        );
        let opened = Header::parse(&forged.encode()).unwrap().root(&slot_key(1));
        assert!(matches!(opened.err(), Some(KeysError::HeaderDamaged)));
    }
    assert!(header().root(&slot_key(1)).is_ok());
}

/// A chain goes on under the key of now, and under a later one where somebody else has begun to; and never back.
#[test]
fn a_chain_goes_to_a_later_key_and_not_back() {
    let header = header().key_make(&root(7), VaultPurpose::AuditChain, AT, &SystemEntropy::new()).unwrap();
    let keys = opened(&header, &root(7));
    let chain = keys.chain().share();
    assert_eq!([0, 1, 2, 3].map(|least| chain.version(least)), [1, 1, 2, 1]);
    assert_ne!(chain.tag(1, &[b"a"]), chain.tag(2, &[b"a"]));
    assert!(chain.tag(3, &[b"a"]).is_none() && chain.is_later(3) && !chain.is_later(2));
    let handed = |header: &Header| header.hand_over(&root(7), &SystemEntropy::new()).unwrap();
    let state = |header: &Header, version, state| {
        let states = header.keys.iter().map(|key| {
            let described = key.described();
            let is_it = (described.purpose, described.version) == (VaultPurpose::AuditChain, version);
            VaultKeyDescription { state: if is_it { state } else { described.state }, ..described }
        });
        states.collect::<Vec<_>>()
    };
    let mut states = state(&header, 1, KeyState::OpenOnly);
    for described in &mut states {
        if (described.purpose, described.version) == (VaultPurpose::AuditChain, 2) {
            described.state = KeyState::Active;
        }
    }
    let settled = header.settle(&root(7), &states, &SystemEntropy::new()).unwrap();
    keys.take(&handed(&settled)).unwrap();
    assert_eq!([0, 1, 2].map(|least| chain.version(least)), [2, 2, 2], "whoever holds it knows at once");
    assert!(chain.tag(1, &[b"a"]).is_some());
    let ended =
        settled.settle(&root(7), &state(&settled, 1, KeyState::Destroyed), &SystemEntropy::new()).unwrap();
    keys.take(&handed(&ended)).unwrap();
    assert!(chain.tag(1, &[b"a"]).is_none() && !chain.is_later(1));
    assert!(opened(&ended, &root(7)).chain().tag(1, &[b"a"]).is_none());
}

/// What a key chained is kept for as long as the trail: it has more versions than others.
#[test]
fn a_chain_has_many_versions() {
    let mut header = header();
    for _ in 2..=crate::limits::KEPT_VERSIONS_MAX {
        header = header.renew(&root(7), VaultPurpose::AuditChain, AT, &SystemEntropy::new()).unwrap();
    }
    let chain = opened(&header, &root(7)).chain().share();
    assert!((1..=32).all(|version| chain.tag(version, &[b"a"]).is_some()));
    let more = header.renew(&root(7), VaultPurpose::AuditChain, AT, &SystemEntropy::new());
    assert!(matches!(more, Err(KeysError::NotRenewable)));
}
