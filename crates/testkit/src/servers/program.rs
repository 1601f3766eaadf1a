//! A program that runs beside a test, and ends with it.

use core::time::Duration;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, LazyLock, Mutex, mpsc};
use std::thread;

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

/// Longer than any of them takes to say that it is ready, on a machine that does much else.
const READY_SECONDS_MAX: u64 = 60;
/// Who runs servers where tests are run by root: PostgreSQL and PgBouncer refuse that one.
const NOBODY: u32 = 65_534;

/// A program that runs. It is killed when it goes.
pub(super) struct Program {
    child: Child,
    log: Arc<Log>,
}

/// What a program printed, so far.
#[derive(Default)]
struct Log {
    printed: Mutex<Printed>,
    more: Condvar,
}

#[derive(Default)]
struct Printed {
    text: String,
    has_ended: bool,
}

impl Program {
    /// Starts it, and waits until it prints `ready`; or gives what it printed before it ended. `end` is the signal that the system sends to it when this process ends.
    pub(super) fn start(command: &Command, end: &str, ready: &str) -> Result<Self, String> {
        let (reader, writer) = io::pipe().unwrap();
        let mut wrapped = as_ordinary_user(command, end);
        wrapped.stdin(Stdio::null()).stdout(writer.try_clone().unwrap()).stderr(writer);
        let child = spawn(wrapped).unwrap_or_else(|error| panic!("setpriv cannot be started: {error}"));
        let log = Arc::new(Log::default());
        let kept = Arc::clone(&log);
        thread::spawn(move || kept.follow(reader));
        let program = Self { child, log };
        if program.prints(ready) { Ok(program) } else { Err(program.log()) }
    }

    /// Waits until it has printed a text; whether it did before it ended or too much time had gone.
    pub(super) fn prints(&self, text: &str) -> bool {
        let printed = self.log.printed.lock().unwrap();
        let wait = Duration::from_secs(READY_SECONDS_MAX);
        let goes_on = |printed: &mut Printed| !printed.has_ended && !printed.text.contains(text);
        let (printed, _) = self.log.more.wait_timeout_while(printed, wait, goes_on).unwrap();
        printed.text.contains(text)
    }

    /// All that it printed so far.
    pub(super) fn log(&self) -> String {
        self.log.printed.lock().unwrap().text.clone()
    }

    pub(super) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        // It fails for one that has ended by itself.
        let _ = kill_process(Pid::from_raw(id).unwrap(), signal);
    }

    /// Sends it a signal that ends it, and waits for its end.
    pub(super) fn end(&mut self, signal: Signal) {
        self.signal(signal);
        drop(self.child.wait());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Log {
    fn follow(&self, reader: io::PipeReader) {
        for line in BufReader::new(reader).split(b'\n') {
            let Ok(line) = line else { break };
            let mut printed = self.printed.lock().unwrap();
            printed.text.push_str(&String::from_utf8_lossy(&line));
            printed.text.push('\n');
            self.more.notify_all();
        }
        self.printed.lock().unwrap().has_ended = true;
        self.more.notify_all();
    }
}

/// A directory for a server, which may write there whoever it is.
pub(super) fn directory() -> TempDir {
    let directory = tempfile::Builder::new().prefix("panvault-test-").tempdir().unwrap();
    give_away(directory.path());
    directory
}

/// Writes a file that only the server reads.
pub(super) fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    give_away(path);
}

/// Fails with what to do where a program is missing.
pub(super) fn need(program: &Path, package: &str) {
    assert!(
        program.exists(),
        "{} is needed and is not there: `apt-get install {package}`, or run `cargo xtask test`, which installs it",
        program.display()
    );
}

/// Runs a program of a server to its end, as the server will run.
pub(super) fn run(command: &Command) {
    let output = as_ordinary_user(command, "KILL").stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn give_away(path: &Path) {
    if geteuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

fn as_ordinary_user(command: &Command, end: &str) -> Command {
    let mut wrapped = Command::new("/usr/bin/setpriv");
    wrapped.args(["--pdeathsig", end]);
    if geteuid().is_root() {
        let nobody = NOBODY.to_string();
        wrapped.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
    }
    // A user who may not read the directory of the sources cannot start there.
    wrapped.arg("--").arg(command.get_program()).args(command.get_args()).current_dir("/");
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped
}

/// Starts a program from a thread that lives as long as this process: the system would end it with the thread that started it, and each test has its own.
fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static STARTER: LazyLock<Mutex<mpsc::Sender<Order>>> = LazyLock::new(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in orders {
                drop(answer.send(command.spawn()));
            }
        });
        Mutex::new(sender)
    });
    let (sender, answer) = mpsc::channel();
    STARTER.lock().unwrap().send((command, sender)).unwrap();
    answer.recv().unwrap()
}
