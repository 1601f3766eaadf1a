//! A receiver beside the server is told, whatever becomes of the server's process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Dev, assert_healthy, panvault, run, run_json, until};

/// A connection, and what came over it; it is not answered until somebody does.
pub(crate) struct Came {
    stream: TcpStream,
    head: String,
    text: String,
}

impl Came {
    pub(crate) fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn answer(mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    /// Whether a receiver that checks signatures with the library takes it.
    fn is_signed_with(&self, secret: &str) -> bool {
        let mut headers = http::HeaderMap::new();
        for line in self.head.lines().skip(1) {
            let (name, value) = line.split_once(": ").unwrap();
            let name: http::HeaderName = name.parse().unwrap();
            headers.insert(name, value.parse().unwrap());
        }
        let theirs = standardwebhooks::Webhook::new(secret).unwrap();
        assert!(theirs.verify(b"{}", &headers).is_err(), "the positive control");
        theirs.verify(self.text.as_bytes(), &headers).is_ok()
    }
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

pub(crate) fn receiver() -> (String, Receiver<Came>) {
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
            let (head, text) = request.split_once("\r\n\r\n").unwrap();
            let (head, text) = (head.to_owned(), text.to_owned());
            if tell.send(Came { stream, head, text }).is_err() {
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
    let unanswered = next();
    let first = unanswered.body();
    assert_eq!((&first["type"], &first["_id"]), (&json!("transaction"), &json!(answer.id())));
    assert_eq!(first["status"], "SETTLEMENT_REQUESTED");
    dev.kill();
    drop(unanswered);
    let data = directory.path().join("vault");
    assert_healthy(&data);
    let dev = Dev::start(directory.path(), &["--metrics-listen", "127.0.0.1:0"]);
    let again = next();
    assert_eq!(again.body(), first, "it is the same event");
    again.answer(OK);
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

/// Pays, and has this URL told.
fn paid(dev: &Dev, url: &str) -> String {
    let card = dev.make_card("4111111111111111", Some("111"));
    let mut body = dev.transaction_body(&card, 1_000);
    body["webhook_transaction_update"] = json!(url);
    let answer = dev.post("/v1/transaction", &body);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.id()
}

#[test]
fn a_message_is_signed_for_those_who_check_with_the_library_and_retried_by_command() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let data = dev.data.to_str().unwrap().to_owned();
    let account = dev.ready["account"].as_str().unwrap().to_owned();
    let secret = || {
        let ended = run(&["webhook", "secret", &account, "--data", &data]);
        assert!(ended.status.success(), "{}", ended.err);
        ended.out.trim().to_owned()
    };
    let (first, second) = (secret(), secret());
    let (url, told) = receiver();
    let next = || told.recv_timeout(Duration::from_secs(60)).expect("the receiver is told");
    let id = paid(&dev, &url);
    let came = next();
    assert!(came.is_signed_with(&first) && came.is_signed_with(&second), "{}", came.head);
    let event = came.body()["event"].as_str().unwrap().to_owned();
    let list = || run_json(&["webhook", "list", "--json", "--transaction", &id, "--data", &data])[0].clone();
    // An answer without an end is a success by its head, and is not read for ever.
    came.answer(&format!("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n{}", "x".repeat(100_000)));
    until("it is delivered", || list()["status"] == "DELIVERED");
    assert_eq!(run_json(&["webhook", "retry", &event, "--json", "--data", &data])["status"], "WAITING");
    let again = next();
    assert_eq!(again.body()["event"], json!(event));
    again.answer("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n");
    until("it is refused", || list()["fault"] == "REDIRECTED");
    let line = run(&["webhook", "list", "--data", &data]).out;
    assert!(
        line.contains(&event) && line.contains("REDIRECTED 302  next at") && !line.contains("of-the-shop"),
        "{line}"
    );
    dev.stop();
}

#[test]
fn the_receiver_for_trying_out_prints_what_arrives_and_checks_signatures() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let data = dev.data.to_str().unwrap().to_owned();
    let account = dev.ready["account"].as_str().unwrap().to_owned();
    let secret = run(&["webhook", "secret", &account, "--data", &data]).out;
    let file = directory.path().join("secret.txt");
    std::fs::write(&file, &secret).unwrap();
    let mut listening = panvault()
        .args(["webhook", "listen", "--json", "--listen", "127.0.0.1:0", "--secret-file"])
        .arg(&file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(listening.stdout.take().unwrap());
    let mut line = || {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert!(!line.contains(secret.trim()));
        serde_json::from_str::<Value>(&line).unwrap()
    };
    let url = line()["url"].as_str().unwrap().to_owned();
    let id = paid(&dev, &url);
    let told = line();
    assert_eq!(
        (&told["_id"], &told["type"], &told["status"], &told["signature"]),
        (&json!(id), &json!("transaction"), &json!("SETTLEMENT_REQUESTED"), &json!("right"))
    );
    // What anybody else sends is not printed.
    let forged = panvault_testkit::http_send(&url, "POST", &[], Some("4111111111111111")).unwrap();
    assert_eq!(forged.status, 200);
    let told = line();
    assert_eq!((&told["bytes"], &told["signature"], told.get("_id")), (&json!(16), &json!("none"), None));
    listening.kill().unwrap();
    listening.wait().unwrap();
    dev.stop();
    let refused = run(&["webhook", "listen", "--listen", "0.0.0.0:0"]);
    assert!(refused.err.contains("must be an address of this machine"), "{}", refused.err);
    std::fs::write(&file, "4111111111111111").unwrap();
    let refused = run(&["webhook", "listen", "--secret-file", file.to_str().unwrap()]);
    assert!(refused.err.contains("holds no secret") && !refused.err.contains("4111"), "{}", refused.err);
}
