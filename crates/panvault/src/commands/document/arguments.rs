use anyhow::{bail, ensure};
use panvault_server::table::{ENDPOINTS, Endpoint};
use serde_json::{Map, Value, json};

/// The argument that a field of the API is on the command line.
pub(super) fn argument(field: &str) -> String {
    let named = match field {
        "id" => "ID",
        "organisation" => "--organisation",
        "parent_id" => "--parent",
        "name" => "--name",
        "description" => "--description",
        "country_code" => "--country-code",
        "currency_code" => "--currency-code",
        "processors" => "--processor",
        "configuration._type" => "--type",
        "configuration" => "--configuration",
        "roles" => "--role",
        "expires_at" => "--expires-at",
        "allowed_origins" => "--allowed-origin",
        "overlap_seconds" => "--overlap-seconds",
        "disabled" => "--disabled",
        "actor" => "--actor",
        "action" => "--action",
        "request" => "--request",
        "created_at" => "--since",
        other => return in_list(other),
    };
    named.to_owned()
}

/// A part of a field: a setting of a configuration, or an element of a list, whose place says nothing that its text does not.
fn in_list(field: &str) -> String {
    match field.split_once(['.', '[']) {
        Some(("configuration", setting)) => match setting.strip_prefix("routes") {
            Some(member) => format!("--route{}", counted_from_1(member)),
            None => format!("--configuration {setting}"),
        },
        Some((whole, _)) => argument(whole),
        None => format!("--field {field}"),
    }
}

/// `.0.processor` as ` 1 processor`: arguments, and what has commas in them, are counted from 1.
fn counted_from_1(member: &str) -> String {
    let counted = |part: &str| match part.parse::<usize>() {
        Ok(index) => index.saturating_add(1).to_string(),
        Err(_) => part.to_owned(),
    };
    member.split('.').map(counted).collect::<Vec<_>>().join(" ")
}

/// A member that was given.
pub(super) fn put(body: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        body.insert(name.to_owned(), value.into());
    }
}

/// A member with all that was given, if anything was.
pub(super) fn put_all(body: &mut Map<String, Value>, name: &str, values: Vec<String>) {
    if !values.is_empty() {
        body.insert(name.to_owned(), json!(values));
    }
}

/// Further members, as they are named in the API.
pub(super) fn put_further(body: &mut Map<String, Value>, further: &[String]) -> anyhow::Result<()> {
    for (name, value) in pairs("--field", further)? {
        let value = match value {
            "true" => json!(true),
            "false" => json!(false),
            text => json!(text),
        };
        body.insert(name.to_owned(), value);
    }
    Ok(())
}

/// Members that are to end. What does not end is refused with what does, and not repeated.
pub(super) fn put_unset(body: &mut Map<String, Value>, path: &str, unset: &[String]) -> anyhow::Result<()> {
    let change = ENDPOINTS.iter().filter(|endpoint| {
        endpoint.method.as_str() == "POST" && endpoint.path.strip_suffix("/{id}") == Some(path)
    });
    let mut ending: Vec<_> =
        change.flat_map(Endpoint::ending_fields).map(|name| (name, Value::Null)).collect();
    if path == "/v1/account" {
        // What ends of a list is all that is in it.
        ending.push(("processors", json!([])));
    }
    for name in unset {
        let Some((name, value)) = ending.iter().find(|(field, _)| field == name) else {
            let names: Vec<_> = ending.iter().map(|(name, _)| *name).collect();
            bail!("--unset takes what can be without a value: {}", names.join(", "));
        };
        let given = body.insert((*name).to_owned(), value.clone());
        ensure!(
            given.is_none_or(|given| given == *value),
            "--unset {name} contradicts {}, which gives it a value",
            argument(name)
        );
    }
    Ok(())
}

/// Names and values. What is none is not repeated.
pub(super) fn pairs<'a>(argument: &str, given: &'a [String]) -> anyhow::Result<Vec<(&'a str, &'a str)>> {
    let pairs: Vec<_> = given.iter().filter_map(|pair| pair.split_once('=')).collect();
    ensure!(pairs.len() == given.len(), "{argument} takes NAME=VALUE");
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_by_its_argument() {
        for (field, expected) in [
            ("configuration.routes.0.processor", "--route 1 processor"),
            ("configuration.routes.15.brands.0", "--route 16 brands 1"),
            ("configuration.routes", "--route"),
            ("configuration.merchant_account", "--configuration merchant_account"),
            ("roles[1]", "--role"),
        ] {
            assert_eq!(argument(field), expected);
        }
    }
}
