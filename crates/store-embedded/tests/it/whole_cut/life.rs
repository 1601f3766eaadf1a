//! A process with a store in it, all of whose changes of files are written down by `strace`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use panvault_store::{Commit, Store};
use panvault_store_embedded::{EmbeddedStore, Settings};
use panvault_testkit::SeededRandom;
use panvault_testkit::conformance::rows::{VAULT, chain};
use rusqlite::Connection;

use super::script::steps;
use super::trace::Trace;
use crate::support::{all_of, block_on, is_done};

/// Tells the process that it is the one that is recorded: the directory, and what it is to do there.
const ASKED: &str = "PANVAULT_TEST_RECORDED";

/// Every call that changes a file, and some that a store does not make: the replay refuses what it does not know.
const CALLS: &str = "trace=open,openat,openat2,creat,close,lseek,write,pwrite64,writev,pwritev,pwritev2,truncate,\
    ftruncate,fallocate,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,symlink,symlinkat,\
    fsync,fdatasync,sync,syncfs,sync_file_range,dup,dup2,dup3,copy_file_range,sendfile,splice,mmap";

/// What a recorded process does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Life {
    /// Makes a store, does the first half of the steps, and ends without closing it.
    First,
    /// Merges runs of fingerprints, does further steps, and closes.
    Second,
    /// Opens what a killed process left, rests and goes on a little.
    Resting,
    /// The same without a rest.
    Working,
    /// The same without the view that was left.
    Anew,
}

/// Segments that a few steps fill.
pub(crate) fn settings() -> Settings {
    let small = Settings { segment_bytes: 128 << 10, readers: 1, cache_kib: 512, ..Settings::default() };
    // SQLite's own log is carried back while steps are done, and not only at rest.
    Settings { view_log_bytes_max: 256 << 10, spares_max: 2, ..small }
}

/// Opens the store in a directory.
pub(crate) fn open(directory: &Path) -> Result<EmbeddedStore, panvault_store_embedded::OpenFault> {
    EmbeddedStore::open(directory, VAULT, chain(VAULT), settings())
}

/// Makes the store in a directory.
pub(crate) fn create(directory: &Path) -> Result<(), panvault_store_embedded::OpenFault> {
    EmbeddedStore::create(directory, VAULT, chain(VAULT).as_ref(), &settings())
}

/// More segments than there ever are.
const SEGMENTS_MAX: u64 = 40;

impl Life {
    const ALL: [Self; 5] = [Self::First, Self::Second, Self::Resting, Self::Working, Self::Anew];

    fn name(self) -> String {
        format!("{self:?}")
    }

    /// Lives in a process of its own, in `vault` below a directory, and hands out what that did to its files. `test` is the name
    /// of a test that begins with [`lived`].
    pub(crate) fn record(self, directory: &Path, test: &str) -> Trace {
        let written = directory.join(format!("{}.trace", self.name()));
        let mut strace = Command::new("strace");
        strace.args([
            "-f",
            "--seccomp-bpf",
            "-qq",
            "-xx",
            "-s",
            "10000000",
            "-e",
            "signal=none",
            "-e",
            CALLS,
            "-o",
        ]);
        strace.arg(&written).arg(std::env::current_exe().unwrap());
        strace
            .args(["--exact", test, "--nocapture"])
            .env(ASKED, format!("{} {}", self.name(), directory.display()));
        let output = strace.stdin(Stdio::null()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "the recorded process: {}", String::from_utf8_lossy(&said));
        Trace::read(&std::fs::read(&written).unwrap(), &vault(directory), &acks(directory))
    }
}

/// Says what is missing, if anything is.
pub(crate) fn need_strace() {
    let works = Command::new("strace").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(
        works,
        "this test needs strace: install the Debian package strace, or run `cargo xtask test`, which installs it"
    );
}

/// The directory of the store of recorded processes.
pub(crate) fn vault(directory: &Path) -> PathBuf {
    directory.join("vault")
}

/// Where they write down how many steps were acknowledged.
fn acks(directory: &Path) -> PathBuf {
    directory.join("acks")
}

/// Lives and ends, in a process that is to be recorded. In any other it does nothing.
pub(crate) fn lived() {
    #[expect(clippy::disallowed_methods, reason = "how a test tells its own process what to do")]
    let asked = std::env::var(ASKED);
    let Ok(asked) = asked else { return };
    let (name, directory) = asked.split_once(' ').unwrap();
    let life = Life::ALL.into_iter().find(|life| life.name() == name).unwrap();
    Recorded::of(Path::new(directory)).live(life);
}

/// The process that is recorded.
struct Recorded {
    vault: PathBuf,
    acks: File,
    dice: SeededRandom,
    steps: Vec<Commit>,
}

impl Recorded {
    fn of(directory: &Path) -> Self {
        let acks = File::create(acks(directory)).unwrap();
        Self { vault: vault(directory), acks, dice: SeededRandom::new(1), steps: steps() }
    }

    fn live(mut self, life: Life) {
        match life {
            Life::First => create(&self.vault).unwrap(),
            Life::Second => self.make_runs(),
            Life::Anew => std::fs::remove_file(self.vault.join("view.sqlite")).unwrap(),
            Life::Resting | Life::Working => {}
        }
        block_on(async {
            let store = open(&self.vault).unwrap();
            let there = usize::try_from(store.status().sequence).unwrap();
            // What a start has found is shown from now on, so it has to stay.
            self.acknowledge(there);
            let middle = there + if matches!(life, Life::First | Life::Second) { 110 } else { 10 };
            if !matches!(life, Life::Working) {
                self.rest(&store).await;
            }
            self.work(&store, there, middle).await;
            self.rest(&store).await;
            if matches!(life, Life::Second) {
                assert_eq!(self.runs(), 1, "the runs are merged");
                store.close().await.unwrap();
                drop(store);
            } else {
                // Ends as a killed process does, with a log of the view that is not checkpointed back.
                self.work(&store, middle, middle + 6).await;
                drop(all_of(&store).await);
                // Who carries steps into the view may be at a checkpoint. It is not any more when it has carried another.
                self.work(&store, middle + 6, middle + 7).await;
                drop(all_of(&store).await);
                self.until_quiet().await;
            }
            std::process::exit(0);
        });
    }

    /// Does steps, some of them together, and rests now and then.
    async fn work(&mut self, store: &EmbeddedStore, from: usize, to: usize) {
        let (mut next, mut bursts) = (from, 0);
        while next < to {
            let last = (next + 1 + self.dice.below(4)).min(to);
            let asked: Vec<_> =
                self.steps[next..last].iter().map(|step| store.commit(step.clone())).collect();
            for (sequence, answer) in (next + 1..).zip(asked) {
                assert!(is_done(&answer.await.unwrap()), "step {sequence}");
                self.acknowledge(sequence);
            }
            next = last;
            bursts += 1;
            if bursts % 3 == 0 {
                // Whoever reads a list has the view brought up.
                drop(store.document_read_all().await.unwrap());
            }
            if bursts % 5 == 0 {
                self.rest(store).await;
            }
        }
    }

    /// Waits until the view is checkpointed back and the segments that it covers are gone.
    async fn rest(&self, store: &EmbeddedStore) {
        let checkpointed = || self.bytes_of("view.sqlite-wal") == Some(0);
        while store.status().behind > 0 || !checkpointed() || self.count("seg") > 1 {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until no thread is about to write: of a call that the end of a process cuts off, nobody can say what it did.
    async fn until_quiet(&self) {
        let is_spare_ready = || {
            ["log/spare", "log/spare.1"]
                .iter()
                .any(|name| self.bytes_of(name) == Some(settings().segment_bytes))
        };
        while self.count("old") > 0 || !is_spare_ready() {
            tokio::task::yield_now().await;
        }
    }

    /// How many files of the log end like this. A look at the directory would be recorded.
    fn count(&self, end: &str) -> usize {
        let path = |number: u64| self.vault.join(format!("log/{number:016x}.{end}"));
        (1..SEGMENTS_MAX).filter(|number| path(*number).exists()).count()
    }

    fn bytes_of(&self, name: &str) -> Option<u64> {
        std::fs::metadata(self.vault.join(name)).ok().map(|file| file.len())
    }

    fn acknowledge(&mut self, sequence: usize) {
        self.acks.write_all(format!("{sequence}\n").as_bytes()).unwrap();
    }

    fn runs(&self) -> i64 {
        let view = Connection::open(self.vault.join("view.sqlite")).unwrap();
        view.query_row("SELECT count(*) FROM run", [], |row| row.get(0)).unwrap()
    }

    /// Gives the view as many runs of fingerprints as are merged, each with some of the tail: what millions of cards lead to.
    fn make_runs(&self) {
        let view = Connection::open(self.vault.join("view.sqlite")).unwrap();
        view.execute_batch(
            "BEGIN;
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 64)
                 INSERT INTO run (number, level) SELECT n, 0 FROM n;
             INSERT INTO fingerprint_run SELECT 1 + row_number() OVER (ORDER BY id) % 64, fingerprint, id
                 FROM fingerprint_tail;
             DELETE FROM fingerprint_tail;
             COMMIT;",
        )
        .unwrap();
    }
}
