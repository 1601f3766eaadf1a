//! Backups: what a vault is made of, copied as of one commit, in a directory of its own.
//!
//! ```text
//! DEST/20261127T201834Z-69284f0a…/   one backup: its time and its id; 0700, files 0600
//!     vault.toml                      which vault it is
//!     keys.1, keys.2                  its header of keys: wrapped, opened by the slots that it had then
//!     view.sqlite                     all rows and the trail, as of one commit; or
//!     frames.log                      of an increment the commits behind the backup that it goes on from
//!     bins.table                      the table of issuers, where one was imported
//!     manifest.json                   what belongs to it, with digests and a tag; written last
//! ```
//!
//! Of a vault in a database it has no `view.sqlite`: the database's own tools copy the rows, and the manifest says how far the chain of each node had come before they did.
//!
//! What has no manifest is no backup. Whatever else is added, taken away or changed does not agree with it, and it bears a tag under a key of the vault.

mod apply;
mod change;
mod database;
mod export;
mod increment;
mod make;
mod manifest;
mod restore;
mod series;
mod verify;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use panvault_directory::Directory;
use panvault_keys::FileDigest;
use panvault_model::VaultId;

use crate::data::backup::manifest::ReadManifest;
use crate::data::header::COPIES;
use crate::data::{FILE, VIEW};

pub(crate) use apply::Applied;
pub(crate) use database::{restore_database, verify_database};
pub(crate) use export::{Export, Since};
pub(crate) use make::{BackedUp, Backups, Made};
pub(crate) use restore::{RestoredVault, restore};
pub(crate) use series::Series;
pub(crate) use verify::{Verified, verify};

/// What says what belongs to a backup.
const MANIFEST: &str = "manifest.json";
/// The same in the making.
const MANIFEST_NEW: &str = "manifest.json.new";
const BINS: &str = "bins.table";
/// Of an increment, what came behind the backup that it goes on from.
pub(super) const FRAMES: &str = "frames.log";
/// All that a backup may have beside its manifest, in the order of their names.
const PARTS: [&str; 6] = [BINS, FRAMES, COPIES[0], COPIES[1], FILE, VIEW];
/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 20;
/// Digits of the time in the name of a backup, with a `T` and a `Z` among them.
const TIME_CHARACTERS: usize = 16;
/// Digits of its id.
const ID_CHARACTERS: usize = 24;

/// Whether a directory is called as backups are.
fn is_name(name: &str) -> bool {
    let Some((time, id)) = name.split_once('-') else { return false };
    time.len() == TIME_CHARACTERS
        && id.len() == ID_CHARACTERS
        && time.bytes().all(|byte| byte.is_ascii_digit() || byte == b'T' || byte == b'Z')
        && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// What is called as backups are in a directory of backups, oldest first: with a manifest, and without.
fn listed(destination: &Path) -> io::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(destination)? {
        let entry = entry?;
        // A link is none, whatever it leads to.
        if entry.file_type()?.is_dir() {
            names.extend(entry.file_name().to_str().filter(|name| is_name(name)).map(str::to_owned));
        }
    }
    names.sort_unstable();
    let is_whole = |path: &PathBuf| path.join(MANIFEST).symlink_metadata().is_ok();
    Ok(names.into_iter().map(|name| destination.join(name)).partition(is_whole))
}

/// The backup that is meant: this one, or the newest of those in this directory.
fn found(path: &Path) -> anyhow::Result<PathBuf> {
    let itself: PathBuf = std::path::absolute(path)?.components().collect();
    let is_link = itself.symlink_metadata().is_ok_and(|found| found.is_symlink());
    ensure!(!is_link, "{} is a symbolic link: name the directory that it leads to", itself.display());
    if itself.join(MANIFEST).symlink_metadata().is_ok() {
        return Ok(itself);
    }
    let name = itself.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    ensure!(
        !(is_name(name) && itself.is_dir()),
        "{} has no {MANIFEST}: it was never finished, and is no backup; remove it, and take another",
        itself.display()
    );
    let (mut whole, unfinished) =
        listed(&itself).with_context(|| format!("{} cannot be read", itself.display()))?;
    match whole.pop() {
        Some(newest) => Ok(newest),
        None if unfinished.is_empty() => bail!("there is no backup in {}", itself.display()),
        None => bail!(
            "there is no finished backup in {}: {} of them were begun, and have no {MANIFEST}",
            itself.display(),
            unfinished.len()
        ),
    }
}

/// The newest of those in a directory that are of this vault and of a format that is read.
fn newest_of(directory: &Path, vault: VaultId) -> anyhow::Result<Option<PathBuf>> {
    let whole = match listed(directory) {
        Ok((whole, _)) => whole,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", directory.display())),
    };
    let is_ours = |path: &PathBuf| {
        let read = Directory::open(path).ok().and_then(|backup| ReadManifest::of(&backup).ok());
        read.is_some_and(|read| read.vault() == vault)
    };
    Ok(whole.into_iter().rev().find(is_ours))
}

/// A file of a backup, as its manifest tells of it.
struct Digested {
    bytes: u64,
    sha256: [u8; 32],
}

/// Reads a file to its end, and hands out all of it.
fn digested(
    directory: &Directory,
    name: &str,
    each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Digested> {
    let mut file = directory.read(name)?;
    let (mut digest, mut bytes) = (FileDigest::default(), 0_u64);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = file.read(&mut buffer)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
        digest.update(part);
        each(part)?;
        bytes = bytes.saturating_add(part.len() as u64);
    }
    Ok(Digested { bytes, sha256: digest.finish() })
}

#[cfg(test)]
mod tests;
