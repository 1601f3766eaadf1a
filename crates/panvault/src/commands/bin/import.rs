use std::fs::File;
use std::io::BufReader;

use anyhow::{Context, bail, ensure};
use panvault_bins::{About, Column, Counted, ImportFault, Imported, Layout, Report, Shown, Table, import};
use panvault_card::holds_card_number;
use serde_json::{Value, json};

use super::{directory, now, progress::Progress};
use crate::bins::{self, Replacing};
use crate::cli::{BinFormat, BinImport};
use crate::output;

/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 256 * 1024;

/// Imports a list. Whatever goes wrong, the table before stays as it was.
pub(super) fn run(args: &BinImport) -> anyhow::Result<()> {
    let layout = layout(args)?;
    let directory = directory(&args.shared)?;
    directory.private()?;
    let list = File::open(&args.file).with_context(|| format!("{} cannot be read", args.file.display()))?;
    let metadata = list.metadata()?;
    ensure!(!metadata.is_dir(), "{} is a directory; name the list in it", args.file.display());
    let replacing = Replacing::begin(&directory.path)?;
    // One that is damaged is about to be replaced; its version is not known, and the clock's is higher.
    let before = bins::read(&directory.path).ok().flatten().map_or(0, |table| table.about().version);
    let now = now();
    let about = About {
        version: before.saturating_add(1).max(u32::try_from(now.unix_seconds()).unwrap_or(u32::MAX)),
        imported_at: now,
        source: args.source.clone(),
        licence: args.licence.clone(),
        attribution: args.attribution.clone(),
    };
    let mut progress = Progress::new("importing", metadata.len());
    let list = BufReader::with_capacity(BUFFER_BYTES, list);
    let imported = import(list, &layout, about, &mut |bytes| progress.at(bytes));
    progress.end();
    let Imported { contents, report } = match imported {
        Ok(imported) => imported,
        Err(fault) => return Err(refused(fault, args)),
    };
    let file = contents.encode();
    // What is not read back must not take the place of what is.
    Table::read(&file).with_context(|| {
        format!("{} makes no table that can be used, and the table before is untouched", args.file.display())
    })?;
    replacing.finish(&file)?;
    if args.shared.json {
        let mut value = report_json(&report);
        if let Some(members) = value.as_object_mut() {
            members.insert("table_version".to_owned(), json!(contents.about.version));
            members.insert("bytes".to_owned(), json!(file.len()));
            members.insert("path".to_owned(), json!(bins::path(&directory.path)));
        }
        Ok(output::line(value.to_string())?)
    } else {
        report_text(&report)?;
        output::line(format!(
            "table {} with {} ranges, {} bytes: {}\na server that runs takes it up by itself; cards that are stored keep what \
             was known of them until panvault bin refresh",
            contents.about.version,
            report.ranges,
            file.len(),
            bins::path(&directory.path).display(),
        ))?;
        Ok(())
    }
}

fn layout(args: &BinImport) -> anyhow::Result<Layout> {
    ensure!(
        args.columns.is_empty() || args.format == BinFormat::Csv,
        "--columns goes with --format csv; the other formats have columns of their own"
    );
    ensure!(
        !args.columns.iter().any(|pair| holds_card_number(pair)),
        "--columns holds what could be a card number, and is not repeated"
    );
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
    let Some(column) = Column::parse(what) else {
        let all: Vec<&str> = Column::ALL.iter().map(|column| column.as_str()).collect();
        bail!("--columns does not know {what}; it knows {}", all.join(", "))
    };
    Ok((column, name.to_owned()))
}

fn refused(fault: ImportFault, args: &BinImport) -> anyhow::Error {
    if let ImportFault::Nothing(report) = &fault {
        // Why no row was taken is what one wants to know.
        let said = lines(report).join("\n  ");
        return anyhow::anyhow!("{}: {fault}; the table before is untouched\n  {said}", args.file.display());
    }
    let said = format!("{} is not imported, and the table before is untouched", args.file.display());
    anyhow::Error::new(fault).context(said)
}

fn report_text(report: &Report) -> anyhow::Result<()> {
    let refused = report.rows - report.taken;
    output::line(format!("{} rows: {} taken, {refused} refused", report.rows, report.taken))?;
    lines(report).iter().try_for_each(output::line)?;
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
    said
}

fn tell<K>(how: &str, counted: &Counted<K>, why: &str, said: &mut Vec<String>) {
    said.push(format!("{how}, {} times: {why}", counted.count));
    for Shown { line, what } in &counted.shown {
        let colon = if what.is_empty() { "" } else { ": " };
        said.push(format!("  line {line}{colon}{what}"));
    }
}

fn report_json(report: &Report) -> Value {
    json!({
        "rows": report.rows,
        "taken": report.taken,
        "ranges": report.ranges,
        "refused": report.refused.iter().map(|counted| counted_json(counted, counted.kind.as_str())).collect::<Vec<_>>(),
        "left_out": report.left_out.iter().map(|counted| counted_json(counted, counted.kind.as_str())).collect::<Vec<_>>(),
        "contradictions":
            report.contradictions.iter().map(|counted| counted_json(counted, counted.kind.as_str())).collect::<Vec<_>>(),
    })
}

fn counted_json<K>(counted: &Counted<K>, why: &str) -> Value {
    let shown = |shown: &Shown| json!({ "line": shown.line, "what": shown.what });
    json!({ "reason": why, "count": counted.count, "first": counted.shown.iter().map(shown).collect::<Vec<_>>() })
}
