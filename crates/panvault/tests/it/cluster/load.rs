//! Requests of every kind, as shops send them all the time: whatever is done to the nodes meanwhile, each is to be answered as it should be.

use core::time::Duration;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Instant;

use panvault_testkit::{CanaryCard, HttpAnswer, HttpClient, canary_cards};
use serde_json::{Value, json};

use crate::cluster::nodes::Cluster;

/// Clients that send at a time.
const CLIENTS: usize = 8;
/// Between two requests of a client: of all together 200 a second.
const PAUSE: Duration = Duration::from_millis(40);

/// What was asked while something was done.
pub(crate) struct Load {
    answered: usize,
    /// What was not answered as it should be.
    failed: Vec<String>,
    time: Duration,
}

/// Sends requests to `url` while something is done, and gives what became of them.
pub(crate) fn under_load<T>(
    cluster: &mut Cluster,
    url: &str,
    seed: u64,
    work: impl FnOnce(&mut Cluster) -> T,
) -> (Load, T) {
    let over = (Mutex::new(false), Condvar::new());
    let cards = canary_cards(seed, CLIENTS);
    let begun = begin();
    let shops: Vec<Shop<'_>> = cards.iter().map(|card| Shop::of(cluster, url, card)).collect();
    thread::scope(|scope| {
        let over = &over;
        let clients: Vec<_> = shops.iter().map(|shop| scope.spawn(|| shop.asks_until(over))).collect();
        // Also where the work panics.
        let ended = End(over);
        let done = work(cluster);
        drop(ended);
        let mut load = Load { answered: 0, failed: Vec::new(), time: begun.elapsed() };
        for client in clients {
            let (answered, failed) = client.join().unwrap();
            load.answered += answered;
            load.failed.extend(failed);
        }
        (load, done)
    })
}

impl Load {
    /// Each was answered as it should be, and there were some.
    #[track_caller]
    pub(crate) fn is_whole(&self, what: &str) {
        let Self { answered, failed, time } = self;
        println!("{what}: {answered} requests in {time:.1?}, {} failed", failed.len());
        assert!(
            failed.is_empty(),
            "{what}: {} of {answered}: {:#?}",
            failed.len(),
            &failed[..failed.len().min(8)]
        );
        assert!(*answered > 4 * CLIENTS, "{what}: {answered}");
    }
}

struct End<'a>(&'a (Mutex<bool>, Condvar));

impl Drop for End<'_> {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

/// A client that creates a card, pays with it, reads it, and lists what was paid, over and over.
struct Shop<'a> {
    url: String,
    key: String,
    card: Value,
    payment: Value,
    canary: &'a CanaryCard,
}

impl<'a> Shop<'a> {
    fn of(cluster: &Cluster, url: &str, canary: &'a CanaryCard) -> Self {
        Self {
            url: url.to_owned(),
            key: cluster.key.clone(),
            card: cluster.card_body(&canary.number, Some(&canary.cvv)),
            payment: cluster.transaction_body("", 500),
            canary,
        }
    }

    fn asks_until(&self, (over, told): &(Mutex<bool>, Condvar)) -> (usize, Vec<String>) {
        let http = HttpClient::default();
        let (mut answered, mut failed) = (0, Vec::new());
        let mut card = String::new();
        for turn in (0..4).cycle() {
            let begun = begin();
            let asked = match turn {
                0 => self.creates(&http).map(|id| card = id),
                1 => self.pays(&http, &card),
                2 => self.reads(&http, &card),
                _ => self.lists(&http, &card),
            };
            answered += 1;
            failed.extend(asked.err().map(|why| format!("turn {turn}: {why}")));
            let rest = PAUSE.saturating_sub(begun.elapsed());
            let is_over = told.wait_timeout_while(over.lock().unwrap(), rest, |over| !*over).unwrap().0;
            if *is_over {
                break;
            }
        }
        (answered, failed)
    }

    fn creates(&self, http: &HttpClient) -> Result<String, String> {
        let made = self.asks(http, "POST", "/v1/card", Some(&self.card))?;
        (made.json()["cvv_present"] == json!(true)).then(|| made.id()).ok_or(made.text)
    }

    fn pays(&self, http: &HttpClient, card: &str) -> Result<(), String> {
        let mut body = self.payment.clone();
        body["card"] = json!(card);
        let paid = self.asks(http, "POST", "/v1/transaction", Some(&body))?;
        (paid.json()["cvv_present"] == json!(true)).then_some(()).ok_or(paid.text)
    }

    fn reads(&self, http: &HttpClient, card: &str) -> Result<(), String> {
        let read = self.asks(http, "GET", &format!("/v1/card/{card}"), None)?;
        let last = self.canary.number.split_at(self.canary.number.len() - 4).1;
        (read.json()["last_four"] == json!(last)).then_some(()).ok_or(read.text)
    }

    fn lists(&self, http: &HttpClient, card: &str) -> Result<(), String> {
        let list = self.asks(http, "GET", &format!("/v1/transaction?card={card}"), None)?;
        (list.json().as_array().map(Vec::len) == Some(1)).then_some(()).ok_or(list.text)
    }

    fn asks(
        &self,
        http: &HttpClient,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<HttpAnswer, String> {
        let url = format!("{}{path}", self.url);
        let headers = [("X-APIKEY", self.key.as_str()), ("Content-Type", "application/json")];
        let body = body.map(Value::to_string);
        let answer = http.send(&url, method, &headers, body.as_deref()).map_err(|error| error.to_string())?;
        if answer.status == 200 { Ok(answer) } else { Err(format!("{} {}", answer.status, answer.text)) }
    }
}

#[expect(clippy::disallowed_methods, reason = "so many a second are sent")]
fn begin() -> Instant {
    Instant::now()
}
