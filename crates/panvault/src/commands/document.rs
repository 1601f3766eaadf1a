//! Organisations, accounts, processors and API keys from the command line: requests to `/v1/…`, wherever the vault is.

mod arguments;
mod check;
mod json;
mod route;
mod trial;
mod work;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{anyhow, ensure};
use panvault_processor::OWN_TYPES;
use panvault_processor::card_http::{Registry, SettingKind};
use panvault_vault::limits::PROCESSOR_SECRET_BYTES_MAX;
use serde_json::{Map, Value, json};

use crate::cli::{AccountCommand, ApiKeyCommand, Ending, Further, OrganisationCommand, ProcessorCommand};
use crate::commands::document::arguments::{pairs, put, put_all, put_further, put_unset};
use crate::commands::document::work::{change, create, delete, list, rotate, show};
use crate::config::{self, secret};
use crate::output;

pub(crate) use work::{asked, object};

pub(crate) fn organisation(command: OrganisationCommand) -> anyhow::Result<()> {
    const PATH: &str = "/v1/organisation";
    match command {
        OrganisationCommand::Create { name, parent, country_code, further, shared } => {
            let mut body = named(Some(name));
            put(&mut body, "parent_id", parent);
            put(&mut body, "country_code", country_code);
            create(PATH, with(body, &further)?, &shared)
        }
        OrganisationCommand::Change { id, name, country_code, disabled, further, ending, shared } => {
            let mut body = named(name);
            put(&mut body, "country_code", country_code);
            put(&mut body, "disabled", disabled);
            change(PATH, &id, without(PATH, with(body, &further)?, &ending)?, &shared)
        }
        OrganisationCommand::List(shared) => list(PATH, &shared),
        OrganisationCommand::Show(one) => show(PATH, &one),
        OrganisationCommand::Delete(one) => delete(PATH, &one, "the organisation is deleted"),
    }
}

pub(crate) fn account(command: AccountCommand) -> anyhow::Result<()> {
    const PATH: &str = "/v1/account";
    match command {
        AccountCommand::Create {
            organisation,
            name,
            description,
            currency_code,
            processor,
            further,
            shared,
        } => {
            let mut body = named(Some(name));
            put(&mut body, "organisation", Some(organisation));
            put(&mut body, "description", description);
            put(&mut body, "currency_code", Some(currency_code));
            put_all(&mut body, "processors", processor);
            create(PATH, with(body, &further)?, &shared)
        }
        AccountCommand::Change { id, name, description, processor, disabled, further, ending, shared } => {
            let mut body = named(name);
            put(&mut body, "description", description);
            put_all(&mut body, "processors", processor);
            put(&mut body, "disabled", disabled);
            change(PATH, &id, without(PATH, with(body, &further)?, &ending)?, &shared)
        }
        AccountCommand::List(shared) => list(PATH, &shared),
        AccountCommand::Show(one) => show(PATH, &one),
        AccountCommand::Delete(one) => delete(PATH, &one, "the account is deleted"),
    }
}

pub(crate) fn processor(command: ProcessorCommand) -> anyhow::Result<()> {
    const PATH: &str = "/v1/processor";
    match command {
        ProcessorCommand::Create { organisation, name, type_name, configuration, route, secret, shared } => {
            let mut body = named(Some(name));
            put(&mut body, "organisation", Some(organisation));
            let descriptions = config::read(&shared.settings, &[])?.processors;
            let given = Given { configuration: &configuration, routes: &route, secrets: &secret };
            let configured = configured(Some(type_name), &given, descriptions.as_deref())?;
            body.insert("configuration".to_owned(), configured);
            create(PATH, body, &shared)
        }
        ProcessorCommand::Change { id, name, type_name, configuration, route, secret, shared } => {
            let mut body = named(name);
            if type_name.is_some() || !secret.is_empty() || !route.is_empty() {
                let descriptions = config::read(&shared.settings, &[])?.processors;
                let given = Given { configuration: &configuration, routes: &route, secrets: &secret };
                let configured = configured(type_name, &given, descriptions.as_deref())?;
                body.insert("configuration".to_owned(), configured);
            }
            change(PATH, &id, body, &shared)
        }
        ProcessorCommand::List(shared) => list(PATH, &shared),
        ProcessorCommand::Show(one) => show(PATH, &one),
        ProcessorCommand::Check { file, json } => check::processor_check(&file, json),
        ProcessorCommand::Try { amount, one } => trial::processor_try(&one, amount),
        ProcessorCommand::Delete(one) => delete(PATH, &one, "the processor is deleted"),
    }
}

pub(crate) fn api_key(command: ApiKeyCommand) -> anyhow::Result<()> {
    const PATH: &str = "/v1/apikey";
    match command {
        ApiKeyCommand::Create { organisation, name, role, expires_at, allowed_origin, shared } => {
            let mut body = named(Some(name));
            put(&mut body, "organisation", Some(organisation));
            put_all(&mut body, "roles", role);
            put(&mut body, "expires_at", expires_at);
            put_all(&mut body, "allowed_origins", allowed_origin);
            output::secret_is_seen()?;
            create(PATH, body, &shared)
        }
        ApiKeyCommand::Change { id, name, role, expires_at, allowed_origin, ending, shared } => {
            let mut body = named(name);
            put_all(&mut body, "roles", role);
            put(&mut body, "expires_at", expires_at.map(end));
            put_all(&mut body, "allowed_origins", allowed_origin);
            change(PATH, &id, without(PATH, body, &ending)?, &shared)
        }
        ApiKeyCommand::Rotate { id, overlap_seconds, expires_at, shared } => {
            let mut body = Map::new();
            put(&mut body, "overlap_seconds", Some(overlap_seconds));
            put(&mut body, "expires_at", expires_at.map(end));
            output::secret_is_seen()?;
            rotate(PATH, &id, body, &shared)
        }
        ApiKeyCommand::List(shared) => list(PATH, &shared),
        ApiKeyCommand::Show(one) => show(PATH, &one),
        // A key that must go is not kept because nobody reads that it went.
        ApiKeyCommand::Revoke(one) => delete(PATH, &one, "the API key is revoked"),
    }
}

/// When a key stops working, as the API has it.
fn end(at: String) -> Value {
    if at == "never" { Value::Null } else { json!(at) }
}

fn named(name: Option<String>) -> Map<String, Value> {
    let mut body = Map::new();
    put(&mut body, "name", name);
    body
}

fn with(mut body: Map<String, Value>, further: &Further) -> anyhow::Result<Map<String, Value>> {
    put_further(&mut body, &further.field)?;
    Ok(body)
}

fn without(path: &str, mut body: Map<String, Value>, ending: &Ending) -> anyhow::Result<Map<String, Value>> {
    put_unset(&mut body, path, &ending.unset)?;
    Ok(body)
}

/// What arguments say of a configuration.
struct Given<'a> {
    configuration: &'a [String],
    routes: &'a [String],
    secrets: &'a [String],
}

fn configured(
    type_name: Option<String>,
    given: &Given<'_>,
    descriptions: Option<&Path>,
) -> anyhow::Result<Value> {
    let Given { configuration, routes, secrets } = *given;
    let mut members = Map::new();
    let is_secret = secrets_of(type_name.as_deref(), descriptions);
    put(&mut members, "_type", type_name);
    for (name, value) in pairs("--configuration", configuration)? {
        ensure!(
            !is_secret(name),
            "{name} is a secret, and others on this machine see arguments, as does the history of the shell: write it into a file that is yours alone, and \
             give --secret {name}=FILE. Think of a new one where this one was real"
        );
        members.insert(name.to_owned(), json!(value));
    }
    if !routes.is_empty() {
        members.insert(
            "routes".to_owned(),
            routes.iter().map(|route| route::read(route)).collect::<Result<_, _>>()?,
        );
    }
    for (name, file) in pairs("--secret", secrets)? {
        let value = secret_read(Path::new(file)).map_err(|what| anyhow!("--secret {name}: {file} {what}"))?;
        members.insert(name.to_owned(), json!(value));
    }
    Ok(Value::Object(members))
}

/// Which settings of a type are secrets. Of a type that no description here has, those that sound like one; whatever is no secret may come from a
/// file as well.
fn secrets_of(type_name: Option<&str>, descriptions: Option<&Path>) -> impl Fn(&str) -> bool + use<> {
    let registry = descriptions.and_then(|directory| Registry::load(directory).ok());
    let registry = registry.unwrap_or_else(Registry::shipped);
    let type_name = type_name.unwrap_or_default();
    let is_known = OWN_TYPES.contains(&type_name);
    let settings = registry.of_type(type_name).map(|description| description.settings().to_vec());
    move |name| match &settings {
        Some(settings) => settings.iter().any(|one| one.name == name && one.kind == SettingKind::Secret),
        None => {
            let sounds = name.contains("secret") || name.contains("password") || name.ends_with("_key");
            sounds && !is_known
        }
    }
}

/// A secret is one line, or several as of a private key; a line's end behind it is none of it.
///
/// A file is its owner's alone, like every other one with a secret; what comes through a pipe is in no file.
fn secret_read(path: &Path) -> Result<String, String> {
    let unread = |error: std::io::Error| format!("cannot be read: {error}");
    let mut text = String::new();
    let limit = u64::try_from(PROCESSOR_SECRET_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(2);
    let file = File::open(path).map_err(unread)?;
    if file.metadata().map_err(unread)?.is_file() {
        secret::judged(&file, path)?;
    }
    file.take(limit).read_to_string(&mut text).map_err(unread)?;
    let end = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(end);
    Ok(text)
}

/// Prints an object, or objects, as JSON or in columns.
pub(crate) fn print(value: &Value, as_json: bool) -> anyhow::Result<()> {
    Ok(output::line(json::text(value, as_json))?)
}

/// Prints the same before it is done: see [`output::first`].
pub(super) fn print_first(value: &Value, as_json: bool) -> anyhow::Result<()> {
    Ok(output::first(json::text(value, as_json))?)
}
