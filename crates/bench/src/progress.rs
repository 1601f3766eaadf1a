use std::io::{IsTerminal, Write, stderr};
use std::time::Instant;

const BAR_CELLS: u64 = 30;
/// Milliseconds between two pictures of the bar.
const SHOW_MILLIS: u128 = 250;

/// How far a load is, on standard error: a bar where somebody looks on, else a line for each tenth.
pub(crate) struct Progress {
    total: u64,
    what: &'static str,
    start: Instant,
    shown_millis: u128,
    shown_tenth: u64,
    watched: bool,
}

impl Progress {
    #[expect(clippy::disallowed_methods, reason = "a tool that measures needs a clock")]
    pub(crate) fn start(total: u64, what: &'static str) -> Self {
        let watched = stderr().is_terminal();
        Self { total, what, start: Instant::now(), shown_millis: 0, shown_tenth: 0, watched }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Shows it, unless it was shown a moment ago.
    pub(crate) fn show(&mut self, done: u64) {
        let tenth = tenths(done, self.total);
        let millis = self.start.elapsed().as_millis();
        if self.watched && millis >= self.shown_millis + SHOW_MILLIS {
            self.shown_millis = millis;
            self.write(format_args!("\r{}", picture(done, self.total, self.what, self.seconds())));
        } else if !self.watched && tenth > self.shown_tenth {
            self.shown_tenth = tenth;
            self.write(format_args!("{}\n", picture(done, self.total, self.what, self.seconds())));
        }
    }

    /// Leaves the last picture on a line of its own.
    pub(crate) fn end(&self) {
        if self.watched {
            self.write(format_args!("\r{}\n", picture(self.total, self.total, self.what, self.seconds())));
        }
    }

    /// Nobody is the worse for a bar that is not seen.
    #[expect(clippy::unused_self, reason = "the one place that writes it")]
    fn write(&self, text: core::fmt::Arguments<'_>) {
        drop(stderr().write_fmt(text));
    }
}

fn tenths(done: u64, total: u64) -> u64 {
    (done * 10).checked_div(total).unwrap_or(10)
}

fn picture(done: u64, total: u64, what: &str, seconds: f64) -> String {
    let full = (done * BAR_CELLS).checked_div(total).unwrap_or(BAR_CELLS).min(BAR_CELLS);
    let bar: String = (0..BAR_CELLS).map(|cell| if cell < full { '#' } else { '.' }).collect();
    let rate = if seconds > 0.0 { done as f64 / seconds } else { 0.0 };
    let left = if rate > 0.0 { total.saturating_sub(done) as f64 / rate } else { 0.0 };
    format!("[{bar}] {done} of {total} {what}, {rate:.0} a second, {left:.0} s left   ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_begin_empty_and_end_full() {
        assert!(picture(0, 10, "cards", 0.0).starts_with("[....."));
        assert!(picture(10, 10, "cards", 2.0).contains("#] 10 of 10 cards, 5 a second, 0 s left"));
        assert!(picture(0, 0, "cards", 1.0).contains("##]"));
        assert_eq!((tenths(0, 0), tenths(19, 100), tenths(100, 100)), (10, 1, 10));
    }
}
