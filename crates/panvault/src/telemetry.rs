//! Where log events go: standard error, as text or as one JSON object a line. Nothing that is served waits for it.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::standard_error;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    Text,
    Json,
}

/// Starts logging at a level: `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,panvault_server=debug`.
pub(crate) fn start(level: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = filter(level)?;
    // A line that cannot be written is lost. By default the library says so on the same standard error, which then panics.
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(standard_error::start()?)
        .log_internal_errors(false);
    let is_text = match format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let started = if is_text {
        subscriber.with_ansi(false).try_init()
    } else {
        subscriber.json().flatten_event(true).with_current_span(false).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("logging did not start: {error}"))
}

/// Reads a level.
pub(crate) fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::builder().with_default_directive(LevelFilter::ERROR.into()).parse(level).context(
        "log_level must be error, warn, info, debug, trace, or directives such as info,panvault_server=debug",
    )
}
