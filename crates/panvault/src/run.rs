//! How a server starts, and how it ends.

use core::time::Duration;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anyhow::{Context, bail};
use panvault_model::Timestamp;
use panvault_server::{
    App, Console, Local, Process, ServeReport, ServerError, ServerSettings, Tls, TryShop, serve,
    serve_console, serve_metrics,
};
use panvault_vault::{Vault, with_causes};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::config::ConsoleConfig;
use crate::data::{Kept, OpenVault};
use crate::posture::Posture;
use crate::process::{Served, standbys_follow, warn_of_times};
use crate::signals::{Signals, Stop};
use crate::socket::Socket;
use crate::standard_error;

/// Connections that may wait to be accepted; the system may allow fewer. A client whose connection finds no room tries again after
/// a second.
const BACKLOG: u32 = 4096;
/// Time for what was sent to processors to be answered and written down, where the vault is sealed meanwhile.
const IN_HAND_TIME: Duration = Duration::from_secs(180);
/// Time for destinations to take what is left of the trail.
const TRAIL_TIME: Duration = Duration::from_secs(10);
/// Time for the last who has something of a sealed vault to let it go.
const HELD_TIME: Duration = Duration::from_secs(60);
/// Time between two looks at that.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where and how to serve.
pub(crate) struct Serving {
    pub(crate) listen: SocketAddr,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) console: Option<ConsoleConfig>,
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// The vault's directory, in which commands on this machine are listened to.
    pub(crate) directory: PathBuf,
    /// Where the operator's descriptions of PSPs are.
    pub(crate) descriptions: Option<PathBuf>,
    pub(crate) server: ServerSettings,
    /// What assessors ask of the settings.
    pub(crate) posture: Arc<Posture>,
    /// How long a signal that stops it leaves it serving, while it says that it is not ready.
    pub(crate) drain: Duration,
}

/// The listeners of a server. They stay bound for as long as it runs, whether its vault is sealed or open: nobody is refused a connection meanwhile.
pub(crate) struct Listeners {
    api: StdListener,
    metrics: Option<StdListener>,
    console: Option<StdListener>,
}

impl Listeners {
    pub(crate) fn bind(serving: &Serving) -> anyhow::Result<Self> {
        let bound = |setting: &str, address: Option<SocketAddr>| {
            address.map(|address| anyhow::Ok(listener(setting, address)?.into_std()?)).transpose()
        };
        Ok(Self {
            api: listener("listen", serving.listen)?.into_std()?,
            metrics: bound("metrics_listen", serving.metrics_listen)?,
            console: bound("console_listen", serving.console.as_ref().map(|console| console.listen))?,
        })
    }

    /// Where the API is.
    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.api.local_addr()
    }

    pub(crate) fn api(&self) -> std::io::Result<TcpListener> {
        TcpListener::from_std(self.api.try_clone()?)
    }

    pub(crate) fn metrics(&self) -> std::io::Result<Option<TcpListener>> {
        again(self.metrics.as_ref())
    }

    pub(crate) fn console(&self) -> std::io::Result<Option<TcpListener>> {
        again(self.console.as_ref())
    }
}

fn again(bound: Option<&StdListener>) -> std::io::Result<Option<TcpListener>> {
    bound.map(|bound| TcpListener::from_std(bound.try_clone()?)).transpose()
}

/// How a server that had its vault open ended.
pub(crate) enum Ended {
    /// With its process, or nearly.
    Stopped,
    /// Its vault was sealed: what was sent is waited for, and then the vault is closed, which this tells.
    Sealed(JoinHandle<anyhow::Result<()>>),
}

/// A server whose listeners are bound, and that has not answered yet.
pub(crate) struct Bound {
    open: OpenVault,
    /// Where commands on this machine ask.
    socket: Socket,
    api: TcpListener,
    metrics: Option<TcpListener>,
    console: Option<(TcpListener, Console)>,
    tls: Option<Arc<Tls>>,
    app: Arc<App>,
    served: Arc<Served>,
    hangup: Signal,
    drain: Duration,
    /// The address that the API listens at.
    pub(crate) listen: SocketAddr,
    /// Where clients find the API.
    pub(crate) url: String,
    /// Where the metrics are.
    pub(crate) metrics_url: Option<String>,
    /// Where the console is.
    pub(crate) console_url: Option<String>,
}

/// Reads the certificate of the API.
pub(crate) fn tls_read(serving: &Serving, now: Timestamp) -> anyhow::Result<Option<Arc<Tls>>> {
    let Some((certificate, key)) = serving.tls.clone() else { return Ok(None) };
    let tls = Tls::read(certificate, key)?;
    warn_of_times(&tls, now);
    Ok(Some(Arc::new(tls)))
}

/// Readies a server of an open vault at bound listeners.
pub(crate) async fn bind(
    open: OpenVault,
    serving: &Serving,
    listeners: &Listeners,
    try_shop: Option<TryShop>,
) -> anyhow::Result<Bound> {
    let hangup = Signals::hangup()?;
    let tls = tls_read(serving, open.vault.now().wall)?;
    let (api, metrics) = (listeners.api()?, listeners.metrics()?);
    let console = match (serving.console.clone(), listeners.console()?) {
        (Some(config), Some(listener)) => {
            Some((listener, console(config, serving.tls.clone(), tls.as_ref())?))
        }
        (Some(_) | None, _) => None,
    };
    let listen = api.local_addr()?;
    let url = url(listen, tls.as_deref());
    let console_url = match &console {
        Some((listener, console)) => {
            Some(format!("{}/console", self::url(listener.local_addr()?, console.tls.as_deref())))
        }
        None => None,
    };
    let metrics_url = match &metrics {
        Some(listener) => Some(format!("http://{}", reachable(listener.local_addr()?))),
        None => None,
    };
    let served = Arc::new(Served {
        vault: open.vault.clone(),
        directory: serving.directory.clone(),
        url: url.clone(),
        metrics_url: metrics_url.clone(),
        console_url: console_url.clone(),
        started_at: open.vault.now().wall,
        tls: tls.clone(),
        posture: Arc::clone(&serving.posture),
        console_tls: console.as_ref().and_then(|(_, console)| console.tls.clone()),
        bins: Arc::clone(&open.bins),
        descriptions: Arc::clone(&open.descriptions),
        descriptions_directory: serving.descriptions.clone(),
        database: open.kept.database(),
        backups: open.backups(&serving.directory),
        standbys: Mutex::default(),
    });
    let process = Arc::clone(&served) as Arc<dyn Process>;
    let server = ServerSettings { has_tls: tls.is_some(), ..serving.server.clone() };
    let app = App::new(open.vault.clone(), server)
        .in_process(process)
        .with_log_lines_dropped(standard_error::dropped());
    let app = Arc::new(match try_shop {
        Some(shop) => app.with_try_page(shop),
        None => app,
    });
    // The vault is open, so this process has the lock of its directory.
    let socket = Socket::listen(&serving.directory)
        .with_context(|| format!("{} cannot be used", serving.directory.display()))?;
    let drain = serving.drain;
    Ok(Bound {
        open,
        socket,
        api,
        metrics,
        console,
        tls,
        app,
        served,
        hangup,
        drain,
        listen,
        url,
        metrics_url,
        console_url,
    })
}

/// Who reaches the console, and how. On a loopback address it has TLS only where certificates are asked for: a browser finds the API's good for none of these.
pub(crate) fn console(
    config: ConsoleConfig,
    files: Option<(PathBuf, PathBuf)>,
    api: Option<&Arc<Tls>>,
) -> anyhow::Result<Console> {
    let ConsoleConfig { listen, clients, proxy } = config;
    let tls = match (clients, files) {
        (Some(clients), Some((certificate, key))) => {
            Some(Arc::new(Tls::read_with_clients(certificate, key, clients)?))
        }
        (Some(_), None) => bail!("console_client_ca_file needs tls_certificate_file and tls_key_file"),
        (None, _) if listen.ip().is_loopback() => None,
        (None, _) => api.cloned(),
    };
    Ok(Console { tls, proxy })
}

/// Where clients find what listens at an address. A certificate is good for its names, which clients reach from anywhere where all addresses are
/// listened at.
fn url(listen: SocketAddr, tls: Option<&Tls>) -> String {
    let (address, scheme) = (reachable(listen), if tls.is_some() { "https" } else { "http" });
    match tls.filter(|_| listen.ip().is_unspecified()).and_then(Tls::name) {
        Some(name) => format!("{scheme}://{name}:{}", address.port()),
        None => format!("{scheme}://{address}"),
    }
}

/// Listens where a setting says.
fn listener(setting: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    listen(address).with_context(|| {
        let nowhere = if setting != "listen" { ", or leave it empty for nowhere" } else { "" };
        format!(
            "cannot listen at {address}; give {setting} another address, or port 0 for any free port{nowhere}"
        )
    })
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Where a client on this machine finds what listens at an address.
pub(crate) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

impl Bound {
    /// What time it is for the vault.
    pub(crate) fn now(&self) -> Timestamp {
        self.open.vault.now().wall
    }

    /// The vault that is served.
    pub(crate) const fn open(&self) -> &OpenVault {
        &self.open
    }

    /// Ends without having answered.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        Ok(self.open.vault.close().await?)
    }

    /// Serves until SIGTERM, SIGINT, SIGQUIT, `stop`, the store's end, or until somebody seals the vault; then lets what runs end, and closes the vault. After a
    /// signal it first drains: it says that it is not ready, and takes requests until that has been seen, or a second signal comes.
    pub(crate) async fn run(self, asked: &mut Stop, stop: impl Future<Output = ()>) -> anyhow::Result<Ended> {
        let Self { open, socket, api, metrics, console, tls, app, served, hangup, drain, .. } = self;
        let OpenVault { vault, operator: _, kept, backup_key: _, bins, descriptions: _ } = open;
        // Whatever was put there while no server ran.
        bins.note(&vault).await;
        let mut beside = vec![
            tokio::spawn(standbys_follow(Arc::downgrade(&served))),
            tokio::spawn(reload(served, hangup)),
            tokio::spawn(bins.follow(vault.clone())),
        ];
        if let Some(listener) = metrics {
            // It answers as long as the process lives, so that a scraper sees the end.
            let metrics = serve_metrics(listener, Arc::clone(&app), core::future::pending());
            beside.push(tokio::spawn(metrics));
        }
        let (stopping, stopped) = watch::channel(false);
        let is_stopped = || {
            let mut stopped = stopped.clone();
            async move { drop(stopped.wait_for(|stopped| *stopped).await) }
        };
        let console = console.map(|(listener, console)| {
            tokio::spawn(serve_console(listener, Arc::clone(&app), console, is_stopped()))
        });
        let local = Local::new(&app);
        let socket = tokio::spawn(socket.serve(local, stopped.clone()));
        let serving = tokio::spawn(serve(api, Arc::clone(&app), tls, is_stopped()));
        let (ended, not_alone, sealed) = (kept.stopped(), vault.not_alone(), vault.sealed());
        let (mut is_not_alone, mut is_sealed) = (false, false);
        {
            tokio::pin!(ended, not_alone, sealed, stop);
            let mut draining = false;
            let waited = tokio::time::sleep(Duration::ZERO);
            tokio::pin!(waited);
            loop {
                tokio::select! {
                    signal = asked.asked() => {
                        if draining {
                            break;
                        }
                        tracing::info!(signal, drain_seconds = drain.as_secs(), "server.stopping");
                        app.drain();
                        draining = true;
                        waited.as_mut().reset(Instant::now() + drain);
                        continue;
                    }
                    () = &mut waited, if draining => {}
                    () = &mut not_alone => {
                        is_not_alone = true;
                        let advice = "see which other process serves this vault; nodes = \"one\" allows none";
                        tracing::error!(advice, "server.not_alone");
                    }
                    () = &mut ended => {
                        tracing::error!(advice = "see the store's log lines above", "server.store_ended");
                    }
                    () = &mut sealed, if !draining => is_sealed = true,
                    () = &mut stop => {}
                }
                break;
            }
        }
        stopping.send_replace(true);
        let grace = app.stop_grace();
        drop(app);
        let ending = Ending { serving, socket, console, beside, vault, kept, grace };
        if is_sealed {
            return Ok(Ended::Sealed(tokio::spawn(ending.seal())));
        }
        ending.end().await?;
        if is_not_alone {
            bail!(
                "another node serves this vault, and one of the two holds CVVs in its process, as nodes = \"one\" lets it: name cvv_store on each \
                 and leave nodes out, or serve it from one"
            );
        }
        tracing::info!("server.stopped");
        Ok(Ended::Stopped)
    }
}

/// What is left of a server that has been told to end.
struct Ending {
    serving: JoinHandle<Result<ServeReport, ServerError>>,
    socket: JoinHandle<()>,
    console: Option<JoinHandle<ServeReport>>,
    /// Tasks that end with it.
    beside: Vec<JoinHandle<()>>,
    vault: Vault,
    kept: Kept,
    grace: Duration,
}

impl Ending {
    /// Lets what runs end, and closes the vault. Gives it, so that whoever wants to can wait until nobody has it any more.
    async fn end(self) -> anyhow::Result<Vault> {
        let Self { serving, socket, console, beside: _, vault, kept, grace } = self;
        let report = serving.await.context("the server ended by itself")??;
        // A command that takes longer is cut off, as requests are.
        drop(tokio::time::timeout(grace, socket).await);
        if let Some(console) = console {
            // It gives its connections less time than that.
            drop(tokio::time::timeout(grace, console).await);
        }
        if report.cut_off > 0 {
            tracing::warn!(
                connections = report.cut_off,
                advice = "raise stop_grace_seconds",
                "server.cut_off"
            );
        }
        if let Err(error) = vault.trail_end(TRAIL_TIME).await {
            let advice = "none; destinations are given what they lack at the next start";
            tracing::warn!(error = %with_causes(&error), advice, "trail.not_ended");
        }
        if vault.close().await.is_err() {
            bail!("the store stopped after a failure; see the log lines above. {}", kept.after_failure());
        }
        Ok(vault)
    }

    /// The same of a vault that is sealed: what has gone to a processor is answered and written down first, and nothing is left of it in memory.
    async fn seal(mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !self.vault.has_nothing_in_hand() && begun.elapsed() < IN_HAND_TIME {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        for task in core::mem::take(&mut self.beside) {
            task.abort();
            drop(task.await);
        }
        let mut vault = self.end().await?;
        let begun = Instant::now();
        while let Err(held) = vault.end() {
            if begun.elapsed() > HELD_TIME {
                let advice = "restart the process: only that lets go of what the vault was opened with. Please report this";
                tracing::error!(advice, "vault.still_held");
                return Ok(());
            }
            vault = held;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        tracing::info!(advice = "none; panvault unseal opens it", "vault.sealed");
        Ok(())
    }
}

/// Reads the certificates and the table of issuers again at every SIGHUP.
async fn reload(served: Arc<Served>, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        served.reload_at_signal().await;
    }
}
