//! Card numbers and CVVs where they should not be. What is found is shown masked, and so is a name of a file that is one.

pub(super) mod walk;

use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use panvault_card::{card_numbers, masked_text};
use panvault_scan::{Finding, What, scan};
use serde_json::{Value, json};

use crate::cli::Scan;
use crate::commands::scan::walk::{Entry, walk};
use crate::{harden, output};

/// Findings in one file that are shown one by one; of more, how many there are. Of JSON all are.
const SHOWN_MAX: u64 = 20;
/// Bytes of a name that are shown.
const NAME_BYTES_MAX: usize = 4096;

pub(crate) fn run(args: &Scan) -> anyhow::Result<ExitCode> {
    // What is read may be a card number: no core dump keeps it.
    harden::memory();
    let mut report = Report { as_json: args.json, ..Report::default() };
    for path in &args.paths {
        if path.as_os_str() == "-" {
            report.contents("standard input", io::stdin().lock())?;
            continue;
        }
        for entry in walk(path) {
            match entry {
                Entry::File(path, file) => {
                    report.name(&path)?;
                    report.contents(&shown(&path), file)?;
                }
                Entry::Directory(path) => report.name(&path)?,
                Entry::Unread(path, error) => report.unread(&shown(&path), &error),
            }
        }
    }
    report.end()
}

/// A path that can be shown: what could be a card number in it is masked, and what would move a terminal's cursor is a space.
fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    if card_numbers(&text).is_empty() {
        text.chars().map(|symbol| if symbol.is_control() { ' ' } else { symbol }).collect()
    } else {
        masked_text(&text, NAME_BYTES_MAX)
    }
}

/// What was found so far.
#[derive(Default)]
struct Report {
    as_json: bool,
    card_numbers: u64,
    cvvs: u64,
    files: u64,
    unread: u64,
}

impl Report {
    /// Looks at what a file or directory is called.
    fn name(&mut self, path: &Path) -> anyhow::Result<()> {
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        for seen in card_numbers(&name) {
            self.card_numbers += 1;
            let path = shown(path);
            let said = if self.as_json {
                json!({ "path": path, "kind": "card_number_in_name", "masked": seen.masked, "brand": seen.brand.as_str() })
                    .to_string()
            } else {
                format!("{path}: its name is a card number, {} ({})", seen.masked, seen.brand.as_str())
            };
            output::line(said)?;
        }
        Ok(())
    }

    /// Looks at what is in it.
    fn contents(&mut self, name: &str, reader: impl Read) -> anyhow::Result<()> {
        let mut found: u64 = 0;
        let mut printed = Ok(());
        let read = scan(reader, |finding| {
            found += 1;
            match finding.what {
                What::CardNumber(_) => self.card_numbers += 1,
                What::Cvv(_) => self.cvvs += 1,
            }
            if printed.is_ok() && (self.as_json || found <= SHOWN_MAX) {
                printed = output::line(if self.as_json {
                    as_json(name, &finding).to_string()
                } else {
                    as_text(name, &finding)
                });
            }
        });
        printed?;
        self.files += u64::from(found > 0);
        if found > SHOWN_MAX && !self.as_json {
            output::line(format!("{name}: and {} more", found - SHOWN_MAX))?;
        }
        if let Err(error) = read {
            self.unread(name, &error);
        }
        Ok(())
    }

    fn unread(&mut self, name: &str, error: &io::Error) {
        self.unread += 1;
        output::note(format!("{name} was not read whole: {error}"));
    }

    fn end(self) -> anyhow::Result<ExitCode> {
        if self.card_numbers == 0 && self.cvvs == 0 {
            return Ok(if self.unread == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) });
        }
        if !self.as_json {
            let Self { card_numbers, cvvs, files, .. } = self;
            output::line(format!("card numbers: {card_numbers}, CVVs: {cvvs}, files: {files}"))?;
        }
        Ok(ExitCode::FAILURE)
    }
}

fn as_text(name: &str, Finding { line, what, .. }: &Finding) -> String {
    match what {
        What::CardNumber(seen) => {
            format!("{name}:{line}: card number {} ({})", seen.masked, seen.brand.as_str())
        }
        What::Cvv(label) => format!("{name}:{line}: CVV, called {label}"),
    }
}

fn as_json(name: &str, Finding { line, offset, what }: &Finding) -> Value {
    match what {
        What::CardNumber(seen) => json!({
            "path": name, "line": line, "offset": offset, "kind": "card_number", "masked": seen.masked,
            "brand": seen.brand.as_str(),
        }),
        What::Cvv(label) => {
            json!({ "path": name, "line": line, "offset": offset, "kind": "cvv", "label": label })
        }
    }
}
