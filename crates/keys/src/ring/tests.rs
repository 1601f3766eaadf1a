use panvault_model::Timestamp;

use super::*;
use crate::entropy::SystemEntropy;
use crate::vault_keys::VaultKeys;

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

fn registry(root: &RootKey, entropy: &dyn Entropy) -> Registry {
    let mut registry = Registry::empty();
    for organisation in [OURS, THEIRS] {
        registry
            .organisation_add(root, VAULT, organisation, Timestamp::from_unix_millis(0), entropy)
            .unwrap();
    }
    registry
}

fn ring() -> KeyRing {
    let entropy = SystemEntropy::new();
    let root = RootKey::make(&entropy).unwrap();
    KeyRing::open(&root, VAULT, &registry(&root, &entropy)).unwrap()
}

fn opens(ring: &KeyRing, place: &Place<'_>, sealed: &Sealed) -> bool {
    let mut plaintext = [0xaa; 64];
    let opened = ring.card_open(place, sealed, &mut plaintext).is_ok();
    assert_eq!(opened, ring.card_verify(place, sealed).is_ok());
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
fn another_root_opens_nothing() {
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
        fn fill(&self, _out: &mut [u8]) -> Result<(), KeysError> {
            Err(KeysError::Entropy)
        }
    }
    assert!(matches!(ring().card_seal(&place(), &[9; 64], &Broken), Err(KeysError::Entropy)));
    assert!(matches!(ring().card_seal(&place(), &[9; 65], &SystemEntropy::new()), Err(KeysError::TooLong)));
}

#[test]
fn fingerprints_are_equal_inside_and_unrelated_across() {
    let ring = ring();
    let fingerprint = |organisation, number| ring.fingerprint(organisation, number).unwrap();
    let ours = fingerprint(OURS, b"4111111111111111");
    assert_eq!(ours, fingerprint(OURS, b"4111111111111111"));
    assert_ne!(ours, fingerprint(OURS, b"5555555555554444"));
    assert_ne!(ours.0, fingerprint(THEIRS, b"4111111111111111").0);
}

/// A random source that counts, so that every byte of a vector is known.
struct Counting(std::sync::Mutex<u8>);

impl Entropy for Counting {
    fn fill(&self, out: &mut [u8]) -> Result<(), KeysError> {
        let mut next = self.0.lock().unwrap();
        for byte in out {
            *byte = *next;
            *next = next.wrapping_add(1);
        }
        Ok(())
    }
}

/// The committed vectors: what format 1 sealed must open for ever, and what it refused must stay refused.
#[test]
fn the_vectors_of_format_1_hold() {
    let root = RootKey::from_boxed(Box::new([7; 32]));
    let entropy = Counting(std::sync::Mutex::new(0));
    let registry = registry(&root, &entropy);
    let ring = KeyRing::open(&root, VAULT, &registry).unwrap();
    let sealed = ring.card_seal(&place(), &[9; 64], &entropy).unwrap();
    let (fingerprint, _) = ring.fingerprint(OURS, b"4111111111111111").unwrap();
    let keys = VaultKeys::derive(&root, VAULT);
    let lines = [
        format!("registry {}", hex::encode(registry.encode(&keys))),
        format!("sealed {}", hex::encode(sealed.as_bytes())),
        format!("fingerprint {fingerprint}"),
        format!("row_tag {}", hex::encode(keys.row_tag(1, b"row"))),
    ];
    let made = lines.join("\n") + "\n";
    assert_eq!(made, include_str!("../../testdata/v1/vectors.txt"), "format 1 has changed:\n{made}");
    let stored = lines[0].strip_prefix("registry ").unwrap();
    let stored = Registry::parse(&hex::decode(stored).unwrap(), &keys).unwrap();
    assert!(opens(&KeyRing::open(&root, VAULT, &stored).unwrap(), &place(), &sealed));
}

/// The fingerprint key of the vectors is the 32 bytes that the counting source gave: data key 0–31, its nonce 32–55, so 56–87.
#[test]
fn the_fingerprint_is_an_hmac_that_anyone_can_compute() {
    let root = RootKey::from_boxed(Box::new([7; 32]));
    let registry = registry(&root, &Counting(std::sync::Mutex::new(0)));
    let ring = KeyRing::open(&root, VAULT, &registry).unwrap();
    let (fingerprint, version) = ring.fingerprint(OURS, b"4111111111111111").unwrap();
    // python3: hmac.new(bytes(range(56, 88)), b"4111111111111111", "sha256").hexdigest()[:32]
    assert_eq!((fingerprint.to_string().as_str(), version), ("5eedb6b693509bdc6ab4eb20e687894a", 1));
}
