//! Three nodes on this machine, with all that goes with them: `cargo xtask cluster up`, and `down`.

pub(crate) mod database;
pub(crate) mod processes;

use core::time::Duration;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, bail, ensure};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::cluster::database::Database;
use crate::cluster::processes::Processes;
use crate::stopwatch::Stopwatch;
use crate::workspace::Workspace;
use crate::{run, say, servers};

const NODES: usize = 3;
const READY_SECONDS_MAX: u64 = 60;
const TRY_EVERY: Duration = Duration::from_millis(100);

#[derive(Subcommand)]
pub(crate) enum ClusterCommand {
    /// Start PostgreSQL, Redis, three nodes and HAProxy on the loopback address, and say how they are reached
    Up {
        /// Print one line of JSON: url, nodes, organisation, account, api_key
        #[arg(long)]
        json: bool,
    },
    /// Stop all of it, and remove what it wrote
    Down,
}

/// Whether all went well.
pub(crate) fn cluster(workspace: &Workspace, command: &ClusterCommand) -> anyhow::Result<()> {
    match command {
        ClusterCommand::Up { json } => {
            let cluster = up(workspace)?;
            say::line(if *json { cluster.json().to_string() } else { cluster.text() });
            Ok(())
        }
        ClusterCommand::Down => {
            let ended = Processes::read(workspace)?;
            ensure!(ended.exist(), "no cluster is up");
            ended.end()?;
            say::line("the cluster is down, and nothing of it is left");
            Ok(())
        }
    }
}

/// Up, paid with over each node, and down.
pub(crate) fn test(workspace: &Workspace) -> anyhow::Result<()> {
    let cluster = up(workspace)?;
    let paid = cluster.tokenise(workspace);
    Processes::read(workspace)?.end()?;
    ensure!(!cluster.directory.exists(), "{} is left", cluster.directory.display());
    paid
}

/// A cluster that runs.
struct Cluster {
    directory: PathBuf,
    url: String,
    nodes: Vec<String>,
    database: String,
    organisation: String,
    account: String,
    api_key: String,
    config: PathBuf,
    binary: PathBuf,
}

/// Starts everything; what was started ends when something cannot be.
fn up(workspace: &Workspace) -> anyhow::Result<Cluster> {
    servers::needed_from_debian(&workspace.root)?;
    let processes = Processes::read(workspace)?;
    ensure!(processes.remain() == 0, "a cluster is up already: `cargo xtask cluster down` ends it");
    // What a machine that was switched off has left.
    processes.end()?;
    let binary = workspace.debug_binary()?;
    let mut processes = Processes::begin(workspace)?;
    match start(&binary, &workspace.root.join("deploy/haproxy.cfg"), &mut processes) {
        Ok(cluster) => Ok(cluster),
        Err(error) => {
            let logs = processes.logs();
            let ended = processes.end();
            ended.and(Err(error).context(format!("the cluster does not start\n{logs}")))
        }
    }
}

fn start(binary: &Path, haproxy: &Path, processes: &mut Processes) -> anyhow::Result<Cluster> {
    let directory = processes.directory().to_owned();
    say::note(format_args!("starting in {}", directory.display()));
    let own = processes.servers_directory("postgres")?;
    let database = database::start(&directory, &own, &[], |command| processes.start("postgres", command))?;
    let (redis, command) = redis(&processes.servers_directory("redis")?)?;
    processes.start("redis", command)?;
    until_redis(&directory, redis)?;
    let Vault { config, organisation, account, api_key } = vault(binary, &directory, &database, redis)?;

    let mut addresses = Vec::new();
    for number in 1..=NODES {
        let (api, metrics) = (port()?, port()?);
        // Without an environment, in which settings could be.
        let mut command = Command::new("env");
        command.arg("-i").arg(binary).args(["serve", "--config", "vault.settings.toml"]);
        command.args(["--listen", &format!("127.0.0.1:{api}")]);
        command.args(["--set", &format!("metrics_listen=127.0.0.1:{metrics}")]);
        command
            .arg("--set")
            .arg(format!("data_directory={}", directory.join(format!("node-{number}")).display()));
        processes.start(&format!("node-{number}"), command)?;
        addresses.push(format!("127.0.0.1:{api}"));
    }
    let nodes: Vec<_> = addresses.iter().map(|address| format!("http://{address}")).collect();
    for node in &nodes {
        until("a node is ready", || is_ready(&directory, node))?;
    }
    let listen = format!("127.0.0.1:{}", port()?);
    let mut command = Command::new("/usr/sbin/haproxy");
    command.args(["-db", "-f"]).arg(haproxy).env("PANVAULT_LISTEN", &listen);
    for (number, address) in (1..).zip(&addresses) {
        command.env(format!("PANVAULT_NODE_{number}"), address);
    }
    processes.start("haproxy", command)?;
    let url = format!("http://{listen}");
    until("HAProxy is ready", || is_ready(&directory, &url))?;
    let (database, binary) = (database.url, binary.to_owned());
    Ok(Cluster { directory, url, nodes, database, organisation, account, api_key, config, binary })
}

/// What starts Redis for CVVs, in a directory of its user, and the port that it is to listen at.
pub(crate) fn redis(own: &Path) -> anyhow::Result<(u16, Command)> {
    let port = port()?;
    let mut command = Command::new("/usr/bin/redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"]);
    command.args(["--maxmemory-policy", "noeviction", "--dir"]).arg(own);
    Ok((port, processes::as_ordinary_user(&command)))
}

/// Waits until it answers.
pub(crate) fn until_redis(directory: &Path, port: u16) -> anyhow::Result<()> {
    until("Redis is ready", || {
        run::works(run::command("redis-cli", directory, &["-p", &port.to_string(), "ping"]))
    })
}

/// A test vault in a database, with all that a request to it needs.
pub(crate) struct Vault {
    /// The settings of its nodes, but for what each has of its own.
    pub(crate) config: PathBuf,
    pub(crate) organisation: String,
    pub(crate) account: String,
    pub(crate) api_key: String,
}

/// Makes a vault with the commands that its user would run.
pub(crate) fn vault(
    binary: &Path,
    directory: &Path,
    database: &Database,
    redis: u16,
) -> anyhow::Result<Vault> {
    let asked = |arguments: &[&str]| ask(binary, directory, arguments);
    let password = format!("store_password_file={}", database.password_file.display());
    let cvv_store = format!("cvv_store=redis://127.0.0.1:{redis}");
    let init = [
        "init",
        "vault",
        "--mode",
        "test",
        "--store",
        &database.url,
        "--set",
        &password,
        "--set",
        &cvv_store,
    ];
    asked(&init)?;
    let config = directory.join("vault.settings.toml");
    let of = |words: &[&str], organisation: &str| {
        let arguments =
            [words, &["--organisation", organisation, "--config", "vault.settings.toml"]].concat();
        asked(&arguments)
    };
    let id = |made: Value, name: &str| text(&made, name);
    let made =
        asked(&["organisation", "create", "--name", "Example Ltd", "--config", "vault.settings.toml"])?;
    let organisation = id(made, "_id")?;
    let processor = ["processor", "create", "--name", "Dummy", "--type", "card_dummy"];
    let processor = id(of(&processor, &organisation)?, "_id")?;
    let account =
        ["account", "create", "--name", "Main", "--currency-code", "EUR", "--processor", &processor];
    let account = id(of(&account, &organisation)?, "_id")?;
    let api_key = ["apikey", "create", "--name", "cluster", "--role", "MerchantAdmin"];
    let api_key = id(of(&api_key, &organisation)?, "api_key")?;
    Ok(Vault { config, organisation, account, api_key })
}

impl Cluster {
    fn json(&self) -> Value {
        json!({
            "url": self.url, "nodes": self.nodes, "organisation": self.organisation, "account": self.account,
            "api_key": self.api_key, "config": self.config, "database": self.database, "directory": self.directory,
        })
    }

    fn text(&self) -> String {
        let Self { directory, url, database, organisation, account, api_key, config, binary, .. } = self;
        let (directory, config, binary) = (directory.display(), config.display(), binary.display());
        let nodes = self.nodes.join("  ");
        format!(
            "Three nodes are up, a test vault, until `cargo xtask cluster down`.\n\n  \
             url           {url}\n  nodes         {nodes}\n  organisation  {organisation}\n  account       {account}\n  \
             API key       {api_key}\n\nMake a token:\n\n  \
             curl {url}/v1/card -H 'X-APIKEY: {api_key}' -H 'Content-Type: application/json' -d '{{\n    \
             \"card_number\": \"4111111111111111\", \"cvv\": \"123\", \"expiry_month\": \"12\", \"expiry_year\": \"40\",\n    \
             \"organisation\": \"{organisation}\" }}'\n\nWatch it:\n\n  \
             tail -f {directory}/*.log\n  {binary} status --config {config} --data {directory}/node-1\n  \
             PGPASSFILE={directory}/pgpass psql '{database}'"
        )
    }

    /// Makes a card by each address and reads it at each node.
    fn tokenise(&self, workspace: &Workspace) -> anyhow::Result<()> {
        let key = format!("X-APIKEY: {}", self.api_key);
        let asked = |url: &str, more: &[&str]| {
            let arguments = [&["-sS", "--max-time", "30", "-H", &key, url], more].concat();
            let printed = run::output(run::command("curl", &workspace.root, &arguments))?;
            serde_json::from_slice::<Value>(&printed).context("the answer is no JSON")
        };
        for at in self.nodes.iter().chain([&self.url]) {
            let body = json!({
                "card_number": "4111111111111111", "cvv": "123", "expiry_month": "12", "expiry_year": "2040",
                "organisation": self.organisation,
            });
            let body = body.to_string();
            let more = ["-H", "Content-Type: application/json", "-d", &body];
            let made = asked(&format!("{at}/v1/card"), &more)?;
            let card = text(&made, "_id").with_context(|| made.to_string())?;
            ensure!(made.get("cvv_present") == Some(&Value::Bool(true)), "{made}");
            for node in &self.nodes {
                let read = asked(&format!("{node}/v1/card/{card}"), &[])?;
                ensure!(read == made, "{node} reads {read} and not {made}");
            }
        }
        Ok(())
    }
}

/// Runs a command of the binary, in the cluster's directory, and reads what it prints.
fn ask(binary: &Path, directory: &Path, arguments: &[&str]) -> anyhow::Result<Value> {
    let mut command = run::command(binary, directory, arguments);
    command.arg("--json").env_clear();
    Ok(serde_json::from_slice(&run::output(command)?)?)
}

fn text(value: &Value, name: &str) -> anyhow::Result<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned).with_context(|| format!("there is no {name}"))
}

fn is_ready(directory: &Path, url: &str) -> bool {
    let url = format!("{url}/readyz");
    run::works(run::command("curl", directory, &["-sf", "--noproxy", "*", "--max-time", "5", &url]))
}

/// Waits until something is so.
fn until(what: &str, is_so: impl Fn() -> bool) -> anyhow::Result<()> {
    let begun = Stopwatch::start();
    while !is_so() {
        if begun.elapsed().as_secs() > READY_SECONDS_MAX {
            bail!("not within {READY_SECONDS_MAX} seconds: {what}");
        }
        thread::sleep(TRY_EVERY);
    }
    Ok(())
}

/// A port of the loopback address on which nobody listens now.
fn port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?.local_addr()?.port())
}

/// Writes a file for us alone.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(fs::set_permissions(path, Permissions::from_mode(0o600))?)
}
