//! The shipped description of Stripe against another's fake of it: what is done with an intent that is there is understood by both.
//!
//! It is the Python package `localstripe`, under the GNU GPL: a process of its own, to which this speaks HTTP and nothing else. `cargo xtask test` installs
//! it and runs this, in a namespace with no network but the loopback address, for it listens on all addresses.

#![cfg(test)]

use core::time::Duration;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use panvault_model::{Amount, Currency, Id, TransactionAction, TransactionId};
use panvault_processor::card_http::{Description, HttpLimits, HttpMode, HttpProcessor};
use panvault_processor::{Act, Clearance, FollowUp, Processor, Reply, Secrets, Sent, Verdict};
use panvault_testkit::psp::STRIPE_SECRET_KEY;
use panvault_testkit::servers::free_port;
use panvault_testkit::{HttpAnswer, http_send};
use zeroize::Zeroizing;

/// Where it keeps what it has been told, wherever it runs.
const KEPT: &str = "/tmp/localstripe.pickle";
/// A tenth of a second each.
const TRIES_MAX: usize = 300;

#[expect(
    clippy::disallowed_methods,
    reason = "it is not in this repository, so this must be told where it is"
)]
fn python() -> PathBuf {
    let said = std::env::var("PANVAULT_LOCALSTRIPE");
    PathBuf::from(said.expect("PANVAULT_LOCALSTRIPE must name the Python that has it; cargo xtask test does"))
}

struct Always;

impl Clearance for Always {
    fn is_given(&self) -> bool {
        true
    }
}

/// Another's fake, which ends with its value.
struct LocalStripe {
    child: Child,
    origin: String,
}

impl LocalStripe {
    fn start() -> Self {
        let networks = fs::read_to_string("/proc/net/dev").unwrap();
        let others = networks.lines().skip(2).filter(|line| !line.trim_start().starts_with("lo:"));
        assert_eq!(
            others.count(),
            0,
            "it listens on all addresses, so there must be none but the loopback address"
        );
        let port = free_port();
        let child = Command::new(python())
            .args(["-m", "localstripe", "--from-scratch", "--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stripe = Self { child, origin: format!("http://127.0.0.1:{port}") };
        let is_there = |_: &usize| {
            std::thread::sleep(Duration::from_millis(100));
            http_send(&stripe.origin, "GET", &[], None).is_ok()
        };
        assert!((0..TRIES_MAX).any(|tries| is_there(&tries)), "it does not listen");
        stripe
    }

    fn send(&self, method: &str, path: &str, form: Option<&str>) -> HttpAnswer {
        let authorization = format!("Bearer {STRIPE_SECRET_KEY}");
        let headers = [
            ("Authorization", authorization.as_str()),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        let answer = http_send(&format!("{}{path}", self.origin), method, &headers, form).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer
    }

    fn made(&self, path: &str, form: &str) -> String {
        self.send("POST", path, Some(form)).json()["id"].as_str().unwrap().to_owned()
    }

    /// An intent of 10.00 that is authorised, and not captured.
    fn intent(&self, transaction: TransactionId) -> String {
        let card =
            "type=card&card[number]=4242424242424242&card[exp_month]=12&card[exp_year]=2040&card[cvc]=123";
        let method = self.made("/v1/payment_methods", card);
        let form = format!(
            "amount=1000&currency=eur&payment_method={method}&confirm=true&capture_method=manual&metadata[transaction]={transaction}"
        );
        self.made("/v1/payment_intents", &form)
    }

    fn status(&self, intent: &str) -> String {
        let shown = self.send("GET", &format!("/v1/payment_intents/{intent}"), None);
        shown.json()["status"].as_str().unwrap().to_owned()
    }

    fn processor(&self) -> HttpProcessor {
        let shipped = include_str!("../descriptions/stripe.toml");
        let text =
            shipped.replace("test = \"https://api.stripe.com\"", &format!("test = \"{}\"", self.origin));
        let secret = ("secret_key".to_owned(), Zeroizing::new(Box::from(STRIPE_SECRET_KEY.as_bytes())));
        let description = Arc::new(Description::parse(&text).unwrap());
        let secrets = Secrets::new(vec![secret]);
        HttpProcessor::new(description, &[], secrets, HttpLimits::default(), HttpMode::Test).unwrap()
    }
}

impl Drop for LocalStripe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(KEPT);
    }
}

fn follow_up(action: TransactionAction, number: u8, intent: &str, amount: u32) -> FollowUp {
    FollowUp {
        action,
        transaction: transaction(number),
        try_number: 1,
        refund: None,
        amount: Amount::new(amount).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
        merchant_reference: "order 7".to_owned(),
        reason: None,
        reference: Some(intent.to_owned()),
        act_reference: None,
        attempt: 3,
    }
}

fn transaction(number: u8) -> TransactionId {
    TransactionId(Id::from_bytes([number; 12]))
}

async fn answered(processor: &HttpProcessor, act: Act) -> Reply {
    match processor.send(act, &Always).await {
        Sent::Answered(reply) => reply,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_is_retrieved_captured_and_cancelled() {
    let stripe = LocalStripe::start();
    let processor = stripe.processor();
    let intent = stripe.intent(transaction(1));
    let asked = Act::Ask(follow_up(TransactionAction::Authorise, 1, &intent, 1000));
    let told = answered(&processor, asked).await;
    assert_eq!(
        (told.verdict, told.reference.as_deref()),
        (Verdict::Approved, Some(intent.as_str())),
        "{told:?}"
    );
    let captured =
        answered(&processor, Act::Capture(follow_up(TransactionAction::Capture, 1, &intent, 700))).await;
    assert_eq!(
        (captured.verdict, stripe.status(&intent).as_str()),
        (Verdict::Approved, "succeeded"),
        "{captured:?}"
    );
    // What is captured cannot be cancelled, and is not.
    let late = answered(&processor, Act::Void(follow_up(TransactionAction::Void, 1, &intent, 1000))).await;
    assert_eq!((late.verdict, stripe.status(&intent).as_str()), (Verdict::Failed, "succeeded"), "{late:?}");
    let told = answered(&processor, Act::Ask(follow_up(TransactionAction::Void, 1, &intent, 1000))).await;
    assert_eq!(told.verdict, Verdict::Failed, "{told:?}");

    let intent = stripe.intent(transaction(2));
    let voided = answered(&processor, Act::Void(follow_up(TransactionAction::Void, 2, &intent, 1000))).await;
    assert_eq!(
        (voided.verdict, stripe.status(&intent).as_str()),
        (Verdict::Approved, "canceled"),
        "{voided:?}"
    );
    for (action, verdict) in
        [(TransactionAction::Void, Verdict::Approved), (TransactionAction::Capture, Verdict::Failed)]
    {
        let told = answered(&processor, Act::Ask(follow_up(action, 2, &intent, 1000))).await;
        assert_eq!(told.verdict, verdict, "{action:?}: {told:?}");
    }
    // What it has not heard of settles nothing.
    let unheard = Act::Ask(follow_up(TransactionAction::Authorise, 3, "pi_0000000000000000", 1000));
    let unheard = processor.send(unheard, &Always).await;
    assert!(matches!(unheard, Sent::Unknown { .. }), "{unheard:?}");
}
