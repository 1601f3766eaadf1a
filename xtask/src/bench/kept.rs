//! What tokenising keeps of its rate while the trail is exported, and while backups are made.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, ensure};
use serde_json::json;

use crate::bench::bar::{self, Bar, Limit};
use crate::bench::figures::{Figures, median};
use crate::bench::kind::Kind;
use crate::bench::page::Page;
use crate::bench::server::{Server, Vault};
use crate::bench::stand::{Ask, Stand};
use crate::bench::table::Table;
use crate::bench::turns::{self, CPU, P99, RATE};
use crate::run;
use crate::say;
use crate::workspace::Workspace;

/// Connections of those that tokenise.
const WORKING: usize = 64;
/// Cards that a backup copies, beside those that are made meanwhile.
const CARDS: u64 = 500_000;
const QUICK_CARDS: u64 = 20_000;
const QUICK_WINDOW: Duration = Duration::from_millis(1_500);

#[derive(clap::Args)]
pub(crate) struct KeptArguments {
    /// End within a minute after the build: short windows, fewer cards.
    #[arg(long)]
    quick: bool,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
    /// Write the result into docs/performance.md.
    #[arg(long, conflicts_with = "quick")]
    write: bool,
    /// Seconds of one window.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Rounds, in which all that is compared takes turns.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(3..=100))]
    rounds: u64,
    /// Directory on the disk to be measured; a new one is made in it and removed.
    #[arg(long)]
    parent: Option<PathBuf>,
}

/// Windows that are compared, one of each in a round.
#[derive(Default)]
struct Windows {
    floor: Vec<Figures>,
    alone: Vec<Figures>,
    exported: Vec<Figures>,
    alone_again: Vec<Figures>,
    backed_up: Vec<Figures>,
    alone_last: Vec<Figures>,
    /// Backups that were made in a window.
    backups: Vec<f64>,
    /// Bytes of lines that the collector took.
    collected: u64,
    tokenised: f64,
}

/// Builds, measures, prints.
pub(super) fn kept(workspace: &Workspace, arguments: &KeptArguments) -> anyhow::Result<()> {
    let mut stand = Stand::ready(workspace, arguments.parent.as_ref())?;
    let windows = measure(&mut stand, arguments)?;
    let (table, bars) = (windows.table(), windows.bars());
    if arguments.json {
        let bar = |bar: &Bar| json!({ "what": bar.what, "measured": bar.measured, "is_met": bar.is_met() });
        say::line(json!({
            "bars": bars.iter().map(bar).collect::<Vec<_>>(),
            "rps_same": turns::ratio_of(&windows.alone_again, &windows.alone, RATE),
            "backups": median(windows.backups.iter().copied()),
        }));
        return Ok(());
    }
    let (bars, said) = (bar::table(&bars), windows.notes());
    say::line(format_args!("{}\n{said}\n\n{}", table.plain(), bars.plain().trim_end()));
    if arguments.write {
        let mut page = Page::read(&workspace.root)?;
        page.put("kept", &format!("{}\n{said}\n\n{}", table.markdown(), bars.markdown()))?;
        page.write()?;
    }
    Ok(())
}

fn measure(stand: &mut Stand, arguments: &KeptArguments) -> anyhow::Result<Windows> {
    let (window, cards) = if arguments.quick {
        (QUICK_WINDOW, QUICK_CARDS)
    } else {
        (Duration::from_secs(arguments.seconds), CARDS)
    };
    let directory = stand.directory.path().to_path_buf();
    let (plain, exporting) = (directory.join("plain"), directory.join("exporting"));
    let mut vaults = Vec::new();
    for place in [&plain, &exporting] {
        std::fs::create_dir(place)?;
        let vault = stand.binaries.vault(place)?;
        stand.binaries.load(&vault, 0, cards, &place.join("ids"), |_, _| {})?;
        vaults.push(vault);
    }
    let [alone, exported] = vaults.as_slice() else { unreachable!("two were made") };
    let collector = Collector::start()?;
    let file = format!("trail_file={}", exporting.join("trail.jsonl").display());
    let https = format!("trail_https=http://{}/trail", collector.address);
    let mut server = stand.binaries.serve(alone)?;
    let mut exporter = stand.binaries.serve_with(exported, &["--set", &file, "--set", &https])?;

    let mut windows = Windows::default();
    for round in 1..=arguments.rounds {
        say::note(format_args!("round {round} of {}", arguments.rounds));
        windows.floor.push(ask(stand, alone, &mut server, Kind::Floor, window)?);
        windows.alone.push(ask(stand, alone, &mut server, Kind::Tokenise, window)?);
        let figures = ask(stand, exported, &mut exporter, Kind::Tokenise, window)?;
        windows.tokenised += figures.rps * window.as_secs_f64();
        windows.exported.push(figures);
        windows.alone_again.push(ask(stand, alone, &mut server, Kind::Tokenise, window)?);
        let backing = Backing::start(&stand.binaries.panvault, alone, &plain)?;
        windows.backed_up.push(ask(stand, alone, &mut server, Kind::Tokenise, window)?);
        windows.backups.push(backing.end()? as f64);
        windows.alone_last.push(ask(stand, alone, &mut server, Kind::Tokenise, window)?);
    }
    exporter.still_runs()?;
    windows.collected = collector.bytes.load(Ordering::Relaxed);
    ensure!(windows.collected as f64 > 100.0 * windows.tokenised, "the collector did not get the trail");
    ensure!(windows.backups.iter().all(|made| *made > 0.0), "no backup was begun in some window");
    Ok(windows)
}

fn ask(
    stand: &mut Stand,
    vault: &Vault,
    server: &mut Server,
    kind: Kind,
    long: Duration,
) -> anyhow::Result<Figures> {
    let ids = PathBuf::new();
    stand.window(vault, server, Ask { kind, connections: WORKING, long, ids: &ids, place: 0 })
}

/// Makes one backup after the other, each removed when it is made.
struct Backing {
    is_over: Arc<AtomicBool>,
    thread: thread::JoinHandle<anyhow::Result<u64>>,
}

impl Backing {
    fn start(panvault: &Path, vault: &Vault, parent: &Path) -> anyhow::Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (panvault, data, parent) = (panvault.to_path_buf(), vault.data.clone(), parent.to_path_buf());
        let backups = parent.join("backups");
        std::fs::create_dir_all(&backups)?;
        let until = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let mut made = 0;
            while !until.load(Ordering::Relaxed) {
                let mut command = run::command(&panvault, &parent, &["backup"]);
                command.arg(&backups).arg("--data").arg(&data);
                run::output(command).context("a backup failed")?;
                made += 1;
                std::fs::remove_dir_all(&backups)?;
                std::fs::create_dir(&backups)?;
            }
            Ok(made)
        });
        Ok(Self { is_over, thread })
    }

    /// How many were made, the last of them perhaps behind the window.
    fn end(self) -> anyhow::Result<u64> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_panicked| anyhow::anyhow!("the thread that makes backups panicked"))?
    }
}

/// Takes what is posted to it, on this machine.
struct Collector {
    address: std::net::SocketAddr,
    bytes: Arc<AtomicU64>,
}

impl Collector {
    fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, bytes) = (listener.local_addr()?, Arc::new(AtomicU64::new(0)));
        let taken = Arc::clone(&bytes);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let taken = Arc::clone(&taken);
                // Whoever goes away has been served.
                thread::spawn(move || drop(collect(stream, &taken)));
            }
        });
        Ok(Self { address, bytes })
    }
}

fn collect(stream: TcpStream, taken: &AtomicU64) -> anyhow::Result<()> {
    let mut answers = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim_end().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        taken.fetch_add(length, Ordering::Relaxed);
        std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink())?;
        answers.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    }
}

impl Windows {
    fn table(&self) -> Table {
        turns::table(
            "64 connections",
            &[
                ("floor", &self.floor),
                ("tokenise alone", &self.alone),
                ("while the trail is exported", &self.exported),
                ("alone again", &self.alone_again),
                ("while backups are made", &self.backed_up),
                ("alone again", &self.alone_last),
            ],
        )
    }

    fn notes(&self) -> String {
        let to_floor = |windows: &[Figures], figure| turns::ratio_of(windows, &self.floor, figure);
        format!(
            "To the floor's of the same round: processor time alone {:.2} times, while exported {:.2}, during backups {:.2}; p99 {:.2}, {:.2} and {:.2} times. \
             Backups in a window: {:.0}. The same against the same: requests {:.2} times.",
            to_floor(&self.alone, CPU),
            to_floor(&self.exported, CPU),
            to_floor(&self.backed_up, CPU),
            to_floor(&self.alone, P99),
            to_floor(&self.exported, P99),
            to_floor(&self.backed_up, P99),
            median(self.backups.iter().copied()),
            turns::ratio_of(&self.alone_again, &self.alone, RATE),
        )
    }

    fn bars(&self) -> [Bar; 2] {
        let bar = |what, least, measured| Bar { what, limit: Limit::AtLeast(least), measured, unit: "" };
        [
            bar(
                "tokenise while the trail is exported ÷ alone",
                0.9,
                turns::between(&self.exported, [&self.alone, &self.alone_again], RATE),
            ),
            bar(
                "tokenise while backups are made ÷ alone",
                0.8,
                turns::between(&self.backed_up, [&self.alone_again, &self.alone_last], RATE),
            ),
        ]
    }
}
