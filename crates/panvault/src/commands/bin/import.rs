use std::fs::{File, Metadata};
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use panvault_bins::limits::{ISSUER_DIGITS_MAX, LIST_BYTES_MAX};
use panvault_bins::{
    About, Column, Contents, Counted, Doubt, ImportFault, Imported, InUse, Layout, Merged, Report, Shown,
    Table, import,
};
use panvault_card::holds_card_number;
use panvault_card::limits::PAN_DIGITS_MIN;
use serde_json::{Value, json};

use super::{Keyed, UNPRINTED, now};
use crate::bins::{self, Replacing};
use crate::cli::{BinFormat, BinImport};
use crate::commands::progress::Progress;
use crate::output;

const SOME_CARDS: &str = "16-digit cards of Visa, Mastercard, Discover, JCB and UnionPay";
const OTHER_CARDS: &str = "all other cards";
/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 256 * 1024;

/// Imports a list. Whatever goes wrong, the table before stays as it was: putting the new one in its place is the last thing that can
/// fail, so what becomes of the rows is printed before.
pub(super) fn run(args: &BinImport) -> anyhow::Result<()> {
    let layout = layout(args)?;
    let vault = Keyed::find(&args.shared)?;
    vault.place.private()?;
    let (list, metadata) = list(&args.file)?;
    let replacing = Replacing::begin(vault.path(), &vault.tags)?;
    // One that is damaged is about to be replaced: its version is not known, and the clock's is higher.
    let in_use = replacing.in_use().ok().flatten();
    let Imported { contents, report } = read(args, &layout, about(args, &replacing), list, &metadata)?;
    let file = contents.encode(&vault.tags);
    // What is not read back must not take the place of what is.
    let table = Table::read(&file, &vault.tags).with_context(|| {
        format!("{} makes no table that can be used, and the table before is untouched", args.file.display())
    })?;
    let doubts = report.doubts(in_use.as_ref().map(InUse::from), args.refused_max);
    let is_imported = doubts.is_empty() || args.force;
    let path = bins::path(vault.path());
    // Opened as late as can be: a server cannot start meanwhile.
    let trail = if is_imported { Some(vault.trail()?) } else { None };
    if args.shared.json {
        let members = json!({
            "imported": is_imported,
            "doubts": doubts.iter().map(Doubt::to_string).collect::<Vec<_>>(),
            "table_version": contents.about.version,
            "bytes": file.len(),
            "path": path,
        });
        output::first(report_json(&report, members).to_string()).context(UNPRINTED)?;
    } else {
        report_text(&report).context(UNPRINTED)?;
    }
    let Some(trail) = trail else { bail!(doubtful(args, &doubts)) };
    if !args.shared.json {
        let said = |doubt| output::first(format!("forced, although {doubt}"));
        doubts.iter().try_for_each(said).context(UNPRINTED)?;
    }
    trail.note(Some(table.id()), || replacing.finish(&file))?;
    if !args.shared.json {
        // It is in place, whether or not somebody reads this.
        drop(output::line(done(&contents, &report, file.len(), &path)));
    }
    Ok(())
}

/// Opens the list. A pipe or a device may have no end.
fn list(path: &Path) -> anyhow::Result<(File, Metadata)> {
    let opened = bins::open_regular(path);
    let unread = || format!("{} cannot be read", path.display());
    let Some((list, metadata)) = opened.map_err(|fault| match fault {
        bins::BinsFault::NotAFile => anyhow::anyhow!(
            "{} is a directory, a pipe or a device; name a list that is saved as a file",
            path.display()
        ),
        bins::BinsFault::Read(error) => anyhow::Error::new(error).context(unread()),
        bins::BinsFault::Unsafe(_) | bins::BinsFault::Exposed | bins::BinsFault::File(_) => {
            anyhow::Error::new(fault).context(unread())
        }
    })?
    else {
        bail!("{}: there is no such file", unread())
    };
    ensure!(
        metadata.len() <= LIST_BYTES_MAX,
        "{} is larger than a list can be: {LIST_BYTES_MAX} bytes",
        path.display()
    );
    Ok((list, metadata))
}

/// What is said of the table. Its version is higher than that of any that could be in use again.
fn about(args: &BinImport, replacing: &Replacing) -> About {
    let version = |table: Option<Table>| table.map_or(0, |table| table.about().version);
    let highest = version(replacing.in_use().ok().flatten()).max(version(replacing.before().ok().flatten()));
    let now = now();
    About {
        version: highest.saturating_add(1).max(u32::try_from(now.unix_seconds()).unwrap_or(u32::MAX)),
        imported_at: now,
        source: args.source.clone(),
        licence: args.licence.clone(),
        attribution: args.attribution.clone(),
    }
}

/// Reads the list as far as it went when it was opened.
fn read(
    args: &BinImport,
    layout: &Layout,
    about: About,
    list: File,
    metadata: &Metadata,
) -> anyhow::Result<Imported> {
    let again = list.try_clone()?;
    let mut progress = Progress::new("importing", metadata.len());
    let list = BufReader::with_capacity(BUFFER_BYTES, list.take(metadata.len()));
    let imported = import(list, layout, about, &mut |bytes| progress.at(bytes));
    progress.end();
    let now = again.metadata()?;
    ensure!(
        (now.len(), now.modified()?) == (metadata.len(), metadata.modified()?),
        "{} was changed while it was read, and the table before is untouched; import it when it is complete",
        args.file.display()
    );
    imported.map_err(|fault| refused(fault, args))
}

fn doubtful(args: &BinImport, doubts: &[Doubt]) -> String {
    let doubts: Vec<String> = doubts.iter().map(Doubt::to_string).collect();
    format!(
        "{} is not imported, and the table before is untouched: {}. Mend the list, raise --refused-max where it is about \
         refused rows, or import it all the same with --force",
        args.file.display(),
        doubts.join("; ")
    )
}

fn done(contents: &Contents, report: &Report, bytes: usize, path: &Path) -> String {
    format!(
        "table {} with {} ranges, {bytes} bytes: {}\na server that runs takes it up by itself; cards that are stored keep what \
         was known of them until panvault bin refresh; panvault bin restore brings the table before back",
        contents.about.version,
        report.ranges,
        path.display(),
    )
}

fn layout(args: &BinImport) -> anyhow::Result<Layout> {
    ensure!(
        args.columns.is_empty() || args.format == BinFormat::Csv,
        "--columns goes with --format csv; the other formats have columns of their own"
    );
    let digits = |pair: &String| pair.chars().filter(|symbol| symbol.is_numeric()).count();
    ensure!(
        args.columns.iter().all(|pair| digits(pair) < PAN_DIGITS_MIN)
            && !holds_card_number(&args.columns.join(",")),
        "--columns holds what could be a card number, and is not repeated"
    );
    let named = args.columns.iter().filter_map(|pair| pair.split_once('='));
    let unknown: Vec<&str> =
        named.map(|(what, _)| what).filter(|what| Column::parse(what).is_none()).collect();
    if !unknown.is_empty() {
        let all: Vec<&str> = Column::ALL.iter().map(|column| column.as_str()).collect();
        bail!("--columns does not know {}; it knows {}", unknown.join(", "), all.join(", "))
    }
    Ok(match args.format {
        BinFormat::BinListData => Layout::BinListData,
        BinFormat::BinlistRanges => Layout::BinlistRanges,
        BinFormat::Csv => {
            Layout::Csv(args.columns.iter().map(|pair| column(pair)).collect::<Result<_, _>>()?)
        }
    })
}

fn column(pair: &str) -> anyhow::Result<(Column, String)> {
    let (what, name) = pair.split_once('=').context("--columns takes WHAT=COLUMN, separated by commas")?;
    let column = Column::parse(what).context("--columns names what is not known")?;
    Ok((column, name.to_owned()))
}

fn refused(fault: ImportFault, args: &BinImport) -> anyhow::Error {
    if let ImportFault::Nothing(report) = &fault {
        if report.rows == 0 {
            return anyhow::anyhow!(
                "{}: the list has no row below its first line; the table before is untouched",
                args.file.display()
            );
        }
        // Why no row was taken is what one wants to know.
        let said = lines(report).join("\n  ");
        return anyhow::anyhow!("{}: {fault}; the table before is untouched\n  {said}", args.file.display());
    }
    let said = format!("{} is not imported, and the table before is untouched", args.file.display());
    anyhow::Error::new(fault).context(said)
}

fn report_text(report: &Report) -> anyhow::Result<()> {
    let refused = report.rows - report.taken;
    output::first(format!("{} rows: {} taken, {refused} refused", report.rows, report.taken))?;
    lines(report).iter().try_for_each(output::first)?;
    Ok(())
}

/// What was counted, one line each, with the lines of the list that are shown below it.
fn lines(report: &Report) -> Vec<String> {
    let mut said = Vec::new();
    for counted in &report.refused {
        tell("refused", counted, counted.kind.as_str(), &mut said);
    }
    for counted in &report.left_out {
        tell("left out", counted, counted.kind.as_str(), &mut said);
    }
    for counted in &report.contradictions {
        tell("contradiction", counted, counted.kind.as_str(), &mut said);
    }
    for Merged { digits, count, first } in &report.merged {
        let of = if *digits == ISSUER_DIGITS_MAX { SOME_CARDS } else { OTHER_CARDS };
        said.push(format!(
            "merged, {count} times: what the list says is not the same of all numbers with these {digits} digits, and stays \
             unknown of {of}: {}{}",
            first.join(", "),
            if *count > first.len() as u64 { ", …" } else { "" }
        ));
    }
    said
}

fn tell<K>(how: &str, counted: &Counted<K>, why: &str, said: &mut Vec<String>) {
    said.push(format!("{how}, {} times: {why}", counted.count));
    for Shown { line, what } in &counted.shown {
        let colon = if what.is_empty() { "" } else { ": " };
        said.push(format!("  line {line}{colon}{what}"));
    }
}

/// The report with further members.
fn report_json(report: &Report, more: Value) -> Value {
    let mut value = json!({
        "rows": report.rows,
        "taken": report.taken,
        "ranges": report.ranges,
        "refused": report.refused.iter().map(|counted| counted_json(counted, counted.kind.as_str())).collect::<Vec<_>>(),
        "left_out": report.left_out.iter().map(|counted| counted_json(counted, counted.kind.as_str())).collect::<Vec<_>>(),
        "contradictions":
            report.contradictions.iter().map(|counted| counted_json(counted, counted.kind.as_str())).collect::<Vec<_>>(),
        "merged": report.merged.iter().map(merged_json).collect::<Vec<_>>(),
    });
    if let (Some(members), Value::Object(more)) = (value.as_object_mut(), more) {
        members.extend(more);
    }
    value
}

fn merged_json(merged: &Merged) -> Value {
    json!({ "digits": merged.digits, "count": merged.count, "first": merged.first })
}

fn counted_json<K>(counted: &Counted<K>, why: &str) -> Value {
    let shown = |shown: &Shown| json!({ "line": shown.line, "what": shown.what });
    json!({ "reason": why, "count": counted.count, "first": counted.shown.iter().map(shown).collect::<Vec<_>>() })
}
