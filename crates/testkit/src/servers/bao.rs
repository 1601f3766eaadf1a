use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::port;
use super::program::{self, Program};
use crate::http::{HttpAnswer, http_send};

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.venv-openbao/bin/bao-server");
const READY: &str = "Development mode should NOT be used in production";
const ROOT: &str = "root";
const TRIES_MAX: u32 = 5;

/// An OpenBao that runs on the loopback address, with a transit engine; what it holds is in memory.
pub struct Bao {
    _directory: TempDir,
    _program: Program,
    port: u16,
}

impl Bao {
    /// Starts one. The token of its root is `root`.
    pub fn start() -> Self {
        program::need(Path::new(SERVER), "openbao (a package of Python)");
        let directory = program::directory();
        for tried in 1.. {
            let port = port::free_port();
            let mut command = Command::new(SERVER);
            command.args(["server", "-dev", "-dev-no-store-token"]);
            command.arg(format!("-dev-root-token-id={ROOT}"));
            command.arg(format!("-dev-listen-address=127.0.0.1:{port}"));
            command.env("HOME", directory.path());
            match Program::start(&command, "KILL", READY) {
                Ok(program) => {
                    let server = Self { _directory: directory, _program: program, port };
                    server.ask("POST", "sys/mounts/transit", &json!({ "type": "transit" }));
                    return server;
                }
                Err(log) if tried == TRIES_MAX || !log.contains("address already in use") => panic!("{log}"),
                Err(_) => {}
            }
        }
        unreachable!("the tries are counted")
    }

    /// `http://127.0.0.1:20001`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sends a request by its root, which must be done.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.send(method, path, body);
        assert!((200..300).contains(&answer.status), "{path}: {} {}", answer.status, answer.text);
        serde_json::from_str(&answer.text).unwrap_or_default()
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> HttpAnswer {
        let url = format!("{}/v1/{path}", self.url());
        let headers = [("x-vault-token", ROOT), ("content-type", "application/json")];
        http_send(&url, method, &headers, Some(&body.to_string())).unwrap()
    }
}
