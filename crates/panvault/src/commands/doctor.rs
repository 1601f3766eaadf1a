//! Looks at a vault and the machine without changing anything. It may run beside the server.

mod node;
mod trail;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use panvault_bins::Table;
use panvault_keys::VaultKeyDescription;
use panvault_model::{Id, ProcessorId};
use panvault_processor::OWN_TYPES;
use panvault_processor::card_http::Registry;
use panvault_server::{Tls, Validity};
use panvault_store::DocumentRow;
use panvault_store_embedded::{Examination, Finding, OpenFault};
use panvault_vault::{Clock, SystemClock, keys_overdue, processor_types};
use serde_json::json;

use crate::bins::{self, VaultTags};
use crate::cli::Doctor;
use crate::commands::runtime;
use crate::config::{self, Config};
use crate::data::{DataDirectory, KEYS_CHANGE, Place, VaultExamined, lines, mode_name};
use crate::harden::{self, Hardened};
use crate::output;
use crate::telemetry::{self, LogFormat};

/// Keys that are listed; the rest are counted.
const LISTED_MAX: usize = 20;
/// Parts whose findings say what to do.
const DIRECTORY: &str = "directory";
const KEYS: &str = "keys";
const STORE: &str = "store";
const BINS: &str = "bins";
const KEY: &str = "key";
const TLS: &str = "tls";
const DATABASE: &str = "database";
const CVVS: &str = "cvvs";
const PROCESSORS: &str = "processors";
const TRAIL: &str = "trail";

/// Exits with 1 when anything is not as it should be.
pub(crate) fn run(args: &Doctor) -> anyhow::Result<ExitCode> {
    let config = config::read(&args.settings, &[])?;
    telemetry::start("error", LogFormat::Text)?;
    let hardened = harden::memory();
    let directory = match Place::of(&config)? {
        Place::Directory(directory) => directory,
        Place::Node(node) => return node::run(args, &config, &node, &hardened),
    };
    let mut findings = match directory.exposed() {
        Ok(exposed) => exposed.all().into_iter().map(|what| Finding { part: DIRECTORY, what }).collect(),
        Err(error) => vec![Finding { part: DIRECTORY, what: causes(error.as_ref()) }],
    };
    let (mut tags, mut types, mut overdue, mut documents) = (None, None, Vec::new(), Vec::new());
    // Without its keys nothing of the store and the table of issuers can be judged, but all else can.
    let examination = match runtime()?.block_on(directory.examined(config.unattended())) {
        Ok(found) => {
            let VaultExamined { faults, tags: of_vault, described, store, keys_change } = found;
            findings.extend(faults.iter().map(|fault| Finding {
                part: KEYS,
                what: format!("{fault}; panvault serve writes it anew from the other copy"),
            }));
            findings.extend(keys_change.then(|| Finding { part: KEYS, what: KEYS_CHANGE.to_owned() }));
            tags = Some(of_vault);
            match store {
                Ok(mut examination) => {
                    findings.append(&mut examination.findings);
                    if let Ok(rows) = examination.documents() {
                        overdue = overdue_advice(&rows, &described, &config);
                        types = Some(processor_types(&rows));
                        documents = rows;
                    }
                    Some(examination)
                }
                Err(fault) => {
                    findings.extend(unexamined(&directory, &fault));
                    None
                }
            }
        }
        Err(error) => {
            findings.push(Finding { part: KEY, what: causes(error.as_ref()) });
            None
        }
    };
    let told = examination.as_ref().and_then(|found| found.bins);
    let table = tags.and_then(|tags| issuers(&directory.path, &tags, told, &mut findings));
    let limits_advice = descriptions(config.processors.as_deref(), types.as_deref(), &mut findings);
    let tls_advice = match &config.tls {
        Some((certificate, key)) => certificates(&config, certificate, key, &mut findings),
        None => None,
    };
    let (unusable, behind) = trail::state(&config.trail, &documents);
    findings.extend(unusable.into_iter().map(|what| Finding { part: TRAIL, what }));
    let has_torn_tail = examination.as_ref().is_some_and(|found| found.has_torn_tail);
    let advice: Vec<String> = [
        has_torn_tail.then_some(
            "the log ends in something that is no whole commit, which the next start drops: normal after a crash or a power cut, for it was \
             never acknowledged; if there was none, somebody changed the end of the log, and what was acknowledged last may be missing",
        ),
    ]
    .into_iter()
    .flatten()
    .map(str::to_owned)
    .chain(machine(&hardened))
    .chain(tls_advice)
    .chain(limits_advice)
    .chain(overdue)
    .chain(behind)
    .chain(archive_advice(examination.as_ref(), config.backup_archive_bytes))
    .collect();
    let bin_rows = table.map(|table| table.rows());
    let report =
        Report { directory: &directory, examination: examination.as_ref(), bin_rows, findings, advice };
    if args.json {
        report.print_json()?
    } else {
        report.print_text()?
    }
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Keys that are active for longer than they should be: they work, and are no fault of the vault.
fn overdue_advice(
    rows: &[Arc<DocumentRow>],
    of_header: &[VaultKeyDescription],
    config: &Config,
) -> Vec<String> {
    let overdue = keys_overdue(rows, of_header, config.rotation, SystemClock::start().now().wall);
    let more = overdue.len().saturating_sub(LISTED_MAX);
    let advice = |what: String| format!("{what}: panvault key rotate makes another, or set key_days_max");
    let mut listed: Vec<_> = overdue.into_iter().take(LISTED_MAX).map(advice).collect();
    listed.extend(
        (more > 0).then(|| format!("and {more} further keys are active for longer than they should be")),
    );
    listed
}

/// What is kept of the log for increments is nearly all that may be: its oldest part goes, and with it the increments that would go on from there.
fn archive_advice(examination: Option<&Examination>, bytes_max: u64) -> Option<String> {
    let archived = examination?.archived;
    let is_nearly_full = bytes_max > 0 && archived.bytes >= bytes_max / 10 * 9;
    is_nearly_full.then(|| {
        format!(
            "{} bytes of the log are kept for increments, of {bytes_max}: the oldest go, and the next increment may be a full backup; make one more often, or set backup_archive_bytes higher",
            archived.bytes
        )
    })
}

/// What of this machine could let a secret out of memory.
fn machine(hardened: &Hardened) -> impl Iterator<Item = String> + use<> {
    let said = [
        (hardened.swap && !hardened.locked).then_some(
            "this machine has swap and memory cannot be locked: raise the limit of locked memory, or turn swap off",
        ),
        (!hardened.no_dumps).then_some("core dumps could not be turned off"),
    ];
    said.into_iter().flatten().map(str::to_owned)
}

/// Looks at the descriptions of PSPs, because of which a server may not start; gives advice on limits that bind nobody, where it is known which processors there are.
fn descriptions(
    directory: Option<&Path>,
    types: Option<&[(ProcessorId, String)]>,
    findings: &mut Vec<Finding>,
) -> Option<String> {
    let registry = match directory.map(Registry::load) {
        None => Registry::shipped(),
        Some(Ok(registry)) => registry,
        Some(Err(faults)) => {
            let what =
                |fault| format!("{}; panvault serve does not start until this is mended", lines(fault));
            findings.extend(faults.iter().map(|fault| Finding { part: PROCESSORS, what: what(fault) }));
            return None;
        }
    };
    let types = types?;
    for (id, type_name) in types {
        if !OWN_TYPES.contains(&type_name.as_str()) && registry.of_type(type_name).is_none() {
            let what = format!(
                "processor {id} is a {type_name}, of which there is no description: nothing goes to it; put the description back, or change the processor"
            );
            findings.push(Finding { part: PROCESSORS, what });
        }
    }
    let type_of = |id| types.iter().find(|(known, _)| *known == id).map(|(_, type_name)| type_name.clone());
    registry.limits_of_nobody(type_of).map(|fault| lines(&fault))
}

/// Looks at the certificate and the key of TLS, and at whose certificates the console asks for; gives advice on what is not wrong yet.
fn certificates(
    config: &Config,
    certificate: &Path,
    key: &Path,
    findings: &mut Vec<Finding>,
) -> Option<String> {
    let clients = config.console.as_ref().and_then(|console| console.clients.clone());
    if let Some(clients) = clients {
        let of_console = Tls::read_with_clients(certificate.to_owned(), key.to_owned(), clients);
        // What is wrong with the other two files is said below.
        if let (Err(fault), Ok(_)) = (of_console, Tls::read(certificate.to_owned(), key.to_owned())) {
            findings.extend(fault.faults().iter().map(|what| Finding { part: TLS, what: what.clone() }));
        }
    }
    let tls = match Tls::read(certificate.to_owned(), key.to_owned()) {
        Ok(tls) => tls,
        Err(fault) => {
            findings.extend(fault.faults().iter().map(|what| Finding { part: TLS, what: what.clone() }));
            return None;
        }
    };
    let validity = tls.validity(SystemClock::start().now().wall);
    let what = format!("{} {validity}; {}", certificate.display(), validity.advice());
    match validity {
        Validity::Valid => None,
        Validity::ExpiresSoon(_) => Some(what),
        Validity::Expired(_) | Validity::NotYet(_) => {
            findings.push(Finding { part: TLS, what });
            None
        }
    }
}

/// Why a store cannot be looked at: what of it is missing, or else what was in the way.
fn unexamined(directory: &DataDirectory, fault: &OpenFault) -> Vec<Finding> {
    let mut why: Vec<String> =
        [directory.log_missing(), directory.view_missing()].into_iter().flatten().collect();
    if why.is_empty() {
        why.push(causes(fault));
    }
    why.into_iter().map(|what| Finding { part: STORE, what }).collect()
}

/// Looks at the tables of issuers, and holds the one in use against the one that the audit trail told of last.
fn issuers(
    directory: &Path,
    tags: &VaultTags,
    told: Option<Id>,
    findings: &mut Vec<Finding>,
) -> Option<Table> {
    let mut found = |what| findings.push(Finding { part: BINS, what });
    if let Err(fault) = bins::read_before(directory, tags) {
        found(bins_before_unusable(directory, &fault));
    }
    let table = match bins::read(directory, tags) {
        Ok(table) => table,
        Err(fault) => {
            found(bins_unusable(directory, &fault));
            return None;
        }
    };
    // Nothing was told of a table that was imported before there was anything else, and that no server has taken up yet.
    if told.is_some_and(|told| told != table.as_ref().map_or(Id::from_bytes([0; 12]), Table::id)) {
        found(format!(
            "{} is not as the audit trail last told of it; if it was changed just now, look again. If nobody changed it with panvault \
             bin, import the list again with panvault bin import, or do without one with panvault bin remove",
            bins::path(directory).display()
        ));
    }
    table
}

/// Says that the table of issuers cannot be used, and what to do. Cards do not depend on it.
fn bins_unusable(directory: &Path, fault: &bins::BinsFault) -> String {
    let path = bins::path(directory);
    format!(
        "{}: {}; import the list again with panvault bin import, go back with panvault bin restore, or remove it with \
         panvault bin remove",
        path.display(),
        causes(fault)
    )
}

/// The same of the table before. Nothing depends on it but a restore.
fn bins_before_unusable(directory: &Path, fault: &bins::BinsFault) -> String {
    let path = bins::path_before(directory);
    format!(
        "{}: {}; it cannot be restored, and the next import takes its place",
        path.display(),
        causes(fault)
    )
}

/// An error with its causes.
fn causes(error: &(dyn core::error::Error + 'static)) -> String {
    let causes = core::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// What was found, ready to be printed.
struct Report<'a> {
    directory: &'a DataDirectory,
    /// `None` when the store cannot be looked at.
    examination: Option<&'a Examination>,
    /// Rows of the list of issuers that is imported; `None` when there is none that can be used.
    bin_rows: Option<u32>,
    findings: Vec<Finding>,
    advice: Vec<String>,
}

impl Report<'_> {
    fn print_json(&self) -> anyhow::Result<()> {
        let findings: Vec<_> = self
            .findings
            .iter()
            .map(|Finding { part, what }| json!({ "part": part, "what": what }))
            .collect();
        let report = json!({
            "vault": self.directory.vault.to_string(),
            "mode": mode_name(self.directory.mode),
            "healthy": findings.is_empty(),
            "cards": self.examination.map(|found| found.cards),
            "transactions": self.examination.map(|found| found.transactions),
            "refunds": self.examination.map(|found| found.refunds),
            "steps": self.examination.map(|found| found.sequence),
            "steps_in_view": self.examination.map(|found| found.applied),
            "segments": self.examination.map(|found| found.segments),
            "torn_tail": self.examination.map(|found| found.has_torn_tail),
            "archive_bytes": self.examination.map(|found| found.archived.bytes),
            "archive_since": self.examination.and_then(|found| found.archived.since).map(|at| at.to_string()),
            "bin_rows": self.bin_rows,
            "findings": findings,
            "advice": self.advice,
            "next": self.next(),
        });
        Ok(output::line(report.to_string())?)
    }

    fn print_text(&self) -> anyhow::Result<()> {
        let (vault, mode) = (self.directory.vault, mode_name(self.directory.mode));
        let store = match self.examination {
            Some(found) => format!(
                "{} cards, {} transactions, {} refunds; {} steps in the log, {} of them in the view, {} segments",
                found.cards, found.transactions, found.refunds, found.sequence, found.applied, found.segments,
            ),
            None => "the store cannot be looked at".to_owned(),
        };
        output::line(format!("vault {vault} ({mode}): {store}"))?;
        if let Some(archived) = self.examination.map(|found| found.archived).filter(|kept| kept.segments > 0)
        {
            let since = archived
                .since
                .map(|since| format!("; an increment can go on from a backup of {since} or later"));
            output::line(format!(
                "archive: {} bytes of the log in {} files, for increments{}",
                archived.bytes,
                archived.segments,
                since.unwrap_or_default()
            ))?;
        }
        for text in &self.advice {
            output::line(format!("advice: {text}"))?;
        }
        for Finding { part, what } in &self.findings {
            output::line(format!("{part}: {what}"))?;
        }
        Ok(output::line(self.next())?)
    }
}

impl Report<'_> {
    fn next(&self) -> &'static str {
        if self.findings.is_empty() && self.examination.is_some_and(|found| found.has_torn_tail) {
            return "Everything before the end of the log agrees; the advice says what its end may mean.";
        }
        next(&self.findings)
    }
}

/// What to do about all that was found.
fn next(findings: &[Finding]) -> &'static str {
    let (told, rest): (Vec<_>, Vec<_>) = findings.iter().map(|finding| finding.part).partition(|part| {
        [DIRECTORY, KEYS, STORE, BINS, KEY, TLS, DATABASE, CVVS, PROCESSORS, TRAIL].contains(part)
    });
    match (told.is_empty(), rest.is_empty()) {
        (true, true) => "Everything agrees.",
        (false, true) => "Do what these lines say, then run panvault doctor again.",
        (true, false) => "Restore from a backup, or ask for help with these lines.",
        (false, false) => {
            "Do what the lines on directory, key, store, bins, tls, database, cvvs, processors and trail say; for the others, restore from a backup, or ask for help with them."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_fits_what_was_found() {
        let next = |parts: &[&'static str]| {
            let finding = |part: &&'static str| Finding { part, what: String::new() };
            next(&parts.iter().map(finding).collect::<Vec<_>>())
        };
        assert_eq!(next(&[]), "Everything agrees.");
        assert!(!next(&[DIRECTORY, KEYS, STORE, BINS, KEY, TLS, PROCESSORS, TRAIL]).contains("backup"));
        assert!(next(&["row"]).starts_with("Restore from a backup"));
        assert!(
            next(&["row", DIRECTORY]).contains("directory") && next(&["row", DIRECTORY]).contains("backup")
        );
    }
}
