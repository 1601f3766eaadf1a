//! What a page shows, written anew from what was printed: `PANVAULT_TEST_WRITE_SAMPLES=1 cargo test -p panvault docs::`.

use std::fs;
use std::path::Path;

/// Columns that a line of JSON has.
const COLUMNS: usize = 98;

pub(super) fn is_wanted() -> bool {
    std::env::var_os("PANVAULT_TEST_WRITE_SAMPLES").is_some()
}

/// Puts lines in the place of those behind a fence; later fences first, so that the numbers stay true.
pub(super) fn write(page: &Path, mut samples: Vec<(usize, usize, String)>) {
    let text = fs::read_to_string(page).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    samples.sort();
    for (line, count, text) in samples.into_iter().rev() {
        lines.splice(line..line + count, text.lines().map(str::to_owned));
    }
    fs::write(page, lines.join("\n") + "\n").unwrap();
}

/// What was printed, as it is shown: JSON in several lines and in its order, no key, and the home of a reader.
pub(super) fn shown(printed: &str, is_json: bool, home: &Path) -> String {
    let text = printed.trim_end().replace(home.to_str().unwrap(), "/home/you");
    if is_json {
        return laid_out(&text, 0);
    }
    let word = |word: &str| match word.rsplit_once('_') {
        Some((kind, _)) if word.starts_with("pv_") => format!("{kind}_…"),
        _ => word.to_owned(),
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// An object with as many members in a line as fit.
fn laid_out(json: &str, depth: usize) -> String {
    let Some(inner) = json.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return json.trim().to_owned();
    };
    let members: Vec<String> = split(inner, ',')
        .iter()
        .filter_map(|member| {
            let parts = split(member, ':');
            let (name, value) = parts.split_first()?;
            (!value.is_empty()).then(|| format!("{}: {}", name.trim(), laid_out(&value.join(":"), depth + 1)))
        })
        .collect();
    let one_line = format!("{{ {} }}", members.join(", "));
    if members.is_empty() {
        return "{}".to_owned();
    }
    if one_line.len() <= COLUMNS && !one_line.contains('\n') {
        return one_line;
    }
    let indent = "  ".repeat(depth + 1);
    let mut lines = vec![String::new()];
    for (at, member) in members.iter().enumerate() {
        let comma = if at + 1 < members.len() { "," } else { "" };
        let last = lines.last_mut().unwrap();
        let fits = indent.len() + last.len() + member.len() + 2 <= COLUMNS && !member.contains('\n');
        match last.as_str() {
            "" => *last = format!("{member}{comma}"),
            _ if fits => *last += &format!(" {member}{comma}"),
            _ => lines.push(format!("{member}{comma}")),
        }
    }
    let lines: Vec<String> = lines.iter().map(|line| format!("{indent}{line}")).collect();
    format!("{{\n{}\n{}}}", lines.join("\n"), "  ".repeat(depth))
}

/// Splits at a sign that is neither in a string nor in something nested.
fn split(json: &str, at: char) -> Vec<String> {
    let (mut parts, mut depth, mut in_string, mut escaped) = (vec![String::new()], 0, false, false);
    for symbol in json.chars() {
        match symbol {
            '"' if !escaped => in_string = !in_string,
            '{' | '[' if !in_string => depth += 1,
            '}' | ']' if !in_string => depth -= 1,
            _ => {}
        }
        escaped = symbol == '\\' && !escaped;
        if symbol == at && depth == 0 && !in_string {
            parts.push(String::new());
        } else {
            parts.last_mut().unwrap().push(symbol);
        }
    }
    parts
}

#[test]
fn samples_are_laid_out_in_their_order() {
    let home = Path::new("/tmp/x");
    assert_eq!(
        shown("{\"b\":1,\"a\":{\"c\":\"x, y: \\\"z\\\"\"},\"d\":[],\"e\":{}}\n", true, home),
        "{ \"b\": 1, \"a\": { \"c\": \"x, y: \\\"z\\\"\" }, \"d\": [], \"e\": {} }"
    );
    let long = "y".repeat(90);
    assert_eq!(
        shown(&format!("{{\"a\":1,\"b\":2,\"c\":\"{long}\",\"d\":{{\"e\":\"{long}\"}}}}"), true, home),
        format!("{{\n  \"a\": 1, \"b\": 2,\n  \"c\": \"{long}\",\n  \"d\": {{ \"e\": \"{long}\" }}\n}}")
            .replace(&format!("{{ \"e\": \"{long}\" }}"), &format!("{{\n    \"e\": \"{long}\"\n  }}"))
    );
    assert_eq!(
        shown("path  /tmp/x/vault\nkey  pv_live_abc\ncreated_at  1\n", false, home),
        "path  /home/you/vault\nkey  pv_live_…\ncreated_at  1"
    );
}
