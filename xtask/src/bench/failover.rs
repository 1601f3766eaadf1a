//! The primary of a database dies under load, or hands over, again and again: what a test does once is done often, and summed up.

use anyhow::{Context, ensure};

use crate::bench::figures::median;
use crate::bench::page::Page;
use crate::bench::table::thousands;
use crate::stopwatch::Stopwatch;
use crate::workspace::Workspace;
use crate::{run, say, servers};

const TEST: &str = "cluster::failover::a_primary_that_dies_takes_nothing_along";

#[derive(clap::Args)]
pub(crate) struct FailoverArguments {
    /// How often the primary is killed; half as often it hands over.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    rounds: u64,
    /// Write the result into docs/performance.md.
    #[arg(long)]
    write: bool,
}

/// What one round printed: `failover killed-0: 240 acknowledged, 0 lost, 0 double, 6.1 s without writes`.
#[derive(Clone, Debug, PartialEq)]
struct Round {
    kind: String,
    acknowledged: u64,
    lost: u64,
    double: u64,
    seconds: f64,
}

/// Builds, kills, prints.
pub(super) fn failover(workspace: &Workspace, arguments: &FailoverArguments) -> anyhow::Result<()> {
    servers::needed(workspace)?;
    let watch = Stopwatch::start();
    let test =
        ["test", "--locked", "--package", "panvault", "--test", "it", TEST, "--", "--exact", "--nocapture"];
    let mut command = run::cargo(&workspace.root, &test);
    command.env("PANVAULT_TEST_ROUNDS", arguments.rounds.to_string());
    let mut rounds = Vec::new();
    let went_well = run::lines(command, |line| rounds.extend(Round::parse(line)))?;
    ensure!(!rounds.is_empty(), "no round was seen to its end");
    let said = [
        said("`kill -9` of the primary and what supervises it", "killed", &rounds)?,
        said("handing over as planned", "switched", &rounds).unwrap_or_default(),
    ];
    let said = format!("{}\n\nIt took {watch}.", said.join("\n").trim());
    say::line(&said);
    ensure!(went_well, "a round failed");
    ensure!(
        rounds.iter().all(|round| round.lost == 0 && round.double == 0),
        "something was lost or done twice"
    );
    if arguments.write {
        let mut page = Page::read(&workspace.root)?;
        page.put("failover", &said)?;
        page.write()?;
    }
    Ok(())
}

/// The rounds of a kind in one sentence.
fn said(what: &str, kind: &str, rounds: &[Round]) -> anyhow::Result<String> {
    let rounds: Vec<_> = rounds.iter().filter(|round| round.kind == kind).collect();
    ensure!(!rounds.is_empty(), "there was no round of {what}");
    let sum = |of: fn(&Round) -> u64| rounds.iter().map(|round| of(round)).sum::<u64>();
    let worst = rounds.iter().map(|round| round.seconds).max_by(f64::total_cmp).context("there is none")?;
    Ok(format!(
        "- {} of {what}: {} acknowledged, {} lost, {} done twice; time without writes {:.1} s (median), {worst:.1} s (worst).",
        if rounds.len() == 1 { "1 round".to_owned() } else { format!("{} rounds", rounds.len()) },
        thousands(sum(|round| round.acknowledged) as f64),
        sum(|round| round.lost),
        sum(|round| round.double),
        median(rounds.iter().map(|round| round.seconds)),
    ))
}

impl Round {
    fn parse(line: &str) -> Option<Self> {
        // What is printed first stands behind the name of the test.
        let (_, rest) = line.split_once("failover ")?;
        let (name, figures) = rest.split_once(": ")?;
        let (kind, number) = name.rsplit_once('-')?;
        number.parse::<u64>().ok()?;
        let mut figures = figures.split(", ");
        let mut count = |unit: &str| figures.next()?.strip_suffix(unit)?.trim().parse().ok();
        let (acknowledged, lost, double) = (count("acknowledged")?, count("lost")?, count("double")?);
        let seconds = figures.next()?.strip_suffix(" s without writes")?.parse().ok()?;
        Some(Self { kind: kind.to_owned(), acknowledged, lost, double, seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_read_and_summed_up() {
        let lines = [
            "test cluster::failover::a ... failover killed-0: 240 acknowledged, 0 lost, 0 double, 6.1 s without writes",
            "failover killed-1: 1760 acknowledged, 1 lost, 2 double, 7.5 s without writes",
            "failover switched-1: 100 acknowledged, 0 lost, 0 double, 2.0 s without writes",
            "test result: ok. 1 passed; 0 failed",
        ];
        let rounds: Vec<_> = lines.iter().filter_map(|line| Round::parse(line)).collect();
        assert_eq!(rounds.len(), 3);
        let killed = said("killing", "killed", &rounds).unwrap();
        assert_eq!(
            killed,
            "- 2 rounds of killing: 2,000 acknowledged, 1 lost, 2 done twice; time without writes 6.1 s (median), 7.5 s (worst)."
        );
        assert!(said("handing over", "switched", &rounds).unwrap().starts_with("- 1 round of"));
        assert!(said("handing over", "switched", &rounds[..2]).is_err());
    }
}
