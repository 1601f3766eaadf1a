//! Windows of what takes turns in each round, and how they stand to one another.

use crate::bench::figures::{Figures, median, ratio};
use crate::bench::table::{Table, thousands};

pub(super) const CPU: fn(&Figures) -> f64 = |figures| figures.cpu_us;
pub(super) const P99: fn(&Figures) -> f64 = |figures| figures.p99_ms;
pub(super) const RATE: fn(&Figures) -> f64 = |figures| figures.rps;

/// How windows stand to the mean of those before and behind them in the same rounds, which takes out what drifts: the median.
pub(super) fn between(windows: &[Figures], sides: [&[Figures]; 2], figure: fn(&Figures) -> f64) -> f64 {
    let [before, behind] = sides;
    let mean = before.iter().zip(behind).map(|(one, other)| f64::midpoint(figure(one), figure(other)));
    median(windows.iter().zip(mean).map(|(one, mean)| ratio(figure(one), mean)))
}

/// How windows stand to others of the same rounds: the median.
pub(super) fn ratio_of(windows: &[Figures], to: &[Figures], figure: fn(&Figures) -> f64) -> f64 {
    median(windows.iter().zip(to).map(|(one, other)| ratio(figure(one), figure(other))))
}

/// The median of a figure of them.
pub(super) fn of(windows: &[Figures], figure: fn(&Figures) -> f64) -> f64 {
    median(windows.iter().map(figure))
}

/// A row for each of them, of medians.
pub(super) fn table(what: &'static str, rows: &[(&str, &[Figures])]) -> Table {
    let mut table = Table::new(&[what, "requests/s", "p50 ms", "p99 ms", "p99.9 ms", "cpu µs", "errors"]);
    for (name, windows) in rows {
        table.row([
            (*name).to_owned(),
            thousands(of(windows, RATE)),
            format!("{:.2}", of(windows, |figures| figures.p50_ms)),
            format!("{:.2}", of(windows, P99)),
            format!("{:.2}", of(windows, |figures| figures.p999_ms)),
            format!("{:.1}", of(windows, CPU)),
            windows.iter().map(|figures| figures.errors).sum::<u64>().to_string(),
        ]);
    }
    table
}
