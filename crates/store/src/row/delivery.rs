//! A stored delivery of a webhook.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 1 |
//! | 12 | id |
//! | 12 | organisation |
//! | 4 | version |
//! | 12 | account |
//! | 1 | kind of the object |
//! | 12 | object |
//! | 4 | version of the object |
//! | text | status of the object |
//! | 6 | when the object came to it |
//! | text | URL |
//! | text | host and port of the URL |
//! | 1 | status |
//! | 1 | attempts |
//! | 6 | when it is tried next; of one that is over, when it is removed |
//! | 1 | why the last attempt came to nothing, or 0 |
//! | 2 | HTTP status of the last answer, or 0 |
//! | 6 | when it was made |
//! | 6 | when it last changed |
//! | tag | keyed tag over all of the above |

use panvault_model::{
    AccountId, DeliveryFault, DeliveryId, DeliveryStatus, Id, OrganisationId, Tag, Timestamp, WebhookObject,
};

use crate::codec::{Reader, RowFault, Writer};

/// What a receiver is to be told, and how far that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Names it.
    pub id: DeliveryId,
    /// The account's organisation.
    pub organisation: OrganisationId,
    /// Counts the changes of this row, from 1.
    pub version: u32,
    /// Whose secret it is signed with.
    pub account: AccountId,
    /// What it tells of.
    pub kind: WebhookObject,
    /// The transaction or refund.
    pub object: Id,
    /// Its version then: news of one object are delivered in this order.
    pub object_version: u32,
    /// Where that stood.
    pub object_status: String,
    /// Since when.
    pub object_updated_at: Timestamp,
    /// Where to. A shop may have put a secret into it.
    pub url: String,
    /// Its host and port: deliveries of one organisation to one of these share connections, and wait for each other.
    pub host: String,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// How often it was tried.
    pub attempts: u8,
    /// When it is tried next; of one that is over, when it is removed.
    pub due_at: Timestamp,
    /// Why the last attempt came to nothing.
    pub fault: Option<DeliveryFault>,
    /// The HTTP status of the last answer; 0 where there was none.
    pub answer: u16,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Keyed tag over all of the above, made by the vault.
    pub tag: Tag,
}

impl DeliveryRow {
    const FORMAT: u8 = 1;

    /// Whether it is still to be sent.
    pub const fn is_waiting(&self) -> bool {
        match self.status {
            DeliveryStatus::Waiting => true,
            DeliveryStatus::Delivered | DeliveryStatus::Failed => false,
        }
    }

    /// Whom it waits with.
    pub fn lane(&self) -> DeliveryLane {
        DeliveryLane { organisation: self.organisation, host: self.host.clone() }
    }

    /// Where it stands among those that are due with it.
    pub const fn place(&self) -> DeliveryPlace {
        (self.due_at, self.id)
    }

    /// Appends everything that the tag covers.
    pub fn encode_clear(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(Self::FORMAT);
        writer.fixed(self.id.as_bytes());
        writer.fixed(self.organisation.as_bytes());
        writer.u32(self.version);
        writer.fixed(self.account.as_bytes());
        writer.u8(self.kind.code());
        writer.fixed(self.object.as_bytes());
        writer.u32(self.object_version);
        writer.text(&self.object_status);
        writer.timestamp(self.object_updated_at);
        writer.text(&self.url);
        writer.text(&self.host);
        writer.u8(self.status.code());
        writer.u8(self.attempts);
        writer.timestamp(self.due_at);
        writer.u8(self.fault.map_or(0, DeliveryFault::code));
        writer.u16(self.answer);
        writer.timestamp(self.created_at);
        writer.timestamp(self.updated_at);
    }

    /// Appends the whole row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_clear(out);
        Writer::new(out).tag(&self.tag);
    }

    /// Reads a row that [`DeliveryRow::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::of_format(bytes, Self::FORMAT)?;
        let row = Self {
            id: DeliveryId::from_bytes(reader.fixed()?),
            organisation: OrganisationId::from_bytes(reader.fixed()?),
            version: reader.u32()?,
            account: AccountId::from_bytes(reader.fixed()?),
            kind: reader.code(WebhookObject::from_code)?,
            object: Id::from_bytes(reader.fixed()?),
            object_version: reader.u32()?,
            object_status: reader.text()?.to_owned(),
            object_updated_at: reader.timestamp()?,
            url: reader.text()?.to_owned(),
            host: reader.text()?.to_owned(),
            status: reader.code(DeliveryStatus::from_code)?,
            attempts: reader.u8()?,
            due_at: reader.timestamp()?,
            fault: reader.code_option(DeliveryFault::from_code)?,
            answer: reader.u16()?,
            created_at: reader.timestamp()?,
            updated_at: reader.timestamp()?,
            tag: reader.tag()?,
        };
        reader.end()?;
        Ok(row)
    }
}

/// Deliveries that share connections: of one organisation, to one host. One that does not answer delays no other lane.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryLane {
    /// Whose they are.
    pub organisation: OrganisationId,
    /// Host and port.
    pub host: String,
}

/// A place among deliveries that are due: in the order of their times, and then of their ids.
pub type DeliveryPlace = (Timestamp, DeliveryId);
