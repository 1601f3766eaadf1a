use core::future::Future;
use core::pin::Pin;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use panvault_model::OrganisationId;

use crate::limits::{LOOKUPS_MAX, LOOKUPS_ORGANISATION_MAX};

/// The addresses of a name, on their way; none when it has none.
pub type Lookup<'a> = Pin<Box<dyn Future<Output = Vec<IpAddr>> + Send + 'a>>;

/// Who knows the addresses of names.
pub trait Resolve: Send + Sync {
    /// The addresses of a name, in the order in which they are to be tried. The turn is held until it is looked up, also where nobody
    /// waits for it any more.
    fn resolve<'a>(&'a self, name: &'a str, turn: Turn) -> Lookup<'a>;
}

/// Look-ups under way, those included that nobody waits for any more.
#[derive(Default)]
pub(crate) struct Turns {
    under_way: Mutex<HashMap<OrganisationId, usize>>,
}

impl Turns {
    /// A turn for an organisation; `None` while it, or all of them together, have as many as they may.
    pub(crate) fn take(self: &Arc<Self>, organisation: OrganisationId) -> Option<Turn> {
        let mut under_way = self.lock();
        let own = under_way.get(&organisation).copied().unwrap_or(0);
        if own >= LOOKUPS_ORGANISATION_MAX || under_way.values().sum::<usize>() >= LOOKUPS_MAX {
            return None;
        }
        under_way.insert(organisation, own + 1);
        drop(under_way);
        Some(Turn(Some((Arc::clone(self), organisation))))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OrganisationId, usize>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn to send a message: where its host is a name, one to look that up; by default, one to look nothing up. It ends when it is dropped.
#[derive(Default)]
pub struct Turn(Option<(Arc<Turns>, OrganisationId)>);

impl Drop for Turn {
    fn drop(&mut self) {
        let Some((turns, organisation)) = self.0.take() else { return };
        let mut under_way = turns.lock();
        match under_way.get_mut(&organisation) {
            Some(own) if *own > 1 => *own -= 1,
            Some(_) | None => drop(under_way.remove(&organisation)),
        }
    }
}

/// The system's resolver.
#[derive(Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str, turn: Turn) -> Lookup<'a> {
        let name = name.to_owned();
        let found = tokio::task::spawn_blocking(move || {
            let found = std::net::ToSocketAddrs::to_socket_addrs(&(name.as_str(), 0));
            drop(turn);
            found.map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default()
        });
        Box::pin(async move { found.await.unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bug: one organisation whose names are looked up in a dead zone kept every other from being told. Its cause: all shared the turns,
    /// which a look-up holds for as long as the system asks, long after its attempt is over. Its cure: an organisation has a bounded
    /// part of them, and without a turn no attempt is made.
    #[test]
    fn an_organisation_has_a_part_of_all_turns() {
        let turns = Arc::new(Turns::default());
        let of = |n| turns.take(OrganisationId::from_bytes([n; 12]));
        let mut dead: Vec<_> = (0..LOOKUPS_ORGANISATION_MAX).map(|_| of(1).expect("a turn")).collect();
        assert!(of(1).is_none() && of(2).is_some());
        dead.pop();
        let again = of(1);
        assert!(again.is_some() && of(1).is_none());
        drop((dead, again));
        assert!(turns.lock().is_empty(), "nothing is kept of who looks nothing up");
        let of_all: Vec<_> = (0..LOOKUPS_MAX).map_while(|n| of(u8::try_from(n).unwrap())).collect();
        assert!(of_all.len() == LOOKUPS_MAX && of(200).is_none());
    }
}
