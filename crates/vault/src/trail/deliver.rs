use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use panvault_model::Timestamp;
use panvault_store::trail::TrailCheckpoint;
use panvault_store::{DocumentKind, RowKey, StoreFault};
use panvault_trail::{Batch, Position, SealFault, seal_lines};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::audit::numbered;
use crate::error::{VaultError, with_causes};
use crate::limits::{TRAIL_LOOK_MILLIS, TRAIL_RETRY_SECONDS_MAX};
use crate::seal;
use crate::trail::record::exported;
use crate::trail::{TrailDestination, TrailFault};
use crate::vault::{Vault, WeakVault};

impl Vault {
    /// Hands every destination what it has not taken of what is signed, until it has all or does not take it, by the node that does what one does for all.
    pub async fn trail_deliver(&self) -> Result<(), VaultError> {
        let Some(export) = self.export() else { return Ok(()) };
        // One that does not answer keeps no other waiting.
        let mut under_way = JoinSet::new();
        for destination in &export.settings.destinations {
            let (vault, destination) = (self.clone(), Arc::clone(destination));
            under_way.spawn(async move { vault.trail_deliver_caught(&*destination).await });
        }
        let mut delivered = Ok(());
        while let Some(one) = under_way.join_next().await {
            // None ends otherwise.
            delivered = delivered.and(one.map_or(Ok(()), |one| one.map(drop)));
        }
        delivered
    }

    /// The same for one. Where the program fails at it, the destination has not taken it, and that is its fault.
    async fn trail_deliver_caught(&self, destination: &dyn TrailDestination) -> Result<bool, VaultError> {
        if let Some(delivered) = caught(self.trail_deliver_to(destination)).await {
            // What cannot be read of the trail, it is not given: it lacks that.
            if let Some(export) = self.export()
                && let Some(progress) = export.known().destinations.get_mut(destination.name())
            {
                let since = progress.unread_since.or_else(|| Some(self.now().wall));
                progress.unread_since = if delivered.is_err() { since } else { None };
            }
            return delivered;
        }
        self.trail_failed(destination, TrailFault::Panicked);
        Ok(false)
    }

    /// Whether it has all.
    async fn trail_deliver_to(&self, destination: &dyn TrailDestination) -> Result<bool, VaultError> {
        let Some(export) = self.export() else { return Ok(true) };
        let Some(turn) = export.turns.get(destination.name()) else { return Ok(true) };
        let _turn = turn.lock().await;
        if !self.has_duty().await? {
            return Ok(true);
        }
        let Some((_, state)) = self.trail_state().await? else { return Ok(true) };
        self.trail_state_seen(export, &state);
        loop {
            let taken = export.known().destinations.get(destination.name()).map_or(0, |at| at.number);
            if taken >= state.number {
                return Ok(true);
            }
            let checkpoint = self.trail_checkpoint_read(taken + 1).await?;
            self.trail_behind(destination, &checkpoint);
            let mut lines = self.trail_lines(&checkpoint).await?;
            let recipients = &export.settings.recipients;
            if !recipients.is_empty() {
                // Anew each time: a key of its own for each delivery needs no place to be kept.
                lines = seal_lines(&lines, &self.id().to_string(), recipients, self.entropy())
                    .map_err(seal_failed)?;
            }
            match destination.take(&lines).await {
                Ok(()) => self.trail_has_taken(destination, &checkpoint, state.number),
                Err(fault) => {
                    self.trail_failed(destination, fault);
                    return Ok(false);
                }
            }
        }
    }

    pub(super) async fn trail_checkpoint_read(&self, number: u64) -> Result<TrailCheckpoint, VaultError> {
        let key = (DocumentKind::TrailCheckpoint, numbered(number));
        let tampered = || VaultError::Tampered(RowKey::Document(key.0, key.1));
        let row = self.store().document_read_many(vec![key]).await?.into_iter().next().flatten();
        let row = row.ok_or_else(tampered)?;
        seal::document_verify(self.keys(), &row)?;
        let checkpoint = TrailCheckpoint::decode(&row.body)?;
        if (row.kind, row.id) != key || checkpoint.number != number {
            Err(tampered())
        } else {
            Ok(checkpoint)
        }
    }

    /// The lines of a checkpoint and of the records that it signs, which are still those.
    async fn trail_lines(&self, checkpoint: &TrailCheckpoint) -> Result<Vec<u8>, VaultError> {
        let vault = self.id().to_string();
        let start = Position {
            number: checkpoint.number.saturating_sub(1),
            sequence: checkpoint.sequence,
            checkpoint: checkpoint.before,
        };
        let mut batch = Batch::new(start);
        for (writer, first, count) in &checkpoint.records {
            let each = |record: &_| batch.record(&vault, exported(record));
            self.trail_read(*writer, *first, (*count).into(), each).await?;
        }
        let mut lines = batch.lines().to_vec();
        if !batch.is_what_was_signed(&checkpoint.lines) {
            let id = numbered(checkpoint.number);
            return Err(VaultError::Tampered(RowKey::Document(DocumentKind::TrailCheckpoint, id)));
        }
        lines.extend_from_slice(&checkpoint.lines);
        Ok(lines)
    }

    fn trail_behind(&self, destination: &dyn TrailDestination, checkpoint: &TrailCheckpoint) {
        let Some(export) = self.export() else { return };
        let mut known = export.known();
        if let Some(progress) = known.destinations.get_mut(destination.name()) {
            progress.sequence = checkpoint.sequence;
            progress.behind_since = Some(checkpoint.signed_at);
        }
    }

    fn trail_has_taken(&self, destination: &dyn TrailDestination, checkpoint: &TrailCheckpoint, last: u64) {
        let Some(export) = self.export() else { return };
        let mut known = export.known();
        let Some(progress) = known.destinations.get_mut(destination.name()) else { return };
        let records: u64 = checkpoint.records.iter().map(|(_, _, count)| u64::from(*count)).sum();
        progress.number = progress.number.max(checkpoint.number);
        progress.sequence = checkpoint.sequence.saturating_add(records);
        if checkpoint.number >= last {
            progress.behind_since = None;
        }
        if progress.fault.take().is_some() {
            tracing::info!(destination = destination.name(), "trail.reached");
        }
    }

    /// Says it once for each other fault.
    fn trail_failed(&self, destination: &dyn TrailDestination, fault: TrailFault) {
        let Some(export) = self.export() else { return };
        let mut known = export.known();
        let Some(progress) = known.destinations.get_mut(destination.name()) else { return };
        if progress.fault.as_ref() != Some(&fault) {
            let since = progress.behind_since.as_ref().map(Timestamp::to_string).unwrap_or_default();
            let advice =
                "make the destination take the trail again; what it lacks is kept, and it is given that then";
            tracing::error!(destination = destination.name(), %fault, since, advice, "trail.not_taken");
        }
        progress.fault = Some(fault);
    }
}

/// Does something to its end; `None` where it panicked.
pub(super) async fn caught<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    // What it had in hand is gone with it: nothing of it is looked at again.
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(polled) => polled.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

/// Settings have recipients that fit, and what was signed fits too: only the random source fails where the program is right.
fn seal_failed(fault: SealFault) -> VaultError {
    match fault {
        SealFault::Keys(fault) => VaultError::Keys(fault),
        SealFault::TooLong | SealFault::Recipients => VaultError::Store(StoreFault::TooLarge),
    }
}

/// Hands one destination the trail until the vault is gone; one that does not take it is left alone for a while that grows.
pub(crate) async fn deliver_often(vault: WeakVault, name: String) {
    let mut retry = Duration::ZERO;
    loop {
        tokio::time::sleep(Duration::from_millis(TRAIL_LOOK_MILLIS) + retry).await;
        let Some(vault) = vault.upgrade() else { return };
        let Some(export) = vault.export() else { return };
        let Some(destination) = export.settings.destinations.iter().find(|one| one.name() == name) else {
            return;
        };
        let destination = Arc::clone(destination);
        let delivered = vault.trail_deliver_caught(&*destination).await;
        retry = match delivered {
            Ok(true) => Duration::ZERO,
            Ok(false) | Err(_) => {
                (retry * 2).clamp(Duration::from_secs(1), Duration::from_secs(TRAIL_RETRY_SECONDS_MAX))
            }
        };
        if let Err(error) = delivered
            && export.failed.is_due(vault.now())
        {
            let advice =
                "run panvault audit verify; the destination is given nothing more until this is right";
            tracing::error!(destination = name, error = %with_causes(&error), advice, "trail.not_read");
        }
    }
}

impl Vault {
    /// Signs what is left, and gives destinations so long to take it: nothing that was done is without a checkpoint behind it.
    pub async fn trail_end(&self, time: Duration) -> Result<(), VaultError> {
        if self.export().is_none() {
            return Ok(());
        }
        while self.trail_checkpoint(true).await? {}
        // What is not taken is taken at the next start.
        timeout(time, self.trail_deliver()).await.unwrap_or(Ok(()))
    }
}
