use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use panvault_keys::{OrganisationKey, Purpose, VaultKeys};
use panvault_model::{OrganisationId, ProcessorId};
use panvault_store::{DocumentKind, DocumentRow, ProcessorRow};

use crate::document::head::Head;
use crate::seal;

/// Id and type, `card_…`, of each processor among documents.
pub fn processor_types(rows: &[Arc<DocumentRow>]) -> Vec<(ProcessorId, String)> {
    let processors = rows.iter().filter(|row| row.kind == DocumentKind::Processor);
    let decoded = processors.filter_map(|row| ProcessorRow::decode(&row.body).ok());
    decoded.map(|row| (row.id, row.type_name)).collect()
}

/// What is wrong with documents that a vault does not take up, as far as it can be said of which: an exclusive or only says that
/// something is. Empty for those that it takes up, but for a rolled back state of all of them.
pub fn documents_differ(keys: &VaultKeys, rows: &[Arc<DocumentRow>]) -> Vec<String> {
    let mut findings = Vec::new();
    let (mut ids, mut heads) = (BTreeSet::new(), 0);
    let mut purposes: BTreeMap<OrganisationId, BTreeSet<Purpose>> = BTreeMap::new();
    for row in rows {
        let name = name(row.kind);
        if seal::document_verify(keys, row).is_err() {
            findings.push(format!("{name} {} is not what the vault wrote", row.id));
        } else if row.kind == DocumentKind::DocumentHead {
            heads += 1;
            if Head::open(row, keys).is_err() {
                findings.push("the head of the documents does not open".to_owned());
            }
        } else if let Ok(key) = OrganisationKey::decode(&row.body)
            && row.kind == DocumentKind::OrganisationKey
        {
            purposes.entry(key.organisation).or_default().insert(key.purpose);
        }
        if !ids.insert((row.kind, row.id)) {
            findings.push(format!("{name} {} is there twice", row.id));
        }
    }
    if heads != usize::from(rows.iter().any(|row| !row.kind.is_beside())) {
        findings.push(format!("there are {heads} heads of documents"));
    }
    for (_, id) in ids.iter().filter(|(kind, _)| *kind == DocumentKind::Organisation) {
        let found = purposes.remove(&OrganisationId(*id)).unwrap_or_default();
        for purpose in Purpose::ALL.into_iter().filter(|purpose| !found.contains(purpose)) {
            let what = match purpose {
                Purpose::Data => "data",
                Purpose::Fingerprint => "fingerprint",
            };
            findings.push(format!("organisation {id} has no {what} key that the vault wrote"));
        }
    }
    findings
        .extend(purposes.keys().map(|id| format!("there are keys of organisation {id}, which is not there")));
    findings
}

const fn name(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::Organisation => "organisation",
        DocumentKind::Account => "account",
        DocumentKind::Processor => "processor",
        DocumentKind::ApiKey => "API key",
        DocumentKind::OrganisationKey => "organisation's key",
        DocumentKind::DocumentHead => "head of documents",
        DocumentKind::AuditCheckpoint => "checkpoint of the audit trail",
        DocumentKind::AuditEnd => "end of the audit trail of node",
        DocumentKind::AuditStart => "beginning of the audit trail of node",
        DocumentKind::ChangeLog => "log of changes of documents",
        DocumentKind::Logo => "logo of organisation",
        DocumentKind::TrailState => "state of the exported trail",
        DocumentKind::TrailCheckpoint => "checkpoint of the exported trail",
        DocumentKind::HandOver => "what is handed over of the header of keys",
    }
}
