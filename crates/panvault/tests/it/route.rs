//! A route over two PSPs: whoever has not seen a byte leaves the CVV to the other, and what may have been done is never done again.

use std::fs;
use std::path::{Path, PathBuf};

use panvault_testkit::psp::{Manner, Peer, STRIPE_SECRET_KEY, Stripe};
use panvault_testkit::{HttpAnswer, http_send};
use serde_json::{Value, json};

use crate::cli::path;
use crate::serve::{Served, vault};
use crate::support::{run, run_json, run_refused, secret_file};

const CARD: &str = "4242424242424242";
/// Stripe's published test number of a card that is declined where a CVV comes with it.
const DECLINED_WITH_CVV: &str = "4000000000000127";
const SHIPPED: &str = include_str!("../../../processor/descriptions/stripe.toml");

struct Shop {
    peers: [Peer<Stripe>; 2],
    processors: [String; 2],
    route: String,
    url: String,
    key: String,
    organisation: String,
    account: String,
    data: PathBuf,
    descriptions: PathBuf,
    served: Option<Served>,
}

impl Shop {
    /// A test vault that pays by the first of two fakes and, where that declines a CVV, by the second.
    fn open(directory: &Path) -> Self {
        let peers = [Peer::plain(Stripe::default()), Peer::plain(Stripe::default())];
        let descriptions = directory.join("processors");
        fs::create_dir(&descriptions).unwrap();
        for (name, peer) in ["first", "second"].into_iter().zip(&peers) {
            let text = SHIPPED
                .replace("name = \"stripe\"", &format!("name = \"{name}\""))
                .replace("test = \"https://api.stripe.com\"", &format!("test = \"{}\"", peer.origin()));
            fs::write(descriptions.join(format!("{name}.toml")), text).unwrap();
        }
        let (data, organisation, key) = vault(directory);
        let (served, url) = serve(directory, &data, &descriptions);
        let secret = directory.join("stripe.key");
        secret_file(&secret, format!("{STRIPE_SECRET_KEY}\n"));
        let secret = format!("secret_key={}", path(&secret));
        let made = |args: &[&str]| {
            let more = ["--organisation", &organisation, "--name", "X", "--json", "--data", path(&data)];
            run_json(&[args, &more].concat())
        };
        let id = |made: Value| made["_id"].as_str().unwrap().to_owned();
        let processors = ["card_first", "card_second"]
            .map(|kind| id(made(&["processor", "create", "--type", kind, "--secret", &secret])));
        let [one, two] = &processors;
        let one = format!("processor={one} again_after=incorrect_cvc,generic_decline");
        let two = format!("processor={two} brands=Visa amount_max=500000");
        let routed = made(&["processor", "create", "--type", "card_route", "--route", &one, "--route", &two]);
        let expected = json!({ "_type": "card_route", "routes": [
            { "processor": processors[0], "again_after": ["incorrect_cvc", "generic_decline"] },
            { "processor": processors[1], "brands": ["Visa"], "amount_max": 500_000 },
        ] });
        assert_eq!(routed["configuration"], expected);
        let route = id(routed);
        let account = id(made(&["account", "create", "--currency-code", "EUR", "--processor", &route]));
        let served = Some(served);
        Self { peers, processors, route, url, key, organisation, account, data, descriptions, served }
    }

    fn send(&self, to: &str, method: &str, body: Option<&Value>) -> Result<HttpAnswer, String> {
        let headers = [("X-APIKEY", self.key.as_str()), ("Content-Type", "application/json")];
        let body = body.map(Value::to_string);
        http_send(&format!("{}{to}", self.url), method, &headers, body.as_deref())
            .map_err(|error| error.to_string())
    }

    fn post(&self, to: &str, body: &Value) -> (u16, Value) {
        let answer = self.send(to, "POST", Some(body)).unwrap();
        (answer.status, answer.json())
    }

    fn get(&self, to: &str) -> Value {
        self.send(to, "GET", None).unwrap().json()
    }

    fn card(&self, number: &str) -> String {
        let body = json!({
            "card_number": number, "expiry_month": "12", "expiry_year": "2040", "cvv": "123", "organisation": self.organisation,
        });
        let (status, card) = self.post("/v1/card", &body);
        assert_eq!(status, 200, "{card}");
        card["_id"].as_str().unwrap().to_owned()
    }

    fn order(&self, card: &str, amount: u32) -> Value {
        json!({ "account": self.account, "amount": amount, "card": card, "merchant_reference": "order 7" })
    }

    fn pay(&self, card: &str, amount: u32) -> (u16, Value) {
        self.post("/v1/transaction", &self.order(card, amount))
    }

    /// Status, processor and CVV of each step, the oldest first.
    fn steps(&self, transaction: &Value) -> Vec<(String, String, bool)> {
        let history = self.get(&format!("/v1/transaction/{}/history", transaction.as_str().unwrap()));
        let text = |step: &Value, name: &str| step[name].as_str().unwrap().to_owned();
        let step = |step: &Value| {
            (text(step, "status"), text(step, "processor"), step["cvv_present"].as_bool().unwrap())
        };
        history.as_array().unwrap().iter().rev().map(step).collect()
    }

    fn holds_cvv(&self, card: &str) -> bool {
        self.get(&format!("/v1/card/{card}"))["cvv_present"].as_bool().unwrap()
    }

    /// What a fake was asked for to authorise, each with whether a CVV was there, and its idempotency key.
    fn asked(&self, peer: usize) -> Vec<(bool, String)> {
        let requests = self.peers[peer].requests().into_iter();
        let made = requests.filter(|one| one.request.method == "POST");
        let asked = made.map(|one| {
            let body = String::from_utf8_lossy(&one.request.body).into_owned();
            let key = one.request.header("idempotency-key").unwrap_or_default().to_owned();
            (body.contains("[cvc]=123") || body.contains("%5Bcvc%5D=123"), key)
        });
        asked.collect()
    }
}

fn serve(directory: &Path, data: &Path, descriptions: &Path) -> (Served, String) {
    let setting = format!("processors={}", path(descriptions));
    let args = [
        "--data",
        path(data),
        "--listen",
        "127.0.0.1:0",
        "--metrics-listen",
        "127.0.0.1:0",
        "--set",
        &setting,
    ];
    let (served, ready) = Served::start(directory, &args);
    (served, ready["url"].as_str().unwrap().to_owned())
}

fn step(status: &str, processor: &str, cvv_present: bool) -> (String, String, bool) {
    (status.to_owned(), processor.to_owned(), cvv_present)
}

#[test]
fn what_one_psp_has_not_seen_goes_to_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::open(directory.path());

    // Nobody is there: the other gets the CVV.
    let card = shop.card(CARD);
    shop.peers[0].refuse();
    let (status, paid) = shop.pay(&card, 1_000);
    assert_eq!(
        (status, &paid["processor"], &paid["cvv_present"]),
        (200, &json!("second"), &json!(true)),
        "{paid}"
    );
    assert_eq!(paid["cvv_result"], "1");
    assert!(shop.peers[0].seen().is_empty(), "not a byte");
    assert_eq!(
        shop.steps(&paid["_id"]),
        [
            step("INITIATED", "first", true),
            step("UNAVAILABLE", "first", false),
            step("INITIATED", "second", true),
            step("SETTLEMENT_REQUESTED", "second", true),
        ]
    );
    let key = format!("{}-authorise-2", paid["_id"].as_str().unwrap());
    assert_eq!(shop.asked(1), [(true, key)]);
    let name = format!("{}.2", paid["_id"].as_str().unwrap());
    assert!(shop.peers[1].has_seen(name.as_bytes()), "what it is called there has the try's number");

    // Neither is there.
    let card = shop.card(CARD);
    shop.peers[1].close_connections();
    shop.peers[1].refuse();
    let (status, away) = shop.pay(&card, 1_000);
    assert_eq!(
        (status, &away["code"], &away["details"]["status"]),
        (503, &json!(131), &json!("UNAVAILABLE")),
        "{away}"
    );
    assert!(shop.holds_cvv(&card), "nobody has seen it");
    shop.peers.iter().for_each(Peer::take);

    // A decline that is named: the other goes without.
    let card = shop.card(DECLINED_WITH_CVV);
    let (status, paid) = shop.pay(&card, 1_000);
    assert_eq!(
        (status, &paid["processor"], &paid["cvv_present"]),
        (200, &json!("second"), &json!(false)),
        "{paid}"
    );
    assert_eq!(
        shop.steps(&paid["_id"]),
        [
            step("INITIATED", "first", true),
            step("DECLINED", "first", true),
            step("INITIATED", "second", false),
            step("SETTLEMENT_REQUESTED", "second", false),
        ]
    );
    assert_eq!(shop.asked(1).last().map(|(has_cvv, _)| *has_cvv), Some(false));
    assert!(!shop.holds_cvv(&card));

    // A byte has left: nobody else is asked, and the CVV is gone.
    let card = shop.card(CARD);
    let before = shop.asked(1).len();
    shop.peers[0].close_connections();
    shop.peers[0].next(&[Manner::ResetAfter(1)]);
    let (status, unknown) = shop.pay(&card, 900);
    assert_eq!((status, &unknown["code"]), (502, &json!(122)), "{unknown}");
    assert_eq!(shop.asked(1).len(), before);
    assert!(!shop.holds_cvv(&card));

    // Who is named stays, and what is wrong is said by its name.
    let deleted = run_refused(&["processor", "delete", &shop.processors[0], "--data", path(&shop.data)]);
    assert!(deleted.contains("routes name it"), "{deleted}");
    let change = ["processor", "change", &shop.route, "--data", path(&shop.data), "--route"];
    let route = format!("processor={} brands=Viza percentage=130", shop.processors[0]);
    let refused = run(&[&change[..], &[&route]].concat()).err;
    assert!(refused.contains("--route 1 brands") && refused.contains("--route 1 percentage"), "{refused}");
    let nested = run_refused(&[&change[..], &[&format!("processor={}", shop.route)]].concat());
    assert!(nested.contains("must not be a card_route"), "{nested}");
    let route = format!("processor={} percentage=0", shop.processors[0]);
    run_json(&[&change[..], &[&route, "--json"]].concat());
    let card = shop.card(CARD);
    let (status, none) = shop.pay(&card, 1_000);
    assert_eq!((status, &none["code"]), (400, &json!(110)), "{none}");
    assert!(none["details"].to_string().contains("no route"), "{none}");
    assert!(shop.holds_cvv(&card));
}

/// The process is killed while the second PSP has the request. The first has not seen a byte, and is not asked again.
#[test]
fn a_server_that_dies_in_the_second_try_leaves_that_one_unknown() {
    let directory = tempfile::tempdir().unwrap();
    let mut shop = Shop::open(directory.path());
    let card = shop.card(CARD);
    shop.peers[0].refuse();
    shop.peers[1].next(&[Manner::SilentDone]);
    std::thread::scope(|scope| {
        let (shop, card) = (&shop, &card);
        let paying =
            scope.spawn(move || shop.send("/v1/transaction", "POST", Some(&shop.order(card, 1_000))));
        shop.peers[1].wait_for_requests(1);
        shop.served.as_ref().unwrap().signal("-KILL");
        assert!(paying.join().unwrap().is_err(), "nobody answers");
    });
    shop.served = None;
    shop.peers[0].take();
    let (served, url) = serve(directory.path(), &shop.data, &shop.descriptions);
    (shop.served, shop.url) = (Some(served), url);
    let listed = shop.get("/v1/transaction");
    let [one] = listed.as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!((&one["status"], &one["processor"]), (&json!("UNKNOWN"), &json!("second")), "{listed}");
    assert_eq!(one["cvv_present"], true, "it went out");
    assert_eq!(
        shop.steps(&one["_id"]),
        [
            step("INITIATED", "first", true),
            step("UNAVAILABLE", "first", false),
            step("INITIATED", "second", true),
            step("UNKNOWN", "second", true),
        ]
    );
    assert!(shop.peers[0].seen().is_empty());
    assert_eq!(shop.asked(1).len(), 1, "it was sent once");
    assert!(!shop.holds_cvv(&card));
}
