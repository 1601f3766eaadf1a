//! What an assessor is shown of a vault: what is asked of it, of the process that serves it, and of its files.

mod files;
mod gather;
mod html;
mod report;
mod text;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, ensure};

use crate::cli::PciReport;
use crate::client::Client;
use crate::commands::runtime;
use crate::config::{self, Config};
use crate::data::{Place, write_private};
use crate::posture::Posture;
use crate::telemetry::{self, LogFormat};
use crate::{harden, output};

use self::files::Files;
use self::gather::Gathered;
use self::report::Report;

/// The trail, held against its chain.
pub(super) struct Trail {
    records: u64,
    chains: u64,
    findings: Vec<String>,
    /// Where the settings send it to, by name.
    destinations: Vec<String>,
    /// Who alone can read what these are given, by public keys of age; nobody where it is not encrypted.
    recipients: Vec<String>,
}

/// Exit code 0 when the report was made, 1 when the trail is not whole.
pub(super) fn run(args: &PciReport) -> anyhow::Result<ExitCode> {
    let config = config::read(&args.shared.settings, &[])?;
    telemetry::start("error", LogFormat::Text)?;
    if let Some(file) = &args.html {
        // Before much is read.
        let is_there = file.symlink_metadata().is_ok();
        ensure!(!is_there, "{} is there already: name a file that is not, or remove it", file.display());
    }
    let (report, is_whole) = runtime()?.block_on(made(&config))?;
    if let Some(file) = &args.html {
        write(file, &html::page(&report))?;
    }
    if args.shared.json {
        output::line(report.json().to_string())?;
    } else if args.html.is_none() {
        output::line(text::page(&report).trim_end())?;
    }
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The report, and whether the trail is whole.
async fn made(config: &Config) -> anyhow::Result<(Report, bool)> {
    let place = Place::of(config)?;
    let mut client = Client::begin(config).await?;
    let gathered = Gathered::ask(&mut client).await;
    let served = client.is_served();
    // What is read below, nobody else may have.
    client.end().await;
    let mut gathered = gathered?;
    if !served {
        let mode = place.mode().await?;
        // The process that would serve it is not here: this is what it would be by these settings.
        let posture = Posture::of(config, mode, harden::memory());
        gathered.posture = posture.as_configured()?;
    }
    let slot = place.unattended(config.unattended()).await?;
    let header = place.header_by(slot.as_ref()).await?;
    let trail = trail(&place, config).await?;
    let is_whole = trail.findings.is_empty();
    let files = Files::search(place.path(), config.wal_directory.as_deref());
    Ok((gathered.report(served, header.slots(), &trail, &files), is_whole))
}

async fn trail(place: &Place, config: &Config) -> anyhow::Result<Trail> {
    let settings = config.trail.settings();
    let destinations = settings.destinations.iter().map(|one| one.name().to_owned()).collect();
    let recipients = settings.recipients.iter().map(ToString::to_string).collect();
    let (records, chains, findings) = match place {
        Place::Directory(directory) => {
            let found = directory.log_examined(config.unattended()).await?;
            let findings = found.findings.iter().map(|found| format!("{}: {}", found.part, found.what));
            (found.sequence, 1, findings.collect())
        }
        Place::Node(node) => {
            let found = node.trail_verify(config.unattended()).await?;
            (found.records, found.nodes, found.findings)
        }
    };
    Ok(Trail { records, chains, findings, destinations, recipients })
}

/// Writes the page for its owner only.
fn write(file: &Path, page: &str) -> anyhow::Result<()> {
    write_private(file, page.as_bytes())
        .with_context(|| format!("the report was made, and {} was not", file.display()))
}

#[cfg(test)]
mod tests {
    use panvault_vault::Mode;
    use serde_json::json;

    use crate::config::tests::read_with;
    use crate::data::{create, small_store};

    use super::*;

    /// Between the look at the beginning and the end of the work somebody else may have made that file.
    #[test]
    fn a_file_that_came_meanwhile_is_not_touched() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("report.html");
        std::fs::write(&file, "theirs").unwrap();
        assert!(write(&file, "ours").is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "theirs");
    }

    /// Whoever reads the report learns of each thing once, and of no secret.
    #[test]
    fn a_vault_that_nobody_serves_is_reported_whole() {
        const NAME: &str = "<script>alert(1)</script>";
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        create(&at("vault"), Mode::Test, &at("slot.key"), &small_store(), |_| Ok(())).unwrap();
        let set = [
            format!("data_directory={}", at("vault").display()),
            format!("slot_key_file={}", at("slot.key").display()),
        ];
        let config = read_with(&set.each_ref().map(String::as_str));
        let (report, is_whole, key) = runtime().unwrap().block_on(async {
            let mut client = Client::begin(&config).await.unwrap();
            let new = json!({ "name": NAME });
            let organisation = client.post("/v1/organisation", &new).await.unwrap()["_id"].clone();
            let new = json!({ "organisation": organisation, "name": NAME, "roles": ["MerchantUser"] });
            let key = client.post("/v1/apikey", &new).await.unwrap()["api_key"].as_str().unwrap().to_owned();
            client.end().await;
            let (report, is_whole) = made(&config).await.unwrap();
            (report, is_whole, key)
        });
        assert!(is_whole && !report.served);
        let json = report.json();
        let remarks: Vec<_> = json["sections"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|section| {
                section["remarks"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|remark| remark["requirement"].as_str().unwrap())
            })
            .collect();
        for requirement in ["6.5.5", "3.6.1.2", "3.7.3", "8.6.3", "10.3.3"] {
            assert!(remarks.contains(&requirement), "{requirement}: {json}");
        }
        let section = |name: &str| {
            let mut sections = json["sections"].as_array().unwrap().iter();
            sections.find(|section| section["name"] == name).unwrap()["rows"].as_array().unwrap()
        };
        // Ten of the vault, two of its organisation.
        assert_eq!(section("keys").len(), 12);
        assert_eq!((section("slots").len(), section("api_keys")[0]["name"].as_str()), (1, Some(NAME)));
        let value = |name: &str, what: &str| {
            section(name).iter().find(|row| row["what"] == what).unwrap()["value"].clone()
        };
        assert_eq!(value("trail", "whole"), "yes");
        assert_ne!(value("trail", "records"), "0");
        assert_ne!(value("cvv", "files of the vault's directory searched"), "0");
        assert_eq!(value("cvv", "card numbers in clear in them"), "0");
        for page in [json.to_string(), html::page(&report), text::page(&report)] {
            assert!(!page.contains(&key) && !page.contains(&key[8..]));
        }
        assert!(!html::page(&report).contains("<script"));
    }
}
