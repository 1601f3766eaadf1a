//! A seed drives several nodes over one store: they pay, stand still, renew, sweep and die, with calendars that differ. Whatever they do, a
//! payment leaves once at most, never after it was called unknown, and nothing of a node that lives is taken over.

use std::collections::BTreeMap;
use std::sync::Arc;

use panvault_model::{NodeId, TransactionId, TransactionStatus};
use panvault_store::{Action, Store};
use panvault_testkit::SeededRandom;
use panvault_vault::limits::{
    LEASE_MARGIN_SECONDS, LEASE_SECONDS, LEASE_SKEW_SECONDS, PROCESSOR_SECONDS_MAX,
};
use panvault_vault::{Done, TransactionCreate, TransactionRow, VaultError};
use tokio::task::JoinHandle;

use crate::gate::Gate;
use crate::processors::TestProcessors;
use crate::world::{Shop, World, all_transactions, new_transaction, node};

/// Seeds of every run. `PANVAULT_TEST_SEEDS` names how many more, from 1000 on.
const SEEDS: u64 = 40;
const STEPS: usize = 150;
const NODES: usize = 3;

type Answered = Result<Done<Arc<TransactionRow>>, VaultError>;

/// A node that lives.
struct Living {
    world: World,
    id: NodeId,
    tasks: Vec<JoinHandle<Answered>>,
    /// When it last renewed its lease, in the seconds of the run.
    renewed: u64,
}

struct Run {
    seed: u64,
    dice: SeededRandom,
    shop: Shop,
    nodes: Vec<Living>,
    started: u64,
    /// Seconds since the run began, by no node's clock.
    now: u64,
    /// Of nodes that are dead too.
    processors: Vec<(NodeId, Arc<TestProcessors>)>,
    rows: BTreeMap<TransactionId, Arc<TransactionRow>>,
    left: Vec<(NodeId, TransactionId)>,
    taken_over: usize,
    not_sent: usize,
}

#[tokio::test]
async fn whatever_nodes_do_a_payment_leaves_once_and_is_settled_once() {
    #[expect(clippy::disallowed_methods, reason = "how long a test looks is no configuration of the vault")]
    let more = std::env::var("PANVAULT_TEST_SEEDS").ok().map_or(0, |count| count.parse().unwrap());
    let (mut left, mut taken_over, mut not_sent) = (0, 0, 0);
    for seed in (0..SEEDS).chain(1000..1000 + more) {
        let mut run = Run::new(seed).await;
        for _ in 0..STEPS {
            run.step().await;
            run.look().await;
        }
        let run = run.end().await;
        left += run.left.len();
        taken_over += run.taken_over;
        not_sent += run.not_sent;
    }
    assert!(left > 100 && taken_over > 100 && not_sent > 10, "{left}, {taken_over}, {not_sent}");
}

/// Lets every task go on as far as it can.
async fn settle_down() {
    for _ in 0..60 {
        tokio::task::yield_now().await;
    }
}

fn gates(world: &World) -> [&Gate; 4] {
    [&world.store.initiated, world.processors.before(), world.processors.after(), &world.store.settling]
}

impl Run {
    async fn new(seed: u64) -> Self {
        let world = World::shared().await;
        let shop = world.shop(None).await;
        let processors = vec![(node(1), Arc::clone(&world.processors))];
        let first = Living { world, id: node(1), tasks: Vec::new(), renewed: 0 };
        let mut run = Self {
            seed,
            dice: SeededRandom::new(seed),
            shop,
            nodes: vec![first],
            started: 1,
            now: 0,
            processors,
            rows: BTreeMap::new(),
            left: Vec::new(),
            taken_over: 0,
            not_sent: 0,
        };
        while run.nodes.len() < NODES {
            run.start().await;
        }
        run
    }

    /// Another node starts, whose calendar is ahead of the first one's by less than others allow for.
    async fn start(&mut self) {
        self.started += 1;
        let ahead = self.dice.below(1 + usize::try_from(LEASE_SKEW_SECONDS).unwrap()) as u64;
        let millis = (self.now + ahead) * 1000;
        let world = self.nodes[0].world.beside_later(self.started, millis).await;
        let id = node(self.started);
        self.processors.push((id, Arc::clone(&world.processors)));
        self.nodes.push(Living { world, id, tasks: Vec::new(), renewed: self.now });
    }

    async fn step(&mut self) {
        let at = self.dice.below(self.nodes.len());
        let gate = self.dice.below(4);
        let closes = self.dice.percent(60);
        let roll = self.dice.below(100);
        match roll {
            0..30 => self.pay(at).await,
            30..50 if closes => gates(&self.nodes[at].world)[gate].close(),
            30..50 => gates(&self.nodes[at].world)[gate].open(),
            50..65 => {
                let seconds = 1 + self.dice.below(60) as u64;
                self.now += seconds;
                self.nodes.iter().for_each(|living| living.world.clock.pass_millis(seconds * 1000));
            }
            65..85 => {
                let living = &mut self.nodes[at];
                living.world.vault.lease_renew().await.unwrap();
                living.renewed = self.now;
            }
            85..97 => {
                // A sweep writes outcomes too, and is waited for here.
                let vault = self.nodes[at].world.vault.clone();
                let living = &mut self.nodes[at];
                living.world.store.settling.open();
                vault.sweep().await.unwrap();
            }
            _ => {
                let dead = self.nodes.remove(at);
                dead.tasks.iter().for_each(JoinHandle::abort);
                drop(dead);
                settle_down().await;
                self.start().await;
            }
        }
        settle_down().await;
    }

    async fn pay(&mut self, at: usize) {
        let living = &mut self.nodes[at];
        let card = living.world.card(&self.shop).await;
        let permit = living.world.permit::<TransactionCreate>(&self.shop.key);
        let (vault, new) = (living.world.vault.clone(), new_transaction(self.shop.account, card, 1_000));
        living.tasks.push(tokio::spawn(async move { vault.transaction_create(&permit, new, None).await }));
    }

    async fn stored(&self) -> BTreeMap<TransactionId, Arc<TransactionRow>> {
        let mut query = all_transactions();
        query.organisations = vec![self.shop.organisation];
        let page = self.nodes[0].world.store.transaction_list(query).await.unwrap();
        page.rows.into_iter().map(|row| (row.id, row)).collect()
    }

    /// Seconds since a node last renewed its lease; `None` of one that is dead.
    fn since_renewal(&self, id: NodeId) -> Option<u64> {
        self.nodes.iter().find(|living| living.id == id).map(|living| self.now - living.renewed)
    }

    /// Holds what the last step changed against what may be.
    async fn look(&mut self) {
        let stored = self.stored().await;
        let before = core::mem::replace(&mut self.rows, stored);
        let left: Vec<_> = self
            .processors
            .iter()
            .flat_map(|(id, to)| to.left().into_iter().map(|sent| (*id, sent)))
            .collect();
        for (id, sent) in &left {
            assert_eq!(left.iter().filter(|(_, other)| other == sent).count(), 1, "{self}: sent twice");
            if self.left.contains(&(*id, *sent)) {
                continue;
            }
            let earlier = before.get(sent).map_or(TransactionStatus::Initiated, |row| row.status);
            assert_eq!(earlier, TransactionStatus::Initiated, "{self}: sent when it was over");
            assert_eq!(self.rows[sent].node, *id, "{self}: sent by another");
            let most = LEASE_SECONDS - PROCESSOR_SECONDS_MAX - LEASE_MARGIN_SECONDS;
            assert!(
                self.since_renewal(*id).is_some_and(|since| since < most),
                "{self}: sent without a lease"
            );
        }
        for (id, row) in &self.rows {
            let was = before.get(id).map_or(TransactionStatus::Initiated, |row| row.status);
            let was_sent = left.iter().any(|(_, sent)| sent == id);
            assert!(was == row.status || was == TransactionStatus::Initiated, "{self}: settled twice");
            assert_eq!(row.version == 1, row.status == TransactionStatus::Initiated, "{self}");
            match row.status {
                TransactionStatus::SettlementRequested => assert!(was_sent, "{self}: settled, not sent"),
                TransactionStatus::Unavailable => assert!(!was_sent, "{self}: sent, and it says that not"),
                TransactionStatus::Unknown if was == TransactionStatus::Initiated => {
                    let since = self.since_renewal(row.node);
                    assert!(
                        since.is_none_or(|since| since >= LEASE_SECONDS),
                        "{self}: taken from one that lives"
                    );
                    self.taken_over += 1;
                }
                TransactionStatus::Unknown | TransactionStatus::Initiated => {}
                other => panic!("{self}: {other:?}"),
            }
        }
        self.left = left;
    }

    /// All go on, or all die; and one that starts when every lease is over finds what is left.
    async fn end(mut self) -> Self {
        let dies = self.dice.percent(50);
        for at in 0..self.nodes.len() {
            if !dies {
                gates(&self.nodes[at].world).into_iter().for_each(Gate::open);
            }
            settle_down().await;
            for task in core::mem::take(&mut self.nodes[at].tasks) {
                if dies {
                    task.abort();
                    continue;
                }
                match task.await.unwrap() {
                    Ok(done) => {
                        let stored = self.stored().await;
                        assert_eq!(done.value, stored[&done.value.id], "{self}: told otherwise than stored");
                        self.not_sent += usize::from(done.value.status == TransactionStatus::Unavailable);
                    }
                    Err(VaultError::LeaseLost) => {}
                    Err(error) => panic!("{self}: {error:?}"),
                }
            }
        }
        self.look().await;
        let last = self.nodes[0]
            .world
            .beside_later(self.started + 1, (self.now + LEASE_SECONDS + 2 * LEASE_SKEW_SECONDS + 1) * 1000);
        let last = last.await;
        self.nodes.retain(|_| false);
        last.vault.sweep().await.unwrap();
        let id = node(self.started + 1);
        self.nodes.push(Living { world: last, id, tasks: Vec::new(), renewed: self.now });
        self.look().await;
        assert!(self.rows.values().all(|row| row.status != TransactionStatus::Initiated), "{self}");
        let store = &self.nodes[0].world.store;
        let nodes: Vec<_> = store.node_read_all().await.unwrap().iter().map(|row| row.id).collect();
        assert_eq!(nodes, [id], "{self}: the dead have rows");
        let mut settled = 0;
        for writer in store.audit_writers().await.unwrap() {
            let records = store.audit_read(writer, 1, usize::MAX).await.unwrap();
            settled +=
                records.iter().filter(|record| record.note.action == Action::TransactionSettle).count();
        }
        assert_eq!(settled, self.rows.len(), "{self}: a step and a note for each");
        self
    }
}

impl core::fmt::Display for Run {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "seed {}, second {}", self.seed, self.now)
    }
}
