use std::sync::Mutex;

use super::*;
use crate::api_key::KeyMode;
use crate::entropy::{Entropy, SystemEntropy};
use crate::error::KeysError;
use crate::limits::{
    SOCKET_ANSWER_BYTES, SOCKET_CHALLENGE_BYTES, SOCKET_HELLO_BYTES, SOCKET_RECORD_BYTES_MAX,
};
use crate::vectors::{Counting, root, test_keys};

const VAULT: VaultId = VaultId::from_bytes(*b"vault-number");
const SOCKET: &str = include_str!("../../testdata/v3/socket.txt");

fn key() -> OperatorKey {
    root(7).derive_operator_key(VAULT)
}

fn vector(name: &str) -> Vec<u8> {
    let found = SOCKET.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    hex::decode(found.unwrap()).unwrap()
}

/// All three messages and both ends of a connection.
struct Opened {
    hello: [u8; SOCKET_HELLO_BYTES],
    challenge: [u8; SOCKET_CHALLENGE_BYTES],
    answer: [u8; SOCKET_ANSWER_BYTES],
    client: SocketHandshake,
    server: SocketHandshake,
}

fn opened(entropy: &dyn Entropy) -> Opened {
    let key = key();
    let (client, hello) = SocketClient::hello(&key, entropy).ok().unwrap();
    let (server, challenge) = SocketServer::challenge(&key, &hello, entropy).ok().unwrap();
    let (answer, client) = client.answer(&challenge).ok().unwrap();
    let server = server.accept(&answer).ok().unwrap();
    Opened { hello, challenge, answer, client, server }
}

fn record(sealer: &mut RecordSealer, said: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    assert_eq!(sealer.seal(said, &mut out).unwrap(), said.len());
    out
}

fn open(opener: &mut RecordOpener, record: &[u8]) -> Result<Vec<u8>, KeysError> {
    let (length, sealed) = record.split_first_chunk().unwrap();
    let mut sealed = sealed.to_vec();
    opener.open(RecordLength::read(*length).unwrap(), &mut sealed).map(|()| sealed)
}

/// Each byte of the protocol, as the page of formats has it; computed once more in Python from that page.
#[test]
fn the_vectors_are_made_again() {
    let mut made = opened(&Counting(Mutex::new(1)));
    let lines = [
        format!("hello {}", hex::encode(made.hello)),
        format!("challenge {}", hex::encode(made.challenge)),
        format!("answer {}", hex::encode(made.answer)),
        format!("client_record {}", hex::encode(record(&mut made.client.sealer, b"GET / HTTP/1.1"))),
        format!("server_record {}", hex::encode(record(&mut made.server.sealer, b"HTTP/1.1 200 OK"))),
        format!("server_last {}", hex::encode(record(&mut made.server.sealer, b""))),
    ];
    let made = lines.join("\n") + "\n";
    assert_eq!(made, SOCKET, "the protocol has changed:\n{made}");
}

/// Only what is committed is used here.
#[test]
fn what_was_sent_is_understood() {
    let key = key();
    let entropy = Counting(Mutex::new(1));
    let (client, hello) = SocketClient::hello(&key, &entropy).ok().unwrap();
    assert_eq!(hello.to_vec(), vector("hello"));
    let (answer, mut client) = client.answer(&vector("challenge").try_into().unwrap()).ok().unwrap();
    assert_eq!(answer.to_vec(), vector("answer"));
    assert_eq!(open(&mut client.opener, &vector("server_record")).unwrap(), b"HTTP/1.1 200 OK");
    assert_eq!(open(&mut client.opener, &vector("server_last")).unwrap(), b"");
}

#[test]
fn only_the_root_key_of_the_vault_gives_its_operator_key() {
    let keys = test_keys(0, VAULT);
    assert!(keys.is_operator(&key()));
    assert!(!keys.is_operator(&root(8).derive_operator_key(VAULT)));
    assert!(!keys.is_operator(&root(7).derive_operator_key(VaultId::from_bytes([1; 12]))));
    // Also after the root key was replaced.
    let entropy = SystemEntropy::new();
    let at = panvault_model::Timestamp::from_unix_millis(0);
    let header =
        crate::header::Header::make(&root(7), crate::vectors::slot(1), VAULT, KeyMode::Test, at, &entropy)
            .unwrap();
    let header = header.rewrap(&root(7), &root(8), &entropy).unwrap();
    let keys = header.open(&root(8), VAULT, KeyMode::Test).unwrap();
    assert!(keys.is_operator(&root(8).derive_operator_key(VAULT)) && !keys.is_operator(&key()));
}

#[test]
fn a_server_without_the_root_key_is_refused() {
    let entropy = SystemEntropy::new();
    let (ours, theirs) = (key(), root(8).derive_operator_key(VAULT));
    let unproved = |challenge: &[u8; SOCKET_CHALLENGE_BYTES]| {
        let (client, _) = SocketClient::hello(&ours, &entropy).ok().unwrap();
        matches!(client.answer(challenge), Err(KeysError::SocketUnproved))
    };
    // Another key, another vault, and what a true server once said to another hello.
    for key in [&theirs, &root(7).derive_operator_key(VaultId::from_bytes([1; 12])), &ours] {
        let (_, hello) = SocketClient::hello(key, &entropy).ok().unwrap();
        let (_, challenge) = SocketServer::challenge(key, &hello, &entropy).ok().unwrap();
        assert!(unproved(&challenge));
    }
    let (client, hello) = SocketClient::hello(&ours, &entropy).ok().unwrap();
    let (_, challenge) = SocketServer::challenge(&ours, &hello, &entropy).ok().unwrap();
    assert!(client.answer(&challenge).is_ok());
    assert!(unproved(&[0; SOCKET_CHALLENGE_BYTES]));
}

#[test]
fn every_byte_of_the_three_messages_counts() {
    let entropy = SystemEntropy::new();
    let ours = key();
    for at in 0..SOCKET_CHALLENGE_BYTES {
        let (client, hello) = SocketClient::hello(&ours, &entropy).ok().unwrap();
        let (_, mut challenge) = SocketServer::challenge(&ours, &hello, &entropy).ok().unwrap();
        challenge[at] ^= 1;
        let refused = client.answer(&challenge);
        match at {
            8..10 => assert!(matches!(refused, Err(KeysError::SocketProtocol { .. })), "byte {at}"),
            _ => assert!(matches!(refused, Err(KeysError::SocketUnproved)), "byte {at}"),
        }
    }
    for at in 0..SOCKET_HELLO_BYTES {
        let (client, mut hello) = SocketClient::hello(&ours, &entropy).ok().unwrap();
        hello[at] ^= 1;
        match SocketServer::challenge(&ours, &hello, &entropy) {
            Ok((_, challenge)) => assert!(at >= 10 && client.answer(&challenge).is_err(), "byte {at}"),
            Err(KeysError::SocketProtocol { .. }) => assert!((8..10).contains(&at)),
            Err(KeysError::SocketUnproved) => assert!(at < 8),
            Err(_) => panic!("byte {at}"),
        }
    }
    for at in 0..SOCKET_ANSWER_BYTES {
        let (client, hello) = SocketClient::hello(&ours, &entropy).ok().unwrap();
        let (server, challenge) = SocketServer::challenge(&ours, &hello, &entropy).ok().unwrap();
        let (mut answer, _) = client.answer(&challenge).ok().unwrap();
        answer[at] ^= 1;
        assert!(matches!(server.accept(&answer), Err(KeysError::SocketUnproved)), "byte {at}");
    }
}

/// A command proves itself to no server with what a server once said, nor with what another command said.
#[test]
fn a_client_without_the_root_key_is_refused() {
    let entropy = SystemEntropy::new();
    let ours = key();
    let before = opened(&entropy);
    let challenged = |hello| SocketServer::challenge(&ours, hello, &entropy).ok().unwrap();
    let (server, challenge) = challenged(&before.hello);
    assert!(server.accept(&before.answer).is_err(), "said before, to the same hello");
    let (server, _) = challenged(&before.hello);
    assert!(server.accept(challenge.last_chunk().unwrap()).is_err(), "what a server said");
    let (server, challenge) = challenged(&before.hello);
    assert!(server.accept(challenge.last_chunk().unwrap()).is_err(), "what it said itself");
    let (server, _) = challenged(&before.hello);
    assert!(server.accept(&[0; SOCKET_ANSWER_BYTES]).is_err());
}

#[test]
fn a_record_is_read_once_in_its_place_and_direction_by_its_own_connection() {
    let entropy = SystemEntropy::new();
    let (mut one, mut other) = (opened(&entropy), opened(&entropy));
    let first = record(&mut one.client.sealer, b"first");
    let second = record(&mut one.client.sealer, b"second");
    assert_eq!(&first[..2], [0, 5]);
    assert!(open(&mut other.server.opener, &first).is_err(), "another connection");
    assert!(open(&mut one.client.opener, &first).is_err(), "back to who sent it");
    assert_eq!(open(&mut one.server.opener, &first).unwrap(), b"first");
    assert_eq!(open(&mut one.server.opener, &second).unwrap(), b"second");
    assert!(open(&mut one.server.opener, &second).is_err(), "twice");
    let mut made = opened(&entropy);
    let skipped = record(&mut made.client.sealer, b"first");
    let second = record(&mut made.client.sealer, b"second");
    assert!(open(&mut made.server.opener, &second).is_err(), "out of its turn");
    drop(skipped);
}

#[test]
fn every_byte_of_a_record_counts_and_each_has_its_limit() {
    let entropy = SystemEntropy::new();
    let mut made = opened(&entropy);
    let sealed = record(&mut made.client.sealer, b"said");
    for at in RecordLength::BYTES..sealed.len() {
        let mut made = opened(&entropy);
        let mut flipped = record(&mut made.client.sealer, b"said");
        flipped[at] ^= 1;
        assert!(open(&mut made.server.opener, &flipped).is_err(), "byte {at}");
    }
    let longer = [&[0, 5], &sealed[2..], &[0]].concat();
    assert!(open(&mut made.server.opener, &longer).is_err(), "the length is bound too");
    let long = vec![7; SOCKET_RECORD_BYTES_MAX + 1];
    let mut made = opened(&entropy);
    let mut out = Vec::new();
    assert_eq!(made.server.sealer.seal(&long, &mut out).unwrap(), SOCKET_RECORD_BYTES_MAX);
    assert_eq!(open(&mut made.client.opener, &out).unwrap().len(), SOCKET_RECORD_BYTES_MAX);
    let most = u16::try_from(SOCKET_RECORD_BYTES_MAX).unwrap();
    assert!(RecordLength::read(most.to_be_bytes()).is_some());
    assert!(RecordLength::read((most + 1).to_be_bytes()).is_none());
}
