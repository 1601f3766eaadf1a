use anyhow::ensure;
use serde_json::{Map, Value, json};

use crate::commands::document::arguments::pairs;

/// Members of a route that have several values.
const LISTS: [&str; 4] = ["brands", "currencies", "issuer_countries", "again_after"];
/// Members of which the API has a number.
const NUMBERS: [&str; 3] = ["amount_min", "amount_max", "percentage"];

/// A route as the API has it, of members with spaces between them: `processor=ID brands=Visa,Mastercard percentage=30`. What they are is judged by who takes
/// them, and none is repeated.
pub(super) fn read(text: &str) -> anyhow::Result<Value> {
    let given: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
    let mut members = Map::new();
    for (name, value) in pairs("--route", &given)? {
        let value = if LISTS.contains(&name) {
            json!(value.split(',').collect::<Vec<_>>())
        } else if let Some(number) = value.parse::<i64>().ok().filter(|_| NUMBERS.contains(&name)) {
            json!(number)
        } else {
            json!(value)
        };
        let earlier = members.insert(name.to_owned(), value);
        ensure!(earlier.is_none(), "--route names a member twice");
    }
    Ok(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_numbers_lists_and_texts() {
        let route = read(
            "processor=65f1c0d23d4e5f60718293a4  brands=Visa,UnionPay amount_min=100 percentage=x again_after=05",
        );
        let expected = json!({
            "processor": "65f1c0d23d4e5f60718293a4", "brands": ["Visa", "UnionPay"], "amount_min": 100, "percentage": "x", "again_after": ["05"],
        });
        assert_eq!(route.unwrap(), expected);
        for wrong in ["processor", "brands=Visa brands=Amex", "brands = Visa"] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.starts_with("--route") && !error.contains("Visa"), "{error}");
        }
    }
}
