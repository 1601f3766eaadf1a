//! What `strace` wrote down of a process, in order: which calls were made, and which had returned.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::line::Line;

/// A call that changes a file of the vault, or makes a change durable. Files are named by the call that opened them, and paths are
/// below the vault.
#[derive(Debug)]
pub(crate) enum Call {
    /// So many steps are acknowledged.
    Acknowledge(u64),
    Open {
        path: PathBuf,
        create: bool,
        truncate: bool,
    },
    /// Without a place, where the last such write ended.
    Write {
        file: usize,
        at: Option<usize>,
        bytes: Vec<u8>,
    },
    Truncate {
        file: usize,
        length: usize,
    },
    Flush {
        file: usize,
    },
    MakeDirectory {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
}

/// Something that happened to a call, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It was made: its effects may be on the disk from now on.
    Begins(usize),
    /// It had returned.
    Ends(usize),
}

/// All that happened.
pub(crate) struct Trace {
    pub(crate) calls: Vec<Option<Call>>,
    pub(crate) events: Vec<Event>,
}

impl Trace {
    /// Reads what was written down of a process with a vault and a file in which it counts acknowledged steps.
    pub(crate) fn read(text: &[u8], vault: &Path, acks: &Path) -> Self {
        let (lines, mut events) = lines(text);
        let mut calls: Vec<Option<Call>> = lines.iter().map(|_| None).collect();
        let mut files = Files {
            vault,
            acks,
            open: HashMap::new(),
            paths: HashMap::new(),
            acks_open: None,
            mapped: Vec::new(),
        };
        for event in &events {
            match *event {
                Event::Begins(call) => calls[call] = files.begins(&Line::read(&lines[call])),
                Event::Ends(call) => files.ends(call, &Line::read(&lines[call]), calls[call].as_ref()),
            }
        }
        events.retain(|(Event::Begins(call) | Event::Ends(call))| calls[*call].is_some());
        Self { calls, events }
    }

    /// The call that begins with an event, if one does.
    pub(crate) fn begins(&self, at: usize) -> Option<&Call> {
        match self.events[at] {
            Event::Begins(call) => self.calls[call].as_ref(),
            Event::Ends(_) => None,
        }
    }

    /// The path that a file was opened under.
    pub(crate) fn path(&self, file: usize) -> &Path {
        match &self.calls[file] {
            Some(Call::Open { path, .. }) => path,
            other => panic!("{other:?} opens nothing"),
        }
    }
}

/// What `strace` ends a line with, wherever that is, of a call that it was to let in, and whose thread had ended with its process: the call was never made. Strings are in
/// hexadecimal, so that none has this.
const NEVER_MADE: &[u8] = b"<Cannot restart pid ";

/// The lines of whole calls, in the order in which they were made, and what happened to them.
fn lines(text: &[u8]) -> (Vec<Vec<u8>>, Vec<Event>) {
    let (mut lines, mut events) = (Vec::new(), Vec::new());
    // By the thread that made it.
    let mut unfinished: HashMap<&[u8], usize> = HashMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        let Some(space) = line.iter().position(|byte| *byte == b' ') else { continue };
        let (thread, line) = (&line[..space], line[space..].trim_ascii_start());
        if line.starts_with(b"+++") || line.starts_with(b"---") {
            continue;
        }
        if line.windows(NEVER_MADE.len()).any(|part| part == NEVER_MADE) {
            continue;
        }
        if let Some(begun) = line.strip_suffix(b"<unfinished ...>") {
            // A thread that ended in a call is not heard of again, and its number may be given anew.
            if let Some(never_ended) = unfinished.insert(thread, lines.len()) {
                end_unknown(&mut lines[never_ended]);
            }
            events.push(Event::Begins(lines.len()));
            lines.push(begun.to_vec());
        } else if line.starts_with(b"<... ") {
            let call = unfinished.remove(thread).unwrap();
            let end = line.iter().position(|byte| *byte == b'>').unwrap();
            lines[call].extend_from_slice(&line[end + 1..]);
            events.push(Event::Ends(call));
        } else {
            events.extend([Event::Begins(lines.len()), Event::Ends(lines.len())]);
            lines.push(line.to_vec());
        }
    }
    for call in unfinished.into_values() {
        end_unknown(&mut lines[call]);
    }
    (lines, events)
}

fn end_unknown(line: &mut Vec<u8>) {
    line.extend_from_slice(b") = ?");
}

/// What the numbers of open files stand for.
struct Files<'a> {
    vault: &'a Path,
    acks: &'a Path,
    open: HashMap<i64, usize>,
    /// Where the open ones were found, from the root on.
    paths: HashMap<i64, PathBuf>,
    acks_open: Option<i64>,
    /// Files that may be mapped.
    mapped: Vec<usize>,
}

impl Files<'_> {
    /// The call, if it concerns the vault and did not fail.
    fn begins(&mut self, line: &Line<'_>) -> Option<Call> {
        if line.returned.is_some_and(|returned| returned < 0) {
            return None;
        }
        match line.name {
            "openat" => Some(Call::Open {
                path: self.path_in(line, 0, 1)?,
                create: line.has(2, "O_CREAT"),
                truncate: line.has(2, "O_TRUNC"),
            }),
            "mkdir" => Some(Call::MakeDirectory { path: self.path(line, 0)? }),
            "mkdirat" => Some(Call::MakeDirectory { path: self.path_in(line, 0, 1)? }),
            "unlinkat" => Some(Call::Remove { path: self.path_in(line, 0, 1)? }),
            "renameat" | "renameat2" => {
                Some(Call::Rename { from: self.path_in(line, 0, 1)?, to: self.path_in(line, 2, 3)? })
            }
            "unlink" => Some(Call::Remove { path: self.path(line, 0)? }),
            "rename" => Some(Call::Rename { from: self.path(line, 0)?, to: self.path(line, 1)? }),
            "close" => {
                self.open.remove(&line.number(0));
                self.paths.remove(&line.number(0));
                None
            }
            "write" if self.acks_open == Some(line.number(0)) => {
                let count = String::from_utf8(line.bytes(1)).unwrap();
                Some(Call::Acknowledge(count.trim().parse().unwrap()))
            }
            _ => self.of_a_file(line),
        }
    }

    /// A call that is of a file which is open.
    fn of_a_file(&self, line: &Line<'_>) -> Option<Call> {
        let mapped = line.name == "mmap";
        let file = *self.open.get(&line.number(if mapped { 4 } else { 0 }))?;
        match line.name {
            "write" | "pwrite64" => {
                let mut bytes = line.bytes(1);
                bytes
                    .truncate(line.returned.map_or(bytes.len(), |written| usize::try_from(written).unwrap()));
                let at = (line.name == "pwrite64").then(|| usize::try_from(line.number(3)).unwrap());
                Some(Call::Write { file, at, bytes })
            }
            "ftruncate" => Some(Call::Truncate { file, length: usize::try_from(line.number(1)).unwrap() }),
            "fsync" | "fdatasync" => Some(Call::Flush { file }),
            // The index of SQLite's own log, which does not outlive a power cut.
            "mmap" if self.mapped.contains(&file) => None,
            name => panic!("the replay does not know what {name} does to a file"),
        }
    }

    fn ends(&mut self, call: usize, line: &Line<'_>, begun: Option<&Call>) {
        if line.name != "openat" {
            return;
        }
        if let Some(number) = line.returned.filter(|number| *number >= 0) {
            let path = self.whole_path(line, 0, 1);
            self.paths.insert(number, path);
        }
        match (begun, line.returned) {
            (Some(Call::Open { path, .. }), Some(number)) => {
                self.open.insert(number, call);
                if path.to_string_lossy().ends_with("-shm") {
                    self.mapped.push(call);
                }
            }
            (None, Some(number)) if number >= 0 && line.path(1) == self.acks => self.acks_open = Some(number),
            (Some(_) | None, _) => {}
        }
    }

    /// A path in a directory that is open, from the root on.
    fn whole_path(&self, line: &Line<'_>, directory: usize, nth: usize) -> PathBuf {
        let base = line.directory(directory).and_then(|number| self.paths.get(&number));
        let (base, path) = (base.cloned().unwrap_or_default(), line.path(nth));
        if path == Path::new(".") { base } else { base.join(path) }
    }

    /// The same below the vault.
    fn path_in(&self, line: &Line<'_>, directory: usize, nth: usize) -> Option<PathBuf> {
        self.whole_path(line, directory, nth).strip_prefix(self.vault).ok().map(Path::to_owned)
    }

    /// A path below the vault.
    fn path(&self, line: &Line<'_>, nth: usize) -> Option<PathBuf> {
        line.path(nth).strip_prefix(self.vault).ok().map(Path::to_owned)
    }
}
