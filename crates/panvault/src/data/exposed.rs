use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Everything in a directory, and the directory, that somebody else than its owner can use or that belongs to another user:
/// what it is and the command that mends it, one text each.
pub(super) fn exposed(directory: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    look_at(directory, rustix::process::geteuid().as_raw(), &mut found)?;
    Ok(found)
}

fn look_at(path: &Path, owner: u32, found: &mut Vec<String>) -> io::Result<()> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        // A server that runs removes files between the listing and the look.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mode = metadata.mode() & 0o7777;
    let path_shown = path.display();
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
    // A link is looked at by what it leads to, but not followed into a directory: it could lead back.
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        let mut entries =
            fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        entries.sort();
        entries.iter().try_for_each(|entry| look_at(entry, owner, found))?;
    }
    Ok(())
}
