use core::convert::Infallible;
use core::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::limits::{
    ANSWER_HEAD_BYTES_MAX, LISTEN_BODY_BYTES_MAX, LISTEN_CONNECTIONS_MAX, LISTEN_REQUEST_MILLIS_MAX,
};

/// A message as a receiver gets it. Anybody may have sent it, and nothing in it was judged.
pub struct Received {
    /// `webhook-id`.
    pub id: Option<String>,
    /// `webhook-timestamp`.
    pub timestamp: Option<u64>,
    /// `webhook-signature`.
    pub signatures: Option<String>,
    /// The body as it came.
    pub body: Bytes,
}

/// A receiver for trying webhooks out.
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Listens at an address, which must be this machine's own: what is sent to others is not for this one to read.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the address is no loopback address"));
        }
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Hands out every message that comes, and answers each with this status (200 where it is none), for as long as it is polled. What is no `POST`, too large or
    /// too slow is answered otherwise and handed to nobody.
    pub async fn serve(self, status: u16, each: impl Fn(Received) + Send + Sync + 'static) {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        let (each, room) = (Arc::new(each), Arc::new(Semaphore::new(LISTEN_CONNECTIONS_MAX)));
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::task::yield_now().await;
                continue;
            };
            let each = Arc::clone(&each);
            tokio::spawn(async move {
                let service = service_fn(|request| received(request, status, &*each));
                let mut builder = http1::Builder::new();
                builder
                    .timer(TokioTimer::new())
                    .header_read_timeout(Duration::from_millis(LISTEN_REQUEST_MILLIS_MAX))
                    .max_buf_size(ANSWER_HEAD_BYTES_MAX);
                // Whoever sends sees that it ended.
                drop(builder.serve_connection(TokioIo::new(stream), service).await);
                drop(permit);
            });
        }
    }
}

async fn received(
    request: Request<Incoming>,
    status: StatusCode,
    each: &impl Fn(Received),
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LISTEN_BODY_BYTES_MAX).collect();
    let status = if head.method != Method::POST {
        StatusCode::METHOD_NOT_ALLOWED
    } else {
        match timeout(Duration::from_millis(LISTEN_REQUEST_MILLIS_MAX), body).await {
            Ok(Ok(body)) => {
                let text = |name| header(&head.headers, name);
                let timestamp = text("webhook-timestamp").and_then(|text| text.parse().ok());
                let (id, signatures) = (text("webhook-id"), text("webhook-signature"));
                each(Received { id, timestamp, signatures, body: body.to_bytes() });
                status
            }
            Ok(Err(_)) => StatusCode::PAYLOAD_TOO_LARGE,
            Err(_) => StatusCode::REQUEST_TIMEOUT,
        }
    };
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = status;
    Ok(answer)
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
