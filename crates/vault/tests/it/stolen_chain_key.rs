//! Whoever has the database, and a key of the chain that another took the place of, writes steps that verify. None of them is taken for what the vault wrote.

use core::time::Duration;
use std::sync::Arc;

use panvault_keys::{KeyMode, KeyState, VaultKeys, VaultPurpose};
use panvault_model::{Id, OrganisationId, RequestId};
use panvault_store::checkpoint::AuditEnd;
use panvault_store::{
    Action, AuditNote, CardRow, Chain, CheckoutRow, Commit, CustomerRow, DeliveryRow, DocumentKind, Outcome,
    RefundRow, Store, StoreFault, TransactionRow,
};
use panvault_store_postgres::{Database, Password, PostgresSettings, PostgresStore, PostgresUrl};
use panvault_testkit::servers::{Postgres, PostgresDatabase, PostgresVersion};
use panvault_testkit::{SharedCvvs, TestClock, operator, root_key, vault_header};
use panvault_vault::limits::{AUDIT_END_SECONDS, CHAIN_KEY_FOLLOWED_SECONDS};
use panvault_vault::{
    AuditList, AuditQuery, AuditRead, HeaderPlace, RefusedTrail, StoreChain, VaultError, VaultParts,
    keys_as_documents_say, restore_writer, trail_examine,
};

use crate::intruder::Intruder;
use crate::vault_rotation::{AT, Place, change, entropy, states};
use crate::world::{Shop, VAULT, World, node};

const CHAIN: VaultPurpose = VaultPurpose::AuditChain;
const REPLACED: [KeyState; 2] = [KeyState::OpenOnly, KeyState::Active];

/// A database, and what nodes over it have in common.
struct Home {
    postgres: Arc<Postgres>,
    database: PostgresDatabase,
    header: Arc<Place>,
    clock: Arc<TestClock>,
    cvvs: Arc<SharedCvvs>,
}

impl Home {
    fn new() -> Self {
        let postgres = Postgres::shared(PostgresVersion::V15);
        let (database, clock) = (postgres.database(), Arc::new(TestClock::new()));
        let cvvs = Arc::new(SharedCvvs::by(10_000, Arc::clone(&clock)));
        Self { postgres, database, header: Place::of(&vault_header(VAULT, 1)), clock, cvvs }
    }

    async fn connect(&self) -> Database {
        let url = PostgresUrl::parse(&self.database.url).unwrap();
        let password = Password::new(self.database.password.clone().into());
        let database = Database::connect(PostgresSettings::new(url, Some(password))).await.unwrap();
        database.migrate().await.unwrap();
        database
    }

    /// The keys of now.
    fn keys(&self) -> VaultKeys {
        self.header.header().open(&root_key(1), VAULT, KeyMode::Test).unwrap()
    }

    fn sql(&self, statements: &str) -> String {
        self.postgres.sql(&self.database.name, statements)
    }

    /// The nth node, with the keys of now.
    async fn serve(&self, n: u64) -> World {
        let (header, root) = (self.header.header(), root_key(1));
        let keys = header.open(&root, VAULT, KeyMode::Test).unwrap();
        let store = PostgresStore::open(self.connect().await, Arc::new(StoreChain::new(&keys)), node(n));
        let store = Arc::new(Intruder::over(Arc::new(store.await.unwrap())));
        let handed = Some(header.hand_over(&root, &entropy(70 + n)).unwrap());
        let header_place = Some(Arc::clone(&self.header) as Arc<dyn HeaderPlace>);
        let of = |parts| VaultParts { keys, header_place, handed, ..parts };
        let (clock, cvvs) = (Arc::clone(&self.clock), Some(Arc::clone(&self.cvvs)));
        World::sharing_of(store, clock, cvvs, n, of).await
    }

    /// Another key of the chain takes the place of the first.
    async fn rotate(&self, nodes: &[&World]) {
        let header = self.header.header();
        let next = header.key_make(&root_key(1), CHAIN, AT, &entropy(9)).unwrap();
        change(&nodes[0].vault, 1, &next, &root_key(1)).await.unwrap();
        while states(&nodes[0].vault, 1, CHAIN) != REPLACED {
            for world in nodes {
                world.vault.documents_follow().await.unwrap();
            }
            for world in nodes {
                world.vault.keys_rotate().await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Writes so many records under the first key in the name of a node, behind what is there of its chain.
    async fn forge(&self, n: u64, first: Action, count: u64) {
        let keys = self.keys();
        let chain = Arc::new(Thief(StoreChain::new(&keys)));
        let store = PostgresStore::open(self.connect().await, chain, node(n)).await.unwrap();
        for nth in 0..count {
            let action = if nth == 0 { first } else { Action::CardUpdate };
            assert!(matches!(store.commit(record(action)).await, Ok(Outcome::Done { .. })));
        }
        store.close().await.unwrap();
    }
}

/// Waits for no state: the vault does it when it is asked to.
async fn checkpoints(world: &World) {
    for _ in 0..3 {
        world.vault.audit_checkpoint().await.unwrap();
    }
}

async fn findings(world: &World, home: &Home) -> Vec<String> {
    let keys = home.keys();
    keys_as_documents_say(&*world.store, &keys).await.unwrap();
    trail_examine(&*world.store, &keys).await.unwrap().findings
}

/// Places of the records of a node that whoever may see all is shown.
async fn shown(world: &World, n: u64) -> Vec<u64> {
    let permit = operator(&world.vault, 1).permit::<AuditList>().unwrap();
    let listed = world.vault.audit_list(&permit, &AuditQuery::newest(Vec::new(), 1_000)).await.unwrap();
    let mut places: Vec<_> =
        listed.iter().filter(|record| record.writer == node(n)).map(|record| record.place).collect();
    places.sort_unstable();
    places
}

async fn end(world: &World, n: u64) -> u64 {
    world.store.audit_ends(vec![node(n)]).await.unwrap()[0]
}

/// What writes a record, and nothing else.
fn record(action: Action) -> Commit {
    let audit = AuditNote {
        at: AT,
        action,
        actor: None,
        organisation: OrganisationId::from_bytes([0; 12]),
        object: Id::from_bytes([0; 12]),
        request: RequestId::from_bytes([0; 12]),
        address: [0; 16],
        outcome: 0,
        counted: None,
    };
    Commit { claim: None, expects: Vec::new(), effects: Vec::new(), audit }
}

/// Chains with the first key, whichever is the key of now.
struct Thief(StoreChain);

impl Chain for Thief {
    fn version(&self, _least: u16) -> u16 {
        1
    }

    fn digest(&self, bytes: &[u8]) -> [u8; 32] {
        self.0.digest(bytes)
    }

    fn tag(&self, version: u16, parts: &[&[u8]]) -> Option<[u8; 32]> {
        self.0.tag(version, parts)
    }

    fn is_later(&self, version: u16) -> bool {
        self.0.is_later(version)
    }

    fn mark(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.0.mark(parts)
    }

    fn member_hash(&self, set: &[u8; 16], member: &[u8; 16]) -> [u8; 16] {
        self.0.member_hash(set, member)
    }

    fn card_is_ours(&self, row: &CardRow) -> bool {
        self.0.card_is_ours(row)
    }

    fn transaction_is_ours(&self, row: &TransactionRow) -> bool {
        self.0.transaction_is_ours(row)
    }

    fn refund_is_ours(&self, row: &RefundRow) -> bool {
        self.0.refund_is_ours(row)
    }

    fn customer_is_ours(&self, row: &CustomerRow) -> bool {
        self.0.customer_is_ours(row)
    }

    fn checkout_is_ours(&self, row: &CheckoutRow) -> bool {
        self.0.checkout_is_ours(row)
    }

    fn delivery_is_ours(&self, row: &DeliveryRow) -> bool {
        self.0.delivery_is_ours(row)
    }
}

/// Two nodes, of which the second has written some records and has ended, with a checkpoint behind it; and the key of the chain was replaced since.
async fn one_has_ended(home: &Home) -> (World, Shop) {
    let (one, two) = (home.serve(1).await, home.serve(2).await);
    let shop = one.shop(None).await;
    two.vault.documents_follow().await.unwrap();
    for _ in 0..3 {
        two.card(&shop).await;
    }
    two.vault.close().await.unwrap();
    checkpoints(&one).await;
    home.rotate(&[&one]).await;
    checkpoints(&one).await;
    (one, shop)
}

#[tokio::test]
async fn a_chain_that_is_over_and_was_rewritten_under_the_key_before_is_found() {
    let home = Home::new();
    let (one, _) = one_has_ended(&home).await;
    assert_eq!(findings(&one, &home).await, Vec::<String>::new(), "the control");
    let last = end(&one, 2).await;
    for from in [last, 2, 1] {
        home.sql("DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT * FROM audit");
        home.sql(&format!("DELETE FROM audit WHERE writer = '\\x{}' AND place >= {from}", node(2)));
        let first = if from == 1 { Action::NodeStart } else { Action::CardUpdate };
        home.forge(2, first, last + 1 - from).await;
        let read = one.store.audit_read(node(2), 1, usize::MAX).await.unwrap();
        assert_eq!(read.len() as u64, last, "by its chain alone it is whole");
        let said =
            format!("the trail of node {} was rewritten: record {last} is another than it was", node(2));
        let found = findings(&one, &home).await;
        assert!(found.contains(&said), "from {from}: {found:?}");
        assert_eq!(shown(&one, 2).await, Vec::<u64>::new());
        assert_eq!(one.vault.trail_refused(), [RefusedTrail::Rewritten { writer: node(2), place: last }]);
        home.sql("DELETE FROM audit; INSERT INTO audit SELECT * FROM kept");
        assert_eq!(shown(&one, 2).await, (1..=last).collect::<Vec<_>>());
        assert_eq!(findings(&one, &home).await, Vec::<String>::new());
    }
    // The whole of it with the step that keeps it closed, and more records behind.
    home.sql(&format!("DELETE FROM audit WHERE writer = '\\x{}' AND count = 0", node(2)));
    home.forge(2, Action::CardUpdate, 2).await;
    let said = format!("the trail of node {} ended at record {last}, and goes on behind it", node(2));
    assert!(findings(&one, &home).await.contains(&said));
    assert_eq!(shown(&one, 2).await, (1..=last).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_chain_of_a_node_that_never_was_is_named_and_neither_shown_nor_retired() {
    let home = Home::new();
    let (one, _) = one_has_ended(&home).await;
    assert!(one.vault.trail_refused().is_empty());
    // One that comes first in all orders, and says that the vault was made of a backup.
    home.forge(0, Action::NodeStart, 3).await;
    assert_eq!(
        one.store.audit_read(node(0), 1, 10).await.unwrap().len(),
        3,
        "by its chain alone it is whole"
    );
    assert_eq!(shown(&one, 0).await, Vec::<u64>::new());
    assert_eq!(one.vault.trail_refused(), [RefusedTrail::Unknown(node(0))]);
    assert_eq!(one.vault.trail_refused()[0].writer(), node(0));
    assert!(!shown(&one, 1).await.is_empty() && !shown(&one, 2).await.is_empty(), "the control");
    let permit = operator(&one.vault, 1).permit::<AuditRead>().unwrap();
    assert!(matches!(one.vault.audit_read(&permit, node(0), 1).await, Err(VaultError::NotFound(_))));
    assert!(one.vault.audit_read(&permit, node(2), 1).await.is_ok(), "the control");
    let said = format!("the trail of node {} is named by no other", node(0));
    assert!(findings(&one, &home).await.contains(&said));
    assert_eq!(restore_writer(&*one.store, &home.keys()).await.unwrap(), Some(node(1)));
    one.vault.audit_retire(0).await.unwrap();
    let begins = one.store.document_read_many(vec![(DocumentKind::AuditStart, node(0).0)]).await.unwrap();
    assert!(begins[0].is_none());
    home.sql(&format!("DELETE FROM audit WHERE writer = '\\x{}'", node(0)));
    shown(&one, 0).await;
    assert!(one.vault.trail_refused().is_empty());
}

/// An end of before is genuine, and so is the chain up to there.
#[tokio::test]
async fn an_end_that_is_put_back_to_one_of_before_is_found() {
    let home = Home::new();
    let (one, _) = one_has_ended(&home).await;
    let last = end(&one, 2).await;
    let kept = home.sql(&format!("SELECT encode(row, 'hex') FROM document WHERE substr(row, 1, 2) = '\\x020a' AND substr(row, 3, 12) = '\\x{}'", node(2)));
    assert!(!kept.is_empty());
    // It is opened under the same name, as a restore does.
    let two = home.serve(2).await;
    assert!(matches!(two.store.commit(record(Action::CardUpdate)).await, Ok(Outcome::Done { .. })));
    two.vault.close().await.unwrap();
    checkpoints(&one).await;
    assert!(end(&one, 2).await > last);
    assert_eq!(findings(&one, &home).await, Vec::<String>::new(), "the control");
    home.sql(&format!("DELETE FROM audit WHERE writer = '\\x{}' AND place > {last}", node(2)));
    home.sql(&format!(
        "UPDATE document SET version = 1, row = '\\x{kept}' WHERE substr(row, 1, 2) = '\\x020a' AND substr(row, 3, 12) = '\\x{}'",
        node(2)
    ));
    let found = findings(&one, &home).await;
    let said = "the ends of trails are those after 1 changes, and the checkpoint tells of 2";
    assert!(found.iter().any(|finding| finding == said), "{found:?}");
}

/// A node that is quiet has not chained with the key of now yet.
#[tokio::test]
async fn a_chain_that_goes_on_under_the_key_before_counts_up_to_there() {
    let home = Home::new();
    let (one, two) = (home.serve(1).await, home.serve(2).await);
    one.shop(None).await;
    home.rotate(&[&one, &two]).await;
    let steps = CHAIN_KEY_FOLLOWED_SECONDS / 30 + 1;
    for _ in 0..steps {
        home.clock.pass_millis(30_000);
        for world in [&one, &two] {
            world.vault.lease_renew().await.unwrap();
            world.vault.documents_follow().await.unwrap();
        }
    }
    checkpoints(&one).await;
    let last = end(&one, 2).await;
    assert_eq!(one.store.chain_key(node(2), last).await, Ok(Some(1)), "it has written nothing since");
    assert_eq!(findings(&one, &home).await, Vec::<String>::new(), "the control");
    home.forge(2, Action::CardUpdate, 3).await;
    assert_eq!(one.store.audit_read(node(2), 1, 100).await.unwrap().len() as u64, last + 3);
    checkpoints(&one).await;
    let said = RefusedTrail::EarlierKey { writer: node(2), place: last + 1 };
    assert!(findings(&one, &home).await.contains(&said.to_string()));
    assert_eq!(shown(&one, 2).await, (1..=last).collect::<Vec<_>>());
    assert_eq!(one.vault.trail_refused(), [said]);
    assert_eq!(
        two.store.commit(record(Action::CardUpdate)).await,
        Err(StoreFault::Stopped),
        "who sees it too"
    );
}

/// The last record of a chain that is over stays for ever, and keeps no key: also where whoever gives its step to the next dies on the way.
#[tokio::test]
async fn the_last_step_of_a_chain_that_is_over_is_given_to_the_key_of_now() {
    let home = Home::new();
    let (one, two) = (home.serve(1).await, home.serve(2).await);
    let shop = one.shop(None).await;
    two.vault.documents_follow().await.unwrap();
    two.card(&shop).await;
    let away = Arc::clone(&two.store);
    one.vault.audit_checkpoint().await.unwrap();
    // Nobody hears of it any more.
    home.rotate(&[&one]).await;
    for _ in 0..AUDIT_END_SECONDS / 60 + 1 {
        home.clock.pass_millis(60_000);
        one.vault.lease_renew().await.unwrap();
        one.vault.documents_follow().await.unwrap();
    }
    one.vault.sweep().await.unwrap();
    checkpoints(&one).await;
    let last = end(&one, 2).await;
    assert_eq!(one.store.chain_key(node(2), last).await, Ok(Some(1)));
    assert_eq!(away.commit(record(Action::CardUpdate)).await, Err(StoreFault::Stopped), "it is closed");
    assert_eq!(findings(&one, &home).await, Vec::<String>::new());

    let ended = async || {
        let key = (DocumentKind::AuditEnd, node(2).0);
        let row = one.store.document_read_many(vec![key]).await.unwrap().remove(0).unwrap();
        (row.version, AuditEnd::decode(&row.body).unwrap().next.is_some())
    };
    assert_eq!(ended().await, (1, false));
    one.store.plot(|plot| plot.retag_fault = Some(StoreFault::Unreachable));
    // What goes is first read by nobody.
    let mut retired = Vec::new();
    for _ in 0..3 {
        retired.push(one.vault.audit_retire(0).await.is_ok());
    }
    assert!(retired[0] && !retired[2], "{retired:?}");
    assert_eq!(ended().await, (2, true));
    assert_eq!(one.store.chain_key(node(2), last).await, Ok(Some(1)));
    assert_eq!(findings(&one, &home).await, Vec::<String>::new(), "it has the tag of before");
    one.store.leave();
    one.vault.audit_retire(0).await.unwrap();
    assert_eq!(ended().await, (2, true), "what was begun is done");
    assert_eq!(states(&one.vault, 1, CHAIN), [KeyState::Destroyed, KeyState::Active]);
    assert_eq!(one.store.audit_read(node(2), last, 10).await.unwrap().len(), 1);
    assert_eq!(findings(&one, &home).await, Vec::<String>::new());
    assert_eq!(shown(&one, 2).await, [last]);
}
