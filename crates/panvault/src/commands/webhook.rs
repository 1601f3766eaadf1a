//! What receivers are told, and a receiver to try it out with.

mod listen;

use anyhow::{Context, ensure};
use panvault_webhook::WebhookUrl;
use serde_json::{Value, json};

use crate::cli::{One, Shared, WebhookCommand};
use crate::commands::document::{asked, object};
use crate::output;

const PATH: &str = "/v1/webhook_delivery";

pub(crate) fn run(command: WebhookCommand) -> anyhow::Result<()> {
    match command {
        WebhookCommand::List { lines, status, account, transaction, refund, shared } => {
            let given =
                [("status", status), ("account", account), ("transaction", transaction), ("refund", refund)];
            list(lines, &given, &shared)
        }
        WebhookCommand::Retry(one) => retry(&one),
        WebhookCommand::Secret(one) => secret(&one),
        WebhookCommand::Listen { listen, secret_file, answer, json } => {
            listen::run(listen, secret_file.as_deref(), answer, json)
        }
    }
}

fn list(lines: u32, given: &[(&str, Option<String>)], shared: &Shared) -> anyhow::Result<()> {
    let mut path = format!("{PATH}?_limit={lines}");
    for (name, value) in given {
        let Some(value) = value else { continue };
        // What could not stand in a query is nothing that the API knows, and is not repeated.
        let plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
        ensure!(plain, "--{name} must have letters and digits only");
        path.push_str(&format!("&{name}={value}"));
    }
    let rows = asked(shared, async |client| client.get(&path).await)?;
    if shared.json {
        return Ok(output::line(rows.to_string())?);
    }
    for row in rows.as_array().into_iter().flatten().rev() {
        if !output::is_read(line(row))? {
            break;
        }
    }
    Ok(())
}

/// Sends one again. What it cannot print is sent all the same.
fn retry(one: &One) -> anyhow::Result<()> {
    let path = format!("{}/retry", object(PATH, &one.id)?);
    let row = asked(&one.shared, async |client| client.post(&path, &json!({})).await)?;
    if let Err(error) = output::line(if one.shared.json { row.to_string() } else { line(&row) }) {
        output::note(format!("it is sent again; {error}"));
    }
    Ok(())
}

/// Makes a secret and prints it, and nothing else: it may be led into the file that `listen` reads. One that nobody saw is replaced by the
/// next, and the one before it signs on for a day.
fn secret(one: &One) -> anyhow::Result<()> {
    let path = format!("{}/webhook_secret", object("/v1/account", &one.id)?);
    output::secret_is_seen()?;
    let made = asked(&one.shared, async |client| client.post(&path, &json!({})).await)?;
    let secret = made.get("webhook_secret").and_then(Value::as_str).context("the answer has no secret")?;
    let shown =
        if one.shared.json { json!({ "webhook_secret": secret }).to_string() } else { secret.to_owned() };
    output::first(shown).context("a secret was made that nobody saw: make another one")
}

/// A delivery on a line. Of its URL, where shops put keys, only the part that is no secret.
fn line(row: &Value) -> String {
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or("-");
    let object = if row.get("refund").is_some() { text("refund") } else { text("transaction") };
    let origin = WebhookUrl::parse(text("url")).map_or_else(|_| "-".to_owned(), |url| url.origin());
    let mut line = format!(
        "{}  {}  {:9}  {} {object} {}  to {origin}  attempts {}",
        text("created_at"),
        text("_id"),
        text("status"),
        text("type"),
        text("object_status"),
        row.get("attempts").and_then(Value::as_u64).unwrap_or(0),
    );
    if row.get("fault").is_some() {
        line.push_str(&format!("  {}", text("fault")));
    }
    if let Some(status) = row.get("answer_status").and_then(Value::as_u64) {
        line.push_str(&format!(" {status}"));
    }
    if row.get("next_attempt_at").is_some() {
        line.push_str(&format!("  next at {}", text("next_attempt_at")));
    }
    line
}
