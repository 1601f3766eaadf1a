//! Standard error, which nothing that is served waits for: whoever has a line to write leaves it here, and a thread writes it. What
//! does not fit, or cannot be written, is dropped and counted.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use tracing_subscriber::fmt::MakeWriter;

/// Bytes of lines that wait to be written at most. A reader that pauses for a while misses nothing; one that never comes back takes
/// no more memory than this.
pub(crate) const WAITING_BYTES_MAX: usize = 4 << 20;

/// Milliseconds that the end of a process waits for lines that are not written yet.
const FINISH_MILLIS_MAX: u64 = 1000;

/// The lines of this process, once a thread writes them.
static LINES: OnceLock<Lines> = OnceLock::new();

/// Has a thread write lines from now on.
pub(crate) fn start() -> io::Result<Lines> {
    let lines = Lines::new(WAITING_BYTES_MAX);
    if LINES.set(lines.clone()).is_ok() {
        let theirs = lines.clone();
        // It lives as long as the process: it may be in a write that never returns.
        thread::Builder::new()
            .name("panvault-log".to_owned())
            .spawn(move || theirs.write_to(io::stderr()))?;
    }
    Ok(LINES.get().map_or(lines, Clone::clone))
}

/// Writes a line; by the thread, if there is one.
pub(crate) fn line(text: impl AsRef<str>) {
    let line = format!("{}\n", text.as_ref()).into_bytes();
    match LINES.get() {
        Some(lines) => lines.push(line),
        // There is nowhere left to say that this failed.
        None => drop(io::stderr().write_all(&line)),
    }
}

/// How many lines were dropped since the start.
pub(crate) fn dropped() -> Arc<AtomicU64> {
    LINES.get().map(|lines| Arc::clone(&lines.0.dropped)).unwrap_or_default()
}

/// Waits until every line is written, or for as long as the end of a process may wait.
pub(crate) fn finish() {
    if let Some(lines) = LINES.get() {
        lines.finish(Duration::from_millis(FINISH_MILLIS_MAX));
    }
}

/// Lines that wait to be written. Leaving one here never waits for whoever reads them.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Shared>);

struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    bytes_max: usize,
    dropped: Arc<AtomicU64>,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Vec<u8>>,
    /// Bytes of these lines, and of the one that is being written.
    bytes: usize,
}

impl Lines {
    fn new(bytes_max: usize) -> Self {
        let (waiting, changed) = (Mutex::default(), Condvar::new());
        Self(Arc::new(Shared { waiting, changed, bytes_max, dropped: Arc::default() }))
    }

    /// No lock is held while something is written.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: Vec<u8>) {
        let mut waiting = self.lock();
        if waiting.bytes + line.len() > self.0.bytes_max {
            drop(waiting);
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.bytes += line.len();
        waiting.lines.push_back(line);
        drop(waiting);
        self.0.changed.notify_all();
    }

    /// Writes what comes, for ever.
    fn write_to(&self, mut out: impl Write) {
        let mut told = 0;
        loop {
            let line = self.next();
            let written = out.write_all(&line).is_ok();
            if !written {
                self.0.dropped.fetch_add(1, Ordering::Relaxed);
            }
            let mut waiting = self.lock();
            waiting.bytes = waiting.bytes.saturating_sub(line.len());
            let is_last = waiting.lines.is_empty();
            drop(waiting);
            self.0.changed.notify_all();
            let dropped = self.0.dropped.load(Ordering::Relaxed);
            if written && is_last && dropped > told {
                let advice = "read standard error faster, or lower log_level";
                tracing::warn!(lines = dropped - told, advice, "log.lines_dropped");
                told = dropped;
            }
        }
    }

    fn next(&self) -> Vec<u8> {
        let mut waiting = self.lock();
        loop {
            if let Some(line) = waiting.lines.pop_front() {
                return line;
            }
            waiting = self.0.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finish(&self, time: Duration) {
        let waits = self.0.changed.wait_timeout_while(self.lock(), time, |waiting| waiting.bytes > 0);
        drop(waits);
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// Each write is one line, whole.
impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, pipe};

    use super::*;

    const LINE: &[u8] = b"0123456789 012345\n";

    fn lines(bytes_max: usize, out: impl Write + Send + 'static) -> Lines {
        let lines = Lines::new(bytes_max);
        let theirs = lines.clone();
        thread::spawn(move || theirs.write_to(out));
        lines
    }

    fn dropped(lines: &Lines) -> u64 {
        lines.0.dropped.load(Ordering::Relaxed)
    }

    /// The bug: a pipe that nobody read held up every request that logged, and SIGTERM did nothing. Its cause: whoever had a line
    /// wrote it. Its cure: a thread writes it, and what does not fit is dropped and counted.
    #[test]
    fn what_nobody_reads_is_dropped_and_counted() {
        let (mut reader, writer) = pipe().unwrap();
        let lines = lines(10_000 * LINE.len(), writer);
        // More than may wait and a pipe holds (64 KiB), of which the latter is less.
        for _ in 0..20_000 {
            (&lines).write_all(LINE).unwrap();
        }
        assert!(dropped(&lines) > 0);
        assert!(lines.lock().bytes <= 10_000 * LINE.len());
        lines.finish(Duration::from_millis(1));
        assert!(lines.lock().bytes > 0, "the end does not wait for who never reads");
        // What was kept comes whole and in order once somebody reads.
        let kept = 20_000 - dropped(&lines);
        let mut read = vec![0; usize::try_from(kept).unwrap() * LINE.len()];
        reader.read_exact(&mut read).unwrap();
        assert!(read.chunks(LINE.len()).all(|line| line == LINE));
    }

    #[test]
    fn what_is_read_is_all_there_at_the_end() {
        let (mut reader, writer) = pipe().unwrap();
        let lines = lines(WAITING_BYTES_MAX, writer);
        let reading = thread::spawn(move || {
            let mut read = vec![0; 20_000 * LINE.len()];
            reader.read_exact(&mut read).unwrap();
            reader
        });
        for _ in 0..20_000 {
            (&lines).write_all(LINE).unwrap();
        }
        lines.finish(Duration::from_secs(60));
        assert_eq!((lines.lock().bytes, dropped(&lines)), (0, 0));
        drop(reading.join().unwrap());
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let (reader, closed) = pipe().unwrap();
        drop(reader);
        for lines in [lines(WAITING_BYTES_MAX, full), lines(WAITING_BYTES_MAX, closed)] {
            for _ in 0..100 {
                (&lines).write_all(LINE).unwrap();
            }
            lines.finish(Duration::from_secs(60));
            assert_eq!((lines.lock().bytes, dropped(&lines)), (0, 100));
        }
    }
}
