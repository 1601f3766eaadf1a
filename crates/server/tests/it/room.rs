//! Connections that make room for others, and those that stay.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use panvault_model::Role;
use panvault_server::{ServerSettings, Tls};

use crate::support::{SHOP, Server, card_body};
use crate::tls::{ask as ask_tls, certify};

/// Nothing ends by its time while a test runs.
fn patient(connections_max: usize) -> ServerSettings {
    let timeout = Duration::from_secs(600);
    ServerSettings {
        connections_max,
        header_timeout: timeout,
        body_timeout: timeout,
        handshake_timeout: timeout,
        ..ServerSettings::default()
    }
}

fn connect(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

/// The status of the answer, which must have come whole; `None` where the connection ended instead.
fn status(stream: &mut TcpStream) -> Option<u16> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).map_or("0", |rest| rest.split('\r').next().unwrap());
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).ok()?;
    head[9..12].parse().ok()
}

fn count_request(key: &str) -> String {
    format!("GET /v1/card/count HTTP/1.1\r\nHost: x\r\nX-APIKEY: {key}\r\n\r\n")
}

fn say(stream: &mut TcpStream, text: &str) -> Option<u16> {
    stream.write_all(text.as_bytes()).ok()?;
    status(stream)
}

/// The bug: as many silent connections as there may be kept everybody else out, for as long as a head may take to come, and then again.
/// Its cause: whoever came first kept its place. Its cure: the oldest that are idle and have no valid key make room.
#[test]
fn silent_connections_keep_nobody_out() {
    let server = Server::start_with(patient(300), None);
    let known = count_request(&server.parent.key);
    let silent: Vec<_> = (0..300)
        .map(|n| match n % 4 {
            0 => connect(server.address, ""),
            1 => connect(server.address, "POST /v1/card HTTP/1.1\r\nHost: "),
            2 => connect(server.address, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"),
            _ => connect(server.address, &count_request("pv_test_of_nobody")),
        })
        .collect();
    let mut kept: Vec<_> = (0..100).map(|_| connect(server.address, &known)).collect();
    assert!(kept.iter_mut().all(|stream| status(stream) == Some(200)));
    // The oldest have made room for them, and the others are there.
    let has_ended = |mut stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        let ended = loop {
            match stream.read(&mut [0; 1024]) {
                Ok(0) => break true,
                Ok(_) => {}
                Err(error) => break error.kind() != std::io::ErrorKind::WouldBlock,
            }
        };
        stream.set_nonblocking(false).unwrap();
        ended
    };
    let ended: Vec<_> = silent.iter().map(has_ended).collect();
    assert_eq!(ended.iter().filter(|ended| **ended).count(), 100);
    assert!(ended[..100].iter().all(|ended| *ended), "the oldest first");
    assert!(kept.iter_mut().all(|stream| say(stream, &known) == Some(200)), "who has a valid key stays");
    let metrics = connect(server.metrics, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let page = std::io::read_to_string(metrics).unwrap();
    assert!(page.contains("panvault_connections_evicted_total 100\n"), "{page}");
    assert!(page.contains("panvault_connections 300\n"), "{page}");
}

#[test]
fn who_has_a_valid_key_stays_and_further_ones_are_told_that_there_is_no_room() {
    let server = Server::start_with(patient(2), None);
    let known = count_request(&server.parent.key);
    let mut first = connect(server.address, &known);
    assert_eq!(status(&mut first), Some(200));
    // Half a body, behind a valid key.
    let body = card_body(&server.parent).to_string();
    let head = format!(
        "POST /v1/card HTTP/1.1\r\nHost: x\r\nX-APIKEY: {}\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n\
         Content-Length: {}\r\n\r\n",
        server.parent.key,
        body.len()
    );
    let mut second = connect(server.address, &head);
    assert_eq!(status(&mut second), Some(100));
    for _ in 0..3 {
        assert_eq!(status(&mut connect(server.address, &known)), Some(503));
    }
    assert_eq!(say(&mut first, &known), Some(200));
    assert_eq!(say(&mut second, &body), Some(200));
}

/// Connections that had once sent a valid key kept their places when it was revoked, and kept them for as long as they sent any request,
/// so that nobody else got in. The last request of a connection says whose it is.
#[test]
fn who_no_longer_has_a_valid_key_keeps_nobody_out() {
    let server = Server::start_with(patient(2), None);
    let leaked = server.make_key(&server.parent, &[Role::MerchantUser]);
    let mut held: Vec<_> = (0..2).map(|_| connect(server.address, &count_request(&leaked))).collect();
    assert!(held.iter_mut().all(|stream| status(stream) == Some(200)));
    let known = count_request(&server.parent.key);
    assert_eq!(status(&mut connect(server.address, &known)), Some(503), "while it is valid they stay");
    server.revoke_key_with(&[Role::MerchantUser]);
    assert_eq!(say(&mut held[0], &count_request(&leaked)), Some(401));
    assert_eq!(say(&mut held[1], "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"), Some(200));
    let mut kept: Vec<_> = (0..2).map(|_| connect(server.address, &known)).collect();
    assert!(kept.iter_mut().all(|stream| status(stream) == Some(200)));
}

/// A browser's key is on a page that everybody can read: it keeps no place, nor does a body behind it that does not come.
#[test]
fn a_key_of_browsers_keeps_no_place() {
    let server = Server::start_with(patient(2), None);
    let body = card_body(&server.parent).to_string();
    let head = format!(
        "POST /v1/card HTTP/1.1\r\nHost: x\r\nX-APIKEY: {}\r\nOrigin: {SHOP}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n",
        server.parent.publishable_key,
        body.len()
    );
    let mut answered = connect(server.address, &format!("{head}\r\n{body}"));
    assert_eq!(status(&mut answered), Some(200));
    let mut half = connect(server.address, &format!("{head}Expect: 100-continue\r\n\r\n{{"));
    assert_eq!(status(&mut half), Some(100));
    let known = count_request(&server.parent.key);
    let mut kept: Vec<_> = (0..2).map(|_| connect(server.address, &known)).collect();
    assert!(kept.iter_mut().all(|stream| status(stream) == Some(200)));
    assert_eq!((status(&mut answered), status(&mut half)), (None, None));
}

#[test]
fn a_handshake_that_does_not_go_on_keeps_nobody_out() {
    let directory = tempfile::tempdir().unwrap();
    let trusted = certify(directory.path());
    let tls = Tls::read(directory.path().join("cert.pem"), directory.path().join("key.pem")).unwrap();
    let server = Server::start_with(patient(4), Some(Arc::new(tls)));
    let silent: Vec<_> =
        (0..4).map(|n| connect(server.address, if n % 2 == 0 { "" } else { "\x16\x03\x01" })).collect();
    for _ in 0..8 {
        assert!(ask_tls(&server, &trusted).unwrap().starts_with("HTTP/1.1 200"));
    }
    drop(silent);
}

#[test]
fn silent_connections_keep_no_scraper_out() {
    let server = Server::start();
    let silent: Vec<_> = (0..100).map(|_| connect(server.metrics, "")).collect();
    let mut scraper = connect(server.metrics, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(status(&mut scraper), Some(200));
    drop(silent);
}
