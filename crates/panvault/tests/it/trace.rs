//! What is logged at the finest level.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::cli::path;
use crate::serve::{Served, certify_years, vault};

/// A name that only who asks for it knows, and that is a card number.
const NAME: &str = "4111111111111111.example";

/// Behind as many bytes as they are.
fn counted(prefix_bytes: usize, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length[4 - prefix_bytes..], content].concat()
}

/// A ClientHello of TLS 1.2 (RFC 5246, section 7.4.1.2) that names whom it asks for (RFC 6066, section 3), in its record.
fn client_hello(name: &str) -> Vec<u8> {
    let extension = |kind: u16, content: &[u8]| [&kind.to_be_bytes()[..], &counted(2, content)].concat();
    let names = counted(2, &[&[0], &counted(2, name.as_bytes())[..]].concat());
    let extensions = [
        extension(0, &names),
        // secp256r1 and x25519; points that are not compressed; ECDSA and RSA-PSS with SHA-256
        extension(10, &counted(2, &[0x00, 0x17, 0x00, 0x1d])),
        extension(11, &counted(1, &[0])),
        extension(13, &counted(2, &[0x04, 0x03, 0x08, 0x04])),
        // extended_master_secret (RFC 7627)
        extension(23, &[]),
    ]
    .concat();
    let hello = [
        &[0x03, 0x03][..],
        &[7; 32],
        &counted(1, &[]),
        // ECDHE with ECDSA or RSA, AES-128-GCM, SHA-256
        &counted(2, &[0xc0, 0x2b, 0xc0, 0x2f]),
        &counted(1, &[0]),
        &counted(2, &extensions),
    ]
    .concat();
    let handshake = [&[1][..], &counted(3, &hello)].concat();
    [&[0x16, 0x03, 0x01][..], &counted(2, &handshake)].concat()
}

/// The bug: whom a client asked for in its TLS handshake, which may be anything, stood in a log at level `trace`. Its cause: the TLS
/// library logs what it reads. Its cure: it is built without its log.
#[test]
fn no_name_that_a_client_asks_for_is_logged() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    certify_years(directory.path(), 2020, 2300);
    let certificate = format!("tls_certificate_file={}", path(&directory.path().join("cert.pem")));
    let key = format!("tls_key_file={}", path(&directory.path().join("key.pem")));
    let args = [
        ["--data", path(&data)],
        ["--listen", "127.0.0.1:0"],
        ["--metrics-listen", "127.0.0.1:0"],
        ["--set", "log_level=trace"],
        ["--set", &certificate],
        ["--set", &key],
    ]
    .concat();
    let (mut served, ready) = Served::start(directory.path(), &args);
    let address = ready["url"].as_str().unwrap().strip_prefix("https://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&client_hello(NAME)).unwrap();
    // It is read and understood: the answer is a handshake.
    let mut start = [0; 3];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(start, [0x16, 0x03, 0x03]);
    drop(stream);
    served.signal("-TERM");
    served.event("server.stopped");
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
    let log = fs::read_to_string(directory.path().join("log.json")).unwrap();
    assert!(!log.contains(NAME.split('.').next().unwrap()), "{log}");
}
