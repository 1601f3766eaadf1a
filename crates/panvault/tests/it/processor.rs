//! A PSP that is described: the server pays by it, and only the PSP's own socket sees the card.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use panvault_testkit::http_send;
use panvault_testkit::psp::{Manner, Peer, Psp, STRIPE_SECRET_KEY, Stripe};
use serde_json::{Value, json};

use crate::cli::path;
use crate::serve::{Served, vault};
use crate::support::{run, run_json, secret_file};

pub(crate) const CARD: &str = "4242424242424242";
pub(crate) const SHIPPED: &str = include_str!("../../../processor/descriptions/stripe.toml");

/// A PSP: its shipped description, the origin in it that is a fake's here, and what an operator sets.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) shipped: &'static str,
    pub(crate) origin: &'static str,
    pub(crate) settings: &'static [(&'static str, &'static str)],
    pub(crate) secrets: &'static [(&'static str, &'static str)],
}

pub(crate) const STRIPE: Kind = Kind {
    name: "stripe",
    shipped: SHIPPED,
    origin: "https://api.stripe.com",
    settings: &[],
    secrets: &[("secret_key", STRIPE_SECRET_KEY)],
};

pub(crate) struct Shop<P: Psp> {
    pub(crate) peer: Peer<P>,
    pub(crate) url: String,
    key: String,
    pub(crate) organisation: String,
    pub(crate) account: String,
    pub(crate) processor: String,
    pub(crate) ready: Value,
    pub(crate) served: Served,
}

impl<P: Psp> Shop<P> {
    /// A test vault whose operator has put a description beside it, of which the origin is the fake's.
    pub(crate) fn open(directory: &Path, kind: &Kind, psp: P) -> Self {
        Self::open_with(directory, kind, psp, &[])
    }

    /// The same with more settings.
    pub(crate) fn open_with(directory: &Path, kind: &Kind, psp: P, more: &[&str]) -> Self {
        let peer = Peer::plain(psp);
        let descriptions = directory.join("processors");
        fs::create_dir(&descriptions).unwrap();
        let name = format!("name = \"{}\"", kind.name);
        let text = kind
            .shipped
            .replace(&name, &format!("{name}\nreplaces_shipped = true"))
            .replace(&format!("test = \"{}\"", kind.origin), &format!("test = \"{}\"", peer.origin()));
        fs::write(descriptions.join("psp.toml"), text).unwrap();
        let (data, organisation, key) = vault(directory);
        let setting = format!("processors={}", path(&descriptions));
        let args = ["--data", path(&data), "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
        let more = more.iter().flat_map(|setting| ["--set", *setting]).collect::<Vec<_>>();
        let (served, ready) = Served::start(directory, &[&args[..], &["--set", &setting], &more].concat());
        let url = ready["url"].as_str().unwrap().to_owned();
        let type_name = format!("card_{}", kind.name);
        let settings = kind.settings.iter().map(|(name, value)| format!("{name}={value}"));
        let files = kind.secrets.iter().map(|(name, value)| {
            let file = directory.join(format!("{name}.secret"));
            secret_file(&file, format!("{value}\n"));
            format!("{name}={}", path(&file))
        });
        let pairs: Vec<_> = settings
            .map(|pair| ("--configuration", pair))
            .chain(files.map(|pair| ("--secret", pair)))
            .collect();
        let name = ["--organisation", &organisation, "--name", "PSP", "--type", &type_name];
        let pairs: Vec<&str> = pairs.iter().flat_map(|(argument, pair)| [*argument, pair.as_str()]).collect();
        let more = ["--json", "--data", path(&data)];
        let made = run_json(&[&["processor", "create"][..], &name, &pairs, &more].concat());
        for (_, secret) in kind.secrets {
            assert!(!made.to_string().contains(secret), "a secret is never shown");
        }
        let processor = made["_id"].as_str().unwrap().to_owned();
        let name = ["--organisation", &organisation, "--name", "Shop", "--currency-code", "EUR"];
        let more = ["--processor", &processor, "--json", "--data", path(&data)];
        let account = run_json(&[&["account", "create"][..], &name, &more].concat());
        let account = account["_id"].as_str().unwrap().to_owned();
        Self { peer, url, key, organisation, account, processor, ready, served }
    }

    pub(crate) fn post(&self, to: &str, body: &Value) -> (u16, Value) {
        let headers = [("X-APIKEY", self.key.as_str()), ("Content-Type", "application/json")];
        let answer =
            http_send(&format!("{}{to}", self.url), "POST", &headers, Some(&body.to_string())).unwrap();
        (answer.status, answer.json())
    }

    pub(crate) fn get(&self, from: &str) -> Value {
        let headers = [("X-APIKEY", self.key.as_str())];
        let answer = http_send(&format!("{}{from}", self.url), "GET", &headers, None).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    pub(crate) fn card(&self) -> String {
        let body = json!({
            "card_number": CARD, "expiry_month": "12", "expiry_year": "2040", "cvv": "123", "organisation": self.organisation,
        });
        let (status, card) = self.post("/v1/card", &body);
        assert_eq!(status, 200, "{card}");
        card["_id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn pay(&self, card: &str, amount: u32, capture_now: bool) -> (u16, Value) {
        let body = json!({
            "account": self.account, "amount": amount, "card": card, "capture_now": capture_now, "merchant_reference": "order 7",
            "customer_ip": "203.0.113.7", "dynamic_descriptor": "Shop", "user_agent": "Mozilla/5.0",
        });
        self.post("/v1/transaction", &body)
    }
}

/// Whether some file below a directory has this text as it is.
pub(crate) fn holds(directory: &Path, text: &str) -> bool {
    fs::read_dir(directory).unwrap().any(|entry| {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            return holds(&entry.path(), text);
        }
        kind.is_file() && String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).contains(text)
    })
}

#[test]
fn a_vault_pays_by_a_psp_that_is_described() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::open(directory.path(), &STRIPE, Stripe::default());
    let card = shop.card();
    let (status, reserved) = shop.pay(&card, 1000, false);
    assert_eq!((status, &reserved["status"]), (200, &json!("AUTHORIZED")), "{reserved}");
    assert_eq!((&reserved["cvv_present"], &reserved["cvv_result"]), (&json!(true), &json!("1")));
    assert!(shop.peer.has_seen(CARD.as_bytes()));
    let transaction = |id: &Value, what: &str| format!("/v1/transaction/{}/{what}", id.as_str().unwrap());
    let (status, captured) = shop.post(&transaction(&reserved["_id"], "capture"), &json!({ "amount": 700 }));
    assert_eq!((status, &captured["status"]), (200, &json!("SETTLEMENT_REQUESTED")), "{captured}");
    // Stripe has no such request: nothing is sent, and it stands where it stood.
    let before = shop.peer.requests().len();
    let (status, refused) = shop.post(&transaction(&reserved["_id"], "void_capture"), &json!({}));
    assert_eq!((status, &refused["code"]), (400, &json!(132)), "{refused}");
    assert_eq!(shop.peer.requests().len(), before);
    let (_, other) = shop.pay(&card, 500, false);
    assert_eq!(other["cvv_present"], json!(false), "it was used");
    let (status, voided) = shop.post(&transaction(&other["_id"], "void"), &json!({}));
    assert_eq!((status, &voided["status"]), (200, &json!("AUTHORIZATION_VOIDED")), "{voided}");

    // Who is not there leaves the CVV; who may have seen a byte does not, and is asked what became of it.
    let card = shop.card();
    shop.peer.close_connections();
    shop.peer.refuse();
    let (status, away) = shop.pay(&card, 900, true);
    assert_eq!((status, &away["code"]), (503, &json!(131)), "{away}");
    shop.peer.take();
    shop.peer.next(&[Manner::ResetDone]);
    let (status, unknown) = shop.pay(&card, 900, true);
    assert_eq!((status, &unknown["code"]), (502, &json!(122)), "{unknown}");
    let (_, again) = shop.pay(&card, 900, true);
    assert_eq!(again["cvv_present"], json!(false), "it went out once");

    let logged = fs::read_to_string(directory.path().join("log.json")).unwrap();
    assert!(!logged.contains(CARD) && !logged.contains(STRIPE_SECRET_KEY), "{logged}");
    let data = directory.path().join("vault");
    for secret in [CARD, STRIPE_SECRET_KEY] {
        assert!(!holds(&data, secret), "only the peer's own socket saw it");
    }
    let tried = run_json(&["processor", "try", &shop.processor, "--json", "--data", path(&data)]);
    assert_eq!(tried["status"], "AUTHORIZED", "{tried}");
    // What reserves money releases it again, and the name on the card goes along.
    let amount = ["processor", "try", &shop.processor, "--amount", "950", "--json", "--data", path(&data)];
    let tried = run_json(&amount);
    assert_eq!((&tried["status"], &tried["amount"]), (&json!("AUTHORIZED"), &json!(950)), "{tried}");
    assert_eq!(tried["after_void"], "AUTHORIZATION_VOIDED", "{tried}");
    shop.served.signal("-TERM");
}

#[test]
fn a_description_is_checked_without_a_vault() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mine.toml");
    let check = |more: &[&str]| run(&[&["processor", "check", path(&file)][..], more].concat());
    let mine = SHIPPED.replace("name = \"stripe\"", "name = \"mine\"");
    fs::write(&file, &mine).unwrap();
    let good = check(&[]);
    assert!(good.status.success() && good.err.is_empty(), "{}", good.err);
    for line in [
        "type             card_mine",
        "can              authorise, sale, verify, capture, void, refund, ask",
        "calls            test: https://api.stripe.com",
        "secret           secret_key, required: The secret key, or a restricted one that may write payment intents, setup intents and refunds",
        "act              authorise, POST /v1/payment_intents",
        "limit            answer_millis = 20000",
        "network tokens   Visa, Mastercard, Amex",
        "declined         402; error.type is card_error",
        "asks about       refund, GET /v1/refunds/{{act_reference}}",
    ] {
        assert!(good.out.lines().any(|said| said == line), "{line}: {}", good.out);
    }
    let mapped = run_json(&["processor", "check", path(&file), "--json"]);
    assert_eq!((&mapped["type"], &mapped["faults"]), (&json!("card_mine"), &json!([])));
    assert_eq!(mapped["acts"][0]["network_tokens"], json!(["Visa", "Mastercard", "Amex"]));
    assert!(mapped["acts"][0]["sends"].as_array().unwrap().contains(&json!("currency|lower")), "{mapped}");

    // What is no fault, and seldom meant.
    assert_eq!(mapped["remarks"], json!([]));
    let unused = format!("{mine}\n[settings.spare]\nkind = \"text\"\n");
    fs::write(&file, &unused).unwrap();
    let remarked = check(&[]);
    assert!(remarked.status.success(), "{}", remarked.err);
    assert!(
        remarked.out.ends_with("\nremark           settings.spare is used nowhere\n"),
        "{}",
        remarked.out
    );

    // Every fault, as an editor finds its place.
    let number = |needle: &str| mine.lines().position(|line| line.contains(needle)).unwrap() + 1;
    let wrong =
        mine.replace("{{currency|lower}}", "{{money}}").replace("\"off_session\"]]", "\"off_session\", 1]]");
    fs::write(&file, &wrong).unwrap();
    let bad = check(&[]);
    let lines: Vec<_> = bad.out.lines().collect();
    assert_eq!((bad.status.code(), lines.len()), (Some(1), 2), "{}", bad.out);
    let place = |needle: &str| format!("{}:{}: ", file.display(), number(needle));
    assert!(
        lines[0].starts_with(&place("\"off_session\"]]")) && lines[0].contains("2 values"),
        "{}",
        bad.out
    );
    assert!(
        lines[1].starts_with(&place("{{currency|lower}}")) && lines[1].contains("{{money}}"),
        "{}",
        bad.out
    );
    assert!(bad.err.contains("the description has 2 faults"), "{}", bad.err);
    let told = check(&["--json"]);
    let told: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(told["faults"][1]["line"], json!(number("{{currency|lower}}")), "{told}");

    // As a server reads it: among those that are shipped, from a file that is its owner's.
    fs::write(&file, SHIPPED).unwrap();
    assert!(check(&[]).out.contains("replaces_shipped"));
    fs::write(&file, &mine).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(check(&[]).out.contains("chmod go-w"));
    fs::remove_file(&file).unwrap();
    assert!(check(&[]).out.contains("cannot be read"));
}

/// Of types that come with the program too, and as the server reads it.
#[test]
fn a_file_of_limits_is_checked_without_a_vault() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("limits.toml");
    let id = "65f1c0d23d4e5f60718293a4";
    let text =
        format!("[card_stripe]\nanswer_millis = 900\n[card_stripe.processors.{id}]\nconnections_max = 9\n");
    fs::write(&file, &text).unwrap();
    let check = || run(&["processor", "check", path(&file)]);
    let shown = check();
    assert!(shown.status.success(), "{}", shown.err);
    let (of_type, of_one) = shown.out.split_once("\n\n").unwrap();
    assert!(
        of_type.starts_with("card_stripe\n") && of_type.contains("answer_millis = 900\n"),
        "{}",
        shown.out
    );
    assert!(of_type.contains("connections_max = 64\n"), "{}", shown.out);
    assert!(of_one.starts_with(&format!("card_stripe {id}\n")), "{}", shown.out);
    assert!(
        of_one.contains("answer_millis = 900\n") && of_one.contains("connections_max = 9\n"),
        "{}",
        shown.out
    );
    let object = run_json(&["processor", "check", path(&file), "--json"]);
    assert_eq!(object["limits"][0]["processors"][id]["connections_max"], json!(9), "{object}");
    fs::write(&file, text.replace("900", "9").replace("card_stripe.processors", "card_other.processors"))
        .unwrap();
    let bad = check();
    let lines: Vec<_> = bad.out.lines().collect();
    assert_eq!((bad.status.code(), lines.len()), (Some(1), 2), "{}", bad.out);
    assert!(lines[0].ends_with("limits.toml:2: must be 100 to 27000"), "{}", bad.out);
    assert!(lines[1].contains("limits.toml:3: \"card_other\": there is no description"), "{}", bad.out);
    assert!(bad.err.contains("the file of limits has 2 faults"), "{}", bad.err);
}

/// Each processor by its id, with what became of its acts; no card, no secret, no text of the PSP's.
#[test]
fn the_metrics_say_how_each_processor_does() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::open(directory.path(), &STRIPE, Stripe::default());
    let page = || {
        let url = format!("{}/metrics", shop.ready["metrics_url"].as_str().unwrap());
        http_send(&url, "GET", &[], None).unwrap().text
    };
    assert!(!page().contains("panvault_processor_"), "nobody was connected to");
    for amount in [1000, 1100] {
        assert_eq!(shop.pay(&shop.card(), amount, false).0, 200);
    }
    shop.peer.next(&[Manner::ResetUndone]);
    assert_eq!(shop.pay(&shop.card(), 1200, false).0, 502);
    shop.peer.refuse();
    assert_eq!(shop.pay(&shop.card(), 1300, false).0, 503);
    let page = page();
    let whose = format!("type=\"card_stripe\",processor=\"{}\"", shop.processor);
    for line in [
        format!("panvault_processor_acts_total{{{whose},outcome=\"answered\"}} 2"),
        format!("panvault_processor_acts_total{{{whose},outcome=\"unknown\"}} 1"),
        format!("panvault_processor_acts_total{{{whose},outcome=\"not_reached\"}} 1"),
        format!("panvault_processor_acts_total{{{whose},outcome=\"full\"}} 0"),
        format!("panvault_processor_acts_total{{{whose},outcome=\"breaker_open\"}} 0"),
        format!("panvault_processor_acts_total{{{whose},outcome=\"question_answered\"}} 0"),
        format!("panvault_processor_connections_made_total{{{whose}}} 1"),
        format!("panvault_processor_connections_reused_total{{{whose}}} 2"),
        format!("panvault_processor_connections_retried_total{{{whose}}} 1"),
        format!("panvault_processor_connections{{{whose}}} 0"),
        format!("panvault_processor_breaker_open{{{whose}}} 0"),
        format!("panvault_processor_answer_seconds_count{{{whose}}} 2"),
        format!("panvault_processor_answer_seconds_bucket{{le=\"+Inf\",{whose}}} 2"),
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
    for secret in [CARD, STRIPE_SECRET_KEY, "pi_3", &shop.organisation] {
        assert!(!page.contains(secret), "{secret}");
    }
    shop.served.signal("-TERM");
}

/// Whoever can write a description says where cards are sent.
#[test]
fn a_description_that_others_may_write_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    let descriptions = directory.path().join("processors");
    fs::create_dir(&descriptions).unwrap();
    let file = descriptions.join("mine.toml");
    let serve = || {
        let setting = format!("processors={}", path(&descriptions));
        run(&["serve", "--data", path(&data), "--listen", "127.0.0.1:0", "--set", &setting])
    };
    fs::write(&file, "name = \"mine\"\n").unwrap();
    let ended = serve();
    assert!(!ended.status.success() && ended.err.contains("mine.toml"), "{}", ended.err);
    fs::write(&file, SHIPPED.replace("\"stripe\"", "\"mine\"")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let ended = serve();
    assert!(!ended.status.success() && ended.err.contains("chmod go-w"), "{}", ended.err);
}
