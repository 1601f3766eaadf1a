use core::time::Duration;
use std::sync::Arc;

use anyhow::ensure;
use panvault_store_embedded::Settings;
use panvault_vault::Mode;

use crate::cli::Serve;
use crate::commands::{runtime, to_the_end};
use crate::config::{self, Config};
use crate::data::{OpenSettings, Place};
use crate::harden::Hardened;
use crate::posture::Posture;
use crate::run::Serving;
use crate::{descriptors, harden, sealed, telemetry};

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

fn harden(mode: Mode, config: &Config) -> anyhow::Result<Hardened> {
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
    Ok(hardened)
}

async fn serve(place: Place, config: Config) -> anyhow::Result<()> {
    let mode = place.mode().await?;
    let posture = Posture::of(&config, mode, harden(mode, &config)?);
    let server = descriptors::fit(config.server)?;
    let settings = OpenSettings {
        slot_key_file: Some(place.slot_key_outside(config.slot_key_file)?),
        slot_peers: config.slot_peers,
        cvv_ttl_seconds: config.cvv_ttl_seconds,
        cvvs_held_max: config.cvvs_held_max,
        guards: config.guards,
        rotation: config.rotation,
        settle_seconds: config.settle_seconds,
        webhooks: Some(config.webhooks),
        trail: config.trail,
        processors: config.processors.clone(),
        store: Settings {
            list_time: config.list_time,
            archive_bytes_max: config.backup_archive_bytes,
            ..Settings::default()
        },
        unsealing: None,
    };
    let drain = config.shared.as_ref().map_or(Duration::ZERO, |shared| shared.drain);
    let serving = Serving {
        listen: config.listen,
        metrics_listen: config.metrics_listen,
        console: config.console,
        tls: config.tls,
        directory: place.path().to_owned(),
        descriptions: config.processors,
        server,
        posture: Arc::new(posture),
        drain,
    };
    sealed::serve(place, settings, serving, mode).await
}
