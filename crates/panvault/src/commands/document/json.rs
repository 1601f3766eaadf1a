use serde_json::Value;

/// An object, or objects, as JSON or in columns; without the last line feed.
pub(super) fn text(value: &Value, as_json: bool) -> String {
    match value {
        value if as_json => value.to_string(),
        Value::Array(rows) => {
            let rows: Vec<String> = rows.iter().map(|row| text(row, false) + "\n").collect();
            rows.join("\n")
        }
        Value::Object(members) => {
            let line = |(name, value): (&String, &Value)| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                format!("{name:16} {text}")
            };
            members.iter().map(line).collect::<Vec<_>>().join("\n")
        }
        value => value.to_string(),
    }
}
