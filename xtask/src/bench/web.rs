//! How long the fields of a shop's page take in a real browser, from their making until they can be typed into.

use anyhow::{Context, ensure};

use crate::bench::bar::{self, Bar, Limit};
use crate::bench::figures::median;
use crate::bench::server::Binaries;
use crate::dev_vault::DevVault;
use crate::workspace::Workspace;
use crate::{browser, run, say};

/// Pages that are loaded, each with an empty cache.
const TIMES: &str = "15";
/// What four fields may take.
const READY_MS_MAX: f64 = 300.0;

/// Builds, measures, prints.
pub(super) fn web(workspace: &Workspace) -> anyhow::Result<()> {
    let directory = browser::ready(workspace)?;
    let binary = Binaries::build(workspace)?.panvault;
    let data = tempfile::tempdir_in(&workspace.target).context("no directory for the data could be made")?;
    let log = workspace.target.join("browser/bench.log");
    let vault = DevVault::start(workspace, &binary, &data.path().join("data"), &log)?;
    let arguments = ["fields/bench.mjs", &vault.url, &vault.organisation, &vault.account, TIMES];
    let mut command = run::command("node", &directory, &arguments);
    command.env("TMPDIR", data.path()).env("PANVAULT_API_KEY", &vault.api_key);
    let printed = String::from_utf8(run::output(command)?)?;
    let millis = printed.lines().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    ensure!(!millis.is_empty(), "nothing was measured");
    let bars = [Bar {
        what: "four fields ready, median",
        limit: Limit::AtMost(READY_MS_MAX),
        measured: median(millis),
        unit: "ms",
    }];
    say::line(bar::table(&bars).plain().trim_end());
    ensure!(bars.iter().all(Bar::is_met), "the fields take too long");
    Ok(())
}
