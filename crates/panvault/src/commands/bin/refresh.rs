use core::time::Duration;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use panvault_server::LocalMethod;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Keyed, table};
use crate::bins;
use crate::cli::Shared;
use crate::client::Client;
use crate::commands::document::{asked, print};
use crate::commands::progress::Progress;
use crate::output;

/// Cards that are worked on at a time where nobody else has the vault: their steps share commits, as those of as many callers would.
const PAGE_CARDS: usize = 512;
/// The same beside a server, whose other callers wait for no more than these.
const PAGE_CARDS_SERVED: usize = 64;
/// Cards that could not be refreshed of which each is named.
const NAMED_MAX: usize = 20;

/// What became of all cards.
#[derive(Default)]
struct Done {
    cards: u64,
    changed: u64,
    same: u64,
    current: u64,
    failed: u64,
    named: Vec<Value>,
    table_version: u64,
}

/// Derives the facts of every card again. A card that is not what the vault wrote is left as it is, named, and no reason to leave the
/// others; the exit code is 1 then.
pub(super) fn run(shared: &Shared) -> anyhow::Result<ExitCode> {
    let vault = Keyed::find(shared)?;
    ensure!(
        table(vault.path(), &vault.tags)?.is_some(),
        "{} is not there: import a list first, with panvault bin import",
        bins::path(vault.path()).display()
    );
    let done = asked(shared, refresh)?;
    say(&done, shared)
}

async fn refresh(client: &mut Client) -> anyhow::Result<Done> {
    client.stay();
    if client.is_served() {
        // A list that was just imported is the one to go by.
        client.send(LocalMethod::Post, "/local/reload", None).await?;
    } else {
        client.bins_note().await;
    }
    let total = client.get("/v1/card/count").await?;
    let mut progress = Progress::new("refreshing", number(&total, "count"));
    let mut done = Done::default();
    let mut after = None::<String>;
    let limit = if client.is_served() { PAGE_CARDS_SERVED } else { PAGE_CARDS };
    loop {
        let from = after.as_ref().map(|id| format!("&after={id}")).unwrap_or_default();
        let begun = Instant::now();
        let path = format!("/local/card_refresh?limit={limit}{from}");
        let page = client.send(LocalMethod::Post, &path, None).await;
        let page = page.context("stopped; begin again to go on")?.value;
        done.add(&page);
        let Some(last) = page.get("after").and_then(Value::as_str) else { break };
        after = Some(last.to_owned());
        progress.at(done.cards);
        if client.is_served() {
            // At least half of the time is everyone else's.
            tokio::time::sleep(begun.elapsed().max(Duration::from_millis(1))).await;
        }
    }
    progress.end();
    Ok(done)
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

impl Done {
    fn add(&mut self, page: &Value) {
        self.cards += number(page, "cards");
        self.changed += number(page, "changed");
        self.same += number(page, "same");
        self.current += number(page, "current");
        self.table_version = number(page, "table_version");
        for (card, why) in page.get("failed").and_then(Value::as_object).into_iter().flatten() {
            self.failed += 1;
            if self.named.len() < NAMED_MAX {
                self.named.push(json!({ "card": card, "why": why }));
            }
        }
    }
}

fn say(done: &Done, shared: &Shared) -> anyhow::Result<ExitCode> {
    let mut value = json!({
        "cards": done.cards,
        "changed": done.changed,
        "same": done.same,
        "current": done.current,
        "failed": done.failed,
        "table_version": done.table_version,
    });
    if shared.json {
        if let Some(members) = value.as_object_mut() {
            members.insert("first_failed".to_owned(), json!(done.named));
        }
        print(&value, true)?;
    } else {
        print(&value, false)?;
        for failed in &done.named {
            let text = |name: &str| failed.get(name).and_then(Value::as_str).unwrap_or_default();
            output::line(format!("card {} was left as it is: {}", text("card"), text("why")))?;
        }
        if done.failed > 0 {
            output::line("run panvault doctor")?;
        }
    }
    Ok(if done.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
