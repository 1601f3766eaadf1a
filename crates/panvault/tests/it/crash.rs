//! `kill -9` while many write: what was acknowledged is there, nothing is half there, and every index agrees.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use panvault_testkit::{SeededRandom, canary_cards};
use serde_json::{Value, json};

use crate::support::{Dev, assert_healthy, run_json, until};

const ROUNDS: u64 = 20;
const WRITERS: usize = 8;

/// What the server has acknowledged.
#[derive(Default)]
struct Ledger {
    /// Cards as they were answered.
    cards: HashMap<String, Value>,
    /// The last update of a card, and the last that was sent.
    updates: HashMap<String, (u64, u64)>,
    /// Transactions as they were answered.
    transactions: HashMap<String, Value>,
    /// Refunds as they were answered, all of one transaction.
    refunds: HashMap<String, Value>,
    /// Customers as they were answered, and the card of each that was paid with.
    customers: HashMap<String, (Value, Option<String>)>,
}

#[test]
fn what_was_acknowledged_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("vault");
    let mut dice = SeededRandom::new(0x9a11);
    let ledger = Mutex::new(Ledger::default());
    let refunded = settled(directory.path());
    for round in 0..ROUNDS {
        let dev = Dev::start(directory.path(), &[]);
        verify(&dev, &refunded, &ledger.lock().unwrap());
        let acknowledged = AtomicUsize::new(0);
        let enough = 20 + dice.below(120);
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (dev, refunded, ledger, acknowledged) = (&dev, &refunded, &ledger, &acknowledged);
                let seed = round * 100 + writer as u64;
                scope.spawn(move || write(dev, refunded, seed, ledger, acknowledged));
            }
            until("enough is acknowledged", || acknowledged.load(Ordering::SeqCst) >= enough);
            dev.signal("-KILL");
        });
        dev.kill();
        assert_healthy(&data);
    }
    let dev = Dev::start(directory.path(), &[]);
    let ledger = ledger.into_inner().unwrap();
    verify(&dev, &refunded, &ledger);
    for (card, answered) in &ledger.cards {
        let found = dev.get(&format!("/v1/card/{card}")).json();
        for name in ["organisation", "last_four", "bin", "fingerprint", "created_at", "expiry_year"] {
            assert_eq!(found[name], answered[name], "{card} {name}");
        }
    }
    for (transaction, answered) in &ledger.transactions {
        let waits = dev.get(&format!("/v1/webhook_delivery?transaction={transaction}")).json();
        let told: Vec<_> = waits.as_array().unwrap().iter().map(|row| &row["object_status"]).collect();
        assert_eq!(told, [&answered["status"]], "{transaction}: what was acknowledged is told, once");
    }
    dev.stop();
    let report = assert_healthy(&data);
    assert!(report["cards"].as_u64().unwrap() >= ledger.cards.len() as u64);
    assert!(
        ledger.cards.len() > 100
            && ledger.transactions.len() > 100
            && ledger.refunds.len() > 100
            && ledger.customers.len() > 50,
        "the test wrote enough to mean something"
    );
}

/// A transaction of a large amount, which is settled.
fn settled(directory: &Path) -> String {
    let dev = Dev::start(directory, &[]);
    let card = dev.make_card(&canary_cards(7, 1)[0].number, None);
    let paid = dev.post("/v1/transaction", &dev.transaction_body(&card, 2_000_000_000)).id();
    dev.stop();
    let settled = run_json(&["settle", "--json", "--data", directory.join("vault").to_str().unwrap()]);
    assert_eq!(settled["completed"], json!(1));
    paid
}

/// Writes cards, customers, updates, transactions and refunds until the server is gone.
fn write(dev: &Dev, refunded: &str, seed: u64, ledger: &Mutex<Ledger>, acknowledged: &AtomicUsize) {
    let took = |answer: &Option<panvault_testkit::HttpAnswer>| match answer {
        Some(answer) => {
            assert!(matches!(answer.status, 200 | 403), "{}", answer.text);
            acknowledged.fetch_add(1, Ordering::SeqCst);
            true
        }
        None => false,
    };
    for canary in canary_cards(seed, 1000) {
        let mut body = dev.card_body(&canary.number);
        body["cvv"] = json!(canary.cvv);
        let created = dev.try_post("/v1/card", &body);
        if !took(&created) {
            return;
        }
        let (card, answered) = created.map(|answer| (answer.id(), answer.json())).unwrap();
        ledger.lock().unwrap().cards.insert(card.clone(), answered);
        let body = json!({
            "organisation": dev.organisation, "email_address": format!("{card}@shop.example"), "last_name": "Quorn",
        });
        let made = dev.try_post("/v1/customer", &body);
        if !took(&made) {
            return;
        }
        let (customer, answered) = made.map(|answer| (answer.id(), answer.json())).unwrap();
        ledger.lock().unwrap().customers.insert(customer.clone(), (answered, None));
        for n in 1..=3u64 {
            let amount = if n == 2 { 1121 } else { 1099 };
            let mut body = dev.transaction_body(&card, amount);
            // Nobody listens there: what is to be told waits, over every kill.
            body["webhook_transaction_update"] = json!("http://127.0.0.1:9/hook");
            if n == 3 {
                body["customer"] = json!(customer);
            }
            let paid = dev.try_post("/v1/transaction", &body);
            if !took(&paid) {
                return;
            }
            let paid = paid.unwrap();
            let body = paid.json();
            let outcome = if paid.status == 200 { body } else { body["details"].clone() };
            ledger.lock().unwrap().transactions.insert(paid.id(), outcome);
            if n == 3 {
                ledger.lock().unwrap().customers.get_mut(&customer).unwrap().1 = Some(card.clone());
            }
            let given =
                dev.try_post(&format!("/v1/transaction/{refunded}/refund"), &json!({ "amount": amount }));
            if !took(&given) {
                return;
            }
            let given = given.unwrap();
            let body = given.json();
            let outcome = if given.status == 200 { body } else { body["details"].clone() };
            ledger.lock().unwrap().refunds.insert(given.id(), outcome);
            ledger.lock().unwrap().updates.entry(card.clone()).or_default().1 = n;
            let update = json!({ "organisation": dev.organisation, "metadata": { "n": n.to_string() } });
            if !took(&dev.try_post(&format!("/v1/card/{card}"), &update)) {
                return;
            }
            ledger.lock().unwrap().updates.entry(card.clone()).or_default().0 = n;
        }
    }
}

/// Everything in the ledger is there, and nothing is left half-way.
fn verify(dev: &Dev, refunded: &str, ledger: &Ledger) {
    for (card, (acknowledged, sent)) in &ledger.updates {
        let found = dev.get(&format!("/v1/card/{card}"));
        assert_eq!(found.status, 200, "{card}: {}", found.text);
        let n = found.json()["metadata"]["n"].as_str().map_or(0, |n| n.parse().unwrap());
        assert!((*acknowledged..=*sent).contains(&n), "{card}: {n} is not in {acknowledged}..={sent}");
        assert_eq!(found.json()["cvv_present"], json!(false), "a restart forgets CVVs");
    }
    for (transaction, answered) in &ledger.transactions {
        let found = dev.get(&format!("/v1/transaction/{transaction}"));
        assert_eq!(found.status, 200, "{transaction}: {}", found.text);
        for name in ["status", "cvv_present", "cvv_result", "reason_code"] {
            assert_eq!(found.json()[name], answered[name], "{transaction} {name}");
        }
    }
    for (customer, (answered, card)) in &ledger.customers {
        let found = dev.get(&format!("/v1/customer/{customer}"));
        assert_eq!(found.status, 200, "{customer}: {}", found.text);
        for name in ["email_address", "last_name", "created_at"] {
            assert_eq!(found.json()[name], answered[name], "{customer} {name}");
        }
        if let Some(card) = card {
            assert_eq!(found.json()["cards"], json!([card]), "{customer}");
        }
    }
    for (refund, answered) in &ledger.refunds {
        let found = dev.get(&format!("/v1/refund/{refund}"));
        assert_eq!(found.status, 200, "{refund}: {}", found.text);
        for name in ["status", "amount", "reason_code", "transaction"] {
            assert_eq!(found.json()[name], answered[name], "{refund} {name}");
        }
    }
    // What counts is what is there, also of refunds whose answers nobody saw.
    let (mut sum, mut skip) = (0, 0);
    loop {
        let page = dev.get(&format!("/v1/refund?transaction={refunded}&_limit=1000&_skip={skip}")).json();
        let rows = page.as_array().unwrap();
        let counts = rows.iter().filter(|row| row["status"] != json!("FAILED"));
        sum += counts.map(|row| row["amount"].as_u64().unwrap()).sum::<u64>();
        skip += rows.len();
        if rows.len() < 1000 {
            break;
        }
    }
    let of = dev.get(&format!("/v1/transaction/{refunded}")).json();
    assert_eq!(of["refunded_amount"].as_u64().unwrap_or(0), sum, "{skip} refunds");
    let open = dev.get("/v1/transaction/count?status=INITIATED").json();
    assert_eq!(open, json!({ "count": 0 }), "a crash leaves INITIATED, and a start makes it UNKNOWN");
}
