//! The trail as it leaves the machine: one node signs checkpoints over the records of all, and hands records and checkpoints to destinations.
//!
//! A checkpoint fixes which records it signs and in which order, and is durable before anybody gets a line of it: whoever hands it on, however often, hands on the
//! same bytes.

mod checkpoint;
mod deliver;
mod record;

use core::future::Future;
use core::pin::Pin;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use panvault_model::{Id, Timestamp};
use panvault_store::trail::{TrailState, TrailTaken};
use panvault_store::{DocumentKind, RowKey};
use panvault_trail::AgeRecipient;
use tokio::sync::{Mutex as TurnMutex, Notify};

use crate::error::VaultError;
use crate::seal;
use crate::throttle::Throttle;
use crate::vault::Vault;

pub(crate) use checkpoint::checkpoint_often;
pub(crate) use deliver::deliver_often;
pub use record::exported as trail_record;

/// The one state.
const STATE_ID: Id = Id::from_bytes([0; 12]);
const STATE: (DocumentKind, Id) = (DocumentKind::TrailState, STATE_ID);
const STATE_ROW: RowKey = RowKey::Document(DocumentKind::TrailState, STATE_ID);

/// Somebody who is given the trail.
pub trait TrailDestination: Send + Sync {
    /// Names it in settings, logs and metrics.
    fn name(&self) -> &str;

    /// Gives it lines, whole ones. Once this is `Ok` it has them for good. It may have a part of them when it is not: all of them come again. Takes no longer than the
    /// destination allows itself.
    fn take<'a>(
        &'a self,
        lines: &'a [u8],
    ) -> Pin<Box<dyn Future<Output = Result<(), TrailFault>> + Send + 'a>>;
}

/// Why a destination did not take the trail. Nothing that it said is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrailFault {
    /// There is no room.
    #[error("it has no room left")]
    Full,
    /// It was not reached.
    #[error("it is not reached: {0}")]
    Unreached(&'static str),
    /// It took too long.
    #[error("it took too long")]
    TimedOut,
    /// It answered with another status than a success.
    #[error("it answered with status {0}")]
    Status(u16),
    /// It cannot be written to safely.
    #[error("it {0}")]
    Unsafe(&'static str),
    /// A read or write failed.
    #[error("writing failed: {0}")]
    Io(std::io::ErrorKind),
    /// What the settings name cannot be used.
    #[error("{0}")]
    Settings(String),
    /// What it is to be given is not signed.
    #[error("there is nothing signed to give it: see the line trail.no_checkpoint of the log")]
    Unsigned,
    /// The program failed while it was given the trail.
    #[error("giving it the trail failed by a bug of the program: see the line of the panic, and report it")]
    Panicked,
}

/// How the trail is exported.
pub struct TrailSettings {
    /// Seconds between two checkpoints where something was done.
    pub checkpoint_seconds: u64,
    /// Who is given it; nobody, and nothing is signed either.
    pub destinations: Vec<Arc<dyn TrailDestination>>,
    /// Who alone can read what destinations are given; nobody, and it can be read by all who have it.
    pub recipients: Vec<AgeRecipient>,
    /// Seconds after which a destination that is behind keeps changes from being made; 0 for never.
    pub refuse_changes_after_seconds: u64,
}

/// How far one destination is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailView {
    /// Its name.
    pub name: String,
    /// Signed records that it has not taken.
    pub records_behind: u64,
    /// Seconds since the first checkpoint was signed that it has not taken, or since none can be signed; 0 for one that has all.
    pub lag_seconds: u64,
    /// Why it did not take the last that it was given.
    pub fault: Option<TrailFault>,
}

/// How far the destination is that is furthest behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrailLag {
    /// Signed records that it has not taken.
    pub records_behind: u64,
    /// Seconds since the first checkpoint was signed that it has not taken, or since none can be signed.
    pub lag_seconds: u64,
}

/// What is known of the export.
pub(crate) struct Export {
    settings: TrailSettings,
    /// Who hands a destination lines, by its name: of two at a time the lines would arrive mixed.
    turns: BTreeMap<String, TurnMutex<()>>,
    state: Mutex<Known>,
    signed: Notify,
    failed: Throttle,
}

#[derive(Default)]
struct Known {
    /// Records that are signed, as far as this node knows.
    sequence: u64,
    /// Since when nothing can be signed.
    unsigned_since: Option<Timestamp>,
    destinations: BTreeMap<String, Progress>,
}

impl Known {
    /// Since when a destination lacks something, signed or not.
    fn lacks_since(&self, progress: &Progress) -> Option<Timestamp> {
        progress.behind_since.into_iter().chain(progress.unread_since).chain(self.unsigned_since).min()
    }
}

#[derive(Clone, Default)]
struct Progress {
    /// The last checkpoint that it took, as far as this node knows.
    number: u64,
    /// Records up to that.
    sequence: u64,
    behind_since: Option<Timestamp>,
    /// Since when what it is to be given cannot be read.
    unread_since: Option<Timestamp>,
    fault: Option<TrailFault>,
}

impl Export {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Vault {
    /// Exports the trail from now on, if there are destinations. To be called once, before the vault is served; where the vault sweeps by itself, it is exported by itself, else by
    /// [`Vault::trail_checkpoint`] and [`Vault::trail_deliver`].
    pub fn trail_export(&self, settings: TrailSettings) {
        if settings.destinations.is_empty() {
            return;
        }
        let names: Vec<_> =
            settings.destinations.iter().map(|destination| destination.name().to_owned()).collect();
        let turns = names.iter().map(|name| (name.clone(), TurnMutex::default())).collect();
        let (state, signed, failed) = (Mutex::default(), Notify::new(), Throttle::default());
        let export = Export { settings, turns, state, signed, failed };
        if !self.export_set(export) || !self.sweeps() {
            return;
        }
        tokio::spawn(checkpoint_often(self.downgrade()));
        for name in names {
            tokio::spawn(deliver_often(self.downgrade(), name));
        }
    }

    /// How far each destination is, as far as this node knows.
    pub fn trail_status(&self) -> Vec<TrailView> {
        let Some(export) = self.export() else { return Vec::new() };
        let (known, now) = (export.known(), self.now().wall);
        let unsigned = known.unsigned_since.map(|_| TrailFault::Unsigned);
        let view = |(name, progress): (&String, &Progress)| {
            let records = known.sequence - progress.sequence.min(known.sequence);
            let lag = |since: Timestamp| now.unix_seconds().saturating_sub(since.unix_seconds());
            TrailView {
                name: name.clone(),
                records_behind: progress.behind_since.map_or(0, |_| records),
                lag_seconds: known.lacks_since(progress).map_or(0, lag),
                fault: progress.fault.clone().or_else(|| unsigned.clone()),
            }
        };
        known.destinations.iter().map(view).collect()
    }

    /// The worst of that.
    pub(crate) fn trail_lag(&self) -> Option<TrailLag> {
        let worst = |worst: TrailLag, view: TrailView| TrailLag {
            records_behind: worst.records_behind.max(view.records_behind),
            lag_seconds: worst.lag_seconds.max(view.lag_seconds),
        };
        self.export().map(|_| self.trail_status().into_iter().fold(TrailLag::default(), worst))
    }

    /// [`VaultError::TrailBehind`] while a destination is behind for longer than the settings let changes be made.
    pub fn trail_allows_changes(&self) -> Result<(), VaultError> {
        let Some(export) = self.export() else { return Ok(()) };
        let after = Duration::from_secs(export.settings.refuse_changes_after_seconds);
        if after.is_zero() {
            return Ok(());
        }
        let now = self.now().wall.unix_millis();
        let is_late =
            |since: Timestamp| u128::from(now.saturating_sub(since.unix_millis())) >= after.as_millis();
        let known = export.known();
        if known.destinations.values().filter_map(|progress| known.lacks_since(progress)).any(is_late) {
            return Err(VaultError::TrailBehind);
        }
        Ok(())
    }

    /// The state as it is stored, with its version; what there is before the first checkpoint has none.
    async fn trail_state(&self) -> Result<Option<(u32, TrailState)>, VaultError> {
        let Some(row) = self.store().document_read_many(vec![STATE]).await?.into_iter().next().flatten()
        else {
            return Ok(None);
        };
        seal::document_verify(self.keys(), &row)?;
        if (row.kind, row.id) != STATE {
            return Err(VaultError::Tampered(STATE_ROW));
        }
        Ok(Some((row.version, TrailState::decode(&row.body)?)))
    }

    /// Takes up what another node knows of destinations.
    fn trail_state_seen(&self, export: &Export, state: &TrailState) {
        let mut known = export.known();
        known.sequence = known.sequence.max(state.sequence);
        for destination in &export.settings.destinations {
            let before = state.kept_from.saturating_sub(1);
            let taken = state.taken.get(destination.name()).copied();
            let taken = taken.unwrap_or(TrailTaken { number: before, behind_since: None });
            let progress = known.destinations.entry(destination.name().to_owned()).or_default();
            // What this node did since the last checkpoint is not in it.
            if taken.number.max(before) > progress.number {
                progress.number = taken.number.max(before);
                progress.behind_since = taken.behind_since;
            } else if taken.number == progress.number {
                progress.behind_since = progress.behind_since.or(taken.behind_since);
            }
            if progress.number >= state.number {
                progress.sequence = state.sequence;
                progress.behind_since = None;
            }
        }
    }
}
