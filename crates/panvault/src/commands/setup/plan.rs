//! Everything that will be made, judged before any of it is.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use panvault_vault::Mode;

use crate::cli::{self, Setup};
use crate::commands::init::{config_place as config_beside, configuration};
use crate::commands::setup::answers::{Answers, Entrance, Place};
use crate::commands::setup::owner::Owner;
use crate::commands::setup::unit::Unit;
use crate::config;
use crate::data::PACKAGED_CONFIG;

/// Where TLS is served when nobody says.
const LISTEN_TLS: &str = "0.0.0.0:8420";

/// What will be made, and for whom.
pub(super) struct Plan {
    pub(super) place: Place,
    pub(super) mode: Mode,
    /// The organisation's.
    pub(super) name: String,
    pub(super) entrance: Entrance,
    pub(super) listen: SocketAddr,
    pub(super) config: PathBuf,
    pub(super) config_text: String,
    pub(super) unit: Unit,
    pub(super) owner: Owner,
}

impl Plan {
    /// Judges what was answered together with what only flags say.
    pub(super) fn judge(args: &Setup, answers: Answers, owner: Owner) -> anyhow::Result<Self> {
        let Answers { place, mode, name, entrance } = answers;
        let data = text(&place.data)?;
        let config = config_place(args, &place)?;
        let mut set = vec![];
        match (&args.listen, &entrance) {
            (Some(listen), _) => set.push(("listen", listen.clone())),
            (None, Entrance::Tls { .. }) => set.push(("listen", LISTEN_TLS.to_owned())),
            (None, Entrance::Here | Entrance::Proxy) => {}
        }
        match &entrance {
            Entrance::Here => {}
            Entrance::Proxy => set.push(("behind_proxy", "true".to_owned())),
            Entrance::Tls { certificate, key, name: _, doubts: _ } => {
                set.push(("tls_certificate_file", text(certificate)?));
                set.push(("tls_key_file", text(key)?));
            }
        }
        // Who judges the settings of a server judges these.
        let settings = cli::Settings {
            config: None,
            data: Some(place.data.clone()),
            set: set.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        };
        let listen = config::read(&settings, &[]).context("nothing was made")?.listen;
        ensure!(
            listen.port() != 0,
            "--listen must name a port, for what calls the vault must know it; nothing was made"
        );
        set.push(("data_directory", data));
        set.push(("slot_key_file", text(&place.slot_key_file)?));
        let unit = Unit::judge(args.unit.as_deref(), &place, &config, listen, &owner)?;
        let config_text = configuration(&set);
        Ok(Self { place, mode, name, entrance, listen, config, config_text, unit, owner })
    }
}

fn config_place(args: &Setup, place: &Place) -> anyhow::Result<PathBuf> {
    let config = match &args.config {
        Some(config) => std::path::absolute(config).context("--config must be a path")?,
        None if place.is_packaged => PathBuf::from(PACKAGED_CONFIG),
        None => config_beside(&place.data)?,
    };
    ensure!(
        !config.starts_with(&place.data),
        "--config must not be in the vault's directory: who can write there is not to say what is served, and with which key"
    );
    ensure!(config != place.slot_key_file, "--config and --slot-key-file must be two files");
    free(&config, "--config")?;
    text(&config)?;
    Ok(config)
}

/// Nothing is overwritten.
pub(super) fn free(path: &Path, flag: &str) -> anyhow::Result<()> {
    ensure!(
        path.symlink_metadata().is_err(),
        "{} is there already and is not overwritten: move it away, or name another file with {flag}",
        path.display()
    );
    Ok(())
}

fn text(path: &Path) -> anyhow::Result<String> {
    match path.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => bail!("{} must be UTF-8", path.display()),
    }
}
