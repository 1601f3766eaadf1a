//! The bars that figures are held against.

use crate::bench::table::Table;

/// One bar, and what was measured.
pub(super) struct Bar {
    pub(super) what: &'static str,
    pub(super) limit: Limit,
    pub(super) measured: f64,
    pub(super) unit: &'static str,
}

/// Which side of a number is good.
#[derive(Clone, Copy)]
pub(super) enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

impl Bar {
    pub(super) fn is_met(&self) -> bool {
        match self.limit {
            Limit::AtLeast(limit) => self.measured >= limit,
            Limit::AtMost(limit) => self.measured <= limit,
        }
    }
}

/// All of them, met or missed.
pub(super) fn table(bars: &[Bar]) -> Table {
    let mut table = Table::new(&["what", "bar", "measured", ""]);
    for bar in bars {
        let limit = match bar.limit {
            Limit::AtLeast(limit) => format!("≥ {limit}{}", bar.unit),
            Limit::AtMost(limit) => format!("≤ {limit}{}", bar.unit),
        };
        let measured = if bar.measured < 100.0 {
            format!("{:.2}{}", bar.measured, bar.unit)
        } else {
            format!("{:.0}{}", bar.measured, bar.unit)
        };
        let met = if bar.is_met() { "met" } else { "missed" };
        table.row([bar.what.to_owned(), limit, measured, met.to_owned()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_met_at_its_limit() {
        let bar = |limit, measured| Bar { what: "", limit, measured, unit: "" };
        for (limit, measured, met) in [
            (Limit::AtLeast(0.45), 0.45, true),
            (Limit::AtLeast(0.45), 0.44, false),
            (Limit::AtMost(6.0), 6.0, true),
            (Limit::AtMost(6.0), 6.1, false),
        ] {
            assert_eq!(bar(limit, measured).is_met(), met);
        }
    }
}
