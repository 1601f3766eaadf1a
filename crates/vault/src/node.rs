//! Which node this is: the transactions that it has in hand, and how long nobody else takes them over.

mod alone;
mod duty;
mod lease;
mod read;
mod renew;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use panvault_model::{Id, IdHash, NodeId, Now, Timestamp};
use panvault_processor::Clearance;
use panvault_store::NodePart;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::error::VaultError;
use crate::node::duty::Duty;
use crate::node::lease::Lease;

pub(crate) use duty::Nodes;
pub(crate) use lease::{has_run_out, is_there};
pub use read::{NodesView, nodes_there};

/// A process that serves the vault. Where it is the only one there is no lease: nobody else is there to take anything over.
pub(crate) struct Node {
    id: NodeId,
    /// A node that has ended, though its row may still be there.
    predecessor: Option<NodeId>,
    started_at: Timestamp,
    part: NodePart,
    is_shared: bool,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Told when another serves, where there may be one.
    not_alone: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    /// The last that was written down, run out or not.
    lease: Option<Lease>,
    /// Transactions and refunds, by how many tasks: of those that want one at once, one may have it longer than the others.
    in_hand: HashMap<Id, u32, IdHash>,
    is_stopping: bool,
    /// The vault is sealed: nothing is begun, and nothing sent that is not on its way.
    is_sealed: bool,
    /// The lease was lost, and the trail does not tell of it yet.
    is_loss_untold: bool,
    /// When it was last held against the clock that nodes share, the calendar here was another.
    has_wrong_calendar: bool,
    duty: Option<Duty>,
    /// Nodes that lived when it was last looked, this one among them.
    alive: u64,
    /// Version of the predecessor's row when this node began.
    predecessor_version: Option<u32>,
    /// Number of the last checkpoint of the audit trail that this node has seen.
    checkpoint: u32,
}

impl Node {
    /// A node with nothing in hand and no lease yet.
    pub(crate) fn new(
        id: NodeId,
        predecessor: Option<NodeId>,
        part: NodePart,
        is_shared: bool,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (started_at, not_alone) = (clock.now().wall, watch::Sender::new(false));
        Self { id, predecessor, started_at, part, is_shared, clock, state: Mutex::default(), not_alone }
    }

    pub(crate) const fn id(&self) -> NodeId {
        self.id
    }

    /// Whether other nodes may be there.
    pub(crate) const fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Takes a transaction or refund in hand, before anything is written of it. [`VaultError::LeaseLost`] when it could not be sent any more.
    pub(crate) fn take(self: &Arc<Self>, id: Id) -> Result<InHand, VaultError> {
        let mut state = self.state();
        if state.is_sealed {
            return Err(VaultError::Sealed);
        }
        let term = self.term(&state).ok_or(VaultError::LeaseLost)?;
        *state.in_hand.entry(id).or_default() += 1;
        Ok(InHand { node: Arc::clone(self), id, term })
    }

    /// Takes nothing in hand from here on.
    pub(crate) fn stops(&self) {
        self.state().is_stopping = true;
    }

    /// Begins nothing from here on, and sends nothing that is not on its way.
    pub(crate) fn seal(&self) {
        self.state().is_sealed = true;
    }

    /// Whether no task of this process has anything in hand.
    pub(crate) fn has_nothing_in_hand(&self) -> bool {
        self.state().in_hand.is_empty()
    }

    /// Whether a task of this process has the transaction or refund.
    pub(crate) fn has_in_hand(&self, id: Id) -> bool {
        self.state().in_hand.contains_key(&id)
    }

    /// Whether transactions are refused for want of a lease.
    pub(crate) fn is_lease_lost(&self) -> bool {
        self.term(&self.state()).is_none()
    }

    /// How it stands with the others; `None` where there can be none.
    pub(crate) fn status(&self, documents_age_millis: u64) -> Option<NodeStatus> {
        if !self.is_shared {
            return None;
        }
        let (state, now) = (self.state(), self.clock.now());
        Some(NodeStatus {
            lease_millis: state.lease.as_ref().map_or(0, |lease| lease.millis_left(now)),
            has_duty: state.duty.is_some_and(|duty| duty.is_ours),
            alive: state.alive,
            documents_age_millis,
        })
    }

    /// Notes a checkpoint of the audit trail, unless there was a later one.
    pub(crate) fn checkpoint_seen(&self, number: u32) -> bool {
        let mut state = self.state();
        let is_next = number >= state.checkpoint;
        state.checkpoint = state.checkpoint.max(number);
        is_next
    }

    /// The term under which something can be sent now.
    fn term(&self, state: &State) -> Option<u64> {
        if !self.is_shared {
            return Some(0);
        }
        let takes = !state.is_stopping && !state.has_wrong_calendar && !*self.not_alone.borrow();
        let lease = state.lease.as_ref().filter(|_| takes)?;
        lease.covers_a_send(self.clock.now()).then_some(lease.term)
    }

    /// Whether this node does what one does for all, where the duty is of `first`.
    fn duty_falls(&self, first: Option<NodeId>) -> bool {
        let state = self.state();
        first == Some(self.id) && !state.has_wrong_calendar && !state.is_stopping && !state.is_sealed
    }

    /// Notes whether the calendar here is another than the clock that nodes share.
    fn calendar_is_wrong(&self, is_wrong: bool) {
        self.state().has_wrong_calendar = is_wrong;
    }

    /// Whether what was taken in hand in a term may still be sent. A node that stops sends what it has.
    fn may_send(&self, term: u64) -> bool {
        let state = self.state();
        if state.is_sealed {
            return false;
        }
        !self.is_shared
            || state
                .lease
                .as_ref()
                .is_some_and(|lease| lease.term == term && lease.covers_a_send(self.clock.now()))
    }

    /// Whether the lease runs, and that it was lost before, if it was, is in the audit trail.
    fn goes_on(&self, now: Now) -> bool {
        let state = self.state();
        !state.is_loss_untold && state.lease.is_some_and(|lease| lease.has_left(0, now))
    }

    /// Takes up the lease of a row that was `asked` to be written and is durable now.
    fn renewed(&self, version: u32, asked: Now, anew: bool) {
        let mut state = self.state();
        let before = state.lease;
        // Of renewals that overtake each other the later one stands.
        if anew || before.is_none_or(|before| before.version < version) {
            let lease = Lease::after(before, version, asked, self.clock.now(), anew);
            let is_lost = before.is_some_and(|before| before.term != lease.term);
            // One that was asked for in time and came too late was no commit; the next is.
            state.is_loss_untold = is_lost && !anew && before.is_some_and(|before| before.has_left(0, asked));
            if is_lost {
                let advice = "see why it could not be renewed in time, or why the clock jumped; transactions that were under way are not sent";
                tracing::warn!(node.id = %self.id, advice, "node.lease_was_lost");
            }
            state.lease = Some(lease);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How it stands with a node that is one of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Milliseconds that are left of its lease, by its own clocks; 0 where it has none.
    pub lease_millis: u64,
    /// Whether it does what one does for all, when it was last looked.
    pub has_duty: bool,
    /// Nodes that lived then, this one among them.
    pub alive: u64,
    /// Milliseconds since its documents were seen to be those of the store.
    pub documents_age_millis: u64,
}

/// A transaction or refund that a task of this node has in hand, until this is dropped.
pub(crate) struct InHand {
    node: Arc<Node>,
    id: Id,
    term: u64,
}

impl Clearance for InHand {
    fn is_given(&self) -> bool {
        self.node.may_send(self.term)
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        let mut state = self.node.state();
        if let Entry::Occupied(mut tasks) = state.in_hand.entry(self.id) {
            *tasks.get_mut() = tasks.get().saturating_sub(1);
            if *tasks.get() == 0 {
                tasks.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use panvault_model::Now;

    use super::*;
    use crate::limits::LEASE_SECONDS;

    /// A clock that shows what it is set to.
    #[derive(Default)]
    struct Set(Mutex<u64>);

    impl Set {
        fn millis(&self) -> MutexGuard<'_, u64> {
            self.0.lock().unwrap()
        }
    }

    impl Clock for Set {
        fn now(&self) -> Now {
            let millis = *self.millis();
            Now { wall: Timestamp::from_unix_millis(millis), monotonic_millis: millis }
        }
    }

    fn node(is_shared: bool) -> (Arc<Node>, Arc<Set>) {
        let (part, clock) = (NodePart { serves: true, cvvs_in_process: false }, Arc::new(Set::default()));
        let id = NodeId::from_bytes([1; 12]);
        (Arc::new(Node::new(id, None, part, is_shared, Arc::clone(&clock) as Arc<dyn Clock>)), clock)
    }

    const SOMETHING: Id = Id::from_bytes([2; 12]);

    /// Of two that want one transaction, who gives up first does not leave it to the sweep while the other sends.
    #[test]
    fn what_two_tasks_have_is_in_hand_until_both_have_ended() {
        let (node, _) = node(false);
        let (first, second) = (node.take(SOMETHING).ok(), node.take(SOMETHING).ok());
        assert!(first.is_some() && second.is_some());
        drop(first);
        assert!(node.has_in_hand(SOMETHING));
        drop(second);
        assert!(!node.has_in_hand(SOMETHING));
    }

    /// The answer to the earlier one comes later.
    #[test]
    fn of_renewals_that_overtake_each_other_the_later_one_stands() {
        let (node, clock) = node(true);
        node.renewed(1, clock.now(), true);
        let earlier = clock.now();
        *clock.millis() += 60_000;
        node.renewed(3, clock.now(), false);
        let left = node.state().lease.map(|lease| lease.millis_left(clock.now()));
        node.renewed(2, earlier, false);
        let lease = node.state().lease.unwrap();
        assert_eq!((lease.version, Some(lease.millis_left(clock.now()))), (3, left));
    }

    #[test]
    fn with_a_wrong_calendar_nothing_is_taken_in_hand() {
        let (node, clock) = node(true);
        node.renewed(1, clock.now(), true);
        assert!(node.take(SOMETHING).is_ok());
        node.calendar_is_wrong(true);
        assert!(matches!(node.take(SOMETHING), Err(VaultError::LeaseLost)));
        assert!(!node.duty_falls(Some(node.id)));
        node.calendar_is_wrong(false);
        assert!(node.take(SOMETHING).is_ok());
        assert!(node.duty_falls(Some(node.id)));
        assert!(!node.duty_falls(Some(NodeId::from_bytes([0; 12]))) && !node.duty_falls(None));
        node.state().is_stopping = true;
        assert!(!node.duty_falls(Some(node.id)), "who stops begins nothing for the others");
    }

    /// A renewal without a record in the trail goes on only where nothing is to be told.
    #[test]
    fn a_lease_that_was_lost_is_for_the_trail_to_tell() {
        let (node, clock) = node(true);
        node.renewed(1, clock.now(), true);
        assert!(node.goes_on(clock.now()));
        let asked = clock.now();
        *clock.millis() += LEASE_SECONDS * 1000;
        node.renewed(2, asked, false);
        assert!(!node.goes_on(clock.now()), "it was asked for in time and came too late");
        node.renewed(3, clock.now(), false);
        assert!(node.goes_on(clock.now()));
    }
}
