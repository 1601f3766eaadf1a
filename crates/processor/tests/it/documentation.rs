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

/// What a description can be told that it has a key which is not known in, with the heading of its table on the page.
const PARTS: &[(&str, &str)] = &[
    ("description", "zzz = 1"),
    ("`[origins]`", "[origins]\nzzz = 1"),
    ("`[settings.NAME]`", "[settings.a]\nzzz = 1"),
    ("`[tables.NAME]`", "[tables.a]\nzzz = 1"),
    ("`[acts]`", "[acts]\nzzz = 1"),
    ("`[acts.NAME]`", "[acts.authorise]\nzzz = 1"),
    (
        "`[acts.NAME.network_token]`",
        "[answers.a]\nrules = [{ status = 200, has = \"b\", verdict = \"approved\" }]\n[acts.verify]\nrequest = \"POST /\"\nanswer = \"a\"\n\
         network_token = { zzz = 1 }",
    ),
    ("`[answers.NAME]`", "[answers.a]\nzzz = 1"),
    ("a rule", "[answers.a]\nrules = [{ zzz = 1 }]"),
    ("`cvv_result`, `avs_result`", "[answers.a.cvv_result]\nzzz = 1"),
    ("`cvv_result`, `avs_result`", "[answers.a.avs_result]\nzzz = 1"),
    ("`[[asks]]`", "[[asks]]\nzzz = 1"),
    ("`pick`", "[[asks]]\npick = { zzz = 1 }"),
    ("`[notification]`", "[notification]\nzzz = 1"),
];

/// Key and default of each row of the table with this heading.
fn keys_documented(heading: &str) -> Vec<(String, String)> {
    let begins = format!("| {heading} | type | default | |\n");
    let (_, part) = PAGE.split_once(&begins).unwrap_or_else(|| panic!("{heading} has no table"));
    let rows = part.lines().skip(1).take_while(|line| line.starts_with('|'));
    let cells =
        rows.map(|row| row.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect::<Vec<_>>());
    cells.map(|cells| (cells[0].trim_matches('`').to_owned(), cells[2].to_owned())).collect()
}

/// The page has every key that the reader knows, no other, and says which must be there: the reader itself names them where one is not known.
#[test]
fn the_tables_of_keys_say_what_a_description_has() {
    for (heading, text) in PARTS {
        let faults = Description::parse(text).map(|_| ()).unwrap_err();
        let words: Vec<_> = faults.iter().map(|fault| fault.words.as_str()).collect();
        let known =
            words.iter().find_map(|words| words.strip_prefix("\"zzz\" is not known here; there are "));
        let mut known: Vec<_> = known.unwrap_or_else(|| panic!("{heading}: {words:?}")).split(", ").collect();
        let rows = keys_documented(heading);
        let mut documented: Vec<_> = rows.iter().map(|(key, _)| key.as_str()).collect();
        known.sort_unstable();
        documented.sort_unstable();
        assert_eq!(documented, known, "{heading}");
        for (key, default) in &rows {
            let is_required = words.contains(&format!("{key} is missing").as_str());
            assert_eq!(default == "required", is_required, "{key} of {heading}: {words:?}");
        }
    }
}

/// Nor is a word left out that is chosen among others.
#[test]
fn every_word_that_is_chosen_among_is_on_the_page() {
    let answer = |rest: &str| format!("[answers.a]\n{rest}");
    for text in [
        "[settings.a]\nkind = \"zzz\"".to_owned(),
        "[settings.a]\npattern = \"zzz\"".to_owned(),
        "[tables.a]\nby = \"zzz\"".to_owned(),
        "[tables.a]\nby = \"recurring_type\"\nrows = [[\"zzz\", 1]]".to_owned(),
        "[tables.a]\nby = \"shopper_interaction\"\nrows = [[\"zzz\", 1]]".to_owned(),
        "[tables.a]\nby = \"cvv\"\nrows = [[\"zzz\", 1]]".to_owned(),
        "[acts.capture]\nformat = \"zzz\"".to_owned(),
        answer("rules = [{ status = 200, verdict = \"zzz\" }]"),
        answer("[answers.a.cvv_result]\npaths = \"b\"\nrows = [[\"c\", \"zzz\"]]"),
        "[[asks]]\nof = [\"zzz\"]".to_owned(),
        "[notification]\nscheme = \"zzz\"".to_owned(),
    ] {
        let faults = Description::parse(&text).map(|_| ()).unwrap_err();
        let among = faults.iter().find_map(|fault| fault.words.strip_prefix("\"zzz\" must be one of "));
        for word in
            among.unwrap_or_else(|| panic!("{text}: {faults:?}")).split(", ").filter(|word| *word != "*")
        {
            assert!(PAGE.contains(&format!("`{word}`")), "{word} of {text}");
        }
    }
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
