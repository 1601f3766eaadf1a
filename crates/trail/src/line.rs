use panvault_keys::{CHECKPOINT_SIGNATURE_BYTES, CheckpointPublicKey, Sha256};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::limits::LINE_BYTES_MAX;

/// One line of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Who did what.
    Record(Box<Record>),
    /// A signature over the records before it.
    Checkpoint(Checkpoint),
    /// Another key signs from here on.
    Key(KeyStatement),
}

/// A record as it is exported. Members are named as in the API; ids are 24 hexadecimal digits, times RFC 3339 in UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Whose trail it is.
    pub vault: String,
    /// Counts the records of the export, from 1, without gaps.
    pub sequence: u64,
    /// The first 8 bytes, in hexadecimal digits, of the SHA-256 of the line before it; zeroes for the first of all.
    pub before: String,
    /// The node that wrote it.
    pub writer: String,
    /// Counts what that node wrote, from 1, without gaps.
    pub place: u64,
    /// When.
    pub created_at: String,
    /// What was done.
    pub action: String,
    /// The API key that did it; `local` for a command on the vault's machine and for the vault itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// In whose organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// To what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// In which request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What it came to, by a number that depends on the action.
    pub outcome: u8,
    /// How often, of what is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// The first of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_at: Option<String>,
    /// The last of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<String>,
    /// Why something was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
}

/// What the vault signs over the records since the checkpoint before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Whose trail it is.
    pub vault: String,
    /// Counts the checkpoints, from 1, without gaps.
    pub number: u64,
    /// The sequence of the first record that it signs.
    pub first: u64,
    /// The sequence of the last.
    pub last: u64,
    /// SHA-256 over the lines of these records, each with its line feed, in hexadecimal digits.
    pub records_sha256: String,
    /// SHA-256 of the line of the checkpoint before with its line feed, in hexadecimal digits; zeroes for the first.
    pub checkpoint_before: String,
    /// When it was made.
    pub created_at: String,
    /// [`key_id`] of the key that signs it.
    pub key: String,
    /// Ed25519 over `panvault-trail/1`, a line feed, and the line up to the comma before this member, in hexadecimal digits.
    pub signature: String,
}

/// Says that another key signs from here on, signed by the one that did so before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyStatement {
    /// Whose trail it is.
    pub vault: String,
    /// Counts the keys, from 1.
    pub version: u16,
    /// The new key, in hexadecimal digits.
    pub public_key: String,
    /// When it was made.
    pub created_at: String,
    /// [`key_id`] of the key that signs this.
    pub key: String,
    /// As that of a checkpoint.
    pub signature: String,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Written<'a> {
    Record(&'a Record),
    Checkpoint(&'a Checkpoint),
    Key(&'a KeyStatement),
}

#[derive(Deserialize)]
struct Kind {
    r#type: String,
}

/// Names a public key: the first 8 bytes of its SHA-256, in hexadecimal digits.
pub fn key_id(key: &CheckpointPublicKey) -> String {
    hex::encode(Sha256::of(key.as_bytes()).first_chunk::<8>().copied().unwrap_or_default())
}

impl Line {
    /// Its bytes, with the line feed. A line has one form.
    pub fn encode(&self) -> Vec<u8> {
        let written = match self {
            Self::Record(record) => Written::Record(record),
            Self::Checkpoint(checkpoint) => Written::Checkpoint(checkpoint),
            Self::Key(statement) => Written::Key(statement),
        };
        // What has texts and numbers only is always written.
        let mut line = serde_json::to_vec(&written).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// Reads a line that [`Line::encode`] wrote, with or without its line feed. `None` for anything else, also for what says the same in other bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        if text.len() >= LINE_BYTES_MAX {
            return None;
        }
        let kind: Kind = serde_json::from_slice(text).ok()?;
        let line = match kind.r#type.as_str() {
            "record" => Self::Record(Box::new(without_kind(text, "record")?)),
            "checkpoint" => Self::Checkpoint(without_kind(text, "checkpoint")?),
            "key" => Self::Key(without_kind(text, "key")?),
            _ => return None,
        };
        (line.encode().strip_suffix(b"\n") == Some(text)).then_some(line)
    }
}

/// The members behind the kind, which comes first.
pub(crate) fn without_kind<T: DeserializeOwned>(text: &[u8], kind: &str) -> Option<T> {
    let rest = text.strip_prefix(format!("{{\"type\":\"{kind}\",").as_bytes())?;
    serde_json::from_slice(&[b"{", rest].concat()).ok()
}

/// What of a line its signature is over.
pub(crate) fn signed(line: &[u8]) -> &[u8] {
    const MEMBER: &[u8] = b",\"signature\":\"";
    let at = line.windows(MEMBER.len()).rposition(|window| window == MEMBER);
    at.and_then(|at| line.get(..at)).unwrap_or_default()
}

/// The bytes of a signature. Its digits have one form.
pub(crate) fn signature(digits: &str) -> Option<[u8; CHECKPOINT_SIGNATURE_BYTES]> {
    let bytes: [u8; CHECKPOINT_SIGNATURE_BYTES] = hex::decode(digits).ok()?.try_into().ok()?;
    (hex::encode(bytes) == digits).then_some(bytes)
}

/// The beginning of the hash of a line, as the record behind it has it.
pub(crate) fn before(hash: &[u8; 32]) -> String {
    hex::encode(hash.first_chunk::<8>().copied().unwrap_or_default())
}
