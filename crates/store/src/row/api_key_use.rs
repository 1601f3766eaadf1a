//! When an API key was last used. It changes often, so it is apart from the key's document, which the head of the documents covers.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | format, 1 |
//! | 12 | API key |
//! | 6 | when it was used |
//! | 18 | keyed tag over all of the above |

use panvault_model::{ApiKeyId, Tag, Timestamp};

use crate::codec::{Reader, RowFault, Writer};

/// When an API key was last used, as of some minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyUseRow {
    /// The key.
    pub api_key: ApiKeyId,
    /// When it was used.
    pub used_at: Timestamp,
    /// Keyed tag over all of the above, made by the vault.
    pub tag: Tag,
}

impl ApiKeyUseRow {
    const FORMAT: u8 = 1;

    /// The minute of the use, since the beginning of 1970: nobody writes it twice.
    pub fn version(&self) -> u32 {
        u32::try_from(self.used_at.unix_millis() / 60_000).unwrap_or(u32::MAX)
    }

    /// Appends everything that the tag covers.
    pub fn encode_clear(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(Self::FORMAT);
        writer.fixed(self.api_key.as_bytes());
        writer.timestamp(self.used_at);
    }

    /// Appends the whole row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_clear(out);
        Writer::new(out).tag(&self.tag);
    }

    /// Reads a row that [`ApiKeyUseRow::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowFault> {
        let mut reader = Reader::of_format(bytes, Self::FORMAT)?;
        let row = Self {
            api_key: ApiKeyId::from_bytes(reader.fixed()?),
            used_at: reader.timestamp()?,
            tag: reader.tag()?,
        };
        reader.end()?;
        Ok(row)
    }
}
