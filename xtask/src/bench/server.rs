//! The servers that are measured: real processes, killed when they go.

use core::time::Duration;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::run;
use crate::stopwatch::Stopwatch;
use crate::workspace::{SHIPPED, Workspace};

const READY_SECONDS_MAX: u64 = 120;
const VAULT_LOG: &str = "server.log";

/// The niceness of what is there for what it does to others: it would be another machine's, and takes of this one's time what is left.
pub(super) const BEHIND: &str = "19";

/// The binaries as they are handed out.
pub(super) struct Binaries {
    root: PathBuf,
    pub(super) panvault: PathBuf,
    bench: PathBuf,
    /// What the servers say; it outlives the directories of their data.
    logs: PathBuf,
}

/// A process that serves.
pub(super) struct Server {
    child: Child,
    pub(super) url: String,
}

/// A PSP on this machine, and what it prints.
pub(super) struct Psp {
    server: Server,
    log: PathBuf,
}

/// A test vault in a directory, with all that a request to it needs.
pub(super) struct Vault {
    pub(super) data: PathBuf,
    pub(super) organisation: String,
    pub(super) account: String,
    pub(super) processor: String,
    pub(super) api_key: String,
}

impl Binaries {
    /// Builds them.
    pub(super) fn build(workspace: &Workspace) -> anyhow::Result<Self> {
        let packages = ["--package", "panvault", "--package", "panvault-bench"];
        let mut build = run::cargo(&workspace.root, &["build", "--profile", SHIPPED, "--locked", "--quiet"]);
        build.args(packages);
        run::output(build).context("the build failed")?;
        let (built, logs) = (workspace.target.join(SHIPPED), workspace.target.join("bench"));
        fs::create_dir_all(&logs)?;
        fs::write(logs.join(VAULT_LOG), "")?;
        Ok(Self {
            root: workspace.root.clone(),
            panvault: built.join("panvault"),
            bench: built.join("panvault-bench"),
            logs,
        })
    }

    /// Makes a vault below `directory`, with the commands that its user would run.
    pub(super) fn vault(&self, directory: &Path) -> anyhow::Result<Vault> {
        let data = directory.join("vault");
        let text = data.to_string_lossy().into_owned();
        self.made("init", &[&text, "--mode", "test", "--json"])?;
        let shared = ["--data", &text, "--json", "--name", "Benchmark"];
        let make = |name: &str, arguments: &[&str]| {
            self.made(name, &[&["create"], shared.as_slice(), arguments].concat())
        };
        let organisation = text_of(&make("organisation", &[])?, "_id")?;
        let of = ["--organisation", organisation.as_str()];
        let processor = text_of(&make("processor", &[&of[..], &["--type", "card_dummy"]].concat())?, "_id")?;
        let money = ["--currency-code", "EUR", "--processor", &processor];
        let account = text_of(&make("account", &[&of[..], &money].concat())?, "_id")?;
        let api_key =
            text_of(&make("apikey", &[&of[..], &["--role", "MerchantAdmin"]].concat())?, "api_key")?;
        Ok(Vault { data, organisation, account, processor, api_key })
    }

    fn made(&self, name: &str, arguments: &[&str]) -> anyhow::Result<Value> {
        let mut command = run::command(&self.panvault, &self.root, &[name]);
        command.args(arguments);
        Ok(serde_json::from_slice(&run::output(command)?)?)
    }

    /// Imports a real list of issuers, and gives how long that took and what was said of it.
    pub(super) fn bin_import(&self, vault: &Vault, list: &Path) -> anyhow::Result<(Duration, Value)> {
        let about = ["--format", "bin-list-data", "--source", "a benchmark", "--licence", "CC-BY-4.0"];
        let arguments =
            ["import", &list.to_string_lossy(), "--json", "--data", &vault.data.to_string_lossy()]
                .map(str::to_owned);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(about).collect();
        let watch = Stopwatch::start();
        let report = self.made("bin", &arguments)?;
        Ok((watch.elapsed(), report))
    }

    /// Serves a vault.
    pub(super) fn serve(&self, vault: &Vault) -> anyhow::Result<Server> {
        self.serve_with(vault, &[])
    }

    /// Serves a vault, with further arguments.
    pub(super) fn serve_with(&self, vault: &Vault, further: &[&str]) -> anyhow::Result<Server> {
        self.serve_from(&self.root, &[&["--data", &vault.data.to_string_lossy()], further].concat())
    }

    /// Serves what these arguments name.
    pub(super) fn serve_from(&self, directory: &Path, named: &[&str]) -> anyhow::Result<Server> {
        let arguments =
            ["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "", "--set", "log_format=json"];
        let mut command = run::command(&self.panvault, directory, &arguments);
        // What is tokenised in a few minutes at full speed is more than is held by default, and far more than one key may ask for.
        command.args(["--set", "cvvs_held_max=100000000", "--set", "limits=false"]).args(named);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.context("the server cannot be started")?;
        let stderr = child.stderr.take().context("standard error is not piped")?;
        let path = self.logs.join(VAULT_LOG);
        let log = File::options().append(true).open(&path)?;
        Server::ready(child, stderr, log, ready_line)
            .with_context(|| format!("the server is not ready; see {}", path.display()))
    }

    /// Serves the floor.
    pub(super) fn floor(&self) -> anyhow::Result<Server> {
        let command = &mut run::command(&self.bench, &self.root, &["floor"]);
        let mut child = command.stdout(Stdio::piped()).spawn().context("the floor cannot be started")?;
        let stdout = child.stdout.take().context("standard output is not piped")?;
        let log = File::create(self.logs.join("floor.log"))?;
        Server::ready(child, stdout, log, |line| line.starts_with("http").then(|| line.to_owned()))
            .context("the floor is not ready")
    }

    /// Serves a PSP that takes every payment, and answers after so long. Its root is written to a file. One that is slow is there for what it does to others,
    /// and takes no more of this machine's time than they leave: a real one is elsewhere.
    pub(super) fn psp(&self, name: &str, root: &Path, answer_millis: u64) -> anyhow::Result<Psp> {
        let is_slow = answer_millis > 0;
        let answer_millis = answer_millis.to_string();
        let bench = self.bench.to_string_lossy();
        let words = [bench.as_ref(), "psp", "--answer-millis", &answer_millis, "--root"];
        let mut command = run::command("nice", &self.root, &["-n", if is_slow { BEHIND } else { "0" }]);
        let mut child = command
            .args(words)
            .arg(root)
            .stdout(Stdio::piped())
            .spawn()
            .context("the PSP cannot be started")?;
        let stdout = child.stdout.take().context("standard output is not piped")?;
        let log = self.logs.join(format!("psp-{name}.log"));
        let server = Server::ready(child, stdout, File::create(&log)?, |line| {
            line.starts_with("https").then(|| line.to_owned())
        });
        Ok(Psp { server: server.context("the PSP is not ready")?, log })
    }

    /// The same vault, which is served, with an account that pays by a further processor.
    pub(super) fn paying_by(&self, vault: &Vault, type_name: &str, secret: &str) -> anyhow::Result<Vault> {
        let data = vault.data.to_string_lossy();
        let shared = ["create", "--data", &data, "--json", "--name", type_name];
        let of = ["--organisation", vault.organisation.as_str()];
        let settings = ["--type", type_name, "--secret", secret];
        let processor = text_of(&self.made("processor", &[&shared[..], &of, &settings].concat())?, "_id")?;
        let money = ["--currency-code", "EUR", "--processor", &processor];
        let account = text_of(&self.made("account", &[&shared[..], &of, &money].concat())?, "_id")?;
        let Vault { data, organisation, api_key, .. } = vault;
        let (data, organisation, api_key) = (data.clone(), organisation.clone(), api_key.clone());
        Ok(Vault { data, organisation, account, processor, api_key })
    }

    /// Stores cards in a vault that is not served, and hands on what the loader prints.
    pub(super) fn load(
        &self,
        vault: &Vault,
        first: u64,
        cards: u64,
        ids: &Path,
        mut sample: impl FnMut(u64, f64),
    ) -> anyhow::Result<()> {
        let (first, cards) = (first.to_string(), cards.to_string());
        let mut command =
            run::command(&self.bench, &self.root, &["load", "--organisation", &vault.organisation]);
        command.args(["--first", &first, "--cards", &cards, "--data"]).arg(&vault.data);
        let mut child = command.arg("--ids").arg(ids).stdout(Stdio::piped()).spawn()?;
        for line in BufReader::new(child.stdout.take().context("standard output is not piped")?).lines() {
            let line: Value = serde_json::from_str(&line?)?;
            let number = |name: &str| line.get(name).and_then(Value::as_f64).unwrap_or_default();
            sample(line.get("cards").and_then(Value::as_u64).unwrap_or_default(), number("seconds"));
        }
        let status = child.wait()?;
        if status.success() { Ok(()) } else { bail!("the loader ended with {status}") }
    }

    /// Makes transactions in a vault that is not served; `further` says which.
    pub(super) fn pay(
        &self,
        vault: &Vault,
        cards: &Path,
        transactions: u64,
        ids: &Path,
        further: &[&str],
    ) -> anyhow::Result<()> {
        let transactions = transactions.to_string();
        let mut command = run::command(&self.bench, &self.root, &["pay", "--transactions", &transactions]);
        command.arg("--data").arg(&vault.data).arg("--cards").arg(cards).arg("--ids").arg(ids);
        command.args(["--account", &vault.account]).args(further);
        run::output(command).map(drop)
    }

    /// A further account of a vault that is not served, with the processor of its first.
    pub(super) fn account(&self, vault: &Vault) -> anyhow::Result<String> {
        let data = vault.data.to_string_lossy();
        let shared = ["create", "--data", &data, "--json", "--name", "Second"];
        let of = ["--organisation", &vault.organisation, "--currency-code", "EUR", "--processor"];
        text_of(&self.made("account", &[&shared[..], &of, &[&vault.processor]].concat())?, "_id")
    }

    /// Makes documents in a vault that nobody serves, and times the last of them beside early ones of another: a line for each kind.
    pub(super) fn documents(&self, many: &Vault, few: &Vault, documents: u64) -> anyhow::Result<Vec<Value>> {
        let documents = documents.to_string();
        let mut command =
            run::command(&self.bench, &self.root, &["documents", "--documents", &documents, "--data"]);
        command.arg(&many.data).arg("--beside").arg(&few.data);
        let out = run::output(command)?;
        String::from_utf8_lossy(&out).lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// Holds CVVs in the store of the server: a line for what they take of memory, and one for each step.
    pub(super) fn cvvs(&self, cvvs: u64) -> anyhow::Result<Vec<Value>> {
        let out = run::output(run::command(&self.bench, &self.root, &["cvvs", "--cvvs", &cvvs.to_string()]))?;
        String::from_utf8_lossy(&out).lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// The command that plans cards.
    pub(super) fn bench_path(&self) -> &Path {
        &self.bench
    }

    /// What `panvault doctor` says of a vault that is not served.
    pub(super) fn is_healthy(&self, vault: &Vault) -> bool {
        let mut command = run::command(&self.panvault, &self.root, &["doctor", "--data"]);
        command.arg(&vault.data);
        run::works(command)
    }
}

impl Psp {
    pub(super) fn origin(&self) -> &str {
        &self.server.url
    }

    /// How many there were so far.
    pub(super) fn connections(&self) -> anyhow::Result<u64> {
        let lines = fs::read_to_string(&self.log)?;
        Ok(lines.lines().filter(|line| *line == "connection").count() as u64)
    }
}

impl Server {
    /// Waits for the line that says where it listens; the rest of what it prints goes to `log`.
    fn ready(
        mut child: Child,
        out: impl Read + Send + 'static,
        mut log: File,
        url: fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                drop(writeln!(log, "{line}"));
                if let Some(url) = url(&line) {
                    drop(sender.send(url));
                }
            }
        });
        match receiver.recv_timeout(Duration::from_secs(READY_SECONDS_MAX)) {
            Ok(url) => Ok(Self { child, url }),
            Err(_) => {
                drop(child.kill());
                bail!("it ended with {}", child.wait()?)
            }
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Host and port.
    pub(super) fn authority(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Fails when it has ended by itself.
    pub(super) fn still_runs(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!(
                "the server ended by itself with {status}; see bench/{VAULT_LOG} in the target directory"
            ),
        }
    }
}

impl Drop for Server {
    /// `kill -9`.
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn ready_line(line: &str) -> Option<String> {
    let event: Value = serde_json::from_str(line).ok()?;
    let is_ready = event.get("message").and_then(Value::as_str) == Some("server.ready");
    if is_ready { text_of(&event, "url").ok() } else { None }
}

fn text_of(value: &Value, name: &str) -> anyhow::Result<String> {
    let text = value.get(name).and_then(Value::as_str).map(str::to_owned);
    text.with_context(|| format!("{name} is missing in {value}"))
}
