//! Lists: order, pages, conditions.

use serde_json::json;

use crate::support::{Server, card_body};

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
