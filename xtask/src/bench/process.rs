//! What the system says of a process: its time and its memory.

use core::time::Duration;
use std::fs;
use std::thread;

use anyhow::Context;

use crate::stopwatch::Stopwatch;

/// Ticks of a second in `/proc/PID/stat`: `USER_HZ`, 100 on every architecture that Linux runs a server on.
const TICKS_PER_SECOND: u64 = 100;
/// A process is idle when it has used no time for so long; the applier rests for 300 ms before it tidies up.
const IDLE: Duration = Duration::from_millis(400);
const IDLE_WAIT_MAX: Duration = Duration::from_secs(20);

/// Memory of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// Bytes that are resident now.
    pub(super) now: u64,
    /// Bytes that were resident at most.
    pub(super) peak: u64,
}

/// Processor time that a process has used, user and system.
pub(super) fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the server is gone")?;
    let ticks = ticks(&stat).context("/proc/PID/stat is not as it should be")?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// Processor time of a process, of those that it has started and that run, and of those that have ended.
pub(super) fn cpu_of_all(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the server is gone")?;
    let mut all = ticks(&stat).zip(ticks_of_ended(&stat)).map(|(own, ended)| own + ended);
    for entry in fs::read_dir("/proc")?.flatten() {
        // What ends meanwhile is counted by its parent the next time.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        if parent(&stat) == Some(pid) {
            all = all.zip(ticks(&stat)).map(|(all, own)| all + own);
        }
    }
    let ticks = all.context("/proc/PID/stat is not as it should be")?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// Waits until a process has nothing left to do, and gives the time that it has used by then.
pub(super) fn cpu_when_idle(pid: u32) -> anyhow::Result<Duration> {
    let mut used = cpu(pid)?;
    let (whole, mut quiet) = (Stopwatch::start(), Stopwatch::start());
    while quiet.elapsed() < IDLE && whole.elapsed() < IDLE_WAIT_MAX {
        thread::sleep(Duration::from_millis(20));
        let now = cpu(pid)?;
        if now > used {
            (used, quiet) = (now, Stopwatch::start());
        }
    }
    Ok(used)
}

/// Memory that a process has.
pub(super) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the server is gone")?;
    let bytes = |name| kib(&status, name).map(|kib| kib * 1024).with_context(|| format!("no {name}"));
    Ok(Memory { now: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
}

/// `utime` + `stime`, fields 14 and 15.
fn ticks(stat: &str) -> Option<u64> {
    Some(field(stat, 14)? + field(stat, 15)?)
}

/// The same of children that have ended and were waited for, `cutime` + `cstime`, fields 16 and 17.
fn ticks_of_ended(stat: &str) -> Option<u64> {
    Some(field(stat, 16)? + field(stat, 17)?)
}

/// Field 4.
fn parent(stat: &str) -> Option<u32> {
    field(stat, 4).and_then(|parent| parent.try_into().ok())
}

/// A field, counted from 1 as the manual does; the name, field 2, may have spaces and ends with the last parenthesis.
fn field(stat: &str, number: usize) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(number.checked_sub(3)?)?.parse().ok()
}

fn kib(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_system_writes() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 100 0 0 0 120 34 5 6 20 0 3 0 900 0 0";
        assert_eq!((ticks(stat), ticks_of_ended(stat), parent(stat)), (Some(154), Some(11), Some(1)));
        assert_eq!(ticks("42 (a) S 1"), None);
        let status = "VmPeak:\t  900 kB\nVmHWM:\t  300 kB\nVmRSS:\t  200 kB\n";
        assert_eq!(
            (kib(status, "VmRSS:"), kib(status, "VmHWM:"), kib(status, "VmSwap:")),
            (Some(200), Some(300), None)
        );
    }

    #[test]
    fn knows_this_process() {
        let memory = memory(std::process::id()).unwrap();
        assert!(memory.now > 0 && memory.peak >= memory.now);
        let own = cpu(std::process::id()).unwrap();
        assert!(cpu_of_all(std::process::id()).unwrap() >= own);
    }
}
