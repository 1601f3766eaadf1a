use core::pin::Pin;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use panvault_keys::{Entropy, KeysError, Passphrase, Share, Shares, Slot, SystemEntropy};
use panvault_model::{RequestId, Timestamp};
use panvault_server::{SealedVault, Unseal, UnsealAnswer};
use panvault_vault::{Brought, Clock, SystemClock};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use crate::data::Place;
use crate::sealed::custody::{Collected, Custody, Way};
use crate::sealed::link::Asked;
use crate::sealed::why::Why;

/// What a server knows while its vault is sealed.
pub(super) struct Waiting {
    clock: SystemClock,
    listen: SocketAddr,
    why: Mutex<Why>,
    ways: Mutex<Vec<Way>>,
    custody: Mutex<Custody>,
    /// Held by whoever brings something, until it is known what became of that: what is brought at once counts as if it came one after the other.
    turn: tokio::sync::Mutex<()>,
    attempts: mpsc::Sender<Attempt>,
    /// Why it was not opened when that was last tried by itself.
    not_opened: Mutex<Option<String>>,
}

/// What is tried: by whoever opens vaults, one at a time.
pub(super) struct Attempt {
    /// `None` for the key file.
    pub(super) slot: Option<Box<dyn Slot + Send>>,
    pub(super) address: Option<IpAddr>,
    pub(super) brought: Vec<Brought>,
    pub(super) told: oneshot::Sender<Opened>,
}

/// What became of it.
pub(super) enum Opened {
    /// The slot of this number opened the vault.
    By(u16),
    /// What was brought does not open it.
    Wrong(String),
    /// Something else was in the way.
    Fault(String),
}

impl Opened {
    pub(super) fn not(error: &anyhow::Error) -> Self {
        let is_wrong = matches!(
            error.downcast_ref(),
            Some(KeysError::PassphraseWrong | KeysError::SlotUnknown | KeysError::Share(_))
        );
        let said = format!("{error:#}");
        if is_wrong { Self::Wrong(said) } else { Self::Fault(said) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Waiting {
    pub(super) fn new(
        clock: SystemClock,
        listen: SocketAddr,
        why: Why,
        attempts: mpsc::Sender<Attempt>,
    ) -> Self {
        Self {
            clock,
            listen,
            why: Mutex::new(why),
            ways: Mutex::default(),
            custody: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            attempts,
            not_opened: Mutex::default(),
        }
    }

    /// Says in the log that it waits, and for what.
    pub(super) fn say(&self) {
        let reason = lock(&self.why).said();
        let advice = "panvault unseal opens it; /readyz says how";
        tracing::warn!(reason, listen = %self.listen, advice, "server.sealed");
    }

    /// The same where the reason is another than before.
    pub(super) fn is_now(&self, why: Why) {
        if core::mem::replace(&mut *lock(&self.why), why) != why {
            self.say();
        }
    }

    /// Says why it could not be seen whether it is still sealed, where that is news.
    pub(super) fn not_opened(&self, error: &anyhow::Error) {
        let said = Some(format!("{error:#}"));
        let mut before = lock(&self.not_opened);
        if *before != said {
            let advice = "see why; it is tried again, at least once a minute";
            tracing::warn!(error = said, advice, "vault.not_opened");
            *before = said;
        }
    }

    /// How people open the vault now. Shares that do not any more are forgotten.
    pub(super) fn ways_are(&self, ways: Vec<Way>) {
        lock(&self.custody).keep(&ways);
        *lock(&self.ways) = ways;
    }

    /// Forgets shares that nobody added to for a while.
    pub(super) fn forget_old(&self) {
        lock(&self.custody).collected(self.clock.now());
    }

    /// Whether the vault may come to open by itself: where somebody unseals it at another node.
    pub(super) fn tries_again(&self, place: &Place) -> bool {
        let is_shared = match place {
            Place::Directory(_) => false,
            Place::Node(_) => true,
        };
        match *lock(&self.why) {
            Why::Sealed => is_shared,
            Why::People => false,
            Why::Peer => true,
        }
    }

    /// Does what was asked at the socket, and says what became of it.
    pub(super) async fn answer(&self, asked: Asked<'_>) -> Value {
        match self.done(asked, None).await {
            Ok(Some(slot)) => json!({ "open": true, "slot": slot }),
            Ok(None) => self.status(None),
            Err(said) => self.status(Some(said)),
        }
    }

    /// The number of the slot that opened the vault, where it is open by that.
    async fn done(&self, asked: Asked<'_>, address: Option<IpAddr>) -> Result<Option<u16>, String> {
        match asked {
            Asked::Status => Ok(None),
            Asked::Reset => {
                lock(&self.custody).forget();
                Ok(None)
            }
            Asked::Share(text) => self.share(text, address).await,
            Asked::Passphrase(text) => self.passphrase(text, address).await,
            Asked::Unattended => {
                let _turn = self.turn.lock().await;
                self.open(None, address).await.map(Some)
            }
        }
    }

    async fn share(&self, text: &str, address: Option<IpAddr>) -> Result<Option<u16>, String> {
        let share = Share::parse(text).map_err(|fault| fault.to_string())?;
        let _turn = self.turn.lock().await;
        let now = self.clock.now();
        let ways = lock(&self.ways).clone();
        let enough = lock(&self.custody).add(share, &ways, address, now);
        match enough.map_err(|not_taken| not_taken.to_string())? {
            None => Ok(None),
            Some(shares) => self.open(Some(Box::new(Shares(shares))), address).await.map(Some),
        }
    }

    async fn passphrase(&self, text: &str, address: Option<IpAddr>) -> Result<Option<u16>, String> {
        let mut typed = Zeroizing::new(String::with_capacity(text.len()));
        typed.push_str(text);
        let passphrase = Passphrase::typed(typed).map_err(|fault| fault.to_string())?;
        let _turn = self.turn.lock().await;
        self.open(Some(Box::new(passphrase)), address).await.map(Some)
    }

    /// Has it tried. The caller has the turn.
    async fn open(&self, slot: Option<Box<dyn Slot + Send>>, address: Option<IpAddr>) -> Result<u16, String> {
        let brought = {
            let custody = lock(&self.custody);
            custody.may_try(self.clock.now()).map_err(|not_taken| not_taken.to_string())?;
            custody.brought()
        };
        let (told, tells) = oneshot::channel();
        let ended = || "the server stops".to_owned();
        let attempt = Attempt { slot, address, brought, told };
        self.attempts.send(attempt).await.map_err(|_| ended())?;
        match tells.await.map_err(|_| ended())? {
            Opened::By(number) => Ok(number),
            Opened::Fault(said) => Err(said),
            Opened::Wrong(said) => {
                lock(&self.custody).failed(address, self.clock.now());
                let from = address.map_or_else(|| "this machine".to_owned(), |address| address.to_string());
                tracing::warn!(
                    from,
                    advice = "see who tried; what was brought is forgotten",
                    "unseal.failed"
                );
                Err(said)
            }
        }
    }

    async fn told(&self, brought: Unseal<'_>, address: Option<IpAddr>) -> UnsealAnswer {
        let asked = match brought {
            Unseal::Status => Asked::Status,
            Unseal::Share(text) => Asked::Share(text),
            Unseal::Passphrase(text) => Asked::Passphrase(text),
            Unseal::Reset => Asked::Reset,
        };
        let done = self.done(asked, address).await;
        let is_open = matches!(done, Ok(Some(_)));
        let shares = lock(&self.custody).collected(self.clock.now()).map(|found| (found.there, found.needed));
        let said = if is_open { "the vault is open".to_owned() } else { self.why() };
        UnsealAnswer { is_open, error: done.err(), said, shares }
    }

    fn status(&self, error: Option<String>) -> Value {
        let collected = lock(&self.custody).collected(self.clock.now());
        let (there, needed) = collected.map(|found| (found.there, found.needed)).unzip();
        let ways = lock(&self.ways).clone();
        json!({
            "open": false, "error": error, "why": self.why(), "shares": there, "needed": needed,
            "passphrase": ways.contains(&Way::Passphrase),
            "takes_shares": ways.iter().any(|way| matches!(way, Way::Shares { .. })),
        })
    }
}

impl SealedVault for Waiting {
    fn now(&self) -> Timestamp {
        self.clock.now().wall
    }

    fn make_request_id(&self) -> RequestId {
        // A request without a random name is still named by its time.
        let random = SystemEntropy::new().make_id_bytes().unwrap_or_default();
        RequestId::make(self.now(), random)
    }

    fn unseal<'a>(
        &'a self,
        brought: Unseal<'a>,
        address: Option<IpAddr>,
    ) -> Pin<Box<dyn Future<Output = UnsealAnswer> + Send + 'a>> {
        Box::pin(self.told(brought, address))
    }

    fn why(&self) -> String {
        let why = *lock(&self.why);
        let ways: Vec<_> = lock(&self.ways).iter().map(|way| way.said()).collect();
        let opens = match (why, ways.is_empty()) {
            (Why::Sealed, true) => "it is opened by the key file".to_owned(),
            (Why::Sealed, false) => {
                format!("it is opened by the key file, where there is one, or by {}", ways.join(", or by "))
            }
            (Why::People, _) => format!("it is opened by {}", ways.join(", or by ")),
            (Why::Peer, true) => "it is asked again".to_owned(),
            (Why::Peer, false) => {
                format!("it is asked again; it is also opened by {}", ways.join(", or by "))
            }
        };
        let there = match lock(&self.custody).collected(self.clock.now()) {
            Some(Collected { there, needed, .. }) => format!("; {there} of {needed} shares are there"),
            None => String::new(),
        };
        format!("sealed: {}; {opens}, with panvault unseal{there}", why.said())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use super::*;

    /// Whether so much was brought was asked before it was tried: all that came at once was.
    #[tokio::test]
    async fn what_is_brought_at_once_counts_as_if_it_came_in_turn() {
        let (attempts, mut attempted) = mpsc::channel(1);
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 8420));
        let waiting = Arc::new(Waiting::new(SystemClock::start(), listen, Why::People, attempts));
        let tried = tokio::spawn(async move {
            let mut tried = 0;
            while let Some(Attempt { told, .. }) = attempted.recv().await {
                tried += 1;
                drop(told.send(Opened::Wrong("wrong".to_owned())));
            }
            tried
        });
        let mut asked = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let waiting = Arc::clone(&waiting);
            asked.spawn(async move { waiting.passphrase("four words that stood", None).await.unwrap_err() });
        }
        let said = asked.join_all().await;
        drop(waiting);
        assert_eq!(tried.await.unwrap(), 5);
        assert_eq!(said.iter().filter(|said| said.contains("wait")).count(), 59, "{said:?}");
    }
}
