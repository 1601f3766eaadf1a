mod nodes;
mod processors;

use core::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use panvault_model::Timestamp;
use panvault_vault::Vault;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use crate::answers::Answers;
use crate::error::ErrorCode;
use crate::metrics::nodes::NodeMetrics;
use crate::metrics::processors::ProcessorMetrics;
use crate::process::Standbys;
use crate::recent::{Recent, RecentView};

/// What is counted. No label ever holds anything that a caller sends, and no id but those of some processors.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    durations: Histogram,
    recent: Recent,
    refusals: Family<Code, Counter>,
    pub(crate) connections: Gauge<i64, AtomicI64>,
    pub(crate) connections_refused: Counter,
    pub(crate) connections_evicted: Counter,
    pub(crate) answers_refused: Counter,
    answers_bytes: Gauge<u64, AtomicU64>,
    idempotency_refused: Family<IdempotencyRefused, Counter>,
    limits_reached: Family<Limit, Counter>,
    refused: Family<Refused, Counter>,
    notifications: Family<Notified, Counter>,
    audit_of_several: Counter,
    webhooks_waiting: Gauge<u64, AtomicU64>,
    webhooks_delivered: Counter,
    webhooks_put_off: Counter,
    webhooks_failed: Counter,
    cvvs_held: Gauge<i64, AtomicI64>,
    cvvs_claimed: Counter,
    cvvs_put_back: Counter,
    cvvs_expired: Counter,
    store_sequence: Counter,
    store_behind: Gauge<u64, AtomicU64>,
    store_lists_full: Gauge<i64, AtomicI64>,
    store_damaged: Gauge<u64, AtomicU64>,
    store_waiting: Gauge<u64, AtomicU64>,
    archive_bytes: Gauge<u64, AtomicU64>,
    archive_bytes_max: Gauge<u64, AtomicU64>,
    archive_age_seconds: Gauge<u64, AtomicU64>,
    bins_version: Gauge<u64, AtomicU64>,
    bins_rows: Gauge<u64, AtomicU64>,
    bins_age_seconds: Gauge<u64, AtomicU64>,
    keys_rotating: Gauge<u64, AtomicU64>,
    key_rows_left: Gauge<u64, AtomicU64>,
    key_rows_resealed: Counter,
    key_rows_retagged: Counter,
    key_rows_damaged: Gauge<u64, AtomicU64>,
    keys_overdue: Gauge<u64, AtomicU64>,
    trail_records_behind: Family<Destination, Gauge<u64, AtomicU64>>,
    trail_lag: Family<Destination, Gauge<u64, AtomicU64>>,
    nodes: NodeMetrics,
    processors: Arc<ProcessorMetrics>,
    ready: Gauge<i64, AtomicI64>,
    sealed: Gauge<i64, AtomicI64>,
    log_lines_dropped: Counter,
    /// Where that is counted, for a log is not the server's.
    pub(crate) log_lines_dropped_in: Arc<AtomicU64>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    operation: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Code {
    code: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct IdempotencyRefused {
    caller: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Refused {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Notified {
    scheme: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Destination {
    destination: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Limit {
    limit: &'static str,
}

/// Said of the gauge by a server that has the vault, and by one that waits for somebody to unseal it.
const SEALED_HELP: &str = "1 while the vault is sealed";

/// Seconds.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.002, 0.004, 0.006, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0];

/// The page of a server whose vault is sealed, of which it knows nothing else.
pub(crate) fn sealed_page() -> String {
    let (mut registry, ready, sealed) =
        (Registry::with_prefix("panvault"), Gauge::default(), Gauge::default());
    sealed.set(1);
    let (ready, sealed): (Gauge<i64, AtomicI64>, Gauge<i64, AtomicI64>) = (ready, sealed);
    registry.register("ready", "1 when the vault takes writes", ready);
    registry.register("sealed", SEALED_HELP, sealed);
    let mut page = String::new();
    // Writing into a string does not fail.
    let _ = encode(&mut page, &registry);
    page
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("panvault"),
            requests: Family::default(),
            durations: Histogram::new(BUCKETS),
            recent: Recent::new(),
            refusals: Family::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            connections_evicted: Counter::default(),
            answers_refused: Counter::default(),
            answers_bytes: Gauge::default(),
            idempotency_refused: Family::default(),
            limits_reached: Family::default(),
            refused: Family::default(),
            notifications: Family::default(),
            audit_of_several: Counter::default(),
            webhooks_waiting: Gauge::default(),
            webhooks_delivered: Counter::default(),
            webhooks_put_off: Counter::default(),
            webhooks_failed: Counter::default(),
            cvvs_held: Gauge::default(),
            cvvs_claimed: Counter::default(),
            cvvs_put_back: Counter::default(),
            cvvs_expired: Counter::default(),
            store_sequence: Counter::default(),
            store_behind: Gauge::default(),
            store_lists_full: Gauge::default(),
            store_damaged: Gauge::default(),
            store_waiting: Gauge::default(),
            archive_bytes: Gauge::default(),
            archive_bytes_max: Gauge::default(),
            archive_age_seconds: Gauge::default(),
            bins_version: Gauge::default(),
            bins_rows: Gauge::default(),
            bins_age_seconds: Gauge::default(),
            keys_rotating: Gauge::default(),
            key_rows_left: Gauge::default(),
            key_rows_resealed: Counter::default(),
            key_rows_retagged: Counter::default(),
            key_rows_damaged: Gauge::default(),
            keys_overdue: Gauge::default(),
            trail_records_behind: Family::default(),
            trail_lag: Family::default(),
            nodes: NodeMetrics::default(),
            processors: Arc::default(),
            ready: Gauge::default(),
            sealed: Gauge::default(),
            log_lines_dropped: Counter::default(),
            log_lines_dropped_in: Arc::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("requests", "Requests by operation and HTTP status", metrics.requests.clone());
        registry.register(
            "request_duration_seconds",
            "From the head of a request to its answer",
            metrics.durations.clone(),
        );
        registry.register(
            "refusals",
            "Requests that failed, by the code of the API",
            metrics.refusals.clone(),
        );
        registry.register("connections", "Open connections", metrics.connections.clone());
        registry.register(
            "connections_refused",
            "Connections closed for being too many",
            metrics.connections_refused.clone(),
        );
        registry.register(
            "connections_evicted",
            "Connections without a valid key that were closed to make room for new ones",
            metrics.connections_evicted.clone(),
        );
        registry.register(
            "answers_refused",
            "Long answers that were not given, for too many were still being read",
            metrics.answers_refused.clone(),
        );
        registry.register(
            "answers_bytes",
            "Bytes of long answers that are still being read",
            metrics.answers_bytes.clone(),
        );
        registry.register(
            "idempotency_refused",
            "Requests refused for their idempotency key: guessable, sent with another body (mismatch), or in use (running)",
            metrics.idempotency_refused.clone(),
        );
        registry.register(
            "limits_reached",
            "Requests refused for a limit of how often something may be done, by the name of its setting",
            metrics.limits_reached.clone(),
        );
        registry.register(
            "refused",
            "Requests without a valid key, and callers that were refused what they asked for, by reason",
            metrics.refused.clone(),
        );
        registry.register(
            "notifications",
            "What processors told by themselves, by how they sign it and what became of it",
            metrics.notifications.clone(),
        );
        registry.register(
            "audit_of_several",
            "Reads and refusals that the audit trail counts without saying whose they were",
            metrics.audit_of_several.clone(),
        );
        registry.register(
            "webhooks_waiting",
            "Deliveries of webhooks that wait, when it was last looked",
            metrics.webhooks_waiting.clone(),
        );
        registry.register(
            "webhooks_delivered",
            "Deliveries that receivers have taken since the start",
            metrics.webhooks_delivered.clone(),
        );
        registry.register(
            "webhooks_put_off",
            "Attempts to deliver that came to nothing and are made again",
            metrics.webhooks_put_off.clone(),
        );
        registry.register(
            "webhooks_failed",
            "Deliveries that were given up since the start",
            metrics.webhooks_failed.clone(),
        );
        registry.register("cvvs_held", "CVVs held in memory", metrics.cvvs_held.clone());
        registry.register("cvvs_claimed", "CVVs used since the start", metrics.cvvs_claimed.clone());
        registry.register(
            "cvvs_put_back",
            "CVVs that came back unsent since the start",
            metrics.cvvs_put_back.clone(),
        );
        registry.register(
            "cvvs_expired",
            "CVVs that ran out of time since the start",
            metrics.cvvs_expired.clone(),
        );
        registry.register("store_steps", "Durable steps of the vault", metrics.store_sequence.clone());
        registry.register(
            "store_steps_behind",
            "Durable steps that lists do not show yet",
            metrics.store_behind.clone(),
        );
        registry.register(
            "store_lists_full",
            "1 while the disk has no room for what lists are read from",
            metrics.store_lists_full.clone(),
        );
        registry.register(
            "store_organisations_damaged",
            "Organisations of which rows were put back, taken away or changed from outside",
            metrics.store_damaged.clone(),
        );
        registry.register(
            "store_steps_waiting",
            "Steps that wait to be written",
            metrics.store_waiting.clone(),
        );
        registry.register(
            "backup_archive_bytes",
            "Bytes of the log that are kept for incremental backups",
            metrics.archive_bytes.clone(),
        );
        registry.register(
            "backup_archive_bytes_max",
            "Bytes of the log that may be kept for incremental backups",
            metrics.archive_bytes_max.clone(),
        );
        registry.register(
            "backup_archive_age_seconds",
            "Seconds since the first commit that is kept for incremental backups, 0 for none",
            metrics.archive_age_seconds.clone(),
        );
        registry.register(
            "bins_version",
            "Version of the table of issuers, 0 for none",
            metrics.bins_version.clone(),
        );
        registry.register("bins_rows", "Rows of the list that it was made from", metrics.bins_rows.clone());
        registry.register(
            "bins_age_seconds",
            "Seconds since that list was imported",
            metrics.bins_age_seconds.clone(),
        );
        registry.register(
            "keys_rotating",
            "Keys of organisations that are on their way in or out",
            metrics.keys_rotating.clone(),
        );
        registry.register(
            "key_rows_left",
            "Rows that still need a key which another took the place of, as far as this node counted them",
            metrics.key_rows_left.clone(),
        );
        registry.register(
            "key_rows_resealed",
            "Rows that were sealed with the key that took the place of another",
            metrics.key_rows_resealed.clone(),
        );
        registry.register(
            "key_rows_retagged",
            "Rows that were given the tag of the key that took the place of another",
            metrics.key_rows_retagged.clone(),
        );
        registry.register(
            "key_rows_damaged",
            "Rows that are not what was written, as the last reading of all of them for a rotation found",
            metrics.key_rows_damaged.clone(),
        );
        registry.register(
            "keys_overdue",
            "Keys of the vault and of organisations that are active for longer than they should be",
            metrics.keys_overdue.clone(),
        );
        registry.register(
            "trail_export_records_behind",
            "Signed records of the audit trail that a destination has not taken",
            metrics.trail_records_behind.clone(),
        );
        registry.register(
            "trail_export_lag_seconds",
            "Seconds since the first checkpoint was signed that a destination has not taken",
            metrics.trail_lag.clone(),
        );
        metrics.nodes.register(registry);
        registry.register_collector(Box::new(Arc::clone(&metrics.processors)));
        registry.register("ready", "1 when the vault takes writes", metrics.ready.clone());
        registry.register("sealed", SEALED_HELP, metrics.sealed.clone());
        registry.register(
            "log_lines_dropped",
            "Log lines that could not be written, or for which there was no room",
            metrics.log_lines_dropped.clone(),
        );
        metrics
    }

    pub(crate) fn answered(&self, operation: &'static str, status: u16, at: Instant, after: Duration) {
        self.requests.get_or_create(&Request { operation, status }).inc();
        self.durations.observe(after.as_secs_f64());
        self.recent.answered(at, after);
    }

    /// Requests of the last minute.
    pub(crate) fn recent(&self) -> RecentView {
        self.recent.view(Instant::now())
    }

    /// A request failed.
    pub(crate) fn failed(&self, code: ErrorCode) {
        self.refusals.get_or_create(&Code { code: code.number() }).inc();
    }

    /// How many have since the start, by code.
    pub(crate) fn failures(&self) -> BTreeMap<u16, u64> {
        let of = |code: &ErrorCode| {
            let code = code.number();
            Some((code, self.refusals.get(&Code { code })?.get()))
        };
        ErrorCode::ALL.iter().filter_map(of).collect()
    }

    /// A request was refused for its idempotency key: many of a browser's are somebody who guesses.
    pub(crate) fn idempotency_refused(&self, is_browser: bool, reason: &'static str) {
        let caller = if is_browser { "browser" } else { "server" };
        self.idempotency_refused.get_or_create(&IdempotencyRefused { caller, reason }).inc();
    }

    /// A request was refused for a limit.
    pub(crate) fn limit_reached(&self, limit: &'static str) {
        self.limits_reached.get_or_create(&Limit { limit }).inc();
    }

    /// A processor has told something, or somebody in its name.
    pub(crate) fn notified(&self, scheme: &'static str, outcome: &'static str) {
        self.notifications.get_or_create(&Notified { scheme, outcome }).inc();
    }

    /// The page that a scraper reads.
    pub(crate) fn page(&self, vault: &Vault, answers: &Answers, standbys: Option<Standbys>) -> String {
        let status = vault.status();
        self.nodes.set(&status, standbys);
        self.processors.set(vault.processor_meters());
        self.answers_bytes.set(answers.bytes() as u64);
        self.webhooks_waiting.set(status.webhooks.waiting);
        self.webhooks_delivered.inner().store(status.webhooks.delivered, Ordering::Relaxed);
        self.webhooks_put_off.inner().store(status.webhooks.put_off, Ordering::Relaxed);
        self.webhooks_failed.inner().store(status.webhooks.failed, Ordering::Relaxed);
        self.cvvs_held.set(i64::try_from(status.cvvs.held).unwrap_or(i64::MAX));
        self.cvvs_claimed.inner().store(status.cvvs.claimed, Ordering::Relaxed);
        self.cvvs_put_back.inner().store(status.cvvs.put_back, Ordering::Relaxed);
        self.cvvs_expired.inner().store(status.cvvs.expired, Ordering::Relaxed);
        self.store_sequence.inner().store(status.store.sequence, Ordering::Relaxed);
        self.store_behind.set(status.store.behind);
        self.store_lists_full.set(i64::from(status.store.lists_full));
        self.store_damaged.set(status.store.damaged);
        self.store_waiting.set(status.store.waiting as u64);
        self.bins_version.set(u64::from(status.bins.version));
        self.bins_rows.set(status.bins.rows);
        self.keys_rotating.set(status.rotation.keys_rotating);
        self.key_rows_left.set(status.rotation.rows_left.unwrap_or(0));
        self.key_rows_resealed.inner().store(status.rotation.rows_resealed, Ordering::Relaxed);
        self.key_rows_retagged.inner().store(status.rotation.rows_retagged, Ordering::Relaxed);
        self.key_rows_damaged.set(status.rotation.rows_damaged);
        self.keys_overdue.set(status.rotation.keys_overdue);
        for at in vault.trail_status() {
            let label = Destination { destination: at.name };
            self.trail_records_behind.get_or_create(&label).set(at.records_behind);
            self.trail_lag.get_or_create(&label).set(at.lag_seconds);
        }
        let now = vault.now().wall.unix_seconds();
        let age = |at: Option<Timestamp>| at.map_or(0, |at| now.saturating_sub(at.unix_seconds()));
        self.bins_age_seconds.set(age(status.bins.imported_at));
        let archive = status.store.archive.unwrap_or_default();
        self.archive_bytes.set(archive.bytes);
        self.archive_bytes_max.set(archive.bytes_max);
        self.archive_age_seconds.set(age(archive.since));
        for (reason, times) in vault.refused() {
            let refused = self.refused.get_or_create(&Refused { reason: reason.as_str() });
            refused.inner().store(times, Ordering::Relaxed);
        }
        self.audit_of_several.inner().store(vault.counted_of_several(), Ordering::Relaxed);
        self.ready.set(i64::from(status.store.fault.is_none()));
        let dropped = self.log_lines_dropped_in.load(Ordering::Relaxed);
        self.log_lines_dropped.inner().store(dropped, Ordering::Relaxed);
        let mut page = String::with_capacity(4096);
        // Writing into a string does not fail.
        let _ = encode(&mut page, &self.registry);
        page
    }
}

#[cfg(test)]
mod tests;
