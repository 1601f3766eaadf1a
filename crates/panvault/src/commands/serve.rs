use anyhow::ensure;
use panvault_vault::Mode;

use crate::cli::Serve;
use crate::commands::runtime;
use crate::config::{self, Config};
use crate::data::{DataDirectory, OpenSettings, mode_name};
use crate::run::{Serving, bind};
use crate::{descriptors, harden, telemetry};

/// Serves a vault until it is told to stop.
pub(crate) fn run(args: &Serve) -> anyhow::Result<()> {
    let flags = [("listen", &args.listen), ("metrics_listen", &args.metrics_listen)];
    let flags: Vec<_> = flags.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
    let config = config::read(&args.settings, &flags)?;
    telemetry::start(&config.log_level, config.log_format)?;
    let directory = DataDirectory::find(&config.data_directory)?;
    harden(directory.mode, &config)?;
    runtime()?.block_on(serve(directory, config))
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

async fn serve(directory: DataDirectory, config: Config) -> anyhow::Result<()> {
    let server = descriptors::fit(config.server)?;
    let connections_max = server.connections_max;
    let settings = OpenSettings {
        root_key_file: config.root_key_file,
        cvv_ttl_seconds: config.cvv_ttl_seconds,
        cvvs_held_max: config.cvvs_held_max,
        ..OpenSettings::default()
    };
    let open = directory.open(&settings).await?;
    let serving =
        Serving { listen: config.listen, metrics_listen: config.metrics_listen, tls: config.tls, server };
    let bound = bind(open, serving).await?;
    tracing::info!(
        url = bound.url,
        metrics_url = bound.metrics_url,
        mode = mode_name(directory.mode),
        connections_max,
        version = env!("CARGO_PKG_VERSION"),
        "server.ready"
    );
    bound.run(core::future::pending()).await
}
