//! What runs at a time of what may take long, such as lists, and who is next.
//!
//! Slots are shared out by who asks: nobody has all of them, and one that comes free goes to whoever has fewest, of equals to whoever has
//! waited longest since the last. So what one
//! organisation asks for waits for itself, and hardly for what another does.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use panvault_model::OrganisationId;
use tokio::sync::oneshot;

use crate::store::StoreFault;

/// Who asks: an organisation, or the vault itself.
type Asker = Option<OrganisationId>;

/// The slots, each with something that is worked with in it.
pub struct Slots<R> {
    shares: Mutex<Shares<R>>,
    limits: SlotLimits,
}

/// How slots are shared out.
#[derive(Clone, Copy, Debug)]
pub struct SlotLimits {
    /// Slots that one asker has at a time; the rest is for others.
    pub of_one_max: usize,
    /// Askers that wait for a slot.
    pub waiting_max: usize,
}

/// A slot that somebody has. It comes free when this goes.
pub struct Slot<R> {
    slots: Arc<Slots<R>>,
    asker: Asker,
    /// There until it goes.
    held: Option<R>,
}

struct Shares<R> {
    free: Vec<R>,
    /// Those that have a slot or wait for one.
    askers: HashMap<Asker, Share<R>>,
    /// Counts up with everyone who gets or begins to wait.
    turn: u64,
}

/// What one asker has, and waits for.
struct Share<R> {
    running: usize,
    waiting: VecDeque<oneshot::Sender<Slot<R>>>,
    /// The turn of its last slot; of one that has had none, that in which it came.
    last: u64,
}

impl<R> Slots<R> {
    /// As many slots as there is to work with.
    pub fn new(free: Vec<R>, limits: SlotLimits) -> Self {
        Self { shares: Mutex::new(Shares { free, askers: HashMap::new(), turn: 0 }), limits }
    }

    /// Waits for a slot. [`StoreFault::Busy`] when as many wait as may, and nobody has more of them than whoever asks: else the last of
    /// those that has most waits no longer, and is told the same. Whoever drops the future waits no longer.
    pub async fn take(self: &Arc<Self>, asker: Option<OrganisationId>) -> Result<Slot<R>, StoreFault> {
        let (sender, receiver) = oneshot::channel();
        self.shares().wait(asker, sender, self.limits)?;
        self.share_out();
        receiver.await.map_err(|_| StoreFault::Busy)
    }

    /// Gives free slots to those that wait.
    fn share_out(self: &Arc<Self>) {
        loop {
            // Not held while a slot is handed over: it comes back at once when nobody takes it.
            let next = self.shares().next(self.limits);
            let Some((asker, sender, held)) = next else { return };
            let slot = Slot { slots: Arc::clone(self), asker, held: Some(held) };
            drop(sender.send(slot));
        }
    }

    fn shares(&self) -> MutexGuard<'_, Shares<R>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many slots are free, and how many wait for one.
    pub fn counts(&self) -> (usize, usize) {
        let shares = self.shares();
        let waiting = shares.askers.values().flat_map(|share| &share.waiting);
        (shares.free.len(), waiting.filter(|sender| !sender.is_closed()).count())
    }
}

impl<R> Shares<R> {
    /// Puts one behind those of its asker.
    fn wait(
        &mut self,
        asker: Asker,
        sender: oneshot::Sender<Slot<R>>,
        limits: SlotLimits,
    ) -> Result<(), StoreFault> {
        if self.waiting() >= limits.waiting_max {
            self.forget_gone();
        }
        if self.waiting() >= limits.waiting_max {
            let own = self.askers.get(&asker).map_or(0, |share| share.waiting.len());
            let most = self.askers.values_mut().max_by_key(|share| share.waiting.len());
            let most = most.filter(|share| share.waiting.len() > own + 1).ok_or(StoreFault::Busy)?;
            drop(most.waiting.pop_back());
        }
        self.turn += 1;
        let turn = self.turn;
        let share = self.askers.entry(asker).or_insert_with(|| Share {
            running: 0,
            waiting: VecDeque::new(),
            last: turn,
        });
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
    fn next(&mut self, limits: SlotLimits) -> Option<(Asker, oneshot::Sender<Slot<R>>, R)> {
        if self.free.is_empty() {
            return None;
        }
        self.forget_gone();
        let may = self
            .askers
            .iter_mut()
            .filter(|(_, share)| share.running < limits.of_one_max && !share.waiting.is_empty());
        let (asker, share) = may.min_by_key(|(_, share)| (share.running, share.last))?;
        let (asker, sender) = (*asker, share.waiting.pop_front()?);
        let held = self.free.pop()?;
        share.running += 1;
        self.turn += 1;
        share.last = self.turn;
        Some((asker, sender, held))
    }

    fn give_back(&mut self, asker: Asker, held: R) {
        self.free.push(held);
        if let Some(share) = self.askers.get_mut(&asker) {
            share.running = share.running.saturating_sub(1);
        }
    }
}

impl<R> Slot<R> {
    /// What is worked with.
    pub const fn held(&mut self) -> Option<&mut R> {
        self.held.as_mut()
    }
}

impl<R> Drop for Slot<R> {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            self.slots.shares().give_back(self.asker, held);
            self.slots.share_out();
        }
    }
}

#[cfg(test)]
mod tests {
    use core::task::{Context, Waker};

    use tokio::sync::mpsc;

    use super::*;

    const LIMITS: SlotLimits = SlotLimits { of_one_max: 1, waiting_max: 9 };

    fn asked_by(n: u8) -> Asker {
        Some(OrganisationId::from_bytes([n; 12]))
    }

    /// Slots go round: whoever has fewest is next, of equals whoever had none for longest.
    #[tokio::test]
    async fn a_slot_goes_to_whoever_has_fewest() {
        let slots = Arc::new(Slots::new(vec![(); 2], LIMITS));
        let (order, mut served) = mpsc::unbounded_channel();
        let held = [slots.take(None).await.unwrap(), slots.take(asked_by(9)).await.unwrap()];
        let tasks: Vec<_> = [1, 1, 1, 1, 2, 2, 3]
            .into_iter()
            .map(|n| {
                let (slots, order) = (Arc::clone(&slots), order.clone());
                async move {
                    let slot = slots.take(asked_by(n)).await.unwrap();
                    order.send(n).unwrap();
                    drop(slot);
                }
            })
            .map(tokio::spawn)
            .collect();
        while slots.counts().1 < tasks.len() {
            tokio::task::yield_now().await;
        }
        drop(held);
        for task in tasks {
            task.await.unwrap();
        }
        let mut orders = Vec::new();
        while let Ok(n) = served.try_recv() {
            orders.push(n);
        }
        assert_eq!(orders, [1, 2, 3, 1, 2, 1, 1]);
        assert_eq!(slots.counts(), (2, 0));
    }

    /// The last of whoever has most in the queue makes room for one who has fewer.
    #[tokio::test]
    async fn a_full_queue_has_room_for_whoever_has_fewer() {
        let slots = Arc::new(Slots::<()>::new(Vec::new(), LIMITS));
        let mut waiting: Vec<_> =
            (0..LIMITS.waiting_max).map(|_| Box::pin(slots.take(asked_by(1)))).collect();
        let mut context = Context::from_waker(Waker::noop());
        for wait in &mut waiting {
            assert!(wait.as_mut().poll(&mut context).is_pending());
        }
        assert_eq!(slots.take(asked_by(1)).await.err(), Some(StoreFault::Busy));
        let mut other = Box::pin(slots.take(asked_by(2)));
        assert!(other.as_mut().poll(&mut context).is_pending());
        assert_eq!(waiting.pop().unwrap().await.err(), Some(StoreFault::Busy));
        assert_eq!(slots.counts(), (0, LIMITS.waiting_max));
        // One that waits no longer makes room too.
        drop(waiting.pop());
        let mut another = Box::pin(slots.take(asked_by(1)));
        assert!(another.as_mut().poll(&mut context).is_pending());
        assert_eq!(slots.counts(), (0, LIMITS.waiting_max));
    }
}
