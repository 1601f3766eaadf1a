//! What a held CVV takes of memory, and what holding, reading and claiming one takes of time.

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::bench::bar::{self, Bar, Limit};
use crate::bench::page::Page;
use crate::bench::server::Binaries;
use crate::bench::size;
use crate::bench::table::{Table, thousands};
use crate::say;
use crate::workspace::Workspace;

/// Bytes of a held CVV, by the server's own estimate of its memory.
const HELD_BYTES_MAX: f64 = 200.0;

#[derive(clap::Args)]
pub(crate) struct CvvsArguments {
    /// CVVs that are held at once, such as 10000, 100k or 1M.
    #[arg(long, default_value = "1M", value_parser = size::parse)]
    cvvs: u64,
    /// Write the results into docs/performance.md.
    #[arg(long)]
    write: bool,
}

/// All that was measured.
struct Measured {
    cvvs: u64,
    held_bytes: f64,
    claimed_bytes: f64,
    steps: Vec<Step>,
}

struct Step {
    name: String,
    mean_ns: f64,
    longest_us: f64,
}

/// Builds, measures, prints.
pub(super) fn cvvs(workspace: &Workspace, arguments: &CvvsArguments) -> anyhow::Result<()> {
    let binaries = Binaries::build(workspace)?;
    say::note(format_args!("holding {} CVVs", size::shown(arguments.cvvs)));
    let lines = binaries.cvvs(arguments.cvvs)?;
    let measured = Measured::read(arguments.cvvs, &lines)?;
    let (table, bars) = (measured.table(), bar::table(&measured.bars()));
    say::line(format_args!("{}\n{}\n\n{}", table.plain(), measured.notes(), bars.plain().trim_end()));
    if arguments.write {
        let mut page = Page::read(&workspace.root)?;
        page.put("cvvs", &format!("{}\n{}\n\n{}", table.markdown(), measured.notes(), bars.markdown()))?;
        page.write()?;
    }
    Ok(())
}

impl Measured {
    fn read(cvvs: u64, lines: &[Value]) -> anyhow::Result<Self> {
        let (memory, steps) = lines.split_first().context("nothing was measured")?;
        let number = |line: &Value, name: &str| {
            line.get(name).and_then(Value::as_f64).with_context(|| format!("{name} is missing in {line}"))
        };
        let steps = steps.iter().map(|line| {
            let name = line.get("step").and_then(Value::as_str).context("a step has no name")?.to_owned();
            let (mean_ns, longest_us) = (number(line, "mean_ns")?, number(line, "longest_us")?);
            Ok(Step { name, mean_ns, longest_us })
        });
        let steps = steps.collect::<anyhow::Result<Vec<_>>>()?;
        ensure!(!steps.is_empty(), "no step was measured");
        let (held_bytes, claimed_bytes) = (number(memory, "held_bytes")?, number(memory, "claimed_bytes")?);
        Ok(Self { cvvs, held_bytes, claimed_bytes, steps })
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&["step", "mean ns", "longest µs"]);
        for step in &self.steps {
            table.row([step.name.clone(), thousands(step.mean_ns), thousands(step.longest_us)]);
        }
        table
    }

    fn notes(&self) -> String {
        format!(
            "With {} CVVs held, one takes {:.0} bytes; what is remembered of it for two minutes after it was claimed, {:.0} bytes with its place.",
            thousands(self.cvvs as f64),
            self.held_bytes,
            self.claimed_bytes,
        )
    }

    fn bars(&self) -> [Bar; 1] {
        let (limit, measured) = (Limit::AtMost(HELD_BYTES_MAX), self.held_bytes);
        [Bar { what: "memory of a held CVV", limit, measured, unit: " B" }]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_held_cvv_is_held_against_its_bar() {
        let step = json!({ "step": "hold", "mean_ns": 900.4, "longest_us": 250.0 });
        let lines = [json!({ "held_bytes": 570.2, "claimed_bytes": 300.0 }), step];
        let measured = Measured::read(1_000, &lines).unwrap();
        assert_eq!((measured.table().0.len(), measured.bars()[0].is_met()), (2, false));
        assert!(measured.notes().contains("570 bytes"));
        assert!(Measured::read(1, &lines[..1]).is_err() && Measured::read(1, &lines[1..]).is_err());
    }
}
