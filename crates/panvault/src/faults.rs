//! The last warnings and errors of the log, for whoever asks a running server how it is. Kept of each are its name, what to do, and the request; what
//! else stands in the line is on standard error.

use core::fmt::{Debug, Write};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use panvault_server::{LogLevel, LoggedFault};
use panvault_vault::{Clock, SystemClock};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// How many are kept.
const KEPT_MAX: usize = 20;
/// Bytes of a text that are kept.
const TEXT_BYTES_MAX: usize = 512;
/// Of whose lines: libraries have no advice.
const OURS: &str = "panvault";

static KEPT: Mutex<VecDeque<LoggedFault>> = Mutex::new(VecDeque::new());

/// The last ones, the newest first.
pub(crate) fn kept() -> Vec<LoggedFault> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

/// Keeps what is logged.
pub(crate) struct Faults(SystemClock);

impl Faults {
    pub(crate) fn new() -> Self {
        Self(SystemClock::start())
    }
}

impl<S: Subscriber> Layer<S> for Faults {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => LogLevel::Error,
            Level::WARN => LogLevel::Warn,
            Level::INFO | Level::DEBUG | Level::TRACE => return,
        };
        if !event.metadata().target().starts_with(OURS) {
            return;
        }
        let mut texts = Texts::default();
        event.record(&mut texts);
        let Texts { event, advice, request } = texts;
        let fault = LoggedFault { at: self.0.now().wall, level, event, advice, request };
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_front(fault);
        kept.truncate(KEPT_MAX);
    }
}

#[derive(Default)]
struct Texts {
    event: String,
    advice: Option<String>,
    request: Option<String>,
}

impl Texts {
    fn keep(&mut self, field: &Field, text: impl FnOnce() -> String) {
        match field.name() {
            "message" => self.event = cut(text()),
            "advice" => self.advice = Some(cut(text())),
            "request.id" => self.request = Some(cut(text())),
            _ => {}
        }
    }
}

impl Visit for Texts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, || value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.keep(field, || {
            let mut text = String::new();
            // Writing into a string does not fail.
            let _ = write!(text, "{value:?}");
            text
        });
    }
}

fn cut(mut text: String) -> String {
    let end = (0..=TEXT_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    if text.len() > end {
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn the_last_are_kept_without_what_else_the_line_says() {
        let subscriber = tracing_subscriber::registry().with(Faults::new());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(advice = "none", "quiet");
            tracing::warn!(target: "redis", advice = "none", "of.a_library");
            for at in 0..KEPT_MAX {
                tracing::warn!(at, "first");
            }
            let (id, error) = ("65f1c0de8a4b3c2d1e0f9a8b", "4111111111111111");
            tracing::error!(request.id = %id, %error, advice = "do this", "last");
        });
        let kept = kept();
        assert_eq!(kept.len(), KEPT_MAX);
        let [last, before, ..] = kept.as_slice() else { panic!() };
        assert_eq!((last.level, last.event.as_str()), (LogLevel::Error, "last"));
        assert_eq!(last.advice.as_deref(), Some("do this"));
        assert_eq!(last.request.as_deref(), Some("65f1c0de8a4b3c2d1e0f9a8b"));
        assert_eq!((before.event.as_str(), &before.advice), ("first", &None));
        assert!(!format!("{kept:?}").contains("4111"));
        assert_eq!(cut("é".repeat(300)).len(), 512);
        assert_eq!(cut("a".repeat(511) + "é").len(), 511);
    }
}
