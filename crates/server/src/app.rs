//! What all requests share: the vault, the settings, the measures.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body as Incoming;
use bytes::Bytes;
use const_format::formatcp;
use http::{HeaderMap, StatusCode};
use panvault_model::{OrganisationId, RequestId};
use panvault_vault::{Permit, StatusRead, StoreFault, Vault, VaultStatus};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::answer::Answer;
use crate::answers::{Answers, Full};
use crate::body::{self, Accepts, Body};
use crate::error::{ErrorCode, Refusal};
use crate::limits::{
    LISTS_SHOWN_MAX, PICTURE_BODIES_MAX, PICTURE_BODY_BYTES_MAX, RECENT_SECONDS, ServerSettings,
};
use crate::metrics::Metrics;
use crate::process::Process;
use crate::rates::Rates;
use crate::try_page::TryShop;

/// Where the newest transactions stand that an organisation sees: by the names of statuses.
#[derive(Clone)]
struct RecentTransactions {
    asked_by: Option<OrganisationId>,
    asked_at: Instant,
    counts: BTreeMap<&'static str, u64>,
}

/// What all requests share.
pub struct App {
    vault: Vault,
    settings: ServerSettings,
    metrics: Metrics,
    rates: Rates,
    answers: Arc<Answers>,
    /// Whoever has one of these shows a list in another way.
    shown: Semaphore,
    /// Whoever has one of these reads a picture.
    pictures: Semaphore,
    /// Where the newest transactions stood, when that was asked, and for whom.
    recent_transactions: Mutex<Option<RecentTransactions>>,
    stopping: Arc<AtomicBool>,
    process: Option<Arc<dyn Process>>,
    try_shop: Option<Arc<TryShop>>,
}

impl App {
    /// A server of this vault.
    pub fn new(vault: Vault, settings: ServerSettings) -> Self {
        let rates = Rates::new(settings.requests, settings.bin_lookups_per_minute);
        let answers = Answers::new(settings.answers_bytes_max);
        let stopping = Arc::default();
        let shown = Semaphore::new(LISTS_SHOWN_MAX);
        let pictures = Semaphore::new(PICTURE_BODIES_MAX);
        Self {
            vault,
            settings,
            metrics: Metrics::new(),
            rates,
            answers,
            shown,
            pictures,
            recent_transactions: Mutex::default(),
            stopping,
            process: None,
            try_shop: None,
        }
    }

    /// The same, in a process that says how it is.
    #[must_use]
    pub fn in_process(self, process: Arc<dyn Process>) -> Self {
        Self { process: Some(process), ..self }
    }

    /// The same, with a page for trying. Only a vault that holds no real card has one.
    #[must_use]
    pub fn with_try_page(self, shop: TryShop) -> Self {
        Self { try_shop: Some(Arc::new(shop)), ..self }
    }

    pub(crate) const fn try_shop(&self) -> Option<&Arc<TryShop>> {
        self.try_shop.as_ref()
    }

    /// Waits for a turn to show a list in another way than it was made.
    pub(crate) async fn turn_to_show(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.shown.acquire().await.ok()
    }

    /// Where the newest transactions stand, at most some seconds ago: whoever looks at a console asks for it all the time. `None` where it cannot be told.
    pub(crate) async fn recent_transactions(
        &self,
        permit: &Permit<StatusRead>,
        asked_by: Option<OrganisationId>,
    ) -> Option<BTreeMap<&'static str, u64>> {
        let mut last = self.recent_transactions.lock().await;
        let is_fresh = |last: &&RecentTransactions| {
            last.asked_by == asked_by && last.asked_at.elapsed().as_secs() < RECENT_SECONDS
        };
        if let Some(fresh) = last.as_ref().filter(is_fresh) {
            return Some(fresh.counts.clone());
        }
        let counts = self.vault.transactions_recent(permit).await.ok()?;
        *last = Some(RecentTransactions { asked_by, asked_at: Instant::now(), counts: counts.clone() });
        Some(counts)
    }

    /// Reads a body that is a picture, which is larger than others; few are read at a time.
    pub(crate) async fn picture(&self, headers: &HeaderMap, incoming: Incoming) -> Result<Body, Refusal> {
        // It is never closed.
        let _turn = self.pictures.acquire().await.ok();
        let timeout = self.settings.body_timeout;
        let read = body::read_up_to(PICTURE_BODY_BYTES_MAX, headers, incoming, timeout, Accepts::Json);
        read.await.map_err(|refusal| match refusal.code {
            ErrorCode::TooLarge => {
                let what = formatcp!("of a picture may have {PICTURE_BODY_BYTES_MAX} bytes at most");
                Refusal::with(ErrorCode::TooLarge, "body", what)
            }
            _ => refusal,
        })
    }

    /// Time for what runs to end when the server stops.
    pub const fn stop_grace(&self) -> Duration {
        self.settings.stop_grace
    }

    pub(crate) const fn process(&self) -> Option<&Arc<dyn Process>> {
        self.process.as_ref()
    }

    /// Shows in the metrics how many log lines were dropped, which is counted where they are written.
    #[must_use]
    pub fn with_log_lines_dropped(mut self, dropped: Arc<AtomicU64>) -> Self {
        self.metrics.log_lines_dropped_in = dropped;
        self
    }

    pub(crate) const fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(crate) const fn settings(&self) -> &ServerSettings {
        &self.settings
    }

    pub(crate) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) const fn rates(&self) -> &Rates {
        &self.rates
    }

    pub(crate) const fn answers(&self) -> &Arc<Answers> {
        &self.answers
    }

    /// Holds a long answer until it has been read, if there is room for it.
    pub(crate) fn hold(&self, organisation: OrganisationId, bytes: Bytes) -> Result<Bytes, Refusal> {
        self.answers.hold(organisation, bytes).map_err(|Full| self.answer_refused())
    }

    /// Counts a long answer for which there was no room, and says so.
    pub(crate) fn answer_refused(&self) -> Refusal {
        self.metrics.answers_refused.inc();
        Refusal::with(
            ErrorCode::Busy,
            "answer",
            "too many long ones are still being read; read faster, or ask for fewer rows",
        )
    }

    /// From here on it says that it is not ready, and each answer ends its connection: whoever shares requests out among several servers sends them elsewhere.
    /// All are still answered.
    pub fn drain(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Whether it stops, or is about to.
    pub(crate) const fn stopping(&self) -> &Arc<AtomicBool> {
        &self.stopping
    }

    /// Whether the vault takes writes, and why not; or what else is amiss.
    pub(crate) fn ready(&self) -> (StatusCode, &'static str) {
        let unavailable = |why| (StatusCode::SERVICE_UNAVAILABLE, why);
        if self.stopping.load(Ordering::SeqCst) {
            return unavailable(readiness::STOPPING);
        }
        let VaultStatus { store, lease_lost, documents_unseen, .. } = self.vault.status();
        match store.fault {
            None if documents_unseen => unavailable(readiness::UNSEEN),
            None if lease_lost => unavailable(readiness::NO_LEASE),
            None if self.vault.trail_allows_changes().is_err() => unavailable(readiness::TRAIL_REFUSES),
            None if store.lists_full => (StatusCode::OK, readiness::LISTS_FULL),
            None if store.damaged > 0 => (StatusCode::OK, readiness::DAMAGED),
            None if self.vault.trail_status().iter().any(|destination| destination.fault.is_some()) => {
                (StatusCode::OK, readiness::TRAIL_BEHIND)
            }
            None => (StatusCode::OK, readiness::READY),
            Some(StoreFault::Full) => unavailable(readiness::FULL),
            Some(StoreFault::Busy) if store.lists_full => unavailable(readiness::VIEW_FULL),
            Some(StoreFault::Busy) => unavailable(readiness::BEHIND),
            Some(StoreFault::Unreachable | StoreFault::Unresolved) => unavailable(readiness::UNREACHABLE),
            Some(
                StoreFault::Stopped
                | StoreFault::Damaged { .. }
                | StoreFault::Read(_)
                | StoreFault::TooLarge
                | StoreFault::TooManyRows
                | StoreFault::TooManyExamined
                | StoreFault::TimedOut,
            ) => unavailable(readiness::STOPPED),
        }
    }

    /// The answer to what failed, which is counted here.
    pub(crate) fn refused(&self, refusal: Refusal) -> Answer {
        self.metrics.failed(refusal.code);
        Answer::refusal(refusal, self.vault.now().wall)
    }

    pub(crate) fn make_request_id(&self) -> RequestId {
        // A request without a random name is still named by its time.
        let random = self.vault.entropy().make_id_bytes().unwrap_or_default();
        RequestId::make(self.vault.now().wall, random)
    }
}

/// What `/readyz` says. docs/operations.md has each, with what to do.
mod readiness {
    macro_rules! reasons {
        ($($name:ident = $text:literal;)+) => {
            $(pub(super) const $name: &str = $text;)+
            #[cfg(test)]
            pub(super) const ALL: &[&str] = &[$($name),+];
        };
    }

    reasons! {
        READY = "ready";
        LISTS_FULL = "ready, but the disk has no room for the view: lists are refused";
        DAMAGED = "ready, but somebody changed view.sqlite: lists and counts of some organisations are refused; run panvault doctor";
        TRAIL_BEHIND = "ready, but a destination does not take the audit trail: see the log";
        TRAIL_REFUSES = "the audit trail does not leave this machine: changes are refused";
        STOPPING = "stopping";
        UNSEEN = "this node does not see the database: requests with a key are refused";
        NO_LEASE = "this node has lost its lease: transactions are refused";
        FULL = "the disk is full: writes are refused";
        VIEW_FULL = "the disk has no room for the view, which is too far behind: writes are refused";
        BEHIND = "the view is too far behind: writes are refused";
        UNREACHABLE = "the database is not reached: what needs it is refused";
        STOPPED = "the store has stopped";
    }
}

#[cfg(test)]
mod tests {
    use super::readiness;

    /// Whoever is woken by one of them finds it there.
    #[test]
    fn the_page_for_operators_has_each_reason() {
        let page = include_str!("../../../docs/operations.md");
        for reason in readiness::ALL {
            assert!(page.contains(&format!("| `{reason}` |")), "{reason}");
        }
    }
}
