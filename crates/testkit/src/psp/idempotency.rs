use std::collections::BTreeMap;

use super::{PspAnswer, PspRequest};

/// What was answered under which idempotency key.
#[derive(Default)]
pub(super) struct Idempotency(BTreeMap<String, (Vec<u8>, PspAnswer)>);

/// What is known of a key.
pub(super) enum Known {
    /// Nothing.
    New,
    /// It was used for the same request, which was answered so.
    Same(PspAnswer),
    /// It was used for another one.
    Other,
}

impl Idempotency {
    pub(super) fn look(&self, key: &str, request: &PspRequest) -> Known {
        match self.0.get(key) {
            None => Known::New,
            Some((digest, answer)) if *digest == request.digest() => Known::Same(answer.clone()),
            Some(_) => Known::Other,
        }
    }

    pub(super) fn keep(&mut self, key: &str, request: &PspRequest, answer: &PspAnswer) {
        self.0.insert(key.to_owned(), (request.digest(), answer.clone()));
    }
}
