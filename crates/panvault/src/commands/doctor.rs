//! Looks at a vault and the machine without changing anything. It may run beside the server.

use std::process::ExitCode;

use panvault_store_embedded::{Examination, Finding, examine};
use panvault_vault::RowVerifier;
use serde_json::json;

use crate::cli::Doctor;
use crate::config;
use crate::data::{DataDirectory, mode_name};
use crate::telemetry::{self, LogFormat};
use crate::{harden, output};

/// Findings of one kind of row that are listed; the rest are counted.
const LISTED_MAX: usize = 20;

/// Exits with 1 when anything is not as it should be.
pub(crate) fn run(args: &Doctor) -> anyhow::Result<ExitCode> {
    let config = config::read(&args.settings, &[])?;
    telemetry::start("error", LogFormat::Text)?;
    let hardened = harden::memory();
    let directory = DataDirectory::find(&config.data_directory)?;
    let root = directory.root_key(config.root_key_file.as_deref())?;
    let mut examination = examine(&directory.path, directory.vault, directory.chain(&root).as_ref())?;
    if let Err(error) = directory.private() {
        examination.found("directory", error.to_string());
    }
    let documents = examination.documents()?;
    match RowVerifier::open(&root, directory.vault, &documents) {
        Ok(verifier) => rows(&mut examination, &verifier)?,
        Err(error) => examination.found("row", format!("documents or keys do not verify: {error}")),
    }
    let advice: Vec<&str> = [
        (hardened.swap && !hardened.locked).then_some(
            "this machine has swap and memory cannot be locked: raise the limit of locked memory, or turn swap off",
        ),
        (!hardened.no_dumps).then_some("core dumps could not be turned off"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let healthy = examination.findings.is_empty();
    if args.json {
        print_json(&directory, &examination, &advice)?;
    } else {
        print_text(&directory, &examination, &advice)?;
    }
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Holds every row against its seal or tag.
fn rows(examination: &mut Examination, verifier: &RowVerifier) -> anyhow::Result<()> {
    let mut wrong = Wrong::default();
    examination.each_card(&mut |row| {
        let verified = verifier.card(&row).is_ok();
        wrong.note(verified, || format!("card {} is not what the vault wrote", row.id));
    })?;
    examination.each_transaction(&mut |row| {
        let verified = verifier.transaction(&row).is_ok();
        wrong.note(verified, || format!("transaction {} is not what the vault wrote", row.id));
    })?;
    let history = examination.each_history(&mut |row| {
        let verified = verifier.history(&row).is_ok();
        wrong.note(verified, || {
            format!("a step of transaction {} is not what the vault wrote", row.transaction)
        });
    })?;
    let idempotency = examination.each_idempotency(&mut |row| {
        let verified = verifier.idempotency(&row).is_ok();
        wrong.note(verified, || "an idempotency record is not what the vault wrote".to_owned());
    })?;
    examination.found_unreadable("steps of transactions", history);
    examination.found_unreadable("idempotency records", idempotency);
    let rest = wrong.count.saturating_sub(wrong.listed.len());
    if rest > 0 {
        wrong.listed.push(format!("and {rest} further rows"));
    }
    wrong.listed.into_iter().for_each(|what| examination.found("row", what));
    Ok(())
}

#[derive(Default)]
struct Wrong {
    listed: Vec<String>,
    count: usize,
}

impl Wrong {
    fn note(&mut self, verified: bool, what: impl FnOnce() -> String) {
        if verified {
            return;
        }
        self.count += 1;
        // One place is kept for the count of the rest.
        if self.listed.len() + 1 < LISTED_MAX {
            self.listed.push(what());
        }
    }
}

fn print_json(directory: &DataDirectory, found: &Examination, advice: &[&str]) -> anyhow::Result<()> {
    let findings: Vec<_> =
        found.findings.iter().map(|Finding { part, what }| json!({ "part": part, "what": what })).collect();
    let report = json!({
        "vault": directory.vault.to_string(),
        "mode": mode_name(directory.mode),
        "healthy": findings.is_empty(),
        "cards": found.cards,
        "transactions": found.transactions,
        "steps": found.sequence,
        "steps_in_view": found.applied,
        "segments": found.segments,
        "findings": findings,
        "advice": advice,
    });
    Ok(output::line(report.to_string())?)
}

fn print_text(directory: &DataDirectory, found: &Examination, advice: &[&str]) -> anyhow::Result<()> {
    output::line(format!(
        "vault {} ({}): {} cards, {} transactions; {} steps in the log, {} of them in the view, {} segments",
        directory.vault,
        mode_name(directory.mode),
        found.cards,
        found.transactions,
        found.sequence,
        found.applied,
        found.segments,
    ))?;
    for text in advice {
        output::line(format!("advice: {text}"))?;
    }
    for Finding { part, what } in &found.findings {
        output::line(format!("{part}: {what}"))?;
    }
    output::line(if found.findings.is_empty() {
        "Everything agrees."
    } else {
        "Restore from a backup, or ask for help with these lines."
    })?;
    Ok(())
}
