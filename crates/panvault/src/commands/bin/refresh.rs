use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use panvault_model::CardId;
use panvault_vault::{CardQuery, Refreshed, Vault, VaultError};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{progress::Progress, table};
use crate::bins;
use crate::cli::Shared;
use crate::commands::document::print;
use crate::commands::runtime;
use crate::config;
use crate::data::{DataDirectory, OpenSettings};
use crate::output;
use crate::telemetry::{self, LogFormat};

/// Cards that are worked on at a time: their steps share commits, as those of as many callers would.
const PAGE_CARDS: usize = 512;
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
    named: Vec<(CardId, VaultError)>,
}

/// Derives the facts of every card again. A card that is not what the vault wrote is left as it is, named, and no reason to leave the
/// others; the exit code is 1 then.
pub(super) fn run(shared: &Shared) -> anyhow::Result<ExitCode> {
    let config = config::read(&shared.settings, &[])?;
    telemetry::start("warn", LogFormat::Text)?;
    let directory = DataDirectory::find(&config.data_directory)?;
    ensure!(
        table(&directory)?.is_some(),
        "{} is not there: import a list first, with panvault bin import",
        bins::path(&directory.path).display()
    );
    runtime()?.block_on(async {
        let settings = OpenSettings { root_key_file: config.root_key_file, ..OpenSettings::default() };
        let open = directory.open(&settings).await?;
        let version = open.vault.status().bins.version;
        let done = refresh(&open.vault).await;
        // What was done is done, whatever stopped the rest.
        open.vault.close().await?;
        say(&done?, version, shared)
    })
}

async fn refresh(vault: &Vault) -> anyhow::Result<Done> {
    let count = CardQuery { organisations: Vec::new(), filters: Vec::new(), sort: None, skip: 0, limit: 0 };
    let total = vault.card_list(&vault.operator().permit()?, count).await?.total;
    let mut progress = Progress::new("refreshing", total);
    let mut done = Done::default();
    let mut after = CardId::from_bytes([0; 12]);
    loop {
        // Each page sees its own time.
        let permit = Arc::new(vault.operator().permit()?);
        let rows = vault.card_page(&permit, after, PAGE_CARDS).await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        let mut tasks = JoinSet::new();
        for row in rows {
            let (vault, permit) = (vault.clone(), Arc::clone(&permit));
            tasks.spawn(async move {
                let id = row.id;
                (id, vault.card_refresh(&permit, row).await)
            });
        }
        while let Some(ended) = tasks.join_next().await {
            let (id, refreshed) = ended.context("a card could not be refreshed; this is a bug")?;
            done.count(id, refreshed)?;
        }
        progress.at(done.cards);
    }
    progress.end();
    Ok(done)
}

impl Done {
    fn count(&mut self, id: CardId, refreshed: Result<Refreshed, VaultError>) -> anyhow::Result<()> {
        self.cards += 1;
        match refreshed {
            Ok(Refreshed::Changed) => self.changed += 1,
            Ok(Refreshed::Same) => self.same += 1,
            Ok(Refreshed::Current | Refreshed::Gone) => self.current += 1,
            // It is the store that fails, not the card.
            Err(error @ VaultError::Store(_)) => return Err(error).context("stopped; begin again to go on"),
            Err(error) => {
                self.failed += 1;
                if self.named.len() < NAMED_MAX {
                    self.named.push((id, error));
                }
            }
        }
        Ok(())
    }
}

fn say(done: &Done, version: u32, shared: &Shared) -> anyhow::Result<ExitCode> {
    let named =
        |(id, error): &(CardId, VaultError)| json!({ "card": id.to_string(), "why": error.to_string() });
    let mut value = json!({
        "cards": done.cards,
        "changed": done.changed,
        "same": done.same,
        "current": done.current,
        "failed": done.failed,
        "table_version": version,
    });
    if shared.json {
        if let Some(members) = value.as_object_mut() {
            members.insert("first_failed".to_owned(), done.named.iter().map(named).collect::<Value>());
        }
        print(&value, true)?;
    } else {
        print(&value, false)?;
        for (id, error) in &done.named {
            output::line(format!("card {id} was left as it is: {error}"))?;
        }
        if done.failed > 0 {
            output::line("run panvault doctor")?;
        }
    }
    Ok(if done.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
