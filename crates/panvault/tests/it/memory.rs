//! What the memory of the process holds when nothing is under way.

use std::io::Write;
use std::net::TcpStream;

use panvault_testkit::{CanaryCard, LeakScan, canary_cards, http_send};
use serde_json::{Value, json};

use crate::support::{Dev, until};

const CARDS: usize = 1_000;

/// Buffers of closed connections held the last request's CVV and API key until the allocator gave them to somebody else, long
/// past the CVV's end: the libraries for HTTP and TLS do not wipe what they free. The allocator does, for all of the process.
#[test]
fn an_idle_process_holds_no_card_number_cvv_or_api_key() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    // Another key than the one that `dev` has printed: what is shown on a terminal stays in its buffer.
    let made = dev.post(
        "/v1/apikey",
        &json!({ "name": "till", "roles": ["MerchantUser", "MerchantCashier"], "organisation": dev.organisation }),
    );
    assert_eq!(made.status, 200, "{}", made.text);
    let key: String =
        serde_json::from_str::<Value>(&made.text).unwrap()["api_key"].as_str().unwrap().to_owned();
    let cards = canary_cards(0x3e3, CARDS);
    std::thread::scope(|scope| {
        for cards in cards.chunks(CARDS / 4) {
            let (dev, key) = (&dev, &key);
            scope.spawn(move || cards.iter().for_each(|card| pay(dev, key, card)));
        }
    });
    let scan = LeakScan::new(cards.iter().map(|card| card.number.as_str()));
    // As they are written in a request; and the ends of the key, for an allocator may write over its beginning.
    let cvvs: Vec<String> = cards.iter().map(|card| format!("\"cvv\":\"{}\"", card.cvv)).collect();
    let mut secrets: Vec<&str> = vec![&key[..24], &key[key.len() - 24..]];
    secrets.extend(cvvs.iter().take(20).map(String::as_str));
    let found = || scan.scan_process(dev.process(), &secrets);
    if let Err(error) = found() {
        eprintln!("skipped: reading the memory of a process needs root ({error})");
        return;
    }

    // A control: what is in memory is found. A body of which the end has not been sent is there.
    let number = &cards[0].number;
    let mut half = TcpStream::connect(dev.url.trim_start_matches("http://")).unwrap();
    let head =
        "POST /v1/card HTTP/1.1\r\nHost: vault\r\nContent-Type: application/json\r\nContent-Length: 200\r\n";
    write!(half, "{head}X-APIKEY: {key}\r\n\r\n{{\"cvv\":\"{}\",\"card_number\":\"{number}\"", cards[0].cvv)
        .unwrap();
    until("the half of a request is found", || found().unwrap().len() >= 3);
    drop(half);

    until("the connections are closed, and memory holds nothing", || found().unwrap().is_empty());
}

/// Makes a card and pays with it, each over a connection of its own.
fn pay(dev: &Dev, key: &str, card: &CanaryCard) {
    let send = |path: &str, body: &Value| {
        let headers =
            [("X-APIKEY", key), ("Content-Type", "application/json"), ("Idempotency-Key", &card.number[6..])];
        let answer =
            http_send(&format!("{}{path}", dev.url), "POST", &headers, Some(&body.to_string())).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer
    };
    let mut body = dev.card_body(&card.number);
    body["cvv"] = json!(card.cvv);
    let id = send("/v1/card", &body).id();
    send("/v1/transaction", &dev.transaction_body(&id, 1099));
}
