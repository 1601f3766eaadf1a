use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::sync::Arc;

use panvault_card::{Cryptogram, Cvv, Holder, Pan};
use panvault_model::{
    Amount, Brand, Currency, Expiry, Id, ProcessorId, RecurringType, ShopperInteraction, TransactionAction,
    TransactionId,
};

use super::act::ActName;
use super::answer::Answer;
use super::description::{Description, HttpMode};
use super::facts::Facts;
use super::limits::{HttpLimits, LIMITS_BYTES_MAX, SECRET_BYTES_MAX};
use super::placeholder::FIELDS;
use super::processor::HttpProcessor;
use super::registry::Registry;
use super::request;
use super::table::Key;
use crate::act::{Act, FollowUp};
use crate::outbound::{NetworkToken, Order, Outbound, ThreeDSecure};
use crate::secrets::Secrets;
use crate::{Misfit, Notice, NotificationScheme, Processor, Sent, Verdict};

const MINIMAL: &str = r#"name = "mine"
title = "Mine"
idempotency_header = "Idempotency-Key"

[origins]
test = "http://127.0.0.1:1"
live = "https://{{settings.prefix}}.example.com/base"

[settings.prefix]
kind = "text"
pattern = "label"

[settings.key]
kind = "secret"
required = true

[headers]
Authorization = "Bearer {{secrets.key}}"

[exponents]
ISK = 2
IDR = 0

[tables.kind]
by = ["recurring_type", "shopper_interaction"]
rows = [["repeat", "*", "later"], ["*", "MOTO", "phone"], ["none", "*", true]]

[acts.authorise]
request = "POST /pay/{{merchant_reference}}?id={{id}}"
answer = "payment"

[acts.authorise.body]
amount = "{{amount}}"
decimal = "{{amount|decimal}}"
text = "{{amount|text}}"
currency = "{{currency|lower}}"
order = "order {{merchant_reference}}"
kind = "{{tables.kind}}"
card = { number = "{{card.number}}", cvv = "{{card.cvv}}", month = "{{card.expiry_month|pad2}}", year = "{{card.expiry_year|full}}", holder = "{{card.holder|cut3}}" }
threed = { fixed = "Y", eci = "{{threed.eci}}" }
plain = { fixed = 1, list = [true, "{{threed.eci}}"] }

[acts.capture]
request = "POST /pay/{{reference}}/capture"
format = "form"
answer = "payment"
body = { amount = "{{amount}}", m = { a = "{{merchant_reference}}", list = ["x y", "z"] } }

[acts.refund]
request = "POST /pay/{{reference}}/refund"
answer = "payment"
body = { why = "{{reason}}", sum = "{{amount}}" }

[[asks]]
of = ["authorise"]
request = "GET /pay?id={{id}}"
answer = "payment"
pick = { list = "data", where = { "meta.id" = "{{id}}" } }

[answers.payment]
reason_code = ["error.code", "code"]
status_reason = "error.words"
reference = ["id"]
cvv_result = { paths = ["cvv"], rows = [["1 *", "matched"], ["N", "not_matched"]] }
rules = [
    { status = 200, when = { state = ["done", "held"] }, has = ["id"], verdict = "approved" },
    { status = [200, "4xx"], when = { state = "no" }, verdict = "declined" },
    { status = "4xx", verdict = "failed" },
]
"#;

fn order(reference: &str) -> Order {
    Order {
        transaction: TransactionId(Id::from_bytes([0xab; 12])),
        try_number: 1,
        amount: Amount::new(1234).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
        capture_now: true,
        merchant_reference: reference.to_owned(),
        dynamic_descriptor: String::new(),
        customer_ip: String::new(),
        recurring_type: None,
        shopper_interaction: None,
        threed_authentication: None,
        network_transaction_id: None,
    }
}

fn authorise(order: Order, cvv: Option<&str>, holder: Option<&str>) -> Act {
    let cvv = cvv.map(|cvv| Cvv::parse(cvv, None).unwrap());
    let holder = holder.map(|holder| Holder::parse(holder).unwrap());
    let pan = Pan::parse("4111111111111111").unwrap();
    Act::Authorise(Outbound::new(pan, Expiry::new(2031, 3).unwrap(), cvv, holder, order))
}

fn follow_up(action: TransactionAction) -> FollowUp {
    FollowUp {
        action,
        transaction: TransactionId(Id::from_bytes([0xab; 12])),
        try_number: 1,
        refund: None,
        amount: Amount::new(1234).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
        merchant_reference: "a&b=ü".to_owned(),
        reason: None,
        reference: Some("p/1 ?".to_owned()),
        act_reference: None,
        attempt: 3,
    }
}

fn secrets() -> Secrets {
    Secrets::new(vec![("key".to_owned(), zeroize::Zeroizing::new(Box::from(*b"s3cret")))])
}

fn with_facts<T>(description: &Description, act: &Act, take: impl FnOnce(&Facts<'_>) -> T) -> T {
    let facts = Facts {
        name: ActName::of(act),
        act,
        settings: &[],
        secrets: &secrets(),
        tables: &description.tables,
        exponents: &description.exponents,
    };
    take(&facts)
}

fn made(act: &Act) -> Result<String, request::Unmade> {
    let description = Description::parse(MINIMAL).unwrap();
    let origin = description.origin(HttpMode::Test, &[]).unwrap();
    let exchange = description.act(ActName::of(act)).unwrap();
    with_facts(&description, act, |facts| {
        let measured = request::measure(&description, exchange, &origin, facts)?;
        let bytes = request::make(&description, exchange, &origin, facts, measured);
        assert_eq!(bytes.len(), bytes.capacity(), "the buffer is as long as was measured");
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    })
}

fn body(act: &Act) -> String {
    made(act).unwrap().split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn an_authorisation_is_written_as_described() {
    let request = made(&authorise(order("a b/c"), Some("123"), Some("Jane Doe"))).unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let id = "abababababababababababab";
    let lines: Vec<_> = head.split("\r\n").collect();
    assert_eq!(lines[0], format!("POST /pay/a%20b%2Fc?id={id} HTTP/1.1"));
    assert_eq!(lines[1], "Host: 127.0.0.1:1");
    assert!(lines.contains(&"Authorization: Bearer s3cret"));
    assert!(lines.contains(&format!("Idempotency-Key: {id}-authorise-1").as_str()));
    assert!(lines.contains(&"Content-Type: application/json"));
    assert!(lines.contains(&format!("Content-Length: {}", body.len()).as_str()));
    assert_eq!(
        body,
        r#"{"amount":1234,"decimal":"12.34","text":"1234","currency":"eur","order":"order a b/c","kind":true,"card":{"number":"4111111111111111","cvv":"123","month":"03","year":"2031","holder":"Jan"}}"#
    );
}

/// What is absent is left out; what stands beside a value that is there stays.
#[test]
fn members_without_a_value_are_left_out() {
    let mut with = order("r");
    with.threed_authentication = Some(ThreeDSecure {
        eci: "05".to_owned(),
        cavv: None,
        ds_transaction_id: None,
        version: None,
        status: None,
    });
    with.recurring_type = Some(RecurringType::Repeat);
    with.shopper_interaction = Some(ShopperInteraction::Moto);
    let body = body(&authorise(with, None, None));
    assert!(body.contains(r#""threed":{"fixed":"Y","eci":"05"}"#), "{body}");
    assert!(body.contains(r#""plain":{"fixed":1,"list":[true,"05"]}"#), "{body}");
    assert!(
        body.contains(r#""kind":"later""#) && !body.contains("cvv") && !body.contains("holder"),
        "{body}"
    );
}

#[test]
fn no_value_leaves_its_place() {
    let evil = "\",\"amount\":1}\r\nX: y\\ \u{7f}";
    let request = made(&authorise(order(evil), None, None)).unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /pay/%22%2C%22amount%22%3A1%7D%0D%0AX%3A%20y%5C%20%7F?id="), "{head}");
    let json: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&json["amount"], &json["order"]), (&1234.into(), &format!("order {evil}").into()));
    for dots in [".", ".."] {
        assert_eq!(made(&authorise(order(dots), None, None)), Err(request::Unmade::Target));
    }
}

#[test]
fn a_form_escapes_names_and_values() {
    let request = made(&Act::Capture(follow_up(TransactionAction::Capture))).unwrap();
    assert!(request.starts_with("POST /pay/p%2F1%20%3F/capture HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("Idempotency-Key: abababababababababababab-capture-3\r\n"), "{request}");
    assert!(
        request.ends_with(
            "\r\n\r\namount=1234&m%5Ba%5D=a%26b%3D%C3%BC&m%5Blist%5D%5B0%5D=x%20y&m%5Blist%5D%5B1%5D=z"
        ),
        "{request}"
    );
}

#[test]
fn amounts_go_by_the_decimals_of_the_currency() {
    let in_currency = |code: &str, amount: u32| {
        let mut order = order("r");
        (order.currency, order.amount) = (Currency::parse(code).unwrap(), Amount::new(amount).unwrap());
        made(&authorise(order, None, None)).map(|request| {
            let json: serde_json::Value =
                serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
            (json["amount"].as_u64().unwrap(), json["decimal"].as_str().unwrap().to_owned())
        })
    };
    for (code, amount, units, decimal) in [
        ("EUR", 5, 5, "0.05"),
        ("JPY", 1234, 1234, "1234"),
        ("KWD", 1234, 1234, "1.234"),
        // Counted otherwise by this PSP than by ISO 4217.
        ("ISK", 12, 1200, "12.00"),
        ("IDR", 1200, 12, "12"),
    ] {
        assert_eq!(in_currency(code, amount), Ok((units, decimal.to_owned())), "{code}");
    }
    assert_eq!(in_currency("IDR", 1250), Err(request::Unmade::Amount));
}

#[test]
fn answers_mean_what_the_tables_say() {
    let description = Description::parse(MINIMAL).unwrap();
    let answers = &description.act(ActName::Authorise).unwrap().answers;
    let act = Act::Ask(follow_up(TransactionAction::Authorise));
    let read = |status, text: &str| {
        let answer = Answer { status, json: serde_json::from_str(text).ok() };
        with_facts(&description, &act, |facts| answers.read(&answer, None, facts))
    };
    for (status, text, expected) in [
        (200, r#"{"state":"done","id":"p1","cvv":"1 Matches"}"#, Some((Verdict::Approved, "00", "1"))),
        (200, r#"{"state":"no","code":51,"cvv":"N"}"#, Some((Verdict::Declined, "51", "2"))),
        (
            402,
            r#"{"state":"no","error":{"code":"x","words":"4111111111111111"}}"#,
            Some((Verdict::Declined, "x", "0")),
        ),
        (401, "", Some((Verdict::Failed, "http_401", "0"))),
        // No id, no known state, no JSON, no known status: nothing is known.
        (200, r#"{"state":"done"}"#, None),
        (200, r#"{"state":"other","id":"p1"}"#, None),
        (200, "<html>", None),
        (302, r#"{"state":"done","id":"p1"}"#, None),
        (500, r#"{"state":"no"}"#, None),
    ] {
        let said = match read(status, text) {
            Sent::Answered(reply) => {
                assert!(!reply.status_reason.is_some_and(|words| words.contains("4111")));
                Some((reply.verdict, reply.reason_code, reply.cvv_result.as_str()))
            }
            Sent::Unknown { .. } => None,
            Sent::NotReached { .. } => panic!("{text}"),
        };
        assert_eq!(
            said,
            expected.map(|(verdict, code, cvv)| (verdict, code.to_owned(), cvv)),
            "{status} {text}"
        );
    }
}

/// The bug: a payment whose answer had not come was `FAILED` as soon as its PSP refused to be asked about it, for it was asked too often (429), the key had been
/// replaced (401) or had too few rights (403), or was that of another account now (404); whoever paid again then may have paid twice. Its cause: the answer to a question was
/// read as that to the act. Its cure: only a success says what became of an act.
#[test]
fn a_refused_question_says_nothing_of_the_act() {
    let refusal = r#"{"error":{"type":"invalid_request_error","code":"x"},"error_type":"x","error_codes":["x"],"errorCode":"x","state":"no"}"#;
    let shipped = Registry::shipped();
    let own = [Arc::new(Description::parse(MINIMAL).unwrap())];
    let mut asked = 0;
    for description in shipped.descriptions().chain(&own) {
        for ask in &description.asks {
            for (action, status) in
                ask.of.iter().flat_map(|action| (400..=599).map(move |status| (action, status)))
            {
                let act = Act::Ask(follow_up(*action));
                let answer = Answer { status, json: serde_json::from_str(refusal).ok() };
                let said = with_facts(description, &act, |facts| {
                    ask.exchange.answers.read_told(&answer, ask.pick.as_ref(), facts)
                });
                assert!(
                    matches!(said, Sent::Unknown { .. }),
                    "{} {action} {status}: {said:?}",
                    description.name()
                );
                asked += 1;
            }
        }
    }
    assert!(asked >= 9 * 200, "{asked}");
}

/// The bug: a payment whose answer had not come was declined, or had failed, where Stripe's search still had it as it was before it was confirmed: it may have succeeded since. Its
/// cause: what is not confirmed was read like what was refused. Its cure: a decline has an error, and what is begun says nothing.
#[test]
fn a_payment_that_is_begun_at_stripe_is_not_declined() {
    let shipped = Registry::shipped();
    let description = shipped.of_type("card_stripe").unwrap();
    let act = Act::Ask(follow_up(TransactionAction::Authorise));
    let read = |name: &str, status: &str, error: &str| {
        let text = format!(
            r#"{{"object":"payment_intent","id":"pi_1","status":"{status}","metadata":{{"transaction":"{name}"}},"last_payment_error":{error}}}"#
        );
        let answer = Answer { status: 200, json: serde_json::from_str(&text).ok() };
        with_facts(description, &act, |facts| {
            description.asks[0].exchange.answers.read_told(&answer, None, facts)
        })
    };
    let name = act.transaction_name();
    for begun in ["requires_payment_method", "requires_confirmation"] {
        assert!(matches!(read(&name, begun, "null"), Sent::Unknown { .. }), "{begun}");
    }
    for (status, error, verdict) in [
        (
            "requires_payment_method",
            r#"{"type":"card_error","decline_code":"stolen_card"}"#,
            Verdict::Declined,
        ),
        ("canceled", "null", Verdict::Declined),
        ("requires_action", "null", Verdict::Failed),
        ("processing", "null", Verdict::Pending),
        ("requires_capture", "null", Verdict::Approved),
        ("succeeded", "null", Verdict::Approved),
    ] {
        let Sent::Answered(reply) = read(&name, status, error) else { panic!("{status}") };
        assert_eq!(reply.verdict, verdict, "{status}");
        // Of another payment it says nothing.
        assert!(matches!(read("another", status, error), Sent::Unknown { .. }), "{status}");
    }
}

#[test]
fn an_item_of_a_list_is_picked_by_our_id() {
    let description = Description::parse(MINIMAL).unwrap();
    let ask = &description.asks[0];
    let act = Act::Ask(follow_up(TransactionAction::Authorise));
    let read = |text: &str| {
        let answer = Answer { status: 200, json: serde_json::from_str(text).ok() };
        with_facts(&description, &act, |facts| ask.exchange.answers.read(&answer, ask.pick.as_ref(), facts))
    };
    let two = r#"{"data":[{"meta":{"id":"other"},"state":"no"},{"meta":{"id":"abababababababababababab"},"state":"held","id":"p2"}]}"#;
    let Sent::Answered(reply) = read(two) else { panic!() };
    assert_eq!((reply.verdict, reply.reference.as_deref()), (Verdict::Approved, Some("p2")));
    assert_eq!(read(r#"{"data":[]}"#), Sent::UNHEARD);
    assert!(matches!(read("{}"), Sent::Unknown { .. }));
    assert_ne!(read("{}"), Sent::UNHEARD);
}

/// The line of each fault, and a part of its words.
#[test]
fn faults_are_told_with_their_lines() {
    assert!(Description::parse(MINIMAL).is_ok());
    for (from, to, line, words) in [
        ("name = \"mine\"", "name = \"Mine\"", 1, "small letters"),
        ("name = \"mine\"", "name = \"dummy\"", 1, "another type"),
        ("title = \"Mine\"", "", 1, "title is missing"),
        ("title = \"Mine\"", "title = 3", 2, "must be a text"),
        ("title = \"Mine\"", "title = \"Mine\"\nother = 1", 3, "\"other\" is not known"),
        ("title = \"Mine\"", "title = \"Mine", 2, ""),
        ("http://127.0.0.1:1", "http://psp.example.com", 6, "https://"),
        ("live = \"https://", "live = \"http://", 7, "https://"),
        ("pattern = \"label\"", "pattern = \"text\"", 7, "pattern label"),
        ("pattern = \"label\"", "pattern = \"regex\"", 11, "one of text"),
        ("kind = \"secret\"", "kind = \"hidden\"", 14, "one of text, secret"),
        ("Bearer {{secrets.key}}", "Bearer {{secrets.other}}", 18, "no such setting of kind secret"),
        ("Bearer {{secrets.key}}", "Bearer {{merchant_reference}}", 18, "may not stand in a header"),
        ("Bearer {{secrets.key}}", "Bearer \\r\\nX: y", 18, "printable ASCII"),
        ("Authorization =", "Host =", 18, "not for a description"),
        ("ISK = 2", "ISX = 2", 21, "no currency"),
        ("ISK = 2", "ISK = 5", 21, "0 to 4"),
        ("\"MOTO\", \"phone\"", "\"PHONE\", \"phone\"", 26, "must be one of *"),
        ("[\"none\", \"*\", true]", "[\"none\", true]", 26, "3 values"),
        ("[acts.authorise]\n", "[acts.authorize]\n", 28, "\"authorize\" is not known"),
        ("POST /pay/{{merchant", "FETCH /pay/{{merchant", 29, "method and a path"),
        ("POST /pay/{{merchant_reference}}", "POST /pay/{{card.number}}", 29, "may not stand in a path"),
        ("POST /pay/{{merchant_reference}}", "POST /pay/{{secrets.key}}", 29, "may not stand in a path"),
        ("POST /pay/{{merchant_reference}}", "POST /pay/a b", 29, "no path or query"),
        ("POST /pay/{{merchant_reference}}", "POST /pay/{{reference}}", 29, "not known in authorise"),
        (
            "answer = \"payment\"\n\n[acts.authorise.body]",
            "answer = \"pay\"\n\n[acts.authorise.body]",
            30,
            "no [answers.pay]",
        ),
        ("amount = \"{{amount}}\"\ndecimal", "amount = 1.5\ndecimal", 33, "must be a text"),
        ("{{amount|decimal}}", "{{amount|pad2}}", 34, "cannot be written so"),
        ("{{amount|decimal}}", "{{amount|round}}", 34, "no |round"),
        ("{{amount|decimal}}", "{{amount|cut0}}", 34, "no |cut0"),
        ("{{amount|decimal}}", "{{amount", 34, "without its }}"),
        ("{{amount|decimal}}", "amount}}", 34, "without its {{"),
        ("{{amount|decimal}}", "{{sum}}", 34, "there is no {{sum}}"),
        ("{{tables.kind}}", "{{tables.other}}", 38, "no such table"),
        ("number = \"{{card.number}}\", ", "", 28, "sends no {{card.number}}"),
        ("{ amount = \"{{amount}}\", m", "{ m", 43, "capture sends no {{amount}}"),
        (", sum = \"{{amount}}\" }", " }", 49, "refund sends no {{amount}}"),
        ("reference = [\"id\"]\n", "", 43, "capture sends {{reference}}, which no answer"),
        ("z\"] } }", "{{card.cvv}}\"] } }", 47, "not known in capture"),
        ("GET /pay?id", "POST /pay?id", 54, "must be GET"),
        ("list = \"data\"", "list = \"data[*]\"", 58, "is no path"),
        ("where = { \"meta.id\" = \"{{id}}\" }", "where = {}", 58, "which item"),
        ("[\"error.code\", \"code\"]", "[\"error..code\"]", 61, "is no path"),
        ("\"not_matched\"", "\"wrong\"", 64, "one of matched"),
        ("[\"N\", ", "[\"N\", \"M\", ", 64, "2 values"),
        ("status = 200, when", "status = 100, when", 66, "200 to 599"),
        ("status = 200, when", "status = 402, when", 66, "of a status 200 to 299"),
        ("when = { state = [\"done\", \"held\"] }, has = [\"id\"], ", "", 66, "more than a status"),
        ("when = { state = \"no\" }, ", "", 67, "more than a status"),
        ("verdict = \"failed\"", "verdict = \"no\"", 68, "must be one of approved"),
        // A gateway's, behind which the act may be done.
        ("\"4xx\", verdict", "\"5xx\", verdict", 68, "more than a status"),
        (
            "\"4xx\", verdict = \"failed\"",
            "[404, 502], verdict = \"not_supported\"",
            68,
            "more than a status",
        ),
    ] {
        assert!(MINIMAL.contains(from), "{from}");
        let faults = Description::parse(&MINIMAL.replacen(from, to, 1)).err().unwrap_or_default();
        let is_told = faults.iter().any(|fault| fault.line == line && fault.words.contains(words));
        assert!(is_told, "{to}: {faults:?}");
    }
    // All of them at once.
    let two = MINIMAL.replace("{{amount|decimal}}", "{{sum}}").replace("verdict = \"failed\"", "verdict = 1");
    assert_eq!(
        Description::parse(&two).err().unwrap().iter().map(|fault| fault.line).collect::<Vec<_>>(),
        [34, 68]
    );
}

/// The same, by a PSP that takes network tokens of one scheme in a member of their own.
const TOKENS: &str = r#"
[acts.authorise.network_token]
brands = ["Visa"]

[acts.authorise.network_token.body]
card = { token = "{{card.number}}", four = "{{card.last_four}}", proof = "{{card.cryptogram}}", eci = "{{card.cryptogram_eci}}" }
kind = "{{tables.maker}}"

[tables.maker]
by = "brand"
rows = [["Visa", "v"], ["none", "?"]]
"#;

const CRYPTOGRAM: &str = "AgAAAAAAAIR8CQrXcIhbQAAAAAA=";

fn token(number: &str, cryptogram: Option<&str>, eci: Option<&str>) -> Act {
    let cryptogram = cryptogram.map(|text| Cryptogram::parse(text).unwrap());
    let pan = Pan::parse(number).unwrap();
    let outbound = Outbound::new(pan, Expiry::new(2031, 3).unwrap(), None, None, order("r"));
    Act::Authorise(outbound.as_network_token(NetworkToken { cryptogram, eci: eci.map(str::to_owned) }))
}

#[test]
fn a_network_token_has_a_body_of_its_own() {
    let description = Description::parse(&format!("{MINIMAL}{TOKENS}")).unwrap();
    let written = |act: &Act| {
        let origin = description.origin(HttpMode::Test, &[]).unwrap();
        let exchange = description.act(ActName::Authorise).unwrap();
        let request = with_facts(&description, act, |facts| {
            let measured = request::measure(&description, exchange, &origin, facts).unwrap();
            request::make(&description, exchange, &origin, facts, measured)
        });
        let request = String::from_utf8(request.to_vec()).unwrap();
        let json: serde_json::Value =
            serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        json
    };
    let whole = written(&token("4111111111111111", Some(CRYPTOGRAM), Some("07")));
    let card =
        serde_json::json!({ "token": "4111111111111111", "four": "1111", "proof": CRYPTOGRAM, "eci": "07" });
    assert_eq!((&whole["card"], &whole["kind"], &whole["amount"]), (&card, &"v".into(), &1234.into()));
    let later = written(&token("4111111111111111", None, None));
    assert_eq!(later["card"], serde_json::json!({ "token": "4111111111111111", "four": "1111" }));
    let plain = written(&authorise(order("r"), Some("123"), None));
    assert_eq!(
        (&plain["card"]["number"], &plain["card"]["token"]),
        (&"4111111111111111".into(), &serde_json::Value::Null)
    );
    let taken = |brand| description.takes_network_token(ActName::Authorise, brand);
    assert!(taken(Some(Brand::Visa)) && !taken(Some(Brand::Mastercard)) && !taken(None));
    assert!(!Description::parse(MINIMAL).unwrap().takes_network_token(ActName::Authorise, Some(Brand::Visa)));
}

#[test]
fn what_is_wrong_with_network_tokens_is_told_with_its_line() {
    let first = MINIMAL.lines().count() + 1;
    for (from, to, line, words) in [
        ("brands = [\"Visa\"]", "brands = [\"visa\"]", 2, "must be one of Amex"),
        ("brands = [\"Visa\"]", "", 1, "brands is missing"),
        ("brands = [\"Visa\"]", "brands = []\nother = 1", 3, "\"other\" is not known"),
        ("token = \"{{card.number}}\", ", "", 1, "sends no {{card.number}}"),
        ("proof = \"{{card.cryptogram}}\", ", "", 1, "sends no {{card.cryptogram}}"),
        ("{{card.last_four}}", "{{card.cvv}}", 1, "which a network token has not"),
        ("[\"Visa\", \"v\"]", "[\"visa\", \"v\"]", 10, "must be one of *, Amex"),
    ] {
        assert!(TOKENS.contains(from), "{from}");
        let text = format!("{MINIMAL}{}", TOKENS.replacen(from, to, 1));
        let faults = Description::parse(&text).err().unwrap_or_default();
        let is_told = faults.iter().any(|fault| fault.line == first + line && fault.words.contains(words));
        assert!(is_told, "{to}: {faults:?}");
    }
    // A cryptogram goes nowhere else.
    for (from, to, words) in [
        ("cvv = \"{{card.cvv}}\"", "cvv = \"{{card.cryptogram}}\"", "goes into network_token.body"),
        ("why = \"{{reason}}\"", "why = \"{{card.cryptogram}}\"", "not known in refund"),
        ("Bearer {{secrets.key}}", "Bearer {{card.cryptogram}}", "may not stand in a header"),
        ("[acts.refund]\n", "[acts.refund]\nnetwork_token = {}\n", "\"network_token\" is not known"),
    ] {
        let faults = Description::parse(&MINIMAL.replacen(from, to, 1)).err().unwrap_or_default();
        assert!(faults.iter().any(|fault| fault.words.contains(words)), "{to}: {faults:?}");
    }
}

#[test]
fn settings_are_judged_by_name() {
    let description = Description::parse(MINIMAL).unwrap();
    let judged = |settings: &[(&str, &str)], secrets: &[&str]| {
        let settings: Vec<_> = settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let faults = description.judge(&settings, secrets.iter().copied());
        faults.into_iter().map(|fault| fault.name).collect::<Vec<_>>()
    };
    assert_eq!(judged(&[("prefix", "a-1")], &["key"]), [""; 0]);
    assert_eq!(judged(&[], &[]), ["key"]);
    for prefix in ["", "A", "a.b", "-a", "a-", "a/b", &"a".repeat(41)] {
        assert_eq!(judged(&[("prefix", prefix)], &["key"]), ["prefix"], "{prefix}");
    }
    // A secret is not given as a text, nor a text as a secret.
    assert_eq!(judged(&[("key", "x")], &["key"]), ["key"]);
    assert_eq!(judged(&[], &["key", "prefix"]), ["prefix"]);
    assert!(description.judge_secret("key", b"a\r\nX: y").is_some());
    assert!(description.judge_secret("key", b"a").is_none());
}

/// Faults send there who looks for one.
#[test]
fn every_placeholder_and_key_of_tables_is_documented() {
    const PAGE: &str = include_str!("../../../../docs/processors.md");
    for (name, _) in FIELDS {
        assert!(
            PAGE.contains(&format!("{{{{{name}}}}}")) || PAGE.contains(&format!("{{{{{name}|")),
            "{name}"
        );
    }
    for (name, _) in Key::ALL {
        assert!(PAGE.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn what_is_shipped_is_sound() {
    let registry = Registry::shipped();
    let types: Vec<_> = registry.descriptions().map(|description| description.type_name()).collect();
    assert_eq!(types, ["card_adyen", "card_checkout", "card_stripe"]);
    assert!(registry.of_type("card_stripe").is_some() && registry.of_type("stripe").is_none());
}

#[test]
fn a_shipped_name_is_not_taken_silently() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    let load = || Registry::load(directory.path()).map_err(|faults| faults[0].to_string());
    write("mine.toml", MINIMAL);
    write("notes.txt", "not read");
    assert!(load().unwrap().of_type("card_mine").is_some());
    let stripe = MINIMAL.replace("name = \"mine\"", "name = \"stripe\"");
    write("other.toml", &stripe);
    assert!(load().err().unwrap().contains("replaces_shipped"));
    write("other.toml", &format!("replaces_shipped = true\n{stripe}"));
    assert_eq!(load().unwrap().of_type("card_stripe").unwrap().title(), "Mine");
    write("third.toml", &format!("replaces_shipped = true\n{stripe}"));
    assert!(load().err().unwrap().contains("another file"));
    write("third.toml", &MINIMAL.replace("title", "titel"));
    assert!(load().err().unwrap().contains("third.toml cannot be used: line "));
}

/// The bug: a description of another user's was used, also one that a link led to out of the directory: that user said where card numbers are sent. Its cause: who may write a file
/// was looked at, and not whose it is. Its cure: directory and files are root's or this user's.
#[test]
fn a_description_that_others_decide_is_refused() {
    let [directory, outside] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let load = || Registry::load(directory.path()).map(drop).map_err(|faults| faults[0].to_string());
    let (file, link) = (outside.path().join("mine.toml"), directory.path().join("mine.toml"));
    std::fs::write(&file, MINIMAL).unwrap();
    symlink(&file, link).unwrap();
    let limits = directory.path().join("limits.toml");
    std::fs::write(&limits, "").unwrap();
    for (path, good, bad) in
        [(file.as_path(), 0o644, 0o664), (directory.path(), 0o755, 0o757), (limits.as_path(), 0o644, 0o646)]
    {
        let set = |mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        set(bad);
        assert!(load().unwrap_err().contains("chmod go-w"), "{bad:o}");
        set(good);
        assert_eq!(load(), Ok(()));
    }
    // Who is not root can give nothing away.
    if std::fs::metadata(&file).unwrap().uid() == 0 {
        for path in [file.as_path(), directory.path(), limits.as_path()] {
            chown(path, Some(12_345), None).unwrap();
            assert!(load().unwrap_err().contains("belongs to another user"));
            chown(path, Some(0), None).unwrap();
            assert_eq!(load(), Ok(()));
        }
    }
}

/// Of a description, for its type and for one processor.
#[test]
fn limits_are_set_in_a_description_and_beside_it() {
    let id = "65f1c0d23d4e5f60718293a4";
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    let load = || Registry::load(directory.path()).map_err(|faults| faults[0].to_string());
    write("mine.toml", &format!("{MINIMAL}\n[limits]\nconnections_max = 7\n"));
    write(
        "limits.toml",
        &format!("card_mine.answer_millis = 900\n[card_stripe.processors.{id}]\nwaiting_max = 3\n"),
    );
    let registry = load().unwrap();
    let limits = |type_name: &str, id: &str| registry.limits(type_name, ProcessorId(Id::parse(id).unwrap()));
    let other = "000000000000000000000000";
    let default = HttpLimits::default();
    let mine = HttpLimits { connections_max: 7, answer_millis: 900, ..default };
    assert_eq!(limits("card_mine", id), mine);
    assert_eq!(limits("card_stripe", id), HttpLimits { waiting_max: 3, ..default });
    for type_name in ["card_stripe", "card_adyen"] {
        assert_eq!(limits(type_name, other), default);
    }
    write("limits.toml", "[card_mine]\nanswer_millis = 1\n");
    let fault = load().err().unwrap();
    assert!(fault.contains("limits.toml cannot be used: line 2: must be 100 to 27000"), "{fault}");
    let most = usize::try_from(LIMITS_BYTES_MAX).unwrap();
    write("limits.toml", &"#".repeat(most));
    assert!(load().is_ok());
    write("limits.toml", &"#".repeat(most + 1));
    assert!(load().err().unwrap().contains("has more than 131072 bytes"));
    for (limits, below, fault) in [
        ("colour = 1", 2, "\"colour\" is not known here; there are wait_millis, "),
        ("idle_millis = -1", 2, "must be a whole number, 0 or greater"),
        ("answer_millis = 26000", 1, "wait_millis, connect_millis and answer_millis must be at most 28000"),
    ] {
        let text = format!("{}\n[limits]\n{limits}\n", MINIMAL.trim_end());
        let faults = Description::parse(&text).err().unwrap();
        let [found] = faults.as_slice() else { panic!("{faults:#?}") };
        assert_eq!(found.line, MINIMAL.trim_end().lines().count() + below, "{found}");
        assert!(found.words.starts_with(fault), "{found}");
    }
}

const TELLS: &str =
    "[notification]\nscheme = \"adyen_hmac\"\nsecret = \"key\"\naccount = \"prefix\"\n\n[headers]";

#[test]
fn a_description_says_how_its_psp_tells() {
    let text = MINIMAL.replace("[headers]", TELLS);
    let description = Description::parse(&text).unwrap();
    let hmac_key = "6A09E667F3BCC908B2FB1366EA957D3E";
    assert_eq!(description.judge_secret("key", hmac_key.as_bytes()), None);
    for wrong in ["s3cret", &hmac_key[1..], &hmac_key[..30]] {
        let fault = description.judge_secret("key", wrong.as_bytes()).unwrap();
        assert!(fault.words.contains("hexadecimal") && !fault.words.contains(wrong), "{fault}");
    }
    // Whatever is no secret of notifications may be as long as any.
    let description = Description::parse(MINIMAL).unwrap();
    assert_eq!(description.judge_secret("key", &[b'x'; SECRET_BYTES_MAX]), None);
    assert!(description.judge_secret("key", &[b'x'; SECRET_BYTES_MAX + 1]).is_some());
    for (from, to, line, words) in [
        ("\"adyen_hmac\"", "\"adyen\"", 18, "must be one of stripe_v1, adyen_hmac, checkout_hmac"),
        ("secret = \"key\"\n", "", 17, "secret is missing"),
        ("secret = \"key\"", "secret = \"prefix\"", 19, "no such setting of kind secret"),
        ("account = \"prefix\"\n", "", 17, "account is missing"),
        ("account = \"prefix\"", "account = \"key\"", 20, "no such setting of kind text"),
        ("\"adyen_hmac\"", "\"stripe_v1\"", 20, "name no account"),
        ("account =", "accounts =", 20, "\"accounts\" is not known"),
    ] {
        let faults = Description::parse(&text.replace(from, to)).err().unwrap();
        let found = faults.iter().any(|fault| fault.line == line && fault.words.contains(words));
        assert!(found, "{to}: {faults:?}");
    }
}

/// A notice in the PSP's own units of a currency, and for the account that is set.
#[test]
fn a_notice_is_about_the_amount_that_was_sent() {
    let description = Description::parse(&MINIMAL.replace("[headers]", TELLS)).unwrap();
    let settings = [("prefix".to_owned(), "ours".to_owned())];
    let hmac_key = zeroize::Zeroizing::new(Box::from(*b"6A09E667F3BCC908B2FB1366EA957D3E"));
    let secrets = Secrets::new(vec![("key".to_owned(), hmac_key)]);
    let processor =
        HttpProcessor::new(Arc::new(description), &settings, secrets, HttpLimits::default(), HttpMode::Test);
    let processor = processor.unwrap();
    assert_eq!(processor.notifies(), Some(NotificationScheme::Adyen));
    let currency = |text: &str| Currency::parse(text).unwrap();
    let notice = |act, amount, code: &str, account: &str| Notice {
        event: "event".to_owned(),
        transaction: None,
        try_number: None,
        refund: None,
        attempt: None,
        reference: None,
        act,
        act_reference: None,
        amount,
        currency: Some(currency(code)),
        account: Some(account.to_owned()),
        verdict: Verdict::Approved,
        reason_code: "00".to_owned(),
        status_reason: None,
        occurred_at: None,
    };
    use TransactionAction::{Capture, Void};
    for (notice, amount, code, misfit) in [
        (notice(Capture, Some(700), "EUR", "ours"), 700, "EUR", None),
        (notice(Capture, Some(700), "EUR", "theirs"), 700, "EUR", Some(Misfit::Account)),
        (notice(Capture, Some(700), "EUR", "ours"), 700, "USD", Some(Misfit::Currency)),
        (notice(Capture, Some(700), "EUR", "ours"), 701, "EUR", Some(Misfit::Amount)),
        (notice(Capture, None, "EUR", "ours"), 700, "EUR", Some(Misfit::Amount)),
        (notice(Capture, Some(70_000), "ISK", "ours"), 700, "ISK", None),
        (notice(Capture, Some(700), "ISK", "ours"), 700, "ISK", Some(Misfit::Amount)),
        (notice(Void, Some(0), "EUR", "ours"), 700, "EUR", None),
    ] {
        let found = processor.misfit(&notice, Amount::new(amount).unwrap(), currency(code));
        assert_eq!(found, misfit, "{notice:?}");
    }
}
