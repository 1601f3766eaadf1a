use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown, lchown};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::commands::setup::owner::Owner;

/// What was made beside the vault, so that it can be taken away when the vault is not made.
#[derive(Default)]
pub(super) struct Made {
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

impl Made {
    /// Makes a directory of the owner's for what goes there, when there is none and only root could make it.
    pub(super) fn directory(&mut self, path: &Path, owner: &Owner) -> anyhow::Result<()> {
        if !owner.is_other || path.exists() {
            return Ok(());
        }
        let cannot = || format!("{} cannot be made", path.display());
        if !is_of_root_alone(path) {
            // Somebody could lead root elsewhere.
            return owner.act(|| {
                let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
                made.with_context(|| format!("{} cannot be made by the user that it is for", path.display()))
            });
        }
        self.above(path).with_context(cannot)?;
        DirBuilder::new().mode(0o700).create(path).with_context(cannot)?;
        self.directories.push(path.to_owned());
        lchown(path, Some(owner.uid), Some(owner.gid)).with_context(cannot)
    }

    /// Writes settings. What root writes for the owner stays root's, and the owner's group reads it.
    pub(super) fn settings(&mut self, path: &Path, text: &str, owner: &Owner) -> anyhow::Result<()> {
        let (mode, group) = if owner.is_other { (0o640, Some(owner.gid)) } else { (0o600, None) };
        self.file(path, text, mode, group)
    }

    /// Writes what anybody may read.
    pub(super) fn unit(&mut self, path: &Path, text: &str) -> anyhow::Result<()> {
        self.file(path, text, 0o644, None)
    }

    /// Writes a new file, durably.
    fn file(&mut self, path: &Path, text: &str, mode: u32, group: Option<u32>) -> anyhow::Result<()> {
        let cannot = || format!("{} cannot be written", path.display());
        let parent = path.parent().unwrap_or(Path::new("/"));
        self.above(path).with_context(cannot)?;
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(cannot)?;
        self.files.push(path.to_owned());
        if group.is_some() {
            fchown(&file, None, group).with_context(cannot)?;
        }
        file.write_all(text.as_bytes())
            .and_then(|()| file.set_permissions(Permissions::from_mode(mode)))
            .and_then(|()| file.sync_all())
            .and_then(|()| File::open(parent)?.sync_all())
            .with_context(cannot)
    }

    /// Makes the directories above a path that are not there.
    fn above(&mut self, path: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = path.ancestors().skip(1).take_while(|above| !above.exists()).collect();
        for directory in missing.into_iter().rev() {
            fs::create_dir(directory)?;
            self.directories.push(directory.to_owned());
        }
        Ok(())
    }

    /// Takes all of it away again, and says what is left.
    pub(super) fn unmake(self) -> Option<String> {
        let mut left = Vec::new();
        for path in self.files.iter().rev() {
            if fs::remove_file(path).is_err() {
                left.push(path.display().to_string());
            }
        }
        for path in self.directories.iter().rev() {
            if fs::remove_dir(path).is_err() {
                left.push(path.display().to_string());
            }
        }
        (!left.is_empty()).then(|| format!("what is left and can be removed: {}", left.join(", ")))
    }
}

/// Whether only root can change what a path leads to: nobody else can write to what is there of it, or rename what is in it.
fn is_of_root_alone(path: &Path) -> bool {
    const OTHERS_WRITE: u32 = 0o022;
    const STICKY: u32 = 0o1000;
    path.ancestors().filter_map(|path| path.symlink_metadata().ok()).all(|found| {
        let mode = found.mode();
        found.is_dir() && found.uid() == 0 && (mode & OTHERS_WRITE == 0 || mode & STICKY != 0)
    })
}
