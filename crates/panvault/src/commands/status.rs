use std::process::ExitCode;

use anyhow::Context;
use panvault_store_embedded::holder;
use serde_json::{Value, json};

use crate::cli::Shared;
use crate::client::{Client, Refused};
use crate::commands::document::print;
use crate::commands::runtime;
use crate::config;
use crate::data::{Place, mode_name};
use crate::output;
use crate::sealed::{self, Asked};
use crate::socket::Unreached;
use crate::telemetry::{self, LogFormat};

/// Exit code of a vault that is served, and takes no writes.
const NOT_READY: u8 = 2;

/// Says that a server waits for its vault to be unsealed, and how.
fn said_sealed(place: &Place, sealed: &Value, as_json: bool) -> anyhow::Result<ExitCode> {
    let why = sealed.get("why").and_then(Value::as_str).unwrap_or("sealed");
    if as_json {
        let (vault, mode) = place.known().map(|(vault, mode)| (vault.to_string(), mode_name(mode))).unzip();
        let value = json!({
            "served": true, "ready": false, "sealed": true, "why": why, "vault": vault, "mode": mode,
        });
        print(&value, true)?;
    } else {
        output::line(why)?;
    }
    Ok(ExitCode::from(NOT_READY))
}

/// Says how the vault is doing: exit code 0 when it is served and ready, 2 when it is served and not ready, 1 when no server has it, or
/// when that could not be found out.
pub(crate) fn run(shared: &Shared) -> anyhow::Result<ExitCode> {
    let config = config::read(&shared.settings, &[])?;
    telemetry::start("warn", LogFormat::Text)?;
    let place = Place::of(&config)?;
    let runtime = runtime()?;
    // It can be shown no root key, and is asked without: one that has no key file here is found too.
    if let Ok(sealed) = runtime.block_on(sealed::ask(place.path(), Asked::Status)) {
        return said_sealed(&place, &sealed, shared.json);
    }
    let status = runtime.block_on(async {
        let mut client = match Client::reach(&place, &config).await? {
            Ok(client) => client,
            Err(unreached) => return Ok(Err(unreached)),
        };
        let asked = client.get("/v1/status").await;
        anyhow::Ok(Ok(asked.or_else(unanswered)?))
    })?;
    match status {
        Ok(status) => {
            let is_ready = status.get("ready").and_then(Value::as_bool) == Some(true);
            if shared.json {
                print(&with(status, "served", json!(true)), true)?;
            } else {
                lines(&status)?;
            }
            Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::from(NOT_READY) })
        }
        Err(unreached) => {
            // The lock says whether a process has it; whoever listens at the socket, or does not, says nothing of that.
            let holder = match place.path().try_exists() {
                // A node's is made when it is first served.
                Ok(false) => None,
                Ok(true) | Err(_) => holder(place.path())
                    .with_context(|| format!("{} cannot be looked at", place.path().display()))?,
            };
            let why = match &holder {
                Some(process) => {
                    format!("process {process} has the vault and does not answer: {}", unreached.said())
                }
                None => unserved(&place, &unreached),
            };
            let store = match &place {
                Place::Directory(_) => None,
                Place::Node(node) => Some(node.shared.store.to_string()),
            };
            let known = place.known().map(|(vault, mode)| (vault.to_string(), mode_name(mode)));
            let process = holder.as_ref().and_then(|process| process.parse::<u32>().ok());
            if shared.json {
                let (vault, mode) = known.unzip();
                let value = json!({
                    "served": false, "why": why, "vault": vault, "mode": mode, "process": process, "store": store,
                });
                print(&value, true)?;
            } else {
                let is_not = if holder.is_some() { "is not reached: " } else { "is not served: " };
                let what = match known {
                    Some((vault, mode)) => format!("vault {vault} ({mode})"),
                    None => format!("the node in {}", place.path().display()),
                };
                let what = match store {
                    Some(store) => format!("{what}, of the database at {store},"),
                    None => what,
                };
                output::line(format!("{what} {is_not}{why}"))?;
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Why no process serves it, as far as its directory shows that, and what helps.
fn unserved(place: &Place, unreached: &Unreached) -> String {
    let directory = place.path().display();
    let is_node = matches!(place, Place::Node(_));
    match unreached {
        Unreached::Missing if is_node && place.known().is_none() => {
            format!("no node was served from {directory} yet; panvault serve with the same settings makes it")
        }
        Unreached::Missing => {
            format!("no process has {directory}; start it with panvault serve")
        }
        Unreached::Nobody => format!(
            "no process has {directory}, and the last one was killed or has crashed; see the end of its log, and start it with panvault serve"
        ),
        Unreached::Sealed
        | Unreached::NotASocket
        | Unreached::Io(_)
        | Unreached::Silent
        | Unreached::Handshake(_) => unreached.said(),
    }
}

/// What is said of a vault that is served, and cannot look at what it keeps.
fn unanswered(error: anyhow::Error) -> anyhow::Result<Value> {
    match error.downcast_ref::<Refused>() {
        Some(refused) if refused.status == 503 => Ok(json!({ "ready": false, "state": refused.to_string() })),
        Some(_) | None => Err(error),
    }
}

fn with(mut value: Value, name: &str, member: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.insert(name.to_owned(), member);
    }
    value
}

fn lines(status: &Value) -> anyhow::Result<()> {
    let text = |name: &str| match status.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(value) => Some(value.to_string()),
        None => None,
    };
    let said = |name: &str| text(name).unwrap_or_else(|| "-".to_owned());
    output::line(said("state"))?;
    if status.get("vault").is_none() {
        return Ok(());
    }
    let served = format!("{} vault {}, version {}", said("mode"), said("vault"), said("version"));
    let since = format!("{}, for {} seconds", said("started_at"), said("uptime_seconds"));
    let held = format!(
        "{} cards, {} transactions, {} CVVs held",
        said("cards"),
        said("transactions"),
        said("cvvs_held")
    );
    let documents = format!(
        "{} organisations, {} accounts, {} processors, {} API keys",
        said("organisations"),
        said("accounts"),
        said("processors"),
        said("api_keys")
    );
    let damaged = text("organisations_damaged").filter(|count| count != "0").map(|count| {
        format!(
            "cards or transactions of {count} organisations, whose lists are refused; run panvault doctor"
        )
    });
    let disk = text("disk_bytes")
        .map(|bytes| format!("{bytes} bytes, {} segments of the log", said("log_segments")));
    let unerased = text("log_segments_unerased").map(|count| {
        format!(
            "{count} segments of the log that nobody needs: log.segment_not_erased in the log says why; they are tried again"
        )
    });
    let archive = text("backup_archive_bytes").map(|bytes| {
        let since = match text("backup_archive_since") {
            Some(since) => format!("; an increment can go on from a backup of {since} or later"),
            None => String::new(),
        };
        format!("{bytes} of {} bytes of the log for increments{since}", said("backup_archive_bytes_max"))
    });
    let database = text("database").map(|database| match text("replication").as_deref() {
        Some("synchronous") => format!("{database}, with a synchronous standby"),
        Some("asynchronous") => {
            format!("{database}; its standbys are asynchronous, and may lack what was acknowledged last")
        }
        Some(_) => format!("{database}; it has no standby"),
        None => format!("{database}; it does not say whether it has standbys"),
    });
    let nodes = |name: &str| status.get(name).and_then(Value::as_array).map_or(0, Vec::len);
    let alive = text("node").map(|own| {
        let lost = match nodes("nodes_lost") {
            0 => String::new(),
            lost => format!("; {lost} died, and their payments are taken over"),
        };
        format!("{own}, one of {}{lost}", nodes("nodes"))
    });
    let steps = match &alive {
        Some(_) => format!(
            "{} steps of this node, and {} more wait to be written",
            said("steps"),
            said("steps_waiting")
        ),
        None => format!(
            "{} steps, of which {} are not in the view yet and {} more wait to be written",
            said("steps"),
            said("steps_behind"),
            said("steps_waiting")
        ),
    };
    let seen = text("documents_age_milliseconds").map(|age| format!("as the database had them {age} ms ago"));
    let table = match text("bin_table_age_seconds") {
        Some(_) => format!(
            "version {}, {} rows, imported {}",
            said("bin_table_version"),
            said("bin_table_rows"),
            said("bin_table_imported_at")
        ),
        None => "none was imported".to_owned(),
    };
    let lines = [
        ("url", text("url")),
        ("metrics", text("metrics_url")),
        ("console", text("console_url")),
        ("serves", Some(served)),
        ("since", Some(since)),
        ("holds", Some(held)),
        ("for", Some(documents)),
        ("damaged", damaged),
        ("disk", disk),
        ("archive", archive),
        ("unerased", unerased),
        ("database", database),
        ("standbys", standbys(status)),
        ("node", alive),
        ("nodes", leases(status)),
        ("documents", seen),
        ("written", Some(steps)),
        ("trail", trail(status)),
        ("not ours", refused(status)),
        ("swept", Some(text("swept_at").unwrap_or_else(|| "not yet".to_owned()))),
        (
            "certificate",
            Some(
                text("certificate_expires_at").map_or_else(|| "none".to_owned(), |at| format!("until {at}")),
            ),
        ),
        ("bin table", Some(table)),
    ];
    for (name, text) in lines.into_iter().filter_map(|(name, text)| Some((name, text?))) {
        output::line(format!("  {name:12} {text}"))?;
    }
    Ok(())
}

/// How far each destination of the trail is, and what is wrong with it.
fn trail(status: &Value) -> Option<String> {
    let destinations = status.get("trail_destinations").and_then(Value::as_array)?;
    let one = |at: &Value| {
        let number = |name: &str| at.get(name).and_then(Value::as_u64).unwrap_or(0);
        let name = at.get("name").and_then(Value::as_str).unwrap_or("-");
        let behind = match (number("records_behind"), number("lag_seconds")) {
            (0, _) => "has all that is signed".to_owned(),
            (records, seconds) => format!("lacks {records} records, for {seconds} s"),
        };
        match at.get("fault").and_then(Value::as_str) {
            Some(fault) => format!("{name} {behind}: {fault}"),
            None => format!("{name} {behind}"),
        }
    };
    Some(destinations.iter().map(one).collect::<Vec<_>>().join("; "))
}

/// In whose names there are records that the vault did not write.
fn refused(status: &Value) -> Option<String> {
    let nodes = status.get("trail_refused").and_then(Value::as_array)?;
    let nodes: Vec<_> = nodes.iter().filter_map(Value::as_str).collect();
    Some(format!("records of the trail in the name of {}; run panvault doctor", nodes.join(", ")))
}

/// How far each standby is behind, where that is seen.
fn standbys(status: &Value) -> Option<String> {
    let list = |name: &str| status.get(name).and_then(Value::as_array);
    let (bytes, millis) = (list("standbys_lag_bytes")?, list("standbys_lag_milliseconds")?);
    let each =
        bytes.iter().zip(millis).map(|(bytes, millis)| format!("{bytes} bytes and {millis} ms behind"));
    Some(each.collect::<Vec<_>>().join("; "))
}

/// The lease of each node that lives, and whose duty is what one does for all.
fn leases(status: &Value) -> Option<String> {
    let list = |name: &str| status.get(name).and_then(Value::as_array);
    let (nodes, seconds) = (list("nodes")?, list("nodes_lease_seconds")?);
    let on_duty = status.get("node_on_duty");
    let each = nodes.iter().zip(seconds).map(|(node, seconds)| {
        let duty = if Some(node) == on_duty { ", on duty" } else { "" };
        format!("{} (lease {seconds} s{duty})", node.as_str().unwrap_or("-"))
    });
    Some(each.collect::<Vec<_>>().join(", "))
}
