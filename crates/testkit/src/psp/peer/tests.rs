use std::net::TcpStream;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use serde_json::json;

use super::*;
use crate::psp::Notification;

/// Counts what it did.
#[derive(Default)]
struct Counter(usize);

impl Psp for Counter {
    fn answer(&mut self, _: &PspRequest) -> PspAnswer {
        self.0 += 1;
        PspAnswer::new(201, json!({ "count": self.0 })).with("X-Count", "yes")
    }

    fn take_notifications(&mut self) -> Vec<Notification> {
        Vec::new()
    }
}

const REQUEST: &[u8] = b"POST /a/b?c=d HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";

/// Sends the request on this connection and reads until an answer is whole or nothing more comes.
fn exchange(stream: &mut (impl Read + Write)) -> Result<String, io::ErrorKind> {
    stream.write_all(REQUEST).map_err(|error| error.kind())?;
    let mut text = Vec::new();
    let mut piece = [0; 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => text.extend_from_slice(&piece[..read]),
            Err(error) if text.is_empty() => return Err(error.kind()),
            Err(_) => break,
        }
        if text.ends_with(b"}") {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn connect(peer: &Peer<Counter>) -> TcpStream {
    TcpStream::connect(("127.0.0.1", peer.port())).unwrap()
}

#[test]
fn a_connection_is_kept_and_counted() {
    let peer = Peer::plain(Counter::default());
    let mut stream = connect(&peer);
    for count in 1..=3 {
        let said = exchange(&mut stream).unwrap();
        assert!(said.starts_with("HTTP/1.1 201 ") && said.contains("\r\nX-Count: yes\r\n"), "{said}");
        assert!(said.ends_with(&format!("{{\"count\":{count}}}")), "{said}");
    }
    assert_eq!((peer.connections(), peer.requests().len(), peer.connections_open()), (1, 3, 1));
    let request = peer.requests().remove(2).request;
    assert_eq!(
        (request.path.as_str(), request.query.as_str(), request.body.as_slice()),
        ("/a/b", "c=d", &b"hello"[..])
    );
    assert!(peer.has_seen(b"hello") && !peer.has_seen(b"hellp"));
    peer.close_connections();
    assert!(exchange(&mut stream).is_err() || stream.read(&mut [0]).unwrap() == 0);
    assert_eq!((peer.connections_open(), peer.psp().0), (0, 3));
}

/// For each manner: whether something was done, what came back, and how many bytes were read.
#[test]
fn it_misbehaves_as_it_is_told_and_only_once() {
    let peer = Peer::plain(Counter::default());
    let whole = REQUEST.len();
    type Judge = fn(&Result<String, io::ErrorKind>) -> bool;
    let reset: Judge = |said| *said == Err(io::ErrorKind::ConnectionReset);
    let cases: [(Manner, usize, usize, Judge); 11] = [
        (Manner::ResetOnAccept, 0, 0, |said| said.is_err()),
        (Manner::ResetAfter(1), 0, 1, |said| said.is_err()),
        (Manner::ResetAfter(whole - 1), 0, whole - 1, |said| said.is_err()),
        (Manner::ResetUndone, 0, whole, reset),
        (Manner::ResetDone, 1, whole, reset),
        (Manner::HalfAnswer, 1, whole, |said| {
            said.as_ref().is_ok_and(|text| text.starts_with("HTTP/1.1 201 ") && !text.ends_with('}'))
        }),
        (Manner::Late(Duration::from_millis(1)), 1, whole, |said| {
            said.as_ref().is_ok_and(|text| text.ends_with('}'))
        }),
        (Manner::Drip(Duration::ZERO), 1, whole, |said| said.as_ref().is_ok_and(|text| text.ends_with('}'))),
        (Manner::Garbage, 1, whole, |said| said.as_ref().is_ok_and(|text| !text.starts_with("HTTP"))),
        (Manner::WrongType, 1, whole, |said| {
            said.as_ref().is_ok_and(|text| text.contains("Content-Type: text/html"))
        }),
        (Manner::Status(503), 0, whole, |said| {
            said.as_ref().is_ok_and(|text| text.starts_with("HTTP/1.1 503 "))
        }),
    ];
    for (manner, done, bytes, judge) in cases {
        peer.next(&[manner]);
        let (before, connections) = (peer.psp().0, peer.connections());
        let said = exchange(&mut connect(&peer));
        assert!(judge(&said), "{manner:?}: {said:?}");
        peer.wait_until_closed();
        assert_eq!((peer.psp().0 - before, peer.seen()[connections].len()), (done, bytes), "{manner:?}");
        // The next one is as usual.
        assert!(exchange(&mut connect(&peer)).is_ok(), "{manner:?}");
    }
}

#[test]
fn it_is_silent_for_as_long_as_somebody_waits() {
    let peer = Peer::plain(Counter::default());
    for (manner, done) in [(Manner::SilentUndone, 0), (Manner::SilentDone, 1)] {
        peer.next(&[manner]);
        let mut stream = connect(&peer);
        stream.write_all(REQUEST).unwrap();
        peer.wait_for_requests(peer.connections());
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(stream);
        peer.wait_until_closed();
        assert_eq!(peer.psp().0, done);
    }
    peer.always(Manner::SilentUndone);
    let mut stream = connect(&peer);
    stream.write_all(REQUEST).unwrap();
    peer.wait_for_requests(3);
    // Whoever waits is told when it goes.
    drop(peer);
    assert!(stream.read(&mut [0]).is_ok_and(|read| read == 0));
}

#[test]
fn a_huge_answer_has_the_length_that_it_says() {
    let peer = Peer::plain(Counter::default());
    peer.next(&[Manner::Huge(100_000)]);
    let mut stream = connect(&peer);
    stream.write_all(REQUEST).unwrap();
    let mut text = Vec::new();
    while !text.ends_with(b"x\"") {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).unwrap();
        text.extend_from_slice(&piece[..read]);
    }
    let head = text.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(text.len() - head, 100_000);
}

#[test]
fn a_kept_connection_is_closed_after_its_answer() {
    let peer = Peer::plain(Counter::default());
    peer.next(&[Manner::CloseAfter]);
    let mut stream = connect(&peer);
    assert!(exchange(&mut stream).unwrap().ends_with('}'));
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    peer.wait_until_closed();
}

#[test]
fn it_refuses_connections_and_takes_them_again() {
    let peer = Peer::plain(Counter::default());
    let mut kept = connect(&peer);
    assert!(exchange(&mut kept).is_ok());
    peer.refuse();
    let refused = TcpStream::connect(("127.0.0.1", peer.port())).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(exchange(&mut kept).is_ok(), "what is open stays");
    peer.take();
    assert!(exchange(&mut connect(&peer)).is_ok());
    assert_eq!((peer.psp().0, peer.connections()), (3, 2));
}

#[test]
fn what_is_no_http_is_not_answered() {
    let peer = Peer::plain(Counter::default());
    for wrong in [
        "GET / HTTP/1.0\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\nx",
    ] {
        let mut stream = connect(&peer);
        stream.write_all(wrong.as_bytes()).unwrap();
        // It may be reset: there is more than was read.
        assert!(stream.read(&mut [0]).map_or(true, |read| read == 0), "{wrong}");
    }
    assert_eq!(peer.psp().0, 0);
}

#[test]
fn behind_tls_it_shows_a_certificate_of_its_root() {
    let peer = Peer::tls(Counter::default());
    let exchanged = |roots: RootCertStore, name: &str| {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        exchange(&mut StreamOwned::new(client, connect(&peer)))
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(peer.root_pem().as_bytes()).unwrap()).unwrap();
    assert!(exchanged(roots.clone(), "localhost").unwrap().ends_with("{\"count\":1}"));
    assert!(exchanged(roots.clone(), "127.0.0.1").unwrap().ends_with("{\"count\":2}"));
    assert!(exchanged(roots.clone(), "other.example").is_err());
    let other = tls::made();
    let mut strange = RootCertStore::empty();
    strange.add(CertificateDer::from_pem_slice(other.root_pem.as_bytes()).unwrap()).unwrap();
    assert!(exchanged(strange, "localhost").is_err());
    // What it keeps is what stood behind TLS, and it counts its bytes.
    assert!(peer.has_seen(b"hello"));
    let connections = peer.connections();
    peer.next(&[Manner::ResetAfter(7)]);
    assert!(exchanged(roots, "localhost").is_err());
    assert_eq!(peer.seen()[connections], &REQUEST[..7]);
}
