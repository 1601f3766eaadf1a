use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::port;
use super::program::{self, Program};

const SERVER: &str = "/usr/bin/etcd";
const READY: &str = "ready to serve client requests";
const TRIES_MAX: u32 = 5;

/// An etcd of one member, in which Patroni says who is the primary.
pub(super) struct Etcd {
    _directory: TempDir,
    _program: Program,
    /// Where it listens.
    pub(super) address: String,
}

impl Etcd {
    /// Starts one.
    pub(super) fn start() -> Self {
        program::need(Path::new(SERVER), "etcd-server");
        let directory = program::directory();
        for tried in 1.. {
            let [address, peers] = [(); 2].map(|()| format!("127.0.0.1:{}", port::free_port()));
            let (client_url, peer_url) = (format!("http://{address}"), format!("http://{peers}"));
            let mut command = Command::new(SERVER);
            command.arg("--data-dir").arg(directory.path().join(format!("data-{tried}")));
            command.args(["--listen-client-urls", &client_url, "--advertise-client-urls", &client_url]);
            command.args(["--listen-peer-urls", &peer_url, "--initial-advertise-peer-urls", &peer_url]);
            // What it holds need not outlive this machine.
            command.args(["--initial-cluster", &format!("default={peer_url}"), "--unsafe-no-fsync"]);
            match Program::start(&command, "KILL", READY) {
                Ok(program) => return Self { _directory: directory, _program: program, address },
                Err(log) if tried == TRIES_MAX || !log.contains("address already in use") => panic!("{log}"),
                Err(_) => {}
            }
        }
        unreachable!("the tries are counted")
    }
}
