//! Thousands of connections that say nothing or little, beside real traffic: what they do to its p99.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::thread;

use anyhow::{Context, ensure};

use crate::bench::bar::{self, Bar, Limit};
use crate::bench::figures::{Figures, median, ratio};
use crate::bench::kind::Kind;
use crate::bench::page::Page;
use crate::bench::process;
use crate::bench::server::{Server, Vault};
use crate::bench::stand::{Ask, Stand};
use crate::bench::table::{Table, thousands};
use crate::workspace::Workspace;
use crate::{run, say};

/// Connections of the real traffic.
const WORKING: usize = 64;
/// Every slow connection says one more byte in this time.
const DRIP: Duration = Duration::from_secs(5);
/// Threads that connect.
const DOORS: usize = 8;

#[derive(clap::Args)]
pub(crate) struct CrowdArguments {
    /// Connections of the crowd: half of them say nothing, half a byte every five seconds.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(2..=60_000))]
    connections: u64,
    /// Seconds of one window.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Rounds, in which the traffic is alone and beside the crowd in turns.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(3..=100))]
    rounds: u64,
    /// Write the result into docs/performance.md.
    #[arg(long)]
    write: bool,
    /// Directory on the disk to be measured; a new one is made in it and removed.
    #[arg(long)]
    parent: Option<PathBuf>,
}

/// Windows of the same traffic.
#[derive(Default)]
struct Windows {
    alone: Vec<Figures>,
    beside: Vec<Figures>,
    /// MiB that the crowd takes of the server.
    taken_mib: Vec<f64>,
}

/// Builds, measures, prints.
pub(super) fn crowd(workspace: &Workspace, arguments: &CrowdArguments) -> anyhow::Result<()> {
    let mut stand = Stand::ready(workspace, arguments.parent.as_ref())?;
    open_files(&workspace.root, arguments.connections)?;
    let vault = stand.binaries.vault(stand.directory.path())?;
    let connections_max = format!("connections_max={}", arguments.connections + 1000);
    let settings = ["--set", &connections_max, "--set", "header_timeout_seconds=300"];
    let mut server = stand.binaries.serve_with(&vault, &settings)?;
    let mut windows = Windows::default();
    for round in 1..=arguments.rounds {
        say::note(format_args!("round {round} of {}", arguments.rounds));
        windows.alone.push(tokenise(&mut stand, &vault, &mut server, arguments.seconds)?);
        let before = process::memory(server.pid())?.now;
        let crowd = Crowd::gather(&server, usize::try_from(arguments.connections)?)?;
        // Those that still wait to be taken in are not there yet.
        process::cpu_when_idle(server.pid())?;
        let taken = process::memory(server.pid())?.now.saturating_sub(before);
        windows.taken_mib.push(taken as f64 / f64::from(1 << 20));
        let beside = crowd.beside(|| tokenise(&mut stand, &vault, &mut server, arguments.seconds))?;
        windows.beside.push(beside);
        process::cpu_when_idle(server.pid())?;
    }
    let (table, bars) = (windows.table(), bar::table(&[windows.bar()]));
    let taken = median(windows.taken_mib.iter().copied());
    let said = format!("The crowd of {} takes {taken:.0} MiB.", thousands(arguments.connections as f64));
    say::line(format_args!("{}\n{said}\n\n{}", table.plain(), bars.plain().trim_end()));
    if arguments.write {
        let mut page = Page::read(&workspace.root)?;
        page.put("crowd", &format!("{}\n{said}\n\n{}", table.markdown(), bars.markdown()))?;
        page.write()?;
    }
    Ok(())
}

fn tokenise(stand: &mut Stand, vault: &Vault, server: &mut Server, seconds: u64) -> anyhow::Result<Figures> {
    let (long, ids) = (Duration::from_secs(seconds), PathBuf::new());
    stand.window(vault, server, Ask { kind: Kind::Tokenise, connections: WORKING, long, ids: &ids, place: 0 })
}

/// Lets this process, and those that it starts, have as many files open.
fn open_files(root: &std::path::Path, connections: u64) -> anyhow::Result<()> {
    let (pid, limit) = (std::process::id().to_string(), format!("--nofile={}:", connections + 2000));
    run::output(run::command("prlimit", root, &["--pid", &pid, &limit])).with_context(|| {
        format!("{connections} connections need as many open files; raise the hard limit (ulimit -Hn)")
    })?;
    Ok(())
}

/// Connections that are there.
struct Crowd {
    silent: Vec<TcpStream>,
    slow: Vec<TcpStream>,
}

impl Crowd {
    fn gather(server: &Server, count: usize) -> anyhow::Result<Self> {
        let authority = server.authority();
        let join = |nth: usize| {
            let mut stream = TcpStream::connect(authority)?;
            if nth.is_multiple_of(2) {
                stream.write_all(b"POST /v1/card HTTP/1.1\r\nHost: x\r\nX-Slow: ")?;
            }
            Ok::<_, std::io::Error>((nth, stream))
        };
        let doors = |door: usize| (door..count).step_by(DOORS).map(join).collect::<Result<Vec<_>, _>>();
        let all = thread::scope(|scope| {
            let doors: Vec<_> = (0..DOORS).map(|door| scope.spawn(move || doors(door))).collect();
            let joined = doors.into_iter().map(|door| door.join());
            joined
                .map(|door| door.map_err(|_| anyhow::anyhow!("a thread failed"))?.context("cannot connect"))
                .collect::<anyhow::Result<Vec<_>>>()
        })?;
        let (slow, silent): (Vec<_>, Vec<_>) =
            all.into_iter().flatten().partition(|(nth, _)| nth.is_multiple_of(2));
        let streams = |some: Vec<(usize, TcpStream)>| some.into_iter().map(|(_, stream)| stream).collect();
        Ok(Self { silent: streams(silent), slow: streams(slow) })
    }

    /// Does something while the slow ones go on, and makes sure that all are still there afterwards.
    fn beside<T>(mut self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let ended = AtomicBool::new(false);
        let slow = &mut self.slow;
        let worked = thread::scope(|scope| {
            let dripping = scope.spawn(|| drip(slow, &ended));
            let worked = work();
            ended.store(true, Ordering::SeqCst);
            dripping
                .join()
                .map_err(|_| anyhow::anyhow!("a thread failed"))?
                .context("a slow one was dropped")?;
            worked
        })?;
        for stream in self.silent.iter().chain(&self.slow) {
            stream.set_nonblocking(true)?;
            let still =
                matches!(stream.peek(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
            ensure!(still, "the server has ended a connection of the crowd");
        }
        Ok(worked)
    }
}

/// Sends a byte on every connection in turn, in even steps.
fn drip(slow: &mut [TcpStream], ended: &AtomicBool) -> std::io::Result<()> {
    let step = DRIP / u32::try_from(slow.len().max(1)).unwrap_or(u32::MAX);
    while !ended.load(Ordering::SeqCst) {
        for stream in slow.iter_mut() {
            if ended.load(Ordering::SeqCst) {
                break;
            }
            stream.write_all(b"x")?;
            thread::sleep(step);
        }
    }
    Ok(())
}

impl Windows {
    fn rows(&self) -> [(&'static str, &[Figures]); 2] {
        [("alone", &self.alone), ("beside the crowd", &self.beside)]
    }

    fn median(windows: &[Figures], of: fn(&Figures) -> f64) -> f64 {
        median(windows.iter().map(of))
    }

    fn table(&self) -> Table {
        let mut table =
            Table::new(&["tokenise, 64 connections", "requests/s", "p50 ms", "p99 ms", "p99.9 ms", "errors"]);
        for (name, windows) in self.rows() {
            let of = |of| Self::median(windows, of);
            table.row([
                name.to_owned(),
                thousands(of(|figures| figures.rps)),
                format!("{:.2}", of(|figures| figures.p50_ms)),
                format!("{:.2}", of(|figures| figures.p99_ms)),
                format!("{:.2}", of(|figures| figures.p999_ms)),
                windows.iter().map(|figures| figures.errors).sum::<u64>().to_string(),
            ]);
        }
        table
    }

    fn bar(&self) -> Bar {
        let p99 = |windows| Self::median(windows, |figures| figures.p99_ms);
        Bar {
            what: "p99 beside the crowd ÷ p99 alone",
            limit: Limit::AtMost(2.0),
            measured: ratio(p99(&self.beside), p99(&self.alone)),
            unit: "",
        }
    }
}
