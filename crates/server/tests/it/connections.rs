//! Connections: slow senders, idle ones, too many, and an orderly end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use panvault_server::ServerSettings;

use crate::support::{Server, card_body};

fn short() -> ServerSettings {
    ServerSettings {
        header_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(300),
        ..ServerSettings::default()
    }
}

/// Everything that the server says until it closes the connection.
fn to_the_end(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn head(server: &Server, length: usize, more: &str) -> String {
    format!(
        "POST /v1/card HTTP/1.1\r\nHost: x\r\nX-APIKEY: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{more}\r\n",
        server.parent.key
    )
}

#[test]
fn a_head_that_does_not_arrive_ends_the_connection() {
    let server = Server::start_with(short(), None);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(b"POST /v1/card HTTP/1.1\r\nHost: ").unwrap();
    let said = to_the_end(stream);
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let server = Server::start_with(short(), None);
    assert_eq!(to_the_end(TcpStream::connect(server.address).unwrap()), "");
    // Also one that has had its answer.
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let said = to_the_end(stream);
    assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("{\"status\":\"ok\"}"), "{said}");
}

#[test]
fn a_body_that_does_not_arrive_is_refused() {
    let server = Server::start_with(short(), None);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(head(&server, 100, "").as_bytes()).unwrap();
    stream.write_all(b"{\"card_number\":\"4111").unwrap();
    let said = to_the_end(stream);
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
    assert!(said.contains("\"code\":148") && !said.contains("4111"), "{said}");
}

#[test]
fn a_body_that_is_said_to_be_huge_is_refused_before_it_comes() {
    let server = Server::start();
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(head(&server, 1 << 40, "Connection: close\r\n").as_bytes()).unwrap();
    let said = to_the_end(stream);
    assert!(said.starts_with("HTTP/1.1 413"), "{said}");
    // Also one that does not say how long it will be.
    let mut stream = TcpStream::connect(server.address).unwrap();
    let chunked = head(&server, 0, "Transfer-Encoding: chunked\r\n").replace("Content-Length: 0\r\n", "");
    stream.write_all(chunked.as_bytes()).unwrap();
    for _ in 0..17 {
        // The server may have closed already.
        drop(stream.write_all(format!("400\r\n{}\r\n", " ".repeat(1024)).as_bytes()));
    }
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
}

#[test]
fn a_head_that_is_too_large_or_ambiguous_is_refused() {
    let server = Server::start();
    let many: String = (0..100).map(|n| format!("X-{n}: y\r\n")).collect();
    let large = format!("X-Large: {}\r\n", "y".repeat(40_000));
    let twice = "Content-Length: 5\r\n".to_owned();
    let both = "Transfer-Encoding: chunked\r\n".to_owned();
    for (what, more) in [("many", many), ("large", large), ("two lengths", twice), ("two ways", both)] {
        let mut stream = TcpStream::connect(server.address).unwrap();
        let body = card_body(&server.parent).to_string();
        // The server may close before all is written.
        drop(stream.write_all(head(&server, body.len(), &format!("{more}Connection: close\r\n")).as_bytes()));
        drop(stream.write_all(body.as_bytes()));
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut start = [0; 10];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 4", "{what}");
    }
}

#[test]
fn further_connections_than_allowed_are_closed_and_the_rest_served() {
    let settings = ServerSettings { connections_max: 2, ..short() };
    let server = Server::start_with(settings, None);
    let request =
        format!("GET /v1/card/count HTTP/1.1\r\nHost: x\r\nX-APIKEY: {}\r\n\r\n", server.parent.key);
    let ask = |stream: &mut TcpStream| {
        // The server may have closed already.
        drop(stream.write_all(request.as_bytes()));
        let mut start = [0; 12];
        stream.read_exact(&mut start).is_ok() && &start == b"HTTP/1.1 200"
    };
    let mut kept: Vec<_> = (0..2).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    assert!(kept.iter_mut().all(ask));
    // Who says nothing is closed without a word; see also `unread.rs`.
    assert_eq!(to_the_end(TcpStream::connect(server.address).unwrap()), "");
    drop(kept);
    // Room is made as the server notices.
    let again = (0..200).any(|_| ask(&mut TcpStream::connect(server.address).unwrap()));
    assert!(again);
}

/// A request that is under way when the server is told to stop is answered; a new connection is refused.
#[test]
fn a_running_request_ends_before_the_server_does() {
    let mut server = Server::start();
    let body = card_body(&server.parent).to_string();
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(head(&server, body.len(), "Expect: 100-continue\r\n").as_bytes()).unwrap();
    // The server asks for the body: the request is under way.
    let mut start = [0; 21];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 100 Continue");
    server.begin_stop();
    while TcpStream::connect(server.address).is_ok() {
        std::thread::yield_now();
    }
    stream.write_all(body.as_bytes()).unwrap();
    let said = to_the_end(stream);
    assert!(said.contains("HTTP/1.1 200 OK"), "{said}");
    assert_eq!(server.ended().cut_off, 0);
}

#[test]
fn a_request_that_never_ends_is_cut_off() {
    let settings = ServerSettings { stop_grace: Duration::from_millis(200), ..ServerSettings::default() };
    let mut server = Server::start_with(settings, None);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(head(&server, 100, "Expect: 100-continue\r\n").as_bytes()).unwrap();
    stream.read_exact(&mut [0; 21]).unwrap();
    server.begin_stop();
    assert_eq!(server.ended().cut_off, 1);
}

/// A client that sent its whole request and closed its side got no answer.
#[test]
fn a_client_that_closes_its_side_gets_its_answer() {
    let server = Server::start();
    let body = card_body(&server.parent).to_string();
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(head(&server, body.len(), "Connection: close\r\n").as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let said = to_the_end(stream);
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
}

/// RFC 9112, section 3.2: none or two were taken.
#[test]
fn a_request_names_its_host_once() {
    let server = Server::start();
    for (hosts, status) in [("", "400"), ("Host: a\r\nHost: b\r\n", "400"), ("Host: a\r\n", "200")] {
        let mut stream = TcpStream::connect(server.address).unwrap();
        let key = &server.parent.key;
        let head = format!("GET /v1/card HTTP/1.1\r\n{hosts}X-APIKEY: {key}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let said = to_the_end(stream);
        assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{hosts}: {said}");
    }
}
