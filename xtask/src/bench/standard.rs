//! The standard run: every kind of request, taking turns, against the floor.

use core::time::Duration;
use std::path::PathBuf;

use crate::bench::disk::{BATCH_BYTES, Flush, PAGE_BYTES};
use crate::bench::figures::Cell;
use crate::bench::kind::Kind;
use crate::bench::page::{self, Page};
use crate::bench::report::{Long, Report};
use crate::bench::stand::{Ask, Stand};
use crate::bench::{bar, size};
use crate::say;
use crate::stopwatch::Stopwatch;
use crate::workspace::Workspace;

/// Connections, and what is asked over them. Captures take what was authorised for each of them, so that is done once.
const ALL: [(usize, &[Kind]); 4] = [
    (1, &Kind::OF_CARDS),
    (16, &[Kind::Floor, Kind::Tokenise]),
    (ACTS_CONNECTIONS, &Kind::ALL),
    (256, &Kind::OF_CARDS),
];
/// The same where time is short.
const QUICK: [(usize, &[Kind]); 3] =
    [(1, &Kind::OF_CARDS), (ACTS_CONNECTIONS, &Kind::ALL), (256, &Kind::OF_CARDS)];
/// Connections over which captures and refunds are asked for.
const ACTS_CONNECTIONS: usize = 64;
/// The longest window of captures: so many authorisations are enough for it on any machine.
const CAPTURE_WINDOW: Duration = Duration::from_secs(1);
/// Authorisations for each second of a window.
const CAPTURES_A_SECOND: u64 = 40_000;
/// Transactions that are refunded in turn: many more than connections, so that no two refunds meet.
const REFUNDED: u64 = 10_000;
/// Minor units of each, of which a unit is refunded at a time.
const REFUNDED_AMOUNT: &str = "2000000000";
const QUICK_WINDOW: Duration = Duration::from_millis(400);
const QUICK_CARDS: u64 = 50_000;
const LONG_RUN: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub(crate) struct StandardArguments {
    /// End within 50 seconds after the build: short windows, fewer cards, no long run.
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
    /// Rounds, in which the kinds of requests take turns.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(3..=100))]
    rounds: u64,
    /// Cards that are stored beforehand, such as 10000, 100k or 1M.
    #[arg(long, default_value = "200k", value_parser = size::parse)]
    cards: u64,
    /// Directory on the disk to be measured; a new one is made in it and removed.
    #[arg(long)]
    parent: Option<PathBuf>,
}

/// Builds, measures, prints.
pub(super) fn standard(workspace: &Workspace, arguments: &StandardArguments) -> anyhow::Result<()> {
    let mut stand = Stand::ready(workspace, arguments.parent.as_ref())?;
    let watch = Stopwatch::start();
    let report = measure(&mut stand, arguments)?;
    say::note(format_args!("measured for {watch}"));
    if arguments.json {
        say::line(report.json());
        return Ok(());
    }
    let (table, bars) = (report.table(), bar::table(&report.bars()));
    let machine = page::machine(stand.directory.path())?;
    say::line(format_args!(
        "{machine}\n\n{}\n{}\n{}",
        table.plain(),
        report.notes(),
        bars.plain().trim_end()
    ));
    if arguments.write {
        let mut page = Page::read(&workspace.root)?;
        page.machine(stand.directory.path())?;
        page.put("standard", &format!("{}\n{}", table.markdown(), report.notes()))?;
        page.put("bars", &bars.markdown())?;
        page.write()?;
    }
    Ok(())
}

fn measure(stand: &mut Stand, arguments: &StandardArguments) -> anyhow::Result<Report> {
    let (window, cards) = if arguments.quick {
        (QUICK_WINDOW, arguments.cards.min(QUICK_CARDS))
    } else {
        (Duration::from_secs(arguments.seconds), arguments.cards)
    };
    let plan: &[(usize, &[Kind])] = if arguments.quick { &QUICK } else { &ALL };
    let vault = stand.binaries.vault(stand.directory.path())?;
    let ids = stand.directory.path().join("ids");
    stand.binaries.load(&vault, 0, cards, &ids, |_, _| {})?;
    let capture_window = window.min(CAPTURE_WINDOW);
    let captures = u64::try_from(capture_window.as_millis())? * CAPTURES_A_SECOND / 1000;
    let [authorised, settled] = ["authorised", "settled"].map(|name| stand.directory.path().join(name));
    stand.binaries.pay(&vault, &ids, captures * arguments.rounds, &authorised, &[])?;
    let settle = ["--captured-one-in", "1", "--amount", REFUNDED_AMOUNT];
    stand.binaries.pay(&vault, &ids, REFUNDED, &settled, &settle)?;
    let mut server = stand.binaries.serve(&vault)?;
    stand.floor_is_even(&vault, &server)?;
    let mut flush = Flush::make(stand.directory.path())?;
    let mut report = Report::default();
    let mut place = 0;
    for (connections, kinds) in plan.iter().copied() {
        let mut cells: Vec<Cell> =
            kinds.iter().map(|kind| Cell { kind: *kind, connections, windows: Vec::new() }).collect();
        for round in 1..=arguments.rounds {
            say::note(format_args!("{connections} connections, round {round} of {}", arguments.rounds));
            report.page_ms.push(flush.median(PAGE_BYTES)?.as_secs_f64() * 1e3);
            report.batch_ms.push(flush.median(BATCH_BYTES)?.as_secs_f64() * 1e3);
            for cell in &mut cells {
                let ask = match cell.kind {
                    Kind::Floor | Kind::Tokenise | Kind::Read | Kind::Cvv | Kind::Transact => {
                        Ask { kind: cell.kind, connections, long: window, ids: &ids, place }
                    }
                    Kind::Capture => {
                        let place = (round - 1) * captures;
                        Ask { kind: cell.kind, connections, long: capture_window, ids: &authorised, place }
                    }
                    Kind::Refund => {
                        Ask { kind: cell.kind, connections, long: capture_window, ids: &settled, place: 0 }
                    }
                };
                cell.windows.push(stand.window(&vault, &mut server, ask)?);
            }
            // The next round begins with other cards.
            place += cards / 2 + 1;
        }
        report.cells.extend(cells);
    }
    if !arguments.quick {
        say::note("one minute of tokenise at 64 connections, and one of the floor");
        // A server that has just started: what earlier windows left in memory is none of this run's.
        drop(server);
        let mut server = stand.binaries.serve(&vault)?;
        let ask = Ask { kind: Kind::Tokenise, connections: 64, long: LONG_RUN, ids: &ids, place };
        let tokenise = stand.window(&vault, &mut server, ask)?;
        stand.floor = stand.binaries.floor()?;
        let floor = stand.window(&vault, &mut server, Ask { kind: Kind::Floor, ..ask })?;
        report.long = Some(Long { tokenise, floor });
    }
    Ok(report)
}
