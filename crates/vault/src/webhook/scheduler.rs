use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use panvault_model::{DeliveryStatus, Id, Now, OrganisationId};
use panvault_store::limits::SWEEP_ROWS_MAX;
use panvault_store::{
    Action, Commit, DeliveryLane, DeliveryRow, Effect, Expect, Outcome, RowKey, StoreFault,
};
use panvault_webhook::{AddressPolicy, Sender, Turn, UrlFault, WebhookUrl};
use tokio::sync::Notify;
use tokio::task::{self, JoinSet};

use crate::audit::Requester;
use crate::error::{VaultError, with_causes};
use crate::limits::{
    WEBHOOK_BEHIND_SECONDS, WEBHOOK_LANE_MAX, WEBHOOK_LANE_PAGES, WEBHOOK_LANE_ROWS, WEBHOOK_LANES_READ,
    WEBHOOK_LOOK_MILLIS, WEBHOOK_ORGANISATION_MAX, WEBHOOK_UNWRITTEN_SECONDS, WEBHOOKS_MAX,
};
use crate::seal;
use crate::throttle::Throttle;
use crate::vault::{Vault, WeakVault};

/// How webhooks are doing, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebhookCounts {
    /// Deliveries that receivers have taken.
    pub delivered: u64,
    /// Attempts that came to nothing and are made again.
    pub put_off: u64,
    /// Deliveries that are given up.
    pub failed: u64,
    /// Deliveries that waited when it was last looked; 0 at a node that does not deliver.
    pub waiting: u64,
}

/// What a vault knows of its deliveries without asking the store.
#[derive(Default)]
pub(crate) struct Deliveries {
    /// Some may wait: nobody asks the store while none does.
    may_wait: AtomicBool,
    written: Notify,
    /// Where webhooks may go to; until it is set, to public addresses only.
    allowed: OnceLock<AddressPolicy>,
    delivered: AtomicU64,
    put_off: AtomicU64,
    failed: AtomicU64,
    waiting: AtomicU64,
    /// Rows that cannot be used.
    unusable: Throttle,
    held_up: Throttle,
    /// What became of attempts.
    pub(super) unwritten: Throttle,
}

impl Deliveries {
    /// Something is to be sent.
    pub(crate) fn wake(&self) {
        self.may_wait.store(true, Ordering::SeqCst);
        self.written.notify_one();
    }

    /// Why a URL may not be stored, if it may not.
    pub(crate) fn refuses(&self, url: &str) -> Option<UrlFault> {
        let judged = WebhookUrl::parse(url).and_then(|url| {
            let public = AddressPolicy::default();
            self.allowed.get().unwrap_or(&public).accepts(&url)
        });
        judged.err()
    }

    pub(super) fn count(&self, status: DeliveryStatus) {
        let counter = match status {
            DeliveryStatus::Delivered => &self.delivered,
            DeliveryStatus::Waiting => &self.put_off,
            DeliveryStatus::Failed => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> WebhookCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WebhookCounts {
            delivered: of(&self.delivered),
            put_off: of(&self.put_off),
            failed: of(&self.failed),
            waiting: of(&self.waiting),
        }
    }
}

/// Attempts under way. However much waits, no more than these are in memory.
#[derive(Default)]
struct UnderWay {
    attempts: JoinSet<()>,
    by_task: HashMap<task::Id, (DeliveryLane, Id)>,
    lanes: HashMap<DeliveryLane, usize>,
    organisations: HashMap<OrganisationId, usize>,
    /// Each with the lane that it is told in.
    objects: HashMap<Id, DeliveryLane>,
    /// The lane that was looked at last: the next look begins behind it, so that each has its turn.
    last: Option<DeliveryLane>,
}

impl UnderWay {
    fn begin(&mut self, vault: Vault, sender: Arc<Sender>, row: Arc<DeliveryRow>, turn: Turn) {
        let (lane, object) = (row.lane(), row.object);
        let task = self.attempts.spawn(async move {
            let is_written = vault.webhook_attempt(&sender, row, turn).await;
            // The vault is not held for it: it may end meanwhile, and this with it.
            drop((vault, sender));
            if !is_written {
                tokio::time::sleep(Duration::from_secs(WEBHOOK_UNWRITTEN_SECONDS)).await;
            }
        });
        *self.lanes.entry(lane.clone()).or_default() += 1;
        *self.organisations.entry(lane.organisation).or_default() += 1;
        self.objects.insert(object, lane.clone());
        self.by_task.insert(task.id(), (lane, object));
    }

    fn end(&mut self, task: task::Id) {
        let Some((lane, object)) = self.by_task.remove(&task) else { return };
        self.objects.remove(&object);
        less(&mut self.organisations, lane.organisation);
        less(&mut self.lanes, lane);
    }

    /// How many more of a lane may be begun.
    fn room(&self, lane: &DeliveryLane) -> usize {
        let left = |max: usize, used: Option<&usize>| max.saturating_sub(used.copied().unwrap_or(0));
        left(WEBHOOK_LANE_MAX, self.lanes.get(lane))
            .min(left(WEBHOOK_ORGANISATION_MAX, self.organisations.get(&lane.organisation)))
            .min(WEBHOOKS_MAX.saturating_sub(self.by_task.len()))
    }
}

/// Whether it is the store's, and not a row's: then it is so of every other row.
const fn is_of_all(error: &VaultError) -> bool {
    matches!(
        error,
        VaultError::Store(
            StoreFault::Busy
                | StoreFault::Full
                | StoreFault::Stopped
                | StoreFault::Unreachable
                | StoreFault::Unresolved
        )
    )
}

fn less<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, usize>, key: K) {
    if let std::collections::hash_map::Entry::Occupied(mut entry) = counts.entry(key) {
        match entry.get().checked_sub(1) {
            Some(left) if left > 0 => *entry.get_mut() = left,
            Some(_) | None => drop(entry.remove()),
        }
    }
}

impl Vault {
    /// Says where webhooks may go to, beside public addresses: what is stored is held against it from now on. The first time stands.
    pub fn webhooks_allow(&self, policy: AddressPolicy) {
        drop(self.deliveries().allowed.set(policy));
    }

    /// Delivers webhooks by itself from now on, as long as the vault is there; of several nodes one does, and the others when it is gone.
    /// Without this they wait.
    ///
    /// Must be called inside a tokio runtime, once.
    pub fn webhooks_start(&self, sender: Sender) {
        self.deliveries().wake();
        tokio::spawn(deliver_often(self.downgrade(), Arc::new(sender), Arc::clone(self.deliveries())));
    }

    /// Begins what is due and may be begun, from behind the lane on that was looked at last.
    async fn webhooks_begin(&self, under_way: &mut UnderWay, sender: &Arc<Sender>) -> Result<(), VaultError> {
        // What became of it could not be written, and it would be sent again.
        if self.store().status().fault.is_some() {
            return Ok(());
        }
        let from = under_way.last.take();
        if self.webhooks_between(from.clone(), None, under_way, sender).await? && from.is_some() {
            self.webhooks_between(None, from, under_way, sender).await?;
        }
        Ok(())
    }

    /// The same of the lanes behind one up to another; `false` when no more can be begun at all.
    async fn webhooks_between(
        &self,
        mut after: Option<DeliveryLane>,
        until: Option<DeliveryLane>,
        under_way: &mut UnderWay,
        sender: &Arc<Sender>,
    ) -> Result<bool, VaultError> {
        let now = self.now();
        loop {
            let lanes = self.store().delivery_lanes(now.wall, after.clone(), WEBHOOK_LANES_READ).await?;
            let is_end = lanes.len() < WEBHOOK_LANES_READ;
            for lane in lanes {
                if until.as_ref().is_some_and(|until| lane > *until) {
                    return Ok(true);
                }
                if under_way.by_task.len() >= WEBHOOKS_MAX {
                    return Ok(false);
                }
                under_way.last = Some(lane.clone());
                let room = under_way.room(&lane);
                if room > 0 {
                    match self.webhooks_of_lane(&lane, room, under_way, sender).await {
                        Ok(()) => {}
                        Err(error) if is_of_all(&error) => return Err(error),
                        // It keeps no other lane from being served.
                        Err(error) => self.webhook_unusable(&error, now),
                    }
                }
                after = Some(lane);
            }
            if is_end {
                return Ok(true);
            }
        }
    }

    async fn webhooks_of_lane(
        &self,
        lane: &DeliveryLane,
        room: usize,
        under_way: &mut UnderWay,
        sender: &Arc<Sender>,
    ) -> Result<(), VaultError> {
        let now = self.now();
        let (mut room, mut after) = (room, None);
        for _ in 0..WEBHOOK_LANE_PAGES {
            let rows = self.store().delivery_due(lane.clone(), now.wall, after, WEBHOOK_LANE_ROWS).await?;
            let is_end = rows.len() < WEBHOOK_LANE_ROWS;
            after = rows.last().map(|row| row.place());
            for row in rows {
                if room == 0 {
                    return Ok(());
                }
                let Some(row) = self.webhook_next(row, under_way, now).await? else { continue };
                // What cannot be read is sent nowhere, and its attempt says so.
                let turn = WebhookUrl::parse(&row.url)
                    .map_or_else(|_| Some(Turn::default()), |url| sender.turn(row.organisation, &url));
                // Without a turn it is no attempt: another look finds it where it is.
                let Some(turn) = turn else { continue };
                under_way.begin(self.clone(), Arc::clone(sender), row, turn);
                room -= 1;
            }
            if is_end {
                break;
            }
        }
        Ok(())
    }

    /// Which delivery is to be sent where a row is due, if one is: it, or the first about its object. One that waits for what is not of its lane is put
    /// off, so that it stands before nothing else.
    async fn webhook_next(
        &self,
        row: Arc<DeliveryRow>,
        under_way: &UnderWay,
        now: Now,
    ) -> Result<Option<Arc<DeliveryRow>>, VaultError> {
        if let Err(error) = seal::delivery_verify(self.keys(), &row) {
            self.webhook_unusable(&error, now);
            return Ok(None);
        }
        let later = now.wall.plus_seconds(WEBHOOK_BEHIND_SECONDS);
        let lane = row.lane();
        if let Some(of_object) = under_way.objects.get(&row.object) {
            if *of_object != lane {
                self.webhook_put_off(&row, later).await?;
            }
            return Ok(None);
        }
        let first = match self.webhook_first(row.object).await {
            Ok(Some(first)) => first,
            // It was sent meanwhile.
            Ok(None) => return Ok(None),
            Err(error) if is_of_all(&error) => return Err(error),
            Err(error) => {
                self.webhook_unusable(&error, now);
                self.webhook_put_off(&row, later).await?;
                return Ok(None);
            }
        };
        if first.due_at > now.wall && first.id != row.id {
            self.webhook_put_off(&row, first.due_at).await?;
            return Ok(None);
        }
        if first.lane() != lane {
            self.webhook_put_off(&row, later).await?;
            return Ok(None);
        }
        Ok(Some(first))
    }

    /// The first delivery about an object that waits, held against its tag.
    async fn webhook_first(&self, object: Id) -> Result<Option<Arc<DeliveryRow>>, VaultError> {
        let first = self.store().delivery_first(object).await?;
        if let Some(first) = &first {
            seal::delivery_verify(self.keys(), first)?;
            if first.object != object {
                return Err(VaultError::Tampered(RowKey::Delivery(first.id)));
            }
        }
        Ok(first)
    }

    /// Some rows cannot be used, and the others are.
    fn webhook_unusable(&self, error: &VaultError, now: Now) {
        if self.deliveries().unusable.is_due(now) {
            tracing::error!(error = %with_causes(error), advice = "run panvault doctor", "webhook.row_unusable");
        }
    }

    /// Counts what waits, at most once a second: where a receiver is dead, that is many.
    async fn webhooks_count(&self, counted_at: &mut Option<u64>) -> Result<(), VaultError> {
        let deliveries = self.deliveries();
        let now = self.now().monotonic_millis;
        let is_due = counted_at.is_none_or(|at| now >= at + WEBHOOK_LOOK_MILLIS)
            || deliveries.waiting.load(Ordering::Relaxed) < WEBHOOKS_MAX as u64;
        if is_due {
            let waiting = self.store().delivery_waiting().await?;
            deliveries.waiting.store(waiting, Ordering::Relaxed);
            *counted_at = Some(now);
        }
        let some_wait = deliveries.waiting.load(Ordering::Relaxed) > 0;
        deliveries.may_wait.fetch_or(some_wait, Ordering::SeqCst);
        Ok(())
    }

    /// Removes deliveries that are over and whose time is. What does not bear its tag stays: it is not known to be over.
    pub(crate) async fn webhooks_sweep(&self) -> Result<(), VaultError> {
        let now = self.now();
        let mut after = None;
        loop {
            let mut over = self.store().delivery_over(now.wall, after, SWEEP_ROWS_MAX).await?;
            let is_end = over.len() < SWEEP_ROWS_MAX;
            after = over.last().map(|row| row.place());
            over.retain(|row| match seal::delivery_verify(self.keys(), row) {
                Ok(()) => !row.is_waiting(),
                Err(error) => {
                    self.webhook_unusable(&error, now);
                    false
                }
            });
            self.webhooks_remove(&over, now).await?;
            if is_end {
                return Ok(());
            }
        }
    }

    async fn webhooks_remove(&self, over: &[Arc<DeliveryRow>], now: Now) -> Result<(), VaultError> {
        if over.is_empty() {
            return Ok(());
        }
        let nobody = OrganisationId::from_bytes([0; 12]);
        let commit = Commit {
            claim: None,
            expects: over.iter().map(|row| Expect::Version(RowKey::Delivery(row.id), row.version)).collect(),
            effects: over.iter().map(|row| Effect::Delete(RowKey::Delivery(row.id))).collect(),
            audit: Requester::VAULT.note(now.wall, Action::WebhookSweep, nobody, self.id().0),
        };
        match self.store().commit(commit).await? {
            // Where one has changed, another node removes them or somebody sends it again: the next sweep sees.
            Outcome::Done { .. } | Outcome::Unmet(_) | Outcome::Claimed(_) => Ok(()),
        }
    }
}

/// Looks at what is due whenever something was written or sent, and now and then.
async fn deliver_often(vault: WeakVault, sender: Arc<Sender>, deliveries: Arc<Deliveries>) {
    let mut under_way = UnderWay::default();
    let mut counted_at = None;
    loop {
        if deliveries.may_wait.swap(false, Ordering::SeqCst) {
            let Some(vault) = vault.upgrade() else { return };
            let looked = match vault.has_duty().await {
                Ok(true) => {
                    let looked = vault.webhooks_begin(&mut under_way, &sender).await;
                    // Whatever became of the look: what waits is to be seen.
                    looked.and(vault.webhooks_count(&mut counted_at).await)
                }
                Ok(false) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = looked {
                deliveries.may_wait.store(true, Ordering::SeqCst);
                let ends = matches!(error, VaultError::Store(StoreFault::Stopped));
                if !ends && deliveries.held_up.is_due(vault.now()) {
                    tracing::warn!(error = %with_causes(&error), advice = "none; it is looked again in a second", "webhook.not_looked");
                }
            }
        }
        let pause = tokio::time::sleep(Duration::from_millis(WEBHOOK_LOOK_MILLIS));
        tokio::select! {
            Some(ended) = under_way.attempts.join_next_with_id() => {
                let task = ended.map_or_else(|error| error.id(), |(id, ())| id);
                under_way.end(task);
            }
            () = deliveries.written.notified() => {}
            () = pause => match vault.upgrade() {
                // Other nodes may have written some.
                Some(vault) => drop(deliveries.may_wait.fetch_or(vault.node().is_shared(), Ordering::SeqCst)),
                None => return,
            },
        }
    }
}
