//! What was measured, and its medians.

use crate::bench::kind::Kind;

/// One window of measuring: one kind of request at one number of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Figures {
    /// Requests a second.
    pub(super) rps: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
    pub(super) max_ms: f64,
    /// Processor time of the server for each request, work that follows the answer included.
    pub(super) cpu_us: f64,
    pub(super) errors: u64,
}

/// All windows of one kind at one number of connections.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) kind: Kind,
    pub(super) connections: usize,
    pub(super) windows: Vec<Figures>,
}

impl Cell {
    /// The median of each figure, and the sum of the errors.
    pub(super) fn median(&self) -> Figures {
        let of = |figure: fn(&Figures) -> f64| median(self.windows.iter().map(figure));
        Figures {
            rps: of(|window| window.rps),
            p50_ms: of(|window| window.p50_ms),
            p99_ms: of(|window| window.p99_ms),
            p999_ms: of(|window| window.p999_ms),
            max_ms: of(|window| window.max_ms),
            cpu_us: of(|window| window.cpu_us),
            errors: self.windows.iter().map(|window| window.errors).sum(),
        }
    }
}

/// The middle of some figures, the lower one of two; 0 of none.
pub(super) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

/// How one figure stands to another; 0 when there is no other.
pub(super) fn ratio(figure: f64, other: f64) -> f64 {
    if other > 0.0 { figure / other } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_of_each_figure() {
        let window = |rps, p99_ms, errors| Figures { rps, p99_ms, errors, ..Figures::default() };
        let windows = vec![window(1.0, 9.0, 0), window(5.0, 3.0, 2), window(2.0, 4.0, 1)];
        let cell = Cell { kind: Kind::Floor, connections: 1, windows };
        assert_eq!(cell.median(), window(2.0, 4.0, 3));
    }

    #[test]
    fn nothing_has_no_median_and_no_ratio() {
        assert_eq!(median([]), 0.0);
        assert_eq!(median([2.0, 1.0]), 1.0);
        assert_eq!(ratio(1.0, 0.0), 0.0);
    }
}
