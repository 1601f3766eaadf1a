//! Network tokens through the whole server: each PSP gets token and cryptogram in its own fields, once, and nothing that the vault writes or says has a
//! cryptogram in it.

use std::fs;
use std::path::Path;

use panvault_testkit::psp::{
    ADYEN_API_KEY, ADYEN_MERCHANT_ACCOUNT, Adyen, CHECKOUT_SECRET_KEY, Checkout, Peer, Psp,
    STRIPE_SECRET_KEY, Stripe,
};
use panvault_testkit::{LeakScan, NeedleScan, http_send};
use serde_json::{Value, json};

use crate::cli::path;
use crate::serve::{Served, vault};
use crate::support::{run_json, secret_file};

const TOKEN: &str = "4242424242424242";

/// A PSP: its description, the origin in it that is a fake's here, and what an operator sets.
struct Kind {
    name: &'static str,
    description: &'static str,
    origin: &'static str,
    settings: &'static [&'static str],
    secret: (&'static str, &'static str),
}

const STRIPE: Kind = Kind {
    name: "stripe",
    description: include_str!("../../../processor/descriptions/stripe.toml"),
    origin: "https://api.stripe.com",
    settings: &[],
    secret: ("secret_key", STRIPE_SECRET_KEY),
};
const ADYEN: Kind = Kind {
    name: "adyen",
    description: include_str!("../../../processor/descriptions/adyen.toml"),
    origin: "https://checkout-test.adyen.com",
    settings: &["merchant_account=PanvaultECOM", "return_url=https://shop.example/paid"],
    secret: ("api_key", ADYEN_API_KEY),
};
const CHECKOUT: Kind = Kind {
    name: "checkout",
    description: include_str!("../../../processor/descriptions/checkout.toml"),
    origin: "https://api.sandbox.checkout.com",
    settings: &[],
    secret: ("secret_key", CHECKOUT_SECRET_KEY),
};

struct Shop {
    url: String,
    key: String,
    organisation: String,
    account: String,
    served: Served,
    said: Vec<u8>,
    made: Vec<Vec<u8>>,
}

impl Shop {
    fn open<P: Psp>(directory: &Path, peer: &Peer<P>, kind: &Kind) -> Self {
        let descriptions = directory.join("processors");
        fs::create_dir(&descriptions).unwrap();
        let name = format!("name = \"{}\"", kind.name);
        let text = kind
            .description
            .replace(&name, &format!("{name}\nreplaces_shipped = true"))
            .replace(&format!("test = \"{}\"", kind.origin), &format!("test = \"{}\"", peer.origin()));
        fs::write(descriptions.join("psp.toml"), text).unwrap();
        let (data, organisation, key) = vault(directory);
        let setting = format!("processors={}", path(&descriptions));
        let at = [
            "--data",
            path(&data),
            "--listen",
            "127.0.0.1:0",
            "--metrics-listen",
            "127.0.0.1:0",
            "--set",
            &setting,
            "--set",
            "log_level=trace",
        ];
        let (served, ready) = Served::start(directory, &at);
        let url = ready["url"].as_str().unwrap().to_owned();
        let secret = directory.join("psp.key");
        let (name, value) = kind.secret;
        secret_file(&secret, value);
        let (type_name, secret) = (format!("card_{}", kind.name), format!("{name}={}", path(&secret)));
        let mut args = vec![
            "processor",
            "create",
            "--organisation",
            &organisation,
            "--name",
            "PSP",
            "--type",
            &type_name,
        ];
        args.extend(["--secret", &secret, "--json", "--data", path(&data)]);
        kind.settings.iter().for_each(|setting| args.extend(["--configuration", setting]));
        let processor = run_json(&args);
        let processor = processor["_id"].as_str().unwrap();
        let args = [
            "account",
            "create",
            "--organisation",
            &organisation,
            "--name",
            "Shop",
            "--currency-code",
            "EUR",
        ];
        let more = ["--processor", processor, "--json", "--data", path(&data)];
        let account = run_json(&[&args[..], &more].concat())["_id"].as_str().unwrap().to_owned();
        Self { url, key, organisation, account, served, said: Vec::new(), made: Vec::new() }
    }

    fn post(&mut self, to: &str, more: &[(&str, &str)], body: &Value) -> (u16, Value) {
        let mut headers = vec![("X-APIKEY", self.key.as_str()), ("Content-Type", "application/json")];
        headers.extend(more);
        let answer =
            http_send(&format!("{}{to}", self.url), "POST", &headers, Some(&body.to_string())).unwrap();
        self.said.extend_from_slice(answer.text.as_bytes());
        (answer.status, answer.json())
    }

    fn card(&mut self, kind: &str) -> String {
        let body = json!({
            "card_number": TOKEN, "kind": kind, "expiry_month": "12", "expiry_year": "2040", "organisation": self.organisation,
        });
        let (status, card) = self.post("/v1/card", &[], &body);
        let shown = if kind == "card" { Value::Null } else { json!(kind) };
        assert_eq!((status, &card["kind"]), (200, &shown), "{card}");
        card["_id"].as_str().unwrap().to_owned()
    }

    /// 20 bytes that stand nowhere by chance, in base64.
    fn cryptogram(&mut self) -> String {
        let seed = u64::try_from(self.made.len()).unwrap() + 1;
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[3]
        };
        let bytes: Vec<u8> = (0..20).map(|_| next()).collect();
        let text = base_64(&bytes);
        self.made.extend([bytes, text.clone().into_bytes()]);
        text
    }

    fn payment(&self, card: &str, cryptogram: Option<&str>) -> Value {
        let mut body = json!({
            "account": self.account, "amount": 1000, "card": card, "merchant_reference": "order 7", "customer_ip": "203.0.113.7",
        });
        if let Some(cryptogram) = cryptogram {
            body["cryptogram"] = json!(cryptogram);
            body["cryptogram_eci"] = json!("07");
        }
        body
    }
}

fn base_64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for piece in bytes.chunks(3) {
        let bits =
            piece.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - piece.len()));
        text.extend((0..=piece.len()).map(|at| char::from(DIGITS[bits >> (18 - 6 * at) & 63])));
        text.extend((piece.len()..3).map(|_| '='));
    }
    text
}

/// A description's life with network tokens; `seen` is how the PSP's request has a cryptogram.
fn pays<P: Psp>(psp: P, kind: &Kind, seen: impl Fn(&str) -> String) {
    let directory = tempfile::tempdir().unwrap();
    let peer = Peer::plain(psp);
    let mut shop = Shop::open(directory.path(), &peer, kind);
    let token = shop.card("network_token");
    let first = shop.cryptogram();
    let body = shop.payment(&token, Some(&first));
    let key = [("Idempotency-Key", "payment-1")];
    let (status, paid) = shop.post("/v1/transaction", &key, &body);
    assert_eq!((status, &paid["status"]), (200, &json!("SETTLEMENT_REQUESTED")), "{paid}");
    assert_eq!((&paid["cvv_present"], &paid["cryptogram_eci"]), (&json!(false), &json!("07")));
    assert!(peer.has_seen(seen(&first).as_bytes()) && peer.has_seen(TOKEN.as_bytes()));

    // The same request again, whatever its cryptogram: the first answer, and nothing is sent.
    let before = peer.requests().len();
    let second = shop.cryptogram();
    let again = shop.payment(&token, Some(&second));
    assert_eq!(shop.post("/v1/transaction", &key, &again).1["_id"], paid["_id"]);
    assert_eq!(shop.post("/v1/transaction", &key, &shop.payment(&token, None)).0, 422, "it had one");

    // What does not fit is refused before anything is sent.
    let card = shop.card("card");
    let (status, missing) = shop.post("/v1/transaction", &[], &shop.payment(&token, None));
    assert_eq!((status, &missing["code"]), (400, &json!(126)), "{missing}");
    let (status, misplaced) = shop.post("/v1/transaction", &[], &shop.payment(&card, Some(&second)));
    assert_eq!((status, &misplaced["code"]), (400, &json!(107)), "{misplaced}");
    let (status, cut) = shop.post("/v1/transaction", &[], &shop.payment(&token, Some(&second[..20])));
    assert_eq!((status, &cut["code"]), (400, &json!(107)), "{cut}");
    for wrong in [json!({ "at": second }), json!([second]), json!(7)] {
        let mut body = shop.payment(&token, None);
        body["cryptogram"] = wrong;
        assert_eq!(shop.post("/v1/transaction", &[], &body).0, 400);
    }
    let mut stray = shop.payment(&token, None);
    stray[second.as_str()] = json!(second);
    stray["merchant_reference"] = json!("order 8");
    assert_eq!(shop.post("/v1/transaction", &[], &stray).0, 400);
    assert_eq!(peer.requests().len(), before);

    // Who is not there has seen nothing, and nothing is held: the next payment brings its own.
    peer.close_connections();
    peer.refuse();
    let (status, away) = shop.post("/v1/transaction", &[], &shop.payment(&token, Some(&second)));
    assert_eq!((status, &away["code"]), (503, &json!(131)), "{away}");
    peer.take();
    let third = shop.cryptogram();
    let (status, paid) = shop.post("/v1/transaction", &[], &shop.payment(&token, Some(&third)));
    assert_eq!(status, 200, "{paid}");
    assert!(peer.has_seen(seen(&third).as_bytes()) && !peer.has_seen(seen(&second).as_bytes()));
    let mut later = shop.payment(&token, None);
    later["recurring_type"] = json!("repeat");
    let (status, paid) = shop.post("/v1/transaction", &[], &later);
    assert_eq!(status, 200, "{paid}");

    // The files as they are while it runs, and as a kill leaves them; nothing that was said.
    let clean = |shop: &Shop| {
        let scan = NeedleScan::new(&shop.made);
        assert_eq!(scan.find(&shop.said), Vec::<usize>::new(), "answers");
        let mut files = Vec::new();
        holding(directory.path(), &scan, &mut files);
        assert_eq!(files, Vec::<String>::new());
        assert_eq!(LeakScan::new([TOKEN]).scan_directory(&directory.path().join("vault")).unwrap(), []);
    };
    clean(&shop);
    shop.served.signal("-KILL");
    shop.served.child.wait().unwrap();
    clean(&shop);
    let log = fs::read_to_string(directory.path().join("log.json")).unwrap();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log was at its most talkative");
    // The control.
    fs::write(directory.path().join("vault/planted"), format!("x{third}")).unwrap();
    let mut files = Vec::new();
    holding(directory.path(), &NeedleScan::new(&shop.made), &mut files);
    assert_eq!(files.len(), 1, "{files:?}");
}

/// The files below a directory in which one of them stands.
fn holding(directory: &Path, scan: &NeedleScan, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            holding(&entry.path(), scan, found);
        } else if kind.is_file() && !scan.find(&fs::read(entry.path()).unwrap()).is_empty() {
            found.push(entry.path().display().to_string());
        }
    }
}

#[test]
fn stripe_gets_a_network_token_and_nobody_keeps_its_cryptogram() {
    let escaped = |text: &str| text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    pays(Stripe::default(), &STRIPE, escaped);
}

#[test]
fn adyen_gets_a_network_token_and_nobody_keeps_its_cryptogram() {
    assert_eq!(ADYEN.settings[0], format!("merchant_account={ADYEN_MERCHANT_ACCOUNT}"));
    pays(Adyen::default(), &ADYEN, str::to_owned);
}

#[test]
fn checkout_gets_a_network_token_and_nobody_keeps_its_cryptogram() {
    pays(Checkout::default(), &CHECKOUT, str::to_owned);
}
