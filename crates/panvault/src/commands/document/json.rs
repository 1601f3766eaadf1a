use panvault_vault::{AccountRow, ApiKeyRow, OrganisationRow, ProcessorRow};
use serde_json::{Value, json};

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

pub(super) fn organisation(row: &OrganisationRow) -> Value {
    json!({
        "_id": row.id.to_string(),
        "name": row.name,
        "parent_id": row.parent.map(|id| id.to_string()),
        "country_code": row.country_code.map(|code| code.to_string()),
        "disabled": row.disabled,
        "created_at": row.created_at.to_string(),
        "updated_at": row.updated_at.to_string(),
    })
}

pub(super) fn account(row: &AccountRow) -> Value {
    json!({
        "_id": row.id.to_string(),
        "organisation": row.organisation.to_string(),
        "name": row.name,
        "description": row.description,
        "currency_code": row.currency.to_string(),
        "processors": row.processors.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "disabled": row.disabled,
        "created_at": row.created_at.to_string(),
        "updated_at": row.updated_at.to_string(),
    })
}

pub(super) fn processor(row: &ProcessorRow) -> Value {
    let mut configuration = serde_json::Map::new();
    configuration.insert("_type".to_owned(), json!(row.type_name));
    for (name, value) in &row.settings {
        configuration.insert(name.clone(), json!(value));
    }
    json!({
        "_id": row.id.to_string(),
        "organisation": row.organisation.to_string(),
        "name": row.name,
        "configuration": configuration,
        "created_at": row.created_at.to_string(),
        "updated_at": row.updated_at.to_string(),
    })
}

pub(super) fn api_key(row: &ApiKeyRow) -> Value {
    json!({
        "_id": row.id.to_string(),
        "organisation": row.organisation.to_string(),
        "name": row.name,
        "roles": row.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>(),
        "allowed_origins": row.allowed_origins,
        "expires_at": row.expires_at.map(|time| time.to_string()),
        "created_at": row.created_at.to_string(),
    })
}
