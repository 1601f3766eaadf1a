//! Whether making organisations, accounts and API keys stays as quick, and the vault as quick to start, as they pile up.

use core::time::Duration;
use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use serde_json::Value;

use crate::bench::bar::{self, Bar, Limit};
use crate::bench::figures::ratio;
use crate::bench::page::Page;
use crate::bench::process::{self, Memory};
use crate::bench::server::{Binaries, Vault};
use crate::bench::size;
use crate::bench::stand::card_create;
use crate::bench::table::{Table, thousands};
use crate::say;
use crate::stopwatch::Stopwatch;
use crate::workspace::Workspace;

const MIB: f64 = 1_048_576.0;
/// Starts that are timed; the median counts.
const STARTS: usize = 5;

#[derive(clap::Args)]
pub(crate) struct DocumentsArguments {
    /// Organisations at the end, each with its keys, an account and an API key: such as 1000 or 100k.
    #[arg(long, default_value = "100k", value_parser = size::parse)]
    documents: u64,
    /// Directory on the disk to be measured; a new one is made in it and removed.
    #[arg(long)]
    parent: Option<PathBuf>,
    /// Write the results into docs/performance.md.
    #[arg(long)]
    write: bool,
}

/// A kind of document: microseconds that one of the last takes, and one of the first of another vault.
struct Kind {
    name: String,
    last_us: f64,
    early_us: f64,
}

/// All that was measured.
struct Measured {
    documents: u64,
    kinds: Vec<Kind>,
    start: Duration,
    start_of_few: Duration,
    memory: Memory,
    memory_of_few: Memory,
}

/// Builds, makes, measures, prints.
pub(super) fn documents(workspace: &Workspace, arguments: &DocumentsArguments) -> anyhow::Result<()> {
    let binaries = Binaries::build(workspace)?;
    let parent = arguments.parent.as_ref().unwrap_or(&workspace.target);
    let directory = tempfile::Builder::new().prefix("panvault-bench-").tempdir_in(parent);
    let directory = directory.with_context(|| format!("no directory can be made in {}", parent.display()))?;
    let [many, few] = ["many", "few"].map(|name| directory.path().join(name));
    let vault = |directory: &PathBuf| {
        fs::create_dir(directory)?;
        binaries.vault(directory)
    };
    let (many, few) = (vault(&many)?, vault(&few)?);
    say::note(format_args!("making {} organisations, accounts and API keys", arguments.documents));
    let kinds = binaries.documents(&many, &few, arguments.documents)?;
    let kinds = kinds.iter().map(Kind::read).collect::<Option<Vec<_>>>().context("a number is missing")?;
    // Once for nothing: the last process has left work behind.
    started(&binaries, &many)?;
    let (start, memory) = started(&binaries, &many)?;
    let (start_of_few, memory_of_few) = started(&binaries, &few)?;
    let documents = arguments.documents;
    let measured = Measured { documents, kinds, start, start_of_few, memory, memory_of_few };
    let (table, bars) = (measured.table(), bar::table(&measured.bars()));
    say::line(format_args!("{}\n{}\n\n{}", table.plain(), measured.notes(), bars.plain().trim_end()));
    if arguments.write {
        let mut page = Page::read(&workspace.root)?;
        let part = format!("{}\n{}\n\n{}", table.markdown(), measured.notes(), bars.markdown());
        page.put("documents", &part)?;
        page.write()?;
    }
    Ok(())
}

/// How long it takes from the start to the first answer, and what the server then has in memory.
fn started(binaries: &Binaries, vault: &Vault) -> anyhow::Result<(Duration, Memory)> {
    let mut starts = Vec::new();
    let mut memory = Memory::default();
    for _ in 0..STARTS {
        let watch = Stopwatch::start();
        let server = binaries.serve(vault)?;
        card_create(vault, &server)?;
        starts.push(watch.elapsed());
        memory = process::memory(server.pid())?;
    }
    starts.sort_unstable();
    Ok((starts.get(STARTS / 2).copied().unwrap_or_default(), memory))
}

impl Kind {
    fn read(line: &Value) -> Option<Self> {
        let number = |name: &str| line.get(name).and_then(Value::as_f64);
        let name = line.get("document")?.as_str()?.to_owned();
        Some(Self { name, last_us: number("last_us")?, early_us: number("early_us")? })
    }

    fn ratio(&self) -> f64 {
        ratio(self.last_us, self.early_us)
    }
}

impl Measured {
    fn table(&self) -> Table {
        let mut table = Table::new(&["made", "early µs", "last µs", "last ÷ early"]);
        for kind in &self.kinds {
            table.row([
                kind.name.clone(),
                thousands(kind.early_us),
                thousands(kind.last_us),
                format!("{:.2}", kind.ratio()),
            ]);
        }
        table
    }

    fn notes(&self) -> String {
        let mib = |bytes: u64| bytes as f64 / MIB;
        format!(
            "With {} organisations, twice as many keys, and as many accounts and API keys a start takes {:.2} s to its first answer, and the server \
             then has {:.0} MiB ({:.0} MiB at most since it started); with few, {:.2} s and {:.0} MiB.",
            thousands(self.documents as f64),
            self.start.as_secs_f64(),
            mib(self.memory.now),
            mib(self.memory.peak),
            self.start_of_few.as_secs_f64(),
            mib(self.memory_of_few.now),
        )
    }

    fn bars(&self) -> Vec<Bar> {
        let bar = |what, limit, measured, unit| Bar { what, limit, measured, unit };
        let worst = self.kinds.iter().map(Kind::ratio).fold(0.0, f64::max);
        let start = self.start.as_secs_f64();
        vec![
            bar("making one of the last ÷ making an early one, side by side", Limit::AtMost(1.5), worst, ""),
            bar("start to first answer with all of them", Limit::AtMost(2.0), start, " s"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_worst_kind_counts() {
        let line = |last, early| json!({ "document": "account", "last_us": last, "early_us": early });
        let kinds = [line(150, 100), line(300, 150)].iter().map(|line| Kind::read(line).unwrap()).collect();
        let measured = Measured {
            documents: 1_000,
            kinds,
            start: Duration::from_secs(1),
            start_of_few: Duration::from_millis(20),
            memory: Memory { now: 300 << 20, peak: 400 << 20 },
            memory_of_few: Memory::default(),
        };
        let bars: Vec<f64> = measured.bars().iter().map(|bar| bar.measured).collect();
        assert_eq!(bars, [2.0, 1.0]);
        assert_eq!(measured.table().0.len(), 3);
        assert!(measured.notes().contains("1.00 s") && measured.notes().contains("300 MiB (400 MiB"));
        assert!(Kind::read(&json!({ "document": "account" })).is_none());
    }
}
