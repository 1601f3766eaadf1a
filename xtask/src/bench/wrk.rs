//! The load generator wrk, and the scripts that it runs.

use core::time::Duration;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::bench::kind::Kind;
use crate::{packages, run};

/// How long one that was interrupted is given to end, before it is interrupted again.
const INTERRUPT_AGAIN: Duration = Duration::from_millis(5);

const COMMON: &str = include_str!("common.lua");

/// wrk and its scripts, in a directory of their own.
pub(super) struct Wrk {
    scripts: PathBuf,
}

/// What one run of wrk says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Said {
    pub(super) requests: u64,
    pub(super) seconds: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
    pub(super) max_ms: f64,
    /// Answers that are no success, and whatever else went wrong on a connection.
    pub(super) errors: u64,
}

impl Wrk {
    /// Installs wrk when it is missing, and writes the scripts.
    pub(super) fn ready(root: &Path, directory: &Path) -> anyhow::Result<Self> {
        // It has no option that ends well.
        packages::need(root, "wrk", || run::works(run::command("sh", root, &["-c", "command -v wrk"])))?;
        let scripts = directory.join("scripts");
        fs::create_dir_all(&scripts)?;
        for (name, text) in Kind::SCRIPTS {
            fs::write(scripts.join(name), format!("{COMMON}\n{text}"))?;
        }
        Ok(Self { scripts })
    }

    /// Sends one kind of request over so many connections for so long, by one thread.
    pub(super) fn send(
        &self,
        url: &str,
        kind: Kind,
        connections: usize,
        long: Duration,
        arguments: &[&str],
    ) -> anyhow::Result<Said> {
        let child = self.start("0", url, kind, connections, arguments)?;
        thread::sleep(long);
        self.end(child)
    }

    /// Ends one that was started, and reads what it says.
    pub(super) fn end(&self, mut child: std::process::Child) -> anyhow::Result<Said> {
        // wrk counts in whole seconds; an interrupt ends it at once, and well. One that comes before all its threads have started, as on a machine
        // that is busy with something else, is lost.
        let pid = child.id().to_string();
        while child.try_wait()?.is_none() {
            run::output(run::command("kill", &self.scripts, &["-INT", &pid]))?;
            thread::sleep(INTERRUPT_AGAIN);
        }
        let mut out = String::new();
        child.stdout.take().context("the output is not piped")?.read_to_string(&mut out)?;
        ensure!(child.wait()?.success(), "wrk failed: {out}");
        parse(&out)
    }

    /// Starts to send without end, at a niceness (0 to 19, of `nice`).
    pub(super) fn start(
        &self,
        niceness: &str,
        url: &str,
        kind: Kind,
        connections: usize,
        arguments: &[&str],
    ) -> anyhow::Result<std::process::Child> {
        let connections = connections.to_string();
        let mut command = run::command("nice", &self.scripts, &["-n", niceness, "wrk"]);
        command.args(["-t", "1", "-c", &connections, "-d", "1h"]);
        command.args(["--timeout", "10s", "-s", kind.script(), url, "--"]).args(arguments);
        command.stdout(Stdio::piped()).spawn().context("wrk cannot be started")
    }
}

/// Reads the line that the scripts print at the end.
fn parse(out: &str) -> anyhow::Result<Said> {
    let line = out.lines().find_map(|line| line.strip_prefix("result "));
    let line = line.with_context(|| format!("wrk gave no result: {out}"))?;
    let said: Value = serde_json::from_str(line).with_context(|| format!("not a result: {line}"))?;
    let number = |name: &str| {
        said.get(name).and_then(Value::as_f64).with_context(|| format!("the result has no {name}: {line}"))
    };
    let count = |name: &str| {
        said.get(name).and_then(Value::as_u64).with_context(|| format!("the result has no {name}: {line}"))
    };
    Ok(Said {
        requests: count("requests")?,
        seconds: number("duration_us")? / 1e6,
        p50_ms: number("p50_us")? / 1e3,
        p99_ms: number("p99_us")? / 1e3,
        p999_ms: number("p999_us")? / 1e3,
        max_ms: number("max_us")? / 1e3,
        errors: count("errors")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_result_among_what_wrk_prints() {
        let out = "Running 3600m test @ http://127.0.0.1:1\n  1 threads and 64 connections\n\
            Requests/sec:  60000.00\n\
            result {\"requests\":30000,\"duration_us\":500000,\"p50_us\":900,\"p99_us\":2500,\"p999_us\":4000,\
            \"max_us\":12000,\"errors\":0}\n";
        let said = parse(out).unwrap();
        let expected = Said {
            requests: 30_000,
            seconds: 0.5,
            p50_ms: 0.9,
            p99_ms: 2.5,
            p999_ms: 4.0,
            max_ms: 12.0,
            errors: 0,
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn a_run_without_a_whole_result_is_none() {
        for out in
            ["", "unable to connect", "result {}", "result {\"requests\":1", "result {\"requests\":-1}"]
        {
            assert!(parse(out).is_err(), "{out}");
        }
    }
}
