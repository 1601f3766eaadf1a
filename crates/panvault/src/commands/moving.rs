//! Moves a vault from its directory into a database, or back.

use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde_json::{Map, Value, json};

use crate::cli::{Move, Settings};
use crate::commands::progress::Progress;
use crate::commands::runtime;
use crate::config::{self, Shared};
use crate::data::moving::{Moved, Told, to_database, to_directory};
use crate::harden;
use crate::output;
use crate::telemetry::{self, LogFormat};

/// Where a vault is moved from or to.
enum Place {
    Directory(PathBuf),
    Database(String),
}

impl Place {
    fn of(text: &str) -> anyhow::Result<Self> {
        if text.contains("://") {
            return Ok(Self::Database(text.to_owned()));
        }
        ensure!(!text.is_empty(), "--from and --to must name a directory or a database");
        Ok(Self::Directory(std::path::absolute(text)?))
    }
}

pub(crate) fn run(args: &Move) -> anyhow::Result<()> {
    let places = (Place::of(&args.from)?, Place::of(&args.to)?);
    let (is_out, directory, url) = match places {
        (Place::Directory(directory), Place::Database(url)) => (true, directory, url),
        (Place::Database(url), Place::Directory(directory)) => (false, directory, url),
        (Place::Directory(_), Place::Directory(_)) => bail!(
            "one of --from and --to must be a database, such as postgres://panvault@db.example/panvault: a directory that nobody serves is moved with mv"
        ),
        (Place::Database(_), Place::Database(_)) => bail!(
            "one of --from and --to must be a directory: from one database into another a vault is moved with pg_dump, while nobody serves it"
        ),
    };
    ensure!(
        is_out || args.wal_directory.is_none(),
        "--wal-directory is of the vault in --from, which is a database: leave it out"
    );
    let Read { shared, processors } = read(args, &directory, url)?;
    telemetry::start("warn", LogFormat::Text)?;
    harden::memory();
    let wal = args.wal_directory.as_deref().map(std::path::absolute).transpose()?;
    let slot_key_file = args.slot_key_file.as_deref().map(std::path::absolute).transpose()?;
    let mut shown = Shown::default();
    let moved = {
        let mut tell = |told: Told<'_>| shown.tell(&told);
        let slot_key_file = slot_key_file.as_deref();
        let runtime = runtime()?;
        if is_out {
            runtime.block_on(to_database(&directory, wal, slot_key_file, &shared, &mut tell))
        } else {
            runtime.block_on(to_directory(&directory, slot_key_file, &shared, &mut tell))
        }
    };
    shown.end();
    said(args, &moved?, is_out, &directory, &shared, processors.as_deref())
}

/// What is set, wherever it is.
struct Read {
    shared: Shared,
    /// Descriptions of PSPs, without which the vault does not pay by them.
    processors: Option<PathBuf>,
}

/// The database, by its address and what is set of it.
fn read(args: &Move, directory: &Path, url: String) -> anyhow::Result<Read> {
    for name in ["data_directory", "slot_key_file", "wal_directory", "store", "nodes"] {
        let is_set = args.set.iter().any(|pair| pair.split_once('=').is_some_and(|(set, _)| set == name));
        ensure!(!is_set, "{name} is said by --from, --to and the flags: leave it out of --set");
    }
    let settings = Settings { config: None, data: Some(directory.to_owned()), set: args.set.clone() };
    // The vault is not served here, so that nobody holds CVVs.
    let flags = [("store", url), ("nodes", "one".to_owned())];
    let config = config::read(&settings, &flags)?;
    let shared = config.shared.context("one of --from and --to must be a database")?;
    Ok(Read { shared, processors: config.processors })
}

/// How far it is: a bar where somebody sees it, else a line for each part.
#[derive(Default)]
struct Shown {
    bar: Option<Progress>,
    done: u64,
    is_away: bool,
}

impl Shown {
    fn tell(&mut self, told: &Told<'_>) {
        match told {
            Told::Begun(what, total) => {
                self.end();
                self.done = 0;
                if !stderr().is_terminal() {
                    output::note(format!("{what} …"));
                }
                self.bar = Some(Progress::new(what, *total)).filter(|_| *total > 0);
            }
            Told::Done(more) => {
                self.is_away = false;
                self.done = self.done.saturating_add(*more);
                if let Some(bar) = &mut self.bar {
                    bar.at(self.done);
                }
            }
            Told::Away(fault) => {
                if !core::mem::replace(&mut self.is_away, true) {
                    output::note(format!("{fault}; waiting for it"));
                }
            }
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.end();
        }
    }
}

fn said(
    args: &Move,
    moved: &Moved,
    is_out: bool,
    directory: &Path,
    shared: &Shared,
    processors: Option<&Path>,
) -> anyhow::Result<()> {
    let (from, to) = if is_out {
        (directory.display().to_string(), shared.store.to_string())
    } else {
        (shared.store.to_string(), directory.display().to_string())
    };
    if args.json {
        let rows: Map<String, Value> =
            moved.rows.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
        let value = json!({
            "vault": moved.vault, "from": from, "to": to, "rows": rows, "records": moved.records,
            "was_done": moved.was_done,
        });
        return Ok(output::line(value.to_string())?);
    }
    if moved.was_done {
        return Ok(output::line(format!("the vault was moved to {to} before; nothing was done"))?);
    }
    let rows: Vec<String> = moved
        .rows
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    output::line(format!(
        "Moved the vault to {to}, and held all of it against its source: {} and {} records of the trail.\n\
         What was in {from} is as it was, and is not served any more; remove it when the copy is in a backup. CVVs do not move.",
        rows.join(", "),
        moved.records
    ))?;
    let slot_key = match &args.slot_key_file {
        Some(file) => std::path::absolute(file)?,
        None => crate::data::slot_key_beside(directory)?,
    };
    let processors = match processors {
        Some(directory) => Some(directory.display().to_string()),
        None if moved.has_described => Some("DIRECTORY".to_owned()),
        None => None,
    };
    let (data, mut set) = if is_out {
        let mut set = vec![format!("store={}", shared.store)];
        set.extend(args.set.iter().filter(|pair| !pair.starts_with("processors=")).cloned());
        ("NODE_DIRECTORY".to_owned(), set)
    } else {
        (directory.display().to_string(), Vec::new())
    };
    set.push(format!("slot_key_file={}", slot_key.display()));
    set.extend(is_out.then(|| "cvv_store=URL".to_owned()));
    let next = serve_line(&data, &set, processors);
    Ok(output::line(format!("\nServe it from there:\n\n  {next}"))?)
}

/// What the vault is served by from now on. Descriptions are in it wherever they were set for the source, so that there is somebody to pay by.
fn serve_line(data: &str, set: &[String], processors: Option<String>) -> String {
    let processors = processors.map(|directory| format!("processors={directory}"));
    let set: Vec<_> = set.iter().chain(&processors).map(|pair| format!("--set '{pair}'")).collect();
    format!("panvault serve --data {data} {}", set.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_go_along_with_a_vault() {
        let set = ["store=postgres://db.example/p".to_owned(), "slot_key_file=/k".to_owned()];
        let line = |processors: Option<&str>| serve_line("N", &set, processors.map(str::to_owned));
        let plain = "panvault serve --data N --set 'store=postgres://db.example/p' --set 'slot_key_file=/k'";
        assert_eq!(line(None), plain);
        assert_eq!(line(Some("/etc/p")), format!("{plain} --set 'processors=/etc/p'"));
    }
}
