//! A connection to a PSP: made here, and written by hand, so that it is known of every byte whether it was handed over.

use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::counters::{Counts, OpenConnection};
use super::description::Roots;
use super::limits::ADDRESSES_MAX;
use super::origin::{Host, Origin};

/// A stream of bytes, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that stands.
pub(super) struct Connection {
    pub(super) stream: Box<dyn Stream>,
    /// When somebody last used it.
    pub(super) used: Instant,
    _counted: OpenConnection,
}

/// Makes connections to one origin.
pub(super) struct Dialer {
    origin: Origin,
    tls: Option<TlsConnector>,
    server: Option<ServerName<'static>>,
    counts: Arc<Counts>,
}

/// Why there is no connection, in words. No byte of a request has left.
pub(super) type NotConnected = &'static str;

impl Dialer {
    pub(super) fn new(origin: Origin, roots: &Roots, counts: Arc<Counts>) -> Result<Self, String> {
        let server = match &origin.host {
            Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| "has no name of a server")?,
            Host::Address(address) => ServerName::from(*address),
        };
        let tls = if origin.is_encrypted { Some(connector(roots)?) } else { None };
        Ok(Self { origin, tls, server: Some(server), counts })
    }

    pub(super) const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// A new connection, TLS included, by then.
    pub(super) async fn connect(&self, by: Instant) -> Result<Connection, NotConnected> {
        let within = by.saturating_duration_since(Instant::now());
        let tcp = timeout_at(by, self.tcp(within))
            .await
            .map_err(|_| "the processor could not be connected to in time")??;
        // A request is one write; nothing is gained by waiting for more.
        let _ = tcp.set_nodelay(true);
        let stream: Box<dyn Stream> = match (&self.tls, &self.server) {
            (Some(tls), Some(server)) => {
                let stream = timeout_at(by, tls.connect(server.clone(), tcp)).await;
                let stream =
                    stream.map_err(|_| "the processor did not finish the handshake of TLS in time")?;
                Box::new(stream.map_err(|error| untrusted(&error))?)
            }
            _ => Box::new(tcp),
        };
        Ok(Connection { stream, used: Instant::now(), _counted: self.counts.opened() })
    }

    async fn tcp(&self, within: Duration) -> Result<TcpStream, NotConnected> {
        let port = self.origin.port;
        let addresses: Vec<SocketAddr> = match &self.origin.host {
            Host::Address(address) => vec![SocketAddr::new(*address, port)],
            Host::Name(name) => {
                let found = lookup_host((name.as_str(), port)).await;
                found
                    .map_err(|_| "the name of the processor cannot be looked up")?
                    .take(ADDRESSES_MAX)
                    .collect()
            }
        };
        // One that swallows what it is sent leaves time for the others.
        let each = within / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        for address in addresses {
            if let Ok(Ok(stream)) = timeout(each, TcpStream::connect(address)).await {
                return Ok(stream);
            }
        }
        Err("the processor could not be connected to")
    }
}

impl Connection {
    /// Whether the peer has neither closed it nor said anything that nobody asked for. Does not wait.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        matches!(Pin::new(&mut *self.stream).poll_read(&mut context, &mut buffer), Poll::Pending)
    }
}

/// What is wrong with the PSP's end of TLS, as far as that is known.
fn untrusted(error: &io::Error) -> NotConnected {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return "the connection to the processor ended in the handshake of TLS";
    };
    let rustls::Error::InvalidCertificate(fault) = error else {
        return "no connection with TLS to the processor can be made: they do not agree on how";
    };
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate of the processor has expired, by the clock of this machine"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate of the processor is not valid yet, by the clock of this machine"
        }
        CertificateError::UnknownIssuer => {
            "the certificate of the processor is of an issuer that roots of its description does not name"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate of the processor is for another name than that of its origin"
        }
        CertificateError::Revoked => "the certificate of the processor is revoked",
        _ => "the certificate of the processor is not one that can be trusted",
    }
}

fn connector(roots: &Roots) -> Result<TlsConnector, String> {
    let store = match roots {
        Roots::Web => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        Roots::These(certificates) => {
            let mut store = RootCertStore::empty();
            for certificate in certificates {
                store.add(certificate.clone()).map_err(|_| "has a certificate that cannot be trusted")?;
            }
            store
        }
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| "no version of TLS can be used")?
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An operator knows by it whose end is wrong, and which file to look at.
    #[test]
    fn what_is_wrong_with_a_certificate_is_said() {
        let of = |error| untrusted(&io::Error::new(io::ErrorKind::InvalidData, error));
        for (fault, word) in [
            (CertificateError::Expired, "expired"),
            (CertificateError::NotValidYet, "not valid yet"),
            (CertificateError::UnknownIssuer, "issuer"),
            (CertificateError::NotValidForName, "another name"),
            (CertificateError::Revoked, "revoked"),
            (CertificateError::BadSignature, "can be trusted"),
        ] {
            let said = of(rustls::Error::InvalidCertificate(fault));
            assert!(said.starts_with("the certificate of the processor ") && said.contains(word), "{said}");
        }
        assert!(of(rustls::Error::HandshakeNotComplete).contains("agree"));
        assert!(untrusted(&io::ErrorKind::UnexpectedEof.into()).contains("ended in the handshake"));
    }
}
