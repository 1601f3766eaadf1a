//! A server whose vault is sealed: it waits for people, for the peer of a slot, or for whoever unseals what was sealed; and how a server goes from the one to the
//! other and back.

mod custody;
mod link;
mod waiting;
mod why;

use core::time::Duration;
use std::sync::Arc;

use anyhow::Context;
use panvault_keys::{Entropy, KeysError, Slot, SlotKey, SystemEntropy};
use panvault_server::{serve_sealed, serve_sealed_console, serve_sealed_metrics};
use panvault_vault::{Clock, Mode, SystemClock, Unsealing};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, sleep, timeout};

use crate::data::{OpenSettings, OpenVault, Place, mode_name, when_free};
use crate::run::{Ended, Listeners, Serving, bind, console, tls_read};
use crate::sealed::waiting::{Attempt, Opened, Waiting};
use crate::sealed::why::Why;
use crate::signals::{Signals, Stop};

pub(crate) use custody::Way;
pub(crate) use link::{Asked, LinkFault, NAME, NEW, ask, is_there};
pub(crate) use why::ways;

/// Time between two looks at whether shares are to be forgotten, and at how people open the vault.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long such a look may take.
const LOOK_FOR: Duration = Duration::from_secs(2);
/// Seconds between two tries of a slot whose peer is away: they double from the first to the last.
const AGAIN_SECONDS: (u64, u64) = (1, 60);

/// How a server begins, and goes on.
enum Next {
    Open(Box<OpenVault>),
    /// Sealed, and perhaps still closing what was open before.
    Sealed(Why, Option<JoinHandle<anyhow::Result<()>>>),
}

/// Serves a vault, sealed or open, until a signal.
pub(crate) async fn serve(
    place: Place,
    settings: OpenSettings,
    serving: Serving,
    mode: Mode,
) -> anyhow::Result<()> {
    let mut next = begin(&place, &settings).await?;
    // Until here a signal ends it at once.
    let mut stop = Signals::handle()?.stop;
    let listeners = Listeners::bind(&serving)?;
    loop {
        next = match next {
            Next::Open(open) => {
                let bound = bind(*open, &serving, &listeners, None).await?;
                tracing::info!(
                    url = bound.url,
                    listen = %bound.listen,
                    metrics_url = bound.metrics_url,
                    console_url = bound.console_url,
                    mode = mode_name(mode),
                    connections_max = serving.server.connections_max,
                    version = env!("CARGO_PKG_VERSION"),
                    "server.ready"
                );
                match bound.run(&mut stop, core::future::pending()).await? {
                    Ended::Stopped => return Ok(()),
                    Ended::Sealed(closing) => Next::Sealed(Why::Sealed, Some(closing)),
                }
            }
            Next::Sealed(why, closing) => {
                let sealed = Sealed { place: &place, settings: &settings, serving: &serving, why };
                match sealed.wait(&listeners, closing, &mut stop).await? {
                    Some(open) => Next::Open(open),
                    None => return Ok(()),
                }
            }
        };
    }
}

/// Opens the vault where a slot does that by itself; else says why it stays sealed.
async fn begin(place: &Place, settings: &OpenSettings) -> anyhow::Result<Next> {
    if let Some(why) = Why::before(place, settings).await {
        return Ok(Next::Sealed(why, None));
    }
    match when_free(async || place.open(settings).await).await {
        Ok(open) => Ok(Next::Open(Box::new(open))),
        Err(error) => {
            let Some(why) = Why::of(&error) else { return Err(error) };
            if why == Why::Peer {
                let said = format!("{error:#}");
                tracing::warn!(error = said, advice = Why::PEER_ADVICE, "vault.not_opened");
            }
            Ok(Next::Sealed(why, None))
        }
    }
}

/// A vault that is to be waited for.
struct Sealed<'a> {
    place: &'a Place,
    settings: &'a OpenSettings,
    serving: &'a Serving,
    why: Why,
}

impl Sealed<'_> {
    /// Answers at the listeners until the vault is open, which it gives, or a signal stops the server.
    async fn wait(
        self,
        listeners: &Listeners,
        closing: Option<JoinHandle<anyhow::Result<()>>>,
        stop: &mut Stop,
    ) -> anyhow::Result<Option<Box<OpenVault>>> {
        let clock = SystemClock::start();
        let tls = tls_read(self.serving, clock.now().wall)?;
        let (attempts, mut attempted) = mpsc::channel(1);
        let waiting = Arc::new(Waiting::new(clock, listeners.address()?, self.why, attempts));
        self.look(&waiting).await;
        let (over, is_over) = watch::channel(false);
        let until = || {
            let mut over = is_over.clone();
            async move { drop(over.wait_for(|over| *over).await) }
        };
        let settings = self.serving.server.clone();
        let vault = || Arc::clone(&waiting) as Arc<dyn panvault_server::SealedVault>;
        let mut answering = vec![tokio::spawn(serve_sealed(
            listeners.api()?,
            vault(),
            settings.clone(),
            tls.clone(),
            until(),
        ))];
        if let Some(listener) = listeners.metrics()? {
            answering.push(tokio::spawn(serve_sealed_metrics(listener, vault(), until())));
        }
        if let (Some(listener), Some(config)) = (listeners.console()?, self.serving.console.clone()) {
            let console = console(config, self.serving.tls.clone(), tls.as_ref())?;
            answering.push(tokio::spawn(serve_sealed_console(listener, vault(), settings, console, until())));
        }
        waiting.say();
        // Nobody opens a vault that is still being closed.
        if let Some(closing) = closing {
            tokio::select! {
                closed = closing => closed.context("the vault was not closed")??,
                signal = stop.asked() => {
                    tracing::info!(signal, "server.stopping");
                    return Ok(None);
                }
            }
        }
        let mut held = Some(self.hold().await?);
        let link = tokio::spawn(link::serve(self.place.path().to_owned(), Arc::clone(&waiting), until()));
        let mut again = AGAIN_SECONDS.0;
        let tries = sleep(jittered(again));
        tokio::pin!(tries);
        let mut looks = tokio::time::interval(LOOK_EVERY);
        // After an opening that took long one look is enough.
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let opened = loop {
            tokio::select! {
                _ = looks.tick() => {
                    waiting.forget_old();
                    self.look(&waiting).await;
                }
                signal = stop.asked() => {
                    tracing::info!(signal, "server.stopping");
                    break None;
                }
                Some(Attempt { slot, address, brought, told }) = attempted.recv() => {
                    drop(held.take());
                    let opened = self.open_with(slot, Unsealing { slot: 0, address, brought }).await;
                    let (open, said) = match opened {
                        Ok((open, number)) => (Some(open), Opened::By(number)),
                        Err(error) => {
                            held = Some(self.hold().await?);
                            (None, Opened::not(&error))
                        }
                    };
                    // Whoever brought it may have gone.
                    drop(told.send(said));
                    if open.is_some() {
                        break open;
                    }
                }
                () = &mut tries, if waiting.tries_again(self.place) => {
                    drop(held.take());
                    match self.place.open(self.settings).await {
                        Ok(open) => break Some(Box::new(open)),
                        Err(error) => {
                            held = Some(self.hold().await?);
                            match Why::of(&error) {
                                Some(why) => {
                                    waiting.is_now(why);
                                    if why == Why::Peer {
                                        waiting.not_opened(&error);
                                    }
                                }
                                // Such as a database that is away.
                                None => waiting.not_opened(&error),
                            }
                        }
                    }
                    again = (again * 2).min(AGAIN_SECONDS.1);
                    tries.as_mut().reset(Instant::now() + jittered(again));
                }
            }
        };
        over.send_replace(true);
        drop(held);
        drop(link.await);
        for task in answering {
            drop(task.await);
        }
        Ok(opened)
    }

    /// Looks how people open the vault: at another node that may have been changed since. What was known stays where that cannot be read, or not within a moment.
    async fn look(&self, waiting: &Waiting) {
        if let Ok(Some(ways)) = timeout(LOOK_FOR, ways(self.place)).await {
            waiting.ways_are(ways);
        }
    }

    /// Takes the directory: nobody else serves the vault, and no command changes it meanwhile.
    async fn hold(&self) -> anyhow::Result<panvault_directory::Directory> {
        when_free(async || self.place.hold().await).await
    }

    /// Opens it with what people brought, or with what the settings name where they say so. It is unsealed then, whatever sealed it.
    async fn open_with(
        &self,
        slot: Option<Box<dyn Slot + Send>>,
        unsealing: Unsealing,
    ) -> anyhow::Result<(Box<OpenVault>, u16)> {
        let (open, number) = open_with(self.place, slot, unsealing, self.settings).await?;
        Ok((Box::new(open), number))
    }
}

/// Opens a vault with what people brought, or with what the settings name, and unseals it. Gives the number of the slot, too.
pub(crate) async fn open_with(
    place: &Place,
    slot: Option<Box<dyn Slot + Send>>,
    unsealing: Unsealing,
    settings: &OpenSettings,
) -> anyhow::Result<(OpenVault, u16)> {
    let slot = match slot {
        Some(slot) => slot,
        None => place.unattended(settings.unattended()).await?,
    };
    let (_, headers) = place.headers().await?;
    // A passphrase takes a second of a processor and much memory.
    let found = tokio::task::spawn_blocking(move || key_of(&*slot, &headers)).await?;
    let (key, number) = found?;
    let settings =
        OpenSettings { unsealing: Some(Unsealing { slot: number, ..unsealing }), ..settings.clone() };
    Ok((when_free(async || place.open_by(&key, &settings).await).await?, number))
}

/// The key of the slot, and the number of the slot that it is of, from the first header that knows it. What a header says is not believed: the key is right if it
/// opens the vault.
fn key_of(slot: &dyn Slot, headers: &[panvault_keys::Header]) -> Result<(SlotKey, u16), KeysError> {
    let mut failed = KeysError::SlotUnknown;
    for header in headers {
        match slot.open(header).and_then(|key| Ok((header.slot_of(&key)?, key))) {
            Ok((number, key)) => return Ok((key, number)),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// So many seconds, or up to a half more: nodes that began to wait at once do not ask at once.
fn jittered(seconds: u64) -> Duration {
    let random = SystemEntropy::new().make_id_bytes().map_or(0, u64::from_be_bytes);
    Duration::from_millis(seconds * 1000 + random % (seconds * 500))
}
