//! One request and its answer, over a connection of its own: a peer is asked when a vault opens and not again for months.

use core::time::Duration;
use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, DATE, HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{timeout, timeout_at};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::fault::Fault;
use crate::limits::{
    ADDRESSES_MAX, ANSWER_BODY_BYTES_MAX, ANSWER_HEAD_BYTES_MAX, ANSWER_SECONDS_MAX, CA_FILE_BYTES_MAX,
    CONNECT_SECONDS_MAX,
};
use crate::url::{PeerHost, PeerUrl};

/// How long may be waited.
#[derive(Clone, Copy)]
pub(crate) struct TimeOuts {
    pub(crate) connect: Duration,
    pub(crate) answer: Duration,
}

impl Default for TimeOuts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(CONNECT_SECONDS_MAX),
            answer: Duration::from_secs(ANSWER_SECONDS_MAX),
        }
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// What time it is there, as it says.
    pub(crate) date: Option<String>,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// Sends one request to a peer. The names of its headers are ours, and so is the path; `Host` is added.
///
/// `roots` names the certificates that it is known by; `None` for those of the public authorities.
pub(crate) async fn send(
    url: &PeerUrl,
    roots: Option<&Path>,
    request: http::request::Builder,
    body: Zeroizing<Vec<u8>>,
    time_outs: TimeOuts,
) -> Result<Answer, Fault> {
    let request = request
        .header(HOST, &url.authority)
        .header(CONNECTION, HeaderValue::from_static("close"))
        .header(USER_AGENT, HeaderValue::from_static(concat!("panvault/", env!("CARGO_PKG_VERSION"))))
        .body(Full::new(Bytes::from_owner(body)))
        .map_err(|_| {
            Fault::refused("it cannot be asked: a setting or a credential has what no request may have")
        })?;
    let tls = if url.is_encrypted { Some(connector(roots)?) } else { None };
    let until = tokio::time::Instant::now() + time_outs.answer;
    let connected = timeout(time_outs.connect.min(time_outs.answer), async {
        let tcp = connect(url, time_outs.connect).await?;
        let _ = tcp.set_nodelay(true);
        let Some(tls) = tls else { return Ok(Box::new(tcp) as Box<dyn Stream>) };
        let name = match &url.host {
            PeerHost::Name(name) => ServerName::try_from(name.clone())
                .map_err(|_| Fault::refused("its name is none of a server"))?,
            PeerHost::Address(address) => ServerName::from(*address),
        };
        let stream = tls.connect(name, tcp).await.map_err(|error| untrusted(&error))?;
        Ok(Box::new(stream) as Box<dyn Stream>)
    });
    let stream = connected.await.map_err(|_| Fault::down("it could not be connected to in time"))??;
    match timeout_at(until, exchange(stream, request)).await {
        Ok(answer) => answer,
        Err(_) => Err(Fault::down(format!("it did not answer within {} s", time_outs.answer.as_secs_f32()))),
    }
}

/// A stream of bytes, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn connect(url: &PeerUrl, within: Duration) -> Result<TcpStream, Fault> {
    let addresses: Vec<SocketAddr> = match &url.host {
        PeerHost::Address(address) => vec![SocketAddr::new(*address, url.port)],
        PeerHost::Name(name) => {
            let found = lookup_host((name.as_str(), url.port)).await;
            found.map_err(|_| Fault::down("its name cannot be looked up"))?.take(ADDRESSES_MAX).collect()
        }
    };
    // One that swallows what it is sent leaves time for the others.
    let each = within / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut failed = Fault::down("its name has no address");
    for address in addresses {
        match timeout(each, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failed = Fault::down(format!("it could not be connected to: {}", error.kind())),
            Err(_) => failed = Fault::down("it could not be connected to in time"),
        }
    }
    Err(failed)
}

async fn exchange(stream: Box<dyn Stream>, request: Request<Full<Bytes>>) -> Result<Answer, Fault> {
    let unanswered = || Fault::down("the connection ended before it had answered, or it does not speak HTTP");
    let mut builder = http1::Builder::new();
    builder.max_buf_size(ANSWER_HEAD_BYTES_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| unanswered())?;
    let exchanged = async {
        let answer = sender.send_request(request).await.map_err(|_| unanswered())?;
        let (head, body) = answer.into_parts();
        let date = head.headers.get(DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
        let mut body = core::pin::pin!(Limited::new(body, ANSWER_BODY_BYTES_MAX));
        // Room for all of it from the start: what grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(ANSWER_BODY_BYTES_MAX));
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|error| match error.downcast_ref::<http_body_util::LengthLimitError>() {
                    Some(_) => Fault::down(format!(
                        "its answer has more than {ANSWER_BODY_BYTES_MAX} bytes, so it is something else"
                    )),
                    None => unanswered(),
                })?;
            if let Some(part) = frame.data_ref() {
                bytes.extend_from_slice(part);
            }
        }
        Ok(Answer { status: head.status, date, body: bytes })
    };
    let mut exchanged = core::pin::pin!(exchanged);
    tokio::select! {
        answer = &mut exchanged => answer,
        // Done with the connection, or it failed: whatever came of the answer says which.
        _ = connection => exchanged.await,
    }
}

fn connector(roots: Option<&Path>) -> Result<TlsConnector, Fault> {
    let roots = match roots {
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        Some(file) => {
            let unread =
                |what: &str| Fault::refused(format!("the file of certificates {} {what}", file.display()));
            let mut pem = Vec::new();
            let opened =
                File::open(file).map_err(|error| unread(&format!("cannot be read: {}", error.kind())))?;
            opened.take(CA_FILE_BYTES_MAX).read_to_end(&mut pem).map_err(|_| unread("cannot be read"))?;
            let mut store = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|_| unread("is not PEM"))?;
                store.add(certificate).map_err(|_| unread("has a certificate that cannot be trusted"))?;
            }
            if store.is_empty() {
                return Err(unread("has no certificate in it"));
            }
            store
        }
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| Fault::refused("no version of TLS can be used"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What is wrong with its end of TLS. Another certificate is not a matter of waiting.
fn untrusted(error: &io::Error) -> Fault {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return Fault::down("the connection ended in the handshake of TLS");
    };
    let rustls::Error::InvalidCertificate(fault) = error else {
        return Fault::refused("no connection with TLS can be made: they do not agree on how");
    };
    Fault::refused(match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired, by the clock of this machine"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet, by the clock of this machine"
        }
        CertificateError::UnknownIssuer => {
            "its certificate is of an issuer that is not trusted: name its authority in the settings"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name"
        }
        _ => "its certificate is not one that can be trusted",
    })
}
