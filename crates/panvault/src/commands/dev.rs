mod greeting;
mod origins;

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use panvault_model::{AccountId, Currency, OrganisationId, ProcessorId, Role};
use panvault_server::{ServerSettings, TryShop};
use panvault_vault::limits::CVV_TTL_SECONDS_MAX;
use panvault_vault::{
    ApiKeyChange, Given, Mode, NewAccount, NewApiKey, NewOrganisation, NewProcessor, Origin, Webhooks,
};
use panvault_webhook::AddressPolicy;
use serde::{Deserialize, Serialize};

use crate::cli::Dev;
use crate::commands::dev::greeting::{greeting, json};
use crate::commands::dev::origins::{origins, with_own};
use crate::commands::{runtime, to_the_end};
use crate::config::ConsoleConfig;
use crate::data::{
    self, DataDirectory, OpenSettings, OpenVault, SLOT_KEY_INSIDE, small_store, write_private,
};
use crate::harden::{self, Hardened};
use crate::posture::Posture;
use crate::run::{Bound, Ended, Listeners, Serving, bind};
use crate::signals::Signals;
use crate::telemetry::{self, LogFormat};
use crate::temporary::Temporary;
use crate::{descriptors, output};

/// The ids and keys of a development vault. The keys are in clear: it is a test vault, and holds no real card.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DevVault {
    pub(crate) organisation: String,
    pub(crate) account: String,
    pub(crate) processor: String,
    pub(crate) api_key: String,
    pub(crate) publishable_key: String,
}

const FILE: &str = "dev.json";
/// Enough for trying, and what most machines allow without a word about limits.
const CONNECTIONS_MAX: usize = 2000;

/// Serves a development vault until it is told to stop.
pub(crate) fn run(args: &Dev) -> anyhow::Result<()> {
    let metrics_listen = args.metrics_listen.and_then(|listen| listen.0);
    for address in [Some(args.listen), metrics_listen, args.console_listen].into_iter().flatten() {
        ensure!(
            address.ip().is_loopback(),
            "{address} is not a loopback address: a development vault serves this machine only; use panvault serve"
        );
    }
    ensure!(
        args.cvv_ttl_seconds <= CVV_TTL_SECONDS_MAX,
        "--cvv-ttl-seconds must be 0 to {CVV_TTL_SECONDS_MAX}"
    );
    if let Err(fault) = telemetry::filter(&args.log_level) {
        bail!("--log-level {fault}");
    }
    telemetry::start(&args.log_level, LogFormat::Text)?;
    let temporary;
    let path = match &args.data {
        Some(path) => std::path::absolute(path)?,
        None => {
            temporary = Temporary::make("panvault-dev-")?;
            temporary.path().join("vault")
        }
    };
    to_the_end(runtime()?, async {
        let existed = path.exists();
        let open = OpenSettings {
            cvv_ttl_seconds: args.cvv_ttl_seconds,
            settle_seconds: args.settle_seconds,
            ..settings(&path)
        };
        let console = args.console_listen.unwrap_or_else(|| console_listen(args.listen));
        let mut stop = Signals::handle()?.stop;
        let (bound, dev) = start(&path, args.listen, metrics_listen, Some(console), open).await?;
        let text = if args.json {
            json(&bound, &dev.vault, &path)
        } else {
            greeting(&bound, &dev.vault, &path, args.data.is_none())
        };
        if let Err(error) = output::show(text) {
            bound.close().await?;
            if dev.is_new {
                unmake(&path, existed)?;
            }
            return Err(error);
        }
        match bound.run(&mut stop, core::future::pending()).await? {
            Ended::Stopped => Ok(()),
            Ended::Sealed(closed) => {
                closed.await??;
                bail!(
                    "the vault was sealed: panvault unseal --data {} opens it, and panvault dev serves it again",
                    path.display()
                )
            }
        }
    })
}

/// Where the console is if nobody says it: beside the API, where that port is free.
fn console_listen(api: SocketAddr) -> SocketAddr {
    let port = if api.port() == 0 { 0 } else { api.port().checked_add(2).unwrap_or(0) };
    let beside = SocketAddr::new(api.ip(), port);
    if TcpListener::bind(beside).is_ok() { beside } else { SocketAddr::new(api.ip(), 0) }
}

/// Removes a vault that nobody was told of. What was there before was at most an empty directory.
fn unmake(path: &Path, existed: bool) -> anyhow::Result<()> {
    let removed = fs::remove_dir_all(path).and_then(|()| if existed { fs::create_dir(path) } else { Ok(()) });
    removed.with_context(|| format!("{} cannot be removed", path.display()))
}

/// A development vault, and whether this process made it.
pub(crate) struct Started {
    pub(crate) vault: DevVault,
    pub(crate) is_new: bool,
}

/// Makes the vault if there is none, and binds its listeners.
pub(crate) async fn start(
    path: &Path,
    listen: SocketAddr,
    metrics_listen: Option<SocketAddr>,
    console: Option<SocketAddr>,
    open: OpenSettings,
) -> anyhow::Result<(Bound, Started)> {
    let server = ServerSettings { connections_max: CONNECTIONS_MAX, ..ServerSettings::default() };
    let server = descriptors::fit(server)?;
    let made = tokio::task::block_in_place(|| read_or_make(path, listen))?;
    // Whoever tries it has the receiver beside it.
    let webhooks = Some(AddressPolicy::allowing(["127.0.0.0/8", "::1"])?);
    // It holds no real card, and its memory is not looked after.
    let hardened = Hardened { no_dumps: false, locked: false, swap: harden::has_swap() };
    let OpenSettings { cvv_ttl_seconds, cvvs_held_max, guards, .. } = open;
    let key_days_max = open.rotation.key_days_max;
    let open = DataDirectory::find(path)?.open(&OpenSettings { webhooks, ..open }).await?;
    let DevVault { organisation, account, api_key, publishable_key, .. } = made.vault.clone();
    let try_shop = Some(TryShop { publishable_key, api_key, organisation, account });
    let console = console.map(|listen| ConsoleConfig { listen, clients: None, proxy: None });
    let posture = Posture {
        mode: Mode::Test,
        hardened,
        listen,
        metrics_listen,
        console: console.clone(),
        tls: None,
        shared: None,
        allow_swap: true,
        cvv_ttl_seconds,
        cvvs_held_max,
        key_days_max,
        audit_retention_days: 0,
        requests: server.requests,
        guards,
        webhooks_widened: true,
    };
    let serving = Serving {
        listen,
        metrics_listen,
        console,
        posture: Arc::new(posture),
        tls: None,
        directory: path.to_owned(),
        descriptions: None,
        server,
        drain: core::time::Duration::ZERO,
    };
    let listeners = Listeners::bind(&serving)?;
    let bound = bind(open, &serving, &listeners, try_shop).await?;
    let allowed = allow_own(bound.open(), &made.vault.publishable_key, bound.listen.port()).await;
    if let Err(error) = allowed {
        bound.close().await?;
        return Err(error);
    }
    Ok((bound, made))
}

/// Lets pages of this server use the browser's key: at which port it listens is known only now, and may have been another one before. A key that somebody
/// has revoked stays so.
async fn allow_own(open: &OpenVault, publishable_key: &str, port: u16) -> anyhow::Result<()> {
    let Ok(caller) = open.vault.caller(publishable_key, Origin::LOCAL) else { return Ok(()) };
    let (Some(id), Some(allowed)) = (caller.api_key(), caller.allowed_origins()) else { return Ok(()) };
    let Some(kept) = with_own(allowed, port) else { return Ok(()) };
    let change = ApiKeyChange { allowed_origins: Some(kept), ..ApiKeyChange::default() };
    open.vault.apikey_update(&open.operator()?.permit()?, id, change, None).await?;
    Ok(())
}

/// A vault of this command has its key file inside: it is for trying, and holds no real card.
pub(super) fn settings(path: &Path) -> OpenSettings {
    OpenSettings {
        slot_key_file: Some(path.join(SLOT_KEY_INSIDE)),
        store: small_store(),
        ..OpenSettings::default()
    }
}

fn read_or_make(path: &Path, listen: SocketAddr) -> anyhow::Result<Started> {
    let file = path.join(FILE);
    match data::text::read(&file) {
        Ok(text) => {
            let vault = text.and_then(|text| serde_json::from_str(&text).ok()).with_context(|| {
                format!("{} is not what panvault dev wrote; name another directory", file.display())
            })?;
            Ok(Started { vault, is_new: false })
        }
        Err(error) if error.kind() == ErrorKind::NotFound && path.join("vault.toml").exists() => bail!(
            "the vault in {} was not made by panvault dev; serve it with {}",
            path.display(),
            data::served_by(path)
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut made = None;
            data::create(path, Mode::Test, Path::new(SLOT_KEY_INSIDE), &small_store(), |directory| {
                made = Some(fill(directory, listen)?);
                Ok(())
            })?;
            let vault = made.context("the development vault was not made")?;
            Ok(Started { vault, is_new: true })
        }
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", file.display())),
    }
}

/// Fills a new vault. It has a runtime of its own, so that the store is closed before the directory is moved.
fn fill(directory: &DataDirectory, listen: SocketAddr) -> anyhow::Result<DevVault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let settings = settings(&directory.path);
    let filled = std::thread::scope(|scope| {
        let filling = scope.spawn(|| {
            runtime.block_on(async {
                let open = directory.open(&settings).await?;
                let filled = fill_vault(&open, listen).await;
                open.vault.close().await?;
                drop(open);
                filled
            })
        });
        filling.join().unwrap_or_else(|_| bail!("making the development vault failed"))
    })?;
    write_private(&directory.path.join(FILE), serde_json::to_string_pretty(&filled)?.as_bytes())?;
    Ok(filled)
}

async fn fill_vault(open: &OpenVault, listen: SocketAddr) -> anyhow::Result<DevVault> {
    let vault = &open.vault;
    // Each step is asked for anew: a caller sees the documents of the moment it was made.
    let name = "Example organisation".to_owned();
    let new = NewOrganisation { name, ..NewOrganisation::default() };
    let organisation = vault.organisation_create(&open.operator()?.permit()?, new).await?.id;
    let processor = make_processor(open, organisation).await?;
    let account = make_account(open, organisation, processor).await?;
    let key = async |name: &str, roles: Vec<Role>| -> anyhow::Result<String> {
        let new = NewApiKey {
            organisation,
            name: name.to_owned(),
            allowed_origins: if roles.contains(&Role::Publishable) {
                origins(listen.port())
            } else {
                Vec::new()
            },
            roles,
            expires_at: None,
        };
        let (_, key) = vault.apikey_create(&open.operator()?.permit()?, new).await?;
        Ok(key.expose_text().to_owned())
    };
    Ok(DevVault {
        organisation: organisation.to_string(),
        account: account.to_string(),
        processor: processor.to_string(),
        api_key: key("server", vec![Role::ProviderAdmin, Role::MerchantAdmin]).await?,
        publishable_key: key("browser", vec![Role::Publishable]).await?,
    })
}

async fn make_processor(open: &OpenVault, organisation: OrganisationId) -> anyhow::Result<ProcessorId> {
    let new = NewProcessor {
        organisation,
        name: "Dummy".to_owned(),
        type_name: "card_dummy".to_owned(),
        given: Given::default(),
    };
    Ok(open.vault.processor_create(&open.operator()?.permit()?, new).await?.id)
}

async fn make_account(
    open: &OpenVault,
    organisation: OrganisationId,
    processor: ProcessorId,
) -> anyhow::Result<AccountId> {
    let new = NewAccount {
        organisation,
        name: "Example account".to_owned(),
        description: None,
        currency: Currency::parse("EUR").context("EUR is a currency")?,
        processors: vec![processor],
        disabled: false,
        webhooks: Webhooks::default(),
        checkout_theme: Vec::new(),
    };
    Ok(open.vault.account_create(&open.operator()?.permit()?, new).await?.id)
}
