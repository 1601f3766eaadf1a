//! How many are held.

use panvault_store::{CvvFault, CvvOwner, CvvSource, CvvStore};

use crate::conformance::cvv::{CvvJudged, Got, card, cvv};
use crate::conformance::rows::servers_of;

/// A store that takes so many, at least 2, takes no more; and what is replaced needs no room. Each CVV here is of an
/// organisation of its own.
///
/// A CVV that was to replace another was refused when the store was full, and the old one stayed: the next transaction
/// would have gone out with it. It is now replaced; and where a claim was to be replaced and there is no room, that claim
/// no longer comes back.
pub async fn room_ends_at(judged: CvvJudged<'_>, held_max: u64) {
    let store = judged.store;
    let hold = |n, number, cvv| store.cvv_hold(card(n), servers_of(n), number, cvv);
    for n in 1..=held_max {
        assert!(store.cvv_room(servers_of(n)));
        assert_eq!(hold(n, n, cvv(7, 60)).await, Ok(true));
    }
    assert_eq!((store.counts().held, store.counts().held_max), (held_max, held_max));
    let number = held_max + 1;
    assert!(!store.cvv_room(servers_of(1)) && !store.cvv_room(servers_of(number)));
    assert_eq!(hold(number, number, cvv(7, 60)).await, Err(CvvFault::NoRoom));
    assert_eq!(hold(number, number + 1, cvv(7, 0)).await, Ok(false), "what is over needs none");
    assert_eq!(hold(1, number, cvv(8, 60)).await, Ok(true));
    let claim = judged.taken(1).await;
    assert_eq!(claim.cvv.sealed.as_bytes()[0], 8);
    assert!(store.cvv_room(servers_of(1)));
    assert_eq!(hold(number, number, cvv(7, 60)).await, Ok(false), "who was refused was told so");
    assert_eq!(hold(number, number + 2, cvv(7, 60)).await, Ok(true));
    assert_eq!(hold(1, number + 1, cvv(9, 60)).await, Err(CvvFault::NoRoom));
    judged.put_back(claim).await;
    assert_eq!(judged.claim(2).await, Got::Nothing, "what was to be replaced has come back");
}

/// In a store that takes so many, at least 4, no organisation takes the room of the others.
///
/// One organisation could fill the store, with its browsers' key even, because all took from one room; then nobody else's
/// CVV was held. An organisation now gets as many as there is room left for.
pub async fn room_is_shared(judged: CvvJudged<'_>, held_max: u64) {
    let store = judged.store;
    let (half, rest) = (held_max.div_ceil(2), held_max / 2);
    let first = filled(store, servers_of(1), 0).await;
    assert_eq!(first, half, "alone it gets half");
    // Behind the card that found no room: its number is known now.
    let second = filled(store, servers_of(2), first + 1).await;
    assert_eq!(second, rest.div_ceil(2), "the next one gets half of the rest");
    assert!(store.cvv_room(servers_of(3)), "and there is some left");

    assert!(judged.hold(1_000, cvv(8, 60)).await);
    assert!(!store.cvv_room(servers_of(1)), "what was replaced took no room");
    let claim = judged.taken(1).await;
    assert_eq!(claim.cvv.sealed.as_bytes()[0], 8);
    judged.put_back(claim).await;
    assert!(!store.cvv_room(servers_of(1)), "what came back takes its room again");
    for n in 1..=first {
        store.cvv_clear(card(n), 2_000).await.unwrap();
    }
    assert!(store.cvv_room(servers_of(1)) && store.cvv_room(servers_of(2)), "what has gone leaves room");
    judged.pass(60);
    store.cvv_sweep().await.unwrap();
    assert_eq!(store.counts().held, 0);
    assert_eq!(filled(store, servers_of(2), 3_000).await, half, "what is over leaves room");
}

/// In a store that takes so many, a multiple of 8, browsers take no room that servers need.
///
/// A flood of CVVs from a browser's key filled its organisation's room, so that the organisation's own servers found none: both took from
/// one share. Browsers now have one of their own.
pub async fn room_of_browsers_is_their_own(judged: CvvJudged<'_>, held_max: u64) {
    let store = judged.store;
    let browsers_of = |n| CvvOwner { source: CvvSource::Browser, ..servers_of(n) };
    let quarter = held_max / 4;
    let mut held = filled(store, browsers_of(1), 0).await;
    assert_eq!(held, quarter, "alone they get half of their half");
    assert!(store.cvv_room(servers_of(1)));
    held += filled(store, browsers_of(2), held + 1).await + 1;
    assert_eq!(store.counts().held, quarter + held_max / 8);
    // Whatever organisations there are, half of all is left to servers.
    for n in 3..100 {
        held += filled(store, browsers_of(n), held + 1).await + 1;
    }
    assert_eq!(store.counts().held, held_max / 2);
    let servers = filled(store, servers_of(1), held + 1).await;
    assert_eq!(servers, quarter, "and theirs get half of that");

    assert!(!store.cvv_room(browsers_of(200)));
    store.cvv_clear(card(1), 1_000_000).await.unwrap();
    assert!(store.cvv_room(browsers_of(200)), "what has gone leaves room");
    judged.pass(60);
    store.cvv_sweep().await.unwrap();
    assert_eq!(filled(store, browsers_of(1), 2_000_000).await, quarter, "what is over leaves room");
}

/// Holds CVVs of an owner until there is no room, and says how many.
async fn filled(store: &dyn CvvStore, owner: CvvOwner, after: u64) -> u64 {
    let mut count = 0;
    loop {
        let n = after + count + 1;
        let room = store.cvv_room(owner);
        match store.cvv_hold(card(n), owner, n, cvv(7, 60)).await {
            Ok(held) => assert!(room && held, "held without room"),
            Err(fault) => {
                assert_eq!((fault, room), (CvvFault::NoRoom, false));
                return count;
            }
        }
        count += 1;
    }
}
