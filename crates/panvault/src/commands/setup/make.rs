//! Making it: the vault last, since it appears whole, so that whatever fails before can be taken away.

use std::path::Path;

use anyhow::Context;
use panvault_model::{Currency, OrganisationId, Role};
use panvault_store_embedded::Settings;
use panvault_vault::{Given, Mode, NewAccount, NewApiKey, NewOrganisation, NewProcessor};

use crate::commands::setup::made::Made;
use crate::commands::setup::plan::Plan;
use crate::commands::setup::said;
use crate::commands::setup::unit::Unit;
use crate::data::{self, DataDirectory, OpenSettings, OpenVault};
use crate::output;
use crate::signals::Signals;

/// What a first token is made with.
pub(super) struct Filled {
    pub(super) organisation: String,
    /// Of a test vault: what a payment needs.
    pub(super) account: Option<String>,
    pub(super) api_key: String,
    /// In which a card of this moment expires.
    pub(super) expiry_year: u32,
}

/// Makes all of it, or nothing.
pub(super) fn make(plan: &Plan, as_json: bool) -> anyhow::Result<()> {
    output::secret_is_seen()?;
    // What a signal would leave half made is made or taken away first, which takes a second.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    let signals = Signals::handle()?;
    let mut made = Made::default();
    let result = make_all(plan, as_json, &mut made);
    drop((signals, entered));
    let Err(error) = result else { return Ok(()) };
    Err(match made.unmake() {
        None if error.to_string().contains("nothing was made") => error,
        None => error.context("nothing was made"),
        Some(left) => error.context(left),
    })
}

fn make_all(plan: &Plan, as_json: bool, made: &mut Made) -> anyhow::Result<()> {
    let Plan { place, owner, .. } = plan;
    for path in [&place.data, &place.slot_key_file] {
        made.directory(path.parent().unwrap_or(Path::new("/")), owner)?;
    }
    made.settings(&plan.config, &plan.config_text, owner)?;
    match &plan.unit {
        Unit::File { path, text } => made.unit(path, text)?,
        Unit::None { .. } | Unit::Packaged => {}
    }
    owner.act(|| {
        data::create(&place.data, plan.mode, &place.slot_key_file, &Settings::default(), |directory| {
            let filled = fill(directory, plan)?;
            // All is there but for the vault's name: a key that nobody could see is none.
            output::show(if as_json { said::json(plan, &filled) } else { said::text(plan, &filled) })
        })
    })
}

fn fill(directory: &DataDirectory, plan: &Plan) -> anyhow::Result<Filled> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let slot_key_file = Some(plan.place.slot_key_file.clone());
        let open = directory.open(&OpenSettings { slot_key_file, ..OpenSettings::default() }).await?;
        let filled = fill_vault(&open, plan).await;
        open.vault.close().await?;
        drop(open);
        filled
    })
}

async fn fill_vault(open: &OpenVault, plan: &Plan) -> anyhow::Result<Filled> {
    let vault = &open.vault;
    // Each step is asked for anew: a caller sees the documents of the moment it was made.
    let new = NewOrganisation { name: plan.name.clone(), ..NewOrganisation::default() };
    let organisation = vault.organisation_create(&open.operator()?.permit()?, new).await?.id;
    let account = match plan.mode {
        Mode::Test => Some(fill_test(open, organisation).await?),
        Mode::Live => None,
    };
    let new = NewApiKey {
        organisation,
        name: "setup".to_owned(),
        roles: vec![Role::ProviderAdmin],
        expires_at: None,
        allowed_origins: Vec::new(),
    };
    let (_, key) = vault.apikey_create(&open.operator()?.permit()?, new).await?;
    let (year, _) = vault.now().wall.year_month();
    Ok(Filled {
        organisation: organisation.to_string(),
        account,
        api_key: key.expose_text().to_owned(),
        expiry_year: (u32::from(year) + 3) % 100,
    })
}

/// A processor and an account, so that a payment works at once.
async fn fill_test(open: &OpenVault, organisation: OrganisationId) -> anyhow::Result<String> {
    let vault = &open.vault;
    let new = NewProcessor {
        organisation,
        name: "Dummy".to_owned(),
        type_name: "card_dummy".to_owned(),
        given: Given::default(),
    };
    let processor = vault.processor_create(&open.operator()?.permit()?, new).await?.id;
    let new = NewAccount {
        organisation,
        name: "Main".to_owned(),
        description: None,
        currency: Currency::parse("EUR").context("EUR is a currency")?,
        processors: vec![processor],
        disabled: false,
        webhooks: panvault_vault::Webhooks::default(),
        checkout_theme: Vec::new(),
    };
    Ok(vault.account_create(&open.operator()?.permit()?, new).await?.id.to_string())
}
