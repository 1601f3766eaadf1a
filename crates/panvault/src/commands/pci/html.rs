//! A report as one page: no script, nothing loaded, and it prints on A4.

use crate::commands::pci::report::{Report, Section, heading, plain};

const STYLE: &str = "\
@page { size: A4; margin: 16mm 14mm 18mm; }
* { box-sizing: border-box; }
body { font: 10pt/1.4 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 190mm; margin: 0 auto; padding: 8mm 4mm; }
h1 { font-size: 18pt; margin: 0 0 2mm; }
h2 { font-size: 12.5pt; margin: 8mm 0 1mm; break-after: avoid; }
p { margin: 0 0 2mm; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 1mm 6mm; margin: 0 0 4mm; }
dt { color: #555; }
dd { margin: 0; overflow-wrap: anywhere; }
.requirements { color: #555; font-weight: 400; font-size: 9.5pt; }
table { border-collapse: collapse; width: 100%; font-size: 8.5pt; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
th, td { text-align: left; vertical-align: top; padding: 1mm 2mm 1mm 0; border-bottom: 0.2mm solid #ccc; overflow-wrap: break-word; }
th { color: #555; font-weight: 600; overflow-wrap: normal; }
.remarks { list-style: none; margin: 2mm 0 0; padding: 0; }
.remarks li { border-left: 1mm solid #b3261e; padding: 1mm 0 1mm 3mm; margin: 1mm 0; break-inside: avoid; }
.remarks b { margin-right: 2mm; }
.none { color: #555; }
@media print { body { padding: 0; max-width: none; } }
";

pub(super) fn page(report: &Report) -> String {
    let served =
        if report.served { "yes" } else { "no: settings are those of the command that made this report" };
    let remarks = report.remarks().to_string();
    let facts = [
        ("Vault", report.vault.as_str()),
        ("Mode", &report.mode),
        ("Panvault", &report.version),
        ("Served", served),
        ("Report of", &report.made_at.to_string()),
        ("Remarks", &remarks),
    ]
    .map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>\n", escaped(value)))
    .concat();
    let sections: String = report.sections.iter().map(section).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Panvault, PCI DSS 4.0.1</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>How this vault is kept</h1>\n<dl>\n{facts}</dl>\n{sections}</body>\n</html>\n"
    )
}

fn section(of: &Section) -> String {
    let headings: String =
        of.columns.iter().map(|name| format!("<th scope=\"col\">{}</th>", escaped(&heading(name)))).collect();
    let row = |row: &Vec<String>| {
        let cells: String = row.iter().map(|cell| format!("<td>{}</td>", escaped(cell))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = of.rows.iter().map(row).collect();
    let table = if rows.is_empty() && !of.remarks.is_empty() {
        String::new()
    } else if rows.is_empty() {
        "<p class=\"none\">None.</p>\n".to_owned()
    } else {
        format!("<table>\n<thead><tr>{headings}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n")
    };
    let remarks: String = of
        .remarks
        .iter()
        .map(|remark| format!("<li><b>{}</b>{}</li>\n", escaped(remark.requirement), escaped(&remark.what)))
        .collect();
    let remarks =
        if remarks.is_empty() { remarks } else { format!("<ul class=\"remarks\">\n{remarks}</ul>\n") };
    format!(
        "<section>\n<h2>{} <span class=\"requirements\">{}</span></h2>\n<p>{}</p>\n{table}{remarks}</section>\n",
        escaped(of.title),
        escaped(&of.requirements.join(", ")),
        escaped(of.meaning)
    )
}

/// A text, and never markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for symbol in plain(text).chars() {
        match symbol {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use panvault_model::Timestamp;

    use crate::commands::pci::report::Remark;

    use super::*;

    /// Whoever names an API key or a slot writes into a page that somebody else opens.
    #[test]
    fn a_name_with_markup_is_a_text() {
        const NAMES: [&str; 4] = [
            "</td><script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "\"' onmouseover='x' & </style><style>*{}",
            "\u{202E}gnp.exe\u{1b}[2J\r\n",
        ];
        let section = Section {
            name: "n",
            title: "T",
            requirements: &["1.1"],
            meaning: "m",
            columns: &["name"],
            rows: NAMES.iter().map(|name| vec![(*name).to_owned()]).collect(),
            remarks: NAMES
                .iter()
                .map(|name| Remark { requirement: "1.1", what: (*name).to_owned() })
                .collect(),
        };
        let report = Report {
            made_at: Timestamp::from_unix_millis(0),
            vault: NAMES[0].to_owned(),
            mode: NAMES[1].to_owned(),
            version: NAMES[2].to_owned(),
            served: true,
            sections: vec![section],
        };
        let page = page(&report);
        for markup in ["<script", "<img", "</style><style>", "onmouseover='", "\u{202E}", "\u{1b}", "\r"] {
            assert!(!page.contains(markup), "{markup}");
        }
        // The same page of plain names has as many elements.
        let tags = |page: &str| page.matches('<').count();
        let mut harmless = report;
        let name = || "plain".to_owned();
        (harmless.vault, harmless.mode, harmless.version) = (name(), name(), name());
        for section in &mut harmless.sections {
            section.rows.iter_mut().flatten().for_each(|cell| *cell = name());
            section.remarks.iter_mut().for_each(|remark| remark.what = name());
        }
        assert_eq!(tags(&page), tags(&super::page(&harmless)));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        let text = crate::commands::pci::text::page(&harmless);
        assert!(text.lines().any(|line| line == "  plain: "), "{text}");
    }
}
