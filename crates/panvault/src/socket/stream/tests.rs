use panvault_keys::limits::SOCKET_RECORD_BYTES_MAX;
use panvault_keys::{OperatorKey, RootKey, SystemEntropy};
use panvault_model::VaultId;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::socket::handshake;

fn key() -> OperatorKey {
    RootKey::make(&SystemEntropy::new()).ok().unwrap().derive_operator_key(VaultId::from_bytes([1; 12]))
}

/// Two ends that have proved themselves over a pipe of so many bytes.
async fn ends(bytes: usize) -> (SealedStream<DuplexStream>, SealedStream<DuplexStream>) {
    let (ours, theirs) = duplex(bytes);
    let key = key();
    let (client, server) = tokio::join!(handshake::client(ours, &key), handshake::server(theirs, &key));
    (client.unwrap(), server.unwrap())
}

#[tokio::test]
async fn what_is_written_is_read_in_pieces_of_any_size() {
    for bytes in [1, 2, 3, 17, 64 << 10] {
        let (mut client, mut server) = ends(bytes).await;
        let said: Vec<u8> = (0..=250).cycle().take(2 * SOCKET_RECORD_BYTES_MAX + 5).collect();
        let sent = said.clone();
        let writing = tokio::spawn(async move {
            client.write_all(&sent).await.unwrap();
            client.shutdown().await.unwrap();
            let mut read = String::new();
            client.read_to_string(&mut read).await.unwrap();
            read
        });
        let mut read = Vec::new();
        server.read_to_end(&mut read).await.unwrap();
        assert!(read == said, "{bytes}");
        server.write_all(b"answer").await.unwrap();
        server.shutdown().await.unwrap();
        assert_eq!(writing.await.unwrap(), "answer");
    }
}

#[tokio::test]
async fn a_stream_that_ends_without_its_last_record_was_cut() {
    let (mut client, mut server) = ends(1 << 10).await;
    client.write_all(b"all of").await.unwrap();
    client.flush().await.unwrap();
    drop(client);
    let mut read = Vec::new();
    let cut = server.read_to_end(&mut read).await;
    assert_eq!(cut.map_err(|error| error.kind()), Err(ErrorKind::UnexpectedEof));
    assert_eq!(read, b"all of");
}

/// Somebody between two honest ends, who passes on all that they prove each other, and then says something of its own.
#[tokio::test]
async fn who_stands_between_can_say_nothing() {
    let key = key();
    let ((ours, mut near), (mut far, theirs)) = (duplex(1 << 10), duplex(1 << 10));
    let between = tokio::spawn(async move {
        let mut message = [0; 86];
        for (from, to, bytes) in [(0, 1, 42), (1, 0, 86), (0, 1, 32)] {
            let ends = [&mut near, &mut far];
            let [near, far] = ends;
            let (from, to) = if (from, to) == (0, 1) { (near, far) } else { (far, near) };
            from.read_exact(&mut message[..bytes]).await.unwrap();
            to.write_all(&message[..bytes]).await.unwrap();
        }
        far.write_all(&[0, 3]).await.unwrap();
        far.write_all(&[7; 3 + 16]).await.unwrap();
        near.write_all(&[255, 255]).await.unwrap();
        (near, far)
    });
    let (client, server) = tokio::join!(handshake::client(ours, &key), handshake::server(theirs, &key));
    let held = between.await.unwrap();
    for mut end in [client.unwrap(), server.unwrap()] {
        let read = end.read(&mut [0; 8]).await;
        assert_eq!(read.map_err(|error| error.kind()), Err(ErrorKind::InvalidData));
    }
    drop(held);
}

#[tokio::test]
async fn an_end_that_says_nothing_is_given_up() {
    let given_up =
        handshake::within(core::time::Duration::ZERO, core::future::pending::<Result<(), _>>()).await;
    assert_eq!(given_up.err().unwrap().to_string(), "it said nothing within 5 seconds");
}

#[tokio::test]
async fn strangers_and_other_protocols_are_refused_by_name() {
    let (ours, theirs) = duplex(1 << 10);
    let (one, other) = (key(), key());
    let (client, server) = tokio::join!(handshake::client(ours, &one), handshake::server(theirs, &other));
    assert_eq!(client.err().unwrap().to_string(), "it did not prove that it has the root key of this vault");
    assert!(server.is_err());
    let (mut ours, theirs) = duplex(1 << 10);
    let mut hello = [0; 42];
    hello[..10].copy_from_slice(b"PANVSOCK\0\x02");
    ours.write_all(&hello).await.unwrap();
    let refused = handshake::server(theirs, &one).await.err().unwrap().to_string();
    assert!(refused.starts_with("it speaks protocol 2"), "{refused}");
    let mut told = [0; 86];
    ours.read_exact(&mut told).await.unwrap();
    assert!(told.starts_with(b"PANVSOCK\0\x01") && told[10..] == [0; 76], "and nothing is proved");
}
