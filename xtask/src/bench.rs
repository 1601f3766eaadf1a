//! A small benchmark of the release build: how close durable tokenisation comes to the bare HTTP server.

mod client;
mod disk;
mod driver;
mod report;
mod work;

use core::time::Duration;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::dev_vault::DevVault;
use crate::workspace::Workspace;
use crate::{run, say};

use report::{Cell, Report};
use work::{Cards, Work};

/// Connections at which everything is measured.
const CONNECTIONS: [usize; 3] = [1, 16, 64];

#[derive(clap::Args)]
pub(crate) struct BenchArguments {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Seconds for which each kind of request is sent in each round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Rounds, in which the kinds of requests take turns.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Directory on the disk to be measured; a new one is made in it and removed.
    #[arg(long)]
    parent: Option<PathBuf>,
}

/// Builds, measures, prints.
pub(crate) fn bench(workspace: &Workspace, arguments: &BenchArguments) -> anyhow::Result<()> {
    let build =
        run::cargo(&workspace.root, &["build", "--release", "--locked", "--package", "panvault", "--quiet"]);
    run::output(build).context("the release build failed")?;
    let parent = arguments.parent.as_ref().unwrap_or(&workspace.target);
    let directory = tempfile::tempdir_in(parent).context("no directory for the data could be made")?;
    let flush = disk::flush(directory.path())?;
    let cells = measure(workspace, arguments, directory.path())?;
    let report = Report { flush, cells, seconds: arguments.seconds, rounds: arguments.rounds };
    if arguments.json {
        say::line(report.json())
    } else {
        say::line(report.table().trim_end())
    }
    Ok(())
}

fn measure(workspace: &Workspace, arguments: &BenchArguments, directory: &Path) -> anyhow::Result<Vec<Cell>> {
    let binary = workspace.target.join("release/panvault");
    let log = workspace.target.join("bench/server.log");
    let mut vault = DevVault::start(workspace, &binary, &directory.join("data"), &log)?;
    let cards = Cards::default();
    let mut cells = Vec::new();
    for connections in CONNECTIONS {
        let mut row = Work::ALL.map(|work| Cell { work, connections, rounds: Vec::new() });
        for _ in 0..arguments.rounds {
            for cell in &mut row {
                let seconds = Duration::from_secs(arguments.seconds);
                let round = driver::round(&vault, cell.work, &cards, connections, seconds)?;
                vault.still_runs()?;
                cell.rounds.push(round);
            }
        }
        cells.extend(row);
    }
    Ok(cells)
}
