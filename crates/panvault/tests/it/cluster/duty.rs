//! The node that delivers and settles for all stops in the middle of that: another goes on, nobody is left untold, and nothing is settled twice.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::thread;

use panvault_testkit::canary_cards;
use panvault_testkit::servers::PostgresOptions;
use serde_json::{Value, json};

use crate::cluster::nodes::{Cluster, NODES, begin, is_soak};
use crate::cluster::stopped::Stopped;
use crate::support::until;
use crate::webhook::{OK, receiver};

/// Payments of each part of a test.
const PAYMENTS: usize = 20;
/// What each payment comes to be, of which its receiver is told.
const TOLD: [&str; 2] = ["SETTLEMENT_REQUESTED", "SETTLEMENT_COMPLETED"];

/// A receiver that takes whatever it is sent: transaction, status and event of each.
struct Shop {
    url: String,
    told: Arc<Mutex<Vec<[String; 3]>>>,
}

impl Shop {
    fn open() -> Self {
        let (url, coming) = receiver();
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&told);
        thread::spawn(move || {
            for came in coming {
                let body = came.body();
                let text = |name: &str| body[name].as_str().unwrap().to_owned();
                kept.lock().unwrap().push(["_id", "status", "event"].map(text));
                came.answer(OK);
            }
        });
        Self { url, told }
    }

    /// How many have been told of.
    fn count(&self) -> usize {
        self.told.lock().unwrap().len()
    }

    /// Of which statuses it was told, of this payment.
    fn of(&self, payment: &str) -> BTreeSet<String> {
        let told = self.told.lock().unwrap();
        told.iter().filter(|[id, ..]| id == payment).map(|[_, status, _]| status.clone()).collect()
    }
}

fn start() -> Cluster {
    Cluster::start_with(&PostgresOptions::default(), vec!["webhook_allow=127.0.0.0/8", "settle_seconds=1"])
}

/// The node that has the duty by what each said last.
fn on_duty(cluster: &Cluster) -> usize {
    let is_ours = |node: usize| {
        let log = cluster.log(node);
        log.lines()
            .rfind(|line| line.contains("node.duty"))
            .is_some_and(|line| line.contains("\"is_ours\":true"))
    };
    until("a node has the duty", || (0..NODES).any(is_ours));
    (0..NODES).find(|node| is_ours(*node)).unwrap()
}

/// Pays at a node, and has the shop told of it.
fn pay(cluster: &Cluster, shop: &Shop, node: usize) -> String {
    let [canary] = &canary_cards(0xd1, 1)[..] else { panic!("one") };
    let card = cluster.make_card(node, &canary.number, None);
    let mut body = cluster.transaction_body(&card, 700);
    body["webhook_transaction_update"] = json!(shop.url);
    let paid = cluster.post(node, "/v1/transaction", &body);
    assert_eq!(paid.status, 200, "{}", paid.text);
    paid.id()
}

/// The shop comes to be told of all that became of each, and each was settled once.
fn all_is_told(cluster: &Cluster, shop: &Shop, payments: &[String], node: usize) {
    for payment in payments {
        until("a payment is settled, and told of", || {
            TOLD.iter().all(|status| shop.of(payment).contains(*status))
        });
        let answer = cluster.get(node, &format!("/v1/transaction/{payment}/history"));
        let history = answer.json();
        let settled = |step: &&Value| step["status"] == json!(TOLD[1]);
        assert_eq!(history.as_array().unwrap().iter().filter(settled).count(), 1, "{history}");
    }
    let waiting = "SELECT count(*) FROM delivery WHERE waiting = 1";
    until("nothing is left to be delivered", || cluster.sql(waiting) == "0");
    let told = shop.told.lock().unwrap();
    let events: BTreeSet<&str> = told.iter().map(|[_, _, event]| event.as_str()).collect();
    let rows: usize = cluster.sql("SELECT count(*) FROM delivery").parse().unwrap();
    assert_eq!(events.len(), rows, "each row that says it was delivered has come");
}

#[test]
fn what_a_killed_node_delivers_and_settles_another_goes_on_with() {
    let mut cluster = start();
    let shop = Shop::open();
    let killed = on_duty(&cluster);
    let alive: Vec<usize> = (0..NODES).filter(|node| *node != killed).collect();
    let mut payments: Vec<_> = (0..PAYMENTS).map(|n| pay(&cluster, &shop, alive[n % 2])).collect();
    until("it delivers", || shop.count() > 0);
    cluster.kill_node(killed);
    payments.extend((0..PAYMENTS).map(|n| pay(&cluster, &shop, alive[n % 2])));
    all_is_told(&cluster, &shop, &payments, alive[0]);
    cluster.start_node(killed);
    cluster.is_ready(killed);
    payments.push(pay(&cluster, &shop, killed));
    all_is_told(&cluster, &shop, &payments, killed);
}

/// It stands still until another has the duty, in the long form until its lease has run out too, and then goes on where it was.
#[test]
fn what_a_node_that_stands_still_delivers_and_settles_another_goes_on_with() {
    let cluster = start();
    let shop = Shop::open();
    let still = on_duty(&cluster);
    let alive: Vec<usize> = (0..NODES).filter(|node| *node != still).collect();
    let begun = begin();
    let mut payments: Vec<_> = (0..PAYMENTS).map(|n| pay(&cluster, &shop, alive[n % 2])).collect();
    until("it delivers", || shop.count() > 0);
    let stopped = Stopped::stop(cluster.process(still));
    payments.extend((0..PAYMENTS).map(|n| pay(&cluster, &shop, alive[n % 2])));
    all_is_told(&cluster, &shop, &payments, alive[0]);
    while is_soak() && begun.elapsed().as_secs() < 320 {
        payments.push(pay(&cluster, &shop, alive[0]));
    }
    payments.extend((0..PAYMENTS).map(|n| pay(&cluster, &shop, alive[n % 2])));
    drop(stopped);
    all_is_told(&cluster, &shop, &payments, alive[1]);
    until("it serves again", || cluster.get(still, "/readyz").status == 200);
    all_is_told(&cluster, &shop, &payments, still);
}
