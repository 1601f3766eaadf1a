//! A receiver beside the server is told, whatever becomes of the server's process.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Dev, assert_healthy, until};

/// Each connection with the body that came over it; it is not answered until somebody does.
fn receiver() -> (String, Receiver<(TcpStream, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?key=of-the-shop", listener.local_addr().unwrap());
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut part = [0; 1024];
            while !request.ends_with(b"}") {
                let read = stream.read(&mut part).unwrap();
                assert!(read > 0, "a request is whole");
                request.extend_from_slice(&part[..read]);
            }
            let request = String::from_utf8(request).unwrap();
            let (_, body) = request.split_once("\r\n\r\n").unwrap();
            if tell.send((stream, serde_json::from_str(body).unwrap())).is_err() {
                return;
            }
        }
    });
    (url, told)
}

#[test]
fn a_receiver_is_told_after_the_server_was_killed_while_it_told() {
    let directory = tempfile::tempdir().unwrap();
    let (url, told) = receiver();
    let next = || told.recv_timeout(Duration::from_secs(60)).expect("the receiver is told");
    let dev = Dev::start(directory.path(), &[]);
    let card = dev.make_card("4111111111111111", Some("111"));
    let mut body = dev.transaction_body(&card, 1_000);
    body["webhook_transaction_update"] = json!(url);
    let answer = dev.post("/v1/transaction", &body);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let (unanswered, first) = next();
    assert_eq!((&first["type"], &first["_id"]), (&json!("transaction"), &json!(answer.id())));
    assert_eq!(first["status"], "SETTLEMENT_REQUESTED");
    dev.kill();
    drop(unanswered);
    let data = directory.path().join("vault");
    assert_healthy(&data);
    let dev = Dev::start(directory.path(), &["--metrics-listen", "127.0.0.1:0"]);
    let (mut stream, again) = next();
    assert_eq!(again, first, "it is the same event");
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    drop(stream);
    let metrics = dev.ready["metrics_url"].as_str().unwrap().to_owned();
    let delivered = || {
        let page = panvault_testkit::http_send(&format!("{metrics}/metrics"), "GET", &[], None).unwrap().text;
        page.contains("panvault_webhooks_delivered_total 1\n")
            && page.contains("panvault_webhooks_waiting 0\n")
    };
    until("it is written that it was delivered", delivered);
    let log = std::fs::read_to_string(&dev.log).unwrap();
    assert!(!log.contains("of-the-shop"), "the shop's key is in no line: {log}");
    dev.stop();
    assert_healthy(&data);
}
