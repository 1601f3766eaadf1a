//! What a vault says of itself over its API, and the sections that are made of it, each in a file of its own.

mod api_keys;
mod ciphers_at_rest;
mod ciphers_in_transit;
mod cvvs;
mod keys;
mod slots;
mod trail;
mod weaknesses;

use anyhow::Context;
use panvault_keys::HeaderSlot;
use panvault_model::Timestamp;
use panvault_vault::{Clock, SystemClock};
use serde_json::Value;

use crate::client::Client;
use crate::commands::key::{keys, keys_of_all};
use crate::commands::pci::Trail;
use crate::commands::pci::files::Files;
use crate::commands::pci::report::Report;

/// Rows that are asked for at a time.
const PAGE_ROWS: usize = 100;
const DAY_SECONDS: u64 = 86_400;

/// Answers of a vault.
pub(super) struct Gathered {
    now: Timestamp,
    status: Value,
    vault_keys: Vec<Value>,
    keys: Vec<Value>,
    api_keys: Vec<Value>,
    /// The newest record of the trail.
    head: Option<Value>,
    /// What the process that serves it says; null where none does.
    pub(super) posture: Value,
}

impl Gathered {
    pub(super) async fn ask(client: &mut Client) -> anyhow::Result<Self> {
        let posture = if client.is_served() { client.get("/local/posture").await? } else { Value::Null };
        Ok(Self {
            now: SystemClock::start().now().wall,
            status: client.get("/v1/status").await?,
            vault_keys: keys(client, "/v1/key").await?,
            keys: keys_of_all(client).await?,
            api_keys: all(client, "/v1/apikey").await?,
            head: all_of(client.get("/v1/audit?_limit=1").await?)?.pop(),
            posture,
        })
    }

    pub(super) fn report(&self, served: bool, slots: &[HeaderSlot], trail: &Trail, files: &Files) -> Report {
        Report {
            made_at: self.now,
            vault: text(&self.status, "vault"),
            mode: text(&self.status, "mode"),
            version: text(&self.status, "version"),
            served,
            sections: vec![
                self.weaknesses(),
                self.keys(),
                slots::section(slots),
                ciphers_at_rest::section(),
                self.ciphers_in_transit(),
                self.cvvs(served, files),
                self.api_keys(),
                self.trail(trail),
            ],
        }
    }

    fn days_since(&self, since: Timestamp) -> u64 {
        self.now.unix_seconds().saturating_sub(since.unix_seconds()) / DAY_SECONDS
    }
}

/// All rows of a list.
async fn all(client: &mut Client, path: &str) -> anyhow::Result<Vec<Value>> {
    let mut rows = Vec::new();
    loop {
        let page = format!("{path}?_limit={PAGE_ROWS}&_skip={}&_sort=_id", rows.len());
        let page = all_of(client.get(&page).await?)?;
        let is_last = page.len() < PAGE_ROWS;
        rows.extend(page);
        if is_last {
            return Ok(rows);
        }
    }
}

fn all_of(page: Value) -> anyhow::Result<Vec<Value>> {
    let Value::Array(rows) = page else { return None.context("the vault answered a list with what is none") };
    Ok(rows)
}

/// A member as a cell; nothing where it is not there.
fn text(of: &Value, name: &str) -> String {
    match of.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

/// The day of a time.
fn date(of: &Value, name: &str) -> String {
    text(of, name).chars().take_while(|symbol| *symbol != 'T').collect()
}

fn time(of: &Value, name: &str) -> Option<Timestamp> {
    Timestamp::parse(of.get(name)?.as_str()?).ok()
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::commands::pci::report::Section;

    const NOW: &str = "2026-11-27T12:00:00.000Z";

    pub(super) fn gathered(key_days_max: u32, keys: &Value, api_keys: &Value) -> Gathered {
        let rows = |of: &Value| of.as_array().unwrap().clone();
        Gathered {
            now: Timestamp::parse(NOW).unwrap(),
            status: json!({}),
            vault_keys: rows(keys),
            keys: Vec::new(),
            api_keys: rows(api_keys),
            head: None,
            posture: json!({ "key_days_max": key_days_max }),
        }
    }

    pub(super) fn remarks(of: &Section) -> Vec<(&'static str, &str)> {
        of.remarks.iter().map(|remark| (remark.requirement, remark.what.as_str())).collect()
    }
}
