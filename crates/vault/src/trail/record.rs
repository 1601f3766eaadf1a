use std::net::Ipv6Addr;

use panvault_model::Id;
use panvault_store::{Action, AuditRecord, RefusalReason};
use panvault_trail::Record;

use crate::audit::operation_name;

/// A record as it is exported; its place in the export is set where it is written.
pub fn exported(record: &AuditRecord) -> Record {
    let note = &record.note;
    let given = |bytes: [u8; 12]| (bytes != [0; 12]).then(|| Id::from_bytes(bytes).to_string());
    let is_refusal = matches!(note.action, Action::AccessRefuse | Action::SigninRefuse);
    let reason = RefusalReason::from_code(note.outcome).filter(|_| is_refusal);
    let operation = note.counted.and_then(|counted| operation_name(counted.operation()));
    Record {
        vault: String::new(),
        sequence: 0,
        before: String::new(),
        writer: record.writer.to_string(),
        place: record.place,
        created_at: note.at.to_string(),
        action: note.action.as_str().to_owned(),
        actor: (!note.is_anonymous())
            .then(|| note.actor.map_or_else(|| AuditRecord::LOCAL.to_owned(), |key| key.to_string())),
        organisation: given(*note.organisation.as_bytes()),
        object: given(*note.object.as_bytes()),
        request: given(*note.request.as_bytes()),
        address: (note.address != [0; 16]).then(|| Ipv6Addr::from(note.address).to_canonical().to_string()),
        outcome: note.outcome,
        count: note.counted.map(|counted| counted.count()),
        first_at: note.counted.map(|counted| counted.first_at(note.at).to_string()),
        last_at: note.counted.map(|counted| counted.last_at(note.at).to_string()),
        reason: reason.map(|reason| reason.as_str().to_owned()),
        operation: operation.map(str::to_owned),
    }
}
