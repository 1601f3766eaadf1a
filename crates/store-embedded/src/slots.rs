//! Lists that run at a time, and who is next. Each has a connection to the view, so that no list is in the way of a read by id.
//!
//! Slots are shared out by who asks: nobody has all of them, and one that comes free goes to whoever has fewest, of equals to whoever has
//! waited longest since the last. So lists of one organisation wait for each other, and hardly for those of another.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use panvault_model::OrganisationId;
use panvault_store::StoreFault;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::limits::{LIST_STEPS, LISTS_OF_ONE_MAX, LISTS_WAITING_MAX};
use crate::stop::Stop;
use crate::view::unreadable;

/// Who asks for a list: an organisation, or the vault itself.
type Asker = Option<OrganisationId>;

/// The slots.
pub(crate) struct Slots(Mutex<Shares>);

/// A slot that somebody has. It comes free when this goes.
pub(crate) struct Slot {
    slots: Arc<Slots>,
    asker: Asker,
    /// There until it goes.
    connection: Option<Connection>,
}

struct Shares {
    free: Vec<Connection>,
    /// Those that have a slot or wait for one.
    askers: HashMap<Asker, Share>,
    /// Counts up with everyone who gets or begins to wait.
    turn: u64,
}

/// What one asker has, and waits for.
#[derive(Default)]
struct Share {
    running: usize,
    waiting: VecDeque<oneshot::Sender<Slot>>,
    /// The turn of its last slot; of one that has had none, that in which it came.
    last: u64,
}

impl Slots {
    /// As many slots as connections.
    pub(crate) fn new(connections: Vec<Connection>) -> Self {
        Self(Mutex::new(Shares { free: connections, askers: HashMap::new(), turn: 0 }))
    }

    /// Waits for a slot. [`StoreFault::Busy`] when as many wait as may, and nobody has more of them than whoever asks: else the last of
    /// those that has most waits no longer, and is told the same. Whoever drops the future waits no longer.
    pub(crate) async fn take(self: &Arc<Self>, asker: Asker) -> Result<Slot, StoreFault> {
        let (sender, receiver) = oneshot::channel();
        self.shares().wait(asker, sender)?;
        self.share_out();
        receiver.await.map_err(|_| StoreFault::Busy)
    }

    /// Gives free slots to those that wait.
    fn share_out(self: &Arc<Self>) {
        loop {
            // Not held while a slot is handed over: it comes back at once when nobody takes it.
            let next = self.shares().next();
            let Some((asker, sender, connection)) = next else { return };
            let slot = Slot { slots: Arc::clone(self), asker, connection: Some(connection) };
            drop(sender.send(slot));
        }
    }

    fn shares(&self) -> MutexGuard<'_, Shares> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many slots are free, and how many lists wait for one.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (usize, usize) {
        let shares = self.shares();
        let waiting = shares.askers.values().flat_map(|share| &share.waiting);
        (shares.free.len(), waiting.filter(|sender| !sender.is_closed()).count())
    }
}

impl Shares {
    /// Puts one behind those of its asker.
    fn wait(&mut self, asker: Asker, sender: oneshot::Sender<Slot>) -> Result<(), StoreFault> {
        if self.waiting() >= LISTS_WAITING_MAX {
            self.forget_gone();
        }
        if self.waiting() >= LISTS_WAITING_MAX {
            let own = self.askers.get(&asker).map_or(0, |share| share.waiting.len());
            let most = self.askers.values_mut().max_by_key(|share| share.waiting.len());
            let most = most.filter(|share| share.waiting.len() > own + 1).ok_or(StoreFault::Busy)?;
            drop(most.waiting.pop_back());
        }
        self.turn += 1;
        let turn = self.turn;
        let share = self.askers.entry(asker).or_insert_with(|| Share { last: turn, ..Share::default() });
        share.waiting.push_back(sender);
        Ok(())
    }

    fn waiting(&self) -> usize {
        self.askers.values().map(|share| share.waiting.len()).sum()
    }

    /// Forgets those that wait no longer.
    fn forget_gone(&mut self) {
        self.askers.values_mut().for_each(|share| share.waiting.retain(|sender| !sender.is_closed()));
        self.askers.retain(|_, share| share.running > 0 || !share.waiting.is_empty());
    }

    /// Who gets a free slot next.
    fn next(&mut self) -> Option<(Asker, oneshot::Sender<Slot>, Connection)> {
        if self.free.is_empty() {
            return None;
        }
        self.forget_gone();
        let may = self
            .askers
            .iter_mut()
            .filter(|(_, share)| share.running < LISTS_OF_ONE_MAX && !share.waiting.is_empty());
        let (asker, share) = may.min_by_key(|(_, share)| (share.running, share.last))?;
        let (asker, sender) = (*asker, share.waiting.pop_front()?);
        let connection = self.free.pop()?;
        share.running += 1;
        self.turn += 1;
        share.last = self.turn;
        Some((asker, sender, connection))
    }

    fn give_back(&mut self, asker: Asker, connection: Connection) {
        self.free.push(connection);
        if let Some(share) = self.askers.get_mut(&asker) {
            share.running = share.running.saturating_sub(1);
        }
    }
}

impl Slot {
    /// Asks the view, and ends with [`StoreFault::TimedOut`] soon after `stop` was told.
    pub(crate) fn ask<T>(
        &mut self,
        stop: &Stop,
        ask: impl FnOnce(&Connection) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        stop.check()?;
        let connection = self.connection.as_mut().ok_or(StoreFault::Read("no connection is free"))?;
        let told = stop.clone();
        connection.progress_handler(LIST_STEPS, Some(move || told.is_told())).map_err(unreadable)?;
        let answer = ask(connection);
        connection.progress_handler(0, None::<fn() -> bool>).map_err(unreadable)?;
        answer
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.slots.shares().give_back(self.asker, connection);
            self.slots.share_out();
        }
    }
}
