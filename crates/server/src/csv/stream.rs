//! All of a list as CSV: one page after the other, each asked for when the client has taken the one before.

use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::Version;
use hyper::body::{Body, Frame};
use panvault_model::RequestId;
use panvault_vault::{Caller, Cursor};
use tokio::time::sleep;

use crate::answer::Answer;
use crate::answers::Full;
use crate::app::App;
use crate::asked::{Asked, Reads};
use crate::csv::{self, Lines};
use crate::dispatch::log;
use crate::error::{ErrorCode, Refusal};
use crate::fault::Faults;
use crate::limits::{ANSWER_OWN_BYTES_MAX, STREAM_RETRIES_MAX, STREAM_RETRY_MILLIS};
use crate::object::ObjectSpec;
use crate::populate::{self, Reference};
use crate::room::Place;
use crate::table::Endpoint;

/// What a list is asked for, page by page.
pub(crate) struct Pages {
    pub(crate) app: Arc<App>,
    pub(crate) caller: Caller,
    pub(crate) request: RequestId,
    pub(crate) endpoint: &'static Endpoint,
    pub(crate) object: &'static ObjectSpec,
    /// What is to be shown in the place of ids.
    pub(crate) wanted: Vec<Reference>,
    /// The connection, where there is one.
    pub(crate) place: Option<Arc<Place>>,
    /// Where the server is for whoever asks, for addresses in rows.
    pub(crate) base: String,
    /// The query as it was sent.
    pub(crate) query: String,
    /// Where the next page begins, after the first.
    pub(crate) next: Option<Cursor>,
    /// Rows of a page, unless they are too long.
    pub(crate) rows: usize,
    /// Bytes that room is taken for before the next page is made: as many as the last had.
    pub(crate) room_bytes: usize,
}

/// The pages behind the first one.
pub(crate) type Rest = Pin<Box<dyn Future<Output = Result<(Bytes, Option<Pages>), Cut>> + Send>>;

/// An answer ends in its middle, and the connection with it: else what is there would pass for all.
#[derive(Debug, thiserror::Error)]
#[error("a list could not be shown to its end")]
pub(crate) struct Cut;

/// A list as CSV on its way to the client.
pub(crate) struct Streamed {
    first: Option<Bytes>,
    rest: Option<Rest>,
}

/// Whether a query asks for all of a list; the audit trail has no pages that begin behind a record.
pub(crate) fn is_of_all(endpoint: &Endpoint, query: Option<&str>) -> bool {
    let is_limited = |query: &str| form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "_limit");
    endpoint.operation != "audit_list" && !query.is_some_and(is_limited)
}

/// Notes what all of a list cannot be asked for with.
pub(crate) fn judge(query: Option<&str>, version: Version, faults: &mut Faults) {
    let newest_first =
        [("_sort", "-_id"), ("_sort", "-created_at"), ("_sort-", "_id"), ("_sort-", "created_at")];
    let sent = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut sorts = sent.filter(|(name, _)| name.starts_with("_sort"));
    if sorts.any(|(name, value)| !newest_first.contains(&(name.as_ref(), value.as_ref()))) {
        faults.malformed("query._sort", "of all rows as CSV is the newest first; ask for a part with _limit");
    }
    if version < Version::HTTP_11 {
        faults.malformed(
            "query._limit",
            "is needed: HTTP/1.0 does not tell a whole list from one that was cut",
        );
    }
}

impl Pages {
    /// The first page, with the names of the columns, as an answer that goes on with the others.
    pub(crate) async fn answer(mut self) -> Result<Answer, Refusal> {
        let object = self.object;
        let mut lines = Lines::default();
        lines.names(object);
        let place = self.place.clone();
        let answer = wanted(place.as_deref(), self.page(&mut lines)).await?;
        self.next = answer.next;
        let first = lines.taken();
        self.room_bytes = first.len();
        let first = match self.caller.organisation() {
            Some(holder) if first.len() > ANSWER_OWN_BYTES_MAX => self.app.hold(holder, first)?,
            Some(_) | None => first,
        };
        let mut table = Answer { body: first, ..answer };
        // What there is may be more by the end of the stream, or less.
        table.headers.clear();
        csv::say(&mut table, object);
        table.rest = self.next.is_some().then(|| self.rest());
        Ok(table)
    }

    fn rest(self) -> Rest {
        Box::pin(async move {
            let (request, endpoint) = (self.request, self.endpoint);
            let place = self.place.clone();
            wanted(place.as_deref(), self.next()).await.map_err(|refusal| {
                log(&refusal, request, endpoint.operation, endpoint.path, None);
                Cut
            })
        })
    }

    /// A further page. Where there is no room now, it is asked for again for a while; nothing is held meanwhile.
    async fn next(mut self) -> Result<(Bytes, Option<Self>), Refusal> {
        let mut retries_left = STREAM_RETRIES_MAX;
        loop {
            // A key that was revoked meanwhile sees nothing more.
            self.caller = self.app.vault().caller_again(&self.caller)?;
            match self.held().await {
                Ok(bytes) => return Ok((bytes, self.next.is_some().then_some(self))),
                Err(Unmade::NoRoom) if retries_left > 0 => {}
                Err(Unmade::NoRoom) => return Err(self.app.answer_refused()),
                Err(Unmade::Refused(refusal)) if refusal.code == ErrorCode::Busy && retries_left > 0 => {}
                Err(Unmade::Refused(refusal)) => return Err(refusal),
            }
            retries_left = retries_left.saturating_sub(1);
            sleep(Duration::from_millis(STREAM_RETRY_MILLIS)).await;
        }
    }

    /// The next page, which is held until the client has it, as any long answer is. Room for it is taken before it is made: only where it is longer
    /// than the last one may it be made in vain.
    async fn held(&mut self) -> Result<Bytes, Unmade> {
        let holder = self.caller.organisation();
        let first = holder.filter(|_| self.room_bytes > ANSWER_OWN_BYTES_MAX);
        let room = first.map(|holder| self.app.answers().reserve(holder, self.room_bytes)).transpose()?;
        let mut lines = Lines::default();
        let answer = self.page(&mut lines).await?;
        let bytes = lines.taken();
        self.room_bytes = bytes.len();
        let held = match (room, holder) {
            (_, Some(_)) if bytes.len() <= ANSWER_OWN_BYTES_MAX => bytes,
            (Some(room), _) => room.hold(bytes)?,
            (None, Some(holder)) => self.app.answers().hold(holder, bytes)?,
            (None, None) => bytes,
        };
        self.next = answer.next;
        Ok(held)
    }

    /// Asks for the next page, and writes it. Nothing of a page that fails is written.
    async fn page(&mut self, lines: &mut Lines) -> Result<Answer, Refusal> {
        loop {
            match self.shown(lines).await {
                Err(refusal) if is_too_long(&refusal) && self.rows > 1 => self.rows /= 2,
                shown => return shown,
            }
        }
    }

    /// The next page, which is written in CSV too.
    async fn shown(&self, lines: &mut Lines) -> Result<Answer, Refusal> {
        let asked = Asked {
            base: self.base.clone(),
            caller: self.caller.clone(),
            faults: Faults::default(),
            id: None,
            query: Some(self.query()),
            body: crate::body::Body::default(),
            idempotency: None,
            reads: Reads::Part,
        };
        let mut answer = (self.endpoint.handler)(Arc::clone(&self.app), asked).await?;
        let _turn = self.app.turn_to_show().await;
        if !self.wanted.is_empty() {
            answer = populate::populated(self.app.vault(), &self.caller, &self.wanted, answer).await?;
        }
        lines.rows(&answer.body, self.object)?;
        Ok(answer)
    }

    /// The query of the next page: what was sent, from where the last one ended.
    fn query(&self) -> String {
        let is_begun = self.next.is_some();
        let sent = form_urlencoded::parse(self.query.as_bytes());
        let kept = sent.filter(|(name, _)| !is_begun || !matches!(name.as_ref(), "_after" | "_skip"));
        let mut query = Serializer::new(String::new());
        query.extend_pairs(kept);
        query.append_pair("_limit", &self.rows.to_string());
        if let Some(Cursor { after, skip }) = self.next {
            query.append_pair("_after", &after.to_string()).append_pair("_skip", &skip.to_string());
        }
        query.finish()
    }
}

/// Why a page was not made.
enum Unmade {
    /// Long answers that are still being read have all the room.
    NoRoom,
    Refused(Refusal),
}

impl From<Full> for Unmade {
    fn from(Full: Full) -> Self {
        Self::NoRoom
    }
}

impl From<Refusal> for Unmade {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Does what a client waits for, as long as it does.
async fn wanted<T>(
    place: Option<&Place>,
    work: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    match place {
        Some(place) => place.far_end().wait_for(work).await.unwrap_or_else(|| Err(Refusal::unwaited())),
        None => work.await,
    }
}

/// Whether a page is more than an answer holds.
fn is_too_long(refusal: &Refusal) -> bool {
    refusal.code == ErrorCode::Malformed
        && refusal
            .details
            .iter()
            .any(|(place, what)| place == "query._limit" && what == crate::answer::TOO_LONG)
}

impl Streamed {
    pub(crate) const fn new(first: Bytes, rest: Rest) -> Self {
        Self { first: Some(first), rest: Some(rest) }
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        let Poll::Ready(page) = rest.as_mut().poll(context) else { return Poll::Pending };
        self.rest = None;
        Poll::Ready(Some(page.map(|(bytes, pages)| {
            self.rest = pages.map(Pages::rest);
            Frame::data(bytes)
        })))
    }
}
