//! Signals, from outside.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::cli::path;
use crate::serve::{Served, vault};
use crate::support::{Dev, assert_healthy, until};

/// Signals that mean nothing to Panvault, and each of which would end a process that does not say otherwise.
const MEANINGLESS: [&str; 13] = [
    "USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "PWR", "STKFLT", "XFSZ", "XCPU", "PIPE", "RTMIN",
    "RTMIN+3",
];

/// The bug: SIGUSR1, SIGUSR2 and a dozen others ended the server without a line, and all CVVs with it. Its cause: that is what a
/// signal does by default. Its cure: those that mean nothing are taken and logged.
#[test]
fn a_signal_that_means_nothing_ends_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let card = dev.make_card("4111111111111111", Some("111"));
    for signal in MEANINGLESS {
        dev.signal(&format!("-{signal}"));
        assert_eq!(dev.get(&format!("/v1/card/{card}")).json()["cvv_present"], json!(true), "{signal}");
    }
    let said = || fs::read_to_string(&dev.log).unwrap();
    for name in ["SIGUSR1", "SIGUSR2", "SIGPROF", "SIGXFSZ", "real-time"] {
        until(name, || said().lines().any(|line| line.contains("signal.ignored") && line.contains(name)));
    }
    dev.stop();
}

/// SIGQUIT ends a server as SIGTERM does: in order, and with a line.
#[test]
fn sigquit_ends_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    let args = ["--data", path(&data), "--listen", "127.0.0.1:0", "--metrics-listen", ""];
    let (mut served, _) = Served::start(directory.path(), &args);
    served.signal("-QUIT");
    assert_eq!(served.event("server.stopping")["signal"], json!("SIGQUIT"));
    served.event("server.stopped");
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
}

/// The bug: under a limit of file size, a command was killed by SIGXFSZ half-way, without a word. Its cause: the signal's default.
/// Its cure: the write fails instead, and the command says so.
#[test]
fn a_write_past_the_limit_of_file_size_is_an_error_and_no_death() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 1; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_panvault")]);
    let output =
        limited.args(["organisation", "create", "--name", "Y", "--data", path(&data)]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error: "), "{said}");
    assert_healthy(&data);
}
