//! The servers, the nodes and what loads them. All of it ends with this process.

use core::time::Duration;
use std::fs::{self, DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::bench::cluster::pgbench::Pgbench;
use crate::bench::cluster::what::What;
use crate::bench::figures::{Figures, ratio};
use crate::bench::kind::Kind;
use crate::bench::process;
use crate::bench::server::{Binaries, Server};
use crate::bench::wrk::{Said, Wrk};
use crate::cluster::database::{self, Database, PROGRAMS};
use crate::cluster::{self, Vault, processes};
use crate::stopwatch::Stopwatch;
use crate::workspace::Workspace;
use crate::{run, servers};

/// Connections of each load.
pub(super) const CONNECTIONS: usize = 64;
/// What docs/scaling.md recommends, for a machine of which all of this is on two cores; and as many connections as four nodes and `pgbench` may open.
pub(super) const SETTINGS: [&str; 5] = [
    "shared_buffers=1GB",
    "checkpoint_timeout=15min",
    "max_wal_size=16GB",
    "wal_compression=lz4",
    "max_connections=200",
];
/// Nodes that are measured together.
const NODES: usize = 3;
/// A node that has just been started is asked for so long before it is measured.
const WARM_UP: Duration = Duration::from_millis(500);
const END_SECONDS_MAX: u64 = 30;
const TRY_EVERY: Duration = Duration::from_millis(20);
/// Card numbers for one node in one window.
const NUMBERS_OF_ONE: u64 = 1_000_000;

/// Everything that is measured, and with.
pub(super) struct Stand {
    binaries: Binaries,
    floor: Server,
    wrk: Wrk,
    pgbench: Pgbench,
    row_bytes: u64,
    next_number: u64,
    vault: Vault,
    database: Database,
    redis: Service,
    postgres: Service,
    /// Goes last.
    directory: TempDir,
}

/// What one window comes to: requests, and where the processor's time went for each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Window {
    pub(super) figures: Figures,
    /// Microseconds of all processes of PostgreSQL.
    pub(super) postgres_us: f64,
    pub(super) redis_us: f64,
    /// By which the tables of cards, their indexes and the trail have grown.
    pub(super) bytes: f64,
    /// By which what is kept of CVVs has grown.
    pub(super) cvv_bytes: f64,
}

/// A server that is not ours, ended when it goes.
struct Service(Child);

impl Service {
    fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let log = File::create(log)?;
        command.stdout(log.try_clone()?).stderr(log);
        let name = command.get_program().to_string_lossy().into_owned();
        Ok(Self(command.spawn().with_context(|| format!("{name} cannot be started"))?))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Service {
    /// An interrupt, at which PostgreSQL ends its clients and itself.
    fn drop(&mut self) {
        run::works(run::command("kill", Path::new("/"), &["-INT", &self.pid().to_string()]));
        let watch = Stopwatch::start();
        while matches!(self.0.try_wait(), Ok(None)) {
            if watch.elapsed().as_secs() > END_SECONDS_MAX {
                drop(self.0.kill());
                drop(self.0.wait());
            }
            thread::sleep(TRY_EVERY);
        }
    }
}

impl Stand {
    /// Builds, installs, and starts everything.
    pub(super) fn ready(workspace: &Workspace, parent: Option<&PathBuf>) -> anyhow::Result<Self> {
        servers::needed_from_debian(&workspace.root)?;
        let binaries = Binaries::build(workspace)?;
        let parent = parent.unwrap_or(&workspace.target);
        let directory = tempfile::Builder::new().prefix("panvault-bench-").tempdir_in(parent);
        let directory =
            directory.with_context(|| format!("no directory can be made in {}", parent.display()))?;
        let path = directory.path();
        // The servers' user passes through it, and sees nothing.
        fs::set_permissions(path, Permissions::from_mode(0o711))?;
        let wrk = Wrk::ready(&workspace.root, path)?;
        let own = servers_directory(path, "postgres")?;
        let mut postgres = None;
        let database = database::start(path, &own, &SETTINGS, |command| {
            postgres = Some(Service::start(command, &path.join("postgres.log"))?);
            Ok(())
        })?;
        let postgres = postgres.context("PostgreSQL was not started")?;
        let (port, command) = cluster::redis(&servers_directory(path, "redis")?)?;
        let redis = Service::start(command, &path.join("redis.log"))?;
        cluster::until_redis(path, port)?;
        let vault = cluster::vault(&binaries.panvault, path, &database, port)?;
        let floor = binaries.floor()?;
        // A few cards say how long their rows are.
        let node = node(&binaries, path, &vault.config, 0, &[])?;
        let arguments = [vault.api_key.as_str(), &vault.organisation, "0", "", "", "bare"];
        let said = wrk.send(&node.url, Kind::Tokenise, 1, WARM_UP, &arguments)?;
        drop(node);
        ensure!(said.errors == 0 && said.requests > 0, "the first cards were refused");
        let row_bytes = psql(&database, "SELECT round(avg(octet_length(row))) FROM card")?.parse()?;
        let pgbench = Pgbench::ready(path, &database, row_bytes)?;
        let next_number = NUMBERS_OF_ONE;
        Ok(Self {
            binaries,
            floor,
            wrk,
            pgbench,
            row_bytes,
            next_number,
            vault,
            database,
            redis,
            postgres,
            directory,
        })
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Bytes of a card's row beside its columns.
    pub(super) const fn row_bytes(&self) -> u64 {
        self.row_bytes
    }

    /// Which servers these are, and how they are set.
    pub(super) fn versions(&self) -> anyhow::Result<String> {
        let postgres = psql(&self.database, "SHOW server_version")?;
        let redis = run::output(run::command("/usr/bin/redis-server", self.directory(), &["--version"]))?;
        let redis = String::from_utf8_lossy(&redis);
        let redis = redis.split(' ').find_map(|word| word.strip_prefix("v=")).unwrap_or("unknown");
        let durable = psql(
            &self.database,
            "SELECT current_setting('fsync') || ', synchronous_commit ' || current_setting('synchronous_commit')",
        )?;
        Ok(format!("PostgreSQL {postgres}: fsync {durable}, {}. Redis {redis}.", SETTINGS.join(", ")))
    }

    /// Asks for one window, and measures. Any error fails. Nodes run for their windows alone: one that has nothing to do asks the database all the
    /// same, for what others have changed.
    pub(super) fn window(&mut self, what: What, long: Duration) -> anyhow::Result<Window> {
        let mut nodes = self.nodes(what)?;
        if !nodes.is_empty() {
            self.load(&nodes, what, WARM_UP)?;
        }
        let [postgres, redis] = [self.postgres.pid(), self.redis.pid()];
        let servers: Vec<u32> = match what {
            What::Floor => vec![self.floor.pid()],
            What::Rows | What::RowsOfKey => Vec::new(),
            What::Bare
            | What::Cvv
            | What::BareSingly
            | What::CvvSingly
            | What::BareOfThree
            | What::CvvOfThree => nodes.iter().map(Server::pid).collect(),
        };
        let of_servers = || servers.iter().map(|pid| process::cpu(*pid)).sum::<anyhow::Result<Duration>>();
        let bytes = self.bytes()?;
        let before = [of_servers()?, process::cpu_of_all(postgres)?, process::cpu(redis)?];
        let said = match what {
            What::Rows => self.pgbench.run(&self.database, "rows", long),
            What::RowsOfKey => self.pgbench.run(&self.database, "rows_of_key", long),
            What::Floor => self.load(std::slice::from_ref(&self.floor), what, long),
            What::Bare
            | What::Cvv
            | What::BareSingly
            | What::CvvSingly
            | What::BareOfThree
            | What::CvvOfThree => self.load(&nodes, what, long),
        };
        let said = said?;
        let after = [of_servers()?, process::cpu_of_all(postgres)?, process::cpu(redis)?];
        let grown = self.bytes()?;
        for server in nodes.iter_mut().chain([&mut self.floor]) {
            server.still_runs()?;
        }
        self.next_number += NODES as u64 * NUMBERS_OF_ONE;
        ensure!(
            said.errors == 0 && said.requests > 0,
            "{}: {} of {} requests failed",
            what.shown(),
            said.errors,
            said.requests
        );
        let requests = said.requests as f64;
        let [server, postgres_us, redis_us] = [0, 1, 2].map(|at| {
            let used = after.get(at).zip(before.get(at)).map(|(after, before)| after.saturating_sub(*before));
            ratio(used.unwrap_or_default().as_secs_f64() * 1e6, requests)
        });
        let [bytes, cvv_bytes] = [0, 1].map(|at| {
            let grown = grown.get(at).zip(bytes.get(at)).map(|(after, before)| after.saturating_sub(*before));
            ratio(grown.unwrap_or_default() as f64, requests)
        });
        let figures = Figures {
            rps: ratio(requests, said.seconds),
            p50_ms: said.p50_ms,
            p99_ms: said.p99_ms,
            p999_ms: said.p999_ms,
            max_ms: said.max_ms,
            cpu_us: server,
            errors: said.errors,
        };
        Ok(Window { figures, postgres_us, redis_us, bytes, cvv_bytes })
    }

    /// Starts the nodes that are asked.
    fn nodes(&self, what: What) -> anyhow::Result<Vec<Server>> {
        let (count, further): (usize, &[&str]) = match what {
            What::Floor | What::Rows | What::RowsOfKey => (0, &[]),
            What::Bare | What::Cvv => (1, &[]),
            What::BareSingly | What::CvvSingly => (1, &["--set", "commit_rows_max=1"]),
            What::BareOfThree | What::CvvOfThree => (NODES, &[]),
        };
        let start = |number| node(&self.binaries, self.directory(), &self.vault.config, number, further);
        (0..count).map(start).collect()
    }

    /// Tokenises with all of them at once.
    fn load(&self, servers: &[Server], what: What, long: Duration) -> anyhow::Result<Said> {
        // What warms a node up sends other numbers than what measures it: the latter begin in the middle.
        let offset = if long == WARM_UP { 0 } else { NUMBERS_OF_ONE / 10 };
        let mut running = Vec::new();
        for (at, server) in servers.iter().enumerate() {
            let first = (self.next_number + at as u64 * NUMBERS_OF_ONE + offset).to_string();
            let cvv = if what.has_cvv() { "" } else { "bare" };
            let arguments = [self.vault.api_key.as_str(), &self.vault.organisation, &first, "", "", cvv];
            let connections = (CONNECTIONS + at) / servers.len();
            running.push(self.wrk.start("0", &server.url, Kind::Tokenise, connections, &arguments)?);
        }
        thread::sleep(long);
        let said =
            running.into_iter().map(|child| self.wrk.end(child)).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(together(&said))
    }

    /// Of all that is kept of cards, and of what is kept of CVVs for as long as they are held.
    fn bytes(&self) -> anyhow::Result<[u64; 2]> {
        let [card, audit, cvv] = ["card", "audit", "card_cvv"].map(|table| {
            let sql = format!("SELECT pg_total_relation_size('{table}')");
            anyhow::Ok(psql(&self.database, &sql)?.parse::<u64>()?)
        });
        Ok([card? + audit?, cvv?])
    }
}

/// One load of several: the slowest of each is that of all.
fn together(said: &[Said]) -> Said {
    let most = |of: fn(&Said) -> f64| said.iter().map(of).fold(0.0, f64::max);
    Said {
        requests: said.iter().map(|said| said.requests).sum(),
        seconds: most(|said| said.seconds),
        p50_ms: most(|said| said.p50_ms),
        p99_ms: most(|said| said.p99_ms),
        p999_ms: most(|said| said.p999_ms),
        max_ms: most(|said| said.max_ms),
        errors: said.iter().map(|said| said.errors).sum(),
    }
}

/// Starts a node with a directory of its own.
fn node(
    binaries: &Binaries,
    directory: &Path,
    config: &Path,
    number: usize,
    further: &[&str],
) -> anyhow::Result<Server> {
    let (config, data) = (
        config.to_string_lossy(),
        format!("data_directory={}", directory.join(format!("node-{number}")).display()),
    );
    binaries.serve_from(directory, &[&["--config", &config, "--set", &data], further].concat())
}

/// A directory of a server, for its user alone.
fn servers_directory(parent: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = parent.join(name);
    DirBuilder::new().mode(0o700).create(&path)?;
    processes::give_away(&path)?;
    let mut sees = Command::new("test");
    sees.arg("-x").arg(&path);
    ensure!(
        run::works(processes::as_ordinary_user(&sees)),
        "the user nobody, as whom servers run where this is run by root, cannot reach {}: name another --parent",
        parent.display()
    );
    Ok(path)
}

/// A program of PostgreSQL, connected to a database of the server.
pub(super) fn command(database: &Database, program: &str, arguments: &[&str]) -> Command {
    let shared = ["-h", "127.0.0.1", "-p", &database.port, "-U", "panvault"];
    let mut command =
        run::command(format!("{PROGRAMS}/{program}"), Path::new("/"), &[&shared, arguments].concat());
    command.env("PGPASSFILE", &database.pgpass);
    command
}

/// What one statement says, about the vault's database.
fn psql(database: &Database, sql: &str) -> anyhow::Result<String> {
    let out = run::output(command(database, "psql", &["-X", "-A", "-t", "-c", sql, "panvault"]))?;
    Ok(String::from_utf8_lossy(&out).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_at_once_are_one_load() {
        let one = Said {
            requests: 10,
            seconds: 2.0,
            p50_ms: 1.0,
            p99_ms: 5.0,
            p999_ms: 6.0,
            max_ms: 7.0,
            errors: 1,
        };
        let other = Said { requests: 30, seconds: 1.0, p50_ms: 3.0, p99_ms: 4.0, ..one };
        let expected = Said { requests: 40, seconds: 2.0, p50_ms: 3.0, p99_ms: 5.0, errors: 2, ..one };
        assert_eq!(together(&[one, other]), expected);
    }
}
