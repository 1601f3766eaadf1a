//! A request on its way through its route: what a handler is given, and what it does with it.

use panvault_vault::{Caller, Idempotency, Operation, Permit, Vault, VaultError};

use crate::body::Body;
use crate::canonical::canonical;
use crate::error::{ErrorCode, NAMES_NOTHING, Refusal};
use crate::fault::Faults;
use crate::fields::Fields;
use crate::json::{self, NotJson};
use crate::object::BodySpec;

/// A request that has found its endpoint and its caller.
pub(crate) struct Asked {
    pub(crate) caller: Caller,
    /// What is wrong with query and headers.
    pub(crate) faults: Faults,
    /// What is in the path where the table has a name in braces, if it has one.
    pub(crate) id: Option<String>,
    pub(crate) query: Option<String>,
    pub(crate) body: Body,
    /// The path, without a slash at its end, and the idempotency key that came with it.
    pub(crate) idempotency: Option<(String, String)>,
    pub(crate) reads: Reads,
    /// The vault's own web origin, as far as it is known; of requests whose answer has an address of a page.
    pub(crate) base: String,
}

/// How much of a list a request reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// A page, for which so much is gone through and no more.
    Page,
    /// The next part of a list that is streamed, for which no more is gone through than for a page: where it ends then, the next goes on. Nobody counts
    /// all of it.
    Part,
}

impl Asked {
    /// The permit for an operation of which query and headers are all that can be wrong.
    pub(crate) fn permit<O: Operation>(&mut self) -> Result<Permit<O>, Refusal> {
        let (permit, faults) = self.permit_and_faults()?;
        if faults.is_empty() { Ok(permit) } else { Err(faults.into()) }
    }

    /// The permit, and the faults so far, to which those of the body or the list are added.
    pub(crate) fn permit_and_faults<O: Operation>(&mut self) -> Result<(Permit<O>, Faults), Refusal> {
        Ok((self.caller.permit()?, core::mem::take(&mut self.faults)))
    }

    /// The id in the path. What is not an id is not found, like an id that is nobody's.
    pub(crate) fn id<T, E>(&self, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<T, Refusal> {
        let parsed = self.id.as_deref().and_then(|text| parse(text).ok());
        parsed.ok_or_else(|| Refusal::with(ErrorCode::NotFound, "path.id", NAMES_NOTHING))
    }

    /// What a repetition of this request is told by, if it may be repeated.
    pub(crate) fn idempotency<O>(
        &self,
        vault: &Vault,
        permit: &Permit<O>,
        fields: &Fields<'_>,
    ) -> Option<Idempotency> {
        let (path, key) = self.idempotency.as_ref()?;
        Some(vault.idempotency(permit, path, key, &canonical(fields)))
    }

    /// The body, which is wiped where it is read.
    pub(crate) fn take_body(&mut self) -> Body {
        core::mem::take(&mut self.body)
    }
}

/// Reads a body of JSON as these fields and hands them on while it lives, with what is wrong with the rest of the request. The body
/// comes in by value, so that it is wiped here.
pub(crate) fn parsed<T>(
    body: Body,
    spec: &BodySpec,
    mut faults: Faults,
    read: impl FnOnce(&Fields<'_>, Faults) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let body = if spec.may_lack && body.is_nothing() { Body::of("{}") } else { body };
    match json::parse(&body) {
        Ok(value) => {
            let fields = Fields::take(value, body.len(), spec.fields, &mut faults);
            read(&fields, faults)
        }
        Err(at) => Err(not_json(&at, faults)),
    }
}

/// Says where a body stops being JSON, and nothing of what it holds.
pub(crate) fn not_json(at: &NotJson, mut faults: Faults) -> Refusal {
    faults.not_json(at.to_string());
    faults.into()
}

/// An unfinished handler is not cut off by a client that hangs up: it runs in a task of its own.
///
/// It begins at once, and not where it is first waited for: so it goes into its task as it is made, and is not part of what waits.
pub(crate) fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, VaultError>> + Send + 'static,
) -> impl Future<Output = Result<T, Refusal>> + Send {
    let task = tokio::spawn(work);
    async move {
        match task.await {
            Ok(done) => Ok(done?),
            Err(_panicked) => Err(Refusal::new(ErrorCode::Internal)),
        }
    }
}
