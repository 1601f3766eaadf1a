use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use panvault_directory::judge;

use crate::data::whom;
use crate::{sealed, socket};

/// What is wrong with a directory and all that is in it, one text each: what it is and what mends it.
#[derive(Default)]
pub(crate) struct Exposed {
    /// What belongs to another user: the directory, or single files.
    owners: Vec<String>,
    /// What leads elsewhere, or is no file.
    places: Vec<String>,
    /// What others can use.
    modes: Vec<String>,
    /// The directory of the log, where it is not in the vault's.
    wal: Option<PathBuf>,
}

/// How the names of files beside the log begin. (What stands in the place of the socket keeps no vault from being served.)
const FILES: [&str; 10] = [
    "vault.toml",
    "node.toml",
    "moved.toml",
    "moving.toml",
    "slot.key",
    "dev.json",
    "keys.",
    "view.sqlite",
    "bins.table",
    "lock",
];

impl Exposed {
    /// All of it.
    pub(crate) fn all(self) -> Vec<String> {
        [self.owners, self.places, self.modes].concat()
    }

    /// At most so many of them, with how many more there are; `None` when there is nothing.
    pub(super) fn said(self, listed_max: usize, directory: &Path) -> Option<String> {
        let modes = self.modes.len();
        let mut said = self.all();
        let rest = said.len().saturating_sub(listed_max);
        let is_modes_alone = said.len() == modes;
        said.truncate(listed_max);
        if rest > 0 {
            let chmod = format!("chmod -R go= {} mends", directory.display());
            said.push(match modes {
                0 => format!("and {rest} more: panvault doctor says which"),
                _ if is_modes_alone => format!("and {rest} more; {chmod} all of them"),
                _ => format!("and {rest} more; {chmod} all that others can use"),
            });
        }
        (!said.is_empty()).then(|| said.join("\n  "))
    }
}

/// Everything in a directory, and the directory, that somebody else than its owner can use, that belongs to another user or that leads
/// elsewhere.
///
/// The directory of the log, where it is elsewhere, is the vault's too.
pub(super) fn exposed(directory: &Path, wal: Option<&Path>) -> io::Result<Exposed> {
    let mut found = Exposed::default();
    // The operator may name it by a link; what is in it is itself.
    let path = fs::canonicalize(directory)?;
    let owner = fs::symlink_metadata(&path)?.uid();
    if owner != rustix::process::geteuid().as_raw() {
        let shown = directory.display();
        found.owners.push(format!("{shown} belongs to {}: {}", whom::name(owner), whom::run_as(owner)));
    }
    look_at(&path, directory, owner, &mut found)?;
    // Where it is missing, that is said elsewhere.
    if let Some((wal, shown)) = wal.and_then(|wal| Some((fs::canonicalize(wal).ok()?, wal))) {
        found.wal = Some(wal.clone());
        look_at(&wal, shown, owner, &mut found)?;
    }
    Ok(found)
}

fn look_at(path: &Path, shown: &Path, owner: u32, found: &mut Exposed) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        // A server that runs removes files between the listing and the look.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mode = metadata.mode() & 0o7777;
    let path_shown = shown.display();
    if metadata.is_dir() && is_a_files(path, found.wal.as_deref()) {
        found.places.push(format!(
            "{path_shown} is a directory, where a vault has a file: find out who put it there, and remove it"
        ));
        return Ok(());
    }
    if !metadata.is_dir() && !metadata.file_type().is_socket() {
        // What is in the place of the socket is never opened: a server replaces it.
        let is_replaced = path.file_name().is_some_and(|name| {
            [socket::NAME, socket::NEW, sealed::NAME, sealed::NEW].iter().any(|other| name == *other)
        });
        if let Err(refused) = judge(&metadata)
            && !is_replaced
        {
            found.places.push(format!("{path_shown} {refused}"));
        }
        // The mode of a link says nothing.
        if metadata.is_symlink() {
            return Ok(());
        }
    }
    if mode & 0o077 != 0 {
        let (what, better) = if metadata.is_dir() { ("entered", 700) } else { ("read or changed", 600) };
        found.modes.push(format!(
            "{path_shown} can be {what} by others (mode {mode:04o}); run chmod {better} {path_shown}"
        ));
    }
    // Whoever runs the server owns the directory; what another left in it, such as root, is that one's to use.
    if metadata.uid() != owner {
        let (other, own) = (whom::name(metadata.uid()), whom::name(owner));
        found.owners.push(format!(
            "{path_shown} belongs to {other}, and the vault to {own}: find out who put it there; as root, chown {owner} {path_shown} \
             mends it"
        ));
    }
    if metadata.is_dir() {
        let mut names =
            fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort();
        names.iter().try_for_each(|name| look_at(&path.join(name), &shown.join(name), owner, found))?;
    }
    Ok(())
}

/// Whether a name is that of a file of a vault: every one in `log`, and beside it those that begin as the vault's own. What else is
/// there, such as the `lost+found` of a file system, is nothing to a vault.
fn is_a_files(path: &Path, wal: Option<&Path>) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let around = path.parent();
    let is_in_log = around.and_then(Path::file_name).is_some_and(|around| around == "log")
        || wal.is_some_and(|wal| around == Some(wal));
    is_in_log || FILES.iter().any(|file| name.starts_with(file))
}
