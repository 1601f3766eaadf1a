//! Keys of the vault itself from the command line. Who replaces one has a slot, which a server that runs has not.

use anyhow::{Context, bail};
use panvault_keys::{HandOver, KeyState, RootKey, SystemEntropy, VaultPurpose};
use serde_json::{Value, json};

use crate::cli::Unlock;
use crate::client::Client;
use crate::commands::document::print;
use crate::commands::key::wait::Waited;
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
    if !wait {
        said(&json!({ "purpose": purpose.as_str(), "state": "pre_active" }), as_json);
        if let Some(lasts) = lasts(purpose) {
            output::note(format!("the key before {lasts}"));
        }
        output::note(
            "its bytes are in the header until the keys of the vault are changed after it is destroyed; where --wait sees that, they go at once",
        );
        return Ok(());
    }
    if let Ended::Needed(by) = runtime()?.block_on(ended(&opening, purpose))? {
        said(
            &json!({ "purpose": purpose.as_str(), "state": "active", "needed_by": by.named, "rows_left": by.count }),
            as_json,
        );
        output::note(format!(
            "{} API keys keep the key before, each until it is next used or revoked, and that is not waited for: panvault key inventory shows which, panvault apikey revoke ends one that \
             nobody uses; with the last of them the key before is destroyed by itself",
            by.count
        ));
        return Ok(());
    }
    // The bytes of the key before go, and nothing else is changed.
    let header = opening.change(|header, root| Ok((header.rewrap(root, root, &entropy)?, None)))?;
    let made = json!({ "purpose": purpose.as_str(), "state": "active", "header_version": header.version() });
    said(&made, as_json);
    Ok(())
}

/// How a rotation stands when nobody waits for it any more.
enum Ended {
    /// The key before is destroyed.
    Destroyed,
    /// API keys need it, each until its bearer comes: nobody knows when.
    Needed(NeededBy),
}

/// API keys that need a key: how many, and the first of them.
struct NeededBy {
    count: u64,
    named: Value,
}

/// Waits until no key of a purpose is on its way in or out, or only what nobody can foresee is waited for, and says meanwhile how much is left.
async fn ended(opening: &Opening, purpose: VaultPurpose) -> anyhow::Result<Ended> {
    if let Some(lasts) = lasts(purpose) {
        output::note(format!("the key before {lasts}"));
    }
    let mut waited = Waited::default();
    loop {
        let mut client = served(opening).await?;
        if !is_moving(&client.header_named().await?, purpose) {
            return Ok(Ended::Destroyed);
        }
        let keys = keys(&mut client, "/v1/key").await?;
        let is_before = |key: &&Value| {
            key.get("purpose").is_some_and(|of| of == purpose.as_str())
                && key.get("state").is_some_and(|state| state == "open_only")
        };
        let before: Vec<_> = keys.iter().filter(is_before).collect();
        if purpose == VaultPurpose::ApiKeyHash {
            let needed = |key: &&Value| {
                let count = key.get("rows_left")?.as_u64().filter(|count| *count > 0)?;
                let named = key.get("needed_by").cloned().unwrap_or_else(|| json!([]));
                Some(NeededBy { count, named })
            };
            if let Some(by) = before.iter().find_map(needed) {
                return Ok(Ended::Needed(by));
            }
        }
        waited.asks_who_counts(&mut client, &before).await?;
        waited.sees(&before, &now().to_string())?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What becomes of the key before a new one, where that takes its time.
const fn lasts(purpose: VaultPurpose) -> Option<&'static str> {
    match purpose {
        VaultPurpose::Idempotency => {
            Some("is destroyed when the last record that it made has ended, after 24 hours")
        }
        VaultPurpose::CvvCache => {
            Some("is destroyed when no CVV may be held under it any more, after 25 hours and ten minutes")
        }
        VaultPurpose::AuditChain => {
            Some("is destroyed when no record is kept any more that it chained (audit_retention_days)")
        }
        VaultPurpose::TrailCheckpoint => {
            Some("signs nothing more, and stays: panvault audit key shows it to whoever reads what it signed")
        }
        VaultPurpose::DocumentTag
        | VaultPurpose::DocumentHead
        | VaultPurpose::ApiKeyHash
        | VaultPurpose::RowTag
        | VaultPurpose::Wrapping
        | VaultPurpose::SetHash => None,
    }
}

fn is_moving(named: &HandOver, purpose: VaultPurpose) -> bool {
    let mut keys = named.keys().filter(|key| key.purpose == purpose);
    keys.any(|key| match key.state {
        KeyState::PreActive => true,
        // What the one before has chained or signed is there for as long as the trail is kept.
        KeyState::OpenOnly => !matches!(purpose, VaultPurpose::AuditChain | VaultPurpose::TrailCheckpoint),
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
