//! What is wanted, and who judges it: the same for a flag and for an answer on a terminal.

use std::path::{Path, PathBuf};

use anyhow::bail;
use panvault_model::Timestamp;
use panvault_server::{Tls, Validity};
use panvault_vault::{Clock, Mode, SystemClock, VaultError, name_fits};

use crate::cli::{ModeArg, Setup};
use crate::commands::init::slot_key_place;
use crate::commands::setup::owner::Owner;
use crate::data::{self, PACKAGED_DATA};

/// Where it keeps the key file: not where a backup of the vault takes it along.
pub(super) const PACKAGED_SLOT_KEY: &str = "/etc/panvault/keys/vault.slot-key";
/// What a test vault's organisation is called when nobody says.
pub(super) const NAME: &str = "Example Ltd";

/// What the four questions are about.
pub(super) struct Answers {
    pub(super) place: Place,
    pub(super) mode: Mode,
    pub(super) name: String,
    pub(super) entrance: Entrance,
}

/// Where a vault goes, and its key file.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) data: PathBuf,
    pub(super) slot_key_file: PathBuf,
    /// The package's own.
    pub(super) is_packaged: bool,
}

/// How clients reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entrance {
    /// From this machine only.
    Here,
    /// Through a proxy that ends TLS.
    Proxy,
    /// By TLS.
    Tls {
        certificate: PathBuf,
        key: PathBuf,
        /// Whom the certificate is of.
        name: Option<String>,
        /// What clients will not like of it.
        doubts: Vec<String>,
    },
}

/// All that flags say; defaults for the rest. Every fault is said at once.
pub(super) fn from_flags(args: &Setup, owner: &Owner) -> anyhow::Result<Answers> {
    let mut faults = Vec::new();
    let mode = mode(args.mode.unwrap_or(ModeArg::Test));
    let place = match place(args, args.data.as_deref(), owner) {
        Ok(place) => Some(place),
        Err(fault) => {
            faults.push(fault);
            None
        }
    };
    let name = match &args.name {
        Some(name) => name.clone(),
        None if mode == Mode::Test => NAME.to_owned(),
        None => {
            faults.push(
                "--name is required for a live vault: what the organisation is called that owns the cards"
                    .to_owned(),
            );
            NAME.to_owned()
        }
    };
    faults.extend(judge_name(&name).err().map(|fault| format!("--{fault}")));
    let entrance = match flagged_entrance(args, owner) {
        Ok(entrance) => Some(entrance),
        Err(fault) => {
            faults.push(fault);
            None
        }
    };
    match (place, entrance) {
        (Some(place), Some(entrance)) if faults.is_empty() => Ok(Answers { place, mode, name, entrance }),
        (_, _) => bail!("{}\n  nothing was made", faults.join("\n  ")),
    }
}

pub(super) const fn mode(arg: ModeArg) -> Mode {
    match arg {
        ModeArg::Test => Mode::Test,
        ModeArg::Live => Mode::Live,
    }
}

/// Where a vault goes when nobody says.
pub(super) fn default_data(owner: &Owner) -> Option<PathBuf> {
    if owner.is_packaged() {
        return Some(PathBuf::from(PACKAGED_DATA));
    }
    owner.home.as_ref().map(|home| home.join("panvault"))
}

/// Judges a directory: no vault may be there, nor anything else.
pub(super) fn place(args: &Setup, wanted: Option<&Path>, owner: &Owner) -> Result<Place, String> {
    let data = match wanted.map(Path::to_owned).or_else(|| default_data(owner)) {
        Some(data) => {
            std::path::absolute(&data).map_err(|_| "--data must be a directory's path".to_owned())?
        }
        None => return Err("--data DIR is required, for there is no home directory".to_owned()),
    };
    if data.to_str().is_none() {
        return Err("--data must be UTF-8".to_owned());
    }
    data::is_free_for_a_vault(&data).map_err(|fault| format!("{fault:#}"))?;
    let is_packaged = owner.is_packaged() && data == Path::new(PACKAGED_DATA);
    let packaged = is_packaged.then(|| Path::new(PACKAGED_SLOT_KEY));
    let slot_key_file = slot_key_place(&data, args.slot_key_file.as_deref().or(packaged))
        .map_err(|fault| fault.to_string())?;
    if slot_key_file.symlink_metadata().is_ok() {
        return Err(format!(
            "{} is there already, and may be the key of another vault: move it away, or name another place with \
             --slot-key-file",
            slot_key_file.display()
        ));
    }
    Ok(Place { data, slot_key_file, is_packaged })
}

/// Judges a name as the vault does.
pub(super) fn judge_name(name: &str) -> Result<(), String> {
    match name_fits(name) {
        Ok(()) => Ok(()),
        Err(VaultError::Faults(faults)) => {
            let faults = faults.iter().map(|fault| format!("{} {}", fault.field, fault.reason));
            Err(faults.collect::<Vec<_>>().join("; "))
        }
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn flagged_entrance(args: &Setup, owner: &Owner) -> Result<Entrance, String> {
    match (&args.tls_certificate, &args.tls_key) {
        (Some(certificate), Some(key)) => tls(certificate, key, owner),
        (Some(_), None) => Err("--tls-key FILE is required beside --tls-certificate".to_owned()),
        (None, Some(_)) => Err("--tls-certificate FILE is required beside --tls-key".to_owned()),
        (None, None) if args.behind_proxy => Ok(Entrance::Proxy),
        (None, None) => Ok(Entrance::Here),
    }
}

/// Judges certificate files as the server does, as the user that it runs as.
pub(super) fn tls(certificate: &Path, key: &Path, owner: &Owner) -> Result<Entrance, String> {
    let absolute = |path: &Path| {
        let path = std::path::absolute(path).ok().filter(|path| path.to_str().is_some());
        path.ok_or_else(|| "certificate and key must be paths in UTF-8".to_owned())
    };
    let (certificate, key) = (absolute(certificate)?, absolute(key)?);
    let read = owner.act(|| Ok(Tls::read(certificate.clone(), key.clone())?));
    let tls = read.map_err(|fault| format!("{fault:#}"))?;
    Ok(Entrance::Tls {
        doubts: doubts(&tls, SystemClock::start().now().wall),
        name: tls.name(),
        certificate,
        key,
    })
}

/// What a server would log of a certificate, and what its names are not good for.
fn doubts(tls: &Tls, now: Timestamp) -> Vec<String> {
    let (file, validity) = (tls.certificate().display(), tls.validity(now));
    let mut doubts = Vec::new();
    if validity != Validity::Valid {
        doubts.push(format!("{file} {validity}; {}", validity.advice()));
    }
    if tls.name().is_none() {
        doubts.push(format!(
            "{file} names no host that clients could reach the vault by; have one made that does"
        ));
    } else if tls.is_common_name_only() {
        doubts.push(format!(
            "{file} has a common name only, and most clients refuse it; have one made with a subject alternative name"
        ));
    }
    doubts
}
