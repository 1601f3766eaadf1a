//! The systemd unit: the package's own, with this vault's places, user and port.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::commands::setup::answers::Place;
use crate::commands::setup::owner::Owner;
use crate::commands::setup::plan::free;
use crate::data::named_beside;

const TEMPLATE: &str = include_str!("../../../../../packaging/panvault.service");
/// Where the package has put it.
const PACKAGED: [&str; 2] =
    ["/usr/lib/systemd/system/panvault.service", "/lib/systemd/system/panvault.service"];
const PACKAGED_PROGRAM: &str = "/usr/bin/panvault";
/// Where systemd looks for what this machine adds.
pub(super) const SYSTEM: &str = "/etc/systemd/system";
/// Ports below it are root's to give.
const UNPRIVILEGED_PORT_MIN: u16 = 1024;

/// What becomes of the unit.
pub(super) enum Unit {
    None {
        /// Where nobody asked for none.
        why: Option<&'static str>,
    },
    /// The package's serves this vault as it is.
    Packaged,
    File {
        path: PathBuf,
        text: String,
    },
}

/// Refuses a server with the rights of root, before anything is asked.
pub(super) fn judge_user(wanted: Option<&Path>, owner: &Owner) -> anyhow::Result<()> {
    let is_wanted = wanted != Some(Path::new("none"));
    ensure!(
        !is_wanted || !owner.is_root(),
        "a server needs no rights of root, and there is no user panvault to run it as: make one with useradd --system \
         --home-dir /var/lib/panvault --shell /usr/sbin/nologin panvault, name another with --user, or give --unit none; \
         nothing was made"
    );
    Ok(())
}

impl Unit {
    /// Judges where it goes (`none` for nowhere) and what is in it.
    pub(super) fn judge(
        wanted: Option<&Path>,
        place: &Place,
        config: &Path,
        listen: SocketAddr,
        owner: &Owner,
    ) -> anyhow::Result<Self> {
        if wanted == Some(Path::new("none")) {
            return Ok(Self::None { why: None });
        }
        let program = std::env::current_exe().context("where this program is cannot be found out")?;
        let path = match wanted {
            Some(path) => std::path::absolute(path).context("--unit must be a file or none")?,
            None => {
                let values = Values { program: &program, place, config, listen, owner };
                if place.is_packaged && values.are_packaged() {
                    return Ok(Self::Packaged);
                }
                match default(place, owner)? {
                    Ok(path) => path,
                    Err(why) => return Ok(Self::None { why: Some(why) }),
                }
            }
        };
        ensure!(
            path.extension().is_some_and(|extension| extension == "service"),
            "--unit must be none or a file whose name ends with .service"
        );
        ensure!(!path.starts_with(&place.data), "--unit must not be in the vault's directory");
        free(&path, "--unit")?;
        let text = Values { program: &program, place, config, listen, owner }.text()?;
        Ok(Self::File { path, text })
    }
}

/// Where it goes when nobody says, or why there is none.
fn default(place: &Place, owner: &Owner) -> anyhow::Result<Result<PathBuf, &'static str>> {
    if owner.name.is_none() {
        return Ok(Err("this machine has no name for the user, as in a container"));
    }
    if !owner.is_other {
        return named_beside(&place.data, ".service").map(Ok);
    }
    let system = Path::new(SYSTEM);
    Ok(if system.is_dir() {
        Ok(system.join("panvault.service"))
    } else {
        Err("there is no /etc/systemd/system")
    })
}

/// What differs from machine to machine.
struct Values<'a> {
    program: &'a Path,
    place: &'a Place,
    config: &'a Path,
    listen: SocketAddr,
    owner: &'a Owner,
}

impl Values<'_> {
    fn are_packaged(&self) -> bool {
        PACKAGED.iter().any(|path| Path::new(path).exists())
            && self.program == Path::new(PACKAGED_PROGRAM)
            && !self.is_port_privileged()
    }

    fn is_port_privileged(&self) -> bool {
        (1..UNPRIVILEGED_PORT_MIN).contains(&self.listen.port())
    }

    fn text(&self) -> anyhow::Result<String> {
        let (program, config, data) = (word(self.program)?, word(self.config)?, word(&self.place.data)?);
        let user = self.owner.name.clone().unwrap_or_else(|| self.owner.uid.to_string());
        let capabilities = if self.is_port_privileged() { "CAP_NET_BIND_SERVICE" } else { "" };
        let paths = [self.program, self.config, &self.place.data, &self.place.slot_key_file];
        let is_below = |tops: &[&str]| tops.iter().any(|top| paths.iter().any(|path| path.starts_with(top)));
        // Another home or temporary directory would hide what it serves.
        let home = if is_below(&["/home", "/root", "/run/user"]) { "read-only" } else { "yes" };
        let temporary = if is_below(&["/tmp", "/var/tmp"]) { "no" } else { "yes" };
        let exec = format!("{program} serve --config {config}");
        let values = [
            // Conditions know no quotes.
            ("ConditionPathExists", self.config.to_string_lossy().replace('%', "%%")),
            ("User", user),
            // A dollar sign begins a variable here, and nowhere else.
            ("ExecStart", exec.replace('$', "$$")),
            ("ReadWritePaths", data),
            ("ProtectHome", home.to_owned()),
            ("PrivateTmp", temporary.to_owned()),
            ("CapabilityBoundingSet", capabilities.to_owned()),
            ("AmbientCapabilities", capabilities.to_owned()),
        ];
        let line = |line: &str| {
            let value =
                line.split_once('=').and_then(|(name, _)| values.iter().find(|(other, _)| *other == name));
            value.map_or_else(|| line.to_owned(), |(name, value)| format!("{name}={value}"))
        };
        Ok(TEMPLATE.lines().map(line).collect::<Vec<_>>().join("\n") + "\n")
    }
}

/// A path as systemd reads it: in quotes where it has spaces, and with signs of percent twice.
fn word(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().filter(|text| !text.contains(|c: char| c.is_control() || "\"'\\".contains(c)));
    let text = text.with_context(|| {
        format!(
            "systemd cannot be told of {}, for the signs in it: name another place, or give --unit none",
            path.display()
        )
    })?;
    let text = text.replace('%', "%%");
    Ok(if text.contains(' ') { format!("\"{text}\"") } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(data: &str, config: &str, listen: &str) -> anyhow::Result<String> {
        let place =
            Place { data: data.into(), slot_key_file: format!("{data}.slot-key").into(), is_packaged: false };
        let owner =
            Owner { name: Some("shop".to_owned()), uid: 1000, gid: 1000, home: None, is_other: false };
        let program = Path::new("/opt/panvault");
        Values {
            program,
            place: &place,
            config: Path::new(config),
            listen: listen.parse().unwrap(),
            owner: &owner,
        }
        .text()
    }

    #[test]
    fn what_differs_is_filled_in_and_nothing_else_changes() {
        let unit = text("/srv/v", "/srv/v/panvault.toml", "127.0.0.1:8420").unwrap();
        for line in [
            "User=shop",
            "ExecStart=/opt/panvault serve --config /srv/v/panvault.toml",
            "ReadWritePaths=/srv/v",
            "ConditionPathExists=/srv/v/panvault.toml",
            "ProtectHome=yes",
            "PrivateTmp=yes",
            "CapabilityBoundingSet=",
        ] {
            assert!(unit.lines().any(|found| found == line), "{line}: {unit}");
        }
        let differs = TEMPLATE.lines().zip(unit.lines()).filter(|(one, other)| one != other).count();
        assert_eq!((differs, unit.lines().count()), (4, TEMPLATE.lines().count()));
    }

    #[test]
    fn a_home_is_seen_a_low_port_is_given_and_paths_are_quoted() {
        let unit = text("/home/shop/a b", "/tmp/100%/$x.toml", "0.0.0.0:443").unwrap();
        for line in [
            "ProtectHome=read-only",
            "PrivateTmp=no",
            "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
            "AmbientCapabilities=CAP_NET_BIND_SERVICE",
            "ReadWritePaths=\"/home/shop/a b\"",
            "ExecStart=/opt/panvault serve --config /tmp/100%%/$$x.toml",
            "ConditionPathExists=/tmp/100%%/$x.toml",
        ] {
            assert!(unit.lines().any(|found| found == line), "{line}: {unit}");
        }
        assert!(text("/srv/a\"b", "/c", "127.0.0.1:8420").is_err());
        assert!(text("/srv/a\nUser=root", "/c", "127.0.0.1:8420").is_err());
    }
}
