use super::*;

const NOW: Timestamp = Timestamp::from_unix_millis(1_772_366_400_000);
const STRIPE_SECRET: &str = "whsec_test_secret";
const STRIPE: &str = r#"{"id":"evt_1","type":"payment_intent.payment_failed","created":1772366400,"data":{"object":{"id":"pi_1","amount":1000,"capture_method":"manual","metadata":{"transaction":"0123456789abcdef01234567"},"last_payment_error":{"code":"card_declined","decline_code":"insufficient_funds","message":"Your card has insufficient funds."}}}}"#;
/// `printf '1772366400.%s' BODY | openssl dgst -sha256 -hmac whsec_test_secret`
const STRIPE_V1: &str = "dff4504227f4028ba15e2f9c509f9ff4cabf0949d5383f94cd9ee3d6b667a2a3";
/// The key, the item and the signature that Adyen publishes.
const ADYEN_KEY: &str = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";
const ADYEN: &str = r#"{"live":"false","notificationItems":[{"NotificationRequestItem":{"additionalData":{"hmacSignature":"coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="},"amount":{"value":1130,"currency":"EUR"},"pspReference":"7914073381342284","eventCode":"AUTHORISATION","eventDate":"2019-05-06T17:15:34.121+02:00","merchantAccountCode":"TestMerchant","operations":["CANCEL","CAPTURE","REFUND"],"merchantReference":"TestPayment-1407325143704","paymentMethod":"visa","success":"true"}}]}"#;
const CHECKOUT_KEY: &str = "workflow-key";
const CHECKOUT: &str = r#"{"id":"evt_1","type":"payment_captured","data":{"id":"pay_1","action_id":"act_1","reference":"0123456789abcdef01234567-89abcdef0123456789abcdef","amount":700,"response_code":"10000","processed_on":"2026-03-01T12:00:00.1234567Z"}}"#;
/// `printf '%s' BODY | openssl dgst -sha256 -hmac workflow-key`
const CHECKOUT_SIGNATURE: &str = "ffa51771d591b445029f3cf25cfe6981345dc502736456ddce37850b42adfa13";

type Read = Result<Vec<Notice>, NotificationFault>;

fn stripe(body: &str, headers: &[&str], secret: &str, now: Timestamp) -> Read {
    let notification = Notification { body: body.as_bytes(), signatures: headers };
    NotificationScheme::Stripe.read(notification, secret.as_bytes(), now)
}

fn adyen(body: &str, key: &str) -> Read {
    NotificationScheme::Adyen.read(
        Notification { body: body.as_bytes(), signatures: &[] },
        key.as_bytes(),
        NOW,
    )
}

fn checkout(body: &str, headers: &[&str], secret: &str) -> Read {
    let notification = Notification { body: body.as_bytes(), signatures: headers };
    NotificationScheme::Checkout.read(notification, secret.as_bytes(), NOW)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn base64(bytes: &[u8; 32]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |place: usize| bytes.get(place / 8).map_or(0, |byte| usize::from(byte >> (7 - place % 8) & 1));
    let digit = |first: usize| (0..6).fold(0, |value, place| value << 1 | bit(first + place));
    let mut text: String = (0..43).map(|at| char::from(DIGITS[digit(6 * at)])).collect();
    text.push('=');
    text
}

/// An event of Stripe's as it would sign it.
fn stripe_signed(body: &str) -> Read {
    let mac = NotificationSecret::of_text(STRIPE_SECRET.as_bytes())
        .unwrap()
        .sign(&[b"1772366400.", body.as_bytes()]);
    stripe(body, &[&format!("t=1772366400,v1={}", hex(&mac))], STRIPE_SECRET, NOW)
}

fn checkout_signed(body: &str) -> Read {
    let mac = NotificationSecret::of_text(CHECKOUT_KEY.as_bytes()).unwrap().sign(&[body.as_bytes()]);
    checkout(body, &[&hex(&mac)], CHECKOUT_KEY)
}

#[test]
fn a_scheme_is_found_by_its_name() {
    for scheme in NotificationScheme::ALL {
        assert_eq!(NotificationScheme::from_name(scheme.name()), Some(scheme));
    }
    assert_eq!(NotificationScheme::from_name("stripe"), None);
}

#[test]
fn a_declined_payment_of_stripe_is_read() {
    let header = format!("t=1772366400,v1={STRIPE_V1}");
    let expected = Notice {
        event: "evt_1".to_owned(),
        transaction: TransactionId::parse("0123456789abcdef01234567").ok(),
        try_number: Some(1),
        refund: None,
        reference: Some("pi_1".to_owned()),
        act: TransactionAction::Authorise,
        act_reference: None,
        attempt: None,
        amount: Some(1000),
        currency: None,
        account: None,
        verdict: Verdict::Declined,
        reason_code: "insufficient_funds".to_owned(),
        status_reason: Some("Your card has insufficient funds.".to_owned()),
        occurred_at: Some(NOW),
    };
    assert_eq!(stripe(STRIPE, &[&header], STRIPE_SECRET, NOW), Ok(vec![expected]));
}

#[test]
fn what_stripe_has_not_signed_now_is_refused() {
    let other = "0".repeat(64);
    let v1 = STRIPE_V1;
    let read = |header: &str| stripe(STRIPE, &[header], STRIPE_SECRET, NOW).map(|notices| notices.len());
    for taken in [
        format!("t=1772366400,v1={other},v1={v1}"),
        format!("t=1772366400,v1={v1},v1={other},v0={other}"),
        format!("v1={v1}, t=1772366400"),
        format!("t=1772366400,v1={}", v1.to_uppercase()),
    ] {
        assert_eq!(read(&taken), Ok(1), "{taken}");
    }
    for refused in [
        String::new(),
        v1.to_owned(),
        format!("t=1772366400,v1={other}"),
        format!("t=1772366400,v0={v1}"),
        format!("t=1772366401,v1={v1}"),
        format!("t=+1772366400,v1={v1}"),
        format!("t=01772366400,v1={v1}"),
        format!("t=1772366400,t=1772366400,v1={v1}"),
        format!("t=,v1={v1}"),
        format!("v1={v1}"),
        "t=1772366400".to_owned(),
        format!("t=1772366400,v1={}", &v1[..62]),
        format!("t=1772366400,v1={v1}00"),
    ] {
        assert_eq!(read(&refused), Err(NotificationFault::Signature), "{refused}");
    }
    let right = format!("t=1772366400,v1={v1}");
    let many = format!("{right}{}", format!(",v1={other}").repeat(NOTIFICATION_SIGNATURES_MAX - 1));
    assert_eq!(read(&many), Ok(1));
    assert_eq!(read(&format!("{many},v1={other}")), Err(NotificationFault::TooLarge));
    for (seconds, taken) in [(-300, true), (300, true), (-301, false), (301, false)] {
        let now = Timestamp::from_unix_millis(NOW.unix_millis().checked_add_signed(seconds * 1000).unwrap());
        let read = stripe(STRIPE, &[&right], STRIPE_SECRET, now);
        assert_eq!(read.err(), (!taken).then_some(NotificationFault::Time), "{seconds}");
    }
    let signature = Some(NotificationFault::Signature);
    assert_eq!(stripe(STRIPE, &[], STRIPE_SECRET, NOW).err(), signature);
    assert_eq!(stripe(STRIPE, &[&right, &right], STRIPE_SECRET, NOW).err(), signature);
    assert_eq!(stripe(STRIPE, &[&right], "whsec_other", NOW).err(), signature);
    assert_eq!(stripe(&STRIPE.replace("1000", "1001"), &[&right], STRIPE_SECRET, NOW).err(), signature);
    assert_eq!(stripe(&format!("{STRIPE} "), &[&right], STRIPE_SECRET, NOW).err(), signature);
    assert_eq!(stripe(STRIPE, &[&right], "", NOW).err(), Some(NotificationFault::Secret));
}

#[test]
fn events_of_stripe_are_acts_or_nothing() {
    let event = |kind: &str, object: &str| {
        format!(r#"{{"id":"evt_1","type":"{kind}","created":1,"data":{{"object":{object}}}}}"#)
    };
    let intent = r#"{"id":"pi_1","amount":1000,"amount_received":700,"capture_method":"manual"}"#;
    let sale = intent.replace("manual", "automatic");
    let refund = |status: &str| {
        format!(
            r#"{{"id":"re_1","amount":5,"status":"{status}","payment_intent":"pi_1","metadata":{{"transaction":"0123456789abcdef01234567","refund":"89abcdef0123456789abcdef"}}}}"#
        )
    };
    use TransactionAction::{Authorise, Capture, Refund, Void};
    for (kind, object, act, units, verdict) in [
        ("payment_intent.amount_capturable_updated", intent, Authorise, 1000, Verdict::Approved),
        ("payment_intent.succeeded", intent, Capture, 700, Verdict::Approved),
        ("payment_intent.succeeded", &sale, Authorise, 1000, Verdict::Approved),
        ("payment_intent.canceled", intent, Void, 1000, Verdict::Approved),
        ("refund.created", &refund("succeeded"), Refund, 5, Verdict::Approved),
        ("refund.updated", &refund("canceled"), Refund, 5, Verdict::Failed),
        ("refund.failed", &refund("failed"), Refund, 5, Verdict::Failed),
    ] {
        let notice = stripe_signed(&event(kind, object)).unwrap().remove(0);
        assert_eq!((notice.act, notice.verdict, notice.amount), (act, verdict, Some(units)), "{kind}");
        assert_eq!(notice.reference.as_deref(), Some("pi_1"), "{kind}");
        assert_eq!(notice.refund.is_some(), act == Refund, "{kind}");
    }
    for (kind, object) in [
        ("refund.created", refund("pending").as_str()),
        ("charge.dispute.created", r#"{"amount":"anything"}"#),
        ("customer.created", "[]"),
    ] {
        assert_eq!(stripe_signed(&event(kind, object)), Ok(Vec::new()), "{kind}");
    }
    for wrong in [
        "",
        "[]",
        "{}",
        &event("payment_intent.succeeded", "{}"),
        &event("payment_intent.succeeded", &intent.replace("1000", "-1")),
        &event("payment_intent.canceled", &intent.replace("1000", "1000,\"currency\":\"euros\"")),
        &event("payment_intent.succeeded", &intent.replace("pi_1", "pi 1")),
        &event("payment_intent.succeeded", &intent.replace("pi_1", &"x".repeat(129))),
        &format!("{}x", event("payment_intent.succeeded", intent)),
        &event("payment_intent.succeeded", intent).replace(r#""id":"evt_1""#, r#""id":"evt_1","id":"evt_2""#),
    ] {
        assert_eq!(stripe_signed(wrong), Err(NotificationFault::Shape), "{wrong}");
    }
}

#[test]
fn the_example_that_adyen_publishes_is_read_and_no_other() {
    let notices = adyen(ADYEN, ADYEN_KEY).unwrap();
    let [notice] = notices.as_slice() else { panic!("one item") };
    assert_eq!(notice.event, "7914073381342284:AUTHORISATION:true");
    assert_eq!(
        (notice.act, notice.verdict, notice.amount),
        (TransactionAction::Authorise, Verdict::Approved, Some(1130))
    );
    assert_eq!((notice.transaction, notice.reference.as_deref()), (None, Some("7914073381342284")));
    assert!(adyen(ADYEN, &ADYEN_KEY.to_lowercase()).is_ok());
    for (from, to) in [
        ("1130", "1131"),
        ("\"EUR\"", "\"USD\""),
        ("7914073381342284", "7914073381342285"),
        ("\"AUTHORISATION\"", "\"CAPTURE\""),
        ("TestMerchant", "OtherMerchant"),
        ("TestPayment-1407325143704", "TestPayment-1407325143705"),
        ("\"success\":\"true\"", "\"success\":\"false\""),
        ("coqCmt", "coqCmu"),
        ("iCWo0=", "iCWo0"),
        ("\"hmacSignature\":", "\"other\":"),
        ("\"success\":", "\"originalReference\":\"x\",\"success\":"),
    ] {
        let changed = ADYEN.replace(from, to);
        assert_ne!(changed, ADYEN, "{from}");
        assert_eq!(adyen(&changed, ADYEN_KEY).err(), Some(NotificationFault::Signature), "{from}");
    }
    let other = ADYEN_KEY.replace('4', "5");
    assert_eq!(adyen(ADYEN, &other).err(), Some(NotificationFault::Signature));
    for key in ["", "44", "no digits at all, and long enough to be a key", &ADYEN_KEY[1..]] {
        assert_eq!(adyen(ADYEN, key).err(), Some(NotificationFault::Secret), "{key}");
    }
    for wrong in ["", "{}", r#"{"notificationItems":[]}"#, "[accepted]"] {
        assert_eq!(adyen(wrong, ADYEN_KEY).err(), Some(NotificationFault::Shape), "{wrong}");
    }
}

#[test]
fn one_forged_item_refuses_the_batch() {
    let item = &ADYEN[ADYEN.find("{\"NotificationRequestItem").unwrap()..ADYEN.len() - 2];
    let batch = |items: &[&str]| format!(r#"{{"notificationItems":[{}]}}"#, items.join(","));
    assert_eq!(adyen(&batch(&[item, item]), ADYEN_KEY).map(|notices| notices.len()), Ok(2));
    let forged = item.replace("1130", "500000");
    assert_eq!(adyen(&batch(&[item, &forged]), ADYEN_KEY).err(), Some(NotificationFault::Signature));
    let many = vec![item; NOTIFICATION_ITEMS_MAX];
    assert_eq!(adyen(&batch(&many), ADYEN_KEY).map(|notices| notices.len()), Ok(NOTIFICATION_ITEMS_MAX));
    let more = vec![item; NOTIFICATION_ITEMS_MAX + 1];
    assert_eq!(adyen(&batch(&more), ADYEN_KEY).err(), Some(NotificationFault::TooLarge));
}

/// Fields joined by colons can be cut otherwise: from a payment whose reference an attacker chose, an item about another one could be made.
#[test]
fn fields_that_could_be_cut_elsewhere_are_nothing_of_ours() {
    let key = NotificationSecret::of_hex(ADYEN_KEY.as_bytes()).unwrap();
    let item = |signed: &str, original: &str, reference: &str| {
        let signature = base64(&key.sign(&[signed.as_bytes()]));
        format!(
            r#"{{"notificationItems":[{{"NotificationRequestItem":{{"additionalData":{{"hmacSignature":"{signature}"}},"amount":{{"value":1,"currency":"EUR"}},"pspReference":"P","originalReference":"{original}","eventCode":"CAPTURE","merchantAccountCode":"M","merchantReference":"{reference}","success":"true"}}}}]}}"#
        )
    };
    let ours = "0123456789abcdef01234567";
    let plain = adyen(&item(&format!("P:O:M:{ours}:1:EUR:CAPTURE:true"), "O", ours), ADYEN_KEY).unwrap();
    assert_eq!(
        (plain.len(), plain[0].act_reference.as_deref(), plain[0].reference.as_deref()),
        (1, Some("P"), Some("O"))
    );
    assert!(plain[0].transaction.is_some());
    for (signed, reference) in
        [("P:O:M:a:b:1:EUR:CAPTURE:true", "a:b"), (r"P:O:M:a\:b:1:EUR:CAPTURE:true", "a:b")]
    {
        assert_eq!(adyen(&item(signed, "O", reference), ADYEN_KEY), Ok(Vec::new()), "{signed}");
    }
    assert_eq!(
        adyen(&item("P:O:M:ab:1:EUR:CAPTURE:true", "O", "a:b"), ADYEN_KEY),
        Err(NotificationFault::Signature)
    );
}

#[test]
fn a_capture_of_checkout_com_is_read_and_nothing_that_it_has_not_signed() {
    let expected = Notice {
        event: "evt_1".to_owned(),
        transaction: TransactionId::parse("0123456789abcdef01234567").ok(),
        try_number: Some(1),
        refund: Id::parse("89abcdef0123456789abcdef").ok(),
        reference: Some("pay_1".to_owned()),
        act: TransactionAction::Capture,
        act_reference: Some("act_1".to_owned()),
        attempt: None,
        amount: Some(700),
        currency: None,
        account: None,
        verdict: Verdict::Approved,
        reason_code: "00".to_owned(),
        status_reason: None,
        occurred_at: Some(Timestamp::from_unix_millis(1_772_366_400_123)),
    };
    assert_eq!(checkout(CHECKOUT, &[CHECKOUT_SIGNATURE], CHECKOUT_KEY), Ok(vec![expected]));
    let signature = Some(NotificationFault::Signature);
    let right = CHECKOUT_SIGNATURE;
    for headers in [&[][..], &[right, right], &[""], &[&right[1..]], &[&right.replace('f', "e")]] {
        assert_eq!(checkout(CHECKOUT, headers, CHECKOUT_KEY).err(), signature);
    }
    assert_eq!(checkout(&CHECKOUT.replace("700", "701"), &[right], CHECKOUT_KEY).err(), signature);
    assert_eq!(checkout(CHECKOUT, &[right], "other").err(), signature);
    assert_eq!(checkout(CHECKOUT, &[right], "").err(), Some(NotificationFault::Secret));
    let declined = CHECKOUT.replace("payment_captured", "payment_refund_declined").replace("10000", "20005");
    let notice = checkout_signed(&declined).unwrap().remove(0);
    assert_eq!(
        (notice.act, notice.verdict, notice.reason_code.as_str()),
        (TransactionAction::Refund, Verdict::Declined, "20005")
    );
    assert_eq!(checkout_signed(&CHECKOUT.replace("payment_captured", "dispute_received")), Ok(Vec::new()));
    for wrong in ["", "{}", &CHECKOUT.replace("act_1", ""), &CHECKOUT.replace("700", "\"700\"")] {
        assert_eq!(checkout_signed(wrong), Err(NotificationFault::Shape), "{wrong}");
    }
}

#[test]
fn a_notification_has_an_end_and_a_depth() {
    for scheme in NotificationScheme::ALL {
        let read = |body: &[u8]| {
            scheme.read(Notification { body, signatures: &["x"] }, ADYEN_KEY.as_bytes(), NOW).unwrap_err()
        };
        assert_ne!(read(&vec![b' '; NOTIFICATION_BYTES_MAX]), NotificationFault::TooLarge);
        assert_eq!(read(&vec![b' '; NOTIFICATION_BYTES_MAX + 1]), NotificationFault::TooLarge);
        assert_ne!(read(&[b'['; NOTIFICATION_DEPTH_MAX]), NotificationFault::TooLarge);
        assert_eq!(read(&[b'['; NOTIFICATION_DEPTH_MAX + 1]), NotificationFault::TooLarge);
    }
}

#[test]
fn our_names_are_those_that_are_sent() {
    let transaction = "0123456789abcdef01234567";
    let read = |text: &str| {
        let Ours { transaction, try_number, refund, attempt } = Ours::parse(text);
        assert_eq!(try_number, transaction.map(|_| 1));
        (transaction.is_some(), refund.map(|id| id.to_string()), attempt)
    };
    let refund = "89abcdef0123456789abcdef";
    assert_eq!(read(transaction), (true, None, None));
    assert_eq!(read(&format!("{transaction}-{refund}")), (true, Some(refund.to_owned()), None));
    assert_eq!(read(&format!("{transaction}-3")), (true, None, Some(3)));
    assert_eq!(read(&format!("{transaction}-999999999")), (true, None, Some(999_999_999)));
    for none in ["", "-", "order 7", "-3", &format!("{transaction}-"), &format!("{transaction}-x")] {
        assert_eq!(read(none), (false, None, None), "{none}");
    }
    for act in ["+3", "3 ", "1000000000", "3-4", &format!("{refund}-1"), &refund[1..]] {
        assert_eq!(read(&format!("{transaction}-{act}")), (false, None, None), "{act}");
    }
    for (number, behind, of) in
        [(2, "", (None, None)), (255, "-3", (None, Some(3))), (16, "-R", (Some(refund), None))]
    {
        let name = format!("{transaction}.{number}{}", behind.replace('R', refund));
        let ours = Ours::parse(&name);
        assert_eq!(ours.transaction.map(|id| id.to_string()).as_deref(), Some(transaction));
        assert_eq!(ours.try_number, Some(number));
        assert_eq!((ours.refund.map(|id| id.to_string()).as_deref(), ours.attempt), of);
    }
    for number in ["", "0", "1", "02", "+2", "256", "2.3", "x"] {
        assert!(Ours::parse(&format!("{transaction}.{number}")).transaction.is_none(), "{number}");
    }
}

#[test]
fn words_lose_their_digits() {
    assert_eq!(words("05 : Refused for 4111:03/2031").as_deref(), Some("** : Refused for ****:**/****"));
    assert_eq!(words("\u{664}\u{661} é\n").as_deref(), Some("** é"));
    assert_eq!((words(""), words("\n")), (None, None));
}
