use core::task::{Context, Waker};

use panvault_testkit::conformance::rows::{VAULT, card, chain, organisation};
use panvault_testkit::conformance::{card_insert, card_noted};

use super::*;
use crate::limits::LISTS_MAX;

fn all() -> CardQuery {
    let organisations = vec![organisation(1)];
    CardQuery { organisations, filters: Vec::new(), sort: None, skip: 0, limit: 10 }
}

/// As many lists ran as were asked for, each with all that it holds, and reads by id waited for them. So many now run, a further
/// one waits, and nothing else does.
#[test]
fn so_many_lists_run_and_nothing_else_waits_for_them() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { segment_bytes: 1 << 20, readers: 1, cache_kib: 512, ..Settings::default() };
    EmbeddedStore::create(directory.path(), VAULT, chain(VAULT).as_ref(), &settings).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let store = Arc::new(EmbeddedStore::open(directory.path(), VAULT, chain(VAULT), settings).unwrap());
        store.commit(card_insert(&card(10))).await.unwrap();
        assert_eq!(store.card_list(all()).await.unwrap().total, 1);

        let permits = u32::try_from(LISTS_MAX).unwrap();
        let running = Arc::clone(&store.shared.lists).acquire_many_owned(permits).await.unwrap();
        let connections: Vec<_> = store.shared.listers.iter().map(|lister| lister.lock().unwrap()).collect();
        let mut waiting = store.card_list(all());
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(store.card_read(card(10).id).await.unwrap().is_some());
        store.commit(card_noted(&card(10))).await.unwrap();
        assert_eq!(store.audit_read(store.shared.writer_id, 1, 10).await.unwrap().len(), 2);
        assert_eq!(store.document_read_all().await, Ok(Vec::new()));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop((connections, running));
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
