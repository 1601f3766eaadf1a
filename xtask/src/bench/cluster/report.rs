//! What it comes to: a table, bars, one JSON object.

use serde_json::{Map, Value, json};

use crate::bench::bar::{Bar, Limit};
use crate::bench::cluster::stand::Window;
use crate::bench::cluster::what::What;
use crate::bench::figures::{median, ratio};
use crate::bench::table::{Table, thousands};

const RPS: fn(&Window) -> f64 = |window| window.figures.rps;
const P99: fn(&Window) -> f64 = |window| window.figures.p99_ms;
const POSTGRES: fn(&Window) -> f64 = |window| window.postgres_us;
const SERVER: fn(&Window) -> f64 = |window| window.figures.cpu_us;

/// All windows.
pub(super) struct Report {
    /// In the order of the rounds.
    windows: Vec<(What, Window)>,
    row_bytes: u64,
}

impl Report {
    pub(super) const fn new(row_bytes: u64) -> Self {
        Self { windows: Vec::new(), row_bytes }
    }

    pub(super) fn add(&mut self, what: What, window: Window) {
        self.windows.push((what, window));
    }

    fn of(&self, what: What) -> impl Iterator<Item = &Window> {
        self.windows.iter().filter(move |(of, _)| *of == what).map(|(_, window)| window)
    }

    fn median(&self, what: What, figure: impl Fn(&Window) -> f64) -> f64 {
        median(self.of(what).map(figure))
    }

    /// How a figure of one stands to a figure of the other in the same round: the median of all rounds.
    fn against(
        &self,
        one: What,
        figure: fn(&Window) -> f64,
        other: What,
        of_other: fn(&Window) -> f64,
    ) -> f64 {
        median(self.of(one).zip(self.of(other)).map(|(one, other)| ratio(figure(one), of_other(other))))
    }

    /// One row for everything that was measured.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(&[
            "64 connections",
            "requests/s",
            "÷ pgbench",
            "p50 ms",
            "p99 ms",
            "÷ pgbench",
            "PostgreSQL µs",
            "÷ floor",
            "node µs",
            "Redis µs",
        ]);
        for what in What::ALL {
            let shown = |places: usize, figure: fn(&Window) -> f64| {
                let median = self.median(what, figure);
                if median > 0.0 { format!("{median:.places$}") } else { String::new() }
            };
            let against =
                |figure, other, of_other| format!("{:.2}", self.against(what, figure, other, of_other));
            let of_redis = if what.has_cvv() { shown(1, |window| window.redis_us) } else { String::new() };
            let is_floor = what == What::Floor;
            table.row([
                what.shown().to_owned(),
                thousands(self.median(what, RPS)),
                if is_floor { String::new() } else { against(RPS, What::Rows, RPS) },
                shown(2, |window| window.figures.p50_ms),
                shown(2, P99),
                if is_floor { String::new() } else { against(P99, What::Rows, P99) },
                if is_floor { String::new() } else { shown(1, POSTGRES) },
                if is_floor { String::new() } else { against(POSTGRES, What::Floor, SERVER) },
                shown(1, SERVER),
                if is_floor { String::new() } else { of_redis },
            ]);
        }
        table
    }

    /// What is not in the table.
    pub(super) fn notes(&self) -> String {
        let three = |three, one| self.against(three, RPS, one, RPS);
        format!(
            "Rows of {} bytes beside their columns. Three nodes ÷ one: {:.2}, without CVV {:.2}. Bytes a card, tables, indexes and trail, as they grow, \
             not vacuumed: {:.0}; while a CVV is held {:.0} more.\n",
            self.row_bytes,
            three(What::CvvOfThree, What::Cvv),
            three(What::BareOfThree, What::Bare),
            self.card_bytes(),
            self.median(What::Cvv, |window| window.cvv_bytes),
        )
    }

    /// Tables grow in steps: what all windows of one node come to.
    fn card_bytes(&self) -> f64 {
        median(self.of(What::Bare).chain(self.of(What::Cvv)).map(|window| window.bytes))
    }

    /// What was measured against what is wanted.
    pub(super) fn bars(&self) -> Vec<Bar> {
        let bar = |what, limit, measured| Bar { what, limit, measured, unit: "" };
        let (least, most) = (Limit::AtLeast, Limit::AtMost);
        vec![
            bar(
                "tokenise ÷ pgbench, inserts of one row",
                least(0.6),
                self.against(What::Cvv, RPS, What::Rows, RPS),
            ),
            bar(
                "tokenise ÷ the same with commit_rows_max = 1",
                least(4.0),
                self.against(What::Cvv, RPS, What::CvvSingly, RPS),
            ),
            bar("tokenise p99 ÷ pgbench's", most(2.0), self.against(What::Cvv, P99, What::Rows, P99)),
            bar(
                "PostgreSQL's processor time of tokenise ÷ the floor's",
                most(3.0),
                self.against(What::Cvv, POSTGRES, What::Floor, SERVER),
            ),
            bar(
                "tokenise without CVV ÷ the same with commit_rows_max = 1",
                least(4.0),
                self.against(What::Bare, RPS, What::BareSingly, RPS),
            ),
            Bar {
                what: "a card, with indexes and trail",
                limit: most(500.0),
                measured: self.card_bytes(),
                unit: " B",
            },
        ]
    }

    /// One object: everything that was measured by its name, and `bars`.
    pub(super) fn json(&self) -> Value {
        let mut all = Map::new();
        for what in What::ALL {
            let figures = json!({
                "rps": rounded(self.median(what, RPS)),
                "p50_ms": rounded(self.median(what, |window| window.figures.p50_ms)),
                "p99_ms": rounded(self.median(what, P99)),
                "postgres_us": rounded(self.median(what, POSTGRES)),
                "server_us": rounded(self.median(what, SERVER)),
                "redis_us": rounded(self.median(what, |window| window.redis_us)),
            });
            all.insert(what.name().to_owned(), figures);
        }
        let bars = self
            .bars()
            .into_iter()
            .map(|bar| json!({ "what": bar.what, "measured": rounded(bar.measured), "met": bar.is_met() }));
        all.insert("bars".to_owned(), bars.collect());
        all.insert("card_bytes".to_owned(), rounded(self.card_bytes()));
        Value::Object(all)
    }
}

/// To three places.
fn rounded(number: f64) -> Value {
    json!((number * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::Figures;

    fn window(rps: f64, p99_ms: f64, cpu_us: f64, postgres_us: f64) -> Window {
        let figures = Figures { rps, p99_ms, cpu_us, ..Figures::default() };
        Window { figures, postgres_us, bytes: 490.0, ..Window::default() }
    }

    #[test]
    fn ratios_are_made_in_each_round() {
        let mut report = Report::new(187);
        // In the second round the machine was slow for all.
        for slow in [1.0, 2.0, 1.0] {
            for what in What::ALL {
                let rps = match what {
                    What::CvvSingly | What::BareSingly => 100.0,
                    What::Floor | What::Rows | What::RowsOfKey => 1000.0,
                    What::Bare | What::Cvv | What::BareOfThree | What::CvvOfThree => 800.0,
                };
                report.add(what, window(rps / slow, 4.0 * slow, 10.0 * slow, 40.0 * slow));
            }
        }
        let bars: Vec<(f64, bool)> = report.bars().iter().map(|bar| (bar.measured, bar.is_met())).collect();
        let expected = [(0.8, true), (8.0, true), (1.0, true), (4.0, false), (8.0, true), (490.0, true)];
        assert_eq!(bars, expected);
        assert_eq!(report.table().0.len(), 1 + What::ALL.len());
        assert!(report.notes().contains("Three nodes ÷ one: 1.00"), "{}", report.notes());
        let json = report.json();
        assert_eq!(json["tokenise"]["rps"], json!(800.0));
        assert_eq!(
            json["bars"][3],
            json!({
                "what": "PostgreSQL's processor time of tokenise ÷ the floor's", "measured": 4.0, "met": false
            })
        );
    }
}
