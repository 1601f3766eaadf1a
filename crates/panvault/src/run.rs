//! How a server starts, and how it ends.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use panvault_model::Timestamp;
use panvault_server::{App, ServerSettings, Tls, Validity, serve, serve_metrics};
use panvault_vault::Vault;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::Signal;

use crate::bins::LiveBins;
use crate::data::OpenVault;
use crate::signals::Signals;

/// Connections that may wait to be accepted; the system may allow fewer. A client whose connection finds no room tries again after
/// a second.
const BACKLOG: u32 = 4096;

/// Where and how to serve.
pub(crate) struct Serving {
    pub(crate) listen: SocketAddr,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    pub(crate) server: ServerSettings,
}

/// A server whose listeners are bound, and that has not answered yet.
pub(crate) struct Bound {
    open: OpenVault,
    api: TcpListener,
    metrics: Option<TcpListener>,
    tls: Option<Arc<Tls>>,
    app: Arc<App>,
    signals: Signals,
    /// Where the API is.
    pub(crate) url: String,
    /// Where the metrics are.
    pub(crate) metrics_url: Option<String>,
}

/// Binds the listeners and reads the certificates.
pub(crate) async fn bind(open: OpenVault, serving: Serving) -> anyhow::Result<Bound> {
    let signals = Signals::handle()?;
    let tls = match serving.tls {
        Some((certificate, key)) => {
            let tls = Tls::read(certificate, key)?;
            warn_of_times(&tls, open.vault.now().wall);
            Some(Arc::new(tls))
        }
        None => None,
    };
    let api = listener(serving.listen)?;
    let metrics = match serving.metrics_listen {
        Some(address) => Some(listener(address)?),
        None => None,
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", api.local_addr()?);
    let metrics_url = match &metrics {
        Some(listener) => Some(format!("http://{}", listener.local_addr()?)),
        None => None,
    };
    let app = Arc::new(App::new(open.vault.clone(), serving.server));
    Ok(Bound { open, api, metrics, tls, app, signals, url, metrics_url })
}

fn listener(address: SocketAddr) -> anyhow::Result<TcpListener> {
    listen(address).with_context(|| {
        format!("cannot listen at {address}; name another address, or port 0 for any free port")
    })
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Bound {
    /// What time it is for the vault.
    pub(crate) fn now(&self) -> Timestamp {
        self.open.vault.now().wall
    }

    /// Ends without having answered.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        Ok(self.open.vault.close().await?)
    }

    /// Serves until SIGTERM, SIGINT, SIGQUIT, `stop`, or the store's end; then lets what runs end, and closes the vault.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { open: OpenVault { vault, store, bins }, api, metrics, tls, app, signals, .. } = self;
        let Signals { stop: mut asked, hangup } = signals;
        tokio::spawn(reload(vault.clone(), tls.clone(), Arc::clone(&bins), hangup));
        tokio::spawn(bins.follow());
        if let Some(listener) = metrics {
            // It answers as long as the process lives, so that a scraper sees the end.
            tokio::spawn(serve_metrics(listener, Arc::clone(&app), core::future::pending()));
        }
        let ended = store.stopped();
        let until = async {
            tokio::select! {
                signal = asked.asked() => tracing::info!(signal, "server.stopping"),
                () = ended => tracing::error!(advice = "see the store's log lines above", "server.store_ended"),
                () = stop => {}
            }
        };
        let report = serve(api, app, tls, until).await?;
        if report.cut_off > 0 {
            tracing::warn!(
                connections = report.cut_off,
                advice = "raise stop_grace_seconds",
                "server.cut_off"
            );
        }
        if vault.close().await.is_err() {
            bail!(
                "the store stopped after a failed write; see the log lines above. What was acknowledged is kept"
            );
        }
        tracing::info!("server.stopped");
        Ok(())
    }
}

/// Reads the certificates and the table of issuers again at every SIGHUP.
async fn reload(vault: Vault, tls: Option<Arc<Tls>>, bins: Arc<LiveBins>, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        bins.look_again(true).await;
        match &tls {
            None if bins.is_imported() => {}
            None => tracing::warn!(
                advice = "none; SIGHUP reads certificates again, and this server has none. SIGTERM stops it",
                "tls.nothing_to_reload"
            ),
            Some(tls) => {
                match tls.reload() {
                    Ok(()) => tracing::info!("tls.reloaded"),
                    Err(error) => {
                        let advice = "mend the files and send SIGHUP again; the old ones are in use";
                        tracing::error!(%error, advice, "tls.kept");
                    }
                }
                warn_of_times(tls, vault.now().wall);
            }
        }
    }
}

/// Says what clients will not take, or not for long.
fn warn_of_times(tls: &Tls, now: Timestamp) {
    let (file, validity) = (tls.certificate().display(), tls.validity(now));
    let advice = validity.advice();
    match validity {
        Validity::Valid => {}
        Validity::ExpiresSoon(until) => {
            tracing::warn!(%file, %until, advice, "tls.certificate_expires_soon");
        }
        Validity::Expired(until) => tracing::error!(%file, %until, advice, "tls.certificate_expired"),
        Validity::NotYet(from) => tracing::error!(%file, %from, advice, "tls.certificate_not_yet_valid"),
    }
}
