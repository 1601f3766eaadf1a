//! Organisations, accounts, processors and API keys from the command line. The vault must not be served meanwhile: one
//! process writes to it.

use anyhow::{Context, bail};
use panvault_model::{ApiKeyId, Country, Currency, IdFault, OrganisationId, ProcessorId, Role, Timestamp};
use panvault_vault::{
    AccountRow, ApiKeyRow, Mode, NewAccount, NewApiKey, NewOrganisation, NewProcessor, OrganisationRow,
    ProcessorRow, Vault, VaultError,
};
use serde_json::{Value, json};

use crate::cli::{AccountCommand, ApiKeyCommand, OrganisationCommand, ProcessorCommand, Shared};
use crate::commands::runtime;
use crate::config;
use crate::data::{DataDirectory, OpenSettings};
use crate::output;
use crate::telemetry::{self, LogFormat};

pub(crate) fn organisation(command: OrganisationCommand) -> anyhow::Result<()> {
    match command {
        OrganisationCommand::Create { name, parent, country_code, shared } => {
            let new = NewOrganisation {
                name,
                parent: parent.map(|id| id_of("--parent", &id, OrganisationId::parse)).transpose()?,
                country_code: country_code.map(|code| country(&code)).transpose()?,
                details: Vec::new(),
            };
            with_vault(shared, async |vault| {
                let permit = vault.operator().permit()?;
                Ok(organisation_json(&vault.organisation_create(&permit, new).await?))
            })
        }
        OrganisationCommand::List(shared) => with_vault(shared, async |vault| {
            let rows = vault.organisation_list(&vault.operator().permit()?);
            Ok(rows.iter().map(organisation_json).collect())
        }),
    }
}

pub(crate) fn account(command: AccountCommand) -> anyhow::Result<()> {
    match command {
        AccountCommand::Create { organisation, name, description, currency_code, processor, shared } => {
            let new = NewAccount {
                organisation: id_of("--organisation", &organisation, OrganisationId::parse)?,
                name,
                description,
                currency: Currency::parse(&currency_code)
                    .context("--currency-code must be three capital letters, such as EUR")?,
                processors: processor
                    .iter()
                    .map(|id| id_of("--processor", id, ProcessorId::parse))
                    .collect::<Result<_, _>>()?,
            };
            with_vault(shared, async |vault| {
                Ok(account_json(&vault.account_create(&vault.operator().permit()?, new).await?))
            })
        }
        AccountCommand::List(shared) => with_vault(shared, async |vault| {
            let rows = vault.account_list(&vault.operator().permit()?);
            Ok(rows.iter().map(account_json).collect())
        }),
    }
}

pub(crate) fn processor(command: ProcessorCommand) -> anyhow::Result<()> {
    match command {
        ProcessorCommand::Create { organisation, name, type_name, configuration, shared } => {
            let setting = |pair: &String| {
                let (name, value) = pair.split_once('=').context("--configuration takes NAME=VALUE")?;
                anyhow::Ok((name.to_owned(), value.to_owned()))
            };
            let new = NewProcessor {
                organisation: id_of("--organisation", &organisation, OrganisationId::parse)?,
                name,
                type_name,
                settings: configuration.iter().map(setting).collect::<Result<_, _>>()?,
            };
            with_vault(shared, async |vault| {
                Ok(processor_json(&vault.processor_create(&vault.operator().permit()?, new).await?))
            })
        }
        ProcessorCommand::List(shared) => with_vault(shared, async |vault| {
            let rows = vault.processor_list(&vault.operator().permit()?);
            Ok(rows.iter().map(processor_json).collect())
        }),
    }
}

pub(crate) fn api_key(command: ApiKeyCommand) -> anyhow::Result<()> {
    match command {
        ApiKeyCommand::Create { organisation, name, role, expires_at, shared } => {
            let new = NewApiKey {
                organisation: id_of("--organisation", &organisation, OrganisationId::parse)?,
                name,
                roles: role.iter().map(|name| role_of(name)).collect::<Result<_, _>>()?,
                expires_at: expires_at
                    .map(|text| {
                        Timestamp::parse(&text).map_err(|_| anyhow::anyhow!("--expires-at must be RFC 3339"))
                    })
                    .transpose()?,
            };
            with_vault(shared, async |vault| {
                let (row, key) = vault.apikey_create(&vault.operator().permit()?, new).await?;
                let mut made = api_key_json(&row);
                if let Some(members) = made.as_object_mut() {
                    members.insert("api_key".to_owned(), json!(key.expose_text()));
                }
                Ok(made)
            })
        }
        ApiKeyCommand::List(shared) => with_vault(shared, async |vault| {
            let rows = vault.apikey_list(&vault.operator().permit()?);
            Ok(rows.iter().map(api_key_json).collect())
        }),
        ApiKeyCommand::Delete { id, shared } => {
            let id = id_of("ID", &id, ApiKeyId::parse)?;
            with_vault(shared, async |vault| {
                vault.apikey_delete(&vault.operator().permit()?, id).await?;
                Ok(json!({ "_id": id.to_string(), "deleted": true }))
            })
        }
    }
}

/// Opens the vault, does one thing, closes it and prints what came of it.
fn with_vault(
    shared: Shared,
    operation: impl AsyncFnOnce(&Vault) -> Result<Value, VaultError>,
) -> anyhow::Result<()> {
    let config = config::read(&shared.settings, &[])?;
    telemetry::start("warn", LogFormat::Text)?;
    let value = runtime()?.block_on(async {
        let settings = OpenSettings { root_key_file: config.root_key_file, ..OpenSettings::default() };
        let open = DataDirectory::find(&config.data_directory)?.open(&settings).await?;
        let done = operation(&open.vault).await;
        open.vault.close().await?;
        done.map_err(|error| said(error, open.vault.mode()))
    })?;
    print(&value, shared.json)
}

/// A refusal with its fields spelled out.
fn said(error: VaultError, mode: Mode) -> anyhow::Error {
    match error {
        VaultError::Faults(faults) => {
            let mut said: Vec<String> =
                faults.iter().map(|fault| format!("{} {}", fault.field, fault.reason)).collect();
            if mode == Mode::Live && faults.iter().any(|fault| fault.field == "configuration") {
                said.push("a vault that takes card_dummy is made by panvault init --mode test".to_owned());
            }
            anyhow::anyhow!(said.join("; "))
        }
        VaultError::NotFound => anyhow::anyhow!(
            "an id that was given names nothing in this vault; the list commands show what there is"
        ),
        error => error.into(),
    }
}

/// Prints an object, or objects, as JSON or in columns.
pub(super) fn print(value: &Value, as_json: bool) -> anyhow::Result<()> {
    match value {
        value if as_json => output::line(value.to_string())?,
        Value::Array(rows) => {
            for row in rows {
                print(row, false)?;
                output::line("")?;
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                output::line(format!("{name:16} {text}"))?;
            }
        }
        value => output::line(value.to_string())?,
    }
    Ok(())
}

fn id_of<T>(name: &str, text: &str, parse: fn(&str) -> Result<T, IdFault>) -> anyhow::Result<T> {
    parse(text).map_err(|_| anyhow::anyhow!("{name} must be an id: 24 lowercase hexadecimal digits"))
}

fn country(text: &str) -> anyhow::Result<Country> {
    Country::parse(text).context("--country-code must be two capital letters, such as NL")
}

fn role_of(name: &str) -> anyhow::Result<Role> {
    let Some(role) = Role::parse(name) else {
        let all: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
        bail!("--role must be one of {}", all.join(", "))
    };
    Ok(role)
}

fn organisation_json(row: &OrganisationRow) -> Value {
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

fn account_json(row: &AccountRow) -> Value {
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

fn processor_json(row: &ProcessorRow) -> Value {
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

fn api_key_json(row: &ApiKeyRow) -> Value {
    json!({
        "_id": row.id.to_string(),
        "organisation": row.organisation.to_string(),
        "name": row.name,
        "roles": row.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>(),
        "expires_at": row.expires_at.map(|time| time.to_string()),
        "created_at": row.created_at.to_string(),
    })
}
