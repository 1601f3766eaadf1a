use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use super::*;

const KEY: &str = "precious";

/// A directory, a file elsewhere on its file system that must stay as it is, and the directory opened.
fn directory() -> (tempfile::TempDir, std::path::PathBuf, Directory) {
    let around = tempfile::tempdir().unwrap();
    let key = around.path().join("key");
    fs::write(&key, KEY).unwrap();
    fs::create_dir(around.path().join("in")).unwrap();
    let directory = Directory::open(&around.path().join("in")).unwrap();
    (around, key, directory)
}

/// The bug: a name in a data directory that led to the root key had the key cut short or overwritten. Its cause: files were opened by
/// path, as whatever stood there. Its cure: what is opened is looked at, and is a file with one name, before anything is done to it.
#[test]
fn nothing_but_a_file_with_one_name_is_opened() {
    let (around, key, directory) = directory();
    let path = around.path().join("in/file");
    let refused = |expected: Unsafe| {
        let opened = [
            directory.read("file"),
            directory.write("file"),
            directory.write_or_create("file"),
            open_to_read(&path),
        ];
        for opened in opened {
            assert_eq!(Unsafe::of(&opened.unwrap_err()), Some(expected), "{expected}");
        }
        for to_write in [false, true] {
            assert_eq!(Unsafe::of(&directory.judged("file", to_write).unwrap_err()), Some(expected));
        }
        assert!(directory.create("file").is_err());
        assert_eq!(fs::read_to_string(&key).unwrap(), KEY);
    };
    symlink(&key, &path).unwrap();
    refused(Unsafe::Link);
    fs::remove_file(&path).unwrap();
    symlink("nowhere", &path).unwrap();
    refused(Unsafe::Link);
    fs::remove_file(&path).unwrap();
    fs::hard_link(&key, &path).unwrap();
    refused(Unsafe::Names { names: 2 });
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused(Unsafe::NotAFile { what: "a directory" });
    fs::remove_dir(&path).unwrap();
    let socket = UnixListener::bind(&path).unwrap();
    refused(Unsafe::NotAFile { what: "a socket" });
    drop(socket);
    fs::remove_file(&path).unwrap();
    let made = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&path).status().unwrap();
    assert!(made.success());
    refused(Unsafe::NotAFile { what: "a pipe" });
    // Somebody may be at the other end.
    let other = fs::File::options().read(true).write(true).open(&path).unwrap();
    refused(Unsafe::NotAFile { what: "a pipe" });
    drop(other);
    fs::remove_file(&path).unwrap();

    assert_eq!(directory.read("file").unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert!(directory.judged("file", true).unwrap().is_none());
    drop(directory.write_or_create("file").unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(directory.read("file").is_ok() && directory.write("file").is_ok() && open_to_read(&path).is_ok());
}

#[test]
fn what_is_written_to_is_this_users() {
    let (around, _, directory) = directory();
    let path = around.path().join("in/file");
    fs::write(&path, "of another").unwrap();
    let owner = rustix::process::geteuid();
    if owner.is_root() {
        std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
        assert_eq!(Unsafe::of(&directory.write("file").unwrap_err()), Some(Unsafe::Owner));
        assert_eq!(Unsafe::of(&directory.write_or_create("file").unwrap_err()), Some(Unsafe::Owner));
        assert_eq!(Unsafe::of(&directory.judged("file", true).unwrap_err()), Some(Unsafe::Owner));
        assert!(directory.read("file").is_ok() && directory.judged("file", false).is_ok());
        assert_eq!(fs::metadata(&path).unwrap().uid(), 12_345);
    }
    assert_eq!(fs::read_to_string(path).unwrap(), "of another");
}

#[test]
fn a_directory_is_held_whatever_becomes_of_its_path() {
    let (around, _, directory) = directory();
    let (path, elsewhere) = (around.path().join("in"), around.path().join("moved"));
    fs::rename(&path, &elsewhere).unwrap();
    fs::create_dir(&path).unwrap();
    drop(directory.create("a").unwrap());
    directory.rename("a", "b").unwrap();
    directory.sync().unwrap();
    assert_eq!(directory.names().unwrap(), ["b"]);
    assert!(elsewhere.join("b").exists() && !path.join("b").exists());
    directory.clear("b").unwrap();
    directory.clear("b").unwrap();
    assert!(directory.remove("b").is_err() && directory.again().unwrap().names().unwrap().is_empty());
    // One that is in it is not reached through a link.
    symlink(&path, elsewhere.join("log")).unwrap();
    assert_eq!(Unsafe::of(&directory.below("log").unwrap_err()), Some(Unsafe::Link));
    fs::remove_file(elsewhere.join("log")).unwrap();
    fs::write(elsewhere.join("log"), "").unwrap();
    assert_eq!(Unsafe::of(&directory.below("log").unwrap_err()), Some(Unsafe::NotADirectory));
}

#[test]
fn a_lock_is_the_directorys() {
    let (around, _, directory) = directory();
    assert!(directory.try_lock().unwrap());
    for other in [Directory::open(&around.path().join("in")).unwrap(), directory.again().unwrap()] {
        assert!(!other.try_lock().unwrap());
    }
    drop(directory);
    assert!(Directory::open(&around.path().join("in")).unwrap().try_lock().unwrap());
}

// The lock outlived its holder for as long as a process that another thread had just forked kept its copy of the descriptor, so that
// a store that was closed and opened again was "in use by" the very process that opened it. Dropping now gives the lock back by name.
#[test]
fn a_copy_of_the_descriptor_does_not_keep_the_lock() {
    let around = tempfile::tempdir().unwrap();
    let directory = Directory::open(around.path()).unwrap();
    assert!(directory.try_lock().unwrap());
    // What a fork leaves in the child until it becomes another program.
    let copy = directory.held.try_clone().unwrap();
    drop(directory);
    assert!(Directory::open(around.path()).unwrap().try_lock().unwrap());
    drop(copy);
}

/// It is a hint, and what was written stays what it was: whole or in part, and beyond the end.
#[test]
fn what_begins_to_go_to_the_disk_is_still_there() {
    let (around, _, directory) = directory();
    let file = directory.create("file").unwrap();
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| n.to_be_bytes()[3]).collect();
    fs::write(around.path().join("in/file"), &bytes).unwrap();
    for (from, to) in [(0, 100_000), (4096, 8192), (1, 2), (7, 7), (9, 8), (0, u64::MAX >> 1)] {
        start_write_out(&file, from, to).unwrap();
        assert_eq!(fs::read(around.path().join("in/file")).unwrap(), bytes, "{from} to {to}");
    }
}
