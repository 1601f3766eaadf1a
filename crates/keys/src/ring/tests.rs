use panvault_model::{CardKind, Timestamp};

use super::*;
use crate::entropy::SystemEntropy;
use crate::limits::{ID_RANDOM_BYTES, PLAINTEXT_BYTES_MAX};
use crate::vectors::test_keys;

const VAULT: VaultId = VaultId::from_bytes([1; 12]);
const OURS: OrganisationId = OrganisationId::from_bytes([2; 12]);
const THEIRS: OrganisationId = OrganisationId::from_bytes([3; 12]);
const ID: [u8; 12] = [4; 12];

fn place() -> Place<'static> {
    Place {
        kind: Kind::Card,
        vault: VAULT,
        organisation: OURS,
        id: &ID,
        row_version: 1,
        clear: b"clear fields",
    }
}

fn made(keys: &VaultKeys) -> Vec<OrganisationKey> {
    let make = |organisation, purpose| {
        let now = Timestamp::from_unix_millis(0);
        OrganisationKey::make(keys, purpose, organisation, now, &SystemEntropy::new()).unwrap()
    };
    let of = |organisation| Purpose::ALL.map(|purpose| make(organisation, purpose));
    [OURS, THEIRS].into_iter().flat_map(of).collect()
}

fn ring() -> KeyRing {
    let keys = test_keys(0, VAULT);
    KeyRing::open(&keys, made(&keys)).unwrap()
}

fn opens(ring: &KeyRing, place: &Place<'_>, sealed: &Sealed) -> bool {
    let mut plaintext = [0xaa; 64];
    let opened = ring.card_open(place, sealed, &mut plaintext).is_ok();
    assert!(opened || plaintext == [0; 64] || plaintext == [0xaa; 64], "no plaintext on failure");
    opened
}

#[test]
fn opens_in_its_place_only() {
    let ring = ring();
    let sealed = ring.card_seal(&place(), &[9; 64], &SystemEntropy::new()).unwrap();
    assert_eq!(sealed.as_bytes().len(), 1 + 4 + 24 + 64 + 16);
    assert!(opens(&ring, &place(), &sealed));
    let others = [
        Place { kind: Kind::Cvv, ..place() },
        Place { kind: Kind::Holder, ..place() },
        Place { vault: VaultId::from_bytes([9; 12]), ..place() },
        Place { organisation: THEIRS, ..place() },
        Place { organisation: OrganisationId::from_bytes([9; 12]), ..place() },
        Place { id: &[5; 12], ..place() },
        Place { row_version: 2, ..place() },
        Place { clear: b"clear fieldz", ..place() },
        Place { clear: b"clear field", ..place() },
        Place { clear: b"", ..place() },
    ];
    for (at, other) in others.iter().enumerate() {
        assert!(!opens(&ring, other, &sealed), "place {at}");
    }
}

#[test]
fn any_changed_bit_and_any_cut_is_refused() {
    let ring = ring();
    let sealed = ring.card_seal(&place(), &[9; 64], &SystemEntropy::new()).unwrap();
    for bit in 0..sealed.as_bytes().len() * 8 {
        let mut bytes = sealed.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(!opens(&ring, &place(), &Sealed::from_bytes(bytes)), "bit {bit}");
    }
    for cut in 0..sealed.as_bytes().len() {
        assert!(!opens(&ring, &place(), &Sealed::from_bytes(&sealed.as_bytes()[..cut])), "cut {cut}");
    }
}

#[test]
fn another_vault_s_keys_open_nothing() {
    let sealed = ring().card_seal(&place(), &[9; 64], &SystemEntropy::new()).unwrap();
    assert!(!opens(&ring(), &place(), &sealed));
}

#[test]
fn the_same_plaintext_never_seals_alike() {
    let ring = ring();
    let seal = || ring.card_seal(&place(), &[9; 64], &SystemEntropy::new()).unwrap();
    assert_ne!(seal().as_bytes()[29..], seal().as_bytes()[29..]);
}

#[test]
fn a_failing_random_source_seals_nothing() {
    struct Broken;
    impl Entropy for Broken {
        fn fill_secret(&self, _out: &mut [u8]) -> Result<(), KeysError> {
            Err(KeysError::Entropy)
        }

        fn make_id_bytes(&self) -> Result<[u8; ID_RANDOM_BYTES], KeysError> {
            Ok([7; ID_RANDOM_BYTES])
        }
    }
    assert!(matches!(ring().card_seal(&place(), &[9; 64], &Broken), Err(KeysError::Entropy)));
    let longest = vec![9; PLAINTEXT_BYTES_MAX];
    assert!(ring().card_seal(&place(), &longest, &SystemEntropy::new()).is_ok());
    let longer = vec![9; PLAINTEXT_BYTES_MAX + 1];
    assert!(matches!(ring().card_seal(&place(), &longer, &SystemEntropy::new()), Err(KeysError::TooLong)));
}

#[test]
fn digests_of_addresses_are_equal_inside_and_unrelated_across_and_to_fingerprints() {
    let ring = ring();
    let digest = |organisation, email: &[u8]| ring.email_digest(organisation, email).unwrap();
    let (ours, version) = digest(OURS, b"ann@shop.example");
    assert_eq!((ours, version), digest(OURS, b"ann@shop.example"));
    assert_ne!(ours, digest(OURS, b"bob@shop.example").0);
    assert_ne!(ours, digest(THEIRS, b"ann@shop.example").0);
    let (fingerprint, _) = ring.fingerprint(OURS, CardKind::Card, b"email/1ann@shop.example").unwrap();
    assert_eq!(fingerprint.as_bytes(), ours.as_bytes(), "the label is all that keeps them apart");
    assert_ne!(
        ring.fingerprint(OURS, CardKind::Card, b"ann@shop.example").unwrap().0.as_bytes(),
        ours.as_bytes()
    );
    assert_eq!(ring.email_digests(OURS, b"ann@shop.example").unwrap(), [ours]);
    let matches = |email: &[u8]| ring.email_digest_matches(OURS, version, email, &ours).unwrap();
    assert!(matches(b"ann@shop.example") && !matches(b"bob@shop.example"));
}

#[test]
fn fingerprints_are_equal_inside_and_unrelated_across() {
    let ring = ring();
    let fingerprint = |organisation, number| ring.fingerprint(organisation, CardKind::Card, number).unwrap();
    let ours = fingerprint(OURS, b"4111111111111111");
    assert_eq!(ours, fingerprint(OURS, b"4111111111111111"));
    assert_ne!(ours, fingerprint(OURS, b"5555555555554444"));
    assert_ne!(ours.0, fingerprint(THEIRS, b"4111111111111111").0);
}

/// The number of a network token may be that of somebody's card elsewhere.
#[test]
fn a_card_and_a_network_token_of_equal_digits_are_not_taken_for_the_same() {
    let ring = ring();
    let number = b"4111111111111111";
    let (card, version) = ring.fingerprint(OURS, CardKind::Card, number).unwrap();
    let (token, _) = ring.fingerprint(OURS, CardKind::NetworkToken, number).unwrap();
    assert_ne!(card, token);
    assert_eq!(ring.fingerprint(OURS, CardKind::NetworkToken, number).unwrap().0, token);
    let labelled = ring.fingerprint(OURS, CardKind::Card, b"network-token/14111111111111111").unwrap().0;
    assert_eq!(labelled, token, "the label is all that keeps them apart");
    for (kind, expected) in [(CardKind::Card, false), (CardKind::NetworkToken, true)] {
        assert_eq!(ring.fingerprint_matches(OURS, version, kind, number, &token).unwrap(), expected);
    }
}

/// What a destroyed key sealed is told from what was changed.
#[test]
fn a_destroyed_key_opens_nothing_and_says_so() {
    let keys = test_keys(0, VAULT);
    let before = KeyRing::open(&keys, made(&keys)).unwrap();
    let sealed = before.card_seal(&place(), &[9; 64], &SystemEntropy::new()).unwrap();
    let destroyed = made(&keys).into_iter().next().unwrap().destroyed(Timestamp::from_unix_millis(1));
    let ring = before.with([destroyed]);
    assert!(opens(&before, &place(), &sealed), "as of one moment");
    let opened = ring.card_open(&place(), &sealed, &mut [0; 64]);
    assert!(matches!(opened, Err(KeysError::KeyDestroyed)));
    let other = ring.card_open(&Place { organisation: THEIRS, ..place() }, &sealed, &mut [0; 64]);
    assert!(matches!(other, Err(KeysError::Refused)));
    let sealing = ring.card_seal(&place(), &[9; 64], &SystemEntropy::new());
    assert!(matches!(sealing, Err(KeysError::KeyUnknown)));
}

/// Of several nodes one may meet what another has sealed with a key that it does not have yet: that is nobody's doing.
#[test]
fn a_key_that_is_not_there_yet_is_told_from_one_that_never_was() {
    let keys = test_keys(0, VAULT);
    let before = KeyRing::open(&keys, made(&keys)).unwrap();
    let old = before.card_seal(&place(), &[9; 64], &SystemEntropy::new()).unwrap();
    let at = Timestamp::from_unix_millis(1);
    let first = before.kept(OURS).find(|key| key.purpose == Purpose::Data).unwrap().clone();
    let next = first.make_next(&keys, at, &SystemEntropy::new()).unwrap();
    let known = before.with([next.clone()]);
    let sealed = known.card_seal(&place(), &[9; 64], &SystemEntropy::new()).unwrap();
    assert_eq!(KeyRing::sealed_by(&sealed), Some(1), "it does not seal before it is activated");
    let after = known.with([first.retired(at), next.activated(at)]);
    let new = after.card_seal(&place(), &[9; 64], &SystemEntropy::new()).unwrap();
    assert_eq!(KeyRing::sealed_by(&new), Some(2));
    assert!(opens(&after, &place(), &old) && opens(&after, &place(), &new) && opens(&known, &place(), &new));
    let opened = before.card_open(&place(), &new, &mut [0; 64]);
    assert!(matches!(opened, Err(KeysError::KeyLater)));
    assert!(matches!(before.card_openable(OURS, &new), Err(KeysError::KeyLater)));
    let mut zero = new.as_bytes().to_vec();
    zero[4] = 0;
    let zero = Sealed::from_bytes(zero);
    assert!(matches!(after.card_open(&place(), &zero, &mut [0; 64]), Err(KeysError::Refused)));
    assert_eq!(after.kept(OURS).count(), 3);
    assert_eq!(after.kept_of_all().count(), 5);
}

#[test]
fn a_ring_with_another_key_shares_those_that_stay() {
    let keys = test_keys(0, VAULT);
    let mut all = made(&keys);
    let new = all.split_off(2);
    let before = KeyRing::open(&keys, all).unwrap();
    let sealed = before.card_seal(&place(), &[9; 64], &SystemEntropy::new()).unwrap();
    let after = before.with(new);
    assert!(opens(&after, &place(), &sealed));
    assert!(after.has_keys(THEIRS) && !before.has_keys(THEIRS));
    assert_eq!((before.organisations(), after.organisations()), (1, 2));
    let of = |ring: &KeyRing| Arc::clone(ring.organisations.get(&OURS).unwrap());
    assert!(Arc::ptr_eq(&of(&before), &of(&after)), "also what was unwrapped");
}

#[test]
fn an_organisation_has_keys_when_it_has_one_of_each_purpose() {
    let keys = test_keys(0, VAULT);
    for missing in [0, 1] {
        let mut some = made(&keys);
        some.remove(missing);
        let ring = KeyRing::open(&keys, some).unwrap();
        assert!(!ring.has_keys(OURS) && ring.has_keys(THEIRS));
    }
    let twice = made(&keys).into_iter().chain(made(&keys));
    assert!(matches!(KeyRing::open(&keys, twice), Err(KeysError::Exists)));
}

/// A key is unwrapped when it is used, so a ring may hold one that does not open; an examination finds it.
#[test]
fn a_key_that_does_not_open_is_found_when_it_is_used_and_by_an_examination() {
    let keys = test_keys(0, VAULT);
    assert!(KeyRing::open(&keys, made(&keys)).unwrap().verify().is_ok());
    let ring = KeyRing::open(&test_keys(1, VAULT), made(&keys)).unwrap();
    assert!(matches!(ring.verify(), Err(KeysError::KeyDamaged)));
    let sealing = ring.card_seal(&place(), &[9; 64], &SystemEntropy::new());
    assert!(matches!(sealing, Err(KeysError::KeyDamaged)));
    assert!(matches!(
        ring.fingerprint(OURS, CardKind::Card, b"4111111111111111"),
        Err(KeysError::KeyDamaged)
    ));
}
