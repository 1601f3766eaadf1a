use std::io::Read;

use anyhow::{Context, bail, ensure};
use panvault_directory::Directory;
use panvault_keys::BackupKey;
use panvault_model::{Id, NodeId, Tag, Timestamp, VaultId};
use panvault_store_postgres::ChainMark;
use panvault_vault::Mode;
use serde::{Deserialize, Serialize};

use crate::data::backup::{Digested, MANIFEST, PARTS};
use crate::data::{mode_name, mode_parse};

const FORMAT: u32 = 1;
/// Bytes of a manifest at most: one of a database has some hundred for each node that ever began.
pub(super) const BYTES_MAX: u64 = 4 << 20;

/// What belongs to a backup.
pub(crate) struct Manifest {
    pub(crate) id: Id,
    pub(crate) vault: VaultId,
    pub(crate) mode: Mode,
    /// When it was begun.
    pub(crate) made_at: Timestamp,
    /// Which program made it.
    pub(crate) version: String,
    /// The last durable step that it has: the place of the last record of its trail; where nodes share the vault, how many records they have written.
    pub(crate) order: u64,
    /// Of a vault in a database how far the chain of each node had come, in the order of their ids; `None` of a vault in its directory.
    pub(crate) chains: Option<Vec<ChainMark>>,
    /// In the order of their names.
    pub(super) parts: Vec<(&'static str, Digested)>,
}

/// The same as it is written, with its members in this order.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: u32,
    backup: String,
    vault: String,
    mode: String,
    made_at: String,
    version: String,
    order: u64,
    /// Writer, place and tag of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    chains: Option<Vec<String>>,
    parts: Vec<WrittenPart>,
    /// Over all the rest, without this member.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<WrittenTag>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPart {
    name: String,
    bytes: u64,
    sha256: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTag {
    key: u16,
    bytes: String,
}

/// What every format says first.
#[derive(Deserialize)]
struct AnyWritten {
    format: u32,
}

/// A manifest that was read. Nobody vouches for it before [`ReadManifest::open`].
pub(super) struct ReadManifest {
    manifest: Manifest,
    tagged: Vec<u8>,
    tag: Tag,
}

impl Manifest {
    /// Its bytes, with the tag of a key.
    pub(super) fn encode(&self, key: &BackupKey) -> anyhow::Result<Vec<u8>> {
        let written = self.written();
        let tag = key
            .tag(&bytes_of(&written)?)
            .context("the keys were replaced while it was made: make it again")?;
        let tag = WrittenTag { key: tag.key, bytes: hex::encode(tag.bytes) };
        bytes_of(&Written { tag: Some(tag), ..written })
    }

    fn written(&self) -> Written {
        let parts = self.parts.iter().map(|(name, part)| WrittenPart {
            name: (*name).to_owned(),
            bytes: part.bytes,
            sha256: hex::encode(part.sha256),
        });
        Written {
            format: FORMAT,
            backup: self.id.to_string(),
            vault: self.vault.to_string(),
            mode: mode_name(self.mode).to_owned(),
            made_at: self.made_at.to_string(),
            version: self.version.clone(),
            order: self.order,
            chains: self.chains.as_ref().map(|marks| marks.iter().map(mark_text).collect()),
            parts: parts.collect(),
            tag: None,
        }
    }

    /// Reads the one of a backup.
    pub(super) fn read(backup: &Directory) -> anyhow::Result<ReadManifest> {
        let shown = backup.path().join(MANIFEST);
        let mut bytes = Vec::new();
        backup
            .read(MANIFEST)
            .and_then(|file| file.take(BYTES_MAX).read_to_end(&mut bytes))
            .with_context(|| format!("{} cannot be read", shown.display()))?;
        let damaged = || format!("{} is not what panvault wrote", shown.display());
        let AnyWritten { format } = serde_json::from_slice(&bytes).map_err(|_| anyhow::anyhow!(damaged()))?;
        if format != FORMAT {
            bail!(
                "{} has format {format}, which this version does not know; use the version that wrote it",
                shown.display()
            );
        }
        let written: Written = serde_json::from_slice(&bytes).map_err(|_| anyhow::anyhow!(damaged()))?;
        // Exactly what is written of it, so that no byte says something that is not looked at.
        ensure!(bytes_of(&written)? == bytes, "{}", damaged());
        read(&written).with_context(damaged)
    }
}

impl ReadManifest {
    /// What it says, if the vault of this key wrote it.
    pub(super) fn open(self, key: &BackupKey) -> anyhow::Result<Manifest> {
        let Self { manifest, tagged, tag } = self;
        ensure!(
            key.tag_matches(&tagged, &tag),
            "{MANIFEST} was not written by the vault whose keys are beside it: somebody has changed it, or put together what does not belong together"
        );
        Ok(manifest)
    }

    /// Which vault it says that it is of.
    pub(super) const fn vault(&self) -> VaultId {
        self.manifest.vault
    }
}

/// `None` for what is never written so.
fn read(written: &Written) -> Option<ReadManifest> {
    let WrittenTag { key, bytes } = written.tag.clone()?;
    let tagged = bytes_of(&Written { tag: None, ..written.clone() }).ok()?;
    let mut parts = Vec::new();
    for part in &written.parts {
        let name = PARTS.into_iter().find(|name| *name == part.name)?;
        // Each once, in their order.
        if parts.last().is_some_and(|(before, _)| *before >= name) {
            return None;
        }
        parts.push((name, Digested { bytes: part.bytes, sha256: unhex(&part.sha256)? }));
    }
    let chains = match &written.chains {
        Some(texts) => Some(texts.iter().map(|text| mark_parse(text)).collect::<Option<Vec<_>>>()?),
        None => None,
    };
    if chains
        .iter()
        .flatten()
        .zip(chains.iter().flatten().skip(1))
        .any(|(one, next)| one.writer >= next.writer)
    {
        return None;
    }
    let manifest = Manifest {
        id: Id::parse(&written.backup).ok()?,
        vault: VaultId::parse(&written.vault).ok()?,
        mode: mode_parse(&written.mode)?,
        made_at: Id::parse(&written.backup).ok()?.made_at(),
        version: written.version.clone(),
        order: written.order,
        chains,
        parts,
    };
    Some(ReadManifest { manifest, tagged, tag: Tag { key, bytes: unhex(&bytes)? } })
}

fn mark_text(mark: &ChainMark) -> String {
    format!("{} {} {}", mark.writer, mark.place, hex::encode(mark.tag))
}

fn mark_parse(text: &str) -> Option<ChainMark> {
    let mut words = text.split(' ');
    let mark = ChainMark {
        writer: NodeId::parse(words.next()?).ok()?,
        place: words.next()?.parse().ok()?,
        tag: unhex(words.next()?)?,
    };
    words.next().is_none().then_some(mark)
}

/// For people too, and for nobody who would have to sort members.
fn bytes_of(written: &Written) -> anyhow::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(written)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}
