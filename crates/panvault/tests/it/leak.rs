//! The canary scan: a thousand card numbers go through every endpoint, in every field and in every wrong place; afterwards
//! nothing that the vault wrote or said holds any of them.

use std::fs;
use std::io::Write;
use std::path::Path;

use panvault_testkit::{CanaryCard, HttpAnswer, LeakScan, SyslogServer, canary_cards, http_send};
use serde_json::json;

use crate::cli::path;
use crate::serve::Served;
use crate::support::{Dev, run, run_json, until};

const CARDS: usize = 1_200;
/// Of which so many are in an increment.
const INCREMENT_CARDS: usize = 100;

#[test]
fn nothing_that_was_written_or_said_holds_a_card_number_or_a_cvv() {
    let directory = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let dev = Dev::start(directory.path(), &["--log-level", "trace", "--metrics-listen", &free]);
    let cards = canary_cards(0xca4d, CARDS);
    let mut said = Vec::new();
    std::thread::scope(|scope| {
        let dev = &dev;
        let sending: Vec<_> = cards
            .chunks(CARDS / 4)
            .map(|cards| {
                scope.spawn(move || {
                    let mut said = Vec::new();
                    for (at, card) in cards.iter().enumerate() {
                        live(dev, at, card, &mut |answer| keep(&answer, &mut said));
                    }
                    said
                })
            })
            .collect();
        for sender in sending {
            said.extend(sender.join().unwrap());
        }
    });
    for path in [
        "/v1/card?_limit=1000",
        "/v1/transaction?_limit=1000",
        "/v1/refund",
        "/v1/webhook_delivery?_limit=1000",
        "/readyz",
        "/nowhere",
    ] {
        keep(&dev.get(path), &mut said);
    }
    let metrics = http_send(&format!("http://{free}/metrics"), "GET", &[], None).unwrap();
    assert!(metrics.text.contains("operation=\"card_create\",status=\"200\""));
    keep(&metrics, &mut said);

    let scan = LeakScan::new(cards.iter().map(|card| card.number.as_str()));
    assert!(scan.scan("answers", &said).is_empty(), "an answer has a number");
    let clean = |when: &str| {
        let leaks = scan.scan_directory(directory.path()).unwrap();
        assert!(
            leaks.is_empty(),
            "{when}: {}",
            leaks.iter().map(|leak| format!("{leak}\n")).collect::<String>()
        );
    };
    let backups = directory.path().join("backups");
    let key = format!("slot_key_file={}", dev.data.join("slot.key").display());
    let backup = run_json(&["backup", path(&backups), "--data", path(&dev.data), "--set", &key, "--json"]);
    assert!(
        backup["path"].as_str().unwrap().starts_with(path(&backups)),
        "what is scanned has a backup in it"
    );
    let restored = directory.path().join("restored");
    let of = backup["path"].as_str().unwrap();
    run_json(&["restore", of, "--data", path(&restored), "--set", &key, "--json"]);
    assert!(restored.join("log").is_dir(), "and what was restored of it");
    clean("while it runs");
    dev.kill();
    clean("killed");
    let dev = Dev::start(directory.path(), &["--log-level", "trace"]);
    let (organisation, api_key) = (dev.organisation.clone(), dev.key.clone());
    dev.stop();
    clean("stopped");
    let send = |url: &str, card: &CanaryCard| {
        let body = json!({
            "card_number": card.number, "cvv": card.cvv, "expiry_month": "12", "expiry_year": "2040", "organisation": organisation,
        });
        let headers = [("X-APIKEY", api_key.as_str()), ("Content-Type", "application/json")];
        let made = http_send(&format!("{url}/v1/card"), "POST", &headers, Some(&body.to_string())).unwrap();
        assert_eq!(made.status, 200, "{}", made.text);
    };
    said.extend(handed_out(directory.path(), &key, of, |url| {
        cards[..INCREMENT_CARDS].iter().for_each(|card| send(url, card));
    }));
    assert!(scan.scan("answers", &said).is_empty(), "what is handed out has a number");
    clean("handed out");
    let log = fs::read_to_string(directory.path().join("stderr")).unwrap();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log was at its most talkative");
    assert!(
        log.contains("webhook.attempt_failed") && !log.contains("of-the-shop"),
        "a URL's key is in no line"
    );

    // Positive controls: what the scan must find, it finds.
    let number = &cards[0].number;
    let plain = directory.path().join("vault/log/planted");
    for planted in [
        number.clone().into_bytes(),
        number.bytes().flat_map(|digit| [digit, 0]).collect(),
        number.bytes().flat_map(|digit| format!("{digit:02x}").into_bytes()).collect(),
        format!("x {} x", &number[4..12]).into_bytes(),
        b"{\"cvv\":\"123\"}".to_vec(),
    ] {
        fs::write(&plain, &planted).unwrap();
        assert!(!scan.scan_directory(directory.path()).unwrap().is_empty(), "{planted:?}");
    }
    fs::remove_file(&plain).unwrap();
    clean("the controls are gone");
    let mut log = fs::File::options().append(true).open(directory.path().join("stderr")).unwrap();
    writeln!(log, "created card {number}").unwrap();
    assert!(!scan.scan_directory(directory.path()).unwrap().is_empty());
}

/// What of a vault others are given: all of its trail as it leaves, in a file and over a network, an increment of what `live` does meanwhile, and its report; and what is said where
/// a backup is held against that trail.
fn handed_out(directory: &Path, key: &str, backup: &str, live: impl FnOnce(&str)) -> Vec<u8> {
    let (data, trail) = (directory.join("vault"), directory.join("trail.jsonl"));
    let (data, exported) = (path(&data), format!("trail_file={}", trail.display()));
    let (syslog, root) = (SyslogServer::start(), directory.join("syslog.pem"));
    fs::write(&root, &syslog.root_pem).unwrap();
    let to_syslog = format!("trail_syslog=localhost:{}", syslog.port);
    let root = format!("trail_syslog_ca_file={}", root.display());
    let set = [
        "--set",
        &to_syslog,
        "--set",
        &root,
        "--set",
        "trail_checkpoint_seconds=1",
        "--set",
        "backup_archive_bytes=268435456",
        "--set",
        "listen=127.0.0.1:0",
        "--set",
        "metrics_listen=127.0.0.1:0",
        "--set",
        "log_format=json",
        "--set",
        key,
        "--set",
        &exported,
    ];
    let (mut served, ready) = Served::start(directory, &[&["--data", data], &set[..]].concat());
    let backups = directory.join("increments");
    let make = |since: &[&str]| {
        run_json(&[&["backup", path(&backups), "--data", data, "--set", key, "--json"], since].concat())
    };
    let full = make(&[]);
    live(ready["url"].as_str().unwrap());
    let increment = make(&["--since", path(&backups)]);
    assert_eq!(increment["base"], full["backup"], "{increment}");
    let created = |lines: &[u8]| lines.windows(11).filter(|window| *window == b"card_create").count();
    until("the syslog server has the trail", || created(&syslog.came()) >= CARDS + INCREMENT_CARDS);
    served.signal("-TERM");
    served.event("server.stopped");
    served.child.wait().unwrap();
    let lines = fs::read(&trail).unwrap();
    assert_eq!(created(&lines), created(&syslog.came()), "both were given all of it");
    let vault = ["--data", data, "--set", key];
    let page = directory.join("report.html");
    run(&[&["pci", "report", "--html", path(&page)], &vault[..]].concat());
    assert!(page.is_file(), "and a report");
    let report = run(&[&["pci", "report"], &vault[..]].concat());
    let keys = run_json(&[&["audit", "key", "--json"], &vault[..]].concat());
    let public = keys["keys"][0]["public_key"].as_str().unwrap();
    let verified = run(&["audit", "verify", "--key", public, path(&trail)]);
    assert!(verified.status.success(), "{}", verified.out);
    let held = ["restore", backup, "--verify", "--trail", path(&trail), "--key", public];
    let older = run(&[&held[..], &vault[..]].concat());
    let id = older.err.split("--accept-older ").nth(1).unwrap().split(' ').next().unwrap();
    let held = run(&[&held[..], &["--accept-older", id], &vault[..]].concat());
    assert!(held.status.success(), "{}", held.err);
    let all = [report, verified, older, held];
    let said = all.into_iter().flat_map(|ended| [ended.out.into_bytes(), ended.err.into_bytes()].concat());
    said.chain(syslog.came()).collect()
}

/// A customer's life. What is personal of it is shown to who may see it, and stands in no file and no log in clear.
#[test]
fn nothing_personal_of_a_customer_is_written_in_clear() {
    let directory = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let dev = Dev::start(directory.path(), &["--log-level", "trace", "--metrics-listen", &free]);
    let send = |method: &str, path: &str, body: Option<&str>| {
        let headers = [
            ("X-APIKEY", dev.key.as_str()),
            ("Content-Type", "application/json"),
            ("Idempotency-Key", "customer-1"),
        ];
        http_send(&format!("{}{path}", dev.url), method, &headers, body).unwrap()
    };
    let body = json!({
        "first_name": "Qanary", "email_address": "Qanary@Shop.Example", "street_address": "Qanarystraat 1", "phone_number": "+31 30 7654321",
        "billing": { "last_name": "Qanary", "city": "Qanarystad" }
    });
    let kept = send("POST", "/v1/customer", Some(&body.to_string()));
    assert!(kept.status == 200 && kept.text.contains("Qanarystraat"), "the control: {}", kept.text);
    let path = format!("/v1/customer/{}", kept.id());
    let mut metrics = String::new();
    for (method, path, body) in [
        ("POST", path.as_str(), Some(r#"{"region": "Qanarystad"}"#)),
        (
            "POST",
            path.as_str(),
            Some(r#"{"region": 1, "date_of_birth": "Qanary", "email_address": "Qanary"}"#),
        ),
        ("POST", "/v1/customer", Some(r#"{"first_name": "Qanary""#)),
        ("GET", path.as_str(), None),
        ("GET", "/v1/customer?email_address=qanary@shop.example", None),
        ("GET", "/v1/customer?email_address=qanary", None),
        ("GET", "/v1/customer?last_name=Qanary", None),
    ] {
        let answer = send(method, path, body);
        assert!(answer.status == 200 || !answer.text.contains("Qanary"), "{method} {path}: {}", answer.text);
        metrics = http_send(&format!("http://{free}/metrics"), "GET", &[], None).unwrap().text;
    }
    assert!(metrics.contains("customer_create") && !metrics.to_lowercase().contains("qanary"));
    let found = || {
        let mut files = vec![directory.path().to_path_buf()];
        let mut found = Vec::new();
        while let Some(path) = files.pop() {
            if path.is_dir() {
                files.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.is_file() {
                let bytes = fs::read(&path).unwrap().to_ascii_lowercase();
                let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
                found.extend(
                    ["qanary", "7654321"].into_iter().filter(|text| holds(text)).map(|_| path.clone()),
                );
            }
        }
        found
    };
    dev.kill();
    assert_eq!(found(), Vec::<std::path::PathBuf>::new());
    let planted = directory.path().join("vault/planted");
    fs::write(&planted, "x Qanary").unwrap();
    assert_eq!(found(), [planted], "the control");
}

fn keep(answer: &HttpAnswer, said: &mut Vec<u8>) {
    for (name, value) in &answer.headers {
        said.extend_from_slice(format!("{name}: {value}\n").as_bytes());
    }
    said.extend_from_slice(answer.text.as_bytes());
    said.push(b'\n');
}

/// One card's life, and the number in all the places where it does not belong.
fn live(dev: &Dev, at: usize, card: &CanaryCard, said: &mut dyn FnMut(HttpAnswer)) {
    let number = card.number.as_str();
    let mut body = dev.card_body(number);
    body["cvv"] = json!(card.cvv);
    let good = body.to_string();
    let send = |method: &str, path: &str, more: &[(&str, &str)], body: Option<&str>| {
        let mut headers = vec![("X-APIKEY", dev.key.as_str())];
        if !more.iter().any(|(name, _)| *name == "Content-Type") {
            headers.push(("Content-Type", "application/json"));
        }
        headers.extend_from_slice(more);
        http_send(&format!("{}{path}", dev.url), method, &headers, body).unwrap()
    };
    let created = send("POST", "/v1/card", &[("Idempotency-Key", number)], Some(&good));
    assert_eq!(created.status, 200, "{}", created.text);
    let id = created.id();
    said(created);
    said(send("POST", "/v1/card", &[("Idempotency-Key", number)], Some(&good)));
    let path = format!("/v1/card/{id}");
    let transact = |reference: &str, amount: u32| {
        let mut body = dev.transaction_body(&id, amount);
        body["merchant_reference"] = json!(reference);
        // Nobody listens there: attempts fail, and are logged.
        body["webhook_transaction_update"] = json!("http://127.0.0.1:9/hook?key=of-the-shop");
        body.to_string()
    };
    let mut told = dev.transaction_body(&id, 1099);
    for url in [format!("https://shop.example/{number}"), format!("https://{number}/"), number.to_owned()] {
        told["webhook_transaction_update"] = json!(url);
        let refused = send("POST", "/v1/transaction", &[], Some(&told.to_string()));
        assert_eq!(refused.status, 400, "{}", refused.text);
        said(refused);
    }
    let amount = [1099, 121, 122, 123, 131, 132, 0][at % 7];
    let paid = send("POST", "/v1/transaction", &[], Some(&transact("order", amount)));
    // Whatever may be done with it, and the number where a reason stands.
    let act = format!("/v1/transaction/{}", paid.id());
    let reason = json!({ "reason": number, "merchant_reference": number, "amount": number }).to_string();
    said(send("POST", &format!("{act}/refund"), &[], Some(&reason)));
    said(send("POST", &format!("{act}/capture"), &[], Some(&reason)));
    said(send("POST", &format!("{act}/void_capture"), &[("Idempotency-Key", number)], None));
    said(send("GET", &format!("/v1/refund?{number}={number}&transaction={number}"), &[], None));
    said(paid);
    let update =
        json!({ "cvv": card.cvv, "card_holder_name": "A. N. Other", "organisation": dev.organisation });
    said(send("POST", &path, &[], Some(&update.to_string())));
    said(send("GET", &path, &[], None));
    said(send("GET", &format!("/v1/bin/{}", &number[..8]), &[], None));
    // The number where it does not belong: every kind of refusal.
    let wrong = match at % 17 {
        0 => {
            let check = number.as_bytes()[number.len() - 1] - b'0';
            let mistyped = format!("{}{}", &number[..number.len() - 1], (check + 1) % 10);
            send("POST", "/v1/card", &[], Some(&good.replace(number, &mistyped)))
        }
        1 => send("POST", "/v1/card", &[], Some(&good.replace(&format!("\"{number}\""), number))),
        2 => send("POST", "/v1/card", &[], good.get(..good.len() - 2)),
        3 => send("POST", "/v1/card", &[("Content-Type", "text/plain")], Some(&good)),
        4 => send("POST", "/v1/card", &[("X-API-KEY", number)], Some(&good)),
        5 => send("POST", "/v1/transaction", &[], Some(&transact(number, 1099))),
        6 => send("POST", "/v1/transaction", &[], Some(&good)),
        7 => send("GET", &format!("/v1/card/{number}"), &[], None),
        8 => send("GET", &format!("/v1/card?card_number={number}"), &[], None),
        9 => send("GET", &format!("/v1/card?{number}=1"), &[], None),
        10 => send(
            "POST",
            &path,
            &[],
            Some(&json!({ "organisation": number, "card_holder_name": number }).to_string()),
        ),
        11 => send("POST", "/v1/card", &[], Some(&good.replacen('{', &format!("{{\"{number}\":1,"), 1))),
        12 => send("DELETE", &format!("/v1/{number}"), &[("User-Agent", number)], None),
        13 => send("GET", &format!("/v1/bin/{number}"), &[], None),
        14 => {
            let billing = json!({ "first_name": number, "phone": number });
            let body = json!({ "billing": billing, "phone": number, "email_address": format!("{number}@a.example"), "date_of_birth": number });
            send("POST", "/v1/customer", &[], Some(&body.to_string()))
        }
        15 => send("GET", &format!("/v1/customer?email_address={number}&{number}=1"), &[], None),
        _ => {
            let mut body = dev.card_body(number);
            body["metadata"] = json!({ "note": number });
            send("POST", "/v1/card", &[], Some(&body.to_string()))
        }
    };
    assert!(wrong.status >= 400, "{}", wrong.text);
    said(wrong);
    if at.is_multiple_of(5) {
        said(send("DELETE", &path, &[], None));
    }
}
