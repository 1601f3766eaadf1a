//! Lists: order, pages, conditions.

use panvault_server::ServerSettings;
use serde_json::json;

use crate::support::{Server, card_body, transaction_body};

fn seeded() -> (Server, Vec<String>) {
    let server = Server::start();
    let mut ids = Vec::new();
    for (number, month) in
        [("4111111111111111", "01"), ("5555555555554444", "02"), ("4111111111111111", "03")]
    {
        server.clock.pass_millis(1_000);
        let mut body = card_body(&server.parent);
        body["card_number"] = json!(number);
        body["expiry_month"] = json!(month);
        ids.push(server.post(&server.parent.key, "/v1/card", &body).id());
    }
    (server, ids)
}

fn found(server: &Server, query: &str) -> (Vec<String>, String) {
    let answer = server.get(&server.parent.key, &format!("/v1/card?{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    let rows = answer.json();
    let ids = rows.as_array().unwrap().iter().map(|row| row["_id"].as_str().unwrap().to_owned()).collect();
    (ids, answer.header("x-total-count").unwrap().to_owned())
}

#[test]
fn are_newest_first_and_come_in_pages() {
    let (server, mut ids) = seeded();
    ids.reverse();
    assert_eq!(found(&server, ""), (ids.clone(), "3".to_owned()));
    assert_eq!(found(&server, "_limit=2"), (ids[..2].to_vec(), "3".to_owned()));
    assert_eq!(found(&server, "_limit=2&_skip=2"), (ids[2..].to_vec(), "3".to_owned()));
    assert_eq!(found(&server, "_skip=3").0, Vec::<String>::new());
}

#[test]
fn are_sorted_and_narrowed() {
    let (server, ids) = seeded();
    let organisation = &server.parent.organisation;
    for (query, expected) in [
        ("_sort=expiry_month".to_owned(), vec![0, 1, 2]),
        ("_sort=-expiry_month".to_owned(), vec![2, 1, 0]),
        ("_sort-=expiry_month".to_owned(), vec![2, 1, 0]),
        ("brand=VISA".to_owned(), vec![2, 0]),
        ("brand=VISA&brand=MASTERCARD".to_owned(), vec![2, 1, 0]),
        ("brand!=VISA".to_owned(), vec![1]),
        // Names in another case, and other ways of writing the same, matched nothing.
        ("brand=visa&brand=MasterCard".to_owned(), vec![2, 1, 0]),
        ("issuer_country=nl&type=Credit&bin=411111".to_owned(), vec![2, 0]),
        ("expiry_month=1&expiry_year=2029".to_owned(), vec![0]),
        ("created_at%3E=2026-03-01T12:00:02Z".to_owned(), vec![2, 1]),
        ("created_at%3C=2026-03-01T12:00:02Z".to_owned(), vec![1, 0]),
        ("brand=VISA&expiry_month=01".to_owned(), vec![0]),
        (format!("organisation={organisation}&last_four=4444"), vec![1]),
    ] {
        let expected: Vec<String> = expected.into_iter().map(|at: usize| ids[at].clone()).collect();
        let (rows, total) = found(&server, &query);
        assert_eq!((rows, total), (expected.clone(), expected.len().to_string()), "{query}");
        let counted = server.get(&server.parent.key, &format!("/v1/card/count?{query}"));
        assert_eq!(counted.json(), json!({ "count": expected.len() }), "{query}");
    }
    for organisation in [&server.stranger.organisation, &"0".repeat(24)] {
        server.get(&server.parent.key, &format!("/v1/card?organisation={organisation}")).fails(404, 109);
    }
    let card = server.get(&server.parent.key, &format!("/v1/card/{}", ids[0])).json();
    let query = format!("fingerprint={}", card["fingerprint"].as_str().unwrap());
    assert_eq!(found(&server, &query).0, [ids[2].clone(), ids[0].clone()], "the same card again");
}

#[test]
fn never_go_by_card_number_or_cvv() {
    let (server, _) = seeded();
    for (query, field) in [
        ("card_number=4111111111111111", "query.card_number"),
        ("cvv=111", "query.cvv"),
        ("card_holder_name=x", "query.card_holder_name"),
        ("_sort=card_number", "query._sort"),
        ("_limit=0", "query._limit"),
        ("_limit=1001", "query._limit"),
        ("_skip=x", "query._skip"),
        ("created_at%3E=yesterday", "query.created_at"),
        // A value that the field cannot have gave an empty list.
        ("brand=Vissa", "query.brand"),
        ("brand!=Vissa", "query.brand"),
        ("bin=4111111111111111", "query.bin"),
        ("last_four=4111111111111111", "query.last_four"),
        ("expiry_month=13", "query.expiry_month"),
        ("issuer_country=NLD", "query.issuer_country"),
        ("_id=4111111111111111", "query._id"),
        ("fingerprint=x", "query.fingerprint"),
        ("4111111111111111", "query.?"),
    ] {
        let answer = server.get(&server.parent.key, &format!("/v1/card?{query}"));
        assert_eq!((answer.status, answer.faults()), (400, vec![field.to_owned()]), "{query}");
        assert!(!answer.text.contains("4111"), "{query}");
    }
}

/// The ids of a page, and the headers about its total.
fn page(server: &Server, path: &str) -> (Vec<String>, String, Option<String>) {
    let answer = server.get(&server.parent.key, path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    let rows = answer.json();
    let ids = rows.as_array().unwrap().iter().map(|row| row["_id"].as_str().unwrap().to_owned()).collect();
    let exact = answer.header("x-total-count-exact").map(str::to_owned);
    (ids, answer.header("x-total-count").unwrap().to_owned(), exact)
}

/// The bug: pages by `_skip` showed an object twice when one was made between them, and went through all that they left out. Its cause: they
/// began at a number of objects. Its cure: `_after`, with which they begin at an object.
#[test]
fn pages_follow_each_other_whatever_is_made_meanwhile() {
    let (server, ids) = seeded();
    let first = page(&server, "/v1/card?_limit=2").0;
    assert_eq!(first, [ids[2].clone(), ids[1].clone()]);
    server.clock.pass_millis(1_000);
    server.make_card(&server.parent, None);
    let next = format!("/v1/card?_limit=2&_after={}", first[1]);
    assert_eq!(page(&server, &next), (vec![ids[0].clone()], "4".to_owned(), None));
    let sorted = format!("{next}&_sort=-created_at");
    assert_eq!(page(&server, &sorted).0, [ids[0].clone()], "that is the order it goes with");
    let narrowed = format!("{next}&brand=VISA");
    assert_eq!(page(&server, &narrowed), (vec![ids[0].clone()], "1".to_owned(), Some("false".to_owned())));
    for list in ["organisation", "account", "processor", "apikey"] {
        let key = server.make_key(&server.parent, &[panvault_model::Role::ProviderAdmin]);
        let all = |query: &str| -> Vec<String> {
            let rows = server.get(&key, &format!("/v1/{list}{query}")).json();
            rows.as_array().unwrap().iter().map(|row| row["_id"].as_str().unwrap().to_owned()).collect()
        };
        let rows = all("");
        assert_eq!(all(&format!("?_after={}", rows[0])), rows[1..], "{list}");
    }
}

#[test]
fn an_id_to_begin_behind_is_one_and_shows_nothing() {
    let (server, ids) = seeded();
    server.clock.pass_millis(1_000);
    let theirs = server.make_card(&server.stranger, None);
    assert_eq!(page(&server, &format!("/v1/card?_after={theirs}")).0.len(), 3, "made before it");
    let of_stranger = server.get(&server.stranger.key, &format!("/v1/card?_after={}", "f".repeat(24)));
    assert_eq!(of_stranger.json().as_array().unwrap().len(), 1);
    let (one, other) = (&ids[0], &ids[1]);
    for query in [
        "_after=x".to_owned(),
        "_after=4111111111111111".to_owned(),
        format!("_after={one}&_sort=last_four"),
        format!("_after={one}&_sort=created_at"),
        format!("_after={one}&_after={other}"),
    ] {
        let answer = server.get(&server.parent.key, &format!("/v1/card?{query}"));
        assert_eq!((answer.status, answer.faults()), (400, vec!["query._after".to_owned()]), "{query}");
        assert!(!answer.text.contains("4111"), "{query}");
    }
}

/// The bug: a condition without an index went through every card of an organisation, seconds for a million, for each page. Its cause: the total
/// was of all that match. Its cure: so many rows are examined, and so many counted; what is not counted whole says so, and what does not
/// fill its page is refused with the conditions that help.
#[test]
fn go_through_so_much_and_no_more() {
    let settings = ServerSettings { list_examined_max: 3, list_counted_max: 1, ..ServerSettings::default() };
    let server = Server::start_with(settings, None);
    for _ in 0..4 {
        let card = server.make_card(&server.parent, None);
        let paid = transaction_body(&server.parent, &card, 1000);
        assert_eq!(server.post(&server.parent.key, "/v1/transaction", &paid).status, 200);
    }
    let inexact = |total: &str| (total.to_owned(), Some("false".to_owned()));
    let (rows, total, exact) = page(&server, "/v1/card?_limit=1&brand=VISA");
    assert_eq!((rows.len(), (total, exact)), (1, inexact("1")));
    let (rows, total, exact) = page(&server, "/v1/card?_limit=3&brand=VISA");
    assert_eq!((rows.len(), (total, exact)), (3, inexact("3")));
    let (rows, total, exact) = page(&server, "/v1/card?_limit=1");
    assert_eq!((rows.len(), total.as_str(), exact), (1, "4", None), "counted as they are made");
    for (path, index) in [
        ("/v1/card?brand=VISA", "fingerprint"),
        ("/v1/card?_sort=last_four", "fingerprint"),
        ("/v1/transaction?amount=1", "account, card, status"),
    ] {
        let refused = server.get(&server.parent.key, path);
        refused.fails(400, 110);
        let what = refused.json()["details"]["query"].as_str().unwrap().to_owned();
        assert!(what.contains("created_at>=") && what.contains(index), "{path}: {what}");
    }
    for (path, total, exact) in [
        ("/v1/card/count?brand=VISA", 3, Some("false")),
        ("/v1/card/count?brand=MASTERCARD", 0, Some("false")),
        ("/v1/card/count", 4, None),
    ] {
        let counted = server.get(&server.parent.key, path);
        assert_eq!(counted.json(), json!({ "count": total }), "{path}");
        assert_eq!(counted.header("x-total-count-exact"), exact, "{path}");
    }
}

/// Asks for a list as CSV: the lines, without their ends, and the type of the answer.
fn csv(server: &Server, key: &str, path: &str) -> (Vec<String>, String) {
    let answer = server.send("GET", path, &[("x-apikey", key), ("accept", "text/csv")], None);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    let lines = answer.text.strip_suffix("\r\n").unwrap().split("\r\n").map(str::to_owned).collect();
    (lines, answer.header("content-type").unwrap().to_owned())
}

#[test]
fn are_csv_for_who_asks_for_it() {
    let (server, ids) = seeded();
    let key = &server.parent.key;
    let (lines, media_type) = csv(&server, key, "/v1/card?_limit=2");
    assert_eq!(media_type, "text/csv; charset=utf-8; header=present");
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("_id,organisation,brand,") && lines[1].starts_with(&ids[2]), "{lines:?}");
    let columns = lines[0].split(',').count();
    assert!(lines[2].split(',').count() == columns && lines[2].contains(",Mastercard,"), "{lines:?}");
    let theirs = server.make_card(&server.stranger, None);
    assert!(csv(&server, key, "/v1/card").0.iter().all(|line| !line.starts_with(&theirs)));
    assert_eq!(csv(&server, &server.stranger.key, "/v1/card").0.len(), 2, "one of their own");
    let mut paid = transaction_body(&server.parent, &ids[0], 1000);
    paid["merchant_reference"] = json!("=HYPERLINK(\"https://x.example\")");
    assert_eq!(server.post(key, "/v1/transaction", &paid).status, 200);
    let (lines, _) = csv(&server, key, "/v1/transaction");
    assert!(lines[1].contains("\"'=HYPERLINK(\"\"https://x.example\"\")\""), "{lines:?}");
    assert_eq!(csv(&server, key, "/v1/transaction?status=DECLINED").0.len(), 1, "the names of its columns");
    for (path, status) in [("/v1/card?brand=x", 400), ("/v1/card/count", 200)] {
        let answer = server.send("GET", path, &[("x-apikey", key.as_str()), ("accept", "text/csv")], None);
        let media_type = answer.header("content-type");
        assert_eq!((answer.status, media_type), (status, Some("application/json")), "{path}");
    }
}

#[test]
fn show_what_their_ids_name() {
    let (server, ids) = seeded();
    let key = &server.parent.key;
    let paid = transaction_body(&server.parent, &ids[0], 1000);
    for _ in 0..2 {
        assert_eq!(server.post(key, "/v1/transaction", &paid).status, 200);
    }
    let plain = server.get(key, "/v1/transaction").json();
    let of = |kind: &str, id: &str| server.get(key, &format!("/v1/{kind}/{id}")).json();
    let shown =
        server.get(key, "/v1/transaction?_populate=card&_populate=account,organisation&_populate=card");
    let rows = shown.json();
    for (row, plain) in rows.as_array().unwrap().iter().zip(plain.as_array().unwrap()) {
        let mut expected = plain.clone();
        for member in ["card", "account", "organisation"] {
            expected[member] = of(member, plain[member].as_str().unwrap());
        }
        assert_eq!(row, &expected);
    }
    assert_eq!(rows.as_array().unwrap().len(), 2);
    assert_eq!(shown.header("x-total-count"), Some("2"));
    let customer = server.post(key, "/v1/customer", &json!({ "first_name": "Ann" })).id();
    let mut paid = transaction_body(&server.parent, &ids[0], 1000);
    paid["customer"] = json!(customer);
    assert_eq!(server.post(key, "/v1/transaction", &paid).status, 200);
    let rows = server.get(key, "/v1/transaction?_populate=customer").json();
    let mut customers = rows.as_array().unwrap().iter().filter_map(|row| row.get("customer"));
    assert_eq!(customers.next(), Some(&of("customer", &customer)));
    let cards = server.get(key, "/v1/card?_populate=organisation&_limit=1").json();
    assert_eq!(cards[0]["organisation"], of("organisation", &server.parent.organisation));
    let (lines, _) = csv(&server, key, "/v1/transaction?_populate=card&_limit=1");
    assert!(lines[1].contains("\"\"last_four\"\":\"\"1111\"\""), "{lines:?}");
    for (path, names) in [
        ("/v1/transaction?_populate=processor", "takes card, customer, account, organisation"),
        ("/v1/transaction?_populate=", "takes card, customer, account, organisation"),
        ("/v1/transaction/count?_populate=4111111111111111", "takes card, customer, account, organisation"),
        ("/v1/card?_populate=card", "takes organisation"),
    ] {
        let refused = server.get(key, path);
        refused.fails(400, 107);
        assert_eq!(refused.json()["details"], json!({ "query._populate": names }), "{path}");
    }
    server.get(key, &format!("/v1/card/{}?_populate=organisation", ids[0])).fails(400, 127);
}

/// What an id of a row names may be somebody else's, or gone: then it stays an id, and nothing tells one from the other.
#[test]
fn show_nothing_that_the_caller_does_not_see() {
    let server = Server::start();
    let above = server.make_card(&server.parent, None);
    let paid = transaction_body(&server.child, &above, 1000);
    assert_eq!(server.post(&server.parent.key, "/v1/transaction", &paid).status, 200);
    let card = |key: &str| {
        let rows = server.get(key, "/v1/transaction?_populate=card,account").json();
        assert_eq!(rows.as_array().unwrap().len(), 1);
        assert_eq!(rows[0]["account"]["_id"], json!(server.child.account));
        rows[0]["card"].clone()
    };
    assert_eq!(card(&server.parent.key)["_id"], json!(above));
    assert_eq!(card(&server.child.key), json!(above), "it is of who is above");
    assert_eq!(server.delete(&server.parent.key, &format!("/v1/card/{above}")).status, 204);
    assert_eq!(card(&server.parent.key), json!(above), "it is gone");
    let administrator = server.make_key(&server.child, &[panvault_model::Role::ProviderAdmin]);
    let rows = server.get(&administrator, "/v1/organisation?_populate=parent_id").json();
    assert_eq!(rows[0]["parent_id"], json!(server.parent.organisation));
    let all = server.get(&server.stranger.key, "/v1/transaction?_populate=card,account,organisation");
    assert_eq!(all.json(), json!([]));
}
