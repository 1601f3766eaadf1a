//! The directory of a vault that ends with its process, and those that killed processes left: they hold the root key of such a vault.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use panvault_directory::Directory;
use tempfile::TempDir;

/// Times that making one is tried, when others take it away as one that was left.
const TRIES_MAX: u32 = 3;
/// What may be in one: a vault, and what is to become one.
const VAULT: &str = "vault";
const MAKING: &str = ".panvault-making-";

/// A directory that is removed at its end. Its lock says that its process lives.
pub(crate) struct Temporary {
    directory: TempDir,
    _lock: Directory,
}

impl Temporary {
    /// Removes what killed processes of this user have left under such names, and makes a directory under a new one.
    pub(crate) fn make(prefix: &str) -> anyhow::Result<Self> {
        Self::make_in(&std::env::temp_dir(), prefix)
    }

    fn make_in(around: &Path, prefix: &str) -> anyhow::Result<Self> {
        // What cannot be removed harms nobody who wants to try something.
        drop(sweep(around, prefix));
        let cannot = || format!("no directory can be made in {}", around.display());
        for _ in 0..TRIES_MAX {
            let private = Permissions::from_mode(0o700);
            let made = tempfile::Builder::new().prefix(prefix).permissions(private).tempdir_in(around);
            let directory = made.with_context(cannot)?;
            // Until it is locked, another process may take it for one that was left.
            if let Ok(lock) = Directory::open(directory.path())
                && lock.try_lock().with_context(cannot)?
                && directory.path().exists()
            {
                return Ok(Self { directory, _lock: lock });
            }
        }
        bail!("{}: others remove it", cannot())
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

fn sweep(around: &Path, prefix: &str) -> io::Result<()> {
    let (own, found) = (rustix::process::geteuid().as_raw(), fs::metadata(around)?);
    // Where others may rename what is ours, a name says nothing.
    let is_kept_from_others = found.mode() & 0o022 == 0 || found.mode() & 0o1000 != 0;
    if !is_kept_from_others || ![0, own].contains(&found.uid()) {
        return Ok(());
    }
    let held = Directory::open(around)?;
    for entry in fs::read_dir(around)? {
        let name = entry?.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(prefix))
            && let Ok(Some(left)) = left(&held, name.as_ref(), own)
        {
            // It stays locked until it is gone.
            drop(fs::remove_dir_all(left.path()));
        }
    }
    Ok(())
}

/// A directory of this user alone that holds what we put there, and that no process has; it is locked.
fn left(held: &Directory, name: &Path, own: u32) -> io::Result<Option<Directory>> {
    let directory = held.below(name)?;
    let Some(found) = held.entry(name)? else { return Ok(None) };
    if found.uid() != own || found.mode() & 0o7777 != 0o700 || !directory.try_lock()? {
        return Ok(None);
    }
    for entry in fs::read_dir(directory.path())? {
        let name = entry?.file_name();
        if name != VAULT && !name.to_str().is_some_and(|name| name.starts_with(MAKING)) {
            return Ok(None);
        }
    }
    let is_free = match directory.below(VAULT) {
        Ok(vault) => vault.try_lock()?,
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => return Err(error),
    };
    Ok(is_free.then_some(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "panvault-dev-";

    /// The bug: of a `panvault dev` that was killed, the vault stayed in `/tmp`, with its root key, and nobody ever removed it. Its cause:
    /// only an orderly end does. Its cure: the next one removes what no process has; and nothing else.
    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let around = tempfile::tempdir().unwrap();
        let at = |name: &str| around.path().join(format!("{PREFIX}{name}"));
        let make = |name: &str, mode: u32| {
            fs::create_dir_all(at(name).join("vault/log")).unwrap();
            fs::write(at(name).join("vault/slot.key"), "key").unwrap();
            fs::set_permissions(at(name), Permissions::from_mode(mode)).unwrap();
        };
        make("left01", 0o700);
        fs::create_dir(at("left01").join(".panvault-making-x")).unwrap();
        fs::create_dir(at("left02")).unwrap();
        fs::set_permissions(at("left02"), Permissions::from_mode(0o700)).unwrap();
        make("open01", 0o755);
        make("more01", 0o700);
        fs::write(at("more01").join("letter"), "of somebody").unwrap();
        make("held01", 0o700);
        let held = Directory::open(&at("held01").join("vault")).unwrap();
        assert!(held.try_lock().unwrap());
        make("link02", 0o755);
        std::os::unix::fs::symlink(at("link02"), at("link01")).unwrap();
        make("link03", 0o700);
        fs::remove_dir_all(at("link03").join("vault")).unwrap();
        std::os::unix::fs::symlink(at("link02"), at("link03").join("vault")).unwrap();
        fs::write(at("file01"), "").unwrap();
        fs::create_dir(around.path().join("other")).unwrap();
        let names = || {
            let names = fs::read_dir(around.path()).unwrap();
            let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let before = names();

        // Others could rename what is in it.
        fs::set_permissions(around.path(), Permissions::from_mode(0o777)).unwrap();
        sweep(around.path(), PREFIX).unwrap();
        assert_eq!(names(), before);
        fs::set_permissions(around.path(), Permissions::from_mode(0o1777)).unwrap();

        let live = Temporary::make_in(around.path(), PREFIX).unwrap();
        let again = Temporary::make_in(around.path(), PREFIX).unwrap();
        assert!(live.path().exists(), "one that lives");
        assert_eq!(fs::metadata(again.path()).unwrap().mode() & 0o7777, 0o700);
        drop((live, again));
        let gone: Vec<_> = before.iter().filter(|name| !names().contains(name)).collect();
        assert_eq!(gone, ["panvault-dev-left01", "panvault-dev-left02"]);
        assert!(at("link02").join("vault/slot.key").exists());
    }
}
