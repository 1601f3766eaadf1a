//! What lists and counts cost when there is a million cards, against a page of the newest.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::bench::bar::{self, Bar, Limit};
use crate::bench::client::Client;
use crate::bench::figures::{median, ratio};
use crate::bench::server::{Binaries, Server, Vault};
use crate::bench::size;
use crate::bench::table::Table;
use crate::say;
use crate::stopwatch::Stopwatch;
use crate::workspace::Workspace;

/// Times that each question is asked; the median counts.
const TIMES: usize = 5;
/// Rows of a page.
const ROWS: usize = 20;
/// Fingerprints of one question: as many as one may have.
const FINGERPRINTS: usize = 32;
/// Rows that a list examines at most.
const EXAMINED_MAX: u64 = 100_000;
/// Nothing is to be cut short that is measured.
const LIST_SECONDS_MAX: &str = "list_seconds_max=30";

#[derive(clap::Args)]
pub(crate) struct ListsArguments {
    /// Cards, all of one organisation: such as 10000, 100k or 1M.
    #[arg(long, default_value = "1M", value_parser = size::parse)]
    cards: u64,
    /// Directory on the disk to be measured; a new one is made in it and removed.
    #[arg(long)]
    parent: Option<PathBuf>,
}

/// A question, and what it may cost at most.
struct Question {
    what: &'static str,
    path: String,
    /// The status that it is answered with: what examines too much is refused.
    status: u16,
    /// Times a page of the newest rows, where it finds what it is asked for without going through all.
    at_most: Option<f64>,
}

/// What a question took.
struct Measured {
    what: &'static str,
    at_most: Option<f64>,
    millis: f64,
}

/// Builds, loads, measures, prints.
pub(super) fn lists(workspace: &Workspace, arguments: &ListsArguments) -> anyhow::Result<()> {
    let binaries = Binaries::build(workspace)?;
    let parent = arguments.parent.as_ref().unwrap_or(&workspace.target);
    let directory = tempfile::Builder::new().prefix("panvault-bench-").tempdir_in(parent);
    let directory = directory.with_context(|| format!("no directory can be made in {}", parent.display()))?;
    let vault = binaries.vault(directory.path())?;
    say::note(format_args!("loading {} cards", size::shown(arguments.cards)));
    binaries.load(&vault, 0, arguments.cards, &directory.path().join("ids"), |_, _| {})?;
    let server = binaries.serve_with(&vault, &["--set", LIST_SECONDS_MAX])?;
    let questions = questions(&vault, &server, arguments.cards)?;
    let mut measured = Vec::new();
    for question in questions {
        measured.push(ask(&vault, &server, question)?);
    }
    say::line(format_args!(
        "{}\n{}",
        table(&measured).plain(),
        bar::table(&bars(&measured)).plain().trim_end()
    ));
    Ok(())
}

/// The first is what the others are held against.
fn questions(vault: &Vault, server: &Server, cards: u64) -> anyhow::Result<Vec<Question>> {
    let mut client = Client::connect(server.authority())?;
    let mut rows = |query: String| -> anyhow::Result<Vec<Value>> {
        let answer = client.ask("GET", &format!("/v1/card?{query}"), &vault.api_key, None)?;
        ensure!(answer.status == 200, "a list is answered {}", answer.status);
        answer.json()?.as_array().cloned().context("a list is no array")
    };
    let text = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
    let newest = rows(format!("_limit={ROWS}"))?;
    let last = newest.last().context("there are no cards")?;
    let (bin, created) = (text(last, "bin"), text(last, "created_at"));
    let (bin, created) = (bin.context("a card has no bin")?, created.context("a card has no time")?);
    let half = cards / 2;
    let middle = rows(format!("_limit=1&_skip={half}"))?;
    let middle = middle.first().and_then(|row| text(row, "_id")).context("no card is in the middle")?;
    // Of cards that lie far apart: what is found stands in many places of the index.
    let mut fingerprints = Vec::new();
    for at in 0..FINGERPRINTS as u64 {
        let row = rows(format!("_limit=1&_skip={}", cards.saturating_sub(1) * at / FINGERPRINTS as u64))?;
        let found = row.first().and_then(|row| text(row, "fingerprint"));
        fingerprints.push(format!("fingerprint={}", found.context("a card has no fingerprint")?));
    }
    let absent: Vec<_> = (0..FINGERPRINTS).map(|n| format!("fingerprint={n:032x}")).collect();
    let list = |what, query: String, at_most| Question {
        what,
        path: format!("/v1/card?_limit={ROWS}{query}"),
        status: 200,
        at_most,
    };
    let count = |what, query: String, at_most| Question {
        what,
        path: format!("/v1/card/count?{query}"),
        status: 200,
        at_most,
    };
    let of_many = |what, query: &str| Question {
        status: if cards > EXAMINED_MAX { 400 } else { 200 },
        ..list(what, query.to_owned(), None)
    };
    Ok(vec![
        list("the newest", String::new(), None),
        count("count of all", String::new(), Some(2.0)),
        list("_sort=-created_at", "&_sort=-created_at".to_owned(), Some(2.0)),
        list("created_at>= of the newest", format!("&created_at%3E={created}"), Some(5.0)),
        list("fingerprint, 32 that are there", format!("&{}", fingerprints.join("&")), Some(20.0)),
        list("fingerprint, 32 that are not", format!("&{}", absent.join("&")), Some(20.0)),
        count("count of 32 fingerprints", fingerprints.join("&"), Some(20.0)),
        list("_skip of half", format!("&_skip={half}"), None),
        list("_after the middle", format!("&_after={middle}"), Some(2.0)),
        list("bin=", format!("&bin={bin}"), None),
        list("bin!=", format!("&bin!={bin}"), None),
        count("count of bin!=", format!("bin!={bin}"), None),
        of_many("_sort=last_four, refused past 100,000", "&_sort=last_four"),
    ])
}

fn ask(vault: &Vault, server: &Server, question: Question) -> anyhow::Result<Measured> {
    let mut client = Client::connect(server.authority())?;
    let mut took = Vec::new();
    for _ in 0..TIMES {
        let watch = Stopwatch::start();
        let answer = client.ask("GET", &question.path, &vault.api_key, None)?;
        ensure!(answer.status == question.status, "{} is answered {}", question.what, answer.status);
        took.push(watch.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(Measured { what: question.what, at_most: question.at_most, millis: median(took) })
}

fn newest_millis(measured: &[Measured]) -> f64 {
    measured.first().map_or(0.0, |newest| newest.millis)
}

fn table(measured: &[Measured]) -> Table {
    let mut table = Table::new(&["asked", "ms", "÷ newest"]);
    for one in measured {
        let times = ratio(one.millis, newest_millis(measured));
        table.row([one.what.to_owned(), format!("{:.2}", one.millis), format!("{times:.1}")]);
    }
    table
}

fn bars(measured: &[Measured]) -> Vec<Bar> {
    let bar = |one: &Measured| {
        let limit = Limit::AtMost(one.at_most?);
        Some(Bar { what: one.what, limit, measured: ratio(one.millis, newest_millis(measured)), unit: "" })
    };
    measured.iter().filter_map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_held_against_the_newest() {
        let one = |what, at_most, millis| Measured { what, at_most, millis };
        let measured = [one("the newest", None, 2.0), one("count", Some(2.0), 5.0), one("bin=", None, 400.0)];
        let bars = bars(&measured);
        assert_eq!(bars.iter().map(|bar| (bar.what, bar.measured)).collect::<Vec<_>>(), [("count", 2.5)]);
        assert!(!bars.iter().any(Bar::is_met));
        assert!(table(&measured).plain().contains("200.0"));
    }
}
