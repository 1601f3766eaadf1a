use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use panvault_directory::judge;

use crate::socket;

/// Everything in a directory, and the directory, that somebody else than its owner can use, that belongs to another user or that leads
/// elsewhere: what it is and what mends it, one text each.
pub(super) fn exposed(directory: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    // The operator may name it by a link; what is in it is itself.
    look_at(&fs::canonicalize(directory)?, directory, rustix::process::geteuid().as_raw(), &mut found)?;
    Ok(found)
}

fn look_at(path: &Path, shown: &Path, owner: u32, found: &mut Vec<String>) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        // A server that runs removes files between the listing and the look.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mode = metadata.mode() & 0o7777;
    let path_shown = shown.display();
    if !metadata.is_dir() && !metadata.file_type().is_socket() {
        // What is in the place of the socket is never opened: a server replaces it.
        let is_replaced = path.file_name().is_some_and(|name| name == socket::NAME || name == socket::NEW);
        if let Err(refused) = judge(&metadata)
            && !is_replaced
        {
            found.push(format!("{path_shown} {refused}"));
        }
        // The mode of a link says nothing.
        if metadata.is_symlink() {
            return Ok(());
        }
    }
    if mode & 0o077 != 0 {
        let (what, better) = if metadata.is_dir() { ("entered", 700) } else { ("read or changed", 600) };
        found.push(format!(
            "{path_shown} can be {what} by others (mode {mode:04o}); run chmod {better} {path_shown}"
        ));
    }
    if metadata.uid() != owner {
        found.push(format!(
            "{path_shown} belongs to another user; run panvault as the owner of the vault, or chown {path_shown}"
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
