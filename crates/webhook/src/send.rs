use core::convert::Infallible;
use core::time::Duration;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use http::{HeaderName, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use panvault_keys::WebhookSecret;
use panvault_model::{DeliveryFault, OrganisationId};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use crate::address::AddressPolicy;
use crate::limits::{
    ADDRESSES_MAX, ANSWER_BODY_BYTES_MAX, ANSWER_BODY_MILLIS_MAX, ANSWER_HEAD_BYTES_MAX, ATTEMPT_MILLIS_MAX,
    CONNECT_MILLIS_MAX,
};
use crate::resolve::{Resolve, SystemResolver, Turn, Turns};
use crate::url::{Host, WebhookUrl};

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What is to be delivered.
pub struct Message<'a> {
    /// Where to.
    pub url: &'a WebhookUrl,
    /// Names it, the same at each attempt.
    pub id: &'a str,
    /// Seconds since 1970, at this attempt.
    pub timestamp: u64,
    /// JSON.
    pub body: Bytes,
    /// What it is signed with; nothing, and it is not signed.
    pub secrets: &'a [WebhookSecret],
}

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Why it came to nothing; `None` when the receiver has taken the message.
    pub fault: Option<DeliveryFault>,
    /// The same for whoever runs the vault: the fault of a name does not tell that it has addresses which may not be called.
    pub cause: Option<DeliveryFault>,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
}

/// How long may be waited.
#[derive(Clone, Copy, Debug)]
pub struct TimeOuts {
    /// For a connection.
    pub connect: Duration,
    /// For the head of the answer, from the beginning.
    pub attempt: Duration,
}

impl Default for TimeOuts {
    fn default() -> Self {
        Self {
            connect: Duration::from_millis(CONNECT_MILLIS_MAX),
            attempt: Duration::from_millis(ATTEMPT_MILLIS_MAX),
        }
    }
}

/// Why there is no sender.
#[derive(Debug, thiserror::Error)]
pub enum SenderFault {
    /// A certificate that is to be trusted.
    #[error("a certificate cannot be trusted")]
    Certificate(#[source] rustls::Error),
    /// The library has no TLS.
    #[error("no version of TLS can be used")]
    Tls(#[source] rustls::Error),
}

/// Delivers messages, each over a connection of its own.
pub struct Sender {
    policy: AddressPolicy,
    tls: TlsConnector,
    resolver: Arc<dyn Resolve>,
    turns: Arc<Turns>,
    time_outs: TimeOuts,
}

impl Sender {
    /// A sender that trusts the public authorities and these further ones.
    pub fn new(policy: AddressPolicy, trusted: Vec<CertificateDer<'static>>) -> Result<Self, SenderFault> {
        Self::with(policy, trusted, Arc::new(SystemResolver), TimeOuts::default())
    }

    /// The same with other names and times.
    pub fn with(
        policy: AddressPolicy,
        trusted: Vec<CertificateDer<'static>>,
        resolver: Arc<dyn Resolve>,
        time_outs: TimeOuts,
    ) -> Result<Self, SenderFault> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for certificate in trusted {
            roots.add(certificate).map_err(SenderFault::Certificate)?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(SenderFault::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            policy,
            tls: TlsConnector::from(Arc::new(config)),
            resolver,
            turns: Arc::default(),
            time_outs,
        })
    }

    /// Which addresses are called.
    pub const fn policy(&self) -> &AddressPolicy {
        &self.policy
    }

    /// A turn to send to a URL for an organisation. `None` while the organisation, or all of them together, have as many names looked up as
    /// they may: then nothing is tried, and nothing is said of the receiver.
    pub fn turn(&self, organisation: OrganisationId, url: &WebhookUrl) -> Option<Turn> {
        match url.host {
            Host::Address(_) => Some(Turn::default()),
            Host::Name(_) => self.turns.take(organisation),
        }
    }

    /// Tries once.
    pub async fn send(&self, message: &Message<'_>, turn: Turn) -> Attempt {
        match self.answer(message, turn).await {
            Ok(status) => {
                let fault = of_status(status);
                Attempt { fault, cause: fault, status: Some(status.as_u16()) }
            }
            Err(cause) => {
                Attempt { fault: Some(shown(cause, message.url)), cause: Some(cause), status: None }
            }
        }
    }

    async fn answer(&self, message: &Message<'_>, turn: Turn) -> Result<StatusCode, DeliveryFault> {
        let start = Instant::now();
        let (connected_by, answered_by) = (start + self.time_outs.connect, start + self.time_outs.attempt);
        let url = message.url;
        let request = request(message).ok_or(DeliveryFault::Url)?;
        let stream = timeout_at(connected_by.min(answered_by), self.connect(url, turn));
        let stream = stream.await.map_err(|_| DeliveryFault::TimedOut)??;
        if !url.encrypted {
            return exchange(stream, request, answered_by).await;
        }
        let name = match &url.host {
            Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| DeliveryFault::Url)?,
            Host::Address(address) => ServerName::from(*address),
        };
        let stream = timeout_at(answered_by, self.tls.connect(name, stream)).await;
        let stream = stream.map_err(|_| DeliveryFault::TimedOut)?.map_err(|_| DeliveryFault::Tls)?;
        exchange(stream, request, answered_by).await
    }

    /// Looks the host up once, judges what was found, and connects to one of the addresses that passed: what is connected to is what was
    /// judged.
    async fn connect(&self, url: &WebhookUrl, turn: Turn) -> Result<TcpStream, DeliveryFault> {
        let found = match &url.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.resolver.resolve(name, turn).await,
        };
        let mut fault = DeliveryFault::Unresolved;
        let mut passed: Vec<IpAddr> = Vec::new();
        for address in found {
            match self.policy.judge(address, url.encrypted) {
                Ok(()) if passed.len() < ADDRESSES_MAX => passed.push(address),
                Ok(()) => {}
                Err(refused) => fault = refused,
            }
        }
        // One that swallows what it is sent leaves time for the others.
        let each = self.time_outs.connect / u32::try_from(passed.len()).unwrap_or(u32::MAX).max(1);
        for address in passed {
            match timeout(each, TcpStream::connect(SocketAddr::new(address, url.port))).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(_)) => fault = DeliveryFault::NotConnected,
                Err(_) => fault = DeliveryFault::TimedOut,
            }
        }
        Err(fault)
    }
}

/// Whoever may name a URL does not learn by it which names there are inside.
fn shown(cause: DeliveryFault, url: &WebhookUrl) -> DeliveryFault {
    match (&url.host, cause) {
        (Host::Name(_), DeliveryFault::AddressRefused) => DeliveryFault::Unresolved,
        (Host::Name(_) | Host::Address(_), cause) => cause,
    }
}

fn of_status(status: StatusCode) -> Option<DeliveryFault> {
    if status.is_success() {
        None
    } else if status.is_redirection() {
        Some(DeliveryFault::Redirected)
    } else {
        Some(DeliveryFault::Refused)
    }
}

fn request(message: &Message<'_>) -> Option<Request<Full<Bytes>>> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(message.url.target.as_str())
        .header(HOST, &message.url.authority)
        .header(CONNECTION, HeaderValue::from_static("close"))
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(USER_AGENT, HeaderValue::from_static(concat!("panvault/", env!("CARGO_PKG_VERSION"))))
        .header(WEBHOOK_ID, message.id)
        .header(WEBHOOK_TIMESTAMP, message.timestamp);
    if !message.secrets.is_empty() {
        let one = |secret: &WebhookSecret| secret.sign(message.id, message.timestamp, &message.body);
        let signatures: Vec<_> = message.secrets.iter().map(one).collect();
        request = request.header(WEBHOOK_SIGNATURE, signatures.join(" "));
    }
    request.body(Full::new(message.body.clone())).ok()
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
    answered_by: Instant,
) -> Result<StatusCode, DeliveryFault> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(ANSWER_HEAD_BYTES_MAX);
    let handshake = builder.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|_| DeliveryFault::Unreadable)?;
    let asked = async {
        let answer = timeout_at(answered_by, sender.send_request(request)).await;
        let answer = answer.map_err(|_| DeliveryFault::TimedOut)?.map_err(|_| DeliveryFault::Unreadable)?;
        let (head, body) = answer.into_parts();
        // What the head says stands, whatever becomes of the rest, and however late it came.
        let _ = timeout(Duration::from_millis(ANSWER_BODY_MILLIS_MAX), drained(body)).await;
        Ok(head.status)
    };
    // The connection moves while it is asked, and is gone with this function. Where it ends first, whoever asks is told so.
    let moved = async {
        drop(connection.await);
        core::future::pending::<Infallible>().await
    };
    tokio::select! {
        biased;
        answer = asked => answer,
        never = moved => match never {},
    }
}

async fn drained(mut body: Incoming) {
    let mut left = ANSWER_BODY_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
