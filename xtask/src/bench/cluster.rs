//! What a node does over PostgreSQL and Redis, with all of it on this machine, beside `pgbench` that writes rows of the same size one by one.

mod pgbench;
mod report;
mod stand;
mod what;

use core::time::Duration;
use std::path::PathBuf;

use crate::bench::bar;
use crate::bench::cluster::report::Report;
use crate::bench::cluster::stand::Stand;
use crate::bench::cluster::what::What;
use crate::bench::page::{self, Page};
use crate::say;
use crate::stopwatch::Stopwatch;
use crate::workspace::Workspace;

const QUICK_WINDOW: Duration = Duration::from_secs(2);
const QUICK_ROUNDS: u64 = 3;

#[derive(clap::Args)]
pub(crate) struct ClusterArguments {
    /// Three rounds of short windows, about a minute after the build.
    #[arg(long)]
    quick: bool,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
    /// Write the results into docs/performance.md.
    #[arg(long, conflicts_with = "quick")]
    write: bool,
    /// Seconds of one window.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Rounds, in which everything that is measured takes turns.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(3..=100))]
    rounds: u64,
    /// Directory on the disk to be measured; a new one is made in it and removed.
    #[arg(long)]
    parent: Option<PathBuf>,
}

/// Builds, starts, measures, prints.
pub(super) fn cluster(workspace: &Workspace, arguments: &ClusterArguments) -> anyhow::Result<()> {
    let mut stand = Stand::ready(workspace, arguments.parent.as_ref())?;
    let watch = Stopwatch::start();
    let report = measure(&mut stand, arguments)?;
    say::note(format_args!("measured for {watch}"));
    if arguments.json {
        say::line(report.json());
        return Ok(());
    }
    let (table, bars) = (report.table(), bar::table(&report.bars()));
    let machine = format!("{}\n{}", page::machine(stand.directory())?, stand.versions()?);
    say::line(format_args!(
        "{machine}\n\n{}\n{}\n{}",
        table.plain(),
        report.notes(),
        bars.plain().trim_end()
    ));
    if arguments.write {
        let mut page = Page::read(&workspace.root)?;
        let part = format!("{machine}\n\n{}\n{}\n{}", table.markdown(), report.notes(), bars.markdown());
        page.put("cluster", &part)?;
        page.write()?;
    }
    Ok(())
}

fn measure(stand: &mut Stand, arguments: &ClusterArguments) -> anyhow::Result<Report> {
    let (window, rounds) = if arguments.quick {
        (QUICK_WINDOW, QUICK_ROUNDS)
    } else {
        (Duration::from_secs(arguments.seconds), arguments.rounds)
    };
    say::note("every kind once, to warm up");
    for what in What::ALL {
        stand.window(what, QUICK_WINDOW)?;
    }
    let mut report = Report::new(stand.row_bytes());
    for round in 1..=rounds {
        say::note(format_args!("round {round} of {rounds}"));
        // Whatever comes behind something else in one round comes before it in the next.
        let order = if round % 2 == 1 { What::ALL.to_vec() } else { What::ALL.into_iter().rev().collect() };
        for what in order {
            report.add(what, stand.window(what, window)?);
        }
    }
    Ok(report)
}
