//! A full backup and the increments that go on from it, each from the one before.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use panvault_directory::Directory;
use panvault_model::Id;

use crate::data::backup::manifest::{Base, ReadManifest};
use crate::data::backup::{found, is_name, listed};

/// The backup that is meant, behind all that it needs.
pub(crate) struct Series {
    /// The full one first, the one that is meant last.
    paths: Vec<PathBuf>,
}

impl Series {
    /// Of one path: the backup that is meant, or the newest of those in a directory; what it goes on from is looked for beside it. Of several: all that belong to it, the full one first.
    pub(crate) fn found(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let meant = paths.iter().map(|path| found(path)).collect::<anyhow::Result<Vec<_>>>()?;
        match (meant.as_slice(), paths) {
            ([one], [named]) => {
                let is_named = one.file_name() == named.file_name();
                if !is_named {
                    nothing_goes_on_from(one)?;
                }
                Self::beside(one)
            }
            (several, _) => Self::named(several),
        }
    }

    /// The backup that is meant.
    pub(crate) fn newest(&self) -> anyhow::Result<&Path> {
        Ok(self.paths.last().context("no backup is named")?)
    }

    /// Those that it needs, each with the one that goes on from it, the latest first.
    pub(crate) fn bases(&self) -> impl Iterator<Item = (&Path, &Path)> {
        let pairs = self.paths.iter().zip(self.paths.iter().skip(1)).rev();
        pairs.map(|(base, next)| (base.as_path(), next.as_path()))
    }

    /// The full one, and the increments in their order.
    pub(crate) fn split(&self) -> anyhow::Result<(&Path, &[PathBuf])> {
        let (full, increments) = self.paths.split_first().context("no backup is named")?;
        Ok((full, increments))
    }

    pub(crate) fn is_incremental(&self) -> bool {
        self.paths.len() > 1
    }

    fn beside(newest: &Path) -> anyhow::Result<Self> {
        let mut paths = vec![newest.to_owned()];
        let mut next = read(newest)?;
        while let Some(base) = next.base() {
            let (shown, id) = (last(&paths)?.display().to_string(), base.id);
            let around = newest.parent().unwrap_or(Path::new("."));
            let path = beside_of(around, id)?.with_context(|| {
                format!(
                    "{shown} is an increment of backup {id}, and that is not beside it: put it there, or name all of them, the full one first"
                )
            })?;
            let read = read(&path)?;
            // Each ends before the one that goes on from it, so this comes to an end.
            goes_on(&shown, base, &path, &read)?;
            paths.push(path);
            next = read;
        }
        paths.reverse();
        Ok(Self { paths })
    }

    fn named(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut before: Option<(&PathBuf, ReadManifest)> = None;
        for path in paths {
            let read = read(path)?;
            let shown = path.display();
            match (&before, read.base()) {
                (None, None) => {}
                (None, Some(base)) => bail!(
                    "{shown} is an increment of backup {}: name that before it, and the full one first",
                    base.id
                ),
                (Some((before, _)), None) => bail!(
                    "{shown} is a full backup, and needs nothing of {} before it: name it alone",
                    before.display()
                ),
                (Some((before, known)), Some(base)) => goes_on(&shown.to_string(), base, before, known)?,
            }
            before = Some((path, read));
        }
        ensure!(before.is_some(), "no backup is named");
        Ok(Self { paths: paths.to_vec() })
    }
}

/// Refuses the newest by its name where another beside it goes on from it: a clock was set back between the two.
fn nothing_goes_on_from(newest: &Path) -> anyhow::Result<()> {
    let id = read(newest)?.id();
    let around = newest.parent().unwrap_or(Path::new("."));
    let (whole, _) = listed(around).with_context(|| format!("{} cannot be read", around.display()))?;
    let goes_on =
        |path: &&PathBuf| read(path).is_ok_and(|read| read.base().is_some_and(|base| base.id == id));
    match whole.iter().find(goes_on) {
        Some(later) => bail!(
            "{} is the newest by its name, and {} goes on from it: the clock was set back between them, so name the one that is meant",
            newest.display(),
            later.display()
        ),
        None => Ok(()),
    }
}

fn last(paths: &[PathBuf]) -> anyhow::Result<&PathBuf> {
    paths.last().context("no backup is named")
}

/// What it says, which nobody vouches for yet.
fn read(path: &Path) -> anyhow::Result<ReadManifest> {
    let backup = Directory::open(path).with_context(|| format!("{} cannot be used", path.display()))?;
    ReadManifest::of(&backup)
}

/// Refuses a backup that an increment does not go on from.
fn goes_on(shown: &str, base: &Base, path: &Path, known: &ReadManifest) -> anyhow::Result<()> {
    let path = path.display();
    ensure!(
        base.id == known.id(),
        "{shown} is an increment of backup {}, and {path} is backup {}: one is missing between them, or they are in another order",
        base.id,
        known.id()
    );
    ensure!(
        base.order == known.order(),
        "{shown} goes on behind step {}, and {path} ends with step {}: somebody has changed one of them",
        base.order,
        known.order()
    );
    Ok(())
}

/// The finished backup of this id in a directory.
fn beside_of(around: &Path, id: Id) -> anyhow::Result<Option<PathBuf>> {
    let (whole, _) = listed(around).with_context(|| format!("{} cannot be read", around.display()))?;
    let id = format!("-{id}");
    let is_it = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        is_name(name) && name.ends_with(&id)
    };
    Ok(whole.into_iter().find(is_it))
}
