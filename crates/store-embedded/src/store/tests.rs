use core::task::{Context, Waker};
use core::time::Duration;
use std::collections::HashSet;

use panvault_testkit::conformance::rows::{VAULT, card, chain, organisation};
use panvault_testkit::conformance::{card_insert, card_noted};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::*;
use crate::limits::{LISTS_MAX, LISTS_OF_ONE_MAX, LISTS_WAITING_MAX};

fn all() -> CardQuery {
    CardQuery { asked_by: asked_by(1), ..CardQuery::newest(vec![organisation(1)], 10) }
}

fn asked_by(n: u64) -> Option<OrganisationId> {
    Some(organisation(n))
}

/// Runs with a store that has a card.
fn with_store<F: Future<Output = ()>>(list_time: Duration, run: impl FnOnce(Arc<EmbeddedStore>) -> F) {
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let store = opened(&directory, list_time);
    let ran = runtime.block_on(async {
        store.commit(card_insert(&card(10))).await.unwrap();
        assert_eq!(store.card_read(card(10).id).await.unwrap().map(|row| row.version), Some(1));
        timeout(A_MINUTE, run(store)).await
    });
    // A list that does not end is not waited for.
    runtime.shutdown_background();
    ran.expect("somebody waits for what never comes");
}

fn opened(directory: &TempDir, list_time: Duration) -> Arc<EmbeddedStore> {
    let settings =
        Settings { segment_bytes: 1 << 20, readers: 1, cache_kib: 512, list_time, ..Settings::default() };
    EmbeddedStore::create(directory.path(), VAULT, chain(VAULT).as_ref(), &settings).unwrap();
    Arc::new(EmbeddedStore::open(directory.path(), VAULT, chain(VAULT), settings).unwrap())
}

const LONG: Duration = Duration::from_secs(600);
/// What hangs has failed.
const A_MINUTE: Duration = Duration::from_secs(60);

/// As many lists ran as were asked for, each with all that it holds, and reads by id waited for them. So many now run, a further
/// one waits, and nothing else does.
#[test]
fn so_many_lists_run_and_nothing_else_waits_for_them() {
    with_store(LONG, async |store: Arc<EmbeddedStore>| {
        assert_eq!(store.card_list(all()).await.unwrap().total, 1);
        let mut running = Vec::new();
        for n in 0..LISTS_MAX as u64 {
            running.push(store.shared.slots.take(asked_by(2 + n)).await.unwrap());
        }
        let mut waiting = store.card_list(all());
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(store.card_read(card(10).id).await.unwrap().is_some());
        store.commit(card_noted(&card(10))).await.unwrap();
        assert_eq!(store.audit_read(store.shared.writer_id, 1, 10).await.unwrap().len(), 2);
        assert_eq!(store.document_read_all().await, Ok(Vec::new()));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(running);
        assert_eq!(waiting.await.unwrap().total, 1);

        // Nor does a list take what reads by id need.
        let readers = store.shared.readers.take_all();
        assert_eq!(store.card_list(all()).await.unwrap().total, 1);
        drop(readers);

        let list = |_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.card_list(all()).await })
        };
        for list in (0..30).map(list).collect::<Vec<_>>() {
            assert_eq!(list.await.unwrap().unwrap().total, 1);
        }
    });
}

/// A list that runs until it is stopped, and says when it has begun.
fn endless(store: &EmbeddedStore, n: u64, begun: &mpsc::UnboundedSender<()>) -> Pending<'static, ()> {
    let (store, begun) = (Arc::clone(&store.shared), begun.clone());
    Box::pin(async move {
        let listed = store.listed(asked_by(n), move |source| {
            begun.send(()).unwrap();
            loop {
                source.stop.check()?;
                std::thread::yield_now();
            }
        });
        listed.await
    })
}

/// Whoever went away left its list running, to the last of a million rows, and its slot taken.
#[test]
fn a_list_ends_soon_after_its_client_has_gone() {
    with_store(LONG, async |store: Arc<EmbeddedStore>| {
        let (begun, mut begins) = mpsc::unbounded_channel();
        for _ in 0..2 * LISTS_MAX {
            let lists: Vec<_> =
                (0..LISTS_MAX as u64).map(|n| tokio::spawn(endless(&store, n, &begun))).collect();
            for _ in 0..LISTS_MAX {
                begins.recv().await.unwrap();
            }
            // None is free: the next answer comes from one that is given back.
            lists.iter().for_each(tokio::task::JoinHandle::abort);
            assert_eq!(store.card_list(all()).await.unwrap().total, 1);
        }
        // Nor does one run that nobody waits for by the time it could.
        let running: Vec<_> =
            (0..LISTS_MAX as u64).map(|n| tokio::spawn(endless(&store, n, &begun))).collect();
        for _ in 0..LISTS_MAX {
            begins.recv().await.unwrap();
        }
        let mut gone = endless(&store, 9, &begun);
        assert!(gone.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(store.shared.slots.counts(), (0, 1));
        drop(gone);
        assert_eq!(store.shared.slots.counts(), (0, 0));
        running.iter().for_each(tokio::task::JoinHandle::abort);
        assert_eq!(store.card_list(all()).await.unwrap().total, 1);
        assert!(begins.try_recv().is_err());
    });
}

/// There was no end to how long a list took. SQLite itself is interrupted too: one statement may go through all there is.
#[test]
fn a_list_has_a_time() {
    with_store(Duration::from_millis(1), async |store: Arc<EmbeddedStore>| {
        let (begun, _begins) = mpsc::unbounded_channel();
        for _ in 0..2 * LISTS_MAX {
            let forever =
                "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT max(n) FROM n";
            let shared = Arc::clone(&store.shared);
            let listed = shared.listed(asked_by(1), move |source| {
                source.view.query_row(forever, [], |row| row.get::<_, i64>(0)).map_err(view::unreadable)
            });
            // All slots may be taken by those before, which end in a moment.
            let fault = listed.await.unwrap_err();
            assert!(matches!(fault, StoreFault::TimedOut | StoreFault::Busy), "{fault:?}");
            assert!(endless(&store, 2, &begun).await.is_err());
        }
        while store.shared.slots.counts() != (LISTS_MAX, 0) {
            tokio::task::yield_now().await;
        }
    });
}

/// Lists came in the order in which they were asked for: whoever asked for many had every slot, and all others waited for all of
/// them.
#[test]
fn an_organisation_is_served_while_another_floods() {
    with_store(LONG, async |store: Arc<EmbeddedStore>| {
        let (begun, mut begins) = mpsc::unbounded_channel();
        let flood: Vec<_> =
            (0..2 * LISTS_WAITING_MAX).map(|_| tokio::spawn(endless(&store, 7, &begun))).collect();
        for _ in 0..LISTS_OF_ONE_MAX {
            begins.recv().await.unwrap();
        }
        while store.shared.slots.counts().1 < LISTS_WAITING_MAX {
            tokio::task::yield_now().await;
        }
        let refused = flood.iter().filter(|list| list.is_finished()).count();
        assert!(refused > 0, "what waits has a limit");
        // With all that the flood may take taken, and all places in the queue.
        for _ in 0..100 {
            assert_eq!(store.card_list(all()).await.unwrap().total, 1);
        }
        assert!(begins.try_recv().is_err(), "and the flood has no slot more");
        flood.iter().for_each(tokio::task::JoinHandle::abort);
        while store.shared.slots.counts() != (LISTS_MAX, 0) {
            tokio::task::yield_now().await;
        }
    });
}

/// Every connection read every page in its turn, so that all of them had the same few in their caches.
#[test]
fn rows_that_lie_together_are_read_by_one_connection() {
    with_store(LONG, async |store: Arc<EmbeddedStore>| {
        let readers = &store.shared.readers;
        let near = |millis| {
            let id = CardId::make(Timestamp::from_unix_millis(millis), [0xab; 8]);
            readers.near(id.as_bytes())
        };
        let which = |millis| core::ptr::from_ref::<Connection>(&near(millis)).addr();
        for millis in (0..1_000_000).step_by(1000) {
            assert_eq!(which(millis), which(millis + 127));
        }
        let all: HashSet<_> = (0..1_000_000).step_by(1000).map(which).collect();
        assert_eq!(all.len(), store.shared.settings.readers, "and they share the work");
        let held = near(0);
        assert_ne!(which(0), core::ptr::from_ref::<Connection>(&held).addr(), "nobody waits for one in use");
    });
}
