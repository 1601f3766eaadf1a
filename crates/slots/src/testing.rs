//! A peer that says what a test wants it to.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use panvault_keys::{SlotKey, SystemEntropy};
use panvault_model::VaultId;
use zeroize::Zeroizing;

use crate::peer::Context;
use crate::url::PeerUrl;

pub(crate) const VAULT: VaultId = VaultId::from_bytes([3; 12]);

/// What is in whatever file.
#[expect(clippy::unnecessary_wraps, reason = "it stands for a function that fails")]
pub(crate) fn token(_: &Path) -> Result<Zeroizing<String>, String> {
    Ok(Zeroizing::new("s.token".to_owned()))
}

pub(crate) fn key() -> SlotKey {
    SlotKey::make(&SystemEntropy::new()).unwrap()
}

pub(crate) fn context(key: &SlotKey) -> Context {
    Context::of_key(VAULT, key).unwrap()
}

/// An answer of HTTP.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

/// Where it is, and the requests that it was sent: to each it answers with the next of these, and then ends the connection.
pub(crate) fn fake(answers: Vec<Vec<u8>>) -> (PeerUrl, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut part = [0; 4096];
            while !is_whole(&request) {
                let read = stream.read(&mut part).unwrap();
                assert!(read > 0, "the request was cut");
                request.extend_from_slice(&part[..read]);
            }
            requests.push(String::from_utf8(request).unwrap());
            // Who has read enough closes.
            drop(stream.write_all(&answer));
        }
        requests
    });
    (PeerUrl::parse(&url).unwrap(), serving)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}
