//! What the standard run comes to: a table, bars, one JSON object.

use serde_json::{Map, Value, json};

use crate::bench::bar::{Bar, Limit};
use crate::bench::figures::{Cell, Figures, median, ratio};
use crate::bench::kind::Kind;
use crate::bench::table::{Table, thousands};

/// Connections whose figures the JSON object holds.
const JSON_CONNECTIONS: [usize; 3] = [64, 256, 1];

const RPS: fn(&Figures) -> f64 = |figures| figures.rps;
const P99: fn(&Figures) -> f64 = |figures| figures.p99_ms;
const CPU: fn(&Figures) -> f64 = |figures| figures.cpu_us;

/// All that was measured.
#[derive(Default)]
pub(super) struct Report {
    pub(super) cells: Vec<Cell>,
    /// Milliseconds of one flush of one page, of every round.
    pub(super) page_ms: Vec<f64>,
    /// Milliseconds of one flush of one batch, of every round.
    pub(super) batch_ms: Vec<f64>,
    /// A long run of tokenise at 64 connections, and one of the floor.
    pub(super) long: Option<Long>,
}

/// A minute of each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Long {
    pub(super) tokenise: Figures,
    pub(super) floor: Figures,
}

impl Report {
    fn cell(&self, kind: Kind, connections: usize) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.kind == kind && cell.connections == connections)
    }

    /// The medians of a kind; zeroes of what was not measured.
    pub(super) fn of(&self, kind: Kind, connections: usize) -> Figures {
        self.cell(kind, connections).map(Cell::median).unwrap_or_default()
    }

    /// How a figure stands to the floor's of the same round: the median of all rounds. None of what was not measured.
    fn to_floor(&self, kind: Kind, connections: usize, figure: fn(&Figures) -> f64) -> Option<f64> {
        let windows = &self.cell(kind, connections)?.windows;
        let floor = &self.cell(Kind::Floor, connections)?.windows;
        Some(median(windows.iter().zip(floor).map(|(one, floor)| ratio(figure(one), figure(floor)))))
    }

    /// How a figure stands to that of transactions in the same round: the median of all rounds. None of what was not measured.
    fn to_transact(&self, kind: Kind, figure: fn(&Figures) -> f64) -> Option<f64> {
        let windows = &self.cell(kind, 64)?.windows;
        let transact = &self.cell(Kind::Transact, 64)?.windows;
        Some(median(windows.iter().zip(transact).map(|(one, other)| ratio(figure(one), figure(other)))))
    }

    /// Milliseconds that the disk takes to make one batch durable.
    pub(super) fn flush_ms(&self) -> f64 {
        median(self.batch_ms.iter().copied())
    }

    /// One row for each kind and number of connections.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(&[
            "request",
            "connections",
            "requests/s",
            "÷ floor",
            "p50 ms",
            "p99 ms",
            "÷ floor",
            "p99.9 ms",
            "cpu µs",
            "÷ floor",
            "errors",
        ]);
        for Cell { kind, connections, .. } in &self.cells {
            let Figures { rps, p50_ms, p99_ms, p999_ms, cpu_us, errors, .. } = self.of(*kind, *connections);
            let to_floor = |figure| {
                let ratio = self.to_floor(*kind, *connections, figure);
                ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"))
            };
            table.row([
                kind.name().to_owned(),
                connections.to_string(),
                thousands(rps),
                to_floor(RPS),
                format!("{p50_ms:.2}"),
                format!("{p99_ms:.2}"),
                to_floor(P99),
                format!("{p999_ms:.2}"),
                format!("{cpu_us:.1}"),
                to_floor(CPU),
                errors.to_string(),
            ]);
        }
        table
    }

    /// What the disk gives, and the long run, in words.
    pub(super) fn notes(&self) -> String {
        let page = median(self.page_ms.iter().copied());
        let mut notes =
            format!("Raw flush, median: {page:.3} ms for 4 KiB, {:.3} ms for 16 KiB.\n", self.flush_ms());
        if let Some(Long { tokenise, floor }) = &self.long {
            for (name, long) in [("Tokenise", tokenise), ("The floor", floor)] {
                notes.push_str(&format!(
                    "{name} for 60 s at 64 connections: {} requests/s, p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, longest \
                     wait {:.1} ms, {} errors.\n",
                    thousands(long.rps),
                    long.p50_ms,
                    long.p99_ms,
                    long.p999_ms,
                    long.max_ms,
                    long.errors
                ));
            }
        }
        notes
    }

    /// What was measured against what is wanted.
    pub(super) fn bars(&self) -> Vec<Bar> {
        let at_least = Limit::AtLeast;
        let at_most = Limit::AtMost;
        let bar = |what, limit, measured: Option<f64>| {
            measured.map(|measured| Bar { what, limit, measured, unit: "" })
        };
        let one = self.cell(Kind::Tokenise, 1).map(Cell::median);
        let least_ms = self.flush_ms() + self.of(Kind::Floor, 1).p50_ms;
        let transact = self.cell(Kind::Transact, 64).map(Cell::median);
        let wait = self.long.map(|Long { tokenise, floor }| ratio(tokenise.max_ms, floor.max_ms));
        let to_floor = |what, limit, kind, connections, figure| {
            bar(what, limit, self.to_floor(kind, connections, figure))
        };
        [
            to_floor("tokenise ÷ floor, 64 connections", at_least(0.60), Kind::Tokenise, 64, RPS),
            to_floor("tokenise ÷ floor, 256 connections", at_least(0.45), Kind::Tokenise, 256, RPS),
            to_floor("read ÷ floor, 64 connections", at_least(0.75), Kind::Read, 64, RPS),
            to_floor("cvv ÷ floor, 64 connections", at_least(0.45), Kind::Cvv, 64, RPS),
            bar(
                "transact ÷ tokenise, 64 connections",
                at_least(0.45),
                transact.map(|transact| ratio(transact.rps, self.of(Kind::Tokenise, 64).rps)),
            ),
            bar("capture ÷ transact, 64 connections", at_least(1.0), self.to_transact(Kind::Capture, RPS)),
            bar("refund ÷ transact, 64 connections", at_least(1.0), self.to_transact(Kind::Refund, RPS)),
            to_floor("tokenise p99 ÷ floor's p99, 16 connections", at_most(2.0), Kind::Tokenise, 16, P99),
            to_floor("tokenise p99 ÷ floor's p99, 64 connections", at_most(2.0), Kind::Tokenise, 64, P99),
            bar(
                "tokenise p99 ÷ its p50, one connection",
                at_most(4.0),
                one.map(|one| ratio(one.p99_ms, one.p50_ms)),
            ),
            bar(
                "tokenise p50 ÷ one raw flush and one round trip to the floor, one connection",
                at_most(1.3),
                one.map(|one| ratio(one.p50_ms, least_ms)),
            ),
            bar("longest wait in 60 s of tokenise ÷ floor's, 64 connections", at_most(3.0), wait),
            to_floor(
                "processor time of tokenise ÷ floor's, 64 connections",
                at_most(1.9),
                Kind::Tokenise,
                64,
                CPU,
            ),
            to_floor("processor time of cvv ÷ floor's, 64 connections", at_most(2.6), Kind::Cvv, 64, CPU),
            to_floor("processor time of read ÷ floor's, 64 connections", at_most(1.5), Kind::Read, 64, CPU),
            to_floor(
                "processor time of transact ÷ floor's, 64 connections",
                at_most(4.0),
                Kind::Transact,
                64,
                CPU,
            ),
            bar(
                "processor time of capture ÷ transact's, 64 connections",
                at_most(1.0),
                self.to_transact(Kind::Capture, CPU),
            ),
            bar(
                "processor time of refund ÷ transact's, 64 connections",
                at_most(1.0),
                self.to_transact(Kind::Refund, CPU),
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// One object: `c64`, `c256` and `c1`, each with all kinds that were measured, `flush_ms`, and after a long run `longest_wait`.
    pub(super) fn json(&self) -> Value {
        let mut all = Map::new();
        for connections in JSON_CONNECTIONS {
            let is_measured =
                |kind: &Kind| Kind::OF_CARDS.contains(kind) || self.cell(*kind, connections).is_some();
            let kinds = Kind::ALL.into_iter().filter(is_measured);
            let kinds = kinds.map(|kind| (kind.name().to_owned(), self.figures(kind, connections)));
            all.insert(format!("c{connections}"), Value::Object(kinds.collect()));
        }
        all.insert("flush_ms".to_owned(), rounded(self.flush_ms()));
        if let Some(Long { tokenise, floor }) = self.long {
            let waits = json!({ "tokenise_ms": rounded(tokenise.max_ms), "floor_ms": rounded(floor.max_ms) });
            all.insert("longest_wait".to_owned(), waits);
        }
        Value::Object(all)
    }

    fn figures(&self, kind: Kind, connections: usize) -> Value {
        let Figures { rps, p50_ms, p99_ms, cpu_us, errors, .. } = self.of(kind, connections);
        let to_floor = |figure| self.to_floor(kind, connections, figure).map(rounded);
        json!({
            "rps": rounded(rps),
            "p50_ms": rounded(p50_ms),
            "p99_ms": rounded(p99_ms),
            "cpu_us": rounded(cpu_us),
            "errors": errors,
            "rps_to_floor": to_floor(RPS),
            "p99_to_floor": to_floor(P99),
            "cpu_to_floor": to_floor(CPU),
        })
    }
}

/// To three places.
fn rounded(number: f64) -> Value {
    json!((number * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let cell = |kind, connections, rps| {
            let window = Figures { rps, p50_ms: 0.25, cpu_us: 15.0004, ..Figures::default() };
            Cell { kind, connections, windows: vec![window] }
        };
        let mut cells = Vec::new();
        for connections in [1, 16, 64, 256] {
            let kinds = if connections == 64 { Kind::ALL.as_slice() } else { &Kind::OF_CARDS };
            cells.extend(kinds.iter().map(|kind| cell(*kind, connections, 1000.0)));
        }
        Report { cells, page_ms: vec![0.1], batch_ms: vec![0.3, 0.2, 0.1], long: None }
    }

    #[test]
    fn the_object_has_the_names_that_others_read() {
        let json = report().json();
        let object = json.as_object().unwrap();
        assert_eq!(object.keys().collect::<Vec<_>>(), ["c1", "c256", "c64", "flush_ms"]);
        assert_eq!(json["flush_ms"], json!(0.2));
        for connections in ["c1", "c64", "c256"] {
            let kinds = json[connections].as_object().unwrap();
            let of_cards = ["cvv", "floor", "read", "tokenise", "transact"].as_slice();
            let all = ["capture", "cvv", "floor", "read", "refund", "tokenise", "transact"].as_slice();
            let expected = if connections == "c64" { all } else { of_cards };
            assert_eq!(kinds.keys().collect::<Vec<_>>(), expected);
            let expected = json!({
                "rps": 1000.0, "p50_ms": 0.25, "p99_ms": 0.0, "cpu_us": 15.0, "errors": 0,
                "rps_to_floor": 1.0, "p99_to_floor": 0.0, "cpu_to_floor": 1.0,
            });
            assert!(kinds.values().all(|kind| *kind == expected), "{kinds:?}");
        }
    }

    /// A ratio was one of medians: a round in which the machine was slow for the floor alone made it look good.
    #[test]
    fn ratios_are_of_the_floor_in_the_same_round() {
        let window = |rps, p99_ms, cpu_us| Figures { rps, p99_ms, cpu_us, ..Figures::default() };
        let cell = |kind, windows: [Figures; 3]| Cell { kind, connections: 64, windows: windows.to_vec() };
        let cells = vec![
            cell(Kind::Floor, [window(100.0, 1.0, 10.0), window(50.0, 2.0, 20.0), window(10.0, 9.0, 90.0)]),
            cell(Kind::Tokenise, [window(50.0, 3.0, 15.0), window(25.0, 6.0, 30.0), window(20.0, 9.0, 45.0)]),
        ];
        let mut report = Report { cells, ..Report::default() };
        let to_floor = |figure| report.to_floor(Kind::Tokenise, 64, figure);
        assert_eq!([to_floor(RPS), to_floor(P99), to_floor(CPU)], [Some(0.5), Some(3.0), Some(1.5)]);
        let measured = |report: &Report| -> Vec<_> {
            report.bars().iter().map(|bar| (bar.what, bar.measured, bar.is_met())).collect()
        };
        let expected = [
            ("tokenise ÷ floor, 64 connections", 0.5, false),
            ("tokenise p99 ÷ floor's p99, 64 connections", 3.0, false),
            ("processor time of tokenise ÷ floor's, 64 connections", 1.5, true),
        ];
        assert_eq!(measured(&report), expected, "no bar without a measure");
        let [tokenise, floor] = [30.0, 15.0].map(|max_ms| Figures { max_ms, ..Figures::default() });
        report.long = Some(Long { tokenise, floor });
        let wait = ("longest wait in 60 s of tokenise ÷ floor's, 64 connections", 2.0, true);
        assert!(measured(&report).contains(&wait));
        assert!(report.notes().contains("The floor for 60 s"));
        assert_eq!(report.json()["longest_wait"], json!({ "tokenise_ms": 30.0, "floor_ms": 15.0 }));
    }

    #[test]
    fn every_bar_is_there_when_all_is_measured() {
        let mut report = report();
        assert_eq!(report.table().0.len(), 23);
        report.long = Some(Long { tokenise: Figures::default(), floor: Figures::default() });
        assert_eq!(report.bars().len(), 18);
        assert_eq!(report.of(Kind::Read, 7), Figures::default());
    }
}
