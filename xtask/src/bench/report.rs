use core::fmt::Write;
use core::time::Duration;

use serde_json::{Value, json};

use crate::bench::driver::Round;
use crate::bench::work::Work;

/// One kind of request at one number of connections.
pub(super) struct Cell {
    pub(super) work: Work,
    pub(super) connections: usize,
    pub(super) rounds: Vec<Round>,
}

/// All that was measured.
pub(super) struct Report {
    /// Of 4 KiB, by the disk alone.
    pub(super) flush: Duration,
    pub(super) cells: Vec<Cell>,
    pub(super) seconds: u64,
    pub(super) rounds: usize,
}

impl Cell {
    /// Requests a second, over all rounds.
    fn rate(&self) -> f64 {
        let requests: usize = self.rounds.iter().map(|round| round.latencies.len()).sum();
        let took: Duration = self.rounds.iter().map(|round| round.took).sum();
        if took.is_zero() { 0.0 } else { requests as f64 / took.as_secs_f64() }
    }

    /// So many percent of the requests took at most this long, in milliseconds.
    fn percentile(&self, percent: usize) -> f64 {
        let mut all: Vec<Duration> =
            self.rounds.iter().flat_map(|round| round.latencies.iter().copied()).collect();
        all.sort_unstable();
        let place = (all.len() * percent).div_ceil(100).saturating_sub(1);
        all.get(place).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    }
}

impl Report {
    fn of_floor(&self, cell: &Cell) -> f64 {
        let is_floor = |one: &&Cell| one.work == Work::Floor && one.connections == cell.connections;
        let floor = self.cells.iter().find(is_floor).map_or(0.0, Cell::rate);
        if floor > 0.0 { cell.rate() / floor } else { 0.0 }
    }

    /// To be read.
    pub(super) fn table(&self) -> String {
        let mut out = String::new();
        // Writing into a `String` cannot fail.
        let mut line =
            |text: core::fmt::Arguments<'_>| out.write_fmt(text).and(out.write_str("\n")).unwrap_or_default();
        line(format_args!("connections  request              requests/s   p50 ms   p99 ms   of floor"));
        for cell in &self.cells {
            line(format_args!(
                "{:>11}  {:<18} {:>12.0} {:>8.3} {:>8.3} {:>10.2}",
                cell.connections,
                cell.work.name(),
                cell.rate(),
                cell.percentile(50),
                cell.percentile(99),
                self.of_floor(cell)
            ));
        }
        line(format_args!(
            "\none 4 KiB append and flush by the disk alone: {:.3} ms",
            self.flush.as_secs_f64() * 1000.0
        ));
        line(format_args!(
            "The floor is GET /livez on the same listener: same sockets, HTTP parser and router, a constant answer, no caller \
             to look up, no body. Driver and server share this machine's processors. Every connection waits for its answer \
             before it sends again. Cards are new numbers without CVV, and each is durable before it is answered. \
             {} rounds of {} s for each line, taking turns.",
            self.rounds, self.seconds
        ));
        out
    }

    /// To be kept.
    pub(super) fn json(&self) -> Value {
        let cells: Vec<Value> = self
            .cells
            .iter()
            .map(|cell| {
                json!({
                    "request": cell.work.name(),
                    "connections": cell.connections,
                    "requests_per_second": cell.rate(),
                    "p50_ms": cell.percentile(50),
                    "p99_ms": cell.percentile(99),
                    "of_floor": self.of_floor(cell),
                })
            })
            .collect();
        json!({
            "floor": Work::Floor.name(),
            "flush_ms": self.flush.as_secs_f64() * 1000.0,
            "rounds": self.rounds,
            "seconds": self.seconds,
            "cells": cells,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(work: Work, millis: &[u64], took: u64) -> Cell {
        let latencies = millis.iter().map(|time| Duration::from_millis(*time)).collect();
        Cell { work, connections: 1, rounds: vec![Round { took: Duration::from_millis(took), latencies }] }
    }

    #[test]
    fn rates_percentiles_and_ratios() {
        let millis: Vec<u64> = (1..=100).collect();
        let floor = cell(Work::Floor, &millis, 1000);
        assert_eq!((floor.rate(), floor.percentile(50), floor.percentile(99)), (100.0, 50.0, 99.0));
        let create = cell(Work::Create, &[4, 2], 40);
        assert_eq!((create.rate(), create.percentile(50), create.percentile(99)), (50.0, 2.0, 4.0));
        let report = Report { flush: Duration::ZERO, cells: vec![floor, create], seconds: 1, rounds: 1 };
        let ratios: Vec<f64> = report.cells.iter().map(|one| report.of_floor(one)).collect();
        assert_eq!(ratios, [1.0, 0.5]);
        assert_eq!(report.json()["cells"][1]["of_floor"], 0.5);
    }
}
