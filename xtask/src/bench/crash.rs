//! `kill -9` under load, again and again, with a ledger that the client flushes itself: what was acknowledged is there.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use crate::bench::client::Client;
use crate::bench::page::Page;
use crate::bench::server::{Binaries, Server, Vault};
use crate::bench::table::thousands;
use crate::workspace::Workspace;
use crate::{say, stopwatch::Stopwatch};

/// Connections that write.
const WRITERS: u64 = 16;
/// Card numbers that one writer has for one round.
const NUMBERS: u64 = 5000;
/// Entries of earlier rounds of which one is looked at again after every round; at the end all are.
const AGAIN_EVERY: usize = 50;
/// A round is killed after 50 to 450 milliseconds of load.
const LOAD_MILLIS: (u64, u64) = (50, 400);

#[derive(clap::Args)]
pub(crate) struct CrashArguments {
    /// How often the server is killed.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    rounds: u64,
    /// Directory on the disk to be tried; a new one is made in it and removed.
    #[arg(long)]
    parent: Option<PathBuf>,
    /// Write the result into docs/performance.md.
    #[arg(long)]
    write: bool,
}

/// Something that the server has acknowledged, a line of the ledger: the path that shows it, and two fields of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    path: String,
    fields: [(String, String); 2],
}

pub(super) fn crash(workspace: &Workspace, arguments: &CrashArguments) -> anyhow::Result<()> {
    let binaries = Binaries::build(workspace)?;
    let parent = arguments.parent.as_ref().unwrap_or(&workspace.target);
    let directory = tempfile::Builder::new().prefix("panvault-crash-").tempdir_in(parent)?;
    let vault = binaries.vault(directory.path())?;
    let watch = Stopwatch::start();
    let mut ledger = Vec::new();
    let mut lost = 0;
    for round in 0..arguments.rounds {
        let server = binaries.serve(&vault)?;
        let written = killed_round(directory.path(), &vault, server, round)?;
        let server = binaries.serve(&vault)?;
        let skipped = usize::try_from(round)? % AGAIN_EVERY;
        let earlier = ledger.iter().skip(skipped).step_by(AGAIN_EVERY);
        lost += count_lost(&server, &vault, written.iter().chain(earlier))?;
        ledger.extend(written);
        if (round + 1).is_multiple_of(10) {
            say::note(format_args!("{} rounds, {} acknowledged, {lost} lost", round + 1, ledger.len()));
        }
    }
    let server = binaries.serve(&vault)?;
    lost += count_lost(&server, &vault, ledger.iter())?;
    drop(server);
    ensure!(binaries.is_healthy(&vault), "panvault doctor finds fault with the vault");
    let said = format!(
        "{} rounds of `kill -9` under load in {watch}: {} acknowledged and flushed to the client's ledger, {lost} lost; \
         `panvault doctor` finds nothing.",
        arguments.rounds,
        thousands(ledger.len() as f64)
    );
    say::line(&said);
    ensure!(lost == 0, "acknowledged work was lost");
    if arguments.write {
        let mut page = Page::read(&workspace.root)?;
        page.put("crash", &said)?;
        page.write()?;
    }
    Ok(())
}

/// Loads the server, kills it, and reads what the writers have flushed.
fn killed_round(directory: &Path, vault: &Vault, server: Server, round: u64) -> anyhow::Result<Vec<Entry>> {
    let killed = AtomicBool::new(false);
    let authority = server.authority().to_owned();
    let paths: Vec<PathBuf> = (0..WRITERS).map(|writer| directory.join(format!("ledger-{writer}"))).collect();
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .zip(&paths)
            .map(|(writer, path)| {
                let first = (round * WRITERS + writer) * NUMBERS;
                let (killed, authority) = (&killed, &authority);
                scope.spawn(move || write(path, authority, vault, first, killed))
            })
            .collect();
        let (least, spread) = LOAD_MILLIS;
        // Spread over the rounds by the golden ratio, so that they die at different moments.
        thread::sleep(Duration::from_millis(least + round.wrapping_mul(0x9e37_79b9) % spread));
        killed.store(true, Ordering::SeqCst);
        drop(server);
        for writer in writers {
            writer.join().map_err(|_| anyhow::anyhow!("a writer ended"))??;
        }
        anyhow::Ok(())
    })?;
    let mut entries = Vec::new();
    for path in paths {
        for line in fs::read_to_string(&path)?.lines() {
            entries.push(Entry::parse(line).context("a line of the ledger cannot be read")?);
        }
    }
    ensure!(!entries.is_empty(), "nothing was acknowledged before the kill");
    Ok(entries)
}

/// Makes cards and pays with them until the server is gone. Each answer is flushed to the ledger before the next request.
fn write(path: &Path, authority: &str, vault: &Vault, first: u64, killed: &AtomicBool) -> anyhow::Result<()> {
    let mut ledger = File::create(path)?;
    let mut client = Client::connect(authority)?;
    for number in first..first + NUMBERS {
        let card = json!({
            "card_number": card_number(number), "expiry_month": "12", "expiry_year": "35", "cvv": "111",
            "organisation": vault.organisation,
        });
        let Some(card) = acknowledged(&mut client, vault, "/v1/card", &card, killed)? else { return Ok(()) };
        let id = text(&card, "_id");
        Entry::of(format!("/v1/card/{id}"), &card, ["fingerprint", "last_four"]).flush(&mut ledger)?;
        let transaction = json!({
            "account": vault.account, "amount": 1099, "card": id, "customer_ip": "203.0.113.7",
            "dynamic_descriptor": "Example shop", "merchant_reference": "order", "user_agent": "crash",
        });
        let paid = acknowledged(&mut client, vault, "/v1/transaction", &transaction, killed)?;
        let Some(paid) = paid else { return Ok(()) };
        let path = format!("/v1/transaction/{}", text(&paid, "_id"));
        Entry::of(path, &paid, ["status", "reason_code"]).flush(&mut ledger)?;
    }
    Ok(())
}

/// The answer to a request, or `None` when the server was killed meanwhile.
fn acknowledged(
    client: &mut Client,
    vault: &Vault,
    path: &str,
    body: &Value,
    killed: &AtomicBool,
) -> anyhow::Result<Option<Value>> {
    match client.ask("POST", path, &vault.api_key, Some(&body.to_string())) {
        Ok(answer) if answer.status == 200 => Ok(Some(answer.json()?)),
        Ok(answer) => bail!("{path} was answered with {}", answer.status),
        Err(_) if killed.load(Ordering::SeqCst) => Ok(None),
        Err(error) => Err(error),
    }
}

/// How many of these the server does not show as they were acknowledged.
fn count_lost<'a>(
    server: &Server,
    vault: &Vault,
    entries: impl Iterator<Item = &'a Entry>,
) -> anyhow::Result<u64> {
    let mut client = Client::connect(server.authority())?;
    let mut lost = 0;
    for entry in entries {
        let answer = client.ask("GET", &entry.path, &vault.api_key, None)?;
        let shown = answer.status == 200 && entry.is_shown_by(&answer.json()?);
        if !shown {
            say::trouble(format_args!("{} is lost: {}", entry.path, answer.status));
            lost += 1;
        }
    }
    Ok(lost)
}

impl Entry {
    fn of(path: String, answer: &Value, fields: [&str; 2]) -> Self {
        Self { path, fields: fields.map(|field| (field.to_owned(), text(answer, field))) }
    }

    fn is_shown_by(&self, answer: &Value) -> bool {
        self.fields.iter().all(|(name, value)| text(answer, name) == *value)
    }

    fn flush(&self, ledger: &mut File) -> anyhow::Result<()> {
        let [(first, one), (second, two)] = &self.fields;
        writeln!(ledger, "{} {first}={one} {second}={two}", self.path)?;
        Ok(ledger.sync_data()?)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.split(' ');
        let path = parts.next()?.to_owned();
        let mut field = || {
            let (name, value) = parts.next()?.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        Some(Self { path, fields: [field()?, field()?] })
    }
}

fn text(answer: &Value, name: &str) -> String {
    answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A number of sixteen digits with its check digit (ISO/IEC 7812-1 annex B).
fn card_number(number: u64) -> String {
    let head = format!("400000{:09}", number % 1_000_000_000);
    let sum: u32 = head
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
            value / 10 + value % 10
        })
        .sum();
    format!("{head}{}", (10 - sum % 10) % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_have_their_check_digit() {
        assert_eq!(card_number(0), "4000000000000002");
        assert_eq!(card_number(123_456_789).len(), 16);
    }

    #[test]
    fn an_entry_comes_back_from_the_ledger() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger");
        let answer = json!({ "fingerprint": "ab", "last_four": "0002" });
        let entry = Entry::of("/v1/card/1".to_owned(), &answer, ["fingerprint", "last_four"]);
        entry.flush(&mut File::create(&path).unwrap()).unwrap();
        assert_eq!(Entry::parse(fs::read_to_string(path).unwrap().trim_end()), Some(entry.clone()));
        assert!(entry.is_shown_by(&answer));
        assert!(!entry.is_shown_by(&json!({ "fingerprint": "ac", "last_four": "0002" })));
        assert_eq!(Entry::parse("/v1/card/1 a=b"), None);
    }
}
