//! A node of a vault that is in a database: its directory and files, the way to the database, its tables, keys and documents, and who holds CVVs.

use std::collections::BTreeMap;
use std::process::ExitCode;

use panvault_store_embedded::Finding;
use serde_json::json;

use crate::bins::VaultTags;
use crate::cli::Doctor;
use crate::commands::doctor::{
    CVVS, DATABASE, DIRECTORY, KEYS, causes, certificates, descriptions, issuers, machine, next,
    overdue_advice,
};
use crate::commands::progress::Counted;
use crate::commands::runtime;
use crate::config::Config;
use crate::data::{KEYS_CHANGE, NodeDirectory, NodeExamined, mode_name};
use crate::harden::Hardened;
use crate::output;

/// Exits with 1 when anything is not as it should be.
pub(super) fn run(
    args: &Doctor,
    config: &Config,
    node: &NodeDirectory,
    hardened: &Hardened,
) -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    let mut found = |part, what| findings.push(Finding { part, what });
    match node.exposed() {
        Ok(exposed) => exposed.all().into_iter().for_each(|what| found(DIRECTORY, what)),
        Err(error) => found(DIRECTORY, causes(error.as_ref())),
    }
    let mut progress = Counted::new("rows read");
    let examined =
        runtime()?.block_on(
            node.examined(config.unattended(), config.cvvs_held_max, &mut |rows| progress.at(rows)),
        );
    progress.end();
    let NodeExamined {
        keys,
        vault,
        database,
        documents,
        types,
        advised_rows,
        rows,
        trail,
        cvvs,
        copies,
        keys_change,
        mode,
        replication,
        unsecured,
    } = examined;
    let described = keys.as_ref().map(|keys| keys.descriptions()).unwrap_or_default();
    copies.into_iter().for_each(|fault| {
        found(KEYS, format!("{fault}; panvault serve writes it anew from the other copy"));
    });
    if keys_change {
        found(KEYS, KEYS_CHANGE.to_owned());
    }
    database.into_iter().for_each(|what| found(DATABASE, what));
    documents.into_iter().for_each(|what| found("row", what));
    let counts = rows.as_ref().map(|rows| rows.counts.clone());
    rows.into_iter().flat_map(|rows| rows.findings).for_each(|what| found("row", what));
    trail.into_iter().for_each(|what| found("audit", what));
    cvvs.into_iter().for_each(|what| found(CVVS, what));
    let table =
        keys.as_ref().and_then(|keys| issuers(&node.path, &VaultTags::new(keys), None, &mut findings));
    let tls_advice = config
        .tls
        .as_ref()
        .and_then(|(certificate, key)| certificates(config, certificate, key, &mut findings));
    let limits_advice = descriptions(config.processors.as_deref(), types.as_deref(), &mut findings);
    let (unusable, behind) = super::trail::state(&config.trail, &advised_rows);
    findings.extend(unusable.into_iter().map(|what| Finding { part: super::TRAIL, what }));
    let advice: Vec<String> = replication
        .into_iter()
        .chain(unsecured.map(str::to_owned))
        .chain(machine(hardened))
        .chain(tls_advice)
        .chain(limits_advice)
        .chain(overdue_advice(&advised_rows, &described, config))
        .chain(behind)
        .collect();
    let vault = vault.map(|vault| vault.to_string());
    let mode = mode.map(mode_name);
    let next = next(&findings);
    if args.json {
        let listed: Vec<_> =
            findings.iter().map(|Finding { part, what }| json!({ "part": part, "what": what })).collect();
        let report = json!({
            "vault": vault, "mode": mode, "healthy": findings.is_empty(), "store": node.shared.store.to_string(),
            "rows": counts.map(|counts| counts.into_iter().collect::<BTreeMap<_, _>>()),
            "bin_rows": table.map(|table| table.rows()), "findings": listed, "advice": advice, "next": next,
        });
        output::line(report.to_string())?;
    } else {
        let (vault, mode) = (vault.as_deref().unwrap_or("-"), mode.unwrap_or("-"));
        let read = counts.unwrap_or_default().into_iter().filter(|(_, count)| *count > 0);
        let read: Vec<_> = read.map(|(name, count)| format!("{count} {name}")).collect();
        let read = if read.is_empty() { "no rows were read".to_owned() } else { read.join(", ") };
        output::line(format!("vault {vault} ({mode}): in {}: {read}", node.shared.store))?;
        for text in &advice {
            output::line(format!("advice: {text}"))?;
        }
        for Finding { part, what } in &findings {
            output::line(format!("{part}: {what}"))?;
        }
        output::line(next)?;
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
