use anyhow::Context;
use serde_json::json;

use crate::cli::Shared;
use crate::commands::runtime;
use crate::telemetry::{self, LogFormat};
use crate::{config, data, output};

/// Brings the tables of a database up to date. Nodes of this version and the one before serve meanwhile.
pub(crate) fn run(shared: &Shared) -> anyhow::Result<()> {
    let config = config::read(&shared.settings, &[])?;
    telemetry::start("warn", LogFormat::Text)?;
    let database = config.shared.context(
        "there is nothing to migrate: the vault is in its directory, which panvault serve keeps up to date; with store, name the settings",
    )?;
    let applied = runtime()?.block_on(data::migrate(&database, config.list_time))?;
    if shared.json {
        let steps: Vec<_> =
            applied.iter().map(|step| json!({ "number": step.number, "name": step.name })).collect();
        return Ok(output::line(
            json!({ "database": database.store.to_string(), "applied": steps }).to_string(),
        )?);
    }
    if applied.is_empty() {
        return Ok(output::line(format!("the tables in {} are up to date", database.store))?);
    }
    for step in applied {
        output::line(format!("step {} is done: {}", step.number, step.name))?;
    }
    Ok(())
}
