//! Keys of the vault itself from the command line. Who replaces one has a slot, which a server that runs has not.

use anyhow::{Context, bail};
use panvault_keys::{HandOver, KeyState, RootKey, SystemEntropy, VaultPurpose};
use serde_json::{Value, json};

use crate::cli::Unlock;
use crate::client::Client;
use crate::commands::document::print;
use crate::commands::key::{LOOK_EVERY, keys};
use crate::commands::runtime;
use crate::commands::slot::{Opening, now};
use crate::telemetry::{self, LogFormat};
use crate::{harden, output};

/// Makes another root key, and seals it to every slot; none of them has to be opened for it.
pub(super) fn rotate_root(by: &Unlock, as_json: bool) -> anyhow::Result<()> {
    telemetry::start("warn", LogFormat::Text)?;
    harden::memory();
    let (opening, entropy) = (Opening::of(by)?, SystemEntropy::new());
    let header = opening.change(|header, old| {
        let root = RootKey::make(&entropy)?;
        Ok((header.rewrap(old, &root, &entropy)?, Some(root)))
    })?;
    said(&json!({ "purpose": "root", "header_version": header.version() }), as_json);
    output::note(format!(
        "every slot opens it. Backups made before {} still have the root key of before; make a new one, and destroy those that must not",
        now()
    ));
    Ok(())
}

/// Makes another key of the vault. What the one before wrapped or tagged is wrapped or tagged anew by who serves the vault.
pub(super) fn rotate_purpose(
    by: &Unlock,
    purpose: VaultPurpose,
    wait: bool,
    as_json: bool,
) -> anyhow::Result<()> {
    telemetry::start("warn", LogFormat::Text)?;
    harden::memory();
    let (opening, entropy) = (Opening::of(by)?, SystemEntropy::new());
    let named = runtime()?.block_on(named(&opening))?;
    match is_moving(&named, purpose) {
        true if !wait => bail!(
            "a rotation of this key is under way, and nothing was done: panvault key inventory shows how far it has come; with --wait this waits for its end"
        ),
        true => output::note("a rotation of this key is under way: it is waited for"),
        false => {
            opening.change(|header, root| Ok((header.key_make(root, purpose, now(), &entropy)?, None)))?;
        }
    }
    if purpose == VaultPurpose::AuditChain {
        output::note(
            "the key before checks what it chained, and is destroyed when no record is kept of that (audit_retention_days)",
        );
    }
    if !wait {
        said(&json!({ "purpose": purpose.as_str(), "state": "pre_active" }), as_json);
        output::note(
            "the key before is in the header until the keys of the vault are changed next; with --wait it goes at once",
        );
        return Ok(());
    }
    runtime()?.block_on(ended(&opening, purpose))?;
    // The bytes of the key before go, and nothing else is changed.
    let header = opening.change(|header, root| Ok((header.rewrap(root, root, &entropy)?, None)))?;
    let made = json!({ "purpose": purpose.as_str(), "state": "active", "header_version": header.version() });
    said(&made, as_json);
    Ok(())
}

/// Waits until no key of a purpose is on its way in or out, and says meanwhile how much is left.
async fn ended(opening: &Opening, purpose: VaultPurpose) -> anyhow::Result<()> {
    let mut said = None;
    loop {
        let mut client = served(opening).await?;
        if !is_moving(&client.header_named().await?, purpose) {
            return Ok(());
        }
        let keys = keys(&mut client, "/v1/key").await?;
        let of_purpose =
            keys.iter().filter(|key| key.get("purpose").is_some_and(|of| of == purpose.as_str()));
        let left = of_purpose
            .filter(|key| key.get("state").is_some_and(|state| state == "open_only"))
            .filter_map(|key| key.get("rows_left").and_then(Value::as_u64))
            .reduce(u64::saturating_add);
        if left.is_some() && left != said {
            output::note(format!("{} are left", left.unwrap_or_default()));
            said = left;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn is_moving(named: &HandOver, purpose: VaultPurpose) -> bool {
    let mut keys = named.keys().filter(|key| key.purpose == purpose);
    keys.any(|key| match key.state {
        KeyState::PreActive => true,
        // What the one before has chained is there for as long as the trail is kept.
        KeyState::OpenOnly => purpose != VaultPurpose::AuditChain,
        KeyState::Active | KeyState::Destroyed => false,
    })
}

/// What the server that has the vault says of its keys.
async fn named(opening: &Opening) -> anyhow::Result<HandOver> {
    served(opening).await?.header_named().await
}

/// The server that has the vault.
async fn served(opening: &Opening) -> anyhow::Result<Client> {
    let opened = opening.place.header_open(opening.slot.as_ref()).await?;
    let reached = Client::reach_by(&opening.place, &opening.config, &opened.operator).await?;
    let client = reached.map_err(|unreached| anyhow::anyhow!(unreached.said()));
    let nobody =
        "nobody serves this vault here, and a key is replaced by who does: start it with panvault serve";
    client.context(nobody)
}

/// What is done is done, whoever reads it.
fn said(made: &serde_json::Value, as_json: bool) {
    if let Err(error) = print(made, as_json) {
        output::note(format!("it is done; {error}"));
    }
}
