//! Processes that outlive the command that started them: a file says which they are.

use core::time::Duration;
use std::fs::{self, DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::run;
use crate::stopwatch::Stopwatch;
use crate::workspace::Workspace;

const LIST: &str = "cluster.json";
/// Nodes finish what runs, PostgreSQL writes what it has in memory.
const END_SECONDS_MAX: u64 = 30;
const TRY_EVERY: Duration = Duration::from_millis(50);
/// Who runs servers where this is run by root: PostgreSQL refuses that one.
const NOBODY: u32 = 65_534;
/// Lines of a log that are shown when a start fails.
const SHOWN_MAX: usize = 8;

/// What was started, in this order, and where it writes.
pub(crate) struct Processes {
    list: PathBuf,
    directory: PathBuf,
    started: Vec<Started>,
}

/// A process, by its number and by when it was started: a number is given again to another.
struct Started {
    name: String,
    number: u32,
    since: String,
}

impl Processes {
    /// Those of the cluster that is up, or none.
    pub(super) fn read(workspace: &Workspace) -> anyhow::Result<Self> {
        let list = workspace.target.join(LIST);
        let mut all = Self { list, directory: PathBuf::new(), started: Vec::new() };
        let Ok(text) = fs::read_to_string(&all.list) else { return Ok(all) };
        let value: Value = serde_json::from_str(&text).with_context(|| {
            format!("{} cannot be read: end what runs, and remove it", all.list.display())
        })?;
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        all.directory = text(&value, "directory").unwrap_or_default().into();
        for started in value.get("started").and_then(Value::as_array).into_iter().flatten() {
            let number =
                started.get("number").and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
            if let (Some(name), Some(number), Some(since)) =
                (text(started, "name"), number, text(started, "since"))
            {
                all.started.push(Started { name, number, since });
            }
        }
        Ok(all)
    }

    /// A directory for new ones. Others may pass through it, as the server's user must, and see nothing.
    pub(super) fn begin(workspace: &Workspace) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("panvault-cluster-").tempdir()?.keep();
        let all = Self { list: workspace.target.join(LIST), directory, started: Vec::new() };
        all.write()?;
        fs::set_permissions(&all.directory, Permissions::from_mode(0o711))?;
        Ok(all)
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A directory of a server, for its user alone.
    pub(super) fn servers_directory(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.directory.join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        give_away(&path)?;
        Ok(path)
    }

    /// Starts one that goes on after this command; what it prints goes to a file of its name.
    pub(super) fn start(&mut self, name: &str, command: Command) -> anyhow::Result<()> {
        let log = File::create(self.log(name))?;
        // A session of its own: the terminal's end and Ctrl-C are not for it.
        let mut own = Command::new("setsid");
        own.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
        own.current_dir(command.get_current_dir().unwrap_or(&self.directory));
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                own.env(name, value);
            }
        }
        own.stdout(log.try_clone()?).stderr(log);
        let child = own.spawn().with_context(|| format!("{name} cannot be started"))?;
        let number = child.id();
        let since = since(number).with_context(|| format!("{name} ended at once"))?;
        self.started.push(Started { name: name.to_owned(), number, since });
        self.write()
    }

    /// Whether there is a cluster, or what is left of one.
    pub(super) fn exist(&self) -> bool {
        self.list.exists()
    }

    /// How many of them run.
    pub(super) fn remain(&self) -> usize {
        self.started.iter().filter(|started| started.runs()).count()
    }

    /// Ends them, those that were started last first, and removes what they wrote.
    pub(super) fn end(&self) -> anyhow::Result<()> {
        // Nodes drain at the first signal, and end at the second: nobody is to see first that they stop.
        for node in self.started.iter().filter(|started| started.name.starts_with("node-") && started.runs())
        {
            node.signal("-TERM");
        }
        for started in self.started.iter().rev().filter(|started| started.runs()) {
            // PostgreSQL would wait for its clients at TERM.
            started.signal(if started.name == "postgres" { "-INT" } else { "-TERM" });
            let begun = Stopwatch::start();
            while started.runs() {
                if begun.elapsed().as_secs() > END_SECONDS_MAX {
                    started.signal("-KILL");
                    bail!("{} did not end and was killed: run this again", started.name);
                }
                thread::sleep(TRY_EVERY);
            }
        }
        if self.directory.is_dir() {
            fs::remove_dir_all(&self.directory)
                .with_context(|| format!("{} cannot be removed", self.directory.display()))?;
        }
        if self.list.exists() {
            fs::remove_file(&self.list)?;
        }
        Ok(())
    }

    /// The last lines of what each printed.
    pub(super) fn logs(&self) -> String {
        let mut shown = String::new();
        for Started { name, .. } in &self.started {
            let text = fs::read_to_string(self.log(name)).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            let last = lines.get(lines.len().saturating_sub(SHOWN_MAX)..).unwrap_or_default();
            shown.push_str(&format!("-- {name}\n{}\n", last.join("\n")));
        }
        shown
    }

    fn log(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }

    fn write(&self) -> anyhow::Result<()> {
        let shown = |Started { name, number, since }: &Started| json!({ "name": name, "number": number, "since": since });
        let started: Vec<_> = self.started.iter().map(shown).collect();
        let text = json!({ "directory": self.directory, "started": started });
        fs::write(&self.list, text.to_string())
            .with_context(|| format!("cannot write {}", self.list.display()))
    }
}

impl Started {
    fn runs(&self) -> bool {
        since(self.number).is_some_and(|since| since == self.since)
    }

    fn signal(&self, signal: &str) {
        run::works(run::command("kill", Path::new("/"), &[signal, &self.number.to_string()]));
    }
}

/// When a process was started, in the system's ticks since it was; `None` for one that does not run, or that has ended and is not waited for.
fn since(number: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // What stands in brackets is its name, which may have spaces and brackets in it.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    (state != "Z").then_some(())?;
    // The 22nd of all, and two were before.
    fields.nth(18).map(str::to_owned)
}

/// The same command as its user runs it: not as root, which PostgreSQL refuses.
pub(crate) fn as_ordinary_user(command: &Command) -> Command {
    if !is_root() {
        let mut same = Command::new(command.get_program());
        same.args(command.get_args()).stdin(Stdio::null());
        return same;
    }
    let nobody = NOBODY.to_string();
    let mut wrapped = Command::new("setpriv");
    wrapped.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups", "--"]);
    wrapped.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null()).current_dir("/");
    wrapped
}

pub(crate) fn give_away(path: &Path) -> anyhow::Result<()> {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY))?;
    }
    Ok(())
}

fn is_root() -> bool {
    run::output(run::command("id", Path::new("/"), &["-u"])).is_ok_and(|user| user == b"0\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_when_it_was_started() {
        let own = std::process::id();
        let began = since(own).unwrap();
        assert!(began.parse::<u64>().is_ok(), "{began}");
        assert_eq!(since(own), Some(began.clone()));
        assert!(Started { name: "a".to_owned(), number: own, since: began }.runs());
        assert!(!Started { name: "a".to_owned(), number: own, since: "1".to_owned() }.runs());
        let mut ended = Command::new("true").spawn().unwrap();
        let number = ended.id();
        ended.wait().unwrap();
        assert_eq!(since(number), None);
    }
}
