//! The process is killed while PSPs have a payment, or are about to: whatever they have seen of it, no CVV and no payment goes out again.

use std::fs;
use std::path::Path;
use std::thread;

use panvault_testkit::psp::{DescribedPsps, Failure, Reach};
use panvault_testkit::{CanaryCard, HttpAnswer, LeakScan, canary_cards, http_send};
use serde_json::{Value, json};

use crate::cli::path;
use crate::serve::{Served, vault};
use crate::support::{run_json, secret_file, until};

/// Kinds of processors: each PSP, and a route over two.
pub(crate) const KINDS: usize = DescribedPsps::DIRECT.len() + 1;

/// An account for each kind of processor; `make` runs a command beside a server.
pub(crate) fn accounts(
    psps: &DescribedPsps,
    directory: &Path,
    organisation: &str,
    make: impl Fn(&[&str]) -> Value,
) -> [String; KINDS] {
    let made = |words: &[&str]| {
        let of = ["--organisation", organisation, "--name", "X"];
        make(&[words, of.as_slice()].concat())["_id"].as_str().unwrap().to_owned()
    };
    let described = |at: usize| {
        let psp = &psps.psps[at];
        let (name, secret) = psp.secret;
        let file = directory.join(format!("{}.key", psp.type_name));
        secret_file(&file, secret);
        let secret = format!("{name}={}", path(&file));
        let settings: Vec<_> = psp.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let settings = settings.iter().flat_map(|setting| ["--configuration", setting.as_str()]);
        let words = ["processor", "create", "--type", &psp.type_name, "--secret", &secret];
        made(&words.into_iter().chain(settings).collect::<Vec<_>>())
    };
    let routes = DescribedPsps::ROUTED.map(|at| format!("processor={}", described(at)));
    let [first, next] = &routes;
    let route = ["processor", "create", "--type", "card_route", "--route", first, "--route", next];
    let [stripe, adyen, checkout] = DescribedPsps::DIRECT.map(described);
    [stripe, adyen, checkout, made(&route)]
        .map(|processor| made(&["account", "create", "--currency-code", "EUR", "--processor", &processor]))
}

/// So many cards for each kind.
pub(crate) fn canaries(seed: u64, rounds: usize) -> Vec<CanaryCard> {
    let cards = canary_cards(seed, rounds * KINDS * 10).into_iter();
    cards.filter(|card| card.number.starts_with("4716")).collect()
}

/// The PSPs that kinds of processors pay by first.
pub(crate) const FIRST: [usize; KINDS] =
    [DescribedPsps::DIRECT[0], DescribedPsps::DIRECT[1], DescribedPsps::DIRECT[2], DescribedPsps::ROUTED[0]];

/// In how many whole requests a number has come to any of them, and in how many of these with its CVV.
pub(crate) fn seen(psps: &DescribedPsps, card: &CanaryCard) -> (usize, usize) {
    let seen = psps.psps.iter().map(|psp| psp.peer.times_seen(&card.number, &card.cvv));
    seen.fold((0, 0), |(all, with_cvv), (more, more_with)| (all + more, with_cvv + more_with))
}

/// Pays at all kinds at once. When all are written down and have come as far as they come in this failure, the process that has sent them is killed; nobody is
/// answered.
pub(crate) fn killed(
    psps: &DescribedPsps,
    failure: &Failure,
    pay: impl Fn(usize) -> bool + Sync,
    is_written: impl Fn(usize) -> bool,
    kill: impl FnOnce(),
) {
    let before: Vec<_> = FIRST.map(|at| psps.psps[at].peer.seen_so_far()).into();
    psps.psps.iter().for_each(|psp| failure.begins(&psp.peer));
    thread::scope(|scope| {
        let pay = &pay;
        let paying: Vec<_> = (0..KINDS).map(|kind| scope.spawn(move || pay(kind))).collect();
        for (at, before) in FIRST.into_iter().zip(before) {
            failure.wait(&psps.psps[at].peer, before, 1);
        }
        until("all are written down", || (0..KINDS).all(&is_written));
        kill();
        for paid in paying {
            assert!(!paid.join().unwrap(), "{}: nobody answers", failure.name);
        }
    });
    psps.psps.iter().for_each(|psp| failure.ends(&psp.peer));
}

/// Whole requests that the PSPs got of what was killed.
pub(crate) fn whole(failure: &Failure) -> usize {
    usize::from(matches!(failure.reach, Reach::Whole | Reach::Done))
}

pub(crate) fn order(account: &str, card: &str) -> Value {
    json!({
        "account": account, "amount": 1000, "card": card, "merchant_reference": "order 7", "customer_ip": "203.0.113.7",
        "dynamic_descriptor": "Shop", "user_agent": "test",
    })
}

struct Shop {
    url: String,
    key: String,
    organisation: String,
}

impl Shop {
    fn send(&self, to: &str, body: Option<&Value>) -> Option<HttpAnswer> {
        let headers = [("X-APIKEY", self.key.as_str()), ("Content-Type", "application/json")];
        let method = if body.is_some() { "POST" } else { "GET" };
        let body = body.map(Value::to_string);
        http_send(&format!("{}{to}", self.url), method, &headers, body.as_deref()).ok()
    }

    fn card(&self, canary: &CanaryCard) -> String {
        let body = json!({
            "card_number": canary.number, "expiry_month": "12", "expiry_year": "2040", "cvv": canary.cvv, "organisation": self.organisation,
        });
        let answer = self.send("/v1/card", Some(&body)).unwrap();
        assert_eq!((answer.status, &answer.json()["cvv_present"]), (200, &json!(true)), "{}", answer.text);
        answer.id()
    }
}

#[test]
fn a_server_that_is_killed_sends_nothing_again() {
    let directory = tempfile::tempdir().unwrap();
    let psps = DescribedPsps::start();
    let (data, organisation, key) = vault(directory.path());
    let setting = format!("processors={}", path(psps.descriptions()));
    let at = ["--data", path(&data), "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
    let settings = ["--set", &setting, "--set", "log_level=trace"];
    let serve = || Served::start(directory.path(), &[at.as_slice(), settings.as_slice()].concat());
    let url = |ready: &Value| ready["url"].as_str().unwrap().to_owned();
    let (mut served, ready) = serve();
    let mut shop = Shop { url: url(&ready), key, organisation };
    let accounts = accounts(&psps, directory.path(), &shop.organisation, |words| {
        run_json(&[words, &["--json", "--data", path(&data)]].concat())
    });
    let canaries = canaries(0x0ce, Failure::silent().count());
    let scan = LeakScan::new(canaries.iter().map(|card| card.number.as_str()));
    let mut said = Vec::new();
    for (failure, canaries) in Failure::silent().zip(canaries.chunks(KINDS)) {
        let cards: Vec<_> = canaries.iter().map(|canary| shop.card(canary)).collect();
        let pay = |kind: usize| shop.send("/v1/transaction", Some(&order(&accounts[kind], &cards[kind])));
        let listed = |card: &str| shop.send(&format!("/v1/transaction?card={card}"), None).unwrap();
        let is_written = |kind: usize| listed(&cards[kind]).text != "[]";
        killed(&psps, failure, |kind| pay(kind).is_some(), is_written, || served.signal("-KILL"));
        served.child.wait().unwrap();
        assert_eq!(scan.scan_directory(directory.path()).unwrap(), [], "{}", failure.name);
        let ready;
        (served, ready) = serve();
        shop.url = url(&ready);
        for (kind, (canary, card)) in canaries.iter().zip(&cards).enumerate() {
            let at = format!("{}, kind {kind}", failure.name);
            let listed = shop.send(&format!("/v1/transaction?card={card}"), None).unwrap();
            said.extend_from_slice(listed.text.as_bytes());
            let listed = listed.json();
            let [one] = listed.as_array().unwrap().as_slice() else { panic!("{at}: {listed}") };
            // What was done is found out by asking, where the PSP can be asked.
            let is_told = failure.reach == Reach::Done && one["status"] == "SETTLEMENT_REQUESTED";
            assert!(one["status"] == "UNKNOWN" || is_told, "{at}: {one}");
            assert_eq!(one["cvv_present"], true, "{at}: it may have gone out");
            let held = shop.send(&format!("/v1/card/{card}"), None).unwrap().json();
            assert_eq!(held["cvv_present"], false, "{at}: it was in memory only");
            assert_eq!(seen(&psps, canary), (whole(failure), whole(failure)), "{at}: nothing is sent again");
            let paid = shop.send("/v1/transaction", Some(&order(&accounts[kind], card))).unwrap();
            said.extend_from_slice(paid.text.as_bytes());
            assert_eq!(
                (paid.status, &paid.json()["cvv_present"]),
                (200, &json!(false)),
                "{at}: {}",
                paid.text
            );
            assert_eq!(seen(&psps, canary), (whole(failure) + 1, whole(failure)), "{at}");
        }
    }
    served.signal("-KILL");
    served.child.wait().unwrap();
    assert_eq!(scan.scan_directory(directory.path()).unwrap(), []);
    assert_eq!(scan.scan("answers", &said), []);
    // The controls.
    let peers = psps.psps.iter().flat_map(|psp| psp.peer.seen());
    assert!(peers.map(|seen| scan.scan("a PSP", &seen).len()).sum::<usize>() > 0);
    fs::write(data.join("planted"), &canaries[0].number).unwrap();
    assert_eq!(scan.scan_directory(directory.path()).unwrap().len(), 1);
}
