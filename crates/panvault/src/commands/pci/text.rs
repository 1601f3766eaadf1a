//! A report for a terminal.

use crate::commands::pci::report::{Report, Section, heading, plain};

pub(super) fn page(report: &Report) -> String {
    let served = if report.served { "served" } else { "not served: settings are those of this command" };
    let mut page = format!(
        "Vault {} ({}), Panvault {}, {served}; report of {}\n{} remarks\n",
        report.vault,
        report.mode,
        report.version,
        report.made_at,
        report.remarks()
    );
    report.sections.iter().for_each(|of| section(of, &mut page));
    page
}

fn section(of: &Section, page: &mut String) {
    page.push_str(&format!("\n{} (PCI DSS 4.0.1: {})\n", of.title, of.requirements.join(", ")));
    page.push_str(&format!("{}\n", of.meaning));
    for row in &of.rows {
        // What the first cell is needs no name; of a pair, what the second is neither.
        let Some((first, rest)) = row.split_first() else { continue };
        let names = of.columns.iter().skip(1);
        let rest = names.zip(rest).filter(|(_, cell)| !cell.is_empty());
        let rest: Vec<_> = rest
            .map(|(name, cell)| match of.columns {
                [_, _] => plain(cell),
                _ => format!("{} {}", heading(name), plain(cell)),
            })
            .collect();
        page.push_str(&format!("  {}: {}\n", plain(first), rest.join("; ")));
    }
    if of.rows.is_empty() && of.remarks.is_empty() {
        page.push_str("  none\n");
    }
    for remark in &of.remarks {
        page.push_str(&format!("  ! {}: {}\n", remark.requirement, plain(&remark.what)));
    }
}
