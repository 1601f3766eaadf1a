//! Who did what.

use std::net::Ipv6Addr;

use panvault_model::{ApiKeyId, Id, NodeId, OrganisationId, Timestamp};
use panvault_vault::{Action, AuditField, AuditNote, AuditRecord, RefusalReason, operation_name};

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

impl Actor {
    /// `None` where nobody knows who it was.
    fn of(note: &AuditNote) -> Option<Self> {
        (!note.is_anonymous()).then_some(Self(note.actor))
    }
}

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

/// Why somebody was refused.
fn reason(note: &AuditNote) -> Option<RefusalReason> {
    let is_refusal = matches!(note.action, Action::AccessRefuse | Action::SigninRefuse);
    RefusalReason::from_code(note.outcome).filter(|_| is_refusal)
}

object! {
    /// Who did what to what, when and from where. Of a card it has the id, and nothing else.
    Audit "AuditRecord" of record: AuditRecord, by AuditField {
        /// Names the record.
        always "_id" => RecordId = RecordId { writer: record.writer, place: record.place };
        /// When; of what is counted, when it was written down.
        always "created_at" => Timestamp = record.note.at, by CreatedAt;
        /// What was done.
        always "action" => Action = record.note.action, by Action;
        /// The API key that did it; of a card that was created without one, its organisation; of what a processor told by itself, that processor; `local` for a command on the vault's machine and for
        /// the vault itself. Left out of a request whose key is none, and of what more did than are told apart.
        optional "actor" => Actor = Actor::of(&record.note), by Actor;
        /// In whose organisation; left out for the vault as a whole, and where none is known.
        optional "organisation" => OrganisationId = given(*record.note.organisation.as_bytes()).map(OrganisationId::from_bytes), by Organisation;
        /// To what: the id of a card, a transaction, an organisation and so on; of what is counted the last one. Left out where it
        /// was done to nothing, to several at once, or was refused.
        optional "object" => Id = given(*record.note.object.as_bytes()).map(Id::from_bytes), by Object;
        /// In which request: its `X-Request-Id`. What is counted has none.
        optional "request" => Id = given(*record.note.request.as_bytes()).map(Id::from_bytes), by Request;
        /// From where; of failed sign-ins and of browsers' keys the first 64 bits of an IPv6 address. Left out of commands on the
        /// vault's machine, and of what came from several.
        optional "address" => Address = (record.note.address != [0; 16]).then_some(Address(record.note.address));
        /// Of `access_refuse` and `signin_refuse` the number of the reason; of `transaction_settle` the number of the status that it came to; of `card_update` 1 if more than the CVV changed; of `vault_unseal` the number of the slot, of `share_give` that of the share; of `audit_verify` how much was not as it should be, 255 for that many or more.
        always "outcome" => Number<0, 255> = Number(record.note.outcome.into());
        /// How often: reads and refusals are counted, and written down about once a minute.
        optional "count" => Number<1, 4_294_967_295> = record.note.counted.map(|counted| Number(counted.count().into()));
        /// The first of these.
        optional "first_at" => Timestamp = record.note.counted.map(|counted| counted.first_at(record.note.at));
        /// The last of these.
        optional "last_at" => Timestamp = record.note.counted.map(|counted| counted.last_at(record.note.at));
        /// Of `access_refuse` and `signin_refuse`, why; left out where there were several reasons.
        optional "reason" => RefusalReason = reason(&record.note);
        /// Of `access_refuse`, what was refused.
        optional "operation" => &'static str = record.note.counted.and_then(|counted| operation_name(counted.operation()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bug: what checkouts and seals did could not be looked for in the console. Its cause: a list of its own, that nobody added them to. Its cure: this.
    #[test]
    fn the_filter_of_the_console_has_every_action() {
        let screen = include_str!("../../../../web/console/screens/trail.tsx");
        for action in Action::ALL {
            let name = action.as_str();
            assert!(screen.contains(&format!("\"{name}\"")), "{name}");
        }
    }

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
