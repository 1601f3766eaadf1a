//! The trail as a process sends it to several places at once.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use panvault_testkit::{LeakScan, canary_cards, http_send};
use serde_json::{Value, json};

use crate::cli::path;
use crate::serve::{Served, vault};
use crate::support::{run, run_json, secret_file, until};

/// Heads and bodies of the requests that came.
type Came = Arc<Mutex<(String, Vec<u8>)>>;

/// Takes whatever is posted.
fn collector() -> (u16, Came) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let came = Came::default();
    let kept = Arc::clone(&came);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            taken(stream, &kept);
        }
    });
    (port, came)
}

fn taken(mut stream: TcpStream, came: &Came) {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    let (head, length) = loop {
        let read = stream.read(&mut part).unwrap();
        assert!(read > 0, "the request is whole");
        request.extend_from_slice(&part[..read]);
        if let Some(at) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(request[..at].to_vec()).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let length: usize = length.parse().unwrap();
            request.drain(..at + 4);
            break (head, length);
        }
    };
    while request.len() < length {
        let read = stream.read(&mut part).unwrap();
        request.extend_from_slice(&part[..read]);
    }
    let mut came = came.lock().unwrap();
    came.0.push_str(&head);
    came.1.extend_from_slice(&request);
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
}

/// An assessor's key of age reads what is sent, and nothing else does; what is said without it names whose it is.
#[test]
fn what_is_sent_is_read_by_the_assessor_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (data, organisation, key) = vault(directory.path());
    let (port, came) = collector();
    let (file, identity, other) = (
        directory.path().join("trail.jsonl"),
        directory.path().join("identity"),
        directory.path().join("other"),
    );
    secret_file(
        &identity,
        "# of the assessor\nAGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33\n",
    );
    secret_file(&other, "AGE-SECRET-KEY-1XMWWC06LY3EE5RYTXM9MFLAZ2U56JJJ36S0MYPDRWSVLUL66MV4QX3S7F6\n");
    let assessor = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
    let set = [
        "listen=127.0.0.1:0".to_owned(),
        "metrics_listen=127.0.0.1:0".to_owned(),
        "log_format=json".to_owned(),
        format!("trail_file={}", file.display()),
        format!("trail_https=http://127.0.0.1:{port}/in"),
        format!("trail_recipients={assessor}"),
        "trail_checkpoint_seconds=1".to_owned(),
    ];
    let args: Vec<_> = set.iter().flat_map(|setting| ["--set", setting]).collect();
    let cards = canary_cards(0xa9e5, 5);
    // Twice: what the second process sends is behind what the first did, and signed with another key, for which the first vouches.
    for round in 0..2 {
        let (mut served, ready) =
            Served::start(directory.path(), &[&["--data", path(&data)], &args[..]].concat());
        let url = ready["url"].as_str().unwrap();
        for card in &cards {
            let body = json!({
                "card_number": card.number, "expiry_month": "12", "expiry_year": "2040", "organisation": organisation,
            });
            let headers = [("X-APIKEY", key.as_str()), ("Content-Type", "application/json")];
            let made = http_send(&format!("{url}/v1/card"), "POST", &headers, Some(&body.to_string()));
            assert_eq!(made.unwrap().status, 200);
        }
        if round == 0 {
            until("the first key has signed", || fs::metadata(&file).is_ok_and(|found| found.len() > 0));
            let rotate = ["key", "rotate", "trail_checkpoint", "--wait", "--json", "--data", path(&data)];
            assert_eq!(run_json(&rotate)["state"], json!("active"));
        }
        served.signal("-TERM");
        served.event("server.stopped");
        served.child.wait().unwrap();
    }
    let sent = directory.path().join("sent.jsonl");
    fs::write(&sent, &came.lock().unwrap().1).unwrap();
    let keys = run_json(&["audit", "key", "--json", "--data", path(&data)]);
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2, "{keys}");
    let first = keys["keys"].as_array().unwrap().iter().find(|key| key["version"] == 1);
    let public = first.unwrap()["public_key"].as_str().unwrap();
    let mut lasts = Vec::new();
    for export in [&file, &sent] {
        let text = fs::read_to_string(export).unwrap();
        assert!(!text.contains("card_create") && !text.contains(&organisation), "{text}");
        let args = ["audit", "verify", "--key", public, path(export)];
        let verified = run_json(&[&args[..], &["--identity", path(&identity), "--json"]].concat());
        assert_eq!(
            (&verified["verified"], &verified["plain_lines"]),
            (&json!(true), &json!(0)),
            "{verified}"
        );
        assert_eq!(verified["recipients"], json!([assessor]));
        lasts.push(verified["last"].clone());
        for wrong in [&[][..], &["--identity", path(&other)]] {
            let refused = run(&[&args[..], wrong].concat());
            let said = format!("line 1: the line is encrypted to {assessor}");
            assert!(!refused.status.success() && refused.out.contains(&said), "{}", refused.out);
            assert!(refused.out.contains("Give --identity FILE"), "{}", refused.out);
        }
    }
    assert_eq!(lasts[0], lasts[1], "both were given all of it");
    let scan = LeakScan::new(cards.iter().map(|card| card.number.as_str()));
    assert!(scan.scan_directory(directory.path()).unwrap().is_empty());
}

#[test]
fn several_destinations_are_given_the_trail_and_one_that_is_down_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let (data, organisation, key) = vault(directory.path());
    let (port, came) = collector();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (file, token) = (directory.path().join("trail.jsonl"), directory.path().join("token"));
    secret_file(&token, "a-token-of-the-collector");
    let set = [
        "listen=127.0.0.1:0".to_owned(),
        "metrics_listen=127.0.0.1:0".to_owned(),
        "log_format=json".to_owned(),
        format!("trail_file={}", file.display()),
        format!("trail_https=http://127.0.0.1:{port}/in"),
        format!("trail_https_token_file={}", token.display()),
        format!("trail_syslog=127.0.0.1:{free}"),
        "trail_checkpoint_seconds=1".to_owned(),
    ];
    let args: Vec<_> = set.iter().flat_map(|setting| ["--set", setting]).collect();
    let (mut served, ready) =
        Served::start(directory.path(), &[&["--data", path(&data)], &args[..]].concat());
    let url = ready["url"].as_str().unwrap();
    let cards = canary_cards(0x7a11, 20);
    for card in &cards {
        let body = json!({
            "card_number": card.number, "expiry_month": "12", "expiry_year": "2040", "organisation": organisation,
        });
        let headers = [("X-APIKEY", key.as_str()), ("Content-Type", "application/json")];
        let made = http_send(&format!("{url}/v1/card"), "POST", &headers, Some(&body.to_string())).unwrap();
        assert_eq!(made.status, 200, "{}", made.text);
    }
    let at = |status: &Value, name: &str| {
        let all = status["trail_destinations"].as_array().unwrap();
        all.iter().find(|one| one["name"] == json!(name)).unwrap().clone()
    };
    let status = || run_json(&["status", "--json", "--data", path(&data)]);
    until("what came has the cards, and the syslog server is missed", || {
        let status = status();
        let made = String::from_utf8(came.lock().unwrap().1.clone()).unwrap();
        made.matches("card_create").count() == cards.len() && at(&status, "syslog")["fault"].is_string()
    });
    let syslog = at(&status(), "syslog");
    assert_eq!(syslog["fault"], json!("it is not reached: it refuses connections, or no way leads to it"));
    assert!(syslog["records_behind"].as_u64() >= Some(20), "{syslog}");
    for name in ["file", "https"] {
        assert!(at(&status(), name).get("fault").is_none());
    }
    let said = run(&["status", "--data", path(&data)]).out;
    assert!(said.contains("https has all that is signed") && said.contains("syslog lacks"), "{said}");
    served.signal("-TERM");
    served.event("server.stopped");
    served.child.wait().unwrap();

    let (heads, lines) = came.lock().unwrap().clone();
    assert!(heads.starts_with("POST /in HTTP/1.1") && heads.contains("Bearer a-token-of-the-collector"));
    assert_eq!(fs::read(&file).unwrap(), lines, "both were given the same");
    let sent = directory.path().join("sent.jsonl");
    fs::write(&sent, &lines).unwrap();
    let keys = run_json(&["audit", "key", "--json", "--data", path(&data)]);
    let public = keys["keys"][0]["public_key"].as_str().unwrap();
    let verified = run_json(&["audit", "verify", "--json", "--key", public, path(&sent)]);
    assert_eq!((&verified["verified"], &verified["unproven"]), (&json!(true), &json!(0)), "{verified}");
    let log = fs::read_to_string(directory.path().join("log.json")).unwrap();
    assert_eq!(log.matches("trail.not_taken").count(), 1, "it is said once: {log}");
    assert!(!log.contains("a-token-of-the-collector"));

    let scan = LeakScan::new(cards.iter().map(|card| card.number.as_str()));
    assert!(
        scan.scan("what came", &lines).is_empty()
            && scan.scan_directory(directory.path()).unwrap().is_empty()
    );
    let control = [lines.as_slice(), cards[3].number.as_bytes()].concat();
    assert!(!scan.scan("what came", &control).is_empty(), "the positive control");
}

/// The bug: `panvault audit key` showed as the one that signs the key that signed when the header was last written. Its cause: it asked nobody but the header. Its cure: documents say which signs.
#[test]
fn the_key_that_signs_is_the_one_that_documents_call_active() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("vault");
    run_json(&["init", path(&data), "--mode", "test", "--json"]);
    let at = ["--json", "--data", path(&data)];
    let said = |words: &[&str]| run_json(&[words, &at].concat());
    let args = ["--data", path(&data), "--listen", "127.0.0.1:0", "--metrics-listen", ""];
    let served = Served::start(directory.path(), &args);
    said(&["organisation", "create", "--name", "Shop"]);
    said(&["key", "rotate", "trail_checkpoint"]);
    until("the next key signs", || {
        let keys = said(&["key", "inventory"])["vault"].as_array().unwrap().clone();
        keys.iter().any(|key| key["purpose"] == "trail_checkpoint" && key["state"] == "open_only")
    });
    let keys = || {
        let keys = said(&["audit", "key"])["keys"].as_array().unwrap().clone();
        keys.iter().map(|key| (key["version"].clone(), key["state"].clone())).collect::<Vec<_>>()
    };
    let expected = [(json!(2), json!("active")), (json!(1), json!("open_only"))];
    assert_eq!(keys(), expected);
    drop(served);
    assert_eq!(keys(), expected, "also where nobody serves it");
}
