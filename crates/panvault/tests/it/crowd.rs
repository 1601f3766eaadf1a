//! Thousands of connections that say nothing or little, beside those that work.

use std::io::Write;
use std::net::TcpStream;

use panvault_testkit::http_send;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::cli::path;
use crate::serve::{Served, vault};
use crate::support::until;

/// Of the 10,000 that are allowed.
const CROWD: usize = 9_000;
/// Twice what a connection is given for a head that is slow to come.
const KIB_EACH_MAX: u64 = 32;
/// What a server takes for itself meanwhile: threads, and the cards that it wrote.
const KIB_ITSELF: u64 = 32 << 10;
/// Threads that connect.
const DOORS: usize = 8;
const CARDS: u64 = 200;

/// Resident memory of a process, in KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_crowd_that_says_nothing_takes_little_and_is_in_nobodys_way() {
    // A connection has a descriptor at both ends; the server raises its own limit.
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let crowd = maximum.map_or(CROWD, |most| CROWD.min(usize::try_from(most).unwrap().saturating_sub(1_000)));
    assert!(crowd >= 1_000, "a hard limit of {maximum:?} open files is too low for this test");

    let directory = tempfile::tempdir().unwrap();
    let (_, organisation, key) = vault(directory.path());
    let config = directory.path().join("vault.settings.toml");
    let (served, ready) = Served::start(
        directory.path(),
        &[
            "--config",
            path(&config),
            "--listen",
            "127.0.0.1:0",
            "--metrics-listen",
            "127.0.0.1:0",
            "--set",
            "header_timeout_seconds=300",
        ],
    );
    let (url, metrics) = (ready["url"].as_str().unwrap(), ready["metrics_url"].as_str().unwrap());
    let connections = || -> usize {
        let page = http_send(&format!("{metrics}/metrics"), "GET", &[], None).unwrap();
        let line = page.text.lines().find_map(|line| line.strip_prefix("panvault_connections ")).unwrap();
        line.parse().unwrap()
    };
    let create = || {
        let body = json!({
            "card_number": "4111111111111111", "cvv": "123", "expiry_month": "12", "expiry_year": "2040",
            "organisation": organisation,
        });
        let headers = [("X-APIKEY", key.as_str()), ("Content-Type", "application/json")];
        http_send(&format!("{url}/v1/card"), "POST", &headers, Some(&body.to_string())).unwrap().status
    };
    assert!((0..CARDS).all(|_| create() == 200));
    let alone = resident(served.child.id());

    let address = url.strip_prefix("http://").unwrap();
    let join = |nth: usize| {
        let mut stream = TcpStream::connect(address).unwrap();
        if nth.is_multiple_of(2) {
            stream.write_all(b"POST /v1/card HTTP/1.1\r\nHost: x\r\nX-Slow: ").unwrap();
        }
        stream
    };
    let held: Vec<Vec<TcpStream>> = std::thread::scope(|scope| {
        let doors =
            (0..DOORS).map(|door| scope.spawn(move || (door..crowd).step_by(DOORS).map(join).collect()));
        let doors: Vec<_> = doors.collect();
        doors.into_iter().map(|door| door.join().unwrap()).collect()
    });
    until("the crowd is there", || connections() >= crowd);
    assert!((0..CARDS).all(|_| create() == 200));
    let grown = resident(served.child.id()).saturating_sub(alone);
    let most = KIB_EACH_MAX * crowd as u64 + KIB_ITSELF;
    assert!(grown <= most, "{grown} KiB for {crowd} connections, and {most} may be");
    assert!(connections() >= crowd, "all are still there");

    drop(held);
    until("the crowd has left", || connections() == 0);
    assert_eq!(create(), 200);
}
