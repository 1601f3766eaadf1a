//! Instructions of one card plan, counted by callgrind: a figure that a noisy machine does not move.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};

use crate::bench::bar::{self, Bar, Limit};
use crate::bench::page::Page;
use crate::bench::server::Binaries;
use crate::bench::table::thousands;
use crate::workspace::Workspace;
use crate::{packages, run, say};

#[derive(clap::Args)]
pub(crate) struct PlanArguments {
    /// Plans of the first run; the second has twice as many, so that what does not grow with them cancels out.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    plans: u64,
    /// Print the functions that take most, too.
    #[arg(long)]
    functions: bool,
    /// Write the result into docs/performance.md.
    #[arg(long)]
    write: bool,
}

pub(super) fn plan(workspace: &Workspace, arguments: &PlanArguments) -> anyhow::Result<()> {
    let root = &workspace.root;
    packages::need(root, "valgrind", || run::works(run::command("valgrind", root, &["--version"])))?;
    let binaries = Binaries::build(workspace)?;
    let directory = tempfile::tempdir()?;
    let once = count(&binaries, directory.path(), arguments.plans)?;
    let twice = count(&binaries, directory.path(), 2 * arguments.plans)?;
    ensure!(twice > once, "twice as many plans took no more instructions");
    let each = (twice - once) / arguments.plans;
    let said = format!(
        "One card plan takes {} instructions (callgrind, {} plans against {}).",
        thousands(each as f64),
        2 * arguments.plans,
        arguments.plans
    );
    let what = "instructions of one card plan";
    let bars = bar::table(&[Bar { what, limit: Limit::AtMost(14_000.0), measured: each as f64, unit: "" }]);
    say::line(format_args!("{said}\n\n{}", bars.plain().trim_end()));
    if arguments.functions {
        let file = counts(directory.path(), 2 * arguments.plans);
        let mut annotate = run::command("callgrind_annotate", directory.path(), &["--threshold=90"]);
        annotate.arg(file);
        say::line(String::from_utf8_lossy(&run::output(annotate)?).trim_end());
    }
    if arguments.write {
        let mut page = Page::read(root)?;
        page.put("plan", &format!("{said}\n\n{}", bars.markdown()))?;
        page.write()?;
    }
    Ok(())
}

/// Instructions of that many plans.
fn count(binaries: &Binaries, directory: &Path, plans: u64) -> anyhow::Result<u64> {
    say::note(format_args!("counting {plans} plans"));
    let file = counts(directory, plans);
    let out = format!("--callgrind-out-file={}", file.display());
    let mut command = run::command("valgrind", directory, &["--tool=callgrind", "--quiet", &out]);
    // Start-up gathers entropy for as long as the machine's jitter asks for; it is not counted.
    command.arg("--toggle-collect=*plans_counted*");
    command.arg(binaries.bench_path()).args(["plan", "--plans", &plans.to_string()]);
    run::output(command)?;
    total(&fs::read_to_string(&file)?).context("callgrind gave no total")
}

fn counts(directory: &Path, plans: u64) -> std::path::PathBuf {
    directory.join(format!("callgrind.{plans}"))
}

pub(super) fn total(text: &str) -> Option<u64> {
    let line = |name| text.lines().find_map(|line| line.strip_prefix(name));
    line("totals:").or_else(|| line("summary:"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_total_of_callgrind() {
        assert_eq!(total("events: Ir\nfn=a\n1 5\nsummary: 40\ntotals: 42\n"), Some(42));
        assert_eq!(total("events: Ir\nsummary: 40\n"), Some(40));
        assert_eq!(total("events: Ir\n"), None);
    }
}
