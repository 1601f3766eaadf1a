//! The committed vectors: what was written must open for ever, and what was refused must stay refused. `testdata/` is added to and never
//! changed.

use std::sync::Mutex;

use panvault_model::{CardKind, OrganisationId, Sealed, Tag, Timestamp, VaultId};

use crate::api_key::{ApiKey, KeyMode};
use crate::entropy::Entropy;
use crate::error::KeysError;
use crate::header::Header;
use crate::limits::{HEAD_BYTES, ID_RANDOM_BYTES};
use crate::organisation_key::{OrganisationKey, Purpose};
use crate::ring::{KeyRing, Kind, Place};
use crate::root::RootKey;
use crate::slot::{NewSlot, PeerKind, PeerLock, Protection, SlotKey};
use crate::vault_keys::VaultKeys;

const VAULT: VaultId = VaultId::from_bytes(*b"vault-number");
const OURS: OrganisationId = OrganisationId::from_bytes([2; 12]);
const THEIRS: OrganisationId = OrganisationId::from_bytes([3; 12]);
const AT: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);
const API_KEY: &str = "pv_test_000000000000000000000000000000000000000000z29Imgk";

/// A random source that counts, so that every byte of a vector is known.
pub(crate) struct Counting(pub(crate) Mutex<u8>);

impl Entropy for Counting {
    fn fill_secret(&self, out: &mut [u8]) -> Result<(), KeysError> {
        let mut next = self.0.lock().unwrap();
        for byte in out {
            *byte = *next;
            *next = next.wrapping_add(1);
        }
        Ok(())
    }

    /// No sealed record holds a random id.
    fn make_id_bytes(&self) -> Result<[u8; ID_RANDOM_BYTES], KeysError> {
        Err(KeysError::Entropy)
    }
}

pub(crate) fn root(byte: u8) -> RootKey {
    RootKey::from_boxed(Box::new([byte; 32]))
}

/// The key of a slot.
pub(crate) fn slot_key(byte: u8) -> SlotKey {
    SlotKey::from_boxed(Box::new([byte; 32]))
}

/// A slot of that key.
pub(crate) fn slot(byte: u8) -> NewSlot {
    NewSlot::of_key_file(&slot_key(byte), "key file").unwrap()
}

/// Keys of a vault, made with a source that counts from `first`.
pub(crate) fn test_keys(first: u8, vault: VaultId) -> VaultKeys {
    let header =
        Header::make(&root(7), slot(1), vault, KeyMode::Test, AT, &Counting(Mutex::new(first))).unwrap();
    header.open(&root(7), vault, KeyMode::Test).unwrap()
}

/// The slot of that key, which a peer of this kind has wrapped.
fn peer_slot(kind: PeerKind, byte: u8) -> NewSlot {
    let detail = if kind == PeerKind::AwsKms { "" } else { "1" };
    let lock = PeerLock::new(kind, "place", "key of the vault", detail, vec![byte; 48]).unwrap();
    NewSlot::of_peer(&slot_key(byte), kind.name(), lock).unwrap()
}

fn organisation_keys(
    keys: &VaultKeys,
    organisation: OrganisationId,
    entropy: &dyn Entropy,
) -> [OrganisationKey; 2] {
    Purpose::ALL.map(|purpose| OrganisationKey::make(keys, purpose, organisation, AT, entropy).unwrap())
}

fn place() -> Place<'static> {
    Place {
        kind: Kind::Card,
        vault: VAULT,
        organisation: OURS,
        id: &[4; 12],
        row_version: 1,
        clear: b"clear",
    }
}

fn tag(tag: Tag) -> String {
    format!("{}:{}", tag.key, hex::encode(tag.bytes))
}

fn vector<'a>(name: &str, text: &'a str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap()
}

const OPENED: &str = include_str!("../testdata/v8/opens.txt");
const ORGANISATION_KEYS: &str = include_str!("../testdata/v8/organisation-keys.txt");
const CUSTOMER: &str = include_str!("../testdata/v4/customer.txt");
const REFUSED: &str = include_str!("../testdata/v8/header-refused.txt");

/// Everything is made again with the same randomness, to the byte.
#[test]
fn the_vectors_are_made_again() {
    let entropy = Counting(Mutex::new(0));
    let header = Header::make(&root(7), slot(1), VAULT, KeyMode::Test, AT, &entropy).unwrap();
    let rewrapped = header.rewrap(&root(7), &root(8), &entropy).unwrap();
    let entropy = Counting(Mutex::new(64));
    let peers = PeerKind::ALL
        .into_iter()
        .zip(11..)
        .fold(Header::parse(&rewrapped.encode()).unwrap(), |header, (kind, byte)| {
            header.slot_add(&root(8), peer_slot(kind, byte), AT, &entropy).unwrap()
        });
    // What is made beside the header is as it was before that had slots.
    let entropy = Counting(Mutex::new(128));
    let keys = header.open(&root(7), VAULT, KeyMode::Test).unwrap();
    let made: Vec<_> = [OURS, THEIRS]
        .into_iter()
        .flat_map(|organisation| organisation_keys(&keys, organisation, &entropy))
        .collect();
    let encoded: Vec<_> = made.iter().map(|key| hex::encode(key.encode())).collect();
    let ring = KeyRing::open(&keys, made).unwrap();
    let sealed = ring.card_seal(&place(), &[9; 64], &entropy).unwrap();
    let (fingerprint, _) = ring.fingerprint(OURS, CardKind::Card, b"4111111111111111").unwrap();
    let (hash_key, hash) = keys.api_key_hash(&ApiKey::parse(API_KEY).unwrap());
    let digest = keys.digest_key().digest(&[b"ab", b"c"]);
    let head = keys.head_seal(1, 5, &[6; HEAD_BYTES], &entropy).unwrap();
    let lines = [
        format!("header {}", hex::encode(header.encode())),
        format!("rewrapped {}", hex::encode(rewrapped.encode())),
        format!("peers {}", hex::encode(peers.encode())),
        format!("sealed {}", hex::encode(sealed.as_bytes())),
        format!("card_tag {}", tag(keys.card_tag(&place(), &sealed))),
        format!("fingerprint {fingerprint}"),
        format!("row_tag {}", tag(keys.row_tag(1, b"row"))),
        format!("document_tag {}", tag(keys.document_tag(2, b"row"))),
        format!("api_key_hash {hash_key}:{}", hex::encode(hash)),
        format!("idempotency_digest {}", hex::encode(digest)),
        format!("chain_tag {}", hex::encode(keys.chain().tag(1, &[b"a", b"b"]).unwrap())),
        format!("set_mark {}", hex::encode(keys.set_hash().mark(&[b"a", b"b"]))),
        format!("head {}", hex::encode(head)),
        format!("head_hash {}", hex::encode(keys.head_hash(1, b"row").unwrap())),
        format!("bins_tag {}", tag(keys.bins().tag(b"table"))),
    ];
    let made = lines.join("\n") + "\n";
    let kept = OPENED.lines();
    assert_eq!(
        made,
        kept.map(|line| format!("{line}\n")).collect::<String>(),
        "a format has changed:\n{made}"
    );
    assert_eq!(encoded.join(":"), vector("organisation_keys", ORGANISATION_KEYS), "a format has changed");
}

/// A customer's details: sealed as a card is, under another kind, and found by a digest under the key of fingerprints.
#[test]
fn the_vectors_of_a_customer_are_made_again_and_open() {
    let header = Header::make(&root(7), slot(1), VAULT, KeyMode::Test, AT, &Counting(Mutex::new(0))).unwrap();
    let entropy = Counting(Mutex::new(192));
    let keys = header.open(&root(7), VAULT, KeyMode::Test).unwrap();
    let ring = KeyRing::open(&keys, organisation_keys(&keys, OURS, &entropy)).unwrap();
    let place = || Place { kind: Kind::Customer, ..place() };
    let sealed = ring.card_seal(&place(), &[9; 256], &entropy).unwrap();
    let lines = [
        format!("sealed {}", hex::encode(sealed.as_bytes())),
        format!("tag {}", tag(keys.card_tag(&place(), &sealed))),
        format!("email_digest {}", ring.email_digest(OURS, b"ann.lee@shop.example").unwrap().0),
    ];
    let made = lines.join("\n") + "\n";
    assert_eq!(made, CUSTOMER, "a format has changed:\n{made}");
    let sealed = Sealed::from_bytes(hex::decode(vector("sealed", CUSTOMER)).unwrap());
    assert_eq!(KeyRing::sealed_bytes(&sealed).unwrap(), 256);
    let mut plaintext = [0; 256];
    ring.card_open(&place(), &sealed, &mut plaintext).unwrap();
    assert_eq!(plaintext, [9; 256]);
    // As a card, as a change, of others, of another version, and with other clear fields it does not open.
    for other in [
        Place { kind: Kind::Card, ..place() },
        Place { kind: Kind::CustomerChange, ..place() },
        Place { organisation: THEIRS, ..place() },
        Place { id: &[5; 12], ..place() },
        Place { row_version: 2, ..place() },
        Place { clear: b"other", ..place() },
    ] {
        assert!(matches!(ring.card_open(&other, &sealed, &mut plaintext), Err(KeysError::Refused)));
        assert!(!keys.card_tag_matches(&other, &sealed, &keys.card_tag(&place(), &sealed)));
    }
    assert!(KeyRing::sealed_bytes(&Sealed::from_bytes([1; 44])).is_err());
}

/// Only what is committed is used here: a later version may make other bytes, and must still open these.
#[test]
fn what_was_written_opens() {
    let bytes = |name| hex::decode(vector(name, OPENED)).unwrap();
    for (name, byte, version) in [("header", 7, 1), ("rewrapped", 8, 2), ("peers", 8, 5)] {
        let header = Header::parse(&bytes(name)).unwrap();
        assert_eq!(header.root(&slot_key(1)).ok().unwrap().expose_bytes(), root(byte).expose_bytes());
        let keys = header.open(&root(byte), VAULT, KeyMode::Test).unwrap();
        assert_eq!((keys.vault(), keys.header_version()), (VAULT, version));
        let read = vector("organisation_keys", ORGANISATION_KEYS).split(':');
        let read = read.map(|key| OrganisationKey::decode(&hex::decode(key).unwrap()).unwrap());
        let ring = KeyRing::open(&keys, read).unwrap();
        assert!(ring.verify().is_ok());
        let sealed = Sealed::from_bytes(bytes("sealed"));
        let mut plaintext = [0; 64];
        ring.card_open(&place(), &sealed, &mut plaintext).unwrap();
        assert_eq!(plaintext, [9; 64]);
        assert_eq!(tag(keys.card_tag(&place(), &sealed)), vector("card_tag", OPENED));
        assert_eq!(
            ring.fingerprint(OURS, CardKind::Card, b"4111111111111111").unwrap().0.to_string(),
            vector("fingerprint", OPENED)
        );
        assert_eq!(tag(keys.row_tag(1, b"row")), vector("row_tag", OPENED));
        assert_eq!(tag(keys.bins().tag(b"table")), vector("bins_tag", OPENED));
        assert_eq!(hex::encode(keys.chain().tag(1, &[b"ab"]).unwrap()), vector("chain_tag", OPENED));
        let mut head = [0; HEAD_BYTES];
        assert_eq!(keys.head_open(5, &bytes("head"), &mut head).unwrap(), 1);
        assert_eq!(head, [6; HEAD_BYTES]);
    }
}

/// Whatever a peer gives back for the wrapped bytes is the slot's key; the names say which peer to ask for it.
#[test]
fn what_peers_wrapped_is_read_and_opens() {
    let header = Header::parse(&hex::decode(vector("peers", OPENED)).unwrap()).unwrap();
    let peers = header.slots().iter().skip(1).zip(PeerKind::ALL).zip(11..);
    for ((slot, kind), byte) in peers {
        let Protection::Peer(lock) = slot.protection() else { panic!("{}", slot.label()) };
        assert_eq!((lock.kind(), slot.protection().name()), (kind, kind.name()));
        let detail = if kind == PeerKind::AwsKms { "" } else { "1" };
        assert_eq!((lock.place(), lock.key(), lock.detail()), ("place", "key of the vault", detail));
        assert_eq!(lock.wrapped(), [byte; 48]);
        let key = slot_key(byte);
        assert_eq!(header.slot_of(&key).unwrap(), slot.number());
        assert_eq!(header.root(&key).ok().unwrap().expose_bytes(), root(8).expose_bytes());
        assert!(matches!(header.root(&slot_key(byte + 100)).err(), Some(KeysError::SlotUnknown)));
    }
    assert_eq!(header.slots().len(), 4);
}

/// A wrong byte, with the checksum that fits it: as somebody without the root key writes it.
fn forged(header: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = header[..header.len() - 4].to_vec();
    bytes[at] ^= 1;
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}

/// Where the first slot of that header begins: behind nine keys and two counts.
const SLOT: usize = 49 + 10 * 82 + 3;

/// Where the kind of its protection stands: behind its number, time, label, public key, sealed root key and sender key.
const PROTECTION: usize = SLOT + 2 + 6 + 1 + 8 + 32 + 32 + 32 + 16 + 72;

fn forged_to(header: &[u8], at: usize, byte: u8) -> Vec<u8> {
    let mut header = header.to_vec();
    header[at] = byte ^ 1;
    forged(&header, at)
}

/// Headers that must be refused, by what must be said of them.
fn refused() -> String {
    let header = hex::decode(vector("header", OPENED)).unwrap();
    let made = |byte, vault, mode| {
        Header::make(&root(byte), slot(1), vault, mode, AT, &Counting(Mutex::new(1))).unwrap().encode()
    };
    let mut flipped = header.clone();
    flipped[100] ^= 1;
    let lines = [
        ("damaged", header[..0].to_vec()),
        ("damaged", header[..13].to_vec()),
        ("damaged", header[..header.len() - 1].to_vec()),
        ("damaged", [header.as_slice(), &[0]].concat()),
        ("damaged", flipped),
        // Header version, version of the root key, state of the first key, first byte of a wrapped key.
        ("damaged", forged(&header, 13)),
        ("damaged", forged(&header, 30)),
        ("damaged", forged(&header, 58)),
        ("damaged", forged(&header, 90)),
        // Format of before; name of the slot, its public key, and the root key that is sealed to it.
        ("format", forged_to(&header, 9, 1)),
        ("format", forged_to(&header, 9, 2)),
        ("format", forged_to(&header, 9, 3)),
        ("format", forged_to(&header, 9, 4)),
        ("damaged", forged(&header, SLOT + 9)),
        ("damaged", forged(&header, SLOT + 20)),
        ("damaged", forged(&header, SLOT + 90)),
        // A protection of no kind, and one of a peer that names nothing.
        ("damaged", forged_to(&header, PROTECTION, 7)),
        ("damaged", forged_to(&header, PROTECTION, 4)),
        ("later", forged(&header, 8)),
        ("vault", forged(&header, 14)),
        ("vault", made(7, VaultId::from_bytes([9; 12]), KeyMode::Test)),
        ("mode", made(7, VAULT, KeyMode::Live)),
        ("root", made(8, VAULT, KeyMode::Test)),
        ("root", forged(&header, 31)),
        ("older", header.clone()),
    ];
    lines.iter().map(|(said, bytes)| format!("{said} {}\n", hex::encode(bytes))).collect()
}

#[test]
fn what_was_refused_stays_refused() {
    assert_eq!(refused(), REFUSED, "a format has changed:\n{}", refused());
    for (number, line) in REFUSED.lines().enumerate() {
        let (said, bytes) = line.split_once(' ').unwrap();
        let opened = Header::parse(&hex::decode(bytes).unwrap())
            .and_then(|header| header.open(&root(7), VAULT, KeyMode::Test))
            // The documents were written under version 2.
            .and_then(|keys| keys.header_check(2));
        let right = match opened {
            Err(KeysError::HeaderDamaged) => said == "damaged",
            Err(KeysError::HeaderFormat { .. }) => said == "later" || said == "format",
            Err(KeysError::HeaderOfOtherVault) => said == "vault",
            Err(KeysError::HeaderOfOtherMode) => said == "mode",
            Err(KeysError::RootKeyWrong) => said == "root",
            Err(KeysError::HeaderOlder) => said == "older",
            Ok(()) | Err(_) => false,
        };
        assert!(right, "line {number}, {said}");
    }
}

/// The fingerprint key of the vectors is 32 bytes that the counting source gave, so that anyone can compute the fingerprint.
#[test]
fn the_fingerprint_is_an_hmac_that_anyone_can_compute() {
    let entropy = Counting(Mutex::new(0));
    let keys = test_keys(0, VAULT);
    let ring = KeyRing::open(&keys, organisation_keys(&keys, OURS, &entropy)).unwrap();
    let (fingerprint, version) = ring.fingerprint(OURS, CardKind::Card, b"4111111111111111").unwrap();
    // python3: hmac.new(bytes(range(56, 88)), b"4111111111111111", "sha256").hexdigest()[:32]
    assert_eq!((fingerprint.to_string().as_str(), version), ("5eedb6b693509bdc6ab4eb20e687894a", 1));
    let (token, _) = ring.fingerprint(OURS, CardKind::NetworkToken, b"4111111111111111").unwrap();
    // The same over b"network-token/1" + b"4111111111111111".
    assert_eq!(token.to_string(), "378a33b9b9be2239e09c163426290f80");
}
