//! The primary of the database dies under load, with a standby that is synchronous: what was acknowledged is there, nothing is done twice, and all goes on by itself.

use panvault_testkit::servers::Patroni;
use serde_json::json;

use crate::cluster::ledger::load;
use crate::cluster::nodes::{Cluster, NODES, rounds_or};

/// Servers of the database: the primary, one that is synchronous to it, and one that is so when one of them is gone.
const SERVERS: usize = 3;
/// What is acknowledged before anything happens, and after it.
const ACKNOWLEDGED: usize = 60;

/// A round prints what became of it, in the words that `cargo xtask bench failover` reads.
#[test]
fn a_primary_that_dies_takes_nothing_along() {
    let servers = Patroni::start(SERVERS);
    let database = servers.database();
    let mut cluster = Cluster::over(servers, database);
    let mut acknowledged = [0; 2];
    for round in 0..rounds_or(1) {
        died(&cluster, round, &mut acknowledged);
        // Half as often it is told to go, as before work on its machine.
        if round % 2 == 1 {
            was_told_to_go(&cluster, round, &mut acknowledged);
        }
    }
    for node in 0..NODES {
        cluster.is_ready(node);
    }
    assert_eq!(cluster.command_at(0, &["audit", "verify"])["verified"], json!(true));
    assert_eq!(cluster.command_at(0, &["doctor"])["healthy"], json!(true));
}

/// The primary is killed, and comes back as a standby.
fn died(cluster: &Cluster<Patroni>, round: usize, acknowledged: &mut [usize; 2]) {
    let servers = &cluster.postgres;
    let (primary, standby) = (servers.primary().unwrap(), servers.synchronous().unwrap());
    judged(cluster, &format!("killed-{round}"), acknowledged, || servers.kill(primary));
    assert_eq!(servers.primary(), Some(standby));
    servers.start_member(primary);
    servers.wait("the old primary follows the new one", || servers.follows(primary));
    servers.wait("one is synchronous", || servers.synchronous().is_some());
}

/// The primary hands over to its standby.
fn was_told_to_go(cluster: &Cluster<Patroni>, round: usize, acknowledged: &mut [usize; 2]) {
    let servers = &cluster.postgres;
    let (primary, standby) = (servers.primary().unwrap(), servers.synchronous().unwrap());
    judged(cluster, &format!("switched-{round}"), acknowledged, || {
        servers.switch_over(primary, standby);
        servers.wait("the standby is promoted", || servers.primary() == Some(standby));
    });
    servers.wait("the old primary follows the new one", || servers.follows(primary));
    servers.wait("one is synchronous", || servers.synchronous().is_some());
}

/// Loads the nodes, has something happen, waits until as much is acknowledged again, and looks at all of it.
fn judged(cluster: &Cluster<Patroni>, round: &str, acknowledged: &mut [usize; 2], happens: impl FnOnce()) {
    let servers = &cluster.postgres;
    let ledger = load(cluster, round, |so_far| {
        servers.wait("cards are acknowledged", || so_far() >= ACKNOWLEDGED);
        happens();
        let before = so_far();
        servers.wait("cards are acknowledged again", || so_far() >= before + ACKNOWLEDGED);
    });
    for (kind, so_far) in ["/v1/card", "/v1/transaction"].into_iter().zip(&mut *acknowledged) {
        *so_far += ledger.entries.iter().filter(|(path, _)| path.rsplit_once('/').unwrap().0 == kind).count();
    }
    let lost = ledger.lost(cluster);
    // Each was asked for until it was acknowledged: what there is besides was done twice.
    let there = ["/v1/card/count", "/v1/transaction/count"]
        .map(|path| usize::try_from(cluster.get(0, path).json()["count"].as_u64().unwrap()).unwrap());
    let double =
        there.iter().zip(&*acknowledged).map(|(there, known)| there.saturating_sub(*known)).sum::<usize>();
    let (count, seconds) = (ledger.entries.len(), ledger.silence().as_secs_f64());
    println!(
        "failover {round}: {count} acknowledged, {} lost, {double} double, {seconds:.1} s without writes",
        lost.len()
    );
    assert_eq!((lost, double), (Vec::new(), 0));
}
