//! What the standard run comes to: a table, bars, one JSON object.

use serde_json::{Map, Value, json};

use crate::bench::bar::{Bar, Limit};
use crate::bench::figures::{Cell, Figures, median, ratio};
use crate::bench::kind::Kind;
use crate::bench::table::{Table, thousands};

/// Connections whose figures the JSON object holds.
const JSON_CONNECTIONS: [usize; 3] = [64, 256, 1];

/// All that was measured.
#[derive(Default)]
pub(super) struct Report {
    pub(super) cells: Vec<Cell>,
    /// Milliseconds of one flush of one page, of every round.
    pub(super) page_ms: Vec<f64>,
    /// Milliseconds of one flush of one batch, of every round.
    pub(super) batch_ms: Vec<f64>,
    /// A long run of tokenise at 64 connections.
    pub(super) long: Option<Figures>,
}

impl Report {
    /// The medians of a kind; zeroes of what was not measured.
    pub(super) fn of(&self, kind: Kind, connections: usize) -> Figures {
        let cell = self.cells.iter().find(|cell| cell.kind == kind && cell.connections == connections);
        cell.map(Cell::median).unwrap_or_default()
    }

    fn of_floor(&self, kind: Kind, connections: usize) -> f64 {
        ratio(self.of(kind, connections).rps, self.of(Kind::Floor, connections).rps)
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
            "p99.9 ms",
            "cpu µs",
            "errors",
        ]);
        for cell in &self.cells {
            let Figures { rps, p50_ms, p99_ms, p999_ms, cpu_us, errors, .. } = cell.median();
            table.row([
                cell.kind.name().to_owned(),
                cell.connections.to_string(),
                thousands(rps),
                format!("{:.2}", self.of_floor(cell.kind, cell.connections)),
                format!("{p50_ms:.2}"),
                format!("{p99_ms:.2}"),
                format!("{p999_ms:.2}"),
                format!("{cpu_us:.1}"),
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
        if let Some(long) = &self.long {
            notes.push_str(&format!(
                "Tokenise for 60 s at 64 connections: {} requests/s, p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, longest \
                 wait {:.1} ms, {} errors.\n",
                thousands(long.rps),
                long.p50_ms,
                long.p99_ms,
                long.p999_ms,
                long.max_ms,
                long.errors
            ));
        }
        notes
    }

    /// What was measured against what is wanted.
    pub(super) fn bars(&self) -> Vec<Bar> {
        let bar = |what, limit, measured, unit| Bar { what, limit, measured, unit };
        let at_least = Limit::AtLeast;
        let at_most = Limit::AtMost;
        let tokenise = |connections| self.of(Kind::Tokenise, connections);
        let to_flush = ratio(tokenise(1).p50_ms, self.flush_ms());
        let to_tokenise = ratio(self.of(Kind::Transact, 64).rps, tokenise(64).rps);
        let mut bars = vec![
            bar("tokenise ÷ floor, 64 connections", at_least(0.45), self.of_floor(Kind::Tokenise, 64), ""),
            bar("tokenise ÷ floor, 256 connections", at_least(0.45), self.of_floor(Kind::Tokenise, 256), ""),
            bar("tokenise, 64 connections, p99", at_most(6.0), tokenise(64).p99_ms, " ms"),
            bar("tokenise, one connection, p50 ÷ one raw flush", at_most(1.5), to_flush, ""),
            bar("read ÷ floor, 64 connections", at_least(0.75), self.of_floor(Kind::Read, 64), ""),
            bar("cvv ÷ floor, 64 connections", at_least(0.40), self.of_floor(Kind::Cvv, 64), ""),
            bar("transact ÷ tokenise, 64 connections", at_least(0.45), to_tokenise, ""),
            bar(
                "server processor time per tokenise, 64 connections",
                at_most(22.0),
                tokenise(64).cpu_us,
                " µs",
            ),
        ];
        if let Some(long) = &self.long {
            bars.push(bar(
                "longest wait in 60 s of tokenise, 64 connections",
                at_most(100.0),
                long.max_ms,
                " ms",
            ));
        }
        bars
    }

    /// One object: `c64`, `c256` and `c1`, each with all kinds, and `flush_ms`.
    pub(super) fn json(&self) -> Value {
        let mut all = Map::new();
        for connections in JSON_CONNECTIONS {
            let kinds = Kind::ALL.map(|kind| (kind.name().to_owned(), figures(&self.of(kind, connections))));
            all.insert(format!("c{connections}"), Value::Object(kinds.into_iter().collect()));
        }
        all.insert("flush_ms".to_owned(), rounded(self.flush_ms()));
        Value::Object(all)
    }
}

fn figures(figures: &Figures) -> Value {
    json!({
        "rps": rounded(figures.rps),
        "p50_ms": rounded(figures.p50_ms),
        "p99_ms": rounded(figures.p99_ms),
        "cpu_us": rounded(figures.cpu_us),
        "errors": figures.errors,
    })
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
            cells.extend(Kind::ALL.map(|kind| cell(kind, connections, 1000.0)));
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
            assert_eq!(kinds.keys().collect::<Vec<_>>(), ["cvv", "floor", "read", "tokenise", "transact"]);
            let expected =
                json!({ "rps": 1000.0, "p50_ms": 0.25, "p99_ms": 0.0, "cpu_us": 15.0, "errors": 0 });
            assert!(kinds.values().all(|kind| *kind == expected), "{kinds:?}");
        }
    }

    #[test]
    fn ratios_are_of_the_floor_at_the_same_connections() {
        let report = report();
        assert_eq!(report.table().0.len(), 21);
        assert!(report.bars().iter().take(2).all(|bar| bar.measured == 1.0));
        assert_eq!(report.of(Kind::Read, 7), Figures::default());
    }
}
