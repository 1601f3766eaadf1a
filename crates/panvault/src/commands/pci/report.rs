//! A report: sections of rows, each with the requirements that it is about, and remarks on what somebody should look at.

use panvault_model::Timestamp;
use serde_json::{Map, Value, json};

/// The shape of the JSON.
const FORMAT: u32 = 1;

/// All that is reported, as of one moment.
pub(super) struct Report {
    pub(super) made_at: Timestamp,
    pub(super) vault: String,
    pub(super) mode: String,
    pub(super) version: String,
    pub(super) served: bool,
    pub(super) sections: Vec<Section>,
}

/// One subject.
pub(super) struct Section {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// Of PCI DSS 4.0.1.
    pub(super) requirements: &'static [&'static str],
    /// What they ask, in our words, and how this shows it.
    pub(super) meaning: &'static str,
    pub(super) columns: &'static [&'static str],
    pub(super) rows: Vec<Vec<String>>,
    pub(super) remarks: Vec<Remark>,
}

/// What somebody should look at.
pub(super) struct Remark {
    pub(super) requirement: &'static str,
    pub(super) what: String,
}

impl Report {
    pub(super) fn remarks(&self) -> usize {
        self.sections.iter().map(|section| section.remarks.len()).sum()
    }

    pub(super) fn json(&self) -> Value {
        let sections: Vec<Value> = self.sections.iter().map(Section::json).collect();
        json!({
            "format": FORMAT,
            "standard": "PCI DSS 4.0.1",
            "made_at": self.made_at.to_string(),
            "vault": self.vault,
            "mode": self.mode,
            "version": self.version,
            "served": self.served,
            "remarks": self.remarks(),
            "sections": sections,
        })
    }
}

impl Section {
    /// A cell that was left out of a row is not there either.
    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let cells = self.columns.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
            let cells = cells.map(|(name, cell)| ((*name).to_owned(), json!(cell)));
            Value::Object(cells.collect::<Map<_, _>>())
        });
        let remarks = self
            .remarks
            .iter()
            .map(|remark| json!({ "requirement": remark.requirement, "what": remark.what }));
        json!({
            "name": self.name,
            "title": self.title,
            "requirements": self.requirements,
            "rows": rows.collect::<Vec<_>>(),
            "remarks": remarks.collect::<Vec<_>>(),
        })
    }
}

/// A text of somebody else, on one line, in which nothing moves a cursor or turns the direction of what follows.
pub(super) fn plain(text: &str) -> String {
    let is_moving = |symbol: char| {
        symbol.is_control()
            || matches!(symbol, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
    };
    text.chars().map(|symbol| if is_moving(symbol) { '\u{FFFD}' } else { symbol }).collect()
}

/// The name of a column as people read it.
pub(super) fn heading(column: &str) -> String {
    column.replace('_', " ")
}
