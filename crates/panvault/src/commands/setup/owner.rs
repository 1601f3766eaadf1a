//! Whom a vault belongs to. Root makes it for the user that the server runs as.

use std::ffi::CString;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use nix::unistd::{User, getgrouplist};
use rustix::fs::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// The user that the package makes.
const PACKAGED: &str = "panvault";

/// A user of this machine.
pub(super) struct Owner {
    /// None where the machine has no name for the user, as in a container.
    pub(super) name: Option<String>,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) home: Option<PathBuf>,
    /// This process is root's, and the vault is not.
    pub(super) is_other: bool,
}

impl Owner {
    /// Who was named; else root takes `panvault` where there is one, and anybody themselves.
    pub(super) fn find(wanted: Option<&str>) -> anyhow::Result<Self> {
        let own = rustix::process::geteuid();
        let found = match wanted {
            Some(name) => {
                let found = User::from_name(name).context("users cannot be looked up")?;
                Some(found.context("--user names no user of this machine")?)
            }
            None if own.is_root() => User::from_name(PACKAGED).context("users cannot be looked up")?,
            None => None,
        };
        let Some(user) = found else { return Ok(Self::own(own)) };
        let is_other = user.uid.as_raw() != own.as_raw();
        ensure!(
            own.is_root() || !is_other,
            "only root makes a vault for another user: leave --user out, or run this with sudo"
        );
        Ok(Self {
            name: Some(user.name),
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            home: Some(user.dir),
            is_other,
        })
    }

    fn own(uid: Uid) -> Self {
        let user = User::from_uid(nix::unistd::Uid::from_raw(uid.as_raw())).ok().flatten();
        Self {
            name: user.map(|user| user.name),
            uid: uid.as_raw(),
            gid: rustix::process::getegid().as_raw(),
            home: std::env::home_dir(),
            is_other: false,
        }
    }

    pub(super) const fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Whether it is the user that the package made, and root makes the vault for it.
    pub(super) fn is_packaged(&self) -> bool {
        self.is_other && self.name.as_deref() == Some(PACKAGED)
    }

    /// Does something as the owner: on a thread that has no other rights, nor have those that it starts. What root did in a
    /// directory of the owner's could be led elsewhere by a link that appears in time.
    pub(super) fn act<T: Send>(&self, work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        std::thread::scope(|scope| {
            let acting = scope.spawn(|| {
                self.become_it()?;
                work()
            });
            acting.join().unwrap_or_else(|_| bail!("this failed; it is a bug, please report it"))
        })
    }

    fn become_it(&self) -> anyhow::Result<()> {
        let (true, Some(name)) = (self.is_other, &self.name) else { return Ok(()) };
        let groups = getgrouplist(&CString::new(name.as_str())?, nix::unistd::Gid::from_raw(self.gid));
        let groups: Vec<Gid> = groups
            .context("groups cannot be looked up")?
            .into_iter()
            .map(|gid| Gid::from_raw(gid.as_raw()))
            .collect();
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_thread_groups(&groups)
            .and_then(|()| set_thread_res_gid(gid, gid, gid))
            .and_then(|()| set_thread_res_uid(uid, uid, uid))
            .with_context(|| format!("this cannot be done as the user {name}"))
    }
}
