//! Clients that make cards and pay with them until they are told to stop, each asking again, with the same key, what was not answered.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use std::thread;
use std::time::Instant;

use panvault_testkit::{HttpAnswer, canary_cards};
use serde_json::{Value, json};

use crate::cluster::nodes::{Cluster, NODES};

/// Clients, each of which waits for its answer.
const CLIENTS: usize = 6;
/// Before a node is asked again that has just refused.
const PAUSE: Duration = Duration::from_millis(50);

/// What was acknowledged under load.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Paths of objects, and what the answer said of them.
    pub(crate) entries: Vec<(String, Value)>,
    /// When each was.
    times: Vec<Instant>,
}

/// Loads all nodes while `meanwhile` runs, which is given the number of what was acknowledged so far.
pub(crate) fn load<D: Sync>(
    cluster: &Cluster<D>,
    round: &str,
    meanwhile: impl FnOnce(&dyn Fn() -> usize),
) -> Ledger {
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let (stop, acknowledged) = (&stop, &acknowledged);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let key = format!("{round}-{client}");
                scope.spawn(move || {
                    // However it ends, nobody waits for the others.
                    let _stop = Stop(stop);
                    run(cluster, client, &key, stop, acknowledged)
                })
            })
            .collect();
        let stopped = Stop(stop);
        meanwhile(&|| {
            assert!(!stop.load(Ordering::SeqCst), "a client ended");
            acknowledged.load(Ordering::SeqCst)
        });
        drop(stopped);
        let mut ledger = Ledger::default();
        for client in clients {
            let Ledger { entries, times } = client.join().unwrap();
            ledger.entries.extend(entries);
            ledger.times.extend(times);
        }
        ledger.times.sort_unstable();
        ledger
    })
}

/// Ends the load when it goes.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Ledger {
    /// The longest time in which nothing was acknowledged.
    pub(crate) fn silence(&self) -> Duration {
        self.times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }

    /// What a node does not show as it was acknowledged.
    pub(crate) fn lost<D>(&self, cluster: &Cluster<D>) -> Vec<&str> {
        let is_shown = |at: usize, (path, said): &(String, Value)| {
            let shown = cluster.get(at % NODES, path);
            let same = |name| shown.json()[name] == said[name];
            shown.status == 200 && ["_id", "status", "last_four", "fingerprint"].into_iter().all(same)
        };
        let entries = self.entries.iter().enumerate();
        entries.filter(|(at, entry)| !is_shown(*at, entry)).map(|(_, (path, _))| path.as_str()).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "what is measured is the time without an answer")]
fn run<D>(
    cluster: &Cluster<D>,
    client: usize,
    key: &str,
    stop: &AtomicBool,
    acknowledged: &AtomicUsize,
) -> Ledger {
    let cards = canary_cards(0xfa11 + client as u64, 4);
    let mut ledger = Ledger::default();
    let mut note = |path: String, answer: &HttpAnswer| {
        ledger.entries.push((path, answer.json()));
        ledger.times.push(Instant::now());
        acknowledged.fetch_add(1, Ordering::SeqCst);
    };
    for turn in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let canary = &cards[turn % cards.len()];
        let body = cluster.card_body(&canary.number, (turn % 2 == 0).then_some(canary.cvv.as_str()));
        let card = answered(cluster, client + turn, "/v1/card", &format!("{key}-{turn}-card"), &body);
        note(format!("/v1/card/{}", card.id()), &card);
        let key = format!("{key}-{turn}-payment");
        let mut body = cluster.transaction_body(&card.id(), 1099);
        body["merchant_reference"] = json!(key);
        let payment = answered(cluster, client + turn, "/v1/transaction", &key, &body);
        note(format!("/v1/transaction/{}", payment.id()), &payment);
    }
    ledger
}

/// Asks one node after the other until one says that it is done.
fn answered<D>(cluster: &Cluster<D>, first: usize, path: &str, key: &str, body: &Value) -> HttpAnswer {
    for node in first.. {
        match cluster.try_post(node % NODES, path, Some(key), body) {
            Some(answer) if answer.status == 200 => return answer,
            // Nobody is there, or it is not known what became of it, or a twin of this request is at work.
            None => {}
            Some(answer) if answer.status == 503 || (answer.status, answer.code()) == (409, 142) => {}
            Some(answer) => panic!("{path} was answered with {} {}", answer.status, answer.text),
        }
        thread::sleep(PAUSE);
    }
    unreachable!("one answers, or the test ends")
}
