//! What a real list of issuers costs: importing it, its file, a look-up, and tokenising with it.

use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

use crate::bench::bar::{self, Bar, Limit};
use crate::bench::figures::{Figures, median, ratio};
use crate::bench::kind::Kind;
use crate::bench::page::Page;
use crate::bench::process;
use crate::bench::server::{Server, Vault};
use crate::bench::stand::{Ask, Stand};
use crate::bench::table::{Table, thousands};
use crate::workspace::Workspace;
use crate::{bin_list, run, say};

const MIB: f64 = 1_048_576.0;

#[derive(clap::Args)]
pub(crate) struct BinArguments {
    /// Write the results into docs/performance.md.
    #[arg(long)]
    write: bool,
    /// Seconds of one window.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Rounds, in which the vault with the list and the one without take turns.
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u64).range(3..=100))]
    rounds: u64,
    /// Connections.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1000))]
    connections: u64,
    /// Directory on the disk to be measured; a new one is made in it and removed.
    #[arg(long)]
    parent: Option<PathBuf>,
}

/// All that was measured.
#[derive(Default)]
struct Measured {
    /// Milliseconds of each import, process and all.
    import_ms: Vec<f64>,
    rows: f64,
    ranges: f64,
    file_bytes: f64,
    lookup_ns: f64,
    without: Vec<Figures>,
    with: Vec<Figures>,
    /// Resident bytes at rest before the first window: without, and with.
    memory: (f64, f64),
}

/// Builds, measures, prints.
pub(super) fn bin(workspace: &Workspace, arguments: &BinArguments) -> anyhow::Result<()> {
    let list = bin_list::ready(workspace)?;
    let mut stand = Stand::ready(workspace, arguments.parent.as_ref())?;
    let mut measured = Measured::default();
    let [without, with] = ["without", "with"].map(|name| stand.directory.path().join(name));
    let vault = |directory: &Path| {
        fs::create_dir(directory)?;
        stand.binaries.vault(directory)
    };
    let (without, with) = (vault(&without)?, vault(&with)?);
    for turn in 1..=arguments.rounds.min(7) {
        say::note(format_args!("importing, time {turn}"));
        let (took, report) = stand.binaries.bin_import(&with, &list)?;
        let number =
            |name: &str| report.get(name).and_then(Value::as_f64).context("the report lacks a number");
        measured.import_ms.push(took.as_secs_f64() * 1e3);
        (measured.rows, measured.ranges) = (number("taken")?, number("ranges")?);
        measured.file_bytes = number("bytes")?;
    }
    measured.lookup_ns = lookup_ns(workspace, &with.data.join("bins.table"))?;
    tokenise(&mut stand, arguments, &without, &with, &mut measured)?;
    let (table, bars) = (measured.table(), bar::table(&measured.bars()));
    say::line(format_args!("{}\n{}\n\n{}", table.plain(), measured.notes(), bars.plain().trim_end()));
    if arguments.write {
        let mut page = Page::read(&workspace.root)?;
        page.put("bin", &format!("{}\n{}\n\n{}", table.markdown(), measured.notes(), bars.markdown()))?;
        page.write()?;
    }
    Ok(())
}

/// The median of a look-up in the table, as criterion has it.
fn lookup_ns(workspace: &Workspace, table: &Path) -> anyhow::Result<f64> {
    say::note("looking up, with criterion");
    let arguments = ["bench", "--locked", "--quiet", "--package", "panvault-bins", "--bench", "lookup"];
    let mut command = run::cargo(&workspace.root, &arguments);
    command.args(["--", "--noplot"]).env("PANVAULT_BIN_TABLE", table);
    run::output(command)?;
    let path = workspace.target.join("criterion/lookup/new/estimates.json");
    let text = fs::read_to_string(&path).with_context(|| format!("criterion left no {}", path.display()))?;
    let estimates: Value = serde_json::from_str(&text)?;
    estimates.pointer("/median/point_estimate").and_then(Value::as_f64).context("criterion says no median")
}

/// Both vaults are served all the time and asked in turn, so that what else the machine does meets both.
fn tokenise(
    stand: &mut Stand,
    arguments: &BinArguments,
    without: &Vault,
    with: &Vault,
    measured: &mut Measured,
) -> anyhow::Result<()> {
    let mut plain = stand.binaries.serve(without)?;
    let mut listed = stand.binaries.serve(with)?;
    let resident = |server: &Server| process::memory(server.pid()).map(|memory| memory.now as f64);
    measured.memory = (resident(&plain)?, resident(&listed)?);
    let ask = Ask {
        kind: Kind::Tokenise,
        connections: usize::try_from(arguments.connections)?,
        long: Duration::from_secs(arguments.seconds),
        ids: Path::new(""),
        place: 0,
    };
    // The first window of a process is not like the others.
    stand.window(without, &mut plain, ask)?;
    stand.window(with, &mut listed, ask)?;
    for round in 0..arguments.rounds {
        say::note(format_args!("tokenise, round {} of {}", round + 1, arguments.rounds));
        let first =
            stand_window(stand, round.is_multiple_of(2), (without, &mut plain), (with, &mut listed), ask)?;
        measured.without.push(first.0);
        measured.with.push(first.1);
    }
    Ok(())
}

/// One window of each, in the order that is asked for: what the first leaves for the disk to do is not always the other's to bear.
fn stand_window(
    stand: &mut Stand,
    plain_first: bool,
    (without, plain): (&Vault, &mut Server),
    (with, listed): (&Vault, &mut Server),
    ask: Ask<'_>,
) -> anyhow::Result<(Figures, Figures)> {
    if plain_first {
        let first = stand.window(without, plain, ask)?;
        Ok((first, stand.window(with, listed, ask)?))
    } else {
        let first = stand.window(with, listed, ask)?;
        Ok((stand.window(without, plain, ask)?, first))
    }
}

impl Measured {
    /// The median of the rounds' ratios: each compares two windows that lie side by side.
    fn ratio(&self) -> f64 {
        median(self.with.iter().zip(&self.without).map(|(with, without)| ratio(with.rps, without.rps)))
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&["tokenise", "requests/s", "p50 ms", "p99 ms", "cpu µs", "memory MiB"]);
        let rows = [("without a list", &self.without, self.memory.0), ("with it", &self.with, self.memory.1)];
        for (name, windows, memory) in rows {
            let of = |figure: fn(&Figures) -> f64| median(windows.iter().map(figure));
            table.row([
                name.to_owned(),
                thousands(of(|window| window.rps)),
                format!("{:.2}", of(|window| window.p50_ms)),
                format!("{:.2}", of(|window| window.p99_ms)),
                format!("{:.1}", of(|window| window.cpu_us)),
                format!("{:.0}", memory / MIB),
            ]);
        }
        table
    }

    fn notes(&self) -> String {
        format!(
            "The list has {} rows, which make {} ranges and a file of {} bytes. Importing it took {:.0} to {:.0} ms, from starting the \
             command to its end. A look-up takes {:.0} ns.",
            thousands(self.rows),
            thousands(self.ranges),
            thousands(self.file_bytes),
            self.import_ms.iter().copied().fold(f64::INFINITY, f64::min),
            self.import_ms.iter().copied().fold(0.0, f64::max),
            self.lookup_ns,
        )
    }

    fn bars(&self) -> Vec<Bar> {
        let bar = |what, limit, measured, unit| Bar { what, limit, measured, unit };
        vec![
            bar(
                "import of the list, median",
                Limit::AtMost(1.0),
                median(self.import_ms.iter().copied()) / 1e3,
                " s",
            ),
            bar("its file", Limit::AtMost(6.0), self.file_bytes / 1e6, " MB"),
            bar("a look-up, median", Limit::AtMost(300.0), self.lookup_ns, " ns"),
            bar("tokenise with the list ÷ without, side by side", Limit::AtLeast(0.97), self.ratio(), ""),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_compared_with_their_neighbours() {
        let window = |rps| Figures { rps, ..Figures::default() };
        // The machine was twice as fast in the second round.
        let measured = Measured {
            without: vec![window(100.0), window(200.0), window(100.0)],
            with: vec![window(99.0), window(198.0), window(50.0)],
            import_ms: vec![400.0, 300.0, 900.0],
            file_bytes: 2e6,
            lookup_ns: 50.0,
            ..Measured::default()
        };
        assert!((measured.ratio() - 0.99).abs() < 1e-9);
        let bars: Vec<f64> = measured.bars().iter().map(|bar| bar.measured).collect();
        assert_eq!(bars.get(..3), Some(&[0.4, 2.0, 50.0][..]));
        assert!(measured.bars().iter().all(Bar::is_met));
        assert_eq!(measured.table().0.len(), 3);
        assert!(measured.notes().contains("300 to 900 ms"));
    }
}
