use std::io::Read;

use anyhow::{Context, bail, ensure};
use panvault_directory::Directory;
use panvault_keys::{BackupKey, FileDigest};
use panvault_model::{Id, NodeId, Tag, Timestamp, VaultId};
use panvault_store_postgres::ChainMark;
use panvault_vault::Mode;
use serde::{Deserialize, Serialize};

use crate::data::backup::{Digested, FRAMES, MANIFEST, PARTS};
use crate::data::{VIEW, mode_name, mode_parse};

const FORMAT: u32 = 2;
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
    /// Of a vault in its directory the tag of the commit that ends with that step: it stands for all before.
    pub(crate) end: Option<[u8; 32]>,
    /// Of an increment the backup that it goes on from.
    pub(crate) base: Option<Base>,
    /// In the order of their names.
    pub(super) parts: Vec<(&'static str, Digested)>,
}

/// The backup that an increment goes on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) id: Id,
    /// The last step that it has.
    pub(crate) order: u64,
    /// Of its manifest: so the tag of the increment's stands for that too, whatever key it was written under.
    pub(crate) sha256: [u8; 32],
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
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<WrittenBase>,
    parts: Vec<WrittenPart>,
    /// Over all the rest, without this member.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<WrittenTag>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBase {
    backup: String,
    order: u64,
    sha256: String,
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
    /// Of all its bytes.
    sha256: [u8; 32],
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
            end: self.end.map(hex::encode),
            base: self.base.as_ref().map(|base| WrittenBase {
                backup: base.id.to_string(),
                order: base.order,
                sha256: hex::encode(base.sha256),
            }),
            parts: parts.collect(),
            tag: None,
        }
    }
}

impl ReadManifest {
    /// Reads the one of a backup.
    pub(super) fn of(backup: &Directory) -> anyhow::Result<Self> {
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
        let mut digest = FileDigest::default();
        digest.update(&bytes);
        read(&written, digest.finish()).with_context(damaged)
    }

    /// What it says, if the vault of this key wrote it.
    pub(super) fn open(self, key: &BackupKey) -> anyhow::Result<Manifest> {
        let Self { manifest, tagged, tag, sha256: _ } = self;
        ensure!(
            key.tag_matches(&tagged, &tag),
            "{MANIFEST} was not written by the vault whose keys are beside it: somebody has changed it, or put together what does not belong together"
        );
        Ok(manifest)
    }

    /// What it says, if it is the one that a manifest names which the vault wrote.
    pub(super) fn open_as(self, base: &Base) -> Option<Manifest> {
        let is_it = self.sha256 == base.sha256 && self.id() == base.id && self.order() == base.order;
        is_it.then_some(self.manifest)
    }

    /// What an increment says that goes on from it.
    pub(super) fn as_base(&self) -> Base {
        Base { id: self.id(), order: self.order(), sha256: self.sha256 }
    }

    /// Whether the key is still there that it says it was written under.
    pub(super) fn has_key(&self, key: &BackupKey) -> bool {
        key.has_key_of(&self.tag)
    }

    /// Which backup it says that it is of.
    pub(super) const fn id(&self) -> Id {
        self.manifest.id
    }

    /// Which step it says that the backup ends with.
    pub(super) const fn order(&self) -> u64 {
        self.manifest.order
    }

    /// What it says that the backup goes on from.
    pub(super) const fn base(&self) -> Option<&Base> {
        self.manifest.base.as_ref()
    }

    /// Which vault it says that it is of.
    pub(super) const fn vault(&self) -> VaultId {
        self.manifest.vault
    }
}

/// `None` for what is never written so.
fn read(written: &Written, sha256: [u8; 32]) -> Option<ReadManifest> {
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
    let end = match &written.end {
        Some(end) => Some(unhex(end)?),
        None => None,
    };
    let base = match &written.base {
        Some(base) => {
            Some(Base { id: Id::parse(&base.backup).ok()?, order: base.order, sha256: unhex(&base.sha256)? })
        }
        None => None,
    };
    // What has rows, or what came to them since a base, says where that ends; a backup of a database has neither.
    let has = |name: &str| parts.iter().any(|(part, _)| *part == name);
    let is_one = match (&chains, &base) {
        (Some(_), None) => !has(VIEW) && !has(FRAMES) && end.is_none(),
        (None, None) => has(VIEW) && !has(FRAMES) && end.is_some(),
        (None, Some(base)) => !has(VIEW) && has(FRAMES) && end.is_some() && base.order < written.order,
        (Some(_), Some(_)) => false,
    };
    if !is_one {
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
        end,
        base,
        parts,
    };
    Some(ReadManifest { manifest, tagged, tag: Tag { key, bytes: unhex(&bytes)? }, sha256 })
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
