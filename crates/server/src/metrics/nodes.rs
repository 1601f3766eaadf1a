//! What an operator of several nodes is woken by. Of a vault in a directory all of it is 0.

use core::sync::atomic::{AtomicU64, Ordering};

use panvault_vault::VaultStatus;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::process::Standbys;

type Count = Gauge<u64, AtomicU64>;
type Seconds = Gauge<f64, AtomicU64>;
type SecondsTotal = Counter<f64, AtomicU64>;

#[derive(Default)]
pub(super) struct NodeMetrics {
    alive: Count,
    lease_seconds: Seconds,
    on_duty: Count,
    documents_age_seconds: Seconds,
    standbys: Count,
    synchronous: Count,
    lag_bytes: Count,
    lag_seconds: Seconds,
    batches: Counter,
    commits: Counter,
    commit_seconds: SecondsTotal,
}

impl NodeMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("nodes_alive", "Nodes that live, when it was last looked", self.alive.clone());
        registry.register(
            "node_lease_seconds",
            "What is left of this node's lease",
            self.lease_seconds.clone(),
        );
        registry.register(
            "node_on_duty",
            "1 on the node that sweeps and delivers for all",
            self.on_duty.clone(),
        );
        registry.register(
            "documents_age_seconds",
            "Since this node saw that its documents are those of the database",
            self.documents_age_seconds.clone(),
        );
        registry.register(
            "database_standbys",
            "Standbys of the database that are connected",
            self.standbys.clone(),
        );
        registry.register(
            "database_synchronous",
            "1 when a commit waits for a standby",
            self.synchronous.clone(),
        );
        registry.register(
            "database_lag_bytes",
            "Log that the standby which is behind most has not applied",
            self.lag_bytes.clone(),
        );
        registry.register(
            "database_lag_seconds",
            "Time that the slowest standby took lately to apply what was written",
            self.lag_seconds.clone(),
        );
        registry.register("store_batches", "Times that commits were written together", self.batches.clone());
        registry.register("store_batched_commits", "Commits that were in them", self.commits.clone());
        registry.register(
            "store_batch_seconds",
            "Time that they took, until they were known to be durable",
            self.commit_seconds.clone(),
        );
    }

    pub(super) fn set(&self, status: &VaultStatus, standbys: Option<Standbys>) {
        if let Some(node) = status.node {
            self.alive.set(node.alive);
            self.lease_seconds.set(seconds(node.lease_millis));
            self.on_duty.set(u64::from(node.has_duty));
            self.documents_age_seconds.set(seconds(node.documents_age_millis));
        }
        let standbys = standbys.unwrap_or_default();
        self.standbys.set(standbys.count);
        self.synchronous.set(u64::from(standbys.is_synchronous));
        self.lag_bytes.set(standbys.lag_bytes);
        self.lag_seconds.set(seconds(standbys.lag_millis));
        let batches = status.store.batches;
        self.batches.inner().store(batches.count, Ordering::Relaxed);
        self.commits.inner().store(batches.commits, Ordering::Relaxed);
        let total = seconds(batches.micros / 1_000);
        self.commit_seconds.inner().store(total.to_bits(), Ordering::Relaxed);
    }
}

fn seconds(millis: u64) -> f64 {
    core::time::Duration::from_millis(millis).as_secs_f64()
}
