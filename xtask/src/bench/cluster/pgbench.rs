//! `pgbench`, which comes with PostgreSQL: rows of a card's size, each in an insert and a commit of its own, by statements that are prepared.

use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::bench::cluster::stand::{CONNECTIONS, command};
use crate::bench::figures::ratio;
use crate::bench::wrk::Said;
use crate::cluster::database::Database;
use crate::run;

/// The table of cards, but for what PostgreSQL does not know of it: which bytes they are.
const TABLES: &str = "
    CREATE TABLE rows_of_key (version int8 NOT NULL, fingerprint int8 NOT NULL, id bytea PRIMARY KEY,
        organisation bytea NOT NULL, row bytea NOT NULL);
    CREATE TABLE rows (LIKE rows_of_key INCLUDING ALL);
    CREATE INDEX rows_by_organisation ON rows (organisation, id);
    CREATE INDEX rows_by_fingerprint ON rows (fingerprint, id);";
/// Rows that one connection writes in one run at most.
const ROWS_MAX: u64 = 1_000_000;
/// It counts from before it connects, which takes a while with passwords.
const CONNECT_SECONDS: u64 = 2;
const LOG: &str = "pgbench";

/// Where it writes.
pub(super) struct Pgbench {
    directory: PathBuf,
    /// Of the row next to its columns.
    row_bytes: u64,
    runs: u64,
}

impl Pgbench {
    /// Makes the tables, in a database of their own, and the scripts.
    pub(super) fn ready(directory: &Path, database: &Database, row_bytes: u64) -> anyhow::Result<Self> {
        run::output(command(database, "createdb", &["pgbench"]))?;
        run::output(command(database, "psql", &["-q", "-v", "ON_ERROR_STOP=1", "-c", TABLES, "pgbench"]))?;
        let all = Self { directory: directory.join(LOG), row_bytes, runs: 0 };
        fs::create_dir(&all.directory)?;
        for table in ["rows", "rows_of_key"] {
            fs::write(all.directory.join(format!("{table}.sql")), all.script(table))?;
        }
        Ok(all)
    }

    /// An id has twelve bytes and grows, as those of cards do; a fingerprint is random. `n` is this connection's count.
    fn script(&self, table: &str) -> String {
        let row = "5e".repeat(usize::try_from(self.row_bytes).unwrap_or_default());
        format!(
            "\\set n :n + 1\n\\set fingerprint random(0, 9000000000000000000)\n\\set low random(0, 2000000000)\n\
             INSERT INTO {table} (version, fingerprint, id, organisation, row) VALUES \
             (1, :fingerprint, int8send(:n * {CONNECTIONS} + :client_id) || int4send(:low), '\\x{}', '\\x{row}');\n",
            "0f".repeat(12),
        )
    }

    /// Writes into a table for so long, and gives what `pgbench` and its log say.
    pub(super) fn run(&mut self, database: &Database, table: &str, long: Duration) -> anyhow::Result<Said> {
        self.runs += 1;
        let (connections, seconds) =
            (CONNECTIONS.to_string(), (long.as_secs() + CONNECT_SECONDS).to_string());
        let first = format!("n={}", self.runs * ROWS_MAX);
        let log = format!("--log-prefix={table}-{}", self.runs);
        let script = format!("{table}.sql");
        let arguments = [
            "-n",
            "-M",
            "prepared",
            "-c",
            &connections,
            "-j",
            "1",
            "-T",
            &seconds,
            "-D",
            &first,
            "-f",
            &script,
            "--log",
            &log,
            "pgbench",
        ];
        let mut pgbench = command(database, "pgbench", &arguments);
        pgbench.current_dir(&self.directory);
        let out = run::output(pgbench).context("pgbench failed")?;
        let (done, per_second) = parse(&String::from_utf8_lossy(&out))?;
        let latencies = self.latencies(table)?;
        ensure!(latencies.len() as u64 == done, "the log of pgbench has {} of {done} rows", latencies.len());
        Ok(said(done, per_second, latencies))
    }

    /// Microseconds of each, from the log of the last run, which is removed.
    fn latencies(&self, table: &str) -> anyhow::Result<Vec<u64>> {
        let prefix = format!("{table}-{}.", self.runs);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)) {
                found.extend(latencies(&fs::read_to_string(&path)?)?);
                fs::remove_file(path)?;
            }
        }
        Ok(found)
    }
}

/// How many rows were written, and how many a second, without the time that connecting took.
fn parse(out: &str) -> anyhow::Result<(u64, f64)> {
    let behind = |name: &str| {
        let rest = out.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_whitespace().next().map(str::to_owned)
    };
    let number = |name: &str| behind(name).with_context(|| format!("pgbench says nothing of {name}: {out}"));
    let failed = number("number of failed transactions:")?;
    ensure!(failed == "0", "{failed} inserts of pgbench failed");
    Ok((number("number of transactions actually processed:")?.parse()?, number("tps =")?.parse()?))
}

/// The third value of a line: `client transaction microseconds script seconds microseconds`.
fn latencies(log: &str) -> anyhow::Result<Vec<u64>> {
    let third = |line: &str| line.split(' ').nth(2).and_then(|micros| micros.parse().ok());
    log.lines()
        .map(|line| third(line).with_context(|| format!("not a line of pgbench's log: {line}")))
        .collect()
}

fn said(done: u64, per_second: f64, mut latencies: Vec<u64>) -> Said {
    latencies.sort_unstable();
    let millis = |thousandths: usize| {
        let place = (latencies.len() * thousandths).div_ceil(1000).max(1) - 1;
        latencies.get(place).map_or(0.0, |micros| *micros as f64 / 1000.0)
    };
    Said {
        requests: done,
        seconds: ratio(done as f64, per_second),
        p50_ms: millis(500),
        p99_ms: millis(990),
        p999_ms: millis(999),
        max_ms: millis(1000),
        errors: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUT: &str = "transaction type: rows.sql\nscaling factor: 1\nnumber of clients: 64\n\
        number of transactions actually processed: 48123\nnumber of failed transactions: 0 (0.000%)\n\
        latency average = 5.321 ms\ninitial connection time = 301.2 ms\n\
        tps = 12030.750000 (without initial connection time)\n";

    #[test]
    fn reads_what_pgbench_prints_and_refuses_failures() {
        assert_eq!(parse(OUT).unwrap(), (48_123, 12_030.75));
        assert!(parse(&OUT.replace("transactions: 0", "transactions: 3")).is_err());
        assert!(parse("pgbench: error").is_err());
    }

    #[test]
    fn percentiles_are_those_of_the_log() {
        let log: String = (1..=1000).rev().map(|n| format!("3 {n} {} 0 1700000000 5\n", n * 1000)).collect();
        let said = said(1000, 500.0, latencies(&log).unwrap());
        assert_eq!((said.p50_ms, said.p99_ms, said.p999_ms, said.max_ms), (500.0, 990.0, 999.0, 1000.0));
        assert_eq!((said.requests, said.seconds), (1000, 2.0));
        assert!(latencies("3 1 failed 0 1700000000 5\n").is_err());
    }

    #[test]
    fn a_row_is_as_long_as_a_card() {
        let script = Pgbench { directory: PathBuf::new(), row_bytes: 187, runs: 0 }.script("rows");
        assert!(script.contains(&format!("'\\x{}');\n", "5e".repeat(187))), "{script}");
    }
}
