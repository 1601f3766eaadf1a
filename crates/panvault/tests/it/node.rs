//! A node of a vault that is served, as a client meets it.

use panvault_testkit::http_send;
use serde_json::Value;

use crate::serve::Served;
use crate::support::{HttpAnswer, until};

pub(crate) struct Node {
    pub(crate) served: Served,
    pub(crate) url: String,
    pub(crate) key: String,
}

impl Node {
    /// A server, by what it said when it was ready, and a key for it.
    pub(crate) fn new(served: Served, ready: &Value, key: &str) -> Self {
        Self { served, url: ready["url"].as_str().unwrap().to_owned(), key: key.to_owned() }
    }

    pub(crate) fn get(&self, path: &str) -> HttpAnswer {
        self.get_with(path, &self.key)
    }

    pub(crate) fn get_with(&self, path: &str, key: &str) -> HttpAnswer {
        http_send(&format!("{}{path}", self.url), "GET", &[("X-APIKEY", key)], None).unwrap()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> HttpAnswer {
        self.send("POST", path, Some(body))
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> HttpAnswer {
        let headers = [("X-APIKEY", self.key.as_str()), ("Content-Type", "application/json")];
        let (url, body) = (format!("{}{path}", self.url), body.map(Value::to_string));
        http_send(&url, method, &headers, body.as_deref()).unwrap()
    }

    /// What it answers when it does. On a machine that has much else to do a node may not see its database for a moment, and says so.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> HttpAnswer {
        let mut answer = None;
        until("it is answered", || {
            let one = self.send(method, path, body);
            let is_answered = one.status != 503;
            answer = Some(one);
            is_answered
        });
        answer.unwrap()
    }

    #[track_caller]
    pub(crate) fn make(&self, path: &str, body: &Value) -> Value {
        let answer = self.ask("POST", path, Some(body));
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    #[track_caller]
    pub(crate) fn make_id(&self, path: &str, body: &Value) -> String {
        self.make(path, body)["_id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.get_with("/readyz", &self.key).status == 200
    }

    pub(crate) fn stop(self) {
        self.served.stop();
    }
}
