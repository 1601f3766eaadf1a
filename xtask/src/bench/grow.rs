//! Whether the vault stays fast, small and quick to start as cards pile up.

use core::time::Duration;
use std::fs;
use std::path::PathBuf;
use std::thread;

use anyhow::Context;
use serde_json::{Value, json};

use crate::bench::bar::{Bar, Limit};
use crate::bench::client::Client;
use crate::bench::disk::{self, Usage};
use crate::bench::figures::{Cell, Figures, ratio};
use crate::bench::kind::Kind;
use crate::bench::page::Page;
use crate::bench::plot::plot;
use crate::bench::process::{self, Memory};
use crate::bench::server::Vault;
use crate::bench::stand::{Ask, Stand, card_create};
use crate::bench::table::{Table, thousands};
use crate::bench::{bar, size};
use crate::say;
use crate::stopwatch::Stopwatch;
use crate::workspace::Workspace;

/// Cards at which everything is measured, below the last.
const STAGES: [u64; 6] = [0, 1_000_000, 2_000_000, 5_000_000, 10_000_000, 50_000_000];
const CONNECTIONS: usize = 64;
const ROUNDS: usize = 3;
/// Time under load before the server is killed.
const PRESS: Duration = Duration::from_secs(1);
/// Cards of a load by which a rate is told.
const SAMPLE_CARDS: u64 = 50_000;
const MIB: f64 = 1_048_576.0;

#[derive(clap::Args)]
pub(crate) struct GrowArguments {
    /// Cards at the end, such as 10000, 100k, 1M or 10M.
    #[arg(long, default_value = "10M", value_parser = size::parse)]
    cards: u64,
    /// Seconds of one window.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Directory on the disk to be measured; a new one is made in it and removed.
    #[arg(long)]
    parent: Option<PathBuf>,
    /// Write the results into docs/performance.md, and the plot beside it.
    #[arg(long)]
    write: bool,
}

/// What was measured with so many cards stored.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stage {
    pub(super) cards: u64,
    pub(super) tokenise: Figures,
    pub(super) floor: Figures,
    /// Memory right after the start.
    pub(super) at_start: Memory,
    /// Memory after the windows, with the CVVs that they left: 3,600 seconds are not over.
    pub(super) after_load: Memory,
    pub(super) usage: Usage,
    /// Cards that were stored when the disk was looked at.
    pub(super) stored: u64,
    /// From start to first answer, after `kill -9` under load.
    pub(super) start: Duration,
}

/// How fast cards went into the vault through its operations alone, at some point of a load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Loaded {
    pub(super) cards: u64,
    /// Cards a second since the sample before.
    pub(super) rate: f64,
}

/// All that was measured.
#[derive(Default)]
pub(super) struct Growth {
    pub(super) stages: Vec<Stage>,
    pub(super) loaded: Vec<Loaded>,
}

/// Builds, loads, measures, prints.
pub(super) fn grow(workspace: &Workspace, arguments: &GrowArguments) -> anyhow::Result<()> {
    let mut stand = Stand::ready(workspace, arguments.parent.as_ref())?;
    let growth = measure(&mut stand, arguments)?;
    let (table, bars) = (growth.table(), bar::table(&growth.bars()));
    say::line(format_args!("{}\n{}", table.plain(), bars.plain().trim_end()));
    let kept = workspace.target.join("bench");
    fs::create_dir_all(&kept)?;
    fs::write(kept.join("grow.json"), growth.json().to_string())?;
    fs::write(kept.join("grow.svg"), plot(&growth))?;
    say::line(format_args!("data and plot: {}/grow.{{json,svg}}", kept.display()));
    if arguments.write {
        let mut page = Page::read(&workspace.root)?;
        page.put("grow", &format!("{}\n{}", table.markdown(), bars.markdown()))?;
        page.write()?;
        fs::write(workspace.root.join("docs/performance.svg"), plot(&growth))?;
    }
    Ok(())
}

fn measure(stand: &mut Stand, arguments: &GrowArguments) -> anyhow::Result<Growth> {
    let vault = stand.binaries.vault(stand.directory.path())?;
    let mut growth = Growth::default();
    let (mut stored, mut loaded) = (0, 0);
    for target in stages(arguments.cards) {
        // What was tokenised at the stage before counts too.
        let wanted: u64 = target.saturating_sub(stored);
        if wanted > 0 {
            say::note(format_args!("loading up to {} cards", size::shown(target)));
            let ids = stand.directory.path().join("ids");
            let mut before = (0, 0.0);
            stand.binaries.load(&vault, loaded, wanted, &ids, |cards, seconds| {
                if cards < before.0 + SAMPLE_CARDS {
                    // The rest of a load is too little to tell a rate by.
                    return;
                }
                let rate = ratio(cards.saturating_sub(before.0) as f64, seconds - before.1);
                growth.loaded.push(Loaded { cards: stored + cards, rate });
                before = (cards, seconds);
            })?;
            loaded += wanted;
            stored += wanted;
        }
        say::note(format_args!("measuring at {} cards", size::shown(stored)));
        growth.stages.push(stage(stand, &vault, arguments, &mut stored)?);
    }
    Ok(growth)
}

/// Measures with what is stored, and counts what that adds.
fn stage(
    stand: &mut Stand,
    vault: &Vault,
    arguments: &GrowArguments,
    stored: &mut u64,
) -> anyhow::Result<Stage> {
    let cards = *stored;
    let mut server = stand.binaries.serve(vault)?;
    process::cpu_when_idle(server.pid())?;
    let at_start = process::memory(server.pid())?;
    let cell = |kind| Cell { kind, connections: CONNECTIONS, windows: Vec::new() };
    let mut cells = [cell(Kind::Floor), cell(Kind::Tokenise)];
    for _ in 0..ROUNDS {
        for cell in &mut cells {
            let long = Duration::from_secs(arguments.seconds);
            let ids = stand.directory.path().join("ids");
            let ask = Ask { kind: cell.kind, connections: CONNECTIONS, long, ids: &ids, place: 0 };
            cell.windows.push(stand.window(vault, &mut server, ask)?);
        }
    }
    let after_load = process::memory(server.pid())?;
    let mut pressing = stand.press(vault, &server)?;
    thread::sleep(PRESS);
    drop(server);
    drop(pressing.kill());
    pressing.wait()?;
    let watch = Stopwatch::start();
    let server = stand.binaries.serve(vault)?;
    card_create(vault, &server)?;
    let start = watch.elapsed();
    process::cpu_when_idle(server.pid())?;
    let mut client = Client::connect(server.authority())?;
    let answer = client.ask("GET", "/v1/card/count", &vault.api_key, None)?;
    let counted = answer.json()?.get("count").and_then(Value::as_u64);
    *stored = counted.context("the cards cannot be counted")?;
    let usage = disk::usage(&vault.data)?;
    let [floor, tokenise] = cells.map(|cell| cell.median());
    Ok(Stage { cards, tokenise, floor, at_start, after_load, usage, stored: *stored, start })
}

impl Stage {
    fn of_floor(&self) -> f64 {
        ratio(self.tokenise.rps, self.floor.rps)
    }

    /// Bytes of everything but the log for each card that was stored when they were counted.
    fn bytes_per_card(&self) -> f64 {
        ratio(self.usage.rest as f64, self.stored as f64)
    }
}

impl Growth {
    fn table(&self) -> Table {
        let mut table = Table::new(&[
            "cards",
            "tokenise/s",
            "÷ floor",
            "p99 ms",
            "p99.9 ms",
            "cpu µs",
            "memory MiB",
            "peak MiB",
            "bytes/card",
            "log MiB",
            "first answer s",
        ]);
        for stage in &self.stages {
            table.row([
                size::shown(stage.cards),
                thousands(stage.tokenise.rps),
                format!("{:.2}", stage.of_floor()),
                format!("{:.2}", stage.tokenise.p99_ms),
                format!("{:.2}", stage.tokenise.p999_ms),
                format!("{:.1}", stage.tokenise.cpu_us),
                format!("{:.0}", stage.at_start.now as f64 / MIB),
                format!("{:.0}", stage.after_load.peak as f64 / MIB),
                format!("{:.0}", stage.bytes_per_card()),
                format!("{:.0}", stage.usage.log as f64 / MIB),
                format!("{:.2}", stage.start.as_secs_f64()),
            ]);
        }
        table
    }

    /// The last stage against the bars, and against the first.
    fn bars(&self) -> Vec<Bar> {
        let (Some(first), Some(last)) = (self.stages.first(), self.stages.last()) else { return Vec::new() };
        let bar = |what, limit, measured, unit| Bar { what, limit, measured, unit };
        let steady = ratio(last.of_floor(), first.of_floor());
        let start = last.start.as_secs_f64();
        vec![
            bar("tokenise ÷ floor at the end ÷ the same at 0", Limit::AtLeast(0.85), steady, ""),
            bar("memory, peak", Limit::AtMost(512.0), last.after_load.peak as f64 / MIB, " MiB"),
            bar(
                "disk per card, all indexes, without the log",
                Limit::AtMost(400.0),
                last.bytes_per_card(),
                " B",
            ),
            bar("start to first answer, after kill -9", Limit::AtMost(2.0), start, " s"),
        ]
    }

    /// All figures, for other plots.
    fn json(&self) -> Value {
        let stage = |stage: &Stage| {
            json!({
                "cards": stage.cards,
                "tokenise_rps": stage.tokenise.rps,
                "floor_rps": stage.floor.rps,
                "p99_ms": stage.tokenise.p99_ms,
                "cpu_us": stage.tokenise.cpu_us,
                "memory_bytes": stage.at_start.now,
                "memory_peak_bytes": stage.after_load.peak,
                "view_bytes": stage.usage.rest,
                "log_bytes": stage.usage.log,
                "stored": stage.stored,
                "first_answer_ms": stage.start.as_millis(),
            })
        };
        let loaded = |loaded: &Loaded| json!([loaded.cards, loaded.rate]);
        json!({
            "stages": self.stages.iter().map(stage).collect::<Vec<_>>(),
            "loaded": self.loaded.iter().map(loaded).collect::<Vec<_>>(),
        })
    }
}

fn stages(last: u64) -> Vec<u64> {
    STAGES.into_iter().filter(|stage| *stage < last).chain([last]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stage_is_what_was_asked_for() {
        assert_eq!(stages(10_000), [0, 10_000]);
        assert_eq!(stages(1_000_000), [0, 1_000_000]);
        assert_eq!(stages(10_000_000), [0, 1_000_000, 2_000_000, 5_000_000, 10_000_000]);
    }

    #[test]
    fn growth_is_judged_against_the_floor_of_its_time() {
        let stage = |cards, tokenise, floor| Stage {
            cards,
            tokenise: Figures { rps: tokenise, ..Figures::default() },
            floor: Figures { rps: floor, ..Figures::default() },
            usage: Usage { log: 1, rest: 400 * cards },
            stored: cards,
            ..Stage::default()
        };
        let growth =
            Growth { stages: vec![stage(0, 50.0, 100.0), stage(10, 40.0, 80.0)], loaded: Vec::new() };
        let measured: Vec<f64> = growth.bars().iter().map(|bar| bar.measured).collect();
        assert_eq!(measured, [1.0, 0.0, 400.0, 0.0]);
        assert_eq!(growth.table().0.len(), 3);
        assert_eq!(growth.json()["stages"][1]["floor_rps"], json!(80.0));
    }
}
