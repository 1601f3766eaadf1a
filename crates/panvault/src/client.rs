//! Requests of commands to a vault: over the socket of the server that has it, or, where none has, to the same router in this process.

use core::time::Duration;
use std::sync::Arc;

use anyhow::{Context, bail};
use panvault_keys::{HandOver, Header, OperatorKey, RootKey, SystemEntropy};
use panvault_server::{App, Local, LocalAnswer, LocalClient, LocalFault, LocalMethod, ServerSettings};
use panvault_store_embedded::{OpenFault, Settings};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::config::Config;
use crate::data::{OpenSettings, OpenVault, Place, mode_name};
use crate::socket::{self, Unreached};

/// Seconds for which a vault that another process has, and that is not reached, is asked for again: a server that starts listens at its
/// socket a moment after it has the vault, and a command that has it is done in a moment.
pub(crate) const WAIT_SECONDS_MAX: u64 = 10;
pub(crate) const TRY_EVERY: Duration = Duration::from_millis(50);
/// Where the header of keys is.
const HEADER: &str = "/local/header";
/// Bytes on their way between this process and itself.
const PIPE_BYTES: usize = 64 << 10;

/// A vault that can be asked.
pub(crate) struct Client {
    client: LocalClient,
    own: Option<Own>,
    config: Config,
    /// Whether it stays with the server that it asked first.
    stays: bool,
}

/// A vault that this process has opened.
struct Own {
    open: OpenVault,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    mode: &'static str,
}

/// What a vault answered, when it did what it was asked.
pub(crate) struct Reply {
    /// JSON; null where there is none.
    pub(crate) value: Value,
}

/// A request that a vault refused.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    message: String,
    /// What is at fault, by its place, with what is wrong.
    pub(crate) details: Map<String, Value>,
    /// Nothing was done; else that is not known.
    is_sure: bool,
}

impl Client {
    /// Reaches the vault, wherever it is.
    pub(crate) async fn begin(config: &Config) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let place = Place::of(config)?;
        loop {
            let unreached = match Self::reach(&place, config).await? {
                Ok(client) => return Ok(Self { stays: false, ..client }),
                Err(Unreached::Sealed) => bail!("{}; nothing was asked of it", Unreached::Sealed.said()),
                Err(unreached) => unreached,
            };
            // What opens a vault is large, and most often a server has it: it lies apart from all that waits for it.
            match Box::pin(Self::open(&place, config)).await {
                Ok(client) => return Ok(client),
                // It may come to listen, or end.
                Err(error) if is_in_use(&error) && begun.elapsed().as_secs() < WAIT_SECONDS_MAX => {
                    tokio::time::sleep(TRY_EVERY).await;
                }
                Err(error) if is_in_use(&error) => {
                    let why = unreached.said();
                    bail!("{error}, and it was not reached over its socket: {why}; nothing was asked of it");
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The server that has the vault, if it can be reached. Nobody else is asked in its place.
    pub(crate) async fn reach(place: &Place, config: &Config) -> anyhow::Result<Result<Self, Unreached>> {
        let Some(operator) = place.operator(config.unattended()).await? else {
            return Ok(Err(Unreached::Missing));
        };
        Self::reach_by(place, config, &operator).await
    }

    /// The same, with what proves the root key in hand.
    pub(crate) async fn reach_by(
        place: &Place,
        config: &Config,
        operator: &OperatorKey,
    ) -> anyhow::Result<Result<Self, Unreached>> {
        Ok(match socket::connect(place.path(), operator).await {
            Ok(stream) => {
                let client = LocalClient::begin(stream).await?;
                Ok(Self { client, own: None, config: config.clone(), stays: true })
            }
            Err(unreached) => Err(unreached),
        })
    }

    async fn open(place: &Place, config: &Config) -> anyhow::Result<Self> {
        let settings = OpenSettings {
            slot_key_file: config.slot_key_file.clone(),
            slot_peers: config.slot_peers.clone(),
            processors: config.processors.clone(),
            store: Settings { archive_bytes_max: config.backup_archive_bytes, ..Settings::default() },
            ..OpenSettings::default()
        };
        let open = place.open(&settings).await?;
        let app = Arc::new(App::new(open.vault.clone(), ServerSettings::default()));
        let local = Local::new(&app);
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(local.serve(theirs, Arc::clone(&open.operator), stopped));
        let mode = mode_name(open.vault.mode());
        let own = Own { open, stop, serving, mode };
        Ok(Self {
            client: LocalClient::begin(ours).await?,
            own: Some(own),
            config: config.clone(),
            stays: false,
        })
    }

    /// The vault, where this process has it.
    pub(crate) fn own(&self) -> Option<&OpenVault> {
        self.own.as_ref().map(|own| &own.open)
    }

    /// Whether a server has the vault.
    pub(crate) const fn is_served(&self) -> bool {
        self.own.is_none()
    }

    /// From here on ends with the server: what takes long must not have the vault when the next server starts.
    pub(crate) const fn stay(&mut self) {
        self.stays = true;
    }

    /// Whether it was the server's end, or a server that is not ready, why this was not answered.
    pub(crate) fn is_gone(&self, error: &anyhow::Error) -> bool {
        let is_fault = matches!(error.downcast_ref(), Some(LocalFault::Unsent(_) | LocalFault::Ended(_)));
        let is_unready = error.downcast_ref::<Refused>().is_some_and(|refused| refused.status == 503);
        self.is_served() && (is_fault || is_unready)
    }

    /// Reaches the server that has the vault now, if one has; this process does not take the vault itself.
    pub(crate) async fn again(&mut self) -> anyhow::Result<()> {
        let place = Place::of(&self.config)?;
        if let Ok(client) = Self::reach(&place, &self.config).await? {
            *self = client;
        }
        Ok(())
    }

    /// Where this process has the vault, writes down in its audit trail which table of issuers is in use; a server does that itself.
    pub(crate) async fn bins_note(&self) {
        if let Some(Own { open, .. }) = &self.own {
            open.bins.note(&open.vault).await;
        }
    }

    /// Whether this process has a vault of that mode.
    pub(crate) fn is_own_of(&self, mode: &str) -> bool {
        self.own.as_ref().is_some_and(|own| own.mode == mode)
    }

    /// Asks, and gives what was answered. [`Refused`] is what the vault said no to.
    pub(crate) async fn send(
        &mut self,
        method: LocalMethod,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Reply> {
        let body = body.map(|value| value.to_string().into_bytes());
        let mut asked = self.client.send(method, path, body.clone()).await;
        let is_undone = match &asked {
            Err(LocalFault::Unsent(_)) => true,
            Err(LocalFault::Ended(_)) => method == LocalMethod::Get,
            Err(LocalFault::Answer(_) | LocalFault::Request(_)) | Ok(_) => false,
        };
        if is_undone && self.is_served() && !self.stays {
            // The server stops: whoever has the vault next is asked, which may be this process.
            *self = Self::begin(&self.config).await?;
            asked = self.client.send(method, path, body).await;
        }
        let LocalAnswer { status, body } = asked.with_context(|| match method {
            LocalMethod::Get => "the vault did not answer",
            LocalMethod::Post | LocalMethod::Delete => UNKNOWN,
        })?;
        let value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
        if (200..300).contains(&status) {
            return Ok(Reply { value });
        }
        Err(Refused::read(status, value).into())
    }

    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        Ok(self.send(LocalMethod::Get, path, None).await?.value)
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        Ok(self.send(LocalMethod::Post, path, Some(body)).await?.value)
    }

    /// Which header of keys the vault's documents name, and how far each of its keys has come.
    pub(crate) async fn header_named(&mut self) -> anyhow::Result<HandOver> {
        let answered = self.get(HEADER).await?;
        let handed = answered.get("hand_over").and_then(Value::as_str);
        Ok(HandOver::decode_text(handed.context("the vault does not say which header of keys it has")?)?)
    }

    /// Has the vault put the next header, under this root key, in the place of that.
    pub(crate) async fn header_put(
        &mut self,
        header: &Header,
        root: &RootKey,
        named: &HandOver,
    ) -> anyhow::Result<()> {
        let handed = header.hand_over_after(root, named, &SystemEntropy::new())?.encode_text();
        let put = json!({ "header": header.encode_text(), "hand_over": handed });
        self.post(HEADER, &put).await.map(drop)
    }

    pub(crate) async fn delete(&mut self, path: &str) -> anyhow::Result<()> {
        self.send(LocalMethod::Delete, path, None).await.map(drop)
    }

    /// Ends. What was acknowledged is in the log by now, and the next start carries it into the view: this changes nothing of it.
    pub(crate) async fn end(self) {
        let Self { client, own, .. } = self;
        drop(client);
        let Some(Own { open, stop, serving, .. }) = own else { return };
        stop.send_replace(true);
        drop(serving.await);
        if let Err(error) = open.vault.close().await {
            let advice = "what was done is kept; look at the disk, then run panvault doctor";
            tracing::warn!(%error, advice, "vault.close_failed");
        }
    }
}

const UNKNOWN: &str = "the connection to the vault ended, and whether it was done is not known: see by the list command, and delete an \
                       API key that should not be there";

/// Whether another process has the vault.
pub(crate) fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(OpenFault::InUse { .. }))
}

impl Refused {
    fn read(status: u16, mut value: Value) -> Self {
        let message = value.get("message").and_then(Value::as_str).unwrap_or("the vault refused it");
        // They are what is said here, or there are none.
        let message = message.trim_end_matches("; see details").to_owned();
        let details = match value.get_mut("details").map(Value::take) {
            Some(Value::Object(details)) => details,
            Some(_) | None => Map::new(),
        };
        // What a store answers that has stopped may have been done.
        let is_sure = status != 500;
        Self { status, message, details, is_sure }
    }

    /// All that is wrong, each with the name that `argument` gives to its place.
    pub(crate) fn said(&self, argument: impl Fn(&str) -> String) -> String {
        if self.details.is_empty() {
            let unsure =
                if self.is_sure { "" } else { "; whether it was done is not known: see by the list command" };
            return format!("{}{unsure}", self.message);
        }
        let said = self.details.iter().map(|(place, what)| {
            let what = what.as_str().unwrap_or("is at fault");
            match place.split_once('.') {
                // Members of the body have the names of arguments.
                Some((_, name)) => format!("{} {what}", argument(name)),
                // What it is about is none of its members.
                None => format!("{}: {what}", self.message),
            }
        });
        said.collect::<Vec<_>>().join("\n  ")
    }
}

impl core::fmt::Display for Refused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.said(str::to_owned))
    }
}

impl core::error::Error for Refused {}
