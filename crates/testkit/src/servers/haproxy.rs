use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::port;
use super::program::{self, Program};

const SERVER: &str = "/usr/sbin/haproxy";
const CONFIGURATION: &str = include_str!("../../../../deploy/haproxy.cfg");
const READY: &str = "Loading success";
const TRIES_MAX: u32 = 5;

/// A HAProxy that runs before three nodes, with the configuration in `deploy/`.
pub struct HaProxy {
    _directory: TempDir,
    program: Program,
    /// Where it listens.
    pub url: String,
}

impl HaProxy {
    /// Starts one.
    pub fn start(nodes: [SocketAddr; 3]) -> Self {
        Self::start_with(CONFIGURATION, nodes)
    }

    /// The same, that also prints a line about each request.
    pub fn start_logging(nodes: [SocketAddr; 3]) -> Self {
        let logging = "defaults\n    log stdout format raw local0\n    option httplog\n";
        Self::start_with(&CONFIGURATION.replacen("defaults\n", logging, 1), nodes)
    }

    fn start_with(written: &str, nodes: [SocketAddr; 3]) -> Self {
        program::need(Path::new(SERVER), "haproxy");
        let directory = program::directory();
        let configuration = directory.path().join("haproxy.cfg");
        program::write_secret(&configuration, written);
        for tried in 1.. {
            let port = port::free_port();
            let mut command = Command::new(SERVER);
            // It has a parent process that says when it is loaded.
            command.args(["-W", "-db", "-f"]).arg(&configuration);
            command.env("PANVAULT_LISTEN", format!("127.0.0.1:{port}"));
            for (number, node) in (1..).zip(nodes) {
                command.env(format!("PANVAULT_NODE_{number}"), node.to_string());
            }
            match Program::start(&command, "TERM", READY) {
                Ok(program) => {
                    let url = format!("http://127.0.0.1:{port}");
                    return Self { _directory: directory, program, url };
                }
                Err(log) if tried == TRIES_MAX || !log.contains("cannot bind socket") => panic!("{log}"),
                Err(_) => {}
            }
        }
        unreachable!("the tries are counted")
    }

    /// Waits until it has seen that a node is up, or is down: its log says `Server nodes/node-1 is UP`.
    #[track_caller]
    pub fn sees(&self, what: &str) {
        assert!(self.program.prints(what), "{}", self.program.log());
    }

    /// All that it printed so far.
    pub fn log(&self) -> String {
        self.program.log()
    }
}
