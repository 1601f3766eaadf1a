//! One request, and what is shown of its answer.

use anyhow::{Context, anyhow};
use panvault_vault::{FieldFault, VaultError, description_fits, name_fits};
use serde_json::{Map, Value, json};

use crate::cli::{One, Shared};
use crate::client::{Client, Refused};
use crate::commands::document::arguments::argument;
use crate::commands::document::{json as shown, print};
use crate::commands::runtime;
use crate::config;
use crate::output;
use crate::telemetry::{self, LogFormat};

/// Rows that are asked for at a time: so many of the largest fit into an answer.
pub(super) const PAGE_ROWS: usize = 100;

/// Reaches the vault, asks it, and lets it go. What it refuses is said in the words of the command line.
pub(crate) fn asked<T>(
    shared: &Shared,
    ask: impl AsyncFnOnce(&mut Client) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let config = config::read(&shared.settings, &[])?;
    telemetry::start("warn", LogFormat::Text)?;
    runtime()?.block_on(async {
        let mut client = Client::begin(&config).await?;
        let done = ask(&mut client).await.map_err(|error| said(error, &client));
        client.end().await;
        done
    })
}

/// Makes an object and shows it. What cannot be shown does not stay: a command that fails has changed nothing, and a key that nobody
/// could see must not be one.
pub(super) fn create(path: &str, body: Map<String, Value>, shared: &Shared) -> anyhow::Result<()> {
    asked(shared, async |client| {
        let judged = judged(&body);
        let made =
            client.post(path, &Value::Object(body)).await.map_err(|error| with_judged(error, judged))?;
        seen_or_deleted(client, path, &made, shared).await
    })
}

/// Makes an API key in the place of another, as [`create`] makes one. Where it was not seen, the other one gets the end back that it had.
pub(super) fn rotate(path: &str, id: &str, body: Map<String, Value>, shared: &Shared) -> anyhow::Result<()> {
    let of = object(path, id)?;
    asked(shared, async |client| {
        let before = client.get(&of).await?.get("expires_at").cloned().unwrap_or(Value::Null);
        let made = client.post(&format!("{of}/rotate"), &Value::Object(body)).await?;
        let Err(unseen) = output::first(shown::text(&made, shared.json)) else { return Ok(()) };
        let ended = client.post(&of, &json!({ "expires_at": before })).await;
        let unmade = unmade(client, path, &made, unseen.into()).await;
        let Err(error) = ended else { return Err(unmade) };
        let end = before.as_str().unwrap_or("never");
        let said = format!(
            "{id} ends all the same, and could not be given its end back ({error}); to let it work on: \
             panvault apikey change {id} --expires-at {end}"
        );
        Err(unmade.context(said))
    })
}

/// Shows what was made, or deletes it.
async fn seen_or_deleted(
    client: &mut Client,
    path: &str,
    made: &Value,
    shared: &Shared,
) -> anyhow::Result<()> {
    match output::first(shown::text(made, shared.json)) {
        Ok(()) => Ok(()),
        Err(unseen) => Err(unmade(client, path, made, unseen.into()).await),
    }
}

/// Deletes what was made and not seen; the error that is to be said then.
async fn unmade(client: &mut Client, path: &str, made: &Value, unseen: anyhow::Error) -> anyhow::Error {
    let id = made.get("_id").and_then(Value::as_str).unwrap_or_default();
    let Err(error) = client.delete(&format!("{path}/{id}")).await else {
        return unseen
            .context("standard output cannot be written to, so nothing was made: it was deleted again");
    };
    error.context(format!(
        "standard output cannot be written to, and {id}, which was made, could not be deleted again: delete it"
    ))
}

/// Changes an object and shows it as it is now.
pub(super) fn change(path: &str, id: &str, body: Map<String, Value>, shared: &Shared) -> anyhow::Result<()> {
    let path = object(path, id)?;
    let judged = judged(&body);
    let changed = asked(shared, async |client| {
        client.post(&path, &Value::Object(body)).await.map_err(|error| with_judged(error, judged))
    })?;
    // What was changed stays so, whoever reads it.
    if let Err(error) = print(&changed, shared.json) {
        output::note(format!("it is changed; {error}"));
    }
    Ok(())
}

/// Shows an object.
pub(super) fn show(path: &str, one: &One) -> anyhow::Result<()> {
    let path = object(path, &one.id)?;
    let value = asked(&one.shared, async |client| client.get(&path).await)?;
    print(&value, one.shared.json)
}

/// Deletes an object, and says so, whoever reads it.
pub(super) fn delete(path: &str, one: &One, done: &str) -> anyhow::Result<()> {
    let path = object(path, &one.id)?;
    asked(&one.shared, async |client| client.delete(&path).await)?;
    if let Err(error) = print(&json!({ "_id": one.id, "deleted": true }), one.shared.json) {
        output::note(format!("{done}; {error}"));
    }
    Ok(())
}

/// Shows all objects, the oldest first.
pub(super) fn list(path: &str, shared: &Shared) -> anyhow::Result<()> {
    let rows = asked(shared, async |client| {
        let mut rows = Vec::new();
        loop {
            let page = format!("{path}?_limit={PAGE_ROWS}&_skip={}&_sort=_id", rows.len());
            let Value::Array(page) = client.get(&page).await? else {
                return Err(anyhow!("the vault answered a list with what is none"));
            };
            let is_last = page.len() < PAGE_ROWS;
            rows.extend(page);
            if is_last {
                return Ok(Value::Array(rows));
            }
        }
    })?;
    match shown::text(&rows, shared.json) {
        none if none.is_empty() => Ok(()),
        text => Ok(output::line(text)?),
    }
}

/// What the vault will refuse of texts: it comes to judge them only when all else can be read.
fn judged(body: &Map<String, Value>) -> Vec<FieldFault> {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let judged = [text("name").map(name_fits), text("description").map(description_fits)];
    let faults = judged.into_iter().flatten().filter_map(|judged| match judged {
        Err(VaultError::Faults(faults)) => Some(faults),
        Err(_) | Ok(()) => None,
    });
    faults.flatten().collect()
}

/// A refusal with what else would have been refused, so that all of it is said at once.
fn with_judged(mut error: anyhow::Error, judged: Vec<FieldFault>) -> anyhow::Error {
    if let Some(refused) = error.downcast_mut::<Refused>().filter(|refused| refused.status == 400) {
        for fault in judged {
            refused.details.entry(format!("body.{}", fault.field)).or_insert(json!(fault.reason));
        }
    }
    error
}

/// The path of an object. What is no id is not sent, nor repeated.
pub(crate) fn object(path: &str, id: &str) -> anyhow::Result<String> {
    let is_id = id.len() == 24 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_id.then(|| format!("{path}/{id}")).context("ID must be an id: 24 lowercase hexadecimal digits")
}

/// A refusal in the words of the command line.
fn said(error: anyhow::Error, client: &Client) -> anyhow::Error {
    let Some(refused) = error.downcast_ref::<Refused>() else { return error };
    let mut said = refused.said(argument);
    if refused.status == 404 && !refused.details.is_empty() {
        said.push_str("; the list commands show what there is");
    }
    if refused.details.keys().any(|place| place.starts_with("body.configuration")) && client.is_own_of("live")
    {
        said.push_str("; a vault that takes card_dummy is made by panvault init --mode test");
    }
    anyhow!(said)
}
