//! Answers that are long, and readers that do not read them.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use panvault_server::ServerSettings;
use serde_json::json;

use crate::support::{Server, card_body, transaction_body};

/// A server that holds 16 MiB of long answers at a time, whose parent has so many transactions of 8 KiB each.
fn server(transactions: usize) -> Server {
    let settings = ServerSettings { answers_bytes_max: 16 << 20, ..ServerSettings::default() };
    let server = Server::start_with(settings, None);
    let card = server.make_card(&server.parent, None);
    let mut body = transaction_body(&server.parent, &card, 1099);
    body["pares"] = json!("P".repeat(8192));
    for _ in 0..transactions {
        let made = server.post(&server.parent.key, "/v1/transaction", &body);
        assert_eq!(made.status, 200, "{}", made.text);
    }
    server
}

/// The bug: a list could be as long as its rows made it, 8 MiB and more, and all of it was made and kept. Its cause: only rows were counted.
/// Its cure: an answer holds so many bytes; what is longer is refused, never cut.
#[test]
fn a_list_that_would_be_too_long_says_to_ask_for_fewer() {
    let server = server(520);
    let key = &server.parent.key;
    let refused = server.get(key, "/v1/transaction?_limit=1000");
    refused.fails(400, 107);
    let said = &refused.json()["details"]["query._limit"];
    assert_eq!(said, &json!("asks for more than an answer holds, 4 MiB; ask for fewer rows"));
    let taken = server.get(key, "/v1/transaction?_limit=440");
    assert_eq!(taken.status, 200);
    assert_eq!(taken.json().as_array().unwrap().len(), 440);
    assert_eq!(taken.header("x-total-count"), Some("520"));
}

/// Asks, and reads the head of the answer only: its status, and the connection.
fn ask_and_leave(server: &Server, key: &str, path: &str) -> (u16, BufReader<TcpStream>) {
    let mut stream = TcpStream::connect(server.address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nX-APIKEY: {key}\r\n\r\n").unwrap();
    // As few bytes as are there with it.
    let mut reader = BufReader::with_capacity(16, stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    (line[9..12].parse().unwrap(), reader)
}

/// The bug: sixty readers that did not read took 713 MiB. Its cause: nothing counted what answers were kept. Its cure: they share a room,
/// of which one organisation gets half; who finds none is told to come again, and nothing was done.
#[test]
fn readers_that_do_not_read_take_so_much_and_leave_room_for_others() {
    let server = server(430);
    let mut body = card_body(&server.stranger);
    body["metadata"] = json!({ "a": "m".repeat(500), "b": "m".repeat(500), "c": "m".repeat(500) });
    for _ in 0..40 {
        assert_eq!(server.post(&server.stranger.key, "/v1/card", &body).status, 200);
    }
    let (key, path) = (server.parent.key.as_str(), "/v1/transaction?_limit=430");
    let mut left = Vec::new();
    let refused = (0..10).find_map(|_| {
        let (status, reader) = ask_and_leave(&server, key, path);
        left.push(reader);
        (status != 200).then_some(status)
    });
    assert_eq!((refused, left.len()), (Some(503), 3), "two of 3.8 MiB are half of the room");
    let refused = server.get(key, path);
    refused.fails(503, 144);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(refused.json()["details"]["answer"].as_str().unwrap().contains("still being read"));
    assert_eq!(server.get(key, "/v1/transaction?_limit=2").status, 200, "short ones need no room");
    let others = server.get(&server.stranger.key, "/v1/card");
    assert_eq!(others.status, 200);
    assert!(others.text.len() > 64 << 10, "{}", others.text.len());
    let metrics = crate::support::send(&format!("http://{}/metrics", server.metrics), "GET", &[], None).text;
    assert!(metrics.contains("panvault_answers_refused_total 2\n"), "{metrics}");
    drop(left);
    while server.get(key, path).status != 200 {
        std::thread::yield_now();
    }
    let held = || {
        let metrics =
            crate::support::send(&format!("http://{}/metrics", server.metrics), "GET", &[], None).text;
        !metrics.contains("panvault_answers_bytes 0\n")
    };
    while held() {
        std::thread::yield_now();
    }
}
