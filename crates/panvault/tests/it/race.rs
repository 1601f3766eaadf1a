//! Requests that race for one CVV, and floods that race for the room of all.

use std::sync::Barrier;

use panvault_testkit::{HttpAnswer, canary_cards, http_send};
use serde_json::{Value, json};

use crate::cli::path;
use crate::serve::{Served, vault};
use crate::support::{Dev, run_json};

const ROUNDS: usize = 40;
/// Requests of one round.
const RACERS: usize = 4;
/// CVVs that the server may hold. A quarter of it is for browsers.
const HELD_MAX: usize = 64;

/// Pays with a card, all at once; `key` says the idempotency key of each. The answers.
fn race(dev: &Dev, card: &str, key: impl Fn(usize) -> String + Sync) -> Vec<HttpAnswer> {
    let body = dev.transaction_body(card, 1099).to_string();
    let start = Barrier::new(RACERS);
    std::thread::scope(|scope| {
        let (body, start, key) = (&body, &start, &key);
        let racers: Vec<_> = (0..RACERS)
            .map(|racer| {
                scope.spawn(move || {
                    let key = key(racer);
                    let headers = [
                        ("X-APIKEY", dev.key.as_str()),
                        ("Content-Type", "application/json"),
                        ("Idempotency-Key", key.as_str()),
                    ];
                    start.wait();
                    http_send(&format!("{}/v1/transaction", dev.url), "POST", &headers, Some(body)).unwrap()
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    })
}

/// Of the transactions of a card, how many went out with its CVV and how many without.
fn went_out(dev: &Dev, card: &str) -> (usize, usize) {
    let listed: Value = dev.get(&format!("/v1/transaction?card={card}")).json();
    let listed = listed.as_array().unwrap();
    let with = listed.iter().filter(|transaction| transaction["cvv_present"] == json!(true)).count();
    (with, listed.len() - with)
}

/// Of 150 pairs of requests with one idempotency key, sent at once for a card with a CVV, three paid without it, and it stayed
/// held: the twin that lost the CVV went on and won the key. A claim on the CVV names the request that it is for, so that a twin
/// waits for the answer or is told that the request is under way.
#[test]
fn of_twins_the_one_that_goes_out_has_the_cvv() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    for (round, canary) in canary_cards(0x7715, ROUNDS).iter().enumerate() {
        let card = dev.make_card(&canary.number, Some(&canary.cvv));
        let answers = race(&dev, &card, |_| format!("order-{round}"));
        for answer in &answers {
            assert!(answer.status == 200 || answer.status == 409, "{}", answer.text);
        }
        assert!(answers.iter().any(|answer| answer.status == 200), "round {round}: one is done");
        assert_eq!(went_out(&dev, &card), (1, 0), "round {round}");
        assert_eq!(dev.get(&format!("/v1/card/{card}")).json()["cvv_present"], json!(false), "round {round}");
    }
    // The control: with keys of their own, they are as many payments, of which one has it. So it is told here who went without.
    let canary = &canary_cards(0xc0, 1)[0];
    let card = dev.make_card(&canary.number, Some(&canary.cvv));
    for answer in race(&dev, &card, |racer| format!("another-{racer}")) {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    assert_eq!(went_out(&dev, &card), (1, RACERS - 1));
}

/// A publishable key, which every page of a shop shows, filled the room for CVVs with cards of its own, and the shop's servers
/// were answered 503. Browsers have a share of their own, and no more.
#[test]
fn a_flood_of_browsers_leaves_room_for_servers() {
    let directory = tempfile::tempdir().unwrap();
    let (data, organisation, key) = vault(directory.path());
    let page = "https://shop.example";
    let publishable = run_json(&[
        "apikey",
        "create",
        "--organisation",
        &organisation,
        "--name",
        "page",
        "--role",
        "Publishable",
        "--allowed-origin",
        page,
        "--json",
        "--data",
        path(&data),
    ]);
    let publishable = publishable["api_key"].as_str().unwrap();
    let config = directory.path().join("vault.settings.toml");
    let held_max = format!("cvvs_held_max={HELD_MAX}");
    let arguments =
        ["--config", path(&config), "--listen", "127.0.0.1:0", "--set", &held_max, "--set", "limits=false"];
    let (_served, ready) = Served::start(directory.path(), &arguments);
    let cards = canary_cards(0xf100d, HELD_MAX + 1);
    let create = |key: &str, nth: usize| {
        let headers = [("X-APIKEY", key), ("Content-Type", "application/json"), ("Origin", page)];
        let body = json!({
            "card_number": cards[nth].number, "cvv": cards[nth].cvv, "expiry_month": "12", "expiry_year": "2040",
            "organisation": organisation,
        });
        let url = format!("{}/v1/card", ready["url"].as_str().unwrap());
        http_send(&url, "POST", &headers, Some(&body.to_string())).unwrap()
    };
    let flood: Vec<HttpAnswer> = (0..HELD_MAX).map(|nth| create(publishable, nth)).collect();
    let taken = flood.iter().filter(|answer| answer.status == 200).count();
    // The control: the flood is one, and is told so.
    assert!(taken > 0 && taken <= HELD_MAX / 4, "{taken} of {HELD_MAX}");
    let refused = flood.last().unwrap();
    assert_eq!((refused.status, refused.code()), (503, 144), "{}", refused.text);

    let answer = create(&key, HELD_MAX);
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["cvv_present"], json!(true));
}
