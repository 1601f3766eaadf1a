//! All of a list as CSV, page by page.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use panvault_model::Role;
use panvault_server::ServerSettings;
use panvault_testkit::HttpAnswer;
use serde_json::json;

use crate::support::{Server, card_body, send, transaction_body};

const CSV: (&str, &str) = ("accept", "text/csv");

fn csv(server: &Server, path: &str) -> HttpAnswer {
    server.send("GET", path, &[("x-apikey", &server.parent.key), CSV], None)
}

/// The ids of the lines behind the first.
fn ids(answer: &HttpAnswer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut lines = answer.text.lines();
    assert!(lines.next().unwrap().starts_with("_id,organisation,"));
    lines.map(|line| line.split(',').next().unwrap().to_owned()).collect()
}

/// A server whose parent has so many cards, of which every third is one of another scheme; the ids, newest first.
fn with_cards(count: usize) -> (Server, Vec<String>) {
    let settings = ServerSettings { list_examined_max: 50, ..ServerSettings::default() };
    let server = Server::start_with(settings, None);
    let numbers = ["4111111111111111", "5555555555554444", "4111111111111111"];
    let mut made: Vec<String> = (0..count)
        .map(|n| {
            server.clock.pass_millis(1);
            let mut body = card_body(&server.parent);
            body["card_number"] = json!(numbers[n % 3]);
            server.post(&server.parent.key, "/v1/card", &body).id()
        })
        .collect();
    made.reverse();
    (server, made)
}

/// The bug: a list as CSV was its first hundred rows, and nothing said so to who opened the file. Its cause: it was the page of JSON in other
/// words. Its cure: without `_limit` it is all of the list.
#[test]
fn a_table_has_every_row() {
    let (server, made) = with_cards(1_203);
    let theirs = server.make_card(&server.stranger, None);
    let all = csv(&server, "/v1/card");
    assert_eq!(ids(&all), made);
    assert_eq!(all.text.matches("_id,").count(), 1, "the names of the columns stand in the first line alone");
    assert_eq!(all.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(all.header("content-disposition"), Some("attachment; filename=\"card.csv\""));
    assert_eq!(all.header("content-length"), None);
    assert_eq!(all.header("x-total-count"), None, "how many there are by the end nobody knows");
    assert!(!all.text.contains(&theirs));
    for (path, expected) in [
        ("/v1/card?_sort=-created_at".to_owned(), &made[..]),
        ("/v1/card?_skip=3".to_owned(), &made[3..]),
        (format!("/v1/card?_after={}", made[600]), &made[601..]),
        (format!("/v1/card?_after={}&_skip=2", made[600]), &made[603..]),
        ("/v1/card?_limit=2".to_owned(), &made[..2]),
        ("/v1/card?_populate=organisation".to_owned(), &made[..]),
    ] {
        assert_eq!(ids(&csv(&server, &path)), expected, "{path}");
    }
    // Of what has no index, and is far between: a page examines so much and no more, and the next goes on from there.
    let some: Vec<_> = made.iter().rev().skip(1).step_by(3).rev().cloned().collect();
    assert_eq!(ids(&csv(&server, "/v1/card?brand=MASTERCARD")), some);
    server.get(&server.parent.key, "/v1/card?brand=MASTERCARD").fails(400, 110);
    assert_eq!(ids(&csv(&server, "/v1/card?brand=MASTERCARD&_skip=30")), some[30..]);
    assert_eq!(ids(&csv(&server, "/v1/card?brand=AMEX")), [""; 0]);
    // Many parts of the list have nothing of it.
    let oldest = made.last().unwrap();
    let card = server.get(&server.parent.key, &format!("/v1/card/{oldest}")).json();
    let until = card["updated_at"].as_str().unwrap();
    assert_eq!(ids(&csv(&server, &format!("/v1/card?updated_at%3C={until}"))), [oldest.as_str()]);
    assert_eq!(csv(&server, "/v1/card?_limit=2").header("x-total-count"), Some("1203"));
}

/// Every list has its end, also where it has the rows of a page and no more.
#[test]
fn every_list_is_streamed_to_its_end() {
    let (server, made) = with_cards(500);
    assert_eq!(ids(&csv(&server, "/v1/card")), made);
    for path in
        ["/v1/transaction", "/v1/refund", "/v1/customer", "/v1/account", "/v1/processor", "/v1/apikey"]
    {
        let rows = server.get(&server.parent.key, path).json();
        let expected: BTreeSet<_> =
            rows.as_array().unwrap().iter().map(|row| row["_id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids(&csv(&server, path)).into_iter().collect::<BTreeSet<_>>(), expected, "{path}");
    }
    let trail = csv(&server, "/v1/audit");
    assert_eq!((trail.status, trail.text.lines().count()), (200, 101), "it is a page");
}

#[test]
fn what_cannot_be_streamed_is_asked_for_in_parts() {
    let (server, made) = with_cards(3);
    for path in ["/v1/card?_sort=last_four", "/v1/card?_sort=created_at", "/v1/card?_sort-=last_four"] {
        let refused = csv(&server, path);
        refused.fails(400, 107);
        assert!(
            refused.json()["details"]["query._sort"].as_str().unwrap().contains("_limit"),
            "{}",
            refused.text
        );
        assert_eq!(csv(&server, &format!("{path}&_limit=3")).text.lines().count(), 4, "{path}");
    }
    csv(&server, "/v1/card?_after=x&colour=red&_sort=bin").fails(400, 127);
    csv(&server, &format!("/v1/card?organisation={}", server.stranger.organisation)).fails(404, 109);
    let mut stream = TcpStream::connect(server.address).unwrap();
    let key = &server.parent.key;
    write!(stream, "GET /v1/card HTTP/1.0\r\nX-APIKEY: {key}\r\nAccept: text/csv\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.contains(" 400 ") && answer.contains("HTTP/1.0") && !answer.contains(&made[0]),
        "{answer}"
    );
}

/// A server with more transactions of 8 KiB than an answer holds, or than a connection does.
fn with_long_ones() -> Server {
    let settings = ServerSettings { answers_bytes_max: 16 << 20, ..ServerSettings::default() };
    let server = Server::start_with(settings, None);
    let card = server.make_card(&server.parent, None);
    let mut body = transaction_body(&server.parent, &card, 1099);
    body["pares"] = json!("P".repeat(8192));
    for _ in 0..1_100 {
        assert_eq!(server.post(&server.parent.key, "/v1/transaction", &body).status, 200);
    }
    server
}

/// Asks for all transactions, and reads nothing but the first line of the answer.
fn asked(server: &Server, key: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(server.address).unwrap();
    write!(stream, "GET /v1/transaction HTTP/1.1\r\nHost: x\r\nAccept: text/csv\r\nConnection: close\r\nX-APIKEY: {key}\r\n\r\n")
        .unwrap();
    let mut reader = BufReader::with_capacity(16, stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.contains(" 200 "), "{line}");
    reader
}

fn metric(server: &Server, name: &str) -> usize {
    let metrics = send(&format!("http://{}/metrics", server.metrics), "GET", &[], None).text;
    let line = metrics.lines().find(|line| line.starts_with(name)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_stream_waits_for_its_reader_and_ends_where_it_may_go_no_further() {
    let server = with_long_ones();
    let role = [Role::MerchantCashier];
    let key = server.make_key(&server.parent, &role);
    // The control: what ends well is whole, though no page of 500 fits an answer.
    let mut whole = Vec::new();
    let mut reader = asked(&server, &key);
    while !whole.ends_with(b"\r\n0\r\n\r\n") {
        let bytes = reader.fill_buf().unwrap();
        assert!(!bytes.is_empty(), "cut");
        whole.extend_from_slice(bytes);
        let count = bytes.len();
        reader.consume(count);
    }
    let rows = |bytes: &[u8]| bytes.windows(9).filter(|window| *window == b"PPPPPPPP,").count();
    assert_eq!(rows(&whole), 1_100);
    // One who does not read has a page held for it, and nothing goes on.
    let waiting = asked(&server, &key);
    let mut cut = asked(&server, &key);
    let held = metric(&server, "panvault_answers_bytes");
    assert!(held > 0 && held <= 8 << 20, "{held}");
    drop(waiting);
    // One whose key is revoked gets what was read for it before, and no end.
    server.revoke_key_with(&role);
    let mut part = Vec::new();
    drop(cut.read_to_end(&mut part));
    assert!(!part.ends_with(b"0\r\n\r\n"), "it passes for whole");
    assert!(rows(&part) > 0 && rows(&part) < 1_100, "{}", rows(&part));
    while metric(&server, "panvault_answers_bytes") > 0 {
        std::thread::yield_now();
    }
}

/// The bug: a page for which there was no room waited with all its bytes, in nobody's account, for ten seconds, of as many streams as there were; each time
/// that it found none was counted as an answer refused; and it waited for a client that had gone, too. Its cause: the page was made first. Its cure: it is
/// made once there is room for it, and what is given up is counted.
#[test]
fn a_stream_waits_for_room_with_nothing_and_for_nobody_who_has_gone() {
    let settings = ServerSettings { answers_bytes_max: 16 << 20, ..ServerSettings::default() };
    let server = Server::start_with(settings, None);
    let card = server.make_card(&server.parent, None);
    let mut body = transaction_body(&server.parent, &card, 1099);
    body["pares"] = json!("P".repeat(8192));
    // The first page of 500 is short, and those behind it are long.
    for n in 0..940 {
        if n == 440 {
            server.clock.pass_millis(1_000);
            body["pares"] = json!("P");
        }
        assert_eq!(server.post(&server.parent.key, "/v1/transaction", &body).status, 200);
    }
    let key = &server.parent.key;
    let unread: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            let path = "/v1/transaction?_skip=500&_limit=440";
            write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nX-APIKEY: {key}\r\n\r\n").unwrap();
            let mut reader = BufReader::with_capacity(16, stream);
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            assert!(line.contains(" 200 "), "{line}");
            reader
        })
        .collect();
    // Both take their first page, and wait for the next.
    let [mut waiting, gone] = [(); 2].map(|()| {
        let mut reader = asked(&server, key);
        for _ in 0..500 {
            let mut line = String::new();
            while !line.contains(",P,") {
                line.clear();
                assert!(reader.read_line(&mut line).unwrap() > 0, "cut");
            }
        }
        reader
    });
    let connections = metric(&server, "panvault_connections ");
    drop(gone);
    while metric(&server, "panvault_connections ") >= connections {
        std::thread::yield_now();
    }
    assert_eq!(metric(&server, "panvault_answers_refused_total"), 0, "it may still find room");
    let held = metric(&server, "panvault_answers_bytes");
    let mut part = Vec::new();
    drop(waiting.read_to_end(&mut part));
    assert!(!part.ends_with(b"0\r\n\r\n"), "it passes for whole");
    assert!(held < 8 << 20, "{held}");
    assert_eq!(metric(&server, "panvault_answers_refused_total"), 1, "it was given up once");
    drop(unread);
}
