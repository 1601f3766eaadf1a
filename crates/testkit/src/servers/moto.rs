use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::port;
use super::program::{self, Program};
use crate::http::http_send;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.venv-moto/bin/python");
const READY: &str = "Running on http";
const TRIES_MAX: u32 = 5;

/// A fake of AWS that runs on the loopback address (moto), of which KMS is used. It takes any credentials.
pub struct Moto {
    _directory: tempfile::TempDir,
    _program: Program,
    port: u16,
}

impl Moto {
    /// Starts one.
    pub fn start() -> Self {
        program::need(Path::new(PYTHON), "moto (a package of Python)");
        let directory = program::directory();
        for tried in 1.. {
            let port = port::free_port();
            let mut command = Command::new(PYTHON);
            command.args(["-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p"]);
            command.arg(port.to_string()).env("HOME", directory.path());
            command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1");
            match Program::start(&command, "KILL", READY) {
                Ok(program) => return Self { _directory: directory, _program: program, port },
                Err(log) if tried == TRIES_MAX || !log.contains("in use") => panic!("{log}"),
                Err(_) => {}
            }
        }
        unreachable!("the tries are counted")
    }

    /// `http://127.0.0.1:20001`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Asks KMS for something in a region. It looks at no signature, and takes the region from it.
    #[track_caller]
    pub fn kms(&self, region: &str, operation: &str, body: &Value) -> Value {
        let target = format!("TrentService.{operation}");
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential=AKID/20260101/{region}/kms/aws4_request, SignedHeaders=host, Signature=0"
        );
        let headers = [
            ("x-amz-target", target.as_str()),
            ("content-type", "application/x-amz-json-1.1"),
            ("authorization", &signed),
        ];
        let answer = http_send(&self.url(), "POST", &headers, Some(&body.to_string())).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        serde_json::from_str(&answer.text).unwrap_or(json!(null))
    }
}
