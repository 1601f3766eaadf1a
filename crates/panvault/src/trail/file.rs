use core::future::Future;
use core::pin::Pin;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use panvault_directory::{Directory, Unsafe};
use panvault_vault::{TrailDestination, TrailFault};

/// A file that the trail is appended to. It is opened anew each time, so that others may give it another name and leave none in its place.
pub(super) struct TrailFile {
    path: PathBuf,
}

impl TrailFile {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl TrailDestination for TrailFile {
    fn name(&self) -> &str {
        "file"
    }

    fn take<'a>(
        &'a self,
        lines: &'a [u8],
    ) -> Pin<Box<dyn Future<Output = Result<(), TrailFault>> + Send + 'a>> {
        let (path, lines) = (self.path.clone(), lines.to_vec());
        let appending = tokio::task::spawn_blocking(move || append(&path, &lines));
        Box::pin(async move {
            let appended = appending.await.map_err(|_| TrailFault::Io(ErrorKind::Other))?;
            appended.map_err(|error| fault_of(&error))
        })
    }
}

/// Appends whole lines, and makes them durable. A line that was cut off before is ended first: what it was comes again.
fn append(path: &Path, lines: &[u8]) -> io::Result<()> {
    let (directory, name) = place(path)?;
    let is_new = directory.judged(&name, true)?.is_none();
    let mut file = directory.write_or_create(&name)?;
    if is_new {
        directory.sync()?;
    }
    let mut end = file.seek(SeekFrom::End(0))?;
    if end > 0 && !ends_a_line(directory.read(&name)?)? {
        file.write_all(b"\n")?;
        end += 1;
    }
    let written = file.write_all(lines).and_then(|()| file.sync_all());
    if written.is_err() {
        // A part of it is of use to nobody, and takes room. Where it stays, it is ended as above.
        drop(file.set_len(end).and_then(|()| file.sync_all()));
    }
    written
}

fn ends_a_line(mut file: File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// The directory that a file is in, and its name there.
fn place(path: &Path) -> io::Result<(Directory, OsString)> {
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((Directory::open(directory)?, name.to_owned()))
}

fn fault_of(error: &io::Error) -> TrailFault {
    match (Unsafe::of(error), error.kind()) {
        (Some(Unsafe::Link), _) => TrailFault::Unsafe("is a symbolic link, which is not followed"),
        (Some(Unsafe::Names { .. }), _) => TrailFault::Unsafe("has several names (hard links)"),
        (Some(Unsafe::NotAFile { .. }), _) => TrailFault::Unsafe("is not a regular file"),
        (Some(Unsafe::NotADirectory), _) => TrailFault::Unsafe("is not in a directory"),
        (Some(Unsafe::Owner), _) => TrailFault::Unsafe("belongs to another user"),
        (None, ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge) => {
            TrailFault::Full
        }
        (None, kind) => TrailFault::Io(kind),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    fn take(path: &Path, lines: &[u8]) -> Result<(), TrailFault> {
        append(path, lines).map_err(|error| fault_of(&error))
    }

    #[test]
    fn lines_are_appended_for_the_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trail.jsonl");
        take(&path, b"one\n").unwrap();
        take(&path, b"two\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        // Others have given it another name.
        fs::rename(&path, directory.path().join("trail.1")).unwrap();
        take(&path, b"three\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three\n");
        // A writer was killed.
        fs::write(&path, b"three\nfo").unwrap();
        take(&path, b"four\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three\nfo\nfour\n");
    }

    #[test]
    fn what_is_no_file_of_ours_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("trail.jsonl"), directory.path().join("other"));
        fs::write(&other, b"other").unwrap();
        symlink(&other, &path).unwrap();
        assert!(matches!(take(&path, b"one\n"), Err(TrailFault::Unsafe(_))));
        fs::remove_file(&path).unwrap();
        fs::hard_link(&other, &path).unwrap();
        assert!(matches!(take(&path, b"one\n"), Err(TrailFault::Unsafe(_))));
        assert_eq!(fs::read(&other).unwrap(), b"other");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(take(&path, b"one\n"), Err(TrailFault::Unsafe(_))));
        let nowhere = directory.path().join("none").join("trail.jsonl");
        assert_eq!(take(&nowhere, b"one\n"), Err(TrailFault::Io(ErrorKind::NotFound)));
    }
}
