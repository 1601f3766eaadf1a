//! The replay itself: what a flush covers, and what it does not.

use std::path::Path;

use super::disk::{Disk, Image, Skipped};
use super::trace::{Event, Trace};

/// A trace in which strings are written as they are.
fn trace(lines: &[&str]) -> Trace {
    let hex = |text: &str| text.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    let quoted = |line: &&str| -> String {
        line.split('"')
            .enumerate()
            .map(|(nth, part)| if nth % 2 == 0 { part.into() } else { format!("\"{}\"", hex(part)) })
            .collect()
    };
    let text = lines.iter().map(quoted).collect::<Vec<_>>().join("\n");
    Trace::read(text.as_bytes(), Path::new("/v"), Path::new("/acks"))
}

/// What is left of the vault in any of many power cuts at the end.
fn left(lines: &[&str]) -> Vec<Image> {
    let trace = trace(lines);
    let mut disk = Disk::new(Skipped::Nothing);
    trace.events.iter().for_each(|event| disk.happens(&trace, *event));
    let mut images: Vec<Image> = (0..200).map(|seed| disk.cut(seed)).collect();
    images.sort();
    images.dedup();
    images
}

fn files(files: &[(&str, &[u8])]) -> Image {
    let mut image: Image = files.iter().map(|(path, bytes)| ((*path).into(), Some(bytes.to_vec()))).collect();
    image.insert(Default::default(), None);
    image
}

#[test]
fn calls_that_overlap_begin_and_end_where_they_did() {
    let trace = trace(&[
        r#"7 openat(AT_FDCWD, "/v/a", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3"#,
        r#"7 openat(AT_FDCWD, "/v/b", O_RDWR|O_CLOEXEC) = -1 ENOENT (No such file or directory)"#,
        r#"7 pwrite64(3, "x", 1, 0 <unfinished ...>"#,
        r#"8 fdatasync(3 <unfinished ...>"#,
        r#"7 <... pwrite64 resumed>)             = 1"#,
        r#"7 --- SIGCHLD {si_signo=SIGCHLD} ---"#,
        r#"8 <... fdatasync resumed>)            = 0"#,
        r#"8 write(4, "elsewhere", 9) = 9"#,
    ]);
    let (open, write, flush) = (0, 2, 3);
    let events = [
        Event::Begins(open),
        Event::Ends(open),
        Event::Begins(write),
        Event::Begins(flush),
        Event::Ends(write),
        Event::Ends(flush),
    ];
    assert_eq!(trace.events, events);
}

/// A process that ended while a thread of it began a call left a line that was cut, and reading it failed. What was never made is left out, wherever its line ends.
#[test]
fn a_call_that_a_thread_did_not_live_to_make_was_not_made() {
    let trace = trace(&[
        r#"7 openat(AT_FDCWD, "/v/a", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3"#,
        r#"8 pwrite64(3, "x", 1, 0 <unfinished ...>"#,
        r"9 pwrite64(3, 0x7f00, 1 <Cannot restart pid 9 with ptrace(PTRACE_SYSCALL): No such process>",
        r"10 fdatasync(3) <Cannot restart pid 10 with ptrace(PTRACE_SYSCALL): No such process>",
        r"11 fdatasync(3 <Cannot restart pid 11 with ptrace(PTRACE_SYSCALL): No such process>",
        r"8 <... pwrite64 resumed>) = ?",
    ]);
    assert_eq!(trace.events, [Event::Begins(0), Event::Ends(0), Event::Begins(1), Event::Ends(1)]);
}

#[test]
fn a_flush_covers_what_was_written_before_it_began_once_it_has_returned() {
    let durable = [
        r#"7 openat(AT_FDCWD, "/v", O_RDONLY|O_CLOEXEC) = 3"#,
        r#"7 openat(AT_FDCWD, "/v/a", O_WRONLY|O_CREAT, 0600) = 4"#,
        r#"7 fsync(3) = 0"#,
        r#"7 pwrite64(4, "old", 3, 0) = 3"#,
        r#"7 fdatasync(4) = 0"#,
    ];
    let (old, new) = (files(&[("a", b"old")]), files(&[("a", b"new")]));
    assert_eq!(left(&durable), [old.clone()].as_slice());
    let write = r#"7 pwrite64(4, "new", 3, 0) = 3"#;
    let returned = r#"8 fdatasync(4) = 0"#;
    let begun = r#"8 fdatasync(4 <unfinished ...>"#;
    let resumed = r#"8 <... fdatasync resumed>) = 0"#;
    assert_eq!(left(&[&durable[..], &[write, returned]].concat()), [new.clone()].as_slice());
    assert_eq!(left(&[&durable[..], &[write, begun]].concat()), [new.clone(), old.clone()].as_slice());
    assert_eq!(left(&[&durable[..], &[begun, write, resumed]].concat()), [new, old].as_slice());
}

#[test]
fn a_name_is_kept_once_its_directory_is_flushed() {
    let made = [
        r#"7 openat(AT_FDCWD, "/v", O_RDONLY|O_CLOEXEC) = 3"#,
        r#"7 openat(AT_FDCWD, "/v/a", O_WRONLY|O_CREAT, 0600) = 4"#,
        r#"7 write(4, "x", 1) = 1"#,
        r#"7 fdatasync(4) = 0"#,
    ];
    let (none, a, b) = (files(&[]), files(&[("a", b"x")]), files(&[("b", b"x")]));
    assert_eq!(left(&made), [none.clone(), a.clone()].as_slice());
    let rename = r#"7 rename("/v/a", "/v/b") = 0"#;
    assert_eq!(left(&[&made[..], &[rename]].concat()), [none, a.clone(), b.clone()].as_slice());
    let flush = r#"7 fsync(3) = 0"#;
    assert_eq!(left(&[&made[..], &[flush, rename]].concat()), [a, b.clone()].as_slice());
    assert_eq!(left(&[&made[..], &[rename, flush]].concat()), [b].as_slice());
}

/// A file that is cut short and written anew, as SQLite does with its own log; and a write that is torn between two sectors.
#[test]
fn lengths_and_sectors_come_one_without_the_other() {
    let made = [
        r#"7 openat(AT_FDCWD, "/v", O_RDONLY|O_CLOEXEC) = 3"#,
        r#"7 openat(AT_FDCWD, "/v/a", O_WRONLY|O_CREAT, 0600) = 4"#,
        r#"7 fsync(3) = 0"#,
        r#"7 pwrite64(4, "old", 3, 0) = 3"#,
        r#"7 fdatasync(4) = 0"#,
    ];
    let cut = r#"7 ftruncate(4, 0) = 0"#;
    let (old, none) = (files(&[("a", b"old")]), files(&[("a", b"")]));
    assert_eq!(left(&[&made[..], &[cut]].concat()), [none, old.clone()].as_slice());
    let torn = left(&[&made[..], &[r#"7 pwrite64(4, "12", 2, 511) = 2"#]].concat());
    let sectors = |first: u8, second: &[u8]| {
        let mut bytes = b"old".to_vec();
        bytes.resize(511, 0);
        bytes.push(first);
        files(&[("a", &[&bytes, second].concat())])
    };
    let mut possible = [old, sectors(b'1', b""), sectors(0, b"2"), sectors(b'1', b"2")];
    possible.sort();
    assert_eq!(torn, possible);
}
