use serde_json::Value;

use crate::commands::pci::Trail;
use crate::commands::pci::gather::{Gathered, list, text};
use crate::commands::pci::report::{Remark, Section};

impl Gathered {
    pub(super) fn trail(&self, trail: &Trail) -> Section {
        let whole = if trail.findings.is_empty() { "yes" } else { "no" };
        let head = self.head.as_ref();
        let of_head = |name| head.map(|head| text(head, name)).unwrap_or_default();
        let rows = [
            ("verified", self.now.to_string()),
            ("whole", whole.to_owned()),
            ("records", trail.records.to_string()),
            ("chains", trail.chains.to_string()),
            ("newest record", of_head("_id")),
            ("written", of_head("created_at")),
        ];
        let rows = rows.into_iter().map(|(what, value)| vec![what.to_owned(), value]);
        let remarks = trail.findings.iter().map(|what| Remark { requirement: "10.3.4", what: what.clone() });
        let (elsewhere, missed) = elsewhere(&self.status, &trail.destinations);
        Section {
            name: "trail",
            title: "Audit trail",
            requirements: &["10.2.1", "10.2.2", "10.3.2", "10.3.3", "10.3.4", "10.5.1"],
            meaning: "Who did what is written down, and nobody changes that unseen. For this report every record was held against its chain, and the rows against what the trail says of them.",
            columns: &["what", "value"],
            rows: rows.chain(elsewhere).chain(encrypted(trail)).collect(),
            remarks: remarks.chain(missed).collect(),
        }
    }
}

/// Where the trail goes to and how far that is, and what is to be said of it. A process that serves the vault says so; where none does, the settings name them.
fn elsewhere(status: &Value, set: &[String]) -> (Vec<Vec<String>>, Vec<Remark>) {
    let remark = |what: String| Remark { requirement: "10.3.3", what };
    let sent = list(status, "trail_destinations");
    let told: Vec<_> = sent.iter().map(|at| text(at, "name")).collect();
    let rows = sent.iter().map(|at| {
        let (records, seconds) = (text(at, "records_behind"), text(at, "lag_seconds"));
        vec![format!("sent to {}", text(at, "name")), format!("{records} records behind, for {seconds} s")]
    });
    let unserved = set.iter().filter(|name| !told.contains(name));
    let unserved = unserved.map(|name| vec![format!("sent to {name}"), "set; not served".to_owned()]);
    let rows: Vec<_> = rows.chain(unserved).collect();
    let mut remarks: Vec<_> = sent
        .iter()
        .filter_map(|at| at.get("fault").and_then(Value::as_str).map(|fault| (text(at, "name"), fault)))
        .map(|(name, fault)| remark(format!("the destination {name} did not take the trail: {fault}")))
        .collect();
    if rows.is_empty() {
        remarks.push(remark(
            "the trail leaves this machine nowhere: set trail_file, trail_syslog or trail_https, or copy it elsewhere promptly".to_owned(),
        ));
    }
    (rows, remarks)
}

/// Who can read what leaves.
fn encrypted(trail: &Trail) -> impl Iterator<Item = Vec<String>> {
    let is_plain = trail.recipients.is_empty() && !trail.destinations.is_empty();
    let plain = is_plain.then(|| "not encrypted: whoever has a copy reads who did what".to_owned());
    trail.recipients.iter().cloned().chain(plain).map(|whom| vec!["encrypted to".to_owned(), whom])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_trail_that_leaves_the_machine_nowhere_is_remarked_and_so_is_one_that_is_not_taken() {
        let remarks = |status: &Value, set: &[String]| {
            elsewhere(status, set).1.into_iter().map(|remark| remark.what).collect::<Vec<_>>()
        };
        let nowhere = remarks(&json!({}), &[]);
        assert!(nowhere.len() == 1 && nowhere[0].starts_with("the trail leaves this machine nowhere"));
        assert!(remarks(&json!({}), &["file".to_owned()]).is_empty());
        let at = |name: &str| json!({ "name": name, "records_behind": 0, "lag_seconds": 0 });
        let mut late = at("syslog");
        late["fault"] = json!("it took too long");
        let served = json!({ "trail_destinations": [at("file"), late] });
        assert_eq!(
            remarks(&served, &[]),
            ["the destination syslog did not take the trail: it took too long"]
        );
        assert_eq!(elsewhere(&served, &["file".to_owned()]).0.len(), 2, "each once");
    }
}
