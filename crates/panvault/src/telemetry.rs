//! Where log events go: standard error, as text or as one JSON object a line. Nothing that is served waits for it.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::faults::Faults;
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
    let filter = filter(level).map_err(|fault| anyhow::anyhow!("log_level {fault}"))?;
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
        subscriber.with_ansi(false).finish().with(Faults::new()).try_init()
    } else {
        let subscriber = subscriber.json().flatten_event(true).with_current_span(false);
        subscriber.finish().with(Faults::new()).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("logging did not start: {error}"))
}

/// The levels, the quietest first. There is none that says nothing: what an operator must see is logged at `error` and `warn`.
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];
/// What is not spoken of is logged at.
const LEVEL_OF_THE_REST: &str = "info";
/// Libraries that log what a server at the other end says, in whose words may stand what it was sent. What they tell is in lines of ours.
const SILENT: [&str; 4] = ["deadpool", "deadpool.postgres", "tokio_postgres", "redis"];
/// Crates of this workspace that log.
const OURS: [&str; 13] = [
    "panvault",
    "panvault_bins",
    "panvault_card",
    "panvault_directory",
    "panvault_keys",
    "panvault_model",
    "panvault_processor",
    "panvault_server",
    "panvault_store",
    "panvault_store_embedded",
    "panvault_store_postgres",
    "panvault_store_redis",
    "panvault_vault",
];

/// Reads a level, or directives. The library takes a word that is no level for the name of a module, and then logs nothing else: here it
/// is a fault. What is wrong is said without what was given.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, &'static str> {
    let mut directives = vec![LEVEL_OF_THE_REST.to_owned()];
    for directive in level.split(',') {
        directives.push(match directive.split_once('=') {
            Some((target, level)) => format!("{}={}", target_read(target.trim())?, level_read(level.trim())?),
            None => level_read(directive.trim())?.to_owned(),
        });
    }
    directives.extend(SILENT.iter().map(|target| format!("{target}=off")));
    EnvFilter::builder().parse(directives.join(",")).map_err(|_| FAULT)
}

const FAULT: &str =
    "must be error, warn, info, debug, trace, or directives such as info,panvault_server=debug";

fn level_read(given: &str) -> Result<&'static str, &'static str> {
    let is_given = |word: &str| word.eq_ignore_ascii_case(given);
    match LEVELS.into_iter().find(|level| is_given(level)) {
        Some(level) => Ok(level),
        None if is_given("warning") => Err("must say warn, not warning"),
        None if is_given("off") => {
            Err("cannot be off, for then nobody would see what an operator must: error is the quietest")
        }
        None => Err(FAULT),
    }
}

/// The path of a module; of ours, of one that there is.
fn target_read(given: &str) -> Result<&str, &'static str> {
    let is_word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let first = given.split("::").next().unwrap_or_default();
    if SILENT.contains(&first) {
        return Err("cannot have a directive for a library that repeats what a database says");
    }
    match given.split("::").all(is_word) && (!first.starts_with("panvault") || OURS.contains(&first)) {
        true => Ok(given),
        false => Err("has a directive for what is no module: before = stands one such as panvault_server"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(level: &str) -> Result<String, &'static str> {
        let text = filter(level)?.to_string();
        let (silent, read): (Vec<_>, Vec<_>) = text.split(',').partition(|word| word.ends_with("=off"));
        assert_eq!(silent.len(), SILENT.len(), "{text}");
        Ok(read.join(","))
    }

    /// The bug: with a slip in `log_level` (`inof`, `warning`), nothing was logged at all, and nobody was told. Its cause: the library takes
    /// an unknown word for the name of a module, whose lines it then logs, and no others. Its cure: a word by itself must be a level.
    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for level in
            ["inof", "loud", "", " ", "info,", "3", "info,panvault_server", "[x]=info", "info=panvault"]
        {
            assert!(read(level).is_err(), "{level}");
        }
        assert!(read("warning").is_err_and(|said| said.contains("warn, not warning")));
        assert!(read("Warning").is_err() && read("panvault_vault=warning").is_err());
        assert!(read("off").is_err_and(|said| said.contains("quietest")));
        assert!(read("info,panvault_server=off").is_err());
        for target in [
            "tokio_postgres",
            "redis::aio",
            "panvalt server",
            "panvault_serve",
            "",
            "panvault-server",
            "a::",
            "panvault_server[x]",
        ] {
            assert!(read(&format!("info,{target}=debug")).is_err(), "{target}");
        }
    }

    #[test]
    fn levels_are_taken_in_any_case_and_the_rest_stays_at_info() {
        for level in LEVELS {
            assert_eq!(read(level).unwrap(), level);
            assert_eq!(read(&format!(" {} ", level.to_uppercase())).unwrap(), level);
        }
        let mixed = read("panvault_server::accept=debug").unwrap();
        assert!(mixed.contains("info") && mixed.contains("panvault_server::accept=debug"), "{mixed}");
        let mixed = read("WARN, hyper = debug").unwrap();
        assert!(
            mixed.contains("warn") && mixed.contains("hyper=debug") && !mixed.contains("info"),
            "{mixed}"
        );
    }
}
