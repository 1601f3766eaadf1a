use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use rustix::process::Signal;
use tempfile::TempDir;

use super::program::{self, Program};
use super::{ServerCertificate, port};

const REDIS: &str = "/usr/bin/redis-server";
const VALKEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.venv-valkey/bin/valkey-server");
const CLIENT: &str = "/usr/bin/redis-cli";
const READY: &str = "Ready to accept connections";
const TRIES_MAX: u32 = 5;

/// A Redis or Valkey server that runs: TCP on the loopback address, nothing of it on a disk.
pub struct Redis {
    directory: TempDir,
    port: u16,
    options: RedisOptions,
    running: Mutex<Option<Program>>,
}

/// Which of the servers that speak this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RedisKind {
    /// Redis 7.0, that of Debian 12.
    #[default]
    Redis,
    /// The one that `xtask/valkey` pins; `cargo xtask test` installs it.
    Valkey,
}

impl RedisKind {
    /// All that are tested.
    pub const ALL: [Self; 2] = [Self::Redis, Self::Valkey];

    fn program(self) -> &'static Path {
        Path::new(match self {
            Self::Redis => REDIS,
            Self::Valkey => VALKEY,
        })
    }
}

/// What a server is started with beside the usual.
#[derive(Clone, Default)]
pub struct RedisOptions {
    /// Which of the two.
    pub kind: RedisKind,
    /// Settings as its configuration has them, such as `("maxmemory", "8mb")`; they win over the usual ones.
    pub settings: Vec<(&'static str, String)>,
    /// It speaks TLS alone, with this.
    pub tls: Option<ServerCertificate>,
}

impl Redis {
    /// Starts one that may hold CVVs: no persistence, no eviction.
    pub fn start(options: RedisOptions) -> Self {
        program::need(options.kind.program(), "redis-server");
        program::need(Path::new(CLIENT), "redis-server");
        let directory = program::directory();
        if let Some(tls) = &options.tls {
            program::write_secret(&directory.path().join("server.crt"), &tls.certificate_pem);
            program::write_secret(&directory.path().join("server.key"), &tls.key_pem);
        }
        let mut server = Self { directory, port: 0, options, running: Mutex::new(None) };
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

    /// Its port of the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How it is reached: `redis://127.0.0.1:20001`, or `rediss://` with TLS.
    pub fn url(&self) -> String {
        let scheme = if self.options.tls.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Its files, where it should write none.
    pub fn data(&self) -> &Path {
        self.directory.path()
    }

    /// All that it logged since it was started last.
    pub fn log(&self) -> String {
        self.running.lock().unwrap().as_ref().map(Program::log).unwrap_or_default()
    }

    /// Sends a command with `redis-cli` and gives what it prints. Not for a server with TLS.
    #[track_caller]
    pub fn command(&self, words: &[&str]) -> String {
        let mut command = Command::new(CLIENT);
        command
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-e"])
            .args(words)
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        assert!(output.status.success(), "{printed} {}", String::from_utf8_lossy(&output.stderr));
        printed
    }

    /// Ends it at once; what it held is gone.
    pub fn crash(&self) {
        if let Some(mut program) = self.running.lock().unwrap().take() {
            program.end(Signal::KILL);
        }
    }

    /// Stops it where it is: connections stay, and nothing is answered.
    pub fn pause(&self) {
        if let Some(program) = &*self.running.lock().unwrap() {
            program.signal(Signal::STOP);
        }
    }

    /// Lets it go on.
    pub fn resume(&self) {
        if let Some(program) = &*self.running.lock().unwrap() {
            program.signal(Signal::CONT);
        }
    }

    /// Starts it again, with the same port, and waits until it is ready.
    pub fn start_again(&self) {
        let mut running = self.running.lock().unwrap();
        assert!(running.is_none(), "it runs");
        *running = Some(self.launch().unwrap_or_else(|log| panic!("{log}")));
    }

    fn launch(&self) -> Result<Program, String> {
        let mut command = Command::new(self.options.kind.program());
        let port = self.port.to_string();
        command.args(["--bind", "127.0.0.1", "--daemonize", "no", "--appendonly", "no", "--save", ""]);
        command.args(["--maxmemory-policy", "noeviction", "--logfile", ""]);
        command.arg("--dir").arg(self.directory.path());
        if self.options.tls.is_some() {
            command.args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"]);
            command.arg("--tls-cert-file").arg(self.directory.path().join("server.crt"));
            command.arg("--tls-key-file").arg(self.directory.path().join("server.key"));
        } else {
            command.args(["--port", &port]);
        }
        for (name, value) in &self.options.settings {
            command.arg(format!("--{name}")).arg(value);
        }
        Program::start(&command, "KILL", READY)
    }
}
