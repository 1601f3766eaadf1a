//! What an answer leaves unread of its request: read away behind the answer where that is little, else the connection ends in
//! an order in which the answer still arrives (RFC 9112, sections 9.3 and 9.6).

use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{CONNECTION, EXPECT, HeaderValue};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use crate::body::Part;
use crate::limits::{BODY_BYTES_MAX, LINGER_BYTES_MAX, LINGER_SECONDS_MAX};

/// The body of a request, lent to whoever answers it: what was not read of it comes back to its connection.
pub(crate) struct Lent {
    body: Option<Incoming>,
    begun: bool,
    lender: Unread,
}

/// What came back of the request that a connection is answering. A connection answers one at a time.
#[derive(Clone, Default)]
pub(crate) struct Unread(Arc<Shared>);

#[derive(Default)]
struct Shared {
    rest: Mutex<Option<Rest>>,
    more_may_come: AtomicBool,
}

struct Rest {
    body: Incoming,
    begun: bool,
}

impl Unread {
    /// The request with its body lent, and whether its sender waits to be asked for the body.
    pub(crate) fn lend(&self, request: Request<Incoming>) -> (Request<Lent>, bool) {
        let waits = request.headers().contains_key(EXPECT);
        (request.map(|body| Lent { body: Some(body), begun: false, lender: self.clone() }), waits)
    }

    /// Sees to what is left of the body. A little that is announced is read away while the answer goes out; a little that is
    /// not is read away before it. After anything else nobody could tell where the next request begins: the answer says
    /// that the connection ends.
    pub(crate) async fn settle<B>(&self, waits: bool, limit: Duration, response: &mut Response<B>) {
        let rest = self.0.rest.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Rest { body, begun }) = rest else { return };
        let kept = match Body::size_hint(&body).exact() {
            // Who waits to be asked may send the body or not; one that was begun and given up was too large or too slow.
            _ if waits || begun => false,
            Some(length) if fits(length) => {
                let unread = self.clone();
                tokio::spawn(async move {
                    if !read_away(body, limit).await {
                        unread.0.more_may_come.store(true, Ordering::Release);
                    }
                });
                true
            }
            Some(_) => false,
            None => read_away(body, limit).await,
        };
        if !kept {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            self.0.more_may_come.store(true, Ordering::Release);
        }
    }

    /// Whether the connection ends although its other end may still be sending.
    pub(crate) fn more_may_come(&self) -> bool {
        self.0.more_may_come.load(Ordering::Acquire)
    }
}

fn fits(length: u64) -> bool {
    usize::try_from(length).is_ok_and(|length| length <= BODY_BYTES_MAX)
}

/// Whether the body came to its end within its limits of size and time.
async fn read_away(mut body: Incoming, limit: Duration) -> bool {
    let all = async {
        let mut left = BODY_BYTES_MAX;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            let Some(part) = Part::of(frame) else { continue };
            match left.checked_sub(part.len()) {
                Some(fewer) => left = fewer,
                None => return false,
            }
        }
        true
    };
    tokio::time::timeout(limit, all).await.unwrap_or(false)
}

/// Ends a connection whose other end may still be sending. Closing it at once would answer what comes with a reset, which
/// destroys an answer that its receiver has not read yet: so our side is closed first, and what comes is read away, so much and
/// so long.
pub(crate) async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let to_the_end = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut scrap = Zeroizing::new(vec![0; 8192]);
        let mut left = LINGER_BYTES_MAX;
        while let Ok(bytes @ 1..) = stream.read(&mut scrap).await {
            match left.checked_sub(bytes) {
                Some(fewer) => left = fewer,
                None => return,
            }
        }
    };
    drop(tokio::time::timeout(Duration::from_secs(LINGER_SECONDS_MAX), to_the_end).await);
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.begun = true;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        // One that failed is no body that was read: where the next request begins is not known.
        if matches!(polled, Poll::Ready(None)) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            let rest = Rest { body, begun: self.begun };
            *self.lender.0.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(rest);
        }
    }
}
