//! Lists of who issued which cards. All but one leave the store alone, so they work while the vault is served.

mod import;
mod progress;
mod refresh;

use std::process::ExitCode;

use anyhow::Context;
use panvault_bins::Table;
use panvault_card::{BinPrefix, BinTable};
use panvault_model::Timestamp;
use panvault_vault::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::bins;
use crate::cli::{BinCommand, Shared};
use crate::commands::document::print;
use crate::config;
use crate::data::DataDirectory;

pub(crate) fn run(command: BinCommand) -> anyhow::Result<ExitCode> {
    let done = match command {
        BinCommand::Import(args) => import::run(&args),
        BinCommand::Lookup { digits, shared } => lookup(&digits, &shared),
        BinCommand::Info(shared) => info(&shared),
        BinCommand::Remove(shared) => remove(&shared),
        BinCommand::Refresh(shared) => return refresh::run(&shared),
    };
    done.map(|()| ExitCode::SUCCESS)
}

fn directory(shared: &Shared) -> anyhow::Result<DataDirectory> {
    DataDirectory::find(&config::read(&shared.settings, &[])?.data_directory)
}

/// Reads the table of a vault, if there is one.
fn table(directory: &DataDirectory) -> anyhow::Result<Option<Table>> {
    bins::read(&directory.path).with_context(|| {
        let path = bins::path(&directory.path);
        format!("{} cannot be used; import the list again, or run panvault bin remove", path.display())
    })
}

fn now() -> Timestamp {
    SystemClock::start().now().wall
}

/// Answers as the server does: in a test vault without a list, from the test table.
fn lookup(digits: &str, shared: &Shared) -> anyhow::Result<()> {
    // What was typed is not repeated: it could be a card number.
    let digits = BinPrefix::parse(digits).map_err(|fault| anyhow::anyhow!("DIGITS {fault}"))?;
    let directory = directory(shared)?;
    let facts = match table(&directory)? {
        Some(table) => table.lookup(digits.as_bytes()),
        None => directory.bins_without_list().lookup(digits.as_bytes()),
    };
    let value = json!({
        "bin": digits.bin().as_str(),
        "brand": digits.brand().map(|brand| brand.as_str()),
        "issuer_name": facts.issuer_name.as_deref(),
        "issuer_country": facts.issuer_country.as_ref().map(|code| code.as_str()),
        "currency_code": facts.currency_code.as_ref().map(|code| code.as_str()),
        "type": facts.card_type.map(|card_type| card_type.as_str()),
        "variant": facts.variant.as_deref(),
        "table_version": facts.table_version,
    });
    print(&value, shared.json)
}

fn info(shared: &Shared) -> anyhow::Result<()> {
    let directory = directory(shared)?;
    let path = bins::path(&directory.path);
    let value = match table(&directory)? {
        Some(table) => about(&table, &path),
        None => json!({ "imported": false, "path": path }),
    };
    print(&value, shared.json)
}

/// What a table says of itself.
fn about(table: &Table, path: &std::path::Path) -> Value {
    let about = table.about();
    let age = now().unix_seconds().saturating_sub(about.imported_at.unix_seconds());
    json!({
        "imported": true,
        "source": about.source,
        "licence": about.licence,
        "attribution": about.attribution,
        "rows": table.rows(),
        "ranges": table.ranges(),
        "table_version": about.version,
        "imported_at": about.imported_at.to_string(),
        "age_days": age / 86_400,
        "path": path,
    })
}

fn remove(shared: &Shared) -> anyhow::Result<()> {
    let directory = directory(shared)?;
    let removed = bins::remove(&directory.path)?;
    print(&json!({ "path": bins::path(&directory.path), "removed": removed }), shared.json)
}
