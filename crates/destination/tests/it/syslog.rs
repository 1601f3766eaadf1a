use core::time::Duration;
use std::net::TcpListener;

use panvault_destination::{Fault, Syslog, SyslogAddress, TimeOuts, Tls};

use crate::server::{Authority, Manner, Server};

const PATIENT: TimeOuts = TimeOuts { connect: Duration::from_secs(60), send: Duration::from_secs(120) };
/// What does not answer is waited for as long as this.
const SHORT: TimeOuts = TimeOuts { connect: Duration::from_secs(60), send: Duration::from_millis(500) };

fn syslog(port: u16, tls: Tls, time_outs: TimeOuts) -> Syslog {
    let address = SyslogAddress::parse(&format!("127.0.0.1:{port}")).unwrap();
    Syslog::new(address, tls, "node-1", time_outs)
}

fn lines(count: usize) -> Vec<u8> {
    let line =
        |n| format!("{{\"type\":\"record\",\"sequence\":{n},\"created_at\":\"2026-11-28T00:00:00.000Z\"}}\n");
    (1..=count).map(line).collect::<String>().into_bytes()
}

/// The lines that a server reads of frames that are counted in octets, as RFC 5425 has it.
fn unframed(mut bytes: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    while let Some(space) = bytes.iter().position(|byte| *byte == b' ') {
        let length: usize = core::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
        let (message, rest) = bytes[space + 1..].split_at(length);
        let head = b"<109>1 2026-11-28T00:00:00.000Z node-1 panvault - record - ";
        lines.extend_from_slice(message.strip_prefix(head).unwrap());
        lines.push(b'\n');
        bytes = rest;
    }
    lines
}

#[tokio::test]
async fn lines_arrive_as_messages_of_their_length() {
    let authority = Authority::new();
    for manner in [Manner::Read, Manner::ReadAndDrop] {
        let server = Server::start(manner, Some(authority.serves("127.0.0.1", false))).await;
        let syslog = syslog(server.port, authority.tls(), PATIENT);
        // More than the buffers between the two hold.
        let lines = lines(20_000);
        assert_eq!(syslog.send(&lines).await, Ok(()));
        assert_eq!(unframed(&server.came()), lines);
        // What is sent again is the same to the byte.
        let once = server.came();
        assert_eq!(syslog.send(&lines).await, Ok(()));
        assert_eq!(server.came(), [once.as_slice(), once.as_slice()].concat());
    }
}

#[tokio::test]
async fn who_ends_the_connection_early_has_taken_nothing() {
    let authority = Authority::new();
    for cut in [0, 1, 100, 10_000] {
        let server = Server::start(Manner::Cut(cut), Some(authority.serves("127.0.0.1", false))).await;
        let sent = syslog(server.port, authority.tls(), PATIENT).send(&lines(100_000)).await;
        assert!(matches!(sent, Err(Fault::Unreached(_))), "{cut}: {sent:?}");
    }
}

#[tokio::test]
async fn who_reads_nothing_is_given_up_after_a_while() {
    let authority = Authority::new();
    let server = Server::start(Manner::Hang, Some(authority.serves("127.0.0.1", false))).await;
    for count in [1, 200_000] {
        let sent = syslog(server.port, authority.tls(), SHORT).send(&lines(count)).await;
        assert_eq!(sent, Err(Fault::TimedOut), "{count}");
    }
    // Nor does one that says nothing at all, not even for TLS.
    let server = Server::start(Manner::Hang, None).await;
    assert_eq!(syslog(server.port, authority.tls(), SHORT).send(b"{}\n").await, Err(Fault::TimedOut));
}

#[tokio::test]
async fn who_writes_to_us_without_end_is_left() {
    let authority = Authority::new();
    let server = Server::start(Manner::Talk, Some(authority.serves("127.0.0.1", false))).await;
    let sent = syslog(server.port, authority.tls(), PATIENT).send(&lines(100_000)).await;
    assert_eq!(sent, Err(Fault::Unreached("it is no syslog server: it says more than one does")));
}

#[tokio::test]
async fn a_server_that_is_not_the_one_that_is_meant_gets_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    let elsewhere = Server::start(Manner::Read, Some(other.serves("127.0.0.1", false))).await;
    let named = Server::start(Manner::Read, Some(authority.serves("logs.example", false))).await;
    let plain = Server::start(Manner::Answer("HTTP/1.1 400 Bad Request\r\n\r\n"), None).await;
    for (server, said) in [
        (
            &elsewhere,
            "its certificate is of an issuer that is not trusted: name its authority in the settings",
        ),
        (&named, "its certificate is for another name"),
    ] {
        let sent = syslog(server.port, authority.tls(), PATIENT).send(&lines(1)).await;
        assert_eq!(sent, Err(Fault::Unreached(said)));
        assert_eq!(server.came(), b"");
    }
    let public = Tls { ca_file: None, ..authority.tls() };
    assert!(syslog(named.port, public, PATIENT).send(&lines(1)).await.is_err());
    let sent = syslog(plain.port, authority.tls(), SHORT).send(&lines(1)).await;
    assert!(sent.is_err() && !plain.came().windows(6).any(|window| window == b"record"), "{sent:?}");
    // With the name that it has, it is.
    let tls = Tls { server_name: Some("logs.example".to_owned()), ..authority.tls() };
    assert_eq!(syslog(named.port, tls, PATIENT).send(&lines(1)).await, Ok(()));
    assert_eq!(unframed(&named.came()), lines(1));
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = Fault::Unreached("it refuses connections, or no way leads to it");
    assert_eq!(syslog(free, authority.tls(), PATIENT).send(&lines(1)).await, Err(refused));
}

#[tokio::test]
async fn a_server_that_asks_who_is_there_is_told() {
    let authority = Authority::new();
    let server = Server::start(Manner::Read, Some(authority.serves("127.0.0.1", true))).await;
    let (certificate, key) = authority.made_for("vault.example");
    let tls = Tls { client: Some((certificate.clone(), key.clone())), ..authority.tls() };
    assert_eq!(syslog(server.port, tls, PATIENT).send(&lines(2)).await, Ok(()));
    assert_eq!(unframed(&server.came()), lines(2));
    let sent = syslog(server.port, authority.tls(), PATIENT).send(&lines(100_000)).await;
    assert!(matches!(sent, Err(Fault::Unreached(_))), "{sent:?}");
    assert_eq!(unframed(&server.came()), lines(2), "nothing more came");
    // Files that do not belong together, or are none, are said by name.
    let (_, other) = authority.made_for("other.example");
    for (client, said) in [
        ((certificate.clone(), other), "is not the certificate of the key beside it"),
        ((key.clone(), key), "has no certificate in it"),
        ((authority.file("none"), certificate.clone()), "cannot be read"),
        ((certificate.clone(), certificate), "can be read by others"),
    ] {
        let tls = Tls { client: Some(client), ..authority.tls() };
        match syslog(server.port, tls, PATIENT).send(&lines(1)).await {
            Err(Fault::File(what)) => assert!(what.contains(said), "{what}"),
            sent => panic!("{sent:?}"),
        }
    }
}
