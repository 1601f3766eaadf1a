//! How the work of everything that reads what is not ours grows with its size: in time, which is what a caller could make us spend, and in
//! instructions, which a noisy machine does not move.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::bench::bar::{self, Bar, Limit};
use crate::bench::plan;
use crate::bench::table::{Table, thousands};
use crate::workspace::{SHIPPED, Workspace};
use crate::{packages, run, say};

/// What twice the size may cost at most, of what it cost before. n log n is 2.2 at these sizes, n² is 4.
const DOUBLING_MAX: f64 = 2.6;
/// Bytes beyond which instructions are not counted: callgrind takes a hundred times as long.
const COUNTED_BYTES_MAX: usize = 262_144;

#[derive(clap::Args)]
pub(crate) struct ParseArguments {
    /// Rounds, in which sizes take turns; the quickest of each counts.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=1000))]
    rounds: u64,
    /// Measure the debug build, which is there sooner and grows alike.
    #[arg(long)]
    debug: bool,
}

/// What one parser took for one size.
#[derive(Clone, Debug, PartialEq)]
struct Point {
    name: String,
    bytes: usize,
    nanoseconds: f64,
    instructions: Option<f64>,
}

pub(super) fn parse(workspace: &Workspace, arguments: &ParseArguments) -> anyhow::Result<()> {
    let root = &workspace.root;
    packages::need(root, "valgrind", || run::works(run::command("valgrind", root, &["--version"])))?;
    let bench = build(workspace, arguments.debug)?;
    say::note("timing");
    let rounds = arguments.rounds.to_string();
    let timed = run::output(run::command(&bench, root, &["parse", "--rounds", &rounds]))?;
    let mut points = points(&String::from_utf8_lossy(&timed)).context("the measurements cannot be read")?;
    let directory = tempfile::tempdir()?;
    for point in points.iter_mut().filter(|point| point.bytes <= COUNTED_BYTES_MAX) {
        say::note(format_args!("counting {} of {} bytes", point.name, point.bytes));
        point.instructions = Some(instructions(&bench, directory.path(), point)?);
    }
    let (table, bars) = (table(&points), bars(&points));
    say::line(format_args!("{}\n{}", table.plain(), bar::table(&bars).plain().trim_end()));
    // A busy machine is no fault of a parser's: time is told, and what was counted decides.
    for (one, twice) in doublings(&points).filter(|(one, twice)| times_in_time(one, twice) > DOUBLING_MAX) {
        let times = times_in_time(one, twice);
        say::line(format_args!(
            "{} at {} bytes took {times:.2} times as long as half of it",
            twice.name, twice.bytes
        ));
    }
    let names: Vec<_> =
        flagged(&points).iter().map(|point| format!("{} at {}", point.name, point.bytes)).collect();
    ensure!(bars.iter().all(Bar::is_met), "these grow faster than their size: {}", names.join(", "));
    Ok(())
}

fn build(workspace: &Workspace, debug: bool) -> anyhow::Result<PathBuf> {
    let (profile, directory) = if debug { ("dev", "debug") } else { (SHIPPED, SHIPPED) };
    let arguments = ["build", "--profile", profile, "--locked", "--quiet", "--package", "panvault-bench"];
    run::output(run::cargo(&workspace.root, &arguments)).context("the build failed")?;
    Ok(workspace.target.join(directory).join("panvault-bench"))
}

/// Lines of a name, bytes and nanoseconds, between which are tabs.
fn points(text: &str) -> Option<Vec<Point>> {
    let point = |line: &str| {
        let mut parts = line.split('\t');
        let (name, bytes) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
        let nanoseconds = parts.next()?.parse().ok()?;
        Some(Point { name, bytes, nanoseconds, instructions: None })
    };
    text.lines().map(point).collect()
}

fn instructions(bench: &Path, directory: &Path, point: &Point) -> anyhow::Result<f64> {
    let file = directory.join("callgrind");
    let out = format!("--callgrind-out-file={}", file.display());
    let mut command = run::command("valgrind", directory, &["--tool=callgrind", "--quiet", &out]);
    command.arg("--toggle-collect=*parse_counted*");
    command.arg(bench).args(["parse", "--once", &point.name, "--bytes", &point.bytes.to_string()]);
    run::output(command)?;
    let counted = plan::total(&std::fs::read_to_string(&file)?).context("callgrind gave no total")?;
    Ok(counted as f64)
}

/// Pairs of neighbouring sizes of one parser.
fn doublings(points: &[Point]) -> impl Iterator<Item = (&Point, &Point)> {
    let pairs = points.iter().zip(points.iter().skip(1));
    pairs.filter(|(one, twice)| one.name == twice.name)
}

fn times_in_time(one: &Point, twice: &Point) -> f64 {
    twice.nanoseconds / one.nanoseconds
}

fn times_in_instructions(one: &Point, twice: &Point) -> Option<f64> {
    Some(twice.instructions? / one.instructions?)
}

/// Those that cost more instructions than they may.
fn flagged(points: &[Point]) -> Vec<&Point> {
    let is_flagged = |one, twice| times_in_instructions(one, twice).is_some_and(|times| times > DOUBLING_MAX);
    doublings(points).filter(|(one, twice)| is_flagged(one, twice)).map(|(_, twice)| twice).collect()
}

fn bars(points: &[Point]) -> Vec<Bar> {
    let times = doublings(points).filter_map(|(one, twice)| times_in_instructions(one, twice));
    let (limit, measured) = (Limit::AtMost(DOUBLING_MAX), times.fold(0.0, f64::max));
    vec![Bar { what: "instructions of twice the size, of any parser", limit, measured, unit: "×" }]
}

/// Each size on a line, beside the one before.
fn table(points: &[Point]) -> Table {
    let mut table = Table::new(&["parser", "bytes", "µs", "× before", "instructions", "× before"]);
    let mut before: Option<&Point> = None;
    for point in points {
        let one = before.filter(|one| one.name == point.name);
        let times = |times: Option<f64>| times.map_or_else(String::new, |times| format!("{times:.2}"));
        table.row([
            point.name.clone(),
            thousands(point.bytes as f64),
            format!("{:.1}", point.nanoseconds / 1e3),
            times(one.map(|one| times_in_time(one, point))),
            point.instructions.map_or_else(String::new, thousands),
            times(one.and_then(|one| times_in_instructions(one, point))),
        ]);
        before = Some(point);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_with_the_square_is_flagged() {
        let timed = "a\t1000\t50\na\t2000\t99\na\t4000\t999\nb\t1000\t900\nb\t2000\t1800\n";
        let mut points = points(timed).unwrap();
        assert_eq!(doublings(&points).count(), 3, "of one parser");
        let mut count = |instructions: fn(f64) -> f64| {
            points.iter_mut().for_each(|point| point.instructions = Some(instructions(point.bytes as f64)));
            (flagged(&points).len(), bars(&points).iter().all(Bar::is_met))
        };
        assert_eq!(count(|bytes| 7.0 * bytes), (0, true));
        assert_eq!(count(|bytes| bytes * bytes.log2()), (0, true));
        assert_eq!(count(|bytes| bytes * bytes), (3, false));
        assert!(super::points("a\t1000\n").is_none() && super::points("a\tx\t1\n").is_none());
    }
}
