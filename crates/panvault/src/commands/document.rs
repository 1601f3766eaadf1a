//! Organisations, accounts, processors and API keys from the command line. The vault must not be served meanwhile: one
//! process writes to it.

mod arguments;
mod json;
mod work;

use core::slice;

use panvault_model::{ApiKeyId, Country, Currency, OrganisationId, ProcessorId, Role, Timestamp};
use panvault_processor::Configuration;
use panvault_vault::{
    NewAccount, NewApiKey, NewOrganisation, NewProcessor, Webhooks, currency_fits, description_fits,
    name_fits,
};
use serde_json::{Value, json};

use crate::cli::{AccountCommand, ApiKeyCommand, OrganisationCommand, ProcessorCommand};
use crate::commands::document::arguments::Arguments;
use crate::commands::document::work::{list, make, said, undone, with_vault};
use crate::output;

pub(crate) fn organisation(command: OrganisationCommand) -> anyhow::Result<()> {
    match command {
        OrganisationCommand::Create { name, parent, country_code, shared } => {
            let mut arguments = Arguments::default();
            arguments.judged(name_fits(&name));
            let parent = parent.map(|id| arguments.id("--parent", &id, OrganisationId::parse));
            let country_code = country_code
                .map(|code| arguments.read("--country-code", Country::parse(&code), Country::EXPECTED));
            let new = NewOrganisation {
                name,
                parent: parent.flatten(),
                country_code: country_code.flatten(),
                disabled: false,
                details: Vec::new(),
            };
            let new = arguments.end(Some(new))?;
            make(&shared, |vault| {
                let (row, plan) = vault.organisation_plan(&vault.operator().permit()?, new)?;
                Ok((json::organisation(&row), plan))
            })
        }
        OrganisationCommand::List(shared) => list(&shared, async |vault, query| {
            let page = vault.organisation_list(&vault.operator().permit()?, query).await?;
            Ok(page.rows.iter().map(|row| json::organisation(row)).collect())
        }),
    }
}

pub(crate) fn account(command: AccountCommand) -> anyhow::Result<()> {
    match command {
        AccountCommand::Create { organisation, name, description, currency_code, processor, shared } => {
            let mut arguments = Arguments::default();
            arguments.judged(name_fits(&name));
            if let Some(description) = &description {
                arguments.judged(description_fits(description));
            }
            let organisation = arguments.id("--organisation", &organisation, OrganisationId::parse);
            let currency = arguments.read(
                "--currency-code",
                Currency::parse(&currency_code),
                "must be three capital letters, such as EUR",
            );
            if let Some(currency) = currency {
                arguments.judged(currency_fits(currency));
            }
            let processors = processor
                .iter()
                .filter_map(|id| arguments.id("--processor", id, ProcessorId::parse))
                .collect();
            let new = organisation.zip(currency).map(|(organisation, currency)| NewAccount {
                organisation,
                name,
                description,
                currency,
                processors,
                disabled: false,
                webhooks: Webhooks::default(),
            });
            let new = arguments.end(new)?;
            make(&shared, |vault| {
                let (row, plan) = vault.account_plan(&vault.operator().permit()?, new)?;
                Ok((json::account(&row), plan))
            })
        }
        AccountCommand::List(shared) => list(&shared, async |vault, query| {
            let page = vault.account_list(&vault.operator().permit()?, query).await?;
            Ok(page.rows.iter().map(|row| json::account(row)).collect())
        }),
    }
}

pub(crate) fn processor(command: ProcessorCommand) -> anyhow::Result<()> {
    match command {
        ProcessorCommand::Create { organisation, name, type_name, configuration, shared } => {
            let mut arguments = Arguments::default();
            arguments.judged(name_fits(&name));
            let organisation = arguments.id("--organisation", &organisation, OrganisationId::parse);
            let settings: Vec<(String, String)> = configuration
                .iter()
                .filter_map(|pair| {
                    let pair = pair.split_once('=');
                    arguments.read("--configuration", pair, "takes NAME=VALUE")
                })
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            if Configuration::parse(&type_name, &[]).is_err() {
                arguments.read("--type", None::<()>, "must be card_dummy");
            } else {
                // One by one, for the vault says only the first that is wrong.
                for pair in &settings {
                    if let Err(fault) = Configuration::parse(&type_name, slice::from_ref(pair)) {
                        arguments.read("--configuration", None::<()>, &fault.to_string());
                    }
                }
            }
            let new =
                organisation.map(|organisation| NewProcessor { organisation, name, type_name, settings });
            let new = arguments.end(new)?;
            make(&shared, |vault| {
                let (row, plan) = vault.processor_plan(&vault.operator().permit()?, new)?;
                Ok((json::processor(&row), plan))
            })
        }
        ProcessorCommand::List(shared) => list(&shared, async |vault, query| {
            let page = vault.processor_list(&vault.operator().permit()?, query).await?;
            Ok(page.rows.iter().map(|row| json::processor(row)).collect())
        }),
    }
}

pub(crate) fn api_key(command: ApiKeyCommand) -> anyhow::Result<()> {
    match command {
        ApiKeyCommand::Create { organisation, name, role, allowed_origin, expires_at, shared } => {
            let allowed_origins = allowed_origin;
            let mut arguments = Arguments::default();
            arguments.judged(name_fits(&name));
            let organisation = arguments.id("--organisation", &organisation, OrganisationId::parse);
            let all: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
            let must = format!("must be one of {}", all.join(", "));
            let roles =
                role.iter().filter_map(|name| arguments.read("--role", Role::parse(name), &must)).collect();
            let expires_at = expires_at.map(|text| {
                let must = "must be a time of RFC 3339, such as 2030-01-31T00:00:00Z";
                arguments.read("--expires-at", Timestamp::parse(&text).ok(), must)
            });
            let new = organisation.map(|organisation| NewApiKey {
                organisation,
                name,
                roles,
                expires_at: expires_at.flatten(),
                allowed_origins,
            });
            let new = arguments.end(new)?;
            output::secret_is_seen()?;
            make(&shared, |vault| {
                let (row, key, plan) = vault.apikey_plan(&vault.operator().permit()?, new)?;
                let mut made = json::api_key(&row);
                if let Some(members) = made.as_object_mut() {
                    members.insert("api_key".to_owned(), json!(key.expose_text()));
                }
                Ok((made, plan))
            })
        }
        ApiKeyCommand::List(shared) => list(&shared, async |vault, query| {
            let page = vault.apikey_list(&vault.operator().permit()?, query).await?;
            Ok(page.rows.iter().map(|view| json::api_key(&view.row)).collect())
        }),
        ApiKeyCommand::Delete { id, shared } => {
            let mut arguments = Arguments::default();
            let id = arguments.id("ID", &id, ApiKeyId::parse);
            let id = arguments.end(id)?;
            with_vault(&shared, async |vault| {
                let plan = || vault.apikey_delete_plan(&vault.operator().permit()?, id);
                let plan = plan().map_err(|error| said(error, vault.mode()))?;
                vault.document_make(plan).await.map_err(|error| undone(error, "the API key was not revoked"))
            })?;
            // A key that must go is not kept because nobody reads that it went.
            let value = json!({ "_id": id.to_string(), "deleted": true });
            if let Err(error) = print(&value, shared.json) {
                output::note(format!("the API key is revoked; {error}"));
            }
            Ok(())
        }
    }
}

/// Prints an object, or objects, as JSON or in columns.
pub(super) fn print(value: &Value, as_json: bool) -> anyhow::Result<()> {
    Ok(output::line(json::text(value, as_json))?)
}

/// Prints the same before it is done: see [`output::first`].
pub(super) fn print_first(value: &Value, as_json: bool) -> anyhow::Result<()> {
    Ok(output::first(json::text(value, as_json))?)
}
