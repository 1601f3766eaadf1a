//! How the vault is doing.

use std::collections::BTreeMap;

use panvault_model::{Id, NodeId, Timestamp};
use panvault_vault::{Mode, NodesView, TrailView, VaultStatus, VaultTotals};

use super::{Names, Number, Object, Shape, Shown, object};
use crate::answer::Json;
use crate::process::{LogLevel, LoggedFault, ProcessReport, Replicated};
use crate::recent::RecentView;

/// All that is said of it, as of one moment.
pub(crate) struct StatusView {
    pub(crate) is_ready: bool,
    pub(crate) state: &'static str,
    pub(crate) mode: Mode,
    pub(crate) vault: Id,
    pub(crate) now: Timestamp,
    pub(crate) status: VaultStatus,
    pub(crate) totals: VaultTotals,
    pub(crate) report: ProcessReport,
    pub(crate) recent: RecentView,
    pub(crate) failures: Failures,
    pub(crate) statuses: Option<Statuses>,
    pub(crate) nodes: Option<NodesView>,
    /// How far each destination of the trail is.
    pub(crate) trail: Vec<TrailView>,
    /// In whose names there are records that the vault did not write.
    pub(crate) trail_refused: Vec<NodeId>,
    /// Of the nodes, in their order.
    pub(crate) lease_seconds: Option<Vec<Count>>,
    /// Of the standbys: bytes, and milliseconds.
    pub(crate) standby_lags: Option<(Vec<Count>, Vec<Count>)>,
}

pub(crate) type Count = Number<0, { u64::MAX }>;

impl Shown for Mode {
    const SHAPE: Shape = Shape::Names(&Names {
        name: "Mode",
        doc: "What a vault is for: trying, or money.",
        all: || vec!["test", "live"],
    });

    fn write(&self, out: &mut Vec<u8>) {
        super::shown::write_text(
            match self {
                Self::Test => "test",
                Self::Live => "live",
            },
            out,
        );
    }
}

impl Shown for Replicated {
    const SHAPE: Shape = Shape::Names(&Names {
        name: "Replication",
        doc: "Whether a commit waits for another machine.",
        all: || Self::ALL.map(Self::as_str).to_vec(),
    });

    fn write(&self, out: &mut Vec<u8>) {
        super::shown::write_text(self.as_str(), out);
    }
}

/// Requests that failed, by code.
pub(crate) struct Failures(pub(crate) BTreeMap<u16, u64>);

impl Shown for &Failures {
    const SHAPE: Shape = Shape::Numbers;

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (at, (code, count)) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            out.extend_from_slice(format!("{comma}\"{code}\":{count}").as_bytes());
        }
        out.push(b'}');
    }
}

impl Shown for LogLevel {
    const SHAPE: Shape = Shape::Names(&Names {
        name: "LogLevel",
        doc: "How much a line of the log matters.",
        all: || Self::ALL.map(Self::as_str).to_vec(),
    });

    fn write(&self, out: &mut Vec<u8>) {
        super::shown::write_text(self.as_str(), out);
    }
}

/// Transactions, by status.
pub(crate) struct Statuses(pub(crate) BTreeMap<&'static str, u64>);

impl Shown for &Statuses {
    const SHAPE: Shape = Shape::Numbers;

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (at, (status, count)) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            out.extend_from_slice(format!("{comma}\"{status}\":{count}").as_bytes());
        }
        out.push(b'}');
    }
}

object! {
    /// A warning or an error of the log.
    LogLine "LogLine" of fault: LoggedFault {
        /// When.
        always "at" => Timestamp = fault.at;
        /// How much it matters.
        always "level" => LogLevel = fault.level;
        /// What happened, by the name that the log has for it.
        always "event" => &str = fault.event.as_str(), example "request.failed";
        /// What to do.
        optional "advice" => &str = fault.advice.as_deref(), example "run panvault doctor";
        /// In which request.
        optional "request" => &str = fault.request.as_deref(), example "65f1c0d00b5e6f708192a3b4";
    }
}

impl Shown for LoggedFault {
    const SHAPE: Shape = Shape::Object(LogLine::SPEC);

    fn write(&self, out: &mut Vec<u8>) {
        Json::object(out, |json| LogLine::write::<true>(self, json));
    }
}

object! {
    /// Where the audit trail is sent to, and how far that is.
    TrailAt "TrailDestination" of at: TrailView {
        /// Which of them: `file`, `syslog` or `https`.
        always "name" => &str = at.name.as_str(), example "syslog";
        /// Signed records that it has not taken.
        always "records_behind" => Count = Number(at.records_behind);
        /// Seconds since the first checkpoint was signed that it has not taken; 0 for one that has all.
        always "lag_seconds" => Count = Number(at.lag_seconds);
        /// Why it did not take the last that it was given, in words; left out where it did.
        optional "fault" => String = at.fault.as_ref().map(ToString::to_string), example "it took too long";
    }
}

impl Shown for TrailView {
    const SHAPE: Shape = Shape::Object(TrailAt::SPEC);

    fn write(&self, out: &mut Vec<u8>) {
        Json::object(out, |json| TrailAt::write::<true>(self, json));
    }
}

fn seconds_since(view: &StatusView, at: Option<Timestamp>) -> Option<Count> {
    at.map(|at| Number(view.now.unix_seconds().saturating_sub(at.unix_seconds())))
}

object! {
    /// How the vault is doing: what is served, since when, how much, and what is behind.
    Status "VaultStatus" of view: StatusView {
        /// Whether it takes writes.
        always "ready" => bool = view.is_ready;
        /// That in words, and why not.
        always "state" => &str = view.state, example "ready";
        /// Where the API is.
        optional "url" => &str = view.report.url.as_deref(), example "https://127.0.0.1:8420";
        /// Where the metrics are.
        optional "metrics_url" => &str = view.report.metrics_url.as_deref(), example "http://127.0.0.1:8421";
        /// Where the console is.
        optional "console_url" => &str = view.report.console_url.as_deref(), example "http://127.0.0.1:8422/console";
        /// Of Panvault.
        always "version" => &str = env!("CARGO_PKG_VERSION"), example "1.0.0";
        /// What it is for.
        always "mode" => Mode = view.mode;
        /// Names it.
        always "vault" => Id = view.vault;
        /// Since when it is served.
        optional "started_at" => Timestamp = view.report.started_at;
        /// For how long.
        optional "uptime_seconds" => Count = seconds_since(view, view.report.started_at);
        /// Organisations.
        always "organisations" => Count = Number(view.totals.organisations);
        /// Accounts.
        always "accounts" => Count = Number(view.totals.accounts);
        /// Processors.
        always "processors" => Count = Number(view.totals.processors);
        /// API keys, also those that have expired and were not revoked.
        always "api_keys" => Count = Number(view.totals.api_keys);
        /// Cards, counted as they were written: no list is read for it.
        always "cards" => Count = Number(view.totals.stored.cards);
        /// Transactions, counted in the same way.
        always "transactions" => Count = Number(view.totals.stored.transactions);
        /// Refunds, counted in the same way.
        always "refunds" => Count = Number(view.totals.stored.refunds);
        /// Organisations of which cards, transactions or refunds were changed from outside, as far as that is known: their lists and counts are refused, and
        /// here they are counted as they should be.
        always "organisations_damaged" => Count = Number(view.status.store.damaged);
        /// CVVs in memory.
        always "cvvs_held" => Count = Number(view.status.cvvs.held);
        /// How many there may be.
        always "cvvs_held_max" => Count = Number(view.status.cvvs.held_max);
        /// Those that a transaction used since this node started.
        always "cvvs_used" => Count = Number(view.status.cvvs.claimed);
        /// Of those, what came back because it was not sent.
        always "cvvs_put_back" => Count = Number(view.status.cvvs.put_back);
        /// Those whose time was over since this node started.
        always "cvvs_expired" => Count = Number(view.status.cvvs.expired);
        /// Requests that this node has answered since it started.
        always "requests" => Count = Number(view.recent.answered);
        /// In a second, of the last ten.
        always "requests_per_second" => Count = Number(view.recent.per_second);
        /// Microseconds from head to answer that half of the requests of the last minute took at most, to an eighth; left out where there were none.
        optional "latency_p50_microseconds" => Count = view.recent.latency.map(|(half, _)| Number(half));
        /// The same of 99 of a hundred.
        optional "latency_p99_microseconds" => Count = view.recent.latency.map(|(_, most)| Number(most));
        /// Where the newest transactions stand, 1,000 at most, by status; some seconds old. Left out where it cannot be told.
        optional "transactions_recent" => &Statuses = view.statuses.as_ref(), example "{\"SETTLEMENT_REQUESTED\": 12, \"DECLINED\": 3}";
        /// Requests that failed since this node started, by code.
        always "refusals" => &Failures = &view.failures, example "{\"107\": 2, \"116\": 1}";
        /// The last warnings and errors of this node's log, the newest first. All of it is on its standard error.
        always "faults" => &[LoggedFault] = view.report.faults.as_slice();
        /// Durable steps so far.
        always "steps" => Count = Number(view.status.store.sequence);
        /// Those of them that lists do not show yet.
        always "steps_behind" => Count = Number(view.status.store.behind);
        /// Steps that wait to be written.
        always "steps_waiting" => Count = Number(view.status.store.waiting as u64);
        /// Segments of the log.
        optional "log_segments" => Count = view.report.log_segments.map(Number);
        /// Bytes of the log that are kept for incremental backups; left out where none are to be.
        optional "backup_archive_bytes" => Count = view.status.store.archive.map(|archive| Number(archive.bytes));
        /// How many there may be (`backup_archive_bytes` of the settings).
        optional "backup_archive_bytes_max" => Count = view.status.store.archive.map(|archive| Number(archive.bytes_max));
        /// When the first commit that is kept was made: an increment can go on from a backup of then or later. Left out while none is kept.
        optional "backup_archive_since" => Timestamp = view.status.store.archive.and_then(|archive| archive.since);
        /// Segments of the log that nobody needs and that could not be erased, or wait for one that could not; left out where there are none. They are tried again by themselves, and
        /// `log.segment_not_erased` in the log says why.
        optional "log_segments_unerased" => Count = Some(view.status.store.unerased as u64).filter(|count| *count > 0).map(Number);
        /// Bytes on the disk, of all that belongs to the vault.
        optional "disk_bytes" => Count = view.report.disk_bytes.map(Number);
        /// The database, where nodes share one.
        optional "database" => &str = view.report.database.as_deref(), example "postgres://panvault@db.example/panvault?sslmode=verify-full";
        /// How it keeps what is committed.
        optional "replication" => Replicated = view.report.replication;
        /// Bytes of the database's log that each standby has not applied; left out where the database does not let its user see that (`pg_monitor`).
        optional "standbys_lag_bytes" => &[Count] = view.standby_lags.as_ref().map(|(bytes, _)| bytes.as_slice());
        /// Milliseconds that each took lately to apply what was written, in the same order.
        optional "standbys_lag_milliseconds" => &[Count] = view.standby_lags.as_ref().map(|(_, millis)| millis.as_slice());
        /// This node, where nodes share a database.
        optional "node" => NodeId = view.nodes.as_ref().map(|nodes| nodes.own);
        /// All that live.
        optional "nodes" => &[NodeId] = view.nodes.as_ref().map(|nodes| nodes.alive.as_slice());
        /// Seconds that are left of the lease of each of those, in their order.
        optional "nodes_lease_seconds" => &[Count] = view.lease_seconds.as_deref();
        /// The one that sweeps, delivers webhooks, asks processors and writes checkpoints for all; left out while there is none.
        optional "node_on_duty" => NodeId = view.nodes.as_ref().and_then(|nodes| nodes.duty);
        /// Milliseconds since this node saw that its documents are those of the database. From two seconds on it refuses requests with a key.
        optional "documents_age_milliseconds" => Count = view.status.node.map(|node| Number(node.documents_age_millis));
        /// Those that died, and whose payments others take over.
        optional "nodes_lost" => &[NodeId] = view.nodes.as_ref().map(|nodes| nodes.lost.as_slice());
        /// When all that has expired was last removed.
        optional "swept_at" => Timestamp = view.status.swept_at;
        /// Keys of organisations that are on their way in or out.
        always "keys_rotating" => Count = Number(view.status.rotation.keys_rotating);
        /// Rows that still need a key which another took the place of; left out where this node has not counted them: the one on duty does.
        optional "key_rows_left" => Count = view.status.rotation.rows_left.map(Number);
        /// Rows that this node has sealed with the key that took the place of another since it started.
        always "key_rows_resealed" => Count = Number(view.status.rotation.rows_resealed);
        /// Rows that this node has given the tag of the key that took the place of another since it started.
        always "key_rows_retagged" => Count = Number(view.status.rotation.rows_retagged);
        /// Rows that are not what was written, or that nobody can write anew, as the last reading of all of them for a rotation found: the keys that they may need are
        /// not destroyed while there is one.
        always "key_rows_damaged" => Count = Number(view.status.rotation.rows_damaged);
        /// Keys of the vault and of organisations that are active for longer than they should be (`key_days_max`).
        always "keys_overdue" => Count = Number(view.status.rotation.keys_overdue);
        /// Seconds for which fingerprints of before are known beside the next ones, once all cards have these. With 0 no mapping of them can be made.
        always "fingerprint_overlap_seconds" => Count = Number(view.status.rotation.fingerprint_overlap_seconds);
        /// Signed records of the audit trail that the destination has not taken which is furthest behind; left out where the trail is exported to none.
        optional "trail_records_behind" => Count = view.status.trail.map(|trail| Number(trail.records_behind));
        /// Seconds since the first checkpoint was signed that it has not taken.
        optional "trail_lag_seconds" => Count = view.status.trail.map(|trail| Number(trail.lag_seconds));
        /// Each of them; left out where the trail is exported to none.
        optional "trail_destinations" => &[TrailView] = Some(view.trail.as_slice()).filter(|all| !all.is_empty());
        /// When the trail was last held against its chain by `panvault audit verify` beside this node; left out where it was not since the start.
        optional "audit_verified_at" => Timestamp = view.status.audit_verified.map(|verified| verified.at);
        /// Records that were read for that.
        optional "audit_verified_records" => Count = view.status.audit_verified.map(|verified| Number(verified.records));
        /// How much was not as it should be; 0 for a whole trail.
        optional "audit_findings" => Count = view.status.audit_verified.map(|verified| Number(verified.findings));
        /// Nodes in whose names there are records of the audit trail that the vault did not write, as this node found when it last looked: they are neither shown nor exported. Left out where it found
        /// none. The node on duty looks once an hour, and whenever the trail is exported; each looks when the trail is listed.
        optional "trail_refused" => &[NodeId] = Some(view.trail_refused.as_slice()).filter(|all| !all.is_empty());
        /// When the certificate is no longer valid; left out where a proxy ends TLS.
        optional "certificate_expires_at" => Timestamp = view.report.certificate_expires_at;
        /// Of the table of issuers, 0 for none.
        always "bin_table_version" => Count = Number(view.status.bins.version.into());
        /// Rows of the list that it was made from.
        always "bin_table_rows" => Count = Number(view.status.bins.rows);
        /// When that was imported.
        optional "bin_table_imported_at" => Timestamp = view.status.bins.imported_at;
        /// How long ago.
        optional "bin_table_age_seconds" => Count = seconds_since(view, view.status.bins.imported_at);
    }
}
