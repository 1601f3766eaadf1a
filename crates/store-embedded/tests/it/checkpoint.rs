//! A flush of the view that fails while SQLite's own log is checkpointed back into it.

use std::path::Path;
use std::process::{Command, Stdio};

use panvault_store::{Store, StoreFault};
use panvault_store_embedded::EmbeddedStore;
use panvault_testkit::conformance::card_insert;
use panvault_testkit::conformance::rows::{VAULT, card, chain};

use crate::support::{Home, all_of, block_on, done, settings};
use crate::whole_cut::life::need_strace;

/// Tells the process whose flush fails that it is the one, and where the store is.
const ASKED: &str = "PANVAULT_TEST_CHECKPOINT";
const NAME: &str = "checkpoint::a_checkpoint_that_cannot_be_flushed_ends_writing_for_good";
/// How that process ends when its store failed.
const FAILED: i32 = 7;

/// The bug: a flush of the view that failed was tried again, and its success taken for a proof: the log's segments were erased. After
/// one that failed, nobody knows what is on the disk. Its cure: it ends writing for good, and nothing is checkpointed back or erased.
#[test]
fn a_checkpoint_that_cannot_be_flushed_ends_writing_for_good() {
    #[expect(clippy::disallowed_methods, reason = "how a test tells its own process what to do")]
    if let Ok(directory) = std::env::var(ASKED) {
        std::process::exit(block_on(live(Path::new(&directory))));
    }
    need_strace();
    // The control: without the fault it is checkpointed back, and nothing is left of SQLite's own log.
    for (inject, ended) in [("inject=fsync,fdatasync:error=EIO:when=1", FAILED), ("trace=fsync,fdatasync", 0)]
    {
        let home = Home::new();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", inject, "-P"]);
        strace.arg(home.path().join("view.sqlite")).arg(std::env::current_exe().unwrap());
        strace.args(["--exact", NAME, "--nocapture"]).env(ASKED, home.path()).stdin(Stdio::null());
        let output = strace.output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(ended), "{said}");
        let left = std::fs::metadata(home.path().join("view.sqlite-wal"));
        let checkpointed = left.map_or(true, |file| file.len() == 0);
        assert_eq!(checkpointed, ended == 0);
        assert_eq!(block_on(async { all_of(&home.open()).await }).cards.len(), 1);
        assert_eq!(home.examine().findings, []);
    }
}

/// Stores a card, waits until it is checkpointed back or the store has failed, and closes it.
async fn live(directory: &Path) -> i32 {
    let store = EmbeddedStore::open(directory, VAULT, chain(VAULT), settings()).unwrap();
    done(store.commit(card_insert(&card(10))).await.unwrap());
    let checkpointed =
        || std::fs::metadata(directory.join("view.sqlite-wal")).is_ok_and(|file| file.len() == 0);
    while store.status().fault.is_none() && (store.status().behind > 0 || !checkpointed()) {
        tokio::task::yield_now().await;
    }
    let failed = store.status().fault;
    let closed = store.close().await;
    // As the end of the process does it.
    drop(store);
    match (failed, closed) {
        (None, Ok(())) => 0,
        (Some(StoreFault::Stopped), Err(StoreFault::Stopped)) => FAILED,
        (failed, closed) => panic!("{failed:?}, {closed:?}"),
    }
}
