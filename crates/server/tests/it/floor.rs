//! What the API is measured against.

use panvault_server::{ServerSettings, floor};
use panvault_testkit::http_send;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::Server;

/// The benchmark refused to begin: a new card was answered with 14 bytes less than the floor's constant has, since the answer leaves out
/// what has no value and the constant had `metadata`. The constant has none, and this notices first when an answer changes.
#[test]
fn the_floor_answers_as_a_new_card_does() {
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(floor::serve(listener, ServerSettings::default(), core::future::pending()));
    let body = json!({
        "card_number": "4000000000000002", "expiry_month": "12", "expiry_year": "35", "cvv": "111",
        "organisation": server.parent.organisation,
    });
    let [card, constant] = [server.address, address].map(|address| {
        let headers = [("X-APIKEY", server.parent.key.as_str()), ("Content-Type", "application/json")];
        let url = format!("http://{address}/v1/card");
        let answer = http_send(&url, "POST", &headers, Some(&body.to_string())).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.text
    });
    let names = |text: &str| -> Vec<String> {
        let answer: serde_json::Value = serde_json::from_str(text).unwrap();
        answer.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(names(&card), names(&constant));
    assert_eq!(card.len(), constant.len(), "{card}\n{constant}");
}
