//! How a server starts, and how it ends.

use core::time::Duration;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anyhow::{Context, bail};
use panvault_model::Timestamp;
use panvault_server::{
    App, Console, Local, Process, ServerSettings, Tls, TryShop, serve, serve_console, serve_metrics,
};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::Signal;
use tokio::sync::watch;

use crate::config::ConsoleConfig;
use crate::data::OpenVault;
use crate::process::{Served, standbys_follow, warn_of_times};
use crate::signals::Signals;
use crate::socket::Socket;
use crate::standard_error;

/// Connections that may wait to be accepted; the system may allow fewer. A client whose connection finds no room tries again after
/// a second.
const BACKLOG: u32 = 4096;

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
    /// The shop of the page for trying, where there is one.
    pub(crate) try_shop: Option<TryShop>,
    /// How long a signal that stops it leaves it serving, while it says that it is not ready.
    pub(crate) drain: Duration,
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
    signals: Signals,
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

/// Binds the listeners and reads the certificates.
pub(crate) async fn bind(open: OpenVault, serving: Serving) -> anyhow::Result<Bound> {
    let signals = Signals::handle()?;
    let tls = match serving.tls.clone() {
        Some((certificate, key)) => {
            let tls = Tls::read(certificate, key)?;
            warn_of_times(&tls, open.vault.now().wall);
            Some(Arc::new(tls))
        }
        None => None,
    };
    let api = listener("listen", serving.listen)?;
    let metrics = match serving.metrics_listen {
        Some(address) => Some(listener("metrics_listen", address)?),
        None => None,
    };
    let console = match serving.console {
        Some(config) => Some(console(config, serving.tls, tls.as_ref())?),
        None => None,
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
        console_tls: console.as_ref().and_then(|(_, console)| console.tls.clone()),
        bins: Arc::clone(&open.bins),
        descriptions: Arc::clone(&open.descriptions),
        descriptions_directory: serving.descriptions,
        database: open.kept.database(),
        standbys: Mutex::default(),
    });
    let process = Arc::clone(&served) as Arc<dyn Process>;
    let server = ServerSettings { has_tls: tls.is_some(), ..serving.server };
    let app = App::new(open.vault.clone(), server)
        .in_process(process)
        .with_log_lines_dropped(standard_error::dropped());
    let app = Arc::new(match serving.try_shop {
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
        signals,
        drain,
        listen,
        url,
        metrics_url,
        console_url,
    })
}

/// Binds the console's listener. On a loopback address it has TLS only where certificates are asked for: a browser finds the API's good for none of these.
fn console(
    config: ConsoleConfig,
    files: Option<(PathBuf, PathBuf)>,
    api: Option<&Arc<Tls>>,
) -> anyhow::Result<(TcpListener, Console)> {
    let ConsoleConfig { listen, clients, proxy } = config;
    let tls = match (clients, files) {
        (Some(clients), Some((certificate, key))) => {
            Some(Arc::new(Tls::read_with_clients(certificate, key, clients)?))
        }
        (Some(_), None) => bail!("console_client_ca_file needs tls_certificate_file and tls_key_file"),
        (None, _) if listen.ip().is_loopback() => None,
        (None, _) => api.cloned(),
    };
    Ok((listener("console_listen", listen)?, Console { tls, proxy }))
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

    /// Serves until SIGTERM, SIGINT, SIGQUIT, `stop`, or the store's end; then lets what runs end, and closes the vault. After a signal it first drains: it says that it
    /// is not ready, and takes requests until that has been seen, or a second signal comes.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { open, socket, api, metrics, console, tls, app, served, signals, drain, .. } = self;
        let OpenVault { vault, operator, kept, bins, descriptions: _ } = open;
        let Signals { stop: mut asked, hangup } = signals;
        tokio::spawn(standbys_follow(Arc::downgrade(&served)));
        tokio::spawn(reload(served, hangup));
        // Whatever was put there while no server ran.
        bins.note(&vault).await;
        tokio::spawn(bins.follow(vault.clone()));
        if let Some(listener) = metrics {
            // It answers as long as the process lives, so that a scraper sees the end.
            tokio::spawn(serve_metrics(listener, Arc::clone(&app), core::future::pending()));
        }
        let (stop_socket, stopped) = watch::channel(false);
        let mut stopped_too = stopped.clone();
        let console = console.map(|(listener, console)| {
            let stop = async move { drop(stopped_too.wait_for(|stopped| *stopped).await) };
            tokio::spawn(serve_console(listener, Arc::clone(&app), console, stop))
        });
        let local = Local::new(&app, Arc::clone(&operator));
        let socket = tokio::spawn(socket.serve(local, operator, stopped));
        let (ended, not_alone) = (kept.stopped(), vault.not_alone());
        let (stopped_for, mut stopped_because) = watch::channel(false);
        let draining = Arc::clone(&app);
        let until = async {
            tokio::pin!(ended, not_alone);
            let has_ended =
                || tracing::error!(advice = "see the store's log lines above", "server.store_ended");
            let is_not_alone = || {
                stopped_for.send_replace(true);
                let advice = "see which other process serves this vault; nodes = \"one\" allows none";
                tracing::error!(advice, "server.not_alone");
            };
            tokio::select! {
                signal = asked.asked() => {
                    tracing::info!(signal, drain_seconds = drain.as_secs(), "server.stopping");
                    draining.drain();
                    tokio::select! {
                        () = tokio::time::sleep(drain) => {}
                        _ = asked.asked() => {}
                        () = &mut not_alone => is_not_alone(),
                        () = &mut ended => has_ended(),
                    }
                }
                () = &mut not_alone => is_not_alone(),
                () = &mut ended => has_ended(),
                () = stop => {}
            }
            stop_socket.send_replace(true);
        };
        let grace = app.stop_grace();
        let report = serve(api, app, tls, until).await?;
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
        if vault.close().await.is_err() {
            bail!("the store stopped after a failure; see the log lines above. {}", kept.after_failure());
        }
        if *stopped_because.borrow_and_update() {
            bail!(
                "another node serves this vault, and one of the two holds CVVs in its process, as nodes = \"one\" lets it: name cvv_store on each \
                 and leave nodes out, or serve it from one"
            );
        }
        tracing::info!("server.stopped");
        Ok(())
    }
}

/// Reads the certificates and the table of issuers again at every SIGHUP.
async fn reload(served: Arc<Served>, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        served.reload_at_signal().await;
    }
}
