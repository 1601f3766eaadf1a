use core::time::Duration;

use anyhow::ensure;
use panvault_store_embedded::Settings;
use panvault_vault::Mode;
use tokio::time::{Instant, sleep};

use crate::cli::Serve;
use crate::client::is_in_use;
use crate::commands::{runtime, to_the_end};
use crate::config::{self, Config};
use crate::data::{OpenSettings, OpenVault, Place, mode_name};
use crate::run::{Serving, bind};
use crate::{descriptors, harden, telemetry};

/// Time for which a vault that another process has is asked for again.
const COMMAND_TIME: Duration = Duration::from_secs(2);
const TRY_EVERY: Duration = Duration::from_millis(50);

/// Serves a vault until it is told to stop.
pub(crate) fn run(args: &Serve) -> anyhow::Result<()> {
    let flags = [
        ("listen", &args.listen),
        ("metrics_listen", &args.metrics_listen),
        ("console_listen", &args.console_listen),
    ];
    let flags: Vec<_> = flags.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
    let config = config::read(&args.settings, &flags)?;
    telemetry::start(&config.log_level, config.log_format)?;
    let place = Place::of(&config)?;
    to_the_end(runtime()?, serve(place, config))
}

fn harden(mode: Mode, config: &Config) -> anyhow::Result<()> {
    let hardened = harden::memory();
    tracing::info!(
        core_dumps_off = hardened.no_dumps,
        memory_locked = hardened.locked,
        swap = hardened.swap,
        "memory.hardened"
    );
    let exposed = hardened.swap && !hardened.locked;
    ensure!(
        !exposed || mode == Mode::Test || config.allow_swap,
        "this machine has swap and the vault's memory cannot be locked, so that a card number could reach the disk: \
         raise the limit of locked memory (systemd: LimitMEMLOCK=infinity), turn swap off, or set allow_swap = true"
    );
    if exposed {
        let advice = "raise the limit of locked memory (systemd: LimitMEMLOCK=infinity), or turn swap off";
        tracing::warn!(advice, "memory.may_be_swapped");
    }
    Ok(())
}

async fn serve(place: Place, config: Config) -> anyhow::Result<()> {
    let mode = place.mode().await?;
    harden(mode, &config)?;
    let server = descriptors::fit(config.server)?;
    let connections_max = server.connections_max;
    let settings = OpenSettings {
        slot_key_file: Some(place.slot_key_outside(config.slot_key_file)?),
        cvv_ttl_seconds: config.cvv_ttl_seconds,
        cvvs_held_max: config.cvvs_held_max,
        guards: config.guards,
        settle_seconds: config.settle_seconds,
        webhooks: Some(config.webhooks),
        processors: config.processors.clone(),
        store: Settings { list_time: config.list_time, ..Settings::default() },
    };
    let open = open(&place, &settings).await?;
    let drain = config.shared.as_ref().map_or(Duration::ZERO, |shared| shared.drain);
    let serving = Serving {
        listen: config.listen,
        metrics_listen: config.metrics_listen,
        console: config.console,
        tls: config.tls,
        directory: place.path().to_owned(),
        descriptions: config.processors,
        server,
        try_shop: None,
        drain,
    };
    let bound = bind(open, serving).await?;
    tracing::info!(
        url = bound.url,
        listen = %bound.listen,
        metrics_url = bound.metrics_url,
        console_url = bound.console_url,
        mode = mode_name(mode),
        connections_max,
        version = env!("CARGO_PKG_VERSION"),
        "server.ready"
    );
    bound.run(core::future::pending()).await
}

/// Opens the vault. A command that has it is done in a moment.
async fn open(place: &Place, settings: &OpenSettings) -> anyhow::Result<OpenVault> {
    let begun = Instant::now();
    loop {
        match place.open(settings).await {
            Err(error) if is_in_use(&error) && begun.elapsed() < COMMAND_TIME => sleep(TRY_EVERY).await,
            opened => return opened,
        }
    }
}
