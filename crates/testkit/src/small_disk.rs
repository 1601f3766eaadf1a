use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system of its own; unmounted when it goes.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of so many MiB in the place of a directory; `None` where that is not allowed, or cannot be done.
    pub fn mount(path: &Path, mebibytes: u32) -> Option<Self> {
        let size = format!("size={mebibytes}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path).output().ok()?;
        mounted.status.success().then(|| Self(path.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}
