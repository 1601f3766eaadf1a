//! A PSP tells several nodes at once what became of a capture: it is settled once, and whoever is told of it is told once.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use panvault_testkit::canary_cards;
use panvault_testkit::psp::{ADYEN_HMAC_KEY, Adyen, Peer, Psp};
use panvault_testkit::servers::PostgresOptions;
use serde_json::json;

use crate::cli::path;
use crate::cluster::nodes::{Cluster, NODES, rounds};
use crate::notification::ADYEN;
use crate::support::{secret_file, until};
use crate::webhook::{OK, receiver};

/// How often each node is told at once.
const TELLERS: usize = 8;

#[test]
fn what_is_told_to_all_nodes_at_once_is_settled_once() {
    let peer = Peer::plain(Adyen::default());
    let descriptions = tempfile::tempdir().unwrap();
    let text = ADYEN
        .shipped
        .replace("name = \"adyen\"", "name = \"adyen\"\nreplaces_shipped = true")
        .replace(&format!("test = \"{}\"", ADYEN.origin), &format!("test = \"{}\"", peer.origin()));
    fs::write(descriptions.path().join("adyen.toml"), text).unwrap();
    let mut cluster = Cluster::prepare_with(&PostgresOptions::default(), vec!["webhook_allow=127.0.0.0/8"]);
    (0..NODES).for_each(|node| cluster.set(node, format!("processors={}", path(descriptions.path()))));
    cluster.start_nodes();
    let of = ["--organisation", &cluster.organisation, "--name", "X"];
    let settings = ADYEN.settings.iter().map(|(name, value)| format!("{name}={value}"));
    let secrets = ADYEN.secrets.iter().map(|(name, value)| {
        let file = descriptions.path().join(format!("{name}.key"));
        secret_file(&file, value);
        format!("{name}={}", path(&file))
    });
    let pairs: Vec<_> = settings
        .map(|pair| ("--configuration", pair))
        .chain(secrets.map(|pair| ("--secret", pair)))
        .collect();
    let pairs = pairs.iter().flat_map(|(argument, pair)| [*argument, pair.as_str()]);
    let words = ["processor", "create", "--type", "card_adyen"].into_iter().chain(of).chain(pairs);
    let id = |made: serde_json::Value| made["_id"].as_str().unwrap().to_owned();
    let processor = id(cluster.command_at(0, &words.collect::<Vec<_>>()));
    let account = ["account", "create", "--currency-code", "EUR", "--processor", &processor];
    let account = id(cluster.command_at(0, &[account.as_slice(), &of].concat()));
    cluster.all_know("account", &account);
    let (url, coming) = receiver();
    let events = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&events);
    thread::spawn(move || {
        for came in coming {
            let body = came.body();
            kept.lock()
                .unwrap()
                .push(["_id", "status", "event"].map(|name| body[name].as_str().unwrap().to_owned()));
            came.answer(OK);
        }
    });
    for (round, canary) in canary_cards(0x701d, rounds() * 10).iter().step_by(10).enumerate() {
        let card = cluster.make_card(round % NODES, &canary.number, Some(&canary.cvv));
        let mut body = cluster.transaction_body(&card, 1000);
        (body["account"], body["capture_now"]) = (json!(account), json!(false));
        body["webhook_transaction_update"] = json!(url);
        let paid = cluster.post(round % NODES, "/v1/transaction", &body);
        assert_eq!((paid.status, &paid.json()["status"]), (200, &json!("AUTHORIZED")), "{}", paid.text);
        let transaction = format!("/v1/transaction/{}", paid.id());
        let captured = cluster.post((round + 1) % NODES, &format!("{transaction}/capture"), &json!({}));
        assert_eq!(
            (captured.status, &captured.json()["status"]),
            (200, &json!("PENDING")),
            "{}",
            captured.text
        );
        let due = peer.psp().take_notifications().pop().unwrap();
        let start = Barrier::new(NODES * TELLERS);
        thread::scope(|scope| {
            for teller in 0..NODES * TELLERS {
                let (start, due) = (&start, &due);
                let url = cluster.url(teller % NODES, &format!("/v1/notification/{processor}"));
                scope.spawn(move || {
                    start.wait();
                    assert_eq!(due.send(&url), (200, "[accepted]".to_owned()));
                });
            }
        });
        let settled = json!("SETTLEMENT_REQUESTED");
        for node in 0..NODES {
            let history = cluster.get(node, &format!("{transaction}/history")).json();
            let steps: Vec<_> = history.as_array().unwrap().iter().map(|step| &step["status"]).collect();
            assert_eq!(
                steps.iter().filter(|status| ***status == settled).count(),
                1,
                "round {round}: {history}"
            );
        }
        let of_payment = || {
            let events = events.lock().unwrap();
            let of =
                events.iter().filter(|[id, status, _]| *id == paid.id() && *status == "SETTLEMENT_REQUESTED");
            of.map(|[_, _, event]| event.clone()).collect::<BTreeSet<_>>()
        };
        until("the merchant is told", || !of_payment().is_empty());
        until("nothing is left to be delivered", || {
            cluster.sql("SELECT count(*) FROM delivery WHERE waiting = 1") == "0"
        });
        assert_eq!(of_payment().len(), 1, "round {round}: one event");
        // All nodes' trails: one record of the processor's for the payment.
        let words = ["audit", "list", "--actor", processor.as_str(), "-n", "1000"];
        let records = cluster.ended(&words).out;
        let of_it = records.lines().filter(|line| line.contains(&paid.id()));
        assert_eq!(of_it.count(), 1, "round {round}: {records}");
    }
    assert_eq!(ADYEN.secrets[1].1, ADYEN_HMAC_KEY);
    let verified = cluster.command_at(0, &["audit", "verify"]);
    assert_eq!(verified["verified"], json!(true), "{verified}");
    let report = cluster.command_at(0, &["doctor"]);
    assert_eq!(report["healthy"], json!(true), "{report}");
}
