//! What a flood takes, held against what `config print` says.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use panvault_testkit::http_send;
use serde_json::json;

use crate::cli::path;
use crate::serve::{Served, vault};
use crate::support::{run, run_json};

/// MiB that the page says of a share that begins so, and of all.
fn said(page: &str, what: &str) -> u64 {
    let line = page.lines().find(|line| line.starts_with('#') && line.contains(&format!("MiB  {what}")));
    let line = line.unwrap_or_else(|| panic!("{what}: {page}"));
    line.trim_start_matches('#').split_whitespace().next().unwrap().parse().unwrap()
}

/// MiB that the process had in memory at most.
fn peak(served: &Served) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", served.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
}

/// The bug: nobody could say what a server takes, and readers that do not read made it take 700 MiB. Its cause: not all that is held had a
/// bound. Its cure: all has, and the bounds are added up.
#[test]
fn a_flood_takes_no_more_than_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let (data, organisation, key) = vault(directory.path());
    let shared = ["--organisation", &organisation, "--json", "--data", path(&data)];
    let made = |args: &[&str]| run_json(&[args, &shared[..]].concat())["_id"].as_str().unwrap().to_owned();
    let processor = made(&["processor", "create", "--name", "D", "--type", "card_dummy"]);
    let account =
        made(&["account", "create", "--name", "A", "--currency-code", "EUR", "--processor", &processor]);
    let set = [
        "--set",
        "answers_bytes_max=16777216",
        "--set",
        "connections_max=400",
        "--set",
        "cvvs_held_max=1000",
        // However slow the machine is, each list has its turn.
        "--set",
        "list_seconds_max=600",
    ];
    let page = run(&[&["config", "print", "--data", path(&data)], &set[..]].concat()).out;
    let listeners = ["--data", path(&data), "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
    let (served, ready) = Served::start(directory.path(), &[&listeners[..], &set].concat());
    let url = ready["url"].as_str().unwrap();
    let address = url.strip_prefix("http://").unwrap();
    let post = |path: &str, body: &serde_json::Value| {
        let headers = [("X-APIKEY", key.as_str()), ("Content-Type", "application/json")];
        let answer = http_send(&format!("{url}{path}"), "POST", &headers, Some(&body.to_string())).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.id()
    };
    let card = json!({ "card_number": "4111111111111111", "expiry_month": "12", "expiry_year": "2040" });
    let pay = json!({ "account": account, "amount": 1099, "card": post("/v1/card", &card), "pares": "P".repeat(8192) });
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..130).for_each(|_| drop(post("/v1/transaction", &pay))));
        }
    });
    let before = peak(&served);
    let connect = |text: String| {
        let mut stream = TcpStream::connect(address).unwrap();
        // It may have been refused already.
        drop(stream.write_all(text.as_bytes()));
        stream
    };
    let head = format!("HTTP/1.1\r\nHost: x\r\nX-APIKEY: {key}\r\nContent-Type: application/json\r\n");
    let mut flood: Vec<_> = (0..60)
        .flat_map(|_| ["1000", "430"])
        .map(|limit| connect(format!("GET /v1/transaction?_limit={limit} {head}\r\n")))
        .collect();
    // Each has the beginning of its answer, whatever it is, and reads no more.
    let statuses: Vec<_> = flood
        .iter_mut()
        .map(|stream| {
            let mut start = [0; 12];
            stream.read_exact(&mut start).unwrap();
            String::from_utf8(start.to_vec()).unwrap()
        })
        .collect();
    let count = |status: &str| statuses.iter().filter(|said| said.ends_with(status)).count();
    assert_eq!(count("400"), 60, "of a thousand: {statuses:?}");
    assert!(count("200") >= 2 && count("503") > 0, "{statuses:?}");
    let padding = "p".repeat(14_000);
    let body = " ".repeat(15_999);
    flood.extend((0..250).map(|_| {
        connect(format!("POST /v1/card {head}X-Padding: {padding}\r\nContent-Length: 16000\r\n\r\n{body}"))
    }));
    let mut last = connect(format!("GET /v1/card/count {head}\r\n"));
    last.read_exact(&mut [0; 12]).unwrap();

    let shares = ["connections:", "long answers", "rows of lists", "answers of lists"];
    let room = shares.iter().map(|what| said(&page, what)).sum::<u64>() * 5 / 4;
    let grown = peak(&served) - before;
    assert!(grown <= room, "{grown} MiB, of which there may be {room}: {page}");
    assert!(peak(&served) <= said(&page, "in all"), "{page}");
}
