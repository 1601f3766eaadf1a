//! Whom a vault belongs to, for those who are told that it is not them.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User};

/// A user of this machine, as the machine names it.
pub(crate) fn name(uid: u32) -> String {
    known(uid).unwrap_or_else(|| format!("the user with the number {uid}"))
}

fn known(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}

/// How a command is run as a user.
pub(crate) fn run_as(uid: u32) -> String {
    match known(uid) {
        Some(name) if name == "root" => "run it as root: sudo panvault …".to_owned(),
        Some(name) => format!("run it as that user: sudo -u {name} panvault …"),
        None => format!("run it as that user: sudo -u '#{uid}' panvault …"),
    }
}

/// Why this process may not read a file of a vault, and who may; `None` where that is not what is wrong, or it cannot be told.
pub(crate) fn advice(path: &Path, error: &io::Error) -> Option<String> {
    if error.kind() != ErrorKind::PermissionDenied {
        return None;
    }
    let own = rustix::process::geteuid().as_raw();
    // Of what cannot be looked at, the nearest directory around it that can says whose it is.
    let path = std::path::absolute(path).ok()?;
    let (seen, found) = path.ancestors().find_map(|seen| Some((seen, fs::metadata(seen).ok()?)))?;
    if found.uid() == own {
        return None;
    }
    let shown = seen.display();
    // What root keeps and a group may read is the settings of a vault of root's making: the group is that of its user.
    let group = (found.uid() == 0 && !found.is_dir() && found.mode() & 0o040 != 0)
        .then(|| Group::from_gid(Gid::from_raw(found.gid())).ok().flatten())
        .flatten();
    let Some(group) = group else {
        return Some(format!("{shown} belongs to {}: {}", name(found.uid()), run_as(found.uid())));
    };
    Some(match User::from_name(&group.name).ok().flatten() {
        Some(user) => format!("{shown} is for {} only: {}", user.name, run_as(user.uid.as_raw())),
        None => {
            format!("{shown} is for the group {}: run it as the user that the vault belongs to", group.name)
        }
    })
}
