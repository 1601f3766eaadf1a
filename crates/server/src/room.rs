//! Room for connections: how many there may be, and which of them make room for a new one.
//!
//! Whoever sent a valid API key with the last request stays, at listeners for programs, and so does everybody for whom work is under way. The rest (in a handshake, silent, in the
//! middle of a head, refused, or a browser's, whose key is in everybody's hands) make room when there is none: first those of
//! the address that has many, the oldest first.

use core::net::IpAddr;
use core::sync::atomic::{AtomicU8, Ordering};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

use crate::far_end::FarEnd;
use crate::limits::{ADDRESS_CONNECTIONS_FEW, ROOM_MADE_MAX};

/// Whose connections stay while no work is under way for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stay {
    /// Those over which a valid API key of a server came with the last request.
    #[default]
    Keys,
    /// Nobody's: there are few, and one key could hold all of them. A browser opens another.
    Nobody,
}

/// The connections of a listener.
pub(crate) struct Room {
    permits: Arc<Semaphore>,
    connections_max: usize,
    stay: Stay,
    strangers: Mutex<Strangers>,
}

#[derive(Default)]
struct Strangers {
    /// All that are there, in the order in which they came: who is known now may be nobody's with the next request.
    all: Vec<Stranger>,
    /// Those that make room next, found when that was last asked for.
    next: VecDeque<Stranger>,
}

#[derive(Clone)]
struct Stranger {
    place: Arc<Place>,
    network: u64,
    task: AbortHandle,
}

/// The place of one connection: what it is doing, as far as that decides whether it makes room.
#[derive(Default)]
pub(crate) struct Place(AtomicU8, FarEnd, Stay);

/// Makes room.
const IDLE: u8 = 0;
/// Work is under way for a connection that would make room.
const WORKING: u8 = 1;
/// A valid API key of a server came over it with the last request.
const KNOWN: u8 = 2;
/// It was chosen to make room, or has ended: nothing begins on it any more.
const ENDING: u8 = 3;

/// The connection is making room for another one.
pub(crate) struct Ending;

impl Place {
    /// The other end of its connection.
    pub(crate) const fn far_end(&self) -> &FarEnd {
        &self.1
    }

    /// A request begins, and must show for itself that it is somebody's: a key that was valid may be revoked since.
    pub(crate) fn ask(&self) {
        if self.is(KNOWN) {
            drop(self.change(KNOWN, IDLE));
        }
    }

    /// A valid API key of a server came: it stays.
    pub(crate) fn keep(&self) -> Result<(), Ending> {
        let known = match self.2 {
            Stay::Keys => KNOWN,
            Stay::Nobody => IDLE,
        };
        if self.is(known) { Ok(()) } else { self.change(IDLE, known) }
    }

    /// A request is whole, and work on it begins: the connection stays until that ends.
    pub(crate) fn work(&self) -> Result<Working<'_>, Ending> {
        if !self.is(KNOWN) {
            self.change(IDLE, WORKING)?;
        }
        Ok(Working(self))
    }

    fn change(&self, from: u8, to: u8) -> Result<(), Ending> {
        let changed = self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed);
        changed.map(drop).map_err(|_| Ending)
    }

    fn is(&self, state: u8) -> bool {
        self.0.load(Ordering::Relaxed) == state
    }
}

/// Work is under way.
pub(crate) struct Working<'p>(&'p Place);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        // One that is known stays so.
        drop(self.0.change(WORKING, IDLE));
    }
}

/// That a connection is there: held by it, and free when it goes.
pub(crate) struct Held {
    pub(crate) place: Arc<Place>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.place.0.store(ENDING, Ordering::Relaxed);
    }
}

impl Room {
    pub(crate) fn new(connections_max: usize, stay: Stay) -> Self {
        let permits = Arc::new(Semaphore::new(connections_max));
        Self { permits, connections_max, stay, strangers: Mutex::default() }
    }

    /// A place, if one is free.
    pub(crate) fn take(&self) -> Option<Held> {
        Arc::clone(&self.permits).try_acquire_owned().ok().map(|permit| self.held(permit))
    }

    /// A place, once one is free.
    pub(crate) async fn wait(&self) -> Option<Held> {
        Arc::clone(&self.permits).acquire_owned().await.ok().map(|permit| self.held(permit))
    }

    fn held(&self, permit: OwnedSemaphorePermit) -> Held {
        let place = Place(AtomicU8::new(IDLE), FarEnd::default(), self.stay);
        Held { place: Arc::new(place), _permit: permit }
    }

    /// Notes who has a place, and the task that serves it.
    pub(crate) fn note(&self, place: Arc<Place>, address: IpAddr, task: AbortHandle) {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        // Each time half of them are gone at least, so that it costs each connection little.
        if strangers.all.len() > self.connections_max.saturating_mul(2) {
            strangers.all.retain(|stranger| stranger.is_there());
        }
        strangers.all.push(Stranger { place, network: network(address), task });
    }

    /// Ends one connection that makes room, if there is one. Its place is free when its task has gone, which is soon.
    pub(crate) fn make(&self) -> bool {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..2 {
            while let Some(stranger) = strangers.next.pop_front() {
                if stranger.place.change(IDLE, ENDING).is_ok() {
                    stranger.task.abort();
                    return true;
                }
            }
            strangers.find();
        }
        false
    }
}

impl Strangers {
    /// Finds who makes room next. Several at a time, so that a flood of new connections does not look through all of them for each.
    fn find(&mut self) {
        self.all.retain(Stranger::is_there);
        let mut connections: HashMap<u64, usize> = HashMap::new();
        for stranger in self.all.iter().filter(|stranger| stranger.place.is(IDLE)) {
            let count = connections.entry(stranger.network).or_default();
            *count = count.saturating_add(1);
        }
        let most = connections.into_iter().max_by_key(|(_, count)| *count);
        let (network, room) = match most {
            Some((network, count)) if count > ADDRESS_CONNECTIONS_FEW => (Some(network), count / 2),
            // Where nobody has many, all are alike.
            Some(_) | None => (None, ROOM_MADE_MAX),
        };
        let found = self
            .all
            .iter()
            .filter(|stranger| stranger.place.is(IDLE))
            .filter(|stranger| network.is_none_or(|network| stranger.network == network));
        self.next = found.take(room.min(ROOM_MADE_MAX)).cloned().collect();
    }
}

impl Stranger {
    fn is_there(&self) -> bool {
        !self.place.is(ENDING)
    }
}

/// Whose an address is, as far as one can tell: one of IPv4, or the network that one customer gets of IPv6, 64 bits.
pub(crate) fn network(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64).try_into().unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    /// Connections from the last byte of an address, whose tasks end when they are told to.
    fn fill(room: &Room, addresses: &[u8]) -> Vec<Arc<Place>> {
        let mut places = Vec::new();
        for address in addresses {
            let held = room.take().unwrap();
            let place = Arc::clone(&held.place);
            let task = tokio::spawn(async move {
                let _held = held;
                core::future::pending::<()>().await;
            });
            room.note(Arc::clone(&place), Ipv4Addr::new(192, 0, 2, *address).into(), task.abort_handle());
            places.push(place);
        }
        places
    }

    /// Which of them were told to end, after so many were asked to make room.
    fn ended(room: &Room, places: &[Arc<Place>], times: usize) -> Vec<usize> {
        for _ in 0..times {
            assert!(room.make());
        }
        (0..places.len()).filter(|at| places[*at].is(ENDING)).collect()
    }

    fn block_on(future: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future);
    }

    #[test]
    fn the_oldest_make_room_and_who_is_known_or_worked_for_stays() {
        block_on(async {
            let room = Room::new(6, Stay::Keys);
            let places = fill(&room, &[1, 2, 3, 4, 5, 6]);
            assert!(room.take().is_none());
            assert!(places[0].keep().is_ok());
            let working = places[1].work().ok().unwrap();
            assert_eq!(ended(&room, &places, 2), [2, 3]);
            assert!(places[2].keep().is_err(), "nothing begins on one that ends");
            assert!(places[3].work().is_err());
            // Both places come free.
            let (_one, _two) = (room.wait().await.unwrap(), room.wait().await.unwrap());
            drop(working);
            assert_eq!(ended(&room, &places, 3), [1, 2, 3, 4, 5]);
            assert!(!room.make(), "who is known stays");
            drop(places[0].work());
            assert!(!room.make(), "also after work for it");
        });
    }

    /// The bug: a valid key, and one byte of a body on each of 64 connections, kept everybody else from the console, and again when these had timed out.
    /// Its cause: who has a valid key stays, as programs with pools of connections must. Its cure: at the console it is work that keeps a connection.
    #[test]
    fn where_nobody_stays_a_key_holds_no_connection() {
        block_on(async {
            let room = Room::new(4, Stay::Nobody);
            let places = fill(&room, &[1, 2, 3, 4]);
            assert!(places.iter().all(|place| place.keep().is_ok()));
            let working = places[1].work().ok().unwrap();
            assert_eq!(ended(&room, &places, 2), [0, 2]);
            assert!(
                places[0].keep().is_err() && places[0].work().is_err(),
                "nothing begins on one that ends"
            );
            assert_eq!(ended(&room, &places, 1), [0, 2, 3]);
            assert!(!room.make(), "work is under way for the last");
            drop(working);
            assert!(room.make());
        });
    }

    #[test]
    fn an_address_with_many_makes_room_before_older_ones_of_others() {
        block_on(async {
            let room = Room::new(ADDRESS_CONNECTIONS_FEW + 3, Stay::Keys);
            let mut addresses = vec![1, 2];
            addresses.resize(ADDRESS_CONNECTIONS_FEW + 3, 9);
            let places = fill(&room, &addresses);
            assert_eq!(ended(&room, &places, 1), [2]);
            // It has no more than others are let have: all are alike again.
            let places = &places[..2];
            assert!((0..ADDRESS_CONNECTIONS_FEW / 2 + 2).all(|_| room.make()));
            assert!(places[0].is(ENDING));
        });
    }

    #[test]
    fn a_network_is_one_address_of_ipv4_or_64_bits_of_ipv6() {
        let v6 = |text: &str| network(text.parse::<Ipv6Addr>().unwrap().into());
        assert_eq!(v6("2001:db8:1:2::1"), v6("2001:db8:1:2:ffff::"));
        assert_ne!(v6("2001:db8:1:2::1"), v6("2001:db8:1:3::1"));
        assert_eq!(v6("::ffff:192.0.2.1"), network(Ipv4Addr::new(192, 0, 2, 1).into()));
        assert_ne!(v6("::ffff:192.0.2.1"), v6("::ffff:192.0.2.2"));
    }

    #[test]
    fn who_has_gone_is_forgotten() {
        block_on(async {
            let room = Room::new(2, Stay::Keys);
            for _ in 0..20 {
                let places = fill(&room, &[1]);
                assert!(room.make());
                drop(places);
                drop(room.wait().await);
            }
            assert!(room.strangers.lock().unwrap().all.len() <= 5);
            assert!(!room.make());
        });
    }
}
