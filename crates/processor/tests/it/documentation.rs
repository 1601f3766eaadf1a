//! What docs/processors.md says of the descriptions that are shipped is what they are.

use panvault_processor::card_http::{Description, HTTP_LIMITS, HttpLimits, Registry, SettingKind};

const PAGE: &str = include_str!("../../../../docs/processors.md");

/// The cells of the row of a type; notes that a cell has behind `;` are for people.
fn documented(type_name: &str) -> Vec<String> {
    let begins = format!("| `{type_name}` |");
    let row = PAGE.lines().find(|line| line.starts_with(&begins)).unwrap_or_default();
    row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// What stands between back quotes.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn settings(description: &Description, kind: SettingKind) -> Vec<String> {
    description.settings().iter().filter(|one| one.kind == kind).map(|one| one.name.clone()).collect()
}

fn listed(cell: &str) -> Vec<&str> {
    let (list, _) = cell.split_once(';').unwrap_or((cell, ""));
    list.split(',').map(str::trim).filter(|name| *name != "–").collect()
}

#[test]
fn the_table_of_shipped_descriptions_says_what_they_are() {
    let registry = Registry::shipped();
    for description in registry.descriptions() {
        let cells = documented(&description.type_name());
        let [_, text, secret, acts, tokens] = cells.as_slice() else {
            panic!("{} has no row: {cells:?}", description.type_name());
        };
        assert_eq!(
            quoted(text),
            settings(description, SettingKind::Text),
            "settings of {}",
            description.name()
        );
        assert_eq!(
            quoted(secret),
            settings(description, SettingKind::Secret),
            "secrets of {}",
            description.name()
        );
        assert_eq!(listed(acts), description.abilities(), "acts of {}", description.name());
        assert_eq!(listed(tokens), description.network_tokens(), "network tokens of {}", description.name());
    }
    let rows = PAGE.lines().filter(|line| line.starts_with("| `card_")).count();
    assert_eq!(rows, registry.descriptions().count(), "and of no others");
}

#[test]
fn the_table_of_limits_says_what_they_are() {
    let (_, part) = PAGE.split_once("| limit | default | range | |\n").unwrap();
    let rows = part.lines().skip(1).take_while(|line| line.starts_with("| `"));
    let mut documented: Vec<_> =
        rows.map(|row| row.split('|').map(str::trim).skip(1).take(3).collect::<Vec<_>>().join(" ")).collect();
    let default = HttpLimits::default().shown();
    let mut expected: Vec<_> = HTTP_LIMITS
        .iter()
        .zip(default)
        .map(|((name, least, most), (_, default))| format!("`{name}` {default} {least} to {most}"))
        .collect();
    documented.sort();
    expected.sort();
    assert_eq!(documented, expected);
}
