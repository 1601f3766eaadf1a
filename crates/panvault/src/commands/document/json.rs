use serde_json::Value;

/// Characters that names have room in, where none is longer.
const NAME_CHARS: usize = 16;

/// An object, or objects, as JSON or in columns; without the last line feed.
pub(super) fn text(value: &Value, as_json: bool) -> String {
    match value {
        value if as_json => value.to_string(),
        Value::Array(rows) => {
            let rows: Vec<String> = rows.iter().map(|row| text(row, false) + "\n").collect();
            rows.join("\n")
        }
        Value::Object(members) => {
            let width = members.keys().map(String::len).fold(NAME_CHARS, usize::max);
            let line = |(name, value): (&String, &Value)| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                format!("{name:width$} {text}")
            };
            members.iter().map(line).collect::<Vec<_>>().join("\n")
        }
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_the_longest_name() {
        assert_eq!(text(&json!({ "name": "A" }), false), format!("name{} A", " ".repeat(12)));
        let account = json!({ "name": "A", "processors_configurations": [] });
        let lines = format!("name{} A\nprocessors_configurations []", " ".repeat(21));
        assert_eq!(text(&account, false), lines);
    }
}
