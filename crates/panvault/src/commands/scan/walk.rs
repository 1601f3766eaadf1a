use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// What is below a path.
pub(in crate::commands) enum Entry {
    File(PathBuf, File),
    Directory(PathBuf),
    Unread(PathBuf, io::Error),
}

/// A file, or a directory and all that is below it, by name. A link is followed where it was named, and nowhere else: it may lead anywhere, and in a
/// circle. Pipes, sockets and devices below are passed over, and refused where they were named.
pub(in crate::commands) fn walk(path: &Path) -> impl Iterator<Item = Entry> {
    let mut waiting = vec![(path.to_owned(), true)];
    std::iter::from_fn(move || {
        loop {
            let (path, is_named) = waiting.pop()?;
            match look(&path, is_named) {
                Ok(Some(Kind::File(file))) => return Some(Entry::File(path, file)),
                Ok(Some(Kind::Directory(mut below))) => {
                    // The last that is put down is the first that is taken up.
                    below.sort_by(|one, other| other.cmp(one));
                    waiting.extend(below.into_iter().map(|path| (path, false)));
                    return Some(Entry::Directory(path));
                }
                Ok(None) => {}
                Err(error) => return Some(Entry::Unread(path, error)),
            }
        }
    })
}

enum Kind {
    File(File),
    Directory(Vec<PathBuf>),
}

fn look(path: &Path, is_named: bool) -> io::Result<Option<Kind>> {
    let kind = if is_named { fs::metadata(path)? } else { fs::symlink_metadata(path)? };
    if kind.is_dir() {
        let below = fs::read_dir(path)?.map(|entry| Ok(entry?.path()));
        return Ok(Some(Kind::Directory(below.collect::<io::Result<_>>()?)));
    }
    let other =
        || if is_named { Err(io::Error::other("it is neither a file nor a directory")) } else { Ok(None) };
    if !kind.is_file() {
        return other();
    }
    // What has its name may be another by now: nothing waits for the other end of a pipe.
    let follow = if is_named { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY | follow;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(Some(Kind::File(file))) } else { other() }
}
