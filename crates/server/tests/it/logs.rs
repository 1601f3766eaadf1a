//! What is logged of a request that fails: one line, where it ends.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use panvault_model::{CardId, Id, NodeId, OrganisationId, RequestId, Tag, Timestamp};
use panvault_server::ServerSettings;
use panvault_store::{Action, AuditNote, CardRow, Commit, Effect, MemoryStore, Outcome, Store};
use serde_json::{Value, json};

use crate::support::{HttpAnswer, Server};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that this process has logged, above debug.
fn lines() -> Vec<Value> {
    static LINES: OnceLock<Lines> = OnceLock::new();
    let lines = LINES.get_or_init(|| {
        let lines = Lines::default();
        let writer = lines.clone();
        tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone()).init();
        lines
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The one line about the request that was answered so.
fn line(answer: &HttpAnswer) -> Value {
    let id = json!(answer.header("x-request-id").unwrap());
    let mut found: Vec<Value> = lines().into_iter().filter(|line| line["request.id"] == id).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// A server, and a hand in its store.
fn server() -> (Server, MemoryStore) {
    drop(lines());
    let store = MemoryStore::new();
    let hand = store.beside(NodeId::from_bytes([2; 12]));
    (Server::start_over(store, ServerSettings::default(), None), hand)
}

/// Changes a stored card as nobody may who has no key.
fn tamper(server: &Server, hand: &MemoryStore, card: &str, change: impl FnOnce(&mut CardRow)) {
    server.runtime().block_on(async {
        let id = CardId::parse(card).unwrap();
        let mut row = CardRow::clone(&*hand.card_read(id).await.unwrap().unwrap());
        change(&mut row);
        let audit = AuditNote {
            at: Timestamp::from_unix_millis(0),
            action: Action::CardUpdate,
            actor: None,
            organisation: OrganisationId::from_bytes([0; 12]),
            object: Id::from_bytes([0; 12]),
            request: RequestId::from_bytes([0; 12]),
            address: [0; 16],
            outcome: 0,
            counted: None,
        };
        let effects = vec![Effect::from(row)];
        let done = hand.commit(Commit { claim: None, expects: Vec::new(), effects, audit }).await;
        assert!(matches!(done, Ok(Outcome::Done { .. })));
    });
}

/// The line named neither request nor row, and a second one the request without what had happened: of a list of a thousand cards nobody
/// could tell which was changed. Whoever makes an error of another says nothing now, and the request says all of it where it ends.
#[test]
fn a_tampered_row_is_named_once_by_the_request_that_met_it() {
    let (server, hand) = server();
    let merchant = &server.parent;
    let card = server.make_card(merchant, None);
    server.make_card(merchant, None);
    tamper(&server, &hand, &card, |row| row.metadata = vec![("a".to_owned(), "b".to_owned())]);

    for (path, operation) in [(format!("/v1/card/{card}"), "card_read"), ("/v1/card".to_owned(), "card_list")]
    {
        let answer = server.get(&merchant.key, &path);
        answer.fails(500, 100);
        assert!(!answer.text.contains(&card), "{}", answer.text);
        let line = line(&answer);
        for (name, value) in [
            ("level", "ERROR"),
            ("message", "request.failed"),
            ("operation", operation),
            ("object.kind", "card"),
            ("object.id", &card),
            ("error", &format!("card {card} was changed from outside")),
            ("advice", "run panvault doctor"),
        ] {
            assert_eq!(line[name], json!(value), "{name} of {line}");
        }
        assert_eq!(line["code"], json!(100));
    }
}

/// What is known of a fault whose error names no row is what the request is about.
#[test]
fn a_fault_without_a_row_is_logged_with_what_the_request_names() {
    let (server, hand) = server();
    let merchant = &server.parent;
    let card = server.make_card(merchant, None);
    // The tag names a key that there never was.
    tamper(&server, &hand, &card, |row| row.tag = Tag { key: 0x7777, bytes: [0; 16] });
    let line = line(&server.get(&merchant.key, &format!("/v1/card/{card}")));
    assert_eq!((&line["object.kind"], &line["object.id"]), (&json!("card"), &json!(card)));
    assert_eq!(line["level"], json!("ERROR"));
}

/// What is the client's fault, or nothing's, is no line of the log.
#[test]
fn what_is_refused_in_order_is_not_logged() {
    let (server, _) = server();
    let merchant = &server.parent;
    for (path, status) in [
        ("/v1/card/000000000000000000000000", 404),
        ("/v1/card/4111111111111111", 404),
        ("/v1/card?_limit=x", 400),
        ("/v1/nothing", 404),
    ] {
        let answer = server.get(&merchant.key, path);
        assert_eq!(answer.status, status, "{path}");
        let id = json!(answer.header("x-request-id").unwrap());
        assert!(lines().iter().all(|line| line["request.id"] != id), "{path}");
    }
}
