//! How many are held.

use panvault_model::OrganisationId;
use panvault_store::{CvvFault, CvvStore};

use crate::conformance::cvv::{CvvJudged, Got, card, cvv};
use crate::conformance::rows::organisation;

/// A store that takes so many, at least 2, takes no more; and what is replaced needs no room. Each CVV here is of an
/// organisation of its own.
///
/// A CVV that was to replace another was refused when the store was full, and the old one stayed: the next transaction
/// would have gone out with it. It is now replaced; and where a claim was to be replaced and there is no room, that claim
/// no longer comes back.
pub async fn room_ends_at(judged: CvvJudged<'_>, held_max: u64) {
    let store = judged.store;
    let hold = |n, number, cvv| store.cvv_hold(card(n), organisation(n), number, cvv);
    for n in 1..=held_max {
        assert!(store.cvv_room(organisation(n)));
        assert_eq!(hold(n, n, cvv(7, 60)).await, Ok(true));
    }
    assert_eq!((store.counts().held, store.counts().held_max), (held_max, held_max));
    let number = held_max + 1;
    assert!(!store.cvv_room(organisation(1)) && !store.cvv_room(organisation(number)));
    assert_eq!(hold(number, number, cvv(7, 60)).await, Err(CvvFault::NoRoom));
    assert_eq!(hold(number, number + 1, cvv(7, 0)).await, Ok(false), "what is over needs none");
    assert_eq!(hold(1, number, cvv(8, 60)).await, Ok(true));
    let claim = judged.taken(1).await;
    assert_eq!(claim.cvv.sealed.as_bytes(), [8]);
    assert!(store.cvv_room(organisation(1)));
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
    let first = filled(store, organisation(1), 0).await;
    assert_eq!(first, half, "alone it gets half");
    // Behind the card that found no room: its number is known now.
    let second = filled(store, organisation(2), first + 1).await;
    assert_eq!(second, rest.div_ceil(2), "the next one gets half of the rest");
    assert!(store.cvv_room(organisation(3)), "and there is some left");

    assert!(judged.hold(1_000, cvv(8, 60)).await);
    assert!(!store.cvv_room(organisation(1)), "what was replaced took no room");
    let claim = judged.taken(1).await;
    assert_eq!(claim.cvv.sealed.as_bytes(), [8]);
    judged.put_back(claim).await;
    assert!(!store.cvv_room(organisation(1)), "what came back takes its room again");
    for n in 1..=first {
        store.cvv_clear(card(n), 2_000).await.unwrap();
    }
    assert!(store.cvv_room(organisation(1)) && store.cvv_room(organisation(2)), "what has gone leaves room");
    judged.pass(60);
    store.cvv_sweep().await.unwrap();
    assert_eq!(store.counts().held, 0);
    assert_eq!(filled(store, organisation(2), 3_000).await, half, "what is over leaves room");
}

/// Holds CVVs of an organisation until there is no room, and says how many.
async fn filled(store: &dyn CvvStore, organisation: OrganisationId, after: u64) -> u64 {
    let mut count = 0;
    loop {
        let n = after + count + 1;
        let room = store.cvv_room(organisation);
        match store.cvv_hold(card(n), organisation, n, cvv(7, 60)).await {
            Ok(held) => assert!(room && held, "held without room"),
            Err(fault) => {
                assert_eq!((fault, room), (CvvFault::NoRoom, false));
                return count;
            }
        }
        count += 1;
    }
}
