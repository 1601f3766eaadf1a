use core::convert::Infallible;
use core::time::Duration;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::address::CollectorUrl;
use crate::connect::{Stream, TimeOuts, connect};
use crate::fault::Fault;
use crate::limits::{ANSWER_BODY_BYTES_MAX, ANSWER_BODY_MILLIS_MAX, ANSWER_HEAD_BYTES_MAX};
use crate::tls::{ReadSecret, Tls};

/// A server that lines are sent to with `POST`, as `application/x-ndjson`. Whatever success it answers with, it has taken them.
pub struct Collector {
    url: CollectorUrl,
    tls: Tls,
    /// The file with the token that it knows this side by, and how it is read: for each delivery, so that it can be renewed.
    token: Option<(PathBuf, ReadSecret)>,
    time_outs: TimeOuts,
}

impl Collector {
    /// One at a URL.
    pub const fn new(
        url: CollectorUrl,
        tls: Tls,
        token: Option<(PathBuf, ReadSecret)>,
        time_outs: TimeOuts,
    ) -> Self {
        Self { url, tls, token, time_outs }
    }

    /// Whether the files can be used that it is spoken to with. Nothing is sent.
    pub fn check(&self) -> Result<(), Fault> {
        if self.url.is_encrypted {
            self.tls.connector(&self.url.address, Vec::new())?;
        }
        self.request(&[]).map(drop)
    }

    /// Sends lines in one request.
    pub async fn send(&self, lines: &[u8]) -> Result<(), Fault> {
        timeout(self.time_outs.send, self.sent(lines)).await.map_err(|_| Fault::TimedOut)?
    }

    async fn sent(&self, lines: &[u8]) -> Result<(), Fault> {
        let request = self.request(lines)?;
        let tls = self.url.is_encrypted.then_some(&self.tls);
        let within = self.time_outs.connect.min(self.time_outs.send);
        let stream = connect(&self.url.address, tls, &[b"http/1.1"], within).await?;
        let status = exchange(stream, request).await?;
        if status.is_success() { Ok(()) } else { Err(Fault::Status(status.as_u16())) }
    }

    fn request(&self, lines: &[u8]) -> Result<Request<Full<Bytes>>, Fault> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.url.target.as_str())
            .header(HOST, &self.url.authority)
            .header(CONNECTION, HeaderValue::from_static("close"))
            .header(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))
            .header(USER_AGENT, HeaderValue::from_static(concat!("panvault/", env!("CARGO_PKG_VERSION"))));
        if let Some((path, read_secret)) = &self.token {
            request = request.header(AUTHORIZATION, bearer(path, *read_secret)?);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(lines)));
        request.map_err(|_| Fault::Unreached("its URL is none that can be asked"))
    }
}

fn bearer(path: &Path, read_secret: ReadSecret) -> Result<HeaderValue, Fault> {
    let token = read_secret(path).map_err(Fault::File)?;
    let mut value = Zeroizing::new(String::with_capacity(token.len() + 7));
    value.push_str("Bearer ");
    value.push_str(&token);
    let unfit = || Fault::File(format!("the file {} has no token that can be sent", path.display()));
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let mut value = HeaderValue::from_str(&value).ok().filter(|_| is_token).ok_or_else(unfit)?;
    value.set_sensitive(true);
    Ok(value)
}

async fn exchange(stream: Box<dyn Stream>, request: Request<Full<Bytes>>) -> Result<StatusCode, Fault> {
    let unanswered =
        || Fault::Unreached("the connection ended before it had answered, or it does not speak HTTP");
    let mut builder = http1::Builder::new();
    builder.max_buf_size(ANSWER_HEAD_BYTES_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| unanswered())?;
    let asked = async {
        let answer = sender.send_request(request).await.map_err(|_| unanswered())?;
        let (head, body) = answer.into_parts();
        // What the head says stands, whatever becomes of the rest.
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
