//! Who did what.

use std::net::Ipv6Addr;

use panvault_model::{ApiKeyId, Id, NodeId, OrganisationId, Timestamp};
use panvault_vault::{Action, AuditField, AuditRecord};

use super::shown::write_text;
use super::{Number, Shape, Shown, object};

/// A record as the examples have it.
pub(crate) const EXAMPLE_RECORD: &str = "65f1c0de8a4b3c2d1e0f9a8b-1";

/// Names a record: who wrote it, and its place in what that has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordId {
    pub(crate) writer: NodeId,
    pub(crate) place: u64,
}

impl RecordId {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (writer, place) = text.split_once('-')?;
        let plain = place.bytes().all(|byte| byte.is_ascii_digit());
        let place = place.parse().ok().filter(|place| plain && *place > 0)?;
        Some(Self { writer: NodeId::parse(writer).ok()?, place })
    }
}

impl Shown for RecordId {
    const SHAPE: Shape = Shape::Pattern("^[0-9a-f]{24}-[1-9][0-9]*$", EXAMPLE_RECORD);

    fn write(&self, out: &mut Vec<u8>) {
        write_text(&format!("{}-{}", self.writer, self.place), out);
    }
}

/// The API key that did it, if one did.
struct Actor(Option<ApiKeyId>);

impl Shown for Actor {
    const SHAPE: Shape = Shape::IdOr(AuditRecord::LOCAL);

    fn write(&self, out: &mut Vec<u8>) {
        match self.0 {
            Some(key) => key.write(out),
            None => write_text(AuditRecord::LOCAL, out),
        }
    }
}

/// The other end of the connection.
struct Address([u8; 16]);

impl Shown for Address {
    const SHAPE: Shape = Shape::Address;

    fn write(&self, out: &mut Vec<u8>) {
        write_text(&Ipv6Addr::from(self.0).to_canonical().to_string(), out);
    }
}

/// What is not all zeroes.
fn given(bytes: [u8; 12]) -> Option<[u8; 12]> {
    (bytes != [0; 12]).then_some(bytes)
}

object! {
    /// Who did what to what, when and from where. Of a card it has the id, and nothing else.
    Audit "AuditRecord" of record: AuditRecord, by AuditField {
        /// Names the record.
        always "_id" => RecordId = RecordId { writer: record.writer, place: record.place };
        /// When.
        always "created_at" => Timestamp = record.note.at, by CreatedAt;
        /// What was done.
        always "action" => Action = record.note.action, by Action;
        /// The API key that did it; `local` for a command on the vault's machine and for the vault itself.
        always "actor" => Actor = Actor(record.note.actor), by Actor;
        /// In whose organisation; left out for the vault as a whole.
        optional "organisation" => OrganisationId = given(*record.note.organisation.as_bytes()).map(OrganisationId::from_bytes), by Organisation;
        /// To what: the id of a card, a transaction, an organisation and so on.
        always "object" => Id = record.note.object;
        /// In which request: its `X-Request-Id`.
        optional "request" => Id = given(*record.note.request.as_bytes()).map(Id::from_bytes);
        /// From where.
        optional "address" => Address = (record.note.address != [0; 16]).then_some(Address(record.note.address));
        /// Of `transaction_settle` the number of the status that it came to; of `card_update` 1 if more than the CVV changed.
        always "outcome" => Number<0, 255> = Number(record.note.outcome.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_writer_and_a_place() {
        let writer = "0123456789abcdef01234567";
        assert_eq!(RecordId::parse(&format!("{writer}-12")).map(|id| id.place), Some(12));
        for wrong in ["", "12", "-12", "x-12"].map(str::to_owned).into_iter().chain(
            ["", "-", "-0", "-+1", "-x", "-99999999999999999999", "-1-2"].map(|end| format!("{writer}{end}")),
        ) {
            assert!(RecordId::parse(&wrong).is_none(), "{wrong}");
        }
    }
}
