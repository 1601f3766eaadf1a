use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::etcd::Etcd;
use super::postgres::PostgresDatabase;
use super::program::{self, Program};
use super::{port, postgres};
use crate::http_send;

const SERVER: &str = "/usr/bin/patroni";
/// It writes lines of this level from the first on.
const BEGUN: &str = "INFO: ";
/// Who the nodes are to the database: its owner, and nothing more.
const USER: &str = "panvault";
const DATABASE: &str = "panvault";
/// Not a secret: nobody else is on this address.
const PASSWORD: &str = "only-for-tests";
/// For how long the primary is taken to be there when nothing is heard of it. What people set is 30.
const TTL_SECONDS: u64 = 5;
const WAIT_SECONDS_MAX: u64 = 120;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Runs Patroni, says in a file which process it is, and ends its PostgreSQL when it ends itself or is told to: else that would go on by itself.
const RUN: &str = r#"
config=$1 data=$2
end() {
    kill -KILL "$patroni" 2>/dev/null
    if read -r postmaster <"$data/postmaster.pid" && [ "$(readlink "/proc/$postmaster/cwd")" = "$data" ]; then
        kill -QUIT "$postmaster"
        # What it writes last is not to be in the way of whoever removes its directory.
        for try in $(seq 100); do [ -d "/proc/$postmaster" ] || break; sleep 0.05; done
    fi
    exit 0
} 2>/dev/null
trap end TERM
/usr/bin/patroni "$config" & patroni=$!
echo "$patroni" >"$config.pid"
wait "$patroni"
end
"#;

/// PostgreSQL servers of Debian under Patroni: one is the primary, one is synchronous to it and takes its place when it dies, others follow. No commit
/// is acknowledged that is on the primary alone.
pub struct Patroni {
    directory: TempDir,
    etcd: Etcd,
    members: Vec<Member>,
    /// How nodes reach whichever is the primary: without a password.
    pub url: String,
    /// A file with the password alone, mode 0600.
    pub password_file: PathBuf,
}

struct Member {
    name: String,
    port: u16,
    /// Where its Patroni is asked.
    asked: String,
    running: Mutex<Option<Program>>,
}

impl Patroni {
    /// Starts so many servers with an empty database, and waits until one is the primary, and one synchronous to it.
    pub fn start(members: usize) -> Self {
        program::need(Path::new(SERVER), "patroni");
        postgres::PostgresVersion::V15.ready();
        let etcd = Etcd::start();
        let directory = program::directory();
        let password_file = directory.path().join("password");
        postgres::write_own(&password_file, PASSWORD);
        let members: Vec<_> = (1..=members)
            .map(|number| Member {
                name: format!("db-{number}"),
                port: port::free_port(),
                asked: format!("127.0.0.1:{}", port::free_port()),
                running: Mutex::new(None),
            })
            .collect();
        let hosts: Vec<_> = members.iter().map(|member| format!("127.0.0.1:{}", member.port)).collect();
        let url = format!("postgres://{USER}@{}/{DATABASE}?sslmode=disable", hosts.join(","));
        let patroni = Self { directory, etcd, members, url, password_file };
        for member in 0..patroni.members.len() {
            patroni.start_member(member);
        }
        let mut primary = None;
        patroni.wait("one is the primary", || {
            primary = patroni.primary();
            primary.is_some()
        });
        let primary = primary.unwrap();
        let role = format!("CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'");
        patroni.sql(primary, "postgres", &role);
        patroni.sql(primary, "postgres", &format!("CREATE DATABASE {DATABASE} OWNER {USER}"));
        patroni.wait("one is synchronous", || patroni.synchronous().is_some());
        patroni
    }

    /// The database, for who names all servers.
    pub fn database(&self) -> PostgresDatabase {
        PostgresDatabase {
            name: DATABASE.to_owned(),
            url: self.url.clone(),
            port: self.members.first().map_or(0, |member| member.port),
            password: PASSWORD.to_owned(),
            password_file: self.password_file.clone(),
        }
    }

    /// Starts a member that does not run.
    pub fn start_member(&self, member: usize) {
        let Member { name, running, .. } = self.member(member);
        let config = self.directory.path().join(format!("{name}.yml"));
        program::write_secret(&config, &self.configuration(member).to_string());
        let mut command = Command::new("/bin/sh");
        command.args(["-c", RUN, "sh"]).arg(&config).arg(self.data(member));
        let mut running = running.lock().unwrap();
        assert!(running.is_none(), "it runs");
        *running = Some(Program::start(&command, "TERM", BEGUN).unwrap_or_else(|log| panic!("{log}")));
    }

    /// Kills PostgreSQL and Patroni of a member: nobody of it says anything more.
    pub fn kill(&self, member: usize) {
        let postmaster = fs::read_to_string(self.data(member).join("postmaster.pid")).unwrap();
        let patroni = self.directory.path().join(format!("{}.yml.pid", self.member(member).name));
        let patroni = fs::read_to_string(patroni).unwrap();
        for process in [&postmaster, &patroni] {
            let number = process.lines().next().unwrap().parse().unwrap();
            kill_process(Pid::from_raw(number).unwrap(), Signal::KILL).unwrap();
        }
        self.end(member);
    }

    /// Who is the primary, by what itself says.
    pub fn primary(&self) -> Option<usize> {
        (0..self.members.len()).find(|member| self.is(*member, "primary"))
    }

    /// Who is synchronous to it, and is promoted when it dies.
    pub fn synchronous(&self) -> Option<usize> {
        (0..self.members.len()).find(|member| self.is(*member, "sync"))
    }

    /// Whether a member follows the primary.
    pub fn follows(&self, member: usize) -> bool {
        self.is(member, "replica")
    }

    /// Makes another member the primary, as is done before a machine is taken out of service. It has begun when this returns.
    pub fn switch_over(&self, from: usize, to: usize) {
        let body = json!({ "leader": self.member(from).name, "candidate": self.member(to).name }).to_string();
        let url = format!("http://{}/switchover", self.member(from).asked);
        let answer = http_send(&url, "POST", &[("Content-Type", "application/json")], Some(&body)).unwrap();
        assert!(matches!(answer.status, 200 | 202), "{} {}", answer.status, answer.text);
    }

    /// Waits until something is so, and fails with what the members printed last.
    #[track_caller]
    #[expect(
        clippy::disallowed_methods,
        reason = "so that a test that has failed ends; its servers are to have the processor meanwhile"
    )]
    pub fn wait(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            let seconds = begun.elapsed().as_secs();
            assert!(seconds < WAIT_SECONDS_MAX, "not within {seconds} s: {what}\n{}", self.logs());
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Sends statements to a database of a member, as its administrator.
    #[track_caller]
    pub fn sql(&self, member: usize, database: &str, statements: &str) -> String {
        let mut psql = Command::new("/usr/bin/psql");
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]);
        psql.args(["--host=127.0.0.1", "--port", &self.member(member).port.to_string()]);
        psql.args(["--username=postgres", "--dbname", database, "--command", statements]);
        psql.env("PGPASSWORD", PASSWORD).stdin(Stdio::null());
        let output = psql.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// The last lines of each member.
    fn logs(&self) -> String {
        let last = |member: &Member| {
            let log = member.running.lock().unwrap().as_ref().map(Program::log).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            format!(
                "-- {}\n{}\n",
                member.name,
                lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
            )
        };
        self.members.iter().map(last).collect()
    }

    fn is(&self, member: usize, what: &str) -> bool {
        let url = format!("http://{}/{what}", self.member(member).asked);
        http_send(&url, "GET", &[], None).is_ok_and(|answer| answer.status == 200)
    }

    fn member(&self, member: usize) -> &Member {
        self.members.get(member).unwrap()
    }

    fn data(&self, member: usize) -> PathBuf {
        self.directory.path().join(&self.member(member).name)
    }

    fn end(&self, member: usize) {
        if let Some(mut program) = self.member(member).running.lock().unwrap().take() {
            program.end(Signal::TERM);
        }
    }

    /// JSON is YAML.
    fn configuration(&self, member: usize) -> Value {
        let Member { name, port, asked, .. } = self.member(member);
        let listen = format!("127.0.0.1:{port}");
        let pgpass = self.directory.path().join(format!("{name}.pgpass"));
        let administrator = json!({ "username": "postgres", "password": PASSWORD });
        json!({
            "scope": "panvault", "name": name,
            "restapi": { "listen": asked, "connect_address": asked },
            "etcd3": { "hosts": self.etcd.address },
            "bootstrap": {
                "dcs": {
                    "ttl": TTL_SECONDS, "loop_wait": 1, "retry_timeout": 3,
                    // A standby that is not synchronous is promoted by nobody.
                    "synchronous_mode": true, "synchronous_mode_strict": true,
                    "postgresql": {
                        // What the old primary alone has is taken back from it when it follows the new one.
                        "use_pg_rewind": true, "remove_data_directory_on_diverged_timelines": true,
                        "parameters": { "max_connections": 200, "shared_buffers": "64MB", "wal_keep_size": "256MB" },
                    },
                },
                "initdb": [
                    { "encoding": "UTF8" }, { "locale": "C" }, "no-sync", { "auth-host": "scram-sha-256" },
                    { "auth-local": "reject" },
                ],
            },
            "postgresql": {
                "listen": listen, "connect_address": listen, "data_dir": self.data(member),
                "bin_dir": postgres::DEBIAN, "pgpass": pgpass,
                "authentication": {
                    "superuser": administrator, "rewind": administrator,
                    "replication": { "username": "replica", "password": PASSWORD },
                },
                "parameters": { "unix_socket_directories": "" },
                "pg_hba": [
                    "host all all 127.0.0.1/32 scram-sha-256",
                    "host replication replica 127.0.0.1/32 scram-sha-256",
                ],
            },
        })
    }
}

impl Drop for Patroni {
    fn drop(&mut self) {
        for member in 0..self.members.len() {
            self.end(member);
        }
    }
}
