use std::process::ExitCode;

use anyhow::{Context, bail};
use panvault_server::LocalMethod;
use serde_json::Value;

use crate::cli::Shared;
use crate::client::Client;
use crate::commands::document::print;
use crate::commands::runtime;
use crate::config;
use crate::data::Place;
use crate::output;
use crate::telemetry::{self, LogFormat};

/// Has the server that has the vault read again what may change while it runs. Exit code 1 when something is not in use.
pub(crate) fn run(shared: &Shared) -> anyhow::Result<ExitCode> {
    let config = config::read(&shared.settings, &[])?;
    telemetry::start("warn", LogFormat::Text)?;
    let place = Place::of(&config)?;
    let reloaded = runtime()?.block_on(async {
        let mut client = match Client::reach(&place, &config).await? {
            Ok(client) => client,
            Err(unreached) => bail!(
                "no server was reached that has {}, so nothing was read again: {}",
                place.path().display(),
                unreached.said()
            ),
        };
        anyhow::Ok(client.send(LocalMethod::Post, "/local/reload", None).await?.value)
    })?;
    let rows = reloaded.as_array().context("the server answered with what is no list")?;
    let is_done = |row: &Value| row.get("done").and_then(Value::as_bool) == Some(true);
    if shared.json {
        print(&reloaded, true)?;
    } else {
        for row in rows {
            let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
            let kept = if is_done(row) { "" } else { "not read again: " };
            output::line(format!("{:16} {kept}{}", text("what"), text("said")))?;
        }
    }
    Ok(if rows.iter().all(is_done) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
