//! Everything that will be made, judged before any of it is.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use panvault_vault::Mode;

use crate::cli::{self, Setup};
use crate::commands::init::configuration;
use crate::commands::setup::answers::{Answers, Entrance, Place};
use crate::commands::setup::owner::Owner;
use crate::commands::setup::unit::Unit;
use crate::config;

/// Where the package looks for its settings.
const PACKAGED_CONFIG: &str = "/etc/panvault/panvault.toml";
/// What the settings of a vault are called in its directory.
pub(super) const CONFIG: &str = "panvault.toml";
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
            Entrance::Tls { certificate, key, name: _ } => {
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
        let is_inside = config.parent() == Some(&place.data);
        set.push(("data_directory", if is_inside { ".".to_owned() } else { data }));
        let unit = Unit::judge(args.unit.as_deref(), &place, &config, listen, &owner)?;
        let config_text = configuration(&set);
        Ok(Self { place, mode, name, entrance, listen, config, config_text, unit, owner })
    }

    /// Whether the settings are in the vault's directory, and so made with it.
    pub(super) fn is_config_inside(&self) -> bool {
        self.config.parent() == Some(&self.place.data)
    }
}

fn config_place(args: &Setup, place: &Place) -> anyhow::Result<PathBuf> {
    let config = match &args.config {
        Some(config) => std::path::absolute(config).context("--config must be a path")?,
        None if place.is_packaged => PathBuf::from(PACKAGED_CONFIG),
        None => place.data.join(CONFIG),
    };
    if config.starts_with(&place.data) {
        ensure!(
            config == place.data.join(CONFIG),
            "--config must be {CONFIG} where it is in the vault's directory, which holds what Panvault puts there"
        );
    }
    ensure!(config != place.root_key_file, "--config and --root-key-file must be two files");
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
