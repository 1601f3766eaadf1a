//! The trail of a vault that is in a database: a chain for each node.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::Shared;
use crate::commands::audit::noted;
use crate::commands::document::print;
use crate::commands::runtime;
use crate::config::Config;
use crate::data::{NodeDirectory, Place};
use crate::output;

/// Reads every record of every chain, holds each against its tag and its place, and the chains against the checkpoint. Nodes go on meanwhile.
pub(super) fn verify(
    shared: &Shared,
    config: &Config,
    place: &Place,
    node: &NodeDirectory,
) -> anyhow::Result<ExitCode> {
    let (verified, is_noted) = runtime()?.block_on(async {
        let verified = node.trail_verify(config.unattended()).await?;
        let is_noted = noted(place, config, verified.records, verified.findings.len()).await;
        anyhow::Ok((verified, is_noted))
    })?;
    let is_whole = verified.findings.is_empty();
    if shared.json {
        let findings: Vec<_> =
            verified.findings.iter().map(|what| json!({ "part": "trail", "what": what })).collect();
        let value = json!({
            "verified": is_whole, "noted": is_noted, "records": verified.records, "chains": verified.nodes, "findings": findings,
        });
        print(&value, true)?;
    } else {
        output::line(format!("{} records in {} chains", verified.records, verified.nodes))?;
        for what in &verified.findings {
            output::line(format!("trail: {what}"))?;
        }
        let said = if is_whole {
            "Every record is in its place in the chain of its node, and no chain is missing up to the last checkpoint."
        } else {
            "Restore from a backup, or ask for help with these lines."
        };
        output::line(said)?;
    }
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
