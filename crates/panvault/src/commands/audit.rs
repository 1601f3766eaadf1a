//! Who did what. Records come from a running server, or from the vault itself; the trail is held against its chain in the files.

mod export;
mod node;
mod since;

use core::time::Duration;
use std::process::ExitCode;

use anyhow::ensure;
use panvault_store::AuditRecord;
use panvault_vault::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::cli::{AuditCommand, One, Shared};
use crate::client::Client;
use crate::commands::document::{asked, print};
use crate::commands::runtime;
use crate::config::{self, Config};
use crate::data::Place;
use crate::output;
use crate::telemetry::{self, LogFormat};

/// Time between two looks for new records.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Records that are shown where nothing says how many.
const LINES: usize = 20;
/// Records that are asked for at a time, and the most that are shown before any are followed.
const PAGE_RECORDS: usize = 1000;

pub(crate) fn run(command: AuditCommand) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Tail { lines, since, follow, organisation, actor, object, action, request, shared } => {
            let given =
                [("organisation", organisation), ("actor", actor), ("object", object), ("request", request)];
            let given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
            let given: Vec<_> = given.chain(action.into_iter().map(|action| ("action", action))).collect();
            let mut conditions = conditions(&given)?;
            let most = if since.is_some() { PAGE_RECORDS } else { LINES };
            if let Some(since) = since {
                let since = since::parse(&since, SystemClock::start().now().wall)?;
                conditions.push_str(&format!("&created_at%3E%3D={since}"));
            }
            let count = lines.and_then(|lines| usize::try_from(lines).ok()).unwrap_or(most);
            asked(&shared, async |client| tail(client, count, follow, &conditions, shared.json).await)?;
        }
        AuditCommand::Show(one) => show(&one)?,
        AuditCommand::Verify { files, shared, .. } if files.is_empty() => return verify(&shared),
        AuditCommand::Verify { files, key, identity, shared } => {
            return export::verify(&files, &key, &identity, &shared);
        }
        AuditCommand::Key(shared) => export::keys(&shared)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Conditions as they stand in a query. What could not stand there is nothing that the API knows, and is not repeated.
fn conditions(given: &[(&str, String)]) -> anyhow::Result<String> {
    let mut query = String::new();
    for (name, value) in given {
        let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        ensure!(plain && !value.is_empty(), "--{name} must have letters, digits and _ only");
        query.push_str(&format!("&{name}={value}"));
    }
    Ok(query)
}

async fn tail(
    client: &mut Client,
    lines: usize,
    follow: bool,
    conditions: &str,
    as_json: bool,
) -> anyhow::Result<()> {
    let (mut newest, mut count, mut is_waiting) = (None, lines, false);
    client.stay();
    loop {
        let mut records = Vec::new();
        // Until a record that was shown; without one, as many as were asked for.
        loop {
            let limit = count.min(PAGE_RECORDS);
            let page = format!("/v1/audit?_limit={limit}&_skip={}{conditions}", records.len());
            let asked = client.get(&page).await;
            let Value::Array(page) = (match asked {
                // What was shown is known: a server that starts again goes on from there.
                Err(error) if follow && newest.is_some() && client.is_gone(&error) => {
                    if !std::mem::replace(&mut is_waiting, true) {
                        output::note("the server has ended; waiting for the next one");
                    }
                    records.clear();
                    tokio::time::sleep(LOOK_EVERY).await;
                    client.again().await?;
                    continue;
                }
                asked => asked?,
            }) else {
                break;
            };
            is_waiting = false;
            let is_last = page.len() < limit || newest.is_none();
            let fresh = page.iter().position(|record| record.get("_id") == newest.as_ref());
            records.extend(page.into_iter().take(fresh.unwrap_or(usize::MAX)));
            if is_last || fresh.is_some() {
                break;
            }
        }
        if newest.is_none() && records.len() == PAGE_RECORDS {
            output::note(format!(
                "these are the newest {PAGE_RECORDS}; there may be earlier ones, which a narrower question shows"
            ));
        }
        if let Some(id) = records.first().and_then(|record| record.get("_id")) {
            newest = Some(id.clone());
        }
        for record in records.iter().rev() {
            // A reader that has gone away has seen enough, and would else be followed for ever.
            if !output::is_read(if as_json { record.to_string() } else { line(record) })? {
                return Ok(());
            }
        }
        if !follow {
            return Ok(());
        }
        if !client.is_served() {
            output::note("no server has the vault, so nothing more comes");
            return Ok(());
        }
        // Nothing was there: then all that comes is new.
        newest.get_or_insert(json!(null));
        count = PAGE_RECORDS;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A record on one line.
fn line(record: &Value) -> String {
    let text = |name: &str| match record.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "-".to_owned(),
    };
    let is_local = text("actor") == AuditRecord::LOCAL || text("reason") == "operator_proof";
    let address = match record.get("address") {
        Some(_) => text("address"),
        None if is_local => "this machine".to_owned(),
        None => "several addresses".to_owned(),
    };
    let mut line = format!(
        "{}  {}  {:20} object {}  by {}  of {}  from {address}",
        text("created_at"),
        text("_id"),
        text("action"),
        object(record, text("object")),
        text("actor"),
        text("organisation"),
    );
    if record.get("reason").is_some() {
        line.push_str(&format!("  for {}", text("reason")));
    }
    if record.get("operation").is_some() {
        line.push_str(&format!(" at {}", text("operation")));
    }
    if record.get("request").is_some() {
        line.push_str(&format!("  in {}", text("request")));
    }
    match record.get("count").and_then(Value::as_u64) {
        Some(1) => line.push_str(&format!("  once, {}", text("last_at"))),
        Some(count) => {
            line.push_str(&format!("  {count} times, {} to {}", text("first_at"), text("last_at")))
        }
        None => {}
    }
    line
}

/// What was acted on: of a slot, which is named in the first digits, its number.
fn object(record: &Value, object: String) -> String {
    let action = record.get("action").and_then(Value::as_str).unwrap_or_default();
    let is_slot = matches!(action, "slot_add" | "slot_remove");
    let number = object.get(..4).filter(|_| is_slot).and_then(|digits| u16::from_str_radix(digits, 16).ok());
    number.map_or(object, |number| format!("slot {number}"))
}

fn show(one: &One) -> anyhow::Result<()> {
    let is_id = one.id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    ensure!(
        is_id && !one.id.is_empty(),
        "ID must be that of a record, as panvault audit tail --json shows it"
    );
    let record = asked(&one.shared, async |client| client.get(&format!("/v1/audit/{}", one.id)).await)?;
    print(&record, one.shared.json)
}

/// Has the server that has the vault, if one has, write down in the trail what was found: whether it did.
async fn noted(place: &Place, config: &Config, records: u64, findings: usize) -> bool {
    let note = async {
        match Client::reach(place, config).await? {
            Ok(mut client) => {
                let path = format!("/local/audit_verify?records={records}&findings={findings}");
                client.post(&path, &json!({})).await.map(|_noted| true)
            }
            Err(_not_served) => Ok(false),
        }
    };
    let noted: anyhow::Result<bool> = note.await;
    noted.unwrap_or_else(|error| {
        output::note(format!("the trail does not say that it was verified: {error:#}"));
        false
    })
}

/// Holds the log and the trail against their chain, and the tables against both; no card is opened. A server goes on meanwhile; what it
/// has not brought into the view yet is held against the chain of the log.
fn verify(shared: &Shared) -> anyhow::Result<ExitCode> {
    let config = config::read(&shared.settings, &[])?;
    telemetry::start("error", LogFormat::Text)?;
    let place = Place::of(&config)?;
    let directory = match &place {
        Place::Directory(directory) => directory,
        Place::Node(node) => return node::verify(shared, &config, &place, node),
    };
    let examination = runtime()?.block_on(directory.log_examined(config.unattended()))?;
    let findings: Vec<_> =
        examination.findings.iter().map(|found| json!({ "part": found.part, "what": found.what })).collect();
    let is_whole = findings.is_empty();
    let is_noted = runtime()?.block_on(noted(&place, &config, examination.sequence, findings.len()));
    if shared.json {
        let value = json!({
            "verified": is_whole,
            "noted": is_noted,
            "records": examination.sequence,
            "records_in_view": examination.applied,
            "findings": findings,
        });
        print(&value, true)?;
    } else {
        output::line(format!(
            "{} records, of which {} are in the view",
            examination.sequence, examination.applied
        ))?;
        for found in &examination.findings {
            output::line(format!("{}: {}", found.part, found.what))?;
        }
        let said = if is_whole {
            "Every record is in its place in the chain, and the tables are what the trail says of them."
        } else {
            "Restore from a backup, or ask for help with these lines."
        };
        output::line(said)?;
    }
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
