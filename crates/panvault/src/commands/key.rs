//! Keys of organisations from the command line.

mod mapping;
mod vault;
mod wait;

use core::time::Duration;
use std::io::{BufRead, Read};
use std::path::PathBuf;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::cli::{KeyCommand, RotatedPurpose, Shared};
use crate::client::Client;
use crate::commands::document::{asked, object, print};
use crate::commands::key::mapping::Mapping;
use crate::commands::key::wait::Waited;
use crate::commands::slot::now;
use crate::output;

const PATH: &str = "/v1/organisation";
/// Organisations or cards that are asked for at a time.
pub(super) const PAGE_ROWS: usize = 100;
/// Bytes of a line that is typed.
const TYPED_BYTES_MAX: u64 = 256;
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(crate) fn run(command: KeyCommand) -> anyhow::Result<()> {
    match command {
        KeyCommand::List { organisation, shared } => list(organisation.as_deref(), &shared),
        KeyCommand::Inventory(shared) => inventory(&shared),
        KeyCommand::Rotate { purpose, mapping: Some(_), .. } if purpose != RotatedPurpose::Fingerprint => {
            anyhow::bail!("--mapping is of fingerprints: this key makes none")
        }
        KeyCommand::Rotate { purpose, organisation, wait, mapping, by, json } => {
            match (purpose, organisation) {
                (RotatedPurpose::Data | RotatedPurpose::Fingerprint, Some(organisation)) => {
                    rotate(purpose, &organisation, (wait, mapping), &Shared { settings: by.settings, json })
                }
                (RotatedPurpose::Data | RotatedPurpose::Fingerprint, None) => {
                    anyhow::bail!("--organisation says whose key it is")
                }
                (_, Some(_)) => {
                    anyhow::bail!(
                        "--organisation is for keys of organisations: this key is that of the vault"
                    )
                }
                (of_vault, None) => match of_vault.of_vault() {
                    Some(purpose) => vault::rotate_purpose(&by, purpose, wait, json),
                    None => vault::rotate_root(&by, json),
                },
            }
        }
        KeyCommand::Destroy { organisation, shared } => destroy(&organisation, &shared),
    }
}

fn list(organisation: Option<&str>, shared: &Shared) -> anyhow::Result<()> {
    let of = organisation.map(keys_of).transpose()?;
    let keys = asked(shared, async |client| match of {
        Some(of) => keys(client, &of).await,
        None => keys_of_all(client).await,
    })?;
    if shared.json {
        return Ok(output::line(Value::Array(keys).to_string())?);
    }
    for key in &keys {
        if !output::is_read(line(key))? {
            break;
        }
    }
    Ok(())
}

fn inventory(shared: &Shared) -> anyhow::Result<()> {
    let (vault, organisations) =
        asked(shared, async |client| Ok((keys(client, "/v1/key").await?, keys_of_all(client).await?)))?;
    if shared.json {
        return Ok(output::line(json!({ "vault": vault, "organisations": organisations }).to_string())?);
    }
    for key in vault.iter().chain(&organisations) {
        if !output::is_read(line(key))? {
            break;
        }
    }
    Ok(())
}

/// The keys of all organisations.
pub(super) async fn keys_of_all(client: &mut Client) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    for organisation in organisations(client).await? {
        all.extend(keys(client, &keys_of(&organisation)?).await?);
    }
    Ok(all)
}

/// Where the keys of an organisation are.
fn keys_of(organisation: &str) -> anyhow::Result<String> {
    Ok(format!("{}/key", object(PATH, organisation)?))
}

pub(super) async fn keys(client: &mut Client, of: &str) -> anyhow::Result<Vec<Value>> {
    let Value::Array(keys) = client.get(of).await? else {
        anyhow::bail!("the vault answered a list with what is none");
    };
    Ok(keys)
}

/// The ids of all organisations.
async fn organisations(client: &mut Client) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::new();
    loop {
        let page = format!("{PATH}?_limit={PAGE_ROWS}&_skip={}&_sort=_id", ids.len());
        let page = client.get(&page).await?;
        let rows = page.as_array().context("the vault answered a list with what is none")?;
        let found = rows.iter().filter_map(|row| row.get("_id")?.as_str().map(str::to_owned));
        ids.extend(found);
        if rows.len() < PAGE_ROWS {
            return Ok(ids);
        }
    }
}

fn rotate(
    purpose: RotatedPurpose,
    organisation: &str,
    (wait, mapping): (bool, Option<PathBuf>),
    shared: &Shared,
) -> anyhow::Result<()> {
    let of = keys_of(organisation)?;
    let mapping =
        mapping.map(|path| Ok::<_, anyhow::Error>((path.clone(), Mapping::make(path)?))).transpose()?;
    let made = asked(shared, async |client| {
        ensure!(
            client.is_served(),
            "nobody serves this vault, and rows are sealed anew by who does: start it with panvault serve"
        );
        if mapping.is_some() {
            mapping::can_be_made(client).await?;
        }
        // What another command has begun is gone on with where there is more to do than to begin it.
        let goes_on = wait || mapping.is_some();
        let begun = if goes_on { moving(client, &of, purpose.as_str()).await? } else { None };
        let made = match begun {
            Some(key) => {
                output::note("a rotation of this key is under way: it is waited for");
                key
            }
            None => client.post(&of, &json!({ "purpose": purpose.as_str() })).await?,
        };
        if let Some((path, mapping)) = mapping {
            let lines = mapping.write(client, organisation, (&of, &made)).await?;
            output::note(format!(
                "{}: what {lines} cards had for a fingerprint, and have now",
                path.display()
            ));
        }
        if wait {
            ended(client, &of, &made).await?;
            let version = made.get("version");
            let now = keys(client, &of).await?;
            let is_it = |key: &&Value| {
                key.get("version") == version && key.get("purpose").is_some_and(|of| *of == purpose.as_str())
            };
            return Ok(now.iter().find(is_it).cloned().unwrap_or(made));
        }
        Ok(made)
    })?;
    // What is under way goes on, whoever reads it.
    if let Err(error) = print(&made, shared.json) {
        output::note(format!("the key is being replaced; {error}"));
    }
    Ok(())
}

/// The key that takes the place of another now, if one does.
async fn moving(client: &mut Client, of: &str, purpose: &str) -> anyhow::Result<Option<Value>> {
    let mut keys = keys(client, of).await?;
    keys.retain(|key| key.get("purpose").is_some_and(|of| *of == purpose));
    let is_moving = |key: &Value| {
        key.get("state")
            .and_then(Value::as_str)
            .is_some_and(|state| ["pre_active", "open_only"].contains(&state))
    };
    Ok(if keys.iter().any(is_moving) { keys.pop() } else { None })
}

/// What is done cannot be undone, and an id is quickly that of another: it is asked for twice.
fn destroy(organisation: &str, shared: &Shared) -> anyhow::Result<()> {
    let path = format!("{}/destroy", keys_of(organisation)?);
    output::note(format!(
        "all cards, customers and secrets of {organisation} become unreadable, for ever; its id once more:"
    ));
    let mut again = String::new();
    std::io::stdin()
        .lock()
        .take(TYPED_BYTES_MAX)
        .read_line(&mut again)
        .context("standard input cannot be read")?;
    ensure!(again.trim() == organisation, "that is not the same id; nothing was done");
    asked(shared, async |client| client.post(&path, &json!({ "organisation": organisation })).await)?;
    let done = json!({ "organisation": organisation, "destroyed": true });
    if let Err(error) = print(&done, shared.json) {
        output::note(format!("the keys are destroyed; {error}"));
    }
    output::note("backups made before still open what was sealed for it: destroy those that must not");
    Ok(())
}

/// Waits until every key before this one is destroyed.
async fn ended(client: &mut Client, of: &str, made: &Value) -> anyhow::Result<()> {
    let version = made.get("version").and_then(Value::as_u64).context("the answer has no version")?;
    let (mut waited, mut known_until) = (Waited::default(), None);
    loop {
        let keys = keys(client, of).await?;
        let before = keys.iter().filter(|key| {
            key.get("purpose") == made.get("purpose")
                && key.get("version").and_then(Value::as_u64).is_some_and(|of| of < version)
                && key.get("state").is_none_or(|state| state != "destroyed")
        });
        let before: Vec<_> = before.collect();
        if before.is_empty() {
            return Ok(());
        }
        waited.asks_who_counts(client, &before).await?;
        waited.sees(&before, &now().to_string())?;
        let until = before.iter().find_map(|key| key.get("destroyed_at")?.as_str().map(str::to_owned));
        if until.is_some() && until != known_until {
            output::note(format!("what was before is known until {}", until.as_deref().unwrap_or_default()));
            known_until = until;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A key on a line.
fn line(key: &Value) -> String {
    let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or("-");
    let version = key.get("version").and_then(Value::as_u64).unwrap_or_default();
    let mut line = format!(
        "{:24}  {:13}  {version:3}  {:10}  made {}",
        key.get("organisation").and_then(Value::as_str).unwrap_or("vault"),
        text("purpose"),
        text("state"),
        text("created_at"),
    );
    if key.get("active_from").is_some() {
        line.push_str(&format!("  active {} to {}", text("active_from"), text("active_until")));
    }
    if key.get("destroyed_at").is_some() {
        let what = if text("state") == "destroyed" { "destroyed" } else { "ends" };
        line.push_str(&format!("  {what} {}", text("destroyed_at")));
    }
    if let Some(left) = key.get("rows_left").and_then(Value::as_u64)
        && key.get("state").is_some_and(|state| state == "open_only")
    {
        line.push_str(&format!("  rows left {left}"));
    }
    if let Some(damaged) = key.get("rows_damaged").and_then(Value::as_u64).filter(|damaged| *damaged > 0) {
        line.push_str(&format!("  damaged {damaged}"));
    }
    let needed_by = key.get("needed_by").and_then(Value::as_array);
    for api_key in needed_by.into_iter().flatten().filter_map(Value::as_str) {
        line.push_str(&format!("\n{:24}  needed by API key {api_key}", ""));
    }
    if key.get("needed_by_bins").and_then(Value::as_bool) == Some(true) {
        line.push_str("  needed by the table of issuers");
    }
    if key.get("overdue").and_then(Value::as_bool) == Some(true) {
        line.push_str("  overdue");
    }
    line
}
