//! A connection, from name to login.

use core::time::Duration;
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::fitness::{LookFault, RedisUnfit};
use crate::limits::{ANSWER_MILLIS_MAX, CONNECT_MILLIS_MAX};
use crate::settings::{RedisRefused, RedisSettings, RedisUrl};

/// How a server is reached.
pub(crate) struct Connector {
    url: RedisUrl,
    login: RedisConnectionInfo,
    tls: Option<TlsConnector>,
}

/// A connection that can be asked, and the task that reads and writes it: it ends with this.
pub(crate) struct Connected {
    pub(crate) connection: MultiplexedConnection,
    driver: JoinHandle<()>,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connector {
    pub(crate) fn new(settings: &RedisSettings) -> Result<Self, RedisRefused> {
        let url = settings.url.clone();
        if !url.encrypted && !url.is_loopback() && !settings.insecure {
            return Err(RedisRefused::Insecure);
        }
        let tls = if url.encrypted { Some(connector(settings.tls_roots.as_deref())?) } else { None };
        let mut login =
            RedisConnectionInfo::default().set_db(i64::from(url.database)).set_skip_set_lib_name();
        if let Some(username) = &settings.username {
            login = login.set_username(username);
        }
        if let Some(password) = &settings.password {
            login = login.set_password(password.expose_text());
        }
        Ok(Self { url, login, tls })
    }

    /// A new connection, with the user logged in.
    pub(crate) async fn connect(&self) -> Result<Connected, LookFault> {
        let connected = timeout(Duration::from_millis(CONNECT_MILLIS_MAX), self.connected()).await;
        connected.unwrap_or(Err(LookFault::Unreachable))
    }

    async fn connected(&self) -> Result<Connected, LookFault> {
        let stream = TcpStream::connect((self.url.host.as_str(), self.url.port)).await;
        let stream = stream.map_err(|_| LookFault::Unreachable)?;
        stream.set_nodelay(true).map_err(|_| LookFault::Unreachable)?;
        let config =
            AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_millis(ANSWER_MILLIS_MAX)));
        let Some(tls) = &self.tls else {
            let made = MultiplexedConnection::new_with_config(&self.login, stream, config).await;
            let (connection, driver) = made.map_err(|error| LookFault::of(&error))?;
            return Ok(Connected { connection, driver: tokio::spawn(driver) });
        };
        let name = ServerName::try_from(self.url.host.clone()).map_err(|_| LookFault::Unreachable)?;
        let stream = tls.connect(name, stream).await.map_err(|error| {
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
            match cause {
                Some(rustls::Error::InvalidCertificate(_)) => LookFault::Unfit(RedisUnfit::Untrusted),
                Some(_) | None => LookFault::Unreachable,
            }
        })?;
        let made = MultiplexedConnection::new_with_config(&self.login, stream, config).await;
        let (connection, driver) = made.map_err(|error| LookFault::of(&error))?;
        Ok(Connected { connection, driver: tokio::spawn(driver) })
    }
}

fn connector(trusted: Option<&[u8]>) -> Result<TlsConnector, RedisRefused> {
    let mut roots = RootCertStore::empty();
    match trusted {
        None => roots.roots = webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|_| RedisRefused::Roots)?;
                roots.add(certificate).map_err(|_| RedisRefused::Roots)?;
            }
        }
    }
    if roots.is_empty() {
        return Err(RedisRefused::Roots);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(RedisRefused::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
