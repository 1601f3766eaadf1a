//! A running `panvault`, what it prints, and requests to it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

pub(crate) use panvault_testkit::HttpAnswer;
use panvault_testkit::http_send;
use serde_json::{Value, json};

/// How often it is looked whether something is so: looking takes the processor from what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The command under test, with an environment that sets nothing of it.
pub(crate) fn panvault() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_panvault"));
    command.stdin(Stdio::null());
    for (name, _) in inherited().filter(|(name, _)| name.starts_with("PANVAULT_")) {
        command.env_remove(name);
    }
    command
}

#[expect(clippy::disallowed_methods, reason = "a test must know what its child would inherit")]
pub(crate) fn inherited() -> impl Iterator<Item = (String, String)> {
    std::env::vars()
}

/// A file with a secret, which is its owner's alone.
pub(crate) fn secret_file(path: &Path, secret: impl AsRef<[u8]>) {
    fs::write(path, secret).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Waits until something is so, and fails when it is not so after two minutes, which nothing here should take.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "so that a test that has failed ends")]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed().as_secs() < 120, "not within two minutes: {what}");
        thread::sleep(LOOK_EVERY);
    }
}

/// What a command that ended had to say.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command to its end.
pub(crate) fn run(args: &[&str]) -> Ended {
    let output = panvault().args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { status: output.status, out: text(output.stdout), err: text(output.stderr) }
}

/// Runs a command that must succeed, and reads the JSON that it prints.
#[track_caller]
pub(crate) fn run_json(args: &[&str]) -> Value {
    let ended = run(args);
    assert!(ended.status.success(), "{args:?}: {}", ended.err);
    serde_json::from_str(&ended.out).unwrap()
}

/// Runs a command that must fail, and gives what it says of that.
#[track_caller]
pub(crate) fn run_refused(args: &[&str]) -> String {
    let ended = run(args);
    assert_eq!(ended.status.code(), Some(1), "{args:?}: {} {}", ended.out, ended.err);
    // What is logged comes before.
    let error = ended.err.lines().find(|line| line.starts_with("error: "));
    error.unwrap_or_else(|| panic!("{}", ended.err)).to_owned()
}

/// A development vault that is being served. It is killed when it goes.
pub(crate) struct Dev {
    child: Child,
    pub(crate) data: PathBuf,
    /// Where standard error goes.
    pub(crate) log: PathBuf,
    pub(crate) ready: Value,
    pub(crate) url: String,
    pub(crate) organisation: String,
    pub(crate) key: String,
    /// What it printed after the line that said that it is ready.
    out: BufReader<std::process::ChildStdout>,
}

impl Dev {
    /// Serves the vault in `directory/vault`, making it if it is not there.
    pub(crate) fn start(directory: &Path, args: &[&str]) -> Self {
        Self::start_by(panvault(), directory, &directory.join("stderr"), args)
    }

    /// The same by another command, with standard error in another place.
    pub(crate) fn start_by(mut command: Command, directory: &Path, log: &Path, args: &[&str]) -> Self {
        let (data, log) = (directory.join("vault"), log.to_owned());
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut child = command
            .args(["dev", "--json", "--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let said = || std::fs::read_to_string(&log).unwrap();
        let ready: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line} {}", said()));
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        let (url, organisation, key) = (text("url"), text("organisation"), text("api_key"));
        Self { child, data, log, ready, url, organisation, key, out }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, and gives all that it printed after it was ready.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap(), rest)
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(self) {
        self.signal("-TERM");
        let (status, _) = self.ended();
        assert!(status.success(), "{status}");
    }

    /// SIGKILL: nothing of its own runs any more.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> HttpAnswer {
        self.try_post(path, body).unwrap()
    }

    /// The answer, or `None` when the server is gone.
    pub(crate) fn try_post(&self, path: &str, body: &Value) -> Option<HttpAnswer> {
        let headers = [("X-APIKEY", self.key.as_str()), ("Content-Type", "application/json")];
        http_send(&format!("{}{path}", self.url), "POST", &headers, Some(&body.to_string())).ok()
    }

    pub(crate) fn get(&self, path: &str) -> HttpAnswer {
        http_send(&format!("{}{path}", self.url), "GET", &[("X-APIKEY", &self.key)], None).unwrap()
    }

    pub(crate) fn delete(&self, path: &str) -> HttpAnswer {
        http_send(&format!("{}{path}", self.url), "DELETE", &[("X-APIKEY", &self.key)], None).unwrap()
    }

    pub(crate) fn card_body(&self, number: &str) -> Value {
        json!({
            "card_number": number, "expiry_month": "12", "expiry_year": expiry_year(),
            "organisation": self.organisation,
        })
    }

    pub(crate) fn transaction_body(&self, card: &str, amount: u32) -> Value {
        json!({
            "account": self.ready["account"], "amount": amount, "card": card, "customer_ip": "203.0.113.7",
            "dynamic_descriptor": "Example shop", "merchant_reference": "order", "user_agent": "test",
        })
    }

    /// Creates a card with this CVV and gives its id.
    pub(crate) fn make_card(&self, number: &str, cvv: Option<&str>) -> String {
        let mut body = self.card_body(number);
        if let Some(cvv) = cvv {
            body["cvv"] = json!(cvv);
        }
        let answer = self.post("/v1/card", &body);
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.id()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Two years ahead.
fn expiry_year() -> String {
    use panvault_vault::Clock;
    let (year, _) = panvault_vault::SystemClock::start().now().wall.year_month();
    (year + 2).to_string()
}

/// `panvault doctor` on a development vault, as JSON.
pub(crate) fn doctor(data: &Path) -> Value {
    let ended = run(&["doctor", "--json", "--data", data.to_str().unwrap()]);
    serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{}", ended.err))
}

/// Nothing is wrong with the vault.
#[track_caller]
pub(crate) fn assert_healthy(data: &Path) -> Value {
    let report = doctor(data);
    assert_eq!(report["healthy"], json!(true), "{report}");
    report
}
