//! Requests whose body arrives long after their head.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use panvault_model::{ApiKeyId, Timestamp};
use serde_json::{Value, json};

use crate::support::{Server, card_body, transaction_body};

const HOUR_MILLIS: u64 = 3_600_000;

/// A request of which the server has read the head, and waits for the body.
struct Half {
    stream: TcpStream,
    body: String,
}

impl Half {
    fn begin(server: &Server, key: &str, path: &str, body: &Value) -> Self {
        let body = body.to_string();
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: v\r\nX-APIKEY: {key}\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        // It is sent when the body is first asked for, and so behind all that is judged by the head.
        let mut interim = [0; 25];
        stream.read_exact(&mut interim).unwrap();
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self { stream, body }
    }

    /// Sends the rest: status and body of the answer.
    fn end(mut self) -> (u16, Value) {
        self.stream.write_all(self.body.as_bytes()).unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
    }
}

/// A key of the parent's that ends in an hour, and its id.
fn key_for_an_hour(server: &Server) -> (String, String) {
    let in_an_hour = server.vault.now().wall.plus_seconds(3600).to_string();
    let new = json!({ "name": "Key", "roles": ["MerchantCashier"], "expires_at": in_an_hour });
    let made = server.post(&server.parent.key, "/v1/apikey", &new).json();
    (made["api_key"].as_str().unwrap().to_owned(), made["_id"].as_str().unwrap().to_owned())
}

/// The bug: an API key was used past its end, or after it had been revoked, by a body that was sent slowly. Its cause: it was judged by
/// the head alone. Its cure: it is judged again when the request is whole.
#[test]
fn a_key_that_ends_while_the_body_arrives_is_refused() {
    let server = Server::start();
    let body = card_body(&server.parent);
    let (key, _) = key_for_an_hour(&server);
    let in_time = Half::begin(&server, &key, "/v1/card", &body);
    server.clock.pass_millis(HOUR_MILLIS - 1);
    assert_eq!(in_time.end().0, 200);
    let late = Half::begin(&server, &key, "/v1/card", &body);
    server.clock.pass_millis(1);
    let (status, answer) = late.end();
    assert_eq!((status, &answer["code"]), (401, &json!(116)));

    let (key, id) = key_for_an_hour(&server);
    let revoked = Half::begin(&server, &key, "/v1/card", &body);
    let permit = panvault_testkit::operator(&server.vault, 7).permit().unwrap();
    let id = ApiKeyId::parse(&id).unwrap();
    server.runtime().block_on(server.vault.apikey_delete(&permit, id)).unwrap();
    assert_eq!(revoked.end().0, 401);

    let (key, id) = key_for_an_hour(&server);
    let demoted = Half::begin(&server, &key, "/v1/card", &body);
    let change = json!({ "roles": ["MerchantUser"] });
    assert_eq!(server.post(&server.parent.key, &format!("/v1/apikey/{id}"), &change).status, 200);
    let (status, answer) = demoted.end();
    assert_eq!((status, &answer["code"]), (403, &json!(113)));
    assert_eq!(server.get(&server.parent.key, "/v1/card/count").json()["count"], json!(1));
}

/// The bug: times of a request, the end of its CVV among them, were those of its head. Its cause: the time was taken before the body. Its
/// cure: it is taken when the request is whole.
#[test]
fn the_time_of_a_request_is_when_it_is_whole() {
    let server = Server::start();
    let merchant = &server.parent;
    let mut body = card_body(merchant);
    body["cvv"] = json!("111");
    let creating = Half::begin(&server, &merchant.key, "/v1/card", &body);
    server.clock.pass_millis(2 * HOUR_MILLIS);
    let whole_at = server.vault.now().wall;
    let (status, card) = creating.end();
    let time = |name: &str| Timestamp::parse(card[name].as_str().unwrap()).unwrap();
    assert_eq!((status, time("created_at")), (200, whole_at));
    assert_eq!(time("cvv_expires_at"), whole_at.plus_seconds(3600));

    let pay = transaction_body(merchant, card["_id"].as_str().unwrap(), 1099);
    let paying = Half::begin(&server, &merchant.key, "/v1/transaction", &pay);
    server.clock.pass_millis(HOUR_MILLIS);
    let (status, paid) = paying.end();
    assert_eq!((status, &paid["cvv_present"]), (200, &json!(false)), "its CVV has ended meanwhile");
}

/// An expiry is judged by it, too.
#[test]
fn a_card_that_expires_while_the_body_arrives_is_refused() {
    let server = Server::start();
    let mut body = card_body(&server.parent);
    (body["expiry_month"], body["expiry_year"]) = (json!("03"), json!("26"));
    let creating = Half::begin(&server, &server.parent.key, "/v1/card", &body);
    server.clock.pass_millis(31 * 24 * HOUR_MILLIS);
    let (status, answer) = creating.end();
    assert_eq!((status, &answer["code"]), (400, &json!(107)), "{answer}");
}
