//! Lists of who issued which cards. All but one work while the vault is served: the server then writes down what they change.

mod import;
mod refresh;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use panvault_bins::Table;
use panvault_card::{BinPrefix, BinTable};
use panvault_model::Timestamp;
use panvault_vault::{Clock, Mode, SystemClock};
use serde_json::{Value, json};

use crate::bins::{self, Replacing, Trail, VaultTags};
use crate::cli::{BinCommand, Shared};
use crate::commands::document::{print, print_first};
use crate::commands::runtime;
use crate::config::{self, Config};
use crate::data::{Place, bins_without_list};
use crate::output;

/// Commands say what they do before they do it, so that one that fails has changed nothing.
const UNPRINTED: &str = "what is done cannot be printed, so nothing was changed";

pub(crate) fn run(command: BinCommand) -> anyhow::Result<ExitCode> {
    let done = match command {
        BinCommand::Import(args) => import::run(&args),
        BinCommand::Lookup { digits, shared } => lookup(&digits, &shared),
        BinCommand::Info(shared) => info(&shared),
        BinCommand::Remove(shared) => remove(&shared),
        BinCommand::Restore(shared) => restore(&shared),
        BinCommand::Refresh(shared) => return refresh::run(&shared),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// A vault whose table is read or changed, and the key that its tables are tagged under.
struct Keyed {
    place: Place,
    tags: VaultTags,
    mode: Mode,
    config: Config,
}

impl Keyed {
    fn find(shared: &Shared) -> anyhow::Result<Self> {
        let config = config::read(&shared.settings, &[])?;
        let place = Place::of(&config)?;
        let (keys, mode) = runtime()?.block_on(place.keys(config.unattended()))?;
        Ok(Self { place, tags: VaultTags::new(&keys), mode, config })
    }

    fn path(&self) -> &Path {
        self.place.path()
    }

    /// Where a change of the table is written down.
    fn trail(&self) -> anyhow::Result<Trail> {
        Trail::open(runtime()?, &self.place, &self.config)
    }
}

/// Reads the table of a vault, if there is one.
fn table(directory: &Path, tags: &VaultTags) -> anyhow::Result<Option<Table>> {
    bins::read(directory, tags).with_context(|| {
        let path = bins::path(directory);
        format!(
            "{} cannot be used; import the list again, or run panvault bin restore or panvault bin remove",
            path.display()
        )
    })
}

fn now() -> Timestamp {
    SystemClock::start().now().wall
}

/// Answers as the server does: in a test vault without a list, from the test table.
fn lookup(digits: &str, shared: &Shared) -> anyhow::Result<()> {
    // What was typed is not repeated: it could be a card number.
    let digits = BinPrefix::parse(digits).map_err(|fault| anyhow::anyhow!("DIGITS {fault}"))?;
    let vault = Keyed::find(shared)?;
    let facts = match table(vault.path(), &vault.tags)? {
        Some(table) => table.lookup(digits.issuer_digits()),
        None => bins_without_list(vault.mode).lookup(digits.issuer_digits()),
    };
    let value = json!({
        "bin": digits.bin().as_str(),
        "brand": digits.brand().map(|brand| brand.as_str()),
        "issuer_name": facts.issuer_name.as_deref(),
        "issuer_country": facts.issuer_country.as_ref().map(|code| code.as_str()),
        "currency": facts.currency.as_ref().map(|code| code.as_str()),
        "type": facts.card_type.map(|card_type| card_type.as_str()),
        "variant": facts.variant.as_deref(),
        "table_version": facts.table_version,
    });
    print(&value, shared.json)
}

fn info(shared: &Shared) -> anyhow::Result<()> {
    let vault = Keyed::find(shared)?;
    let path = bins::path(vault.path());
    let mut value = match table(vault.path(), &vault.tags)? {
        Some(table) => about(&table, &path),
        None => json!({ "imported": false, "path": path }),
    };
    let path = bins::path_before(vault.path());
    let before = match bins::read_before(vault.path(), &vault.tags) {
        Ok(before) => before.map(|table| about(&table, &path)),
        Err(fault) => Some(json!({ "path": path, "unusable": fault.to_string() })),
    };
    if shared.json {
        if let Some(members) = value.as_object_mut() {
            members.insert("before".to_owned(), json!(before));
        }
        return print(&value, true);
    }
    print(&value, false)?;
    match before {
        Some(before) => {
            output::line("\nthe table before, which panvault bin restore brings back:")?;
            print(&before, false)
        }
        None => Ok(()),
    }
}

/// What a table says of itself.
fn about(table: &Table, path: &Path) -> Value {
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

/// Removes the table. What is said is printed first: when that fails, nothing has been done.
fn remove(shared: &Shared) -> anyhow::Result<()> {
    let vault = Keyed::find(shared)?;
    vault.place.private()?;
    let path = bins::path(vault.path());
    let is_there = || path.symlink_metadata().is_ok();
    let replacing = if is_there() { Some(Replacing::begin(vault.path(), &vault.tags)?) } else { None };
    let replacing = replacing.filter(|_| is_there());
    // Also when somebody else removed it: then the trail still tells of it.
    let trail = vault.trail()?;
    print_first(&json!({ "path": path, "removed": replacing.is_some() }), shared.json).context(UNPRINTED)?;
    trail.note(None, || replacing.map_or(Ok(()), Replacing::remove))
}

/// Brings back the table before. What is said is printed first, as with `remove`.
fn restore(shared: &Shared) -> anyhow::Result<()> {
    let vault = Keyed::find(shared)?;
    vault.place.private()?;
    let path = bins::path_before(vault.path());
    let replacing = Replacing::begin(vault.path(), &vault.tags)?;
    let before = replacing.before().with_context(|| {
        format!("{} cannot be used, and the table in use is untouched; import a list", path.display())
    })?;
    let Some(before) = before else {
        bail!("there is no table before the one in use: {} is not there; import a list", path.display())
    };
    let trail = vault.trail()?;
    let mut value = about(&before, &bins::path(vault.path()));
    if let Some(members) = value.as_object_mut() {
        members.remove("imported");
        // One that cannot be used is not kept.
        let kept = replacing.in_use().ok().flatten().map(|table| table.about().version);
        members.insert("version_before".to_owned(), json!(kept));
        members.insert("restored".to_owned(), json!(true));
    }
    print_first(&value, shared.json).context(UNPRINTED)?;
    trail.note(Some(before.id()), || replacing.restore())
}
