//! Tables of texts: for a terminal, and for a page.

/// Rows of cells; the first row is the head. The first column is aligned to the left, all others to the right.
pub(super) struct Table(pub(super) Vec<Vec<String>>);

impl Table {
    /// A table with this head.
    pub(super) fn new(head: &[&str]) -> Self {
        Self(vec![head.iter().map(|cell| (*cell).to_owned()).collect()])
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.push(cells.into_iter().collect());
    }

    /// Columns of equal width.
    pub(super) fn plain(&self) -> String {
        let widths = self.widths();
        self.0.iter().map(|row| padded(row, &widths).join("  ").trim_end().to_owned() + "\n").collect()
    }

    /// Markdown.
    pub(super) fn markdown(&self) -> String {
        let widths = self.widths();
        let mut lines: Vec<String> =
            self.0.iter().map(|row| format!("| {} |\n", padded(row, &widths).join(" | "))).collect();
        let rule = widths.iter().enumerate().map(|(at, width)| match at {
            0 => "-".repeat((*width).max(3)),
            _ => "-".repeat((*width).max(3) - 1) + ":",
        });
        lines.insert(1, format!("| {} |\n", rule.collect::<Vec<_>>().join(" | ")));
        lines.concat()
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            self.0.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        (0..columns).map(|column| width(column).unwrap_or_default().max(3)).collect()
    }
}

fn padded(row: &[String], widths: &[usize]) -> Vec<String> {
    row.iter()
        .zip(widths)
        .enumerate()
        .map(
            |(at, (cell, width))| if at == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") },
        )
        .collect()
}

/// A number with its thousands set apart.
pub(super) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digit.is_ascii_digit() {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_written_in_two_ways() {
        let mut table = Table::new(&["what", "rps"]);
        table.row(["read".to_owned(), "12,345".to_owned()]);
        assert_eq!(table.plain(), "what     rps\nread  12,345\n");
        assert_eq!(table.markdown(), "| what |    rps |\n| ---- | -----: |\n| read | 12,345 |\n");
    }

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [(0.0, "0"), (999.4, "999"), (1000.0, "1,000"), (1_234_567.0, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
    }
}
