use serde_json::Value;

use crate::commands::pci::gather::{Gathered, list, text};
use crate::commands::pci::report::{Remark, Section};
use crate::posture::Weakness;

impl Gathered {
    pub(super) fn weaknesses(&self) -> Section {
        let weaknesses = list(&self.posture, "weaknesses");
        let remarks = weaknesses.iter().map(|weakness| Remark {
            requirement: requirement(weakness),
            what: format!("{}: {}", text(weakness, "name"), text(weakness, "reason")),
        });
        Section {
            name: "weaknesses",
            title: "Settings that weaken something",
            requirements: &["2.2.1"],
            meaning: "Settings follow a standard for hardening. Every setting of Panvault that makes a vault weaker is looked at; those that do are named here.",
            columns: &[],
            rows: Vec::new(),
            remarks: remarks.collect(),
        }
    }
}

/// The requirement of a weakness, of those that there are.
fn requirement(weakness: &Value) -> &'static str {
    let named = weakness.get("name").and_then(Value::as_str);
    let mut all = Weakness::ALL.into_iter();
    all.find(|of| Some(of.as_str()) == named).map_or("2.2.1", Weakness::requirement)
}
