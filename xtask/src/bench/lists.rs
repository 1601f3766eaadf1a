//! What lists and counts cost when there are a million cards and a million transactions, and what tokenising costs beside them.

mod questions;

use core::time::Duration;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, ensure};

use crate::bench::bar::{self, Bar, Limit};
use crate::bench::client::Client;
use crate::bench::figures::{median, ratio};
use crate::bench::kind::Kind;
use crate::bench::lists::questions::{Question, questions};
use crate::bench::page::Page;
use crate::bench::server::{Server, Vault};
use crate::bench::size;
use crate::bench::stand::{Ask, Stand};
use crate::bench::table::{Table, thousands};
use crate::say;
use crate::stopwatch::Stopwatch;
use crate::workspace::Workspace;

/// Times that a question is asked which an index answers: the p99 is not the worst of them.
const TIMES: usize = 200;
/// The same for what goes through many rows.
const TIMES_OF_MANY: usize = 5;
/// What a page may take at most that an index answers, p99, in milliseconds.
const INDEXED_MILLIS_MAX: f64 = 10.0;
/// Processor time with many rows against that with few.
const CPU_RATIO_MAX: f64 = 1.15;
/// Cards of the vault that has few.
const FEW: u64 = 10_000;
const CONNECTIONS: usize = 64;
const ROUNDS: usize = 5;
/// Of so many transactions one is captured, settled and refunded in part.
const CAPTURED_ONE_IN: &str = "50";
/// Nothing is to be cut short that is measured.
const LIST_SECONDS_MAX: &str = "list_seconds_max=30";

#[derive(clap::Args)]
pub(crate) struct ListsArguments {
    /// Cards, all of one organisation: such as 10000, 100k or 1M.
    #[arg(long, default_value = "1M", value_parser = size::parse)]
    cards: u64,
    /// Transactions with them.
    #[arg(long, default_value = "1M", value_parser = size::parse)]
    transactions: u64,
    /// Seconds of one window of tokenising.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Directory on the disk to be measured; a new one is made in it and removed.
    #[arg(long)]
    parent: Option<PathBuf>,
    /// Write the results into docs/performance.md.
    #[arg(long)]
    write: bool,
}

/// What a question took, in milliseconds.
struct Took {
    what: &'static str,
    is_indexed: bool,
    p50: f64,
    p99: f64,
    worst: f64,
}

/// Processor time of the server for a request, in microseconds, of windows that lie side by side.
struct Beside {
    kind: Kind,
    many_us: f64,
    few_us: f64,
    ratio: f64,
}

/// All that was measured.
struct Measured {
    cards: u64,
    transactions: u64,
    took: Vec<Took>,
    beside: Vec<Beside>,
}

/// Builds, loads, measures, prints.
pub(super) fn lists(workspace: &Workspace, arguments: &ListsArguments) -> anyhow::Result<()> {
    ensure!(arguments.cards > 0 && arguments.transactions > 0, "there must be cards and transactions");
    let mut stand = Stand::ready(workspace, arguments.parent.as_ref())?;
    let measured = measure(&mut stand, arguments)?;
    let (table, bars) = (measured.table(), bar::table(&measured.bars()));
    say::line(format_args!("{}\n{}\n\n{}", table.plain(), measured.notes(), bars.plain().trim_end()));
    if arguments.write {
        let mut page = Page::read(&workspace.root)?;
        let part = format!("{}\n{}\n\n{}", table.markdown(), measured.notes(), bars.markdown());
        page.put("lists", &part)?;
        page.write()?;
    }
    Ok(())
}

fn measure(stand: &mut Stand, arguments: &ListsArguments) -> anyhow::Result<Measured> {
    let ListsArguments { cards, transactions, .. } = *arguments;
    let path = |name: &str| stand.directory.path().join(name);
    let [many, few] = ["many", "few"].map(path);
    let ids = ["cards", "paid", "few-cards"].map(|name| path(&format!("{name}.ids")));
    let [card_ids, transaction_ids, few_ids] = &ids;
    let binaries = &stand.binaries;
    let vault = |directory: &PathBuf| {
        fs::create_dir(directory)?;
        binaries.vault(directory)
    };
    let (many, few) = (vault(&many)?, vault(&few)?);
    say::note(format_args!("making {} cards", size::shown(cards)));
    binaries.load(&many, 0, cards, card_ids, |_, _| {})?;
    binaries.load(&few, 0, FEW, few_ids, |_, _| {})?;
    say::note(format_args!("making {} transactions", size::shown(transactions)));
    let second = binaries.account(&many)?;
    let mixed = [second.as_str(), "--mixed", "--refund", "--captured-one-in", CAPTURED_ONE_IN];
    binaries.pay(&many, card_ids, transactions, transaction_ids, &mixed)?;
    let mut served = [
        (binaries.serve_with(&many, &["--set", LIST_SECONDS_MAX])?, &many, card_ids),
        (binaries.serve(&few)?, &few, few_ids),
    ];
    let [(server, ..), _] = &served;
    let mut took = Vec::new();
    for question in questions(&many, server, &second, card_ids, transaction_ids)? {
        took.push(ask(&many, server, &question)?);
    }
    let long = Duration::from_secs(arguments.seconds);
    let mut beside = Vec::new();
    for kind in [Kind::Tokenise, Kind::Transact] {
        say::note(format_args!("{} with many rows, and with few", kind.name()));
        let mut rounds = Vec::new();
        for round in 0..ROUNDS {
            let mut cpu_us = [0.0; 2];
            // Each is the first of the two as often as the other.
            let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
            for at in order {
                let (server, vault, ids) = served.get_mut(at).context("two are served")?;
                let place = (round as u64) * FEW / ROUNDS as u64;
                let ask = Ask { kind, connections: CONNECTIONS, long, ids, place };
                let figures = stand.window(vault, server, ask)?;
                *cpu_us.get_mut(at).context("two are served")? = figures.cpu_us;
            }
            rounds.push(cpu_us);
        }
        beside.push(Beside::of(kind, &rounds));
    }
    Ok(Measured { cards, transactions, took, beside })
}

fn ask(vault: &Vault, server: &Server, question: &Question) -> anyhow::Result<Took> {
    let mut client = Client::connect(server.authority())?;
    let mut millis = Vec::new();
    let times = if question.is_indexed { TIMES } else { TIMES_OF_MANY };
    for path in question.paths.iter().cycle().take(times) {
        let watch = Stopwatch::start();
        let answer = client.ask("GET", path, &vault.api_key, None)?;
        let status = answer.status;
        millis.push(watch.elapsed().as_secs_f64() * 1000.0);
        ensure!(status == question.status, "{} is answered {status}", question.what);
        let found = answer.json()?.as_array().map(Vec::len);
        let is_right = question.finds_some.is_none_or(|some| found.is_some_and(|rows| some == (rows > 0)));
        ensure!(is_right, "{} finds {found:?}", question.what);
    }
    Ok(Took::of(question.what, question.is_indexed, millis))
}

impl Took {
    fn of(what: &'static str, is_indexed: bool, mut millis: Vec<f64>) -> Self {
        millis.sort_by(f64::total_cmp);
        let at = |hundredths: usize| {
            let place = (millis.len() * hundredths).div_ceil(100).max(1) - 1;
            millis.get(place).copied().unwrap_or_default()
        };
        Self { what, is_indexed, p50: at(50), p99: at(99), worst: at(100) }
    }
}

impl Beside {
    /// Of rounds with many rows and with few.
    fn of(kind: Kind, rounds: &[[f64; 2]]) -> Self {
        Self {
            kind,
            many_us: median(rounds.iter().map(|[many, _]| *many)),
            few_us: median(rounds.iter().map(|[_, few]| *few)),
            ratio: median(rounds.iter().map(|[many, few]| ratio(*many, *few))),
        }
    }
}

impl Measured {
    fn table(&self) -> Table {
        let mut table = Table::new(&["asked", "by an index", "p50 ms", "p99 ms", "worst ms"]);
        for Took { what, is_indexed, p50, p99, worst } in &self.took {
            // Of five the p99 would be the worst.
            let p99 = if *is_indexed { format!("{p99:.2}") } else { String::new() };
            let index = if *is_indexed { "yes" } else { "" };
            table.row([
                (*what).to_owned(),
                index.to_owned(),
                format!("{p50:.2}"),
                p99,
                format!("{worst:.2}"),
            ]);
        }
        table
    }

    /// What an index answers, the slowest.
    fn slowest(&self) -> Option<&Took> {
        self.took.iter().filter(|took| took.is_indexed).max_by(|a, b| a.p99.total_cmp(&b.p99))
    }

    fn notes(&self) -> String {
        let mut notes = format!(
            "With {} cards and {} transactions of one organisation; of what an index answers, the slowest is: {}.",
            thousands(self.cards as f64),
            thousands(self.transactions as f64),
            self.slowest().map_or("nothing", |took| took.what),
        );
        for Beside { kind, many_us, few_us, .. } in &self.beside {
            notes.push_str(&format!(
                "\nProcessor time of {}, {CONNECTIONS} connections: {many_us:.1} µs beside them, {few_us:.1} µs in a vault with \
                 {} cards.",
                kind.name(),
                thousands(FEW as f64),
            ));
        }
        notes
    }

    fn bars(&self) -> Vec<Bar> {
        let slowest = self.slowest().map_or(0.0, |took| took.p99);
        let mut bars = vec![Bar {
            what: "page that an index answers, the slowest kind, p99",
            limit: Limit::AtMost(INDEXED_MILLIS_MAX),
            measured: slowest,
            unit: " ms",
        }];
        for Beside { kind, ratio, .. } in &self.beside {
            let what = match kind {
                Kind::Tokenise => "processor time of tokenise with many rows ÷ with few, side by side",
                Kind::Floor | Kind::Read | Kind::Cvv | Kind::Transact | Kind::Capture | Kind::Refund => {
                    "processor time of transact with many rows ÷ with few, side by side"
                }
            };
            bars.push(Bar { what, limit: Limit::AtMost(CPU_RATIO_MAX), measured: *ratio, unit: "" });
        }
        bars
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_that_an_index_answers_is_judged() {
        let indexed = Took::of("card=", true, (1..=200).map(f64::from).collect());
        assert_eq!((indexed.p50, indexed.p99, indexed.worst), (100.0, 198.0, 200.0));
        let many = Took::of("bin=", false, vec![400.0, 100.0, 300.0]);
        assert_eq!((many.p50, many.worst), (300.0, 400.0));
        let quick = Took::of("the newest", true, vec![1.0; 200]);
        let beside = vec![Beside::of(Kind::Tokenise, &[[30.0, 30.0], [36.0, 30.0], [22.0, 20.0]])];
        let measured =
            Measured { cards: 1_000_000, transactions: 20, took: vec![quick, indexed, many], beside };
        let bars: Vec<(f64, bool)> = measured.bars().iter().map(|bar| (bar.measured, bar.is_met())).collect();
        assert_eq!(bars, [(198.0, false), (1.1, true)]);
        assert!(measured.notes().contains("1,000,000 cards") && measured.notes().contains("is: card=."));
        assert!(measured.notes().contains("30.0 µs beside them"));
        assert_eq!(measured.table().0.len(), 4);
    }
}
