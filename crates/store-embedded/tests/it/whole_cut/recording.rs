//! What recorded processes did, one after the other.

use std::path::Path;

use tempfile::TempDir;

use super::disk::{Disk, Image, Skipped, write};
use super::life::{Life, vault};
use super::trace::{Call, Event, Trace};

/// Processes, each of which goes on with what another left.
pub(crate) struct Recording(Vec<Lived>);

struct Lived {
    trace: Trace,
    after: After,
}

/// What was before a process.
#[derive(Clone, Copy)]
enum After {
    Nothing,
    /// Another, which ended after so many events.
    End(usize, usize),
    /// Another, which a power cut ended after so many events; and its seed.
    Cut(usize, usize, u64),
}

impl Recording {
    /// Two long lives in a row, and short ones that follow when the first is killed, or its power is cut, at the worst moments.
    pub(crate) fn make(test: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(vault(directory.path())).unwrap();
        let mut recording = Self(Vec::new());
        recording.live(Life::First, &directory, After::Nothing, test);
        let events = recording.0[0].trace.events.len();
        recording.live(Life::Second, &directory, After::End(0, events), test);
        for (life, after) in recording.worst_moments() {
            let directory = tempfile::tempdir().unwrap();
            write(&recording.disk_before(after, Skipped::Nothing).seen(), &vault(directory.path()));
            recording.live(life, &directory, after, test);
        }
        recording
    }

    fn live(&mut self, life: Life, directory: &TempDir, after: After, test: &str) {
        let trace = life.record(directory.path(), test);
        self.0.push(Lived { trace, after });
        let last = self.0.len() - 1;
        let replayed = self.disk(last, self.events(last), Skipped::Nothing).seen();
        let there = image(&vault(directory.path()));
        let differ = |path: &&std::path::PathBuf| replayed.get(*path) != there.get(*path);
        let differing: Vec<_> = replayed.keys().chain(there.keys()).filter(differ).collect();
        assert!(differing.is_empty(), "the replay of {life:?} has another {differing:?}");
    }

    /// Moments of the first life at which something was written or renamed, and the flush of it began and has not returned; and
    /// what follows.
    fn worst_moments(&self) -> Vec<(Life, After)> {
        let trace = &self.0[0].trace;
        let flush_of = |at: usize, of: &str| match trace.begins(at) {
            Some(Call::Flush { file }) => trace.path(*file) == Path::new(of),
            _ => false,
        };
        let renamed = |at: usize, to: &str| match trace.begins(at) {
            Some(Call::Rename { to: name, .. }) => name.to_string_lossy().ends_with(to),
            _ => false,
        };
        let events = 0..trace.events.len();
        let first = |from: usize, of: &str| 1 + (from..events.end).find(|at| flush_of(*at, of)).unwrap();
        let after = |to: &str, of: &str| first(events.clone().find(|at| renamed(*at, to)).unwrap(), of);
        let all = |of: &'static str| events.clone().filter(move |at| flush_of(*at, of)).map(|at| at + 1);
        let frame = all("log/0000000000000001.seg").next_back().unwrap();
        // The log reaches back to step 1, and the view has been checkpointed back and changed since.
        let unfolded = |at: &usize| {
            let seen = self.disk(0, *at, Skipped::Nothing).seen();
            seen.get(Path::new("view.sqlite-wal")).is_some_and(|bytes| !bytes.as_ref().unwrap().is_empty())
        };
        let unfolded = all("log/0000000000000001.seg").rev().find(unfolded).unwrap();
        let checkpoint = first(after("2.seg", "log"), "view.sqlite");
        vec![
            (Life::Resting, After::End(0, frame)),
            (Life::Anew, After::End(0, unfolded)),
            (Life::Working, After::End(0, after("view.sqlite", ""))),
            (Life::Working, After::End(0, after("2.seg", "log"))),
            (Life::Resting, After::End(0, after("1.old", "log"))),
            (Life::Resting, After::End(0, checkpoint)),
            (Life::Working, self.torn(all("log/0000000000000001.seg").rev(), "log/0000000000000001.seg")),
            (Life::Working, self.torn(all("view.sqlite"), "view.sqlite")),
        ]
    }

    /// A power cut at one of some moments that leaves a file neither as it was before nor as it was to be.
    fn torn(&self, mut moments: impl Iterator<Item = usize>, file: &str) -> After {
        let of = |image: Image| image.get(Path::new(file)).cloned();
        let torn = moments.find_map(|events| {
            let disk = self.disk(0, events, Skipped::Nothing);
            let whole = [of(disk.seen()), of(disk.durable())];
            let seed = (0..40).find(|seed| !whole.contains(&of(disk.cut(*seed))))?;
            Some(After::Cut(0, events, seed))
        });
        torn.unwrap_or_else(|| panic!("{file} is never torn"))
    }

    /// How many processes there were.
    pub(crate) fn lives(&self) -> usize {
        self.0.len()
    }

    /// How many events there were in one.
    pub(crate) fn events(&self, life: usize) -> usize {
        self.0[life].trace.events.len()
    }

    /// The numbers of events before a flush returns: then most is at stake.
    pub(crate) fn flushes(&self, life: usize) -> Vec<usize> {
        let trace = &self.0[life].trace;
        let flush = |event: &Event| match event {
            Event::Ends(call) => matches!(trace.calls[*call], Some(Call::Flush { .. })),
            Event::Begins(_) => false,
        };
        trace.events.iter().enumerate().filter(|(_, event)| flush(event)).map(|(at, _)| at).collect()
    }

    /// The disk after some events of a life.
    fn disk(&self, life: usize, events: usize, skipped: Skipped) -> Disk {
        let Lived { trace, after } = &self.0[life];
        let mut disk = self.disk_before(*after, skipped);
        trace.events[..events].iter().for_each(|event| disk.happens(trace, *event));
        disk
    }

    /// The disk at the beginning of a life.
    fn disk_before(&self, after: After, skipped: Skipped) -> Disk {
        match after {
            After::Nothing => Disk::new(skipped),
            After::End(life, events) => {
                let mut disk = self.disk(life, events, skipped);
                disk.next_process();
                disk
            }
            After::Cut(life, events, seed) => {
                // The same for every disk: what follows is what was recorded.
                let cut = self.disk(life, events, Skipped::Nothing);
                cut.after_cut(&cut.cut(seed), skipped)
            }
        }
    }

    /// Hands out the disk at some moments of a life, which are numbers of events in order.
    pub(crate) fn at(
        &self,
        life: usize,
        moments: &[usize],
        skipped: Skipped,
        mut each: impl FnMut(usize, &Disk),
    ) {
        let mut disk = self.disk(life, 0, skipped);
        let trace = &self.0[life].trace;
        let mut moments = moments.iter().peekable();
        for at in 0..=trace.events.len() {
            while moments.next_if_eq(&&at).is_some() {
                each(at, &disk);
            }
            if let Some(event) = trace.events.get(at) {
                disk.happens(trace, *event);
            }
        }
    }
}

/// The files of a directory, but for those that a disk does not keep.
fn image(vault: &Path) -> Image {
    let mut image = Image::from([(Default::default(), None), ("log".into(), None)]);
    for directory in [vault.to_owned(), vault.join("log")] {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(vault).unwrap().to_owned();
            if path.is_file() && name != Path::new("lock") && !name.to_string_lossy().ends_with("-shm") {
                image.insert(name, Some(std::fs::read(&path).unwrap()));
            }
        }
    }
    image
}
