//! What the log gives up is kept for incremental backups: within a bound, and never in the way.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use panvault_directory::Directory;
use panvault_model::{Sealed, TransactionStatus};
use panvault_store::{Action, AuditNote, CardRow, Commit, DocumentKind, DocumentRow, Store, StoreFault};
use panvault_store_embedded::{
    Copied, EmbeddedStore, Files, FramesFault, LogPlace, Settings, SystemFiles, examine_copy, frames_apply,
};
use panvault_testkit::SmallDisk;
use panvault_testkit::conformance::rows::{
    VAULT, card, card_changed, chain, document, transaction, transaction_settled,
};
use panvault_testkit::conformance::{
    card_delete, card_insert, card_update, document_delete, document_put, documents_commit,
    transaction_initiate, transaction_settle,
};

use crate::support::{Home, all_of, block_on, done, led, settings};
use crate::watched::{Call, Watched};

const FRAMES: &str = "frames";
/// More than any of these stores has.
const PLENTY: u64 = 1 << 30;

/// A card of which four or five fill a segment.
fn large(n: u64) -> CardRow {
    CardRow { sealed: Sealed::from_bytes(vec![0xc4; 200_000]), ..card(n) }
}

fn archiving(home: &Home, archive_bytes_max: u64, files: Arc<dyn Files>) -> EmbeddedStore {
    let settings = Settings { archive_bytes_max, ..settings() };
    EmbeddedStore::open_with(home.path(), VAULT, chain(VAULT), settings, files).unwrap()
}

fn archived(home: &Home) -> Vec<PathBuf> {
    archived_in(&home.path().join("log"))
}

/// What is archived in a log.
fn archived_in(log: &Path) -> Vec<PathBuf> {
    let names = std::fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
    let mut archived: Vec<_> =
        names.filter(|path| path.extension().is_some_and(|end| end == "archived")).collect();
    archived.sort();
    archived
}

async fn until(mut state: impl FnMut() -> bool) {
    while !state() {
        tokio::task::yield_now().await;
    }
}

async fn insert(store: &EmbeddedStore, cards: impl Iterator<Item = u64>) {
    for n in cards {
        while store.commit(card_insert(&large(n))).await.map(done) == Err(StoreFault::Full) {
            tokio::task::yield_now().await;
        }
    }
}

async fn view(store: &EmbeddedStore, to: &Home) -> Copied {
    store.view_copy(&Directory::open(to.path()).unwrap()).await.unwrap()
}

async fn frames(store: &EmbeddedStore, since: LogPlace, to: &Home) -> Result<Copied, FramesFault> {
    store.frames_copy(since, &Directory::open(to.path()).unwrap(), FRAMES).await
}

fn carried(view: &Home, from: &Home) -> Result<LogPlace, FramesFault> {
    let file = File::open(from.path().join(FRAMES)).unwrap();
    frames_apply(view.path(), file, VAULT, &chain(VAULT), &settings())
}

#[test]
fn a_copy_with_all_that_came_behind_it_is_the_store() {
    let (home, copy, one, two) = (Home::new(), Home::empty(), Home::empty(), Home::empty());
    let (had, sequence) = block_on(async {
        let store = archiving(&home, PLENTY, Arc::new(SystemFiles));
        insert(&store, 10..20).await;
        let full = view(&store, &copy).await;
        insert(&store, 20..40).await;
        done(store.commit(card_update(&card_changed(&large(11)))).await.unwrap());
        let paid = transaction(100, large(12).id);
        done(store.commit(transaction_initiate(&paid)).await.unwrap());
        until(|| archived(&home).len() >= 3).await;
        let first = frames(&store, full.end, &one).await.unwrap();
        assert_eq!(first.end.sequence, 32);
        store.archive_release(first.segment);
        let settled = transaction_settled(&paid, TransactionStatus::Declined);
        done(store.commit(transaction_settle(&settled)).await.unwrap());
        done(store.commit(card_delete(&large(13))).await.unwrap());
        insert(&store, 40..50).await;
        let second = frames(&store, first.end, &two).await.unwrap();
        (all_of(&store).await, second.end.sequence)
    });
    let first = carried(&copy, &one).unwrap();
    assert_eq!(first.sequence, 32);
    // Once more, or without the one before it, it does not go on from there.
    assert!(matches!(carried(&copy, &one), Err(FramesFault::Unverified { sequence: 32 })));
    assert_eq!(carried(&copy, &two).unwrap().sequence, sequence);
    let examined = examine_copy(copy.path(), VAULT, chain(VAULT).as_ref()).unwrap();
    assert_eq!((examined.findings, examined.applied), (Vec::new(), sequence));
    EmbeddedStore::create_from_copy(copy.path(), VAULT, chain(VAULT).as_ref(), &settings()).unwrap();
    block_on(async { assert_eq!(all_of(&copy.open()).await, had) });
}

/// Whatever of it is cut or changed, no commit is carried by half, and none that was not written.
#[test]
fn what_is_flipped_or_cut_is_carried_no_further() {
    let (home, copy, from) = (Home::new(), Home::empty(), Home::empty());
    block_on(async {
        let store = home.open();
        done(store.commit(card_insert(&card(10))).await.unwrap());
        let full = view(&store, &copy).await;
        for n in 11..15 {
            done(store.commit(card_insert(&card(n))).await.unwrap());
        }
        frames(&store, full.end, &from).await.unwrap();
    });
    let (view, good) = (copy.path().join("view.sqlite"), from.path().join(FRAMES));
    let (view_bytes, bytes) = (std::fs::read(&view).unwrap(), std::fs::read(&good).unwrap());
    let frame = bytes.len() / 4;
    let mut harmed: Vec<Vec<u8>> = (1..bytes.len()).step_by(97).map(|at| bytes[..at].to_vec()).collect();
    harmed.retain(|cut| cut.len() % frame != 0);
    for at in (0..bytes.len()).step_by(13) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        // What fills a frame up is under no tag, and says nothing.
        if flipped != bytes && at % frame < frame - 8 {
            harmed.push(flipped);
        }
    }
    harmed.push([&bytes[frame..2 * frame], &bytes[..frame], &bytes[2 * frame..]].concat());
    harmed.push([&bytes[..frame], &bytes[..]].concat());
    for harmed in harmed {
        std::fs::write(&good, &harmed).unwrap();
        std::fs::write(&view, &view_bytes).unwrap();
        assert!(carried(&copy, &from).is_err(), "{} bytes", harmed.len());
    }
}

/// While others commit, and what is archived goes as fast as it comes, what is read is whole or is said to be gone.
#[test]
fn what_is_read_while_the_log_is_recycled_is_whole_or_gone() {
    let (home, copy) = (Home::new(), Home::empty());
    let (whole, gone) = led(async move {
        let store = Arc::new(archiving(&home, 3 << 20, Arc::new(SystemFiles)));
        insert(&store, 10..12).await;
        let full = view(&store, &copy).await;
        let base = std::fs::read(copy.path().join("view.sqlite")).unwrap();
        let (theirs, stop) = (Arc::clone(&store), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let writing = tokio::spawn(async move {
            for n in 12.. {
                insert(&theirs, n..n + 1).await;
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                tokio::task::yield_now().await;
            }
        });
        let (mut whole, mut gone) = (0, 0);
        while gone < 3 {
            let from = Home::empty();
            match frames(&store, full.end, &from).await {
                Ok(copied) => {
                    let view = Home::empty();
                    std::fs::write(view.path().join("view.sqlite"), &base).unwrap();
                    assert_eq!(carried(&view, &from).unwrap(), copied.end);
                    whole += 1;
                }
                Err(FramesFault::Gone { .. }) => gone += 1,
                Err(fault) => panic!("{fault}: {fault:?}"),
            }
        }
        stop.store(true, Ordering::SeqCst);
        writing.await.unwrap();
        (whole, gone)
    });
    assert!(whole > 0 && gone == 3, "{whole} {gone}");
}

#[test]
fn no_more_is_kept_than_may_be_and_nothing_that_a_backup_has() {
    let (home, elsewhere) = (Home::new(), Home::empty());
    let secret = b"ciphertext of a card that was deleted";
    block_on(async {
        let store = archiving(&home, 3 << 20, Arc::new(SystemFiles));
        let row = CardRow { sealed: Sealed::from_bytes(*secret), ..card(9) };
        done(store.commit(card_insert(&row)).await.unwrap());
        let start = view(&store, &elsewhere).await;
        done(store.commit(card_delete(&row)).await.unwrap());
        // It takes what it has, and not the rest of a segment.
        let is_cut = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|found| found.len() < 10_000);
        until(|| archived(&home).first().is_some_and(is_cut)).await;
        assert_eq!(home.holding(secret).len(), 1, "only there");
        // A backup writes down that it is made, before it is: that is in the next segment.
        done(store.commit(card_insert(&card(8))).await.unwrap());
        store.archive_release(frames(&store, start.end, &elsewhere).await.unwrap().segment);
        home.until_gone(secret);
        insert(&store, 10..60).await;
        until(|| store.status().behind == 0).await;
        store.close().await.unwrap();
    });
    let bytes: u64 = archived(&home).iter().map(|path| std::fs::metadata(path).unwrap().len()).sum();
    assert!(bytes > 1 << 20 && bytes <= 3 << 20, "{bytes}");
    block_on(async {
        let store = archiving(&home, 3 << 20, Arc::new(SystemFiles));
        let from = LogPlace { sequence: 3, tag: [0; 32] };
        let gone = frames(&store, from, &Home::empty()).await;
        assert!(matches!(gone, Err(FramesFault::Gone { sequence: 3 })));
        let ahead = LogPlace { sequence: 1000, tag: [0; 32] };
        assert!(matches!(frames(&store, ahead, &Home::empty()).await, Err(FramesFault::Ahead { .. })));
        let last = LogPlace { sequence: store.status().sequence - 1, tag: [0; 32] };
        assert!(matches!(frames(&store, last, &Home::empty()).await, Err(FramesFault::Another { .. })));
    });
    assert_eq!(home.examine().findings, []);
}

/// Also what was deleted in the segment that would have had the backup's own record.
#[test]
fn what_was_deleted_just_before_a_backup_goes_with_it() {
    let (home, elsewhere) = (Home::new(), Home::empty());
    let secret = b"ciphertext of a card that was deleted";
    block_on(async {
        let store = archiving(&home, PLENTY, Arc::new(SystemFiles));
        let row = CardRow { sealed: Sealed::from_bytes(*secret), ..card(9) };
        done(store.commit(card_insert(&row)).await.unwrap());
        done(store.commit(card_delete(&row)).await.unwrap());
        store.archive_begin();
        done(store.commit(card_insert(&card(8))).await.unwrap());
        let copied = view(&store, &elsewhere).await;
        store.archive_release(copied.segment);
        home.until_gone(secret);
        insert(&store, 10..40).await;
        until(|| !archived(&home).is_empty()).await;
        store.close().await.unwrap();
    });
}

const WRAPPED: &[u8] = b"a key of an organisation, wrapped";

/// A store with a wrapped key in the first of the segments that are archived.
async fn keyed(home: &Home, files: Arc<dyn Files>) -> EmbeddedStore {
    let store = archiving(home, PLENTY, files);
    let row = DocumentRow { body: WRAPPED.to_vec(), ..document(DocumentKind::OrganisationKey, 9, 1) };
    done(store.commit(documents_commit(vec![document_put(row)])).await.unwrap());
    insert(&store, 10..30).await;
    until(|| archived(home).len() >= 3).await;
    let is_archived = |path: &PathBuf| path.extension().is_some_and(|end| end == "archived");
    assert!(home.holding(WRAPPED).iter().any(is_archived), "the look finds what is there");
    store
}

/// The key is destroyed, as one is by whoever asks for it.
fn destroyed() -> Commit {
    let change = documents_commit(vec![document_put(document(DocumentKind::OrganisationKey, 9, 2))]);
    Commit { audit: AuditNote { action: Action::KeyDestroy, ..change.audit }, ..change }
}

/// A key that was destroyed, or went with its organisation, stayed in what is kept for backups until the next of them, wrapped as it was. What was given up before now goes
/// at once, and with it the segment that the log still had.
#[test]
fn nothing_is_kept_of_keys_that_ended() {
    let key = document(DocumentKind::OrganisationKey, 9, 1);
    let deleted = documents_commit(vec![document_delete(key.kind, key.id, key.version)]);
    for ending in [destroyed(), deleted] {
        let (home, elsewhere) = (Home::new(), Home::empty());
        block_on(async {
            let store = keyed(&home, Arc::new(SystemFiles)).await;
            done(store.commit(ending).await.unwrap());
            home.until_gone(WRAPPED);
            let from = LogPlace { sequence: 1, tag: [0; 32] };
            assert!(matches!(frames(&store, from, &elsewhere).await, Err(FramesFault::Gone { .. })));
            insert(&store, 30..50).await;
            until(|| !archived(&home).is_empty()).await;
            store.close().await.unwrap();
        });
    }
}

/// The same where the process ended before any of it had gone.
#[test]
fn what_is_left_of_keys_that_ended_goes_with_the_next_start() {
    let home = Home::new();
    let held = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&held);
    let files = Watched::new(move |call, thread| {
        let is_held = call == Call::Rename && thread == "panvault-spare" && asked.load(Ordering::SeqCst);
        if is_held { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    });
    block_on(async {
        let store = keyed(&home, files).await;
        held.store(true, Ordering::SeqCst);
        done(store.commit(destroyed()).await.unwrap());
        store.close().await.unwrap();
    });
    assert!(archived(&home).len() >= 3);
    let _store = archiving(&home, PLENTY, Arc::new(SystemFiles));
    home.until_gone(WRAPPED);
}

/// A byte that was changed in what is kept is said: the log beside it is to be looked at.
#[test]
fn what_was_changed_in_the_archive_is_named() {
    let (home, elsewhere) = (Home::new(), Home::empty());
    block_on(async {
        let store = archiving(&home, PLENTY, Arc::new(SystemFiles));
        let start = view(&store, &elsewhere).await;
        insert(&store, 10..30).await;
        until(|| archived(&home).len() >= 3).await;
        let path = archived(&home)[1].clone();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[300_000] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let found = frames(&store, start.end, &elsewhere).await;
        assert!(matches!(found, Err(FramesFault::Damaged { segment: 2 })), "{found:?}");
    });
}

/// What is archived went where the view's disk was full, though the log had another.
#[test]
fn the_archive_gives_way_to_a_view_on_its_own_disk_and_to_no_other() {
    for is_elsewhere in [false, true] {
        let (small, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let Some(_mounted) = SmallDisk::mount(small.path(), 24) else {
            eprintln!("skipped: mounting a small file system needs root");
            return;
        };
        let store = small.path().join("store");
        std::fs::create_dir(&store).unwrap();
        let log = other.path().join("log");
        let log_directory = is_elsewhere.then(|| log.clone());
        let settings = Settings { archive_bytes_max: PLENTY, log_directory, ..settings() };
        EmbeddedStore::create(&store, VAULT, chain(VAULT).as_ref(), &settings).unwrap();
        let archived = || if is_elsewhere { archived_in(&log) } else { archived_in(&store.join("log")) };
        block_on(async {
            let opened = EmbeddedStore::open(&store, VAULT, chain(VAULT), settings.clone()).unwrap();
            insert(&opened, 10..30).await;
            until(|| archived().len() >= 3).await;
            let before = archived();
            // Less than the view needs for what comes, and more than the log does.
            fill(&small.path().join("ballast"), if is_elsewhere { 1 << 20 } else { 5 << 20 });
            let mut n = 30;
            while !opened.status().lists_full && (is_elsewhere || !archived().is_empty()) {
                drop(opened.commit(card_insert(&large(n))).await);
                n += 1;
            }
            if is_elsewhere {
                assert!(before.iter().all(|path| path.exists()), "it takes nothing of that disk");
            } else {
                until(|| before.iter().all(|path| !path.exists())).await;
            }
        });
    }
}

/// Fills a disk up to so many bytes.
fn fill(ballast: &Path, left: usize) {
    let mut taken = Vec::new();
    while std::fs::write(ballast, &taken).is_ok() {
        taken.resize(taken.len() + (1 << 20), 0);
    }
    std::fs::write(ballast, &taken[..taken.len().saturating_sub(left + (1 << 20))]).unwrap();
}

/// Where no new file fits, the archive gives its own up, and the log goes on in them.
#[test]
fn the_archive_gives_way_to_the_log_on_a_full_disk() {
    let home = Home::new();
    let full = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&full);
    let files = Watched::new(move |call, _| {
        let is_refused = call == Call::Create && asked.load(Ordering::SeqCst);
        if is_refused { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    });
    block_on(async {
        let store = archiving(&home, PLENTY, files);
        insert(&store, 10..30).await;
        until(|| archived(&home).len() >= 2).await;
        full.store(true, Ordering::SeqCst);
        insert(&store, 30..80).await;
        assert_eq!(all_of(&store).await.cards.len(), 70);
        let since = LogPlace { sequence: 1, tag: [0; 32] };
        assert!(matches!(frames(&store, since, &Home::empty()).await, Err(FramesFault::Gone { .. })));
        store.close().await.unwrap();
    });
    assert_eq!(home.examine().findings, []);
}
