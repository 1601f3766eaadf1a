//! The descriptions that are shipped, spoken to the fakes of their PSPs over real sockets.

use core::time::Duration;
use std::sync::Arc;

use panvault_card::{Cryptogram, Cvv, Pan};
use panvault_model::{
    Amount, Brand, Currency, CvvResult, Expiry, Id, RecurringType, TransactionAction, TransactionId,
};
use panvault_processor::card_http::{Description, HttpLimits, HttpMode, HttpProcessor};
use panvault_processor::{
    Act, Clearance, FollowUp, NetworkToken, Order, Outbound, Processor, Reply, Secrets, Sent, ThreeDSecure,
    Verdict,
};
use panvault_testkit::psp::{
    ADYEN_API_KEY, ADYEN_MERCHANT_ACCOUNT, Adyen, CHECKOUT_SECRET_KEY, Checkout, Manner, Peer, Psp,
    STRIPE_SECRET_KEY, Stripe,
};

const GOOD: &str = "4242424242424242";
const CVV: &str = "123";

struct Given(bool);

impl Clearance for Given {
    fn is_given(&self) -> bool {
        self.0
    }
}

const LIMITS: fn() -> HttpLimits = || HttpLimits {
    wait_millis: 500,
    connect_millis: 1_000,
    answer_millis: 600,
    breaker_failures: 1_000,
    ..HttpLimits::default()
};

/// A PSP: its description, the origin in it that is a fake's here, and what an operator sets.
struct Kind {
    description: &'static str,
    origin: &'static str,
    settings: &'static [(&'static str, &'static str)],
    secret: (&'static str, &'static str),
}

const STRIPE: Kind = Kind {
    description: include_str!("../../descriptions/stripe.toml"),
    origin: "test = \"https://api.stripe.com\"",
    settings: &[],
    secret: ("secret_key", STRIPE_SECRET_KEY),
};
const ADYEN: Kind = Kind {
    description: include_str!("../../descriptions/adyen.toml"),
    origin: "test = \"https://checkout-test.adyen.com\"",
    settings: &[("merchant_account", ADYEN_MERCHANT_ACCOUNT), ("return_url", "https://shop.example/paid")],
    secret: ("api_key", ADYEN_API_KEY),
};
const CHECKOUT: Kind = Kind {
    description: include_str!("../../descriptions/checkout.toml"),
    origin: "test = \"https://api.sandbox.checkout.com\"",
    settings: &[],
    secret: ("secret_key", CHECKOUT_SECRET_KEY),
};

impl Kind {
    fn text(&self, origin: &str) -> String {
        let text = self.description.replace(self.origin, &format!("test = \"{origin}\""));
        assert_ne!(text, self.description, "the origin is another");
        text
    }

    fn connected(&self, description: Description, limits: HttpLimits) -> HttpProcessor {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let settings: Vec<_> = self.settings.iter().map(pair).collect();
        let (name, value) = self.secret;
        let secrets =
            Secrets::new(vec![(name.to_owned(), zeroize::Zeroizing::new(Box::from(value.as_bytes())))]);
        HttpProcessor::new(Arc::new(description), &settings, secrets, limits, HttpMode::Test).unwrap()
    }

    fn plain<P: Psp>(&self, peer: &Peer<P>, limits: HttpLimits) -> HttpProcessor {
        self.connected(Description::parse(&self.text(&peer.origin())).unwrap(), limits)
    }
}

fn transaction(number: u8) -> TransactionId {
    TransactionId(Id::from_bytes([number; 12]))
}

fn order(number: u8, capture_now: bool) -> Order {
    Order {
        transaction: transaction(number),
        try_number: 1,
        amount: Amount::new(1234).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
        capture_now,
        merchant_reference: "order 7".to_owned(),
        dynamic_descriptor: String::new(),
        customer_ip: String::new(),
        recurring_type: None,
        shopper_interaction: None,
        threed_authentication: None,
        network_transaction_id: None,
    }
}

fn authorise(card: &str, order: Order) -> Act {
    let cvv = Some(Cvv::parse(CVV, None).unwrap());
    Act::Authorise(Outbound::new(Pan::parse(card).unwrap(), Expiry::new(2030, 3).unwrap(), cvv, None, order))
}

fn follow_up(action: TransactionAction, number: u8, reference: Option<String>, amount: u32) -> FollowUp {
    FollowUp {
        action,
        transaction: transaction(number),
        try_number: 1,
        refund: (action == TransactionAction::Refund).then(|| Id::from_bytes([99; 12])),
        amount: Amount::new(amount).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
        merchant_reference: "order 7".to_owned(),
        reason: None,
        reference,
        act_reference: None,
        attempt: 3,
    }
}

async fn answered(processor: &HttpProcessor, act: Act) -> Reply {
    match processor.send(act, &Given(true)).await {
        Sent::Answered(reply) => reply,
        other => panic!("{other:?}"),
    }
}

/// Reserve, capture a part, give back a part, void another: at who says so at once, and at who says it later.
async fn whole_life<P: Psp>(kind: &Kind, psp: P, said_later: bool) {
    let peer = Peer::plain(psp);
    let processor = kind.plain(&peer, LIMITS());
    let done = if said_later { Verdict::Pending } else { Verdict::Approved };

    let reserved = answered(&processor, authorise(GOOD, order(1, false))).await;
    assert_eq!(
        (reserved.verdict, reserved.cvv_result),
        (Verdict::Approved, CvvResult::Matched),
        "{reserved:?}"
    );
    let reference = reserved.reference.clone();
    assert!(reference.is_some(), "{reserved:?}");
    let capture = follow_up(TransactionAction::Capture, 1, reference.clone(), 1000);
    let captured = answered(&processor, Act::Capture(capture)).await;
    assert_eq!(captured.verdict, done, "{captured:?}");
    let refund = follow_up(TransactionAction::Refund, 1, reference.clone(), 400);
    let refunded = answered(&processor, Act::Refund(refund)).await;
    assert_eq!(refunded.verdict, done, "{refunded:?}");
    assert!(refunded.reference.is_some());

    let other = answered(&processor, authorise(GOOD, order(2, false))).await;
    let void = follow_up(TransactionAction::Void, 2, other.reference, 1234);
    let voided = answered(&processor, Act::Void(void)).await;
    assert_eq!(voided.verdict, done, "{voided:?}");

    let sold = answered(&processor, authorise(GOOD, order(3, true))).await;
    assert_eq!(sold.verdict, Verdict::Approved, "{sold:?}");

    // A second try, by two processors that are one account there, is another payment.
    let second = Order { try_number: 2, ..order(3, true) };
    let second = answered(&processor, authorise(GOOD, second)).await;
    assert_eq!(second.verdict, Verdict::Approved, "{second:?}");
    assert_ne!(second.reference, sold.reference);

    // What was done is found by its id alone, for who has lost the answer.
    let lost = follow_up(TransactionAction::Authorise, 3, None, 1234);
    if processor.can_be_asked(&lost) {
        let told = answered(&processor, Act::Ask(lost)).await;
        assert_eq!((told.verdict, &told.reference), (Verdict::Approved, &sold.reference), "{told:?}");
        let lost = FollowUp { try_number: 2, ..follow_up(TransactionAction::Authorise, 3, None, 1234) };
        let told = answered(&processor, Act::Ask(lost)).await;
        assert_eq!((told.verdict, &told.reference), (Verdict::Approved, &second.reference), "{told:?}");
        let never =
            processor.send(Act::Ask(follow_up(TransactionAction::Authorise, 77, None, 1234)), &Given(true));
        let never = never.await;
        assert!(!matches!(&never, Sent::Answered(reply) if reply.verdict == Verdict::Approved), "{never:?}");
    }
    assert_eq!(peer.connections(), 1, "the connection was used again");
    let counters = processor.counters();
    assert!(counters.answered >= 6 && counters.unknown + counters.not_reached <= 1, "{counters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_lives_at_stripe() {
    whole_life(&STRIPE, Stripe::default(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_lives_at_adyen() {
    whole_life(&ADYEN, Adyen::default(), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_lives_at_checkout() {
    whole_life(&CHECKOUT, Checkout::default(), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_is_a_no() {
    let peer = Peer::plain(Stripe::default());
    let processor = STRIPE.plain(&peer, LIMITS());
    let declined = answered(&processor, authorise("4000000000000002", order(1, true))).await;
    assert_eq!((declined.verdict, declined.reason_code.as_str()), (Verdict::Declined, "generic_decline"));
    let mismatch = answered(&processor, authorise("4000000000000101", order(2, true))).await;
    assert_eq!((mismatch.verdict, mismatch.cvv_result), (Verdict::Approved, CvvResult::NotMatched));
    let lost = follow_up(TransactionAction::VoidCapture, 2, mismatch.reference, 1234);
    let not_supported = answered(&processor, Act::Void(lost)).await;
    assert_eq!(not_supported.verdict, Verdict::NotSupported, "{not_supported:?}");
}

/// Its key was replaced, too many are asked, or the PSP does not find it: the payment may have been done all the same.
async fn a_question_that_is_refused_settles_nothing<P: Psp>(kind: &Kind, psp: P) {
    let peer = Peer::plain(psp);
    let processor = kind.plain(&peer, LIMITS());
    let paid = answered(&processor, authorise(GOOD, order(1, false))).await;
    assert_eq!(paid.verdict, Verdict::Approved, "{paid:?}");
    let stranger = Kind { secret: (kind.secret.0, "sk_test_of_somebody_else"), ..*kind };
    let stranger = stranger.plain(&peer, LIMITS());
    let of = |action, reference: Option<&str>| {
        let refund = FollowUp { act_reference: Some("re_0".to_owned()), ..follow_up(action, 1, None, 1234) };
        Act::Ask(FollowUp { reference: reference.map(str::to_owned), ..refund })
    };
    let mut refused = 0;
    for action in [TransactionAction::Authorise, TransactionAction::Capture, TransactionAction::Refund] {
        for reference in [None, paid.reference.as_deref()] {
            if reference.is_none() && action != TransactionAction::Authorise {
                continue;
            }
            let sent = stranger.send(of(action, reference), &Given(true)).await;
            assert!(matches!(sent, Sent::Unknown { .. }), "{action:?}: {sent:?}");
            refused += 1;
        }
        for status in [400, 401, 403, 404, 422, 429, 503] {
            peer.next(&[Manner::Status(status)]);
            let sent = processor.send(of(action, paid.reference.as_deref()), &Given(true)).await;
            assert!(matches!(sent, Sent::Unknown { .. }), "{action:?}, {status}: {sent:?}");
        }
        let unheard = processor.send(of(action, Some("pi_nobody_has_heard_of")), &Given(true)).await;
        assert!(matches!(unheard, Sent::Unknown { .. }), "{action:?}: {unheard:?}");
    }
    assert_eq!(refused, 4);
    let told = answered(&processor, of(TransactionAction::Authorise, paid.reference.as_deref())).await;
    assert_eq!(told.verdict, Verdict::Approved, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_stripe_refuses_settles_nothing() {
    a_question_that_is_refused_settles_nothing(&STRIPE, Stripe::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_checkout_refuses_settles_nothing() {
    a_question_that_is_refused_settles_nothing(&CHECKOUT, Checkout::default()).await;
}

const CRYPTOGRAM: &str = "AgAAAAAAAIR8CQrXcIhbQAAAAAA=";
/// The same without what a form escapes.
const CRYPTOGRAM_DIGITS: &[u8] = b"AgAAAAAAAIR8CQrXcIhbQAAAAAA";

fn token(number: &str, order: Order, cryptogram: Option<&str>) -> Act {
    let cryptogram = cryptogram.map(|text| Cryptogram::parse(text).unwrap());
    let eci = cryptogram.as_ref().map(|_| "07".to_owned());
    let outbound =
        Outbound::new(Pan::parse(number).unwrap(), Expiry::new(2030, 3).unwrap(), None, None, order);
    Act::Authorise(outbound.as_network_token(NetworkToken { cryptogram, eci }))
}

/// With its cryptogram, later in a series without one, and of a scheme that is not taken.
async fn network_tokens<P: Psp>(kind: &Kind, psp: P, verifies: bool) {
    let peer = Peer::plain(psp);
    let processor = kind.plain(&peer, LIMITS());
    let amount = |units| Amount::new(units).unwrap();
    for (id, number, brand) in [(1, GOOD, Brand::Visa), (6, "5555555555554444", Brand::Mastercard)] {
        assert!(processor.takes_network_token(amount(1234), Some(brand)));
        let paid = answered(&processor, token(number, order(id, false), Some(CRYPTOGRAM))).await;
        assert_eq!(paid.verdict, Verdict::Approved, "{paid:?}");
    }
    assert!(peer.has_seen(CRYPTOGRAM_DIGITS) && peer.has_seen(GOOD.as_bytes()));
    let authentication = ThreeDSecure {
        eci: "05".to_owned(),
        cavv: Some("AAABBWcSNIdjeUZThmNHAAAAAAA=".to_owned()),
        ds_transaction_id: Some("f25084f0-5b16-4c0a-ae5d-b24808a95e4b".to_owned()),
        version: Some("2.2.0".to_owned()),
        status: Some("Y".to_owned()),
    };
    let authenticated = Order { threed_authentication: Some(authentication), ..order(2, true) };
    let paid = answered(&processor, token(GOOD, authenticated, Some(CRYPTOGRAM))).await;
    assert_eq!(paid.verdict, Verdict::Approved, "{paid:?}");
    let later = Order {
        recurring_type: Some(RecurringType::Repeat),
        network_transaction_id: Some("123456789012345".to_owned()),
        ..order(3, true)
    };
    let paid = answered(&processor, token(GOOD, later, None)).await;
    assert_eq!(paid.verdict, Verdict::Approved, "{paid:?}");
    let before = peer.requests().len();
    // Of UnionPay.
    let other = answered(&processor, token("6200000000000005", order(4, true), Some(CRYPTOGRAM))).await;
    assert_eq!(other.verdict, Verdict::NotSupported, "{other:?}");
    assert!(!processor.takes_network_token(amount(1234), Some(Brand::Upi)));
    assert_eq!(processor.takes_network_token(amount(0), Some(Brand::Visa)), verifies);
    let nothing = Order { amount: amount(0), ..order(5, true) };
    let verified = answered(&processor, token(GOOD, nothing, Some(CRYPTOGRAM))).await;
    let expected = if verifies { Verdict::Approved } else { Verdict::NotSupported };
    assert_eq!(verified.verdict, expected, "{verified:?}");
    assert_eq!(peer.requests().len(), before + usize::from(verifies), "what is not taken is not sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_token_is_taken_at_stripe() {
    network_tokens(&STRIPE, Stripe::default(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_token_is_taken_at_adyen() {
    network_tokens(&ADYEN, Adyen::default(), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_token_is_taken_at_checkout() {
    network_tokens(&CHECKOUT, Checkout::default(), true).await;
}

/// The bug: whatever an authentication had come to, Adyen was told that the shopper had been challenged and was authenticated. Its cause: two literals in the
/// description. Its cure: the status that was sent, and of a challenge, of which nothing is known, nothing.
#[tokio::test(flavor = "multi_thread")]
async fn adyen_is_told_what_an_authentication_came_to() {
    let peer = Peer::plain(Adyen::default());
    let processor = ADYEN.plain(&peer, LIMITS());
    for (id, status) in [(1, None), (2, Some("A"))] {
        let authentication = ThreeDSecure {
            eci: "06".to_owned(),
            cavv: None,
            ds_transaction_id: None,
            version: Some("2.2.0".to_owned()),
            status: status.map(str::to_owned),
        };
        let order = Order { threed_authentication: Some(authentication), ..order(id, true) };
        let paid = answered(&processor, authorise(GOOD, order)).await;
        assert_eq!(paid.verdict, Verdict::Approved, "{paid:?}");
        let body: serde_json::Value =
            serde_json::from_slice(&peer.requests().last().unwrap().request.body).unwrap();
        let mut expected = serde_json::json!({ "eci": "06", "threeDSVersion": "2.2.0" });
        if let Some(status) = status {
            expected["directoryResponse"] = status.into();
        }
        assert_eq!(body["mpiData"], expected);
    }
}

/// Who may have seen a byte is never said not to have been reached; who was not reached has seen none.
#[tokio::test(flavor = "multi_thread")]
async fn of_every_failure_it_is_known_whether_a_byte_left() {
    let late = Duration::from_secs(2);
    for (manner, unknown) in [
        (Manner::ResetOnAccept, None),
        (Manner::ResetAfter(1), Some(true)),
        (Manner::ResetAfter(200), Some(true)),
        (Manner::ResetUndone, Some(true)),
        (Manner::ResetDone, Some(true)),
        (Manner::HalfAnswer, Some(true)),
        (Manner::SilentUndone, Some(true)),
        (Manner::SilentDone, Some(true)),
        (Manner::Late(late), Some(true)),
        (Manner::Drip(Duration::from_millis(20)), Some(true)),
        (Manner::Garbage, Some(true)),
        (Manner::Huge(1 << 20), Some(true)),
        (Manner::Status(502), Some(true)),
        (Manner::CloseAfter, Some(false)),
    ] {
        let peer = Peer::plain(Stripe::default());
        let processor = STRIPE.plain(&peer, LIMITS());
        peer.next(&[manner]);
        let sent = processor.send(authorise(GOOD, order(1, true)), &Given(true)).await;
        match unknown {
            Some(true) => assert!(matches!(sent, Sent::Unknown { .. }), "{manner:?}: {sent:?}"),
            Some(false) => assert!(matches!(sent, Sent::Answered(_)), "{manner:?}: {sent:?}"),
            // The reset may be seen behind what is written, or before: then it goes out on another connection.
            None => {}
        }
        if matches!(sent, Sent::NotReached { .. }) {
            assert!(!peer.has_seen(GOOD.as_bytes()), "{manner:?}");
        }
        assert!(peer.requests().len() <= 1, "{manner:?}: it was sent once");
        // And it goes on as if nothing had been, once it is known here that the connection is gone.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let next = processor.send(authorise(GOOD, order(2, true)), &Given(true)).await;
        assert!(
            matches!(&next, Sent::Answered(reply) if reply.verdict == Verdict::Approved),
            "{manner:?}: {next:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_there_is_not_reached() {
    let peer = Peer::plain(Stripe::default());
    let processor = STRIPE.plain(&peer, HttpLimits { breaker_failures: 3, ..LIMITS() });
    peer.refuse();
    for _ in 0..5 {
        let sent = processor.send(authorise(GOOD, order(1, true)), &Given(true)).await;
        assert!(matches!(sent, Sent::NotReached { .. }), "{sent:?}");
    }
    peer.take();
    // It is left alone for a while: the breaker is open.
    let sent = processor.send(authorise(GOOD, order(1, true)), &Given(true)).await;
    assert!(matches!(sent, Sent::NotReached { .. }), "{sent:?}");
    assert_eq!(peer.connections(), 0);
    let counters = processor.counters();
    assert_eq!((counters.not_reached, counters.breaker_refused), (3, 3), "{counters:?}");
    assert_eq!((counters.breakers_open, counters.breaker_openings, counters.connections_retried), (1, 1, 3));
    let peer = Peer::plain(Stripe::default());
    let processor = STRIPE.plain(&peer, LIMITS());
    assert_eq!(processor.send(authorise(GOOD, order(1, true)), &Given(false)).await, Sent::NOT_CLEARED);
    assert!(!peer.has_seen(b"POST"), "nothing leaves without a lease");
}

/// A peer that closed a connection that was kept: the request goes out on another, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_that_was_closed_is_left_for_another() {
    let peer = Peer::plain(Stripe::default());
    let processor = STRIPE.plain(&peer, LIMITS());
    for number in 1..6 {
        let reply = answered(&processor, authorise(GOOD, order(number, true))).await;
        assert_eq!(reply.verdict, Verdict::Approved);
        peer.close_connections();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(peer.requests().len(), 5);
}

/// Never a queue without end, and nothing stays behind.
#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_wait_for_a_bounded_time() {
    let peer = Peer::plain(Stripe::default());
    let limits = HttpLimits { connections_max: 4, waiting_max: 16, wait_millis: 100, ..LIMITS() };
    let processor = Arc::new(STRIPE.plain(&peer, limits));
    peer.always(Manner::SilentUndone);
    let sending: Vec<_> = (0..100)
        .map(|number| {
            let processor = Arc::clone(&processor);
            tokio::spawn(
                async move { processor.send(authorise(GOOD, order(number, true)), &Given(true)).await },
            )
        })
        .collect();
    let (mut unknown, mut not_reached) = (0, 0);
    for sent in sending {
        match sent.await.unwrap() {
            Sent::Unknown { .. } => unknown += 1,
            Sent::NotReached { .. } => not_reached += 1,
            Sent::Answered(reply) => panic!("{reply:?}"),
        }
    }
    assert_eq!((unknown, not_reached), (4, 96));
    let counters = processor.counters();
    assert_eq!((counters.unknown, counters.full_refused, counters.not_reached), (4, 96, 0), "{counters:?}");
    assert_eq!((counters.waiting, counters.connections_open), (0, 0));
    peer.always(Manner::Usual);
    let reply = answered(&processor, authorise(GOOD, order(200, true))).await;
    assert_eq!(reply.verdict, Verdict::Approved);
    assert!(peer.connections() <= 5);
}

/// No more wait than may, and the others are told at once.
#[tokio::test(flavor = "multi_thread")]
async fn who_finds_too_many_waiting_is_refused_at_once() {
    let peer = Peer::plain(Stripe::default());
    let limits = HttpLimits { connections_max: 1, waiting_max: 1, wait_millis: 10_000, ..LIMITS() };
    let processor = Arc::new(STRIPE.plain(&peer, limits));
    peer.always(Manner::SilentUndone);
    let send = |number| {
        let processor = Arc::clone(&processor);
        tokio::spawn(async move { processor.send(authorise(GOOD, order(number, true)), &Given(true)).await })
    };
    let first = send(1);
    peer.wait_for_requests(1);
    let second = send(2);
    while processor.counters().waiting == 0 {
        tokio::task::yield_now().await;
    }
    let third = send(3).await.unwrap();
    assert!(matches!(third, Sent::NotReached { .. }), "{third:?}");
    assert!(!first.is_finished() && !second.is_finished());
    assert_eq!((processor.counters().full_refused, processor.counters().waiting), (1, 1));
    // The connection that ends is the next one's turn.
    for waited in [first, second] {
        assert!(matches!(waited.await.unwrap(), Sent::Unknown { .. }));
    }
    assert_eq!(peer.requests().len(), 2);
}

/// Before the first byte, as often as is allowed.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_cannot_be_made_is_tried_again() {
    let peer = Peer::tls(Stripe::default());
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("root.pem"), peer.root_pem()).unwrap();
    let file = directory.path().join("stripe.toml");
    let text = STRIPE.text(&peer.origin());
    std::fs::write(&file, text.replace("title = \"Stripe\"", "title = \"Stripe\"\nroots = \"root.pem\""))
        .unwrap();
    for (retries, resets, is_reached) in [(0, 1, false), (1, 1, true), (1, 2, false), (2, 2, true)] {
        let description = Description::read(&file).map_err(|faults| format!("{faults:?}")).unwrap();
        let processor = STRIPE.connected(description, HttpLimits { connect_retries: retries, ..LIMITS() });
        let before = peer.requests().len();
        // In the handshake.
        peer.next(&vec![Manner::ResetOnAccept; resets]);
        let sent = processor.send(authorise(GOOD, order(1, true)), &Given(true)).await;
        assert_eq!(matches!(sent, Sent::Answered(_)), is_reached, "{retries}, {resets}: {sent:?}");
        assert_eq!(matches!(sent, Sent::NotReached { .. }), !is_reached, "{retries}, {resets}: {sent:?}");
        assert_eq!(peer.requests().len() - before, usize::from(is_reached));
        assert_eq!(processor.counters().connections_retried, retries);
    }
}

/// With TLS, under a root of the operator's own and under no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_who_its_certificate_says() {
    let peer = Peer::tls(Stripe::default());
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("root.pem"), peer.root_pem()).unwrap();
    let text = STRIPE.text(&peer.origin());
    let file = directory.path().join("stripe.toml");
    std::fs::write(&file, text.replace("title = \"Stripe\"", "title = \"Stripe\"\nroots = \"root.pem\""))
        .unwrap();
    let trusted = Description::read(&file).map_err(|faults| format!("{faults:?}")).unwrap();
    let processor = STRIPE.connected(trusted, LIMITS());
    let reply = answered(&processor, authorise(GOOD, order(1, true))).await;
    assert_eq!(reply.verdict, Verdict::Approved);
    assert!(peer.has_seen(GOOD.as_bytes()), "and nobody else");

    let stranger = STRIPE.connected(Description::parse(&text).unwrap(), LIMITS());
    let before = peer.requests().len();
    let sent = stranger.send(authorise(GOOD, order(2, true)), &Given(true)).await;
    let Sent::NotReached { reason } = sent else { panic!("{sent:?}") };
    assert!(reason.contains("is of an issuer that roots of its description does not name"), "{reason}");
    assert_eq!(peer.requests().len(), before);
}
