use std::io;
use std::sync::{Arc, Condvar, Mutex};

use panvault_model::Sealed;
use panvault_store::{CardRow, Store, StoreFault};
use panvault_testkit::conformance::rows::card;
use panvault_testkit::conformance::{card_delete, card_insert};

use crate::support::{Home, all_of, block_on, done};
use crate::watched::{Call, Watched};

fn large(n: u64) -> CardRow {
    CardRow { sealed: Sealed::from_bytes(vec![0xc4; 200_000]), ..card(n) }
}

/// Whether new segments find room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    Enough,
    /// That is not known yet: the write waits.
    Awaited,
    None,
}

/// A disk that may be full, so that nothing new fits.
#[derive(Clone)]
struct Disk(Arc<(Mutex<Room>, Condvar)>);

impl Disk {
    fn new(room: Room) -> Self {
        Self(Arc::new((Mutex::new(room), Condvar::new())))
    }

    fn set(&self, room: Room) {
        *self.0.0.lock().unwrap() = room;
        self.0.1.notify_all();
    }

    fn files(&self) -> Arc<Watched> {
        let disk = self.clone();
        Watched::new(move |call, thread| {
            if thread != "panvault-spare" || call != Call::Write {
                return Ok(());
            }
            let (room, changed) = &*disk.0;
            let room = changed.wait_while(room.lock().unwrap(), |room| *room == Room::Awaited).unwrap();
            if *room == Room::None { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        })
    }
}

async fn until(mut state: impl FnMut() -> bool) {
    while !state() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn without_room_reads_go_on_and_writes_resume_by_themselves() {
    let home = Home::new();
    let disk = Disk::new(Room::Enough);
    block_on(async {
        let store = home.open_with(disk.files()).unwrap();
        done(store.commit(card_insert(&large(10))).await.unwrap());
        disk.set(Room::None);
        let mut n = 11;
        let fault = loop {
            match store.commit(card_insert(&large(n))).await {
                Ok(outcome) => drop(done(outcome)),
                Err(fault) => break fault,
            }
            n += 1;
        };
        assert_eq!(fault, StoreFault::Full);
        assert_eq!(store.status().fault, Some(StoreFault::Full));
        for there in 10..n {
            assert_eq!(store.card_read(large(there).id).await.unwrap().as_deref(), Some(&large(there)));
        }
        assert_eq!(store.card_read(large(n).id).await, Ok(None));
        assert_eq!(all_of(&store).await.cards.len() as u64, n - 10);
        assert_eq!(store.commit(card_insert(&card(9))).await, Err(StoreFault::Full));
        disk.set(Room::Enough);
        while store.commit(card_insert(&large(n))).await == Err(StoreFault::Full) {
            tokio::task::yield_now().await;
        }
        assert_eq!(store.status().fault, None);
        assert_eq!(store.card_read(large(n).id).await.unwrap().as_deref(), Some(&large(n)));
        let (trail, sequence) = (all_of(&store).await.audit, store.status().sequence);
        assert!(trail.iter().map(|record| record.place).eq(1..=sequence), "what found no room has a number");
    });
    assert_eq!(home.examine().findings, []);
}

/// A spare that did not fit stayed as far as it went, and filled the disk on which the view needs room. It now goes.
#[test]
fn a_spare_that_does_not_fit_is_given_back() {
    let home = Home::new();
    let store = home.open_with(Disk::new(Room::None).files()).unwrap();
    while store.status().fault != Some(StoreFault::Full) {
        std::thread::yield_now();
    }
    drop(store);
    assert!(!home.path().join("log/spare").exists());
}

/// A card that was deleted while there was no room for another segment stayed in the log: its segment was to be left only
/// once. That is now tried again.
#[test]
fn what_was_deleted_without_room_goes_when_there_is_room() {
    let home = Home::new();
    let disk = Disk::new(Room::Awaited);
    block_on(async {
        let store = home.open_with(disk.files()).unwrap();
        let row = CardRow { sealed: Sealed::from_bytes(*b"ciphertext that must not linger"), ..card(10) };
        done(store.commit(card_insert(&row)).await.unwrap());
        done(store.commit(card_delete(&row)).await.unwrap());
        // The applier has checkpointed the view, and asks for another segment.
        let view_log = home.path().join("view.sqlite-wal");
        until(|| store.status().behind == 0 && std::fs::metadata(&view_log).unwrap().len() == 0).await;
        assert!(!home.holding(row.sealed.as_bytes()).is_empty());
        disk.set(Room::None);
        until(|| store.status().fault == Some(StoreFault::Full)).await;
        disk.set(Room::Enough);
        home.until_gone(row.sealed.as_bytes());
    });
}
