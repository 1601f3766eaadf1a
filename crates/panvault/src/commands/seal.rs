use anyhow::bail;
use serde_json::json;

use crate::cli::Unlock;
use crate::client::Client;
use crate::commands::runtime;
use crate::commands::slot::key;
use crate::data::Place;
use crate::sealed;
use crate::telemetry::{self, LogFormat};
use crate::{config, harden, output};

/// Seals the vault. A server that has it does so; where none has, and its key file opens it, it is marked as sealed.
pub(crate) fn run(by: &Unlock) -> anyhow::Result<()> {
    let config = config::read(&by.settings, &[])?;
    telemetry::start("warn", LogFormat::Text)?;
    harden::memory();
    let place = Place::of(&config)?;
    place.private()?;
    runtime()?.block_on(async {
        if sealed::is_there(place.path()).await {
            bail!("the vault is not open: panvault unseal --status says why");
        }
        let mut client = if key::is_unattended(by)? {
            Client::begin(&config).await?
        } else {
            let slot = key::slot(by, &place, &config).await?;
            let operator = place.operator_by(slot.as_ref()).await?;
            match Client::reach_by(&place, &config, &operator).await? {
                Ok(client) => client,
                Err(unreached) => bail!("no server was reached that has the vault: {}", unreached.said()),
            }
        };
        let sealed = client.post("/local/seal", &json!({})).await;
        client.end().await;
        sealed.map(drop)
    })?;
    let said =
        "the vault is sealed, on every node: nothing opens it, and no restart does, until panvault unseal";
    Ok(output::line(said)?)
}
