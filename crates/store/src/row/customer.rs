//! A stored customer. Nothing personal stands in clear.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 1 |
//! | 12 | id |
//! | 12 | organisation |
//! | 4 | version |
//! | 1 or 17 | digest of the e-mail address: 0, or 1 and the digest |
//! | 4 | version of the digest's key; 0 without a digest |
//! | 6 | when it was made |
//! | 6 | when it last changed |
//! | 4 | version when it was sealed |
//! | 6 | when that was |
//! | 1 | how many cards |
//! | 12 each | cards that it was used with, the oldest first |
//! | tag | keyed tag over all of the above and the sealed part; zeroes in an idempotency record |
//! | the rest | sealed part; empty in an idempotency record |

use panvault_model::{CardId, CustomerId, EmailDigest, OrganisationId, Sealed, Tag, Timestamp};

use crate::codec::{Reader, RowFault, Writer};

/// A stored customer. Everything but `sealed` and `tag` is clear, and bound to `sealed` as associated data; only `version`, `updated_at` and
/// `cards` are not, which move when a card is used with it, for which nothing is opened and sealed anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerRow {
    /// Names it.
    pub id: CustomerId,
    /// Whose customer it is.
    pub organisation: OrganisationId,
    /// Counts the changes of this row, from 1.
    pub version: u32,
    /// Keyed digest of its e-mail address, if it has one.
    pub email: Option<EmailDigest>,
    /// Version of the key that made the digest.
    pub email_key: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed, its cards included.
    pub updated_at: Timestamp,
    /// Its version when its details last changed: they were sealed then.
    pub sealed_version: u32,
    /// When that was.
    pub sealed_at: Timestamp,
    /// Cards that it was used with, the oldest first.
    pub cards: Vec<CardId>,
    /// Its personal details.
    pub sealed: Sealed,
    /// Keyed tag over all of the above, made by the vault: the row is held against it without being opened.
    pub tag: Tag,
}

impl CustomerRow {
    const FORMAT: u8 = 1;

    /// Appends the clear fields that are bound to the sealed part, beside id, organisation and its version then.
    pub fn encode_clear(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        self.encode_email(&mut writer);
        writer.timestamp(self.created_at);
        writer.timestamp(self.sealed_at);
    }

    /// Appends what the tag is over beside those, and the sealed part is not bound to.
    pub fn encode_tagged_only(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u32(self.sealed_version);
        writer.timestamp(self.updated_at);
        self.encode_cards(&mut writer);
    }

    /// Appends the whole row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(Self::FORMAT);
        writer.fixed(self.id.as_bytes());
        writer.fixed(self.organisation.as_bytes());
        writer.u32(self.version);
        self.encode_email(&mut writer);
        writer.timestamp(self.created_at);
        writer.timestamp(self.updated_at);
        writer.u32(self.sealed_version);
        writer.timestamp(self.sealed_at);
        self.encode_cards(&mut writer);
        writer.tag(&self.tag);
        writer.fixed(self.sealed.as_bytes());
    }

    fn encode_email(&self, writer: &mut Writer<'_>) {
        writer.u8(u8::from(self.email.is_some()));
        if let Some(digest) = &self.email {
            writer.fixed(digest.as_bytes());
        }
        writer.u32(self.email_key);
    }

    fn encode_cards(&self, writer: &mut Writer<'_>) {
        writer.u8(u8::try_from(self.cards.len()).unwrap_or(u8::MAX));
        self.cards.iter().for_each(|card| writer.fixed(card.as_bytes()));
    }

    /// Reads a row that [`CustomerRow::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::of_format(bytes, Self::FORMAT)?;
        Ok(Self {
            id: CustomerId::from_bytes(reader.fixed()?),
            organisation: OrganisationId::from_bytes(reader.fixed()?),
            version: reader.u32()?,
            email: if reader.flag()? { Some(EmailDigest::from_bytes(reader.fixed()?)) } else { None },
            email_key: reader.u32()?,
            created_at: reader.timestamp()?,
            updated_at: reader.timestamp()?,
            sealed_version: reader.u32()?,
            sealed_at: reader.timestamp()?,
            cards: decode_cards(&mut reader)?,
            tag: reader.tag()?,
            sealed: Sealed::from_bytes(reader.rest()),
        })
    }

    /// The row as an answer keeps it: without the sealed part and the digest, which must go when the customer goes, and the tag over them.
    #[must_use]
    pub fn without_details(&self) -> Self {
        Self { email: None, email_key: 0, sealed: Sealed::from_bytes([]), tag: Tag::NONE, ..self.clone() }
    }
}

fn decode_cards(reader: &mut Reader<'_>) -> Result<Vec<CardId>, RowFault> {
    let count = reader.u8()?;
    (0..count).map(|_| reader.fixed().map(CardId::from_bytes)).collect()
}
