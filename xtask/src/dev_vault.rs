//! A vault for trying, served by the real binary.

use core::time::Duration;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::run;
use crate::workspace::Workspace;

const READY_SECONDS_MAX: u64 = 60;

/// A running `panvault dev`. It ends with this value; its directory is the caller's to remove.
pub(crate) struct DevVault {
    child: Child,
    /// Where it listens, such as `http://127.0.0.1:8080`.
    pub(crate) url: String,
    /// Where its console is, such as `http://127.0.0.1:8082/console`.
    pub(crate) console_url: String,
    /// Its organisation.
    pub(crate) organisation: String,
    /// Its account, with the dummy processor.
    pub(crate) account: String,
    /// A secret key.
    pub(crate) api_key: String,
}

impl DevVault {
    /// Starts the binary and waits until it serves. Its log goes to `log`.
    pub(crate) fn start(
        workspace: &Workspace,
        binary: &Path,
        data: &Path,
        log: &Path,
    ) -> anyhow::Result<Self> {
        Self::start_with(workspace, binary, data, log, &[])
    }

    /// The same, with further arguments.
    pub(crate) fn start_with(
        workspace: &Workspace,
        binary: &Path,
        data: &Path,
        log: &Path,
        more: &[&str],
    ) -> anyhow::Result<Self> {
        if let Some(parent) = log.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut command =
            run::command(binary, &workspace.root, &["dev", "--json", "--listen", "127.0.0.1:0"]);
        command.arg("--data").arg(data).args(more);
        let log_file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let ready = ready(&mut child).and_then(|line| Ok(serde_json::from_str::<Value>(&line)?));
        let mut vault = Self {
            child,
            url: String::new(),
            console_url: String::new(),
            organisation: String::new(),
            account: String::new(),
            api_key: String::new(),
        };
        let ready =
            ready.with_context(|| format!("`panvault dev --json` is not ready; see {}", log.display()))?;
        let field = |name: &str| {
            let text = ready.get(name).and_then(Value::as_str).map(str::to_owned);
            text.with_context(|| format!("`panvault dev --json` did not say {name}"))
        };
        vault.url = field("url")?;
        vault.console_url = field("console_url")?;
        vault.organisation = field("organisation")?;
        vault.account = field("account")?;
        vault.api_key = field("api_key")?;
        Ok(vault)
    }

    /// Fails when it has ended by itself.
    pub(crate) fn still_runs(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the server ended by itself with {status}"),
        }
    }
}

impl Drop for DevVault {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The first line of its output.
fn ready(child: &mut Child) -> anyhow::Result<String> {
    let stdout = child.stdout.take().context("the output is not piped")?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(stdout);
        let mut line = String::new();
        drop(reader.read_line(&mut line).map(|_| sender.send(line)));
        // Whatever follows is read and dropped, so that the pipe never fills.
        drop(std::io::copy(&mut reader, &mut std::io::sink()));
    });
    receiver.recv_timeout(Duration::from_secs(READY_SECONDS_MAX)).context("it said nothing")
}
