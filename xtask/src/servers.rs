//! Servers that tests of several nodes start as ordinary users: Debian's, and one PostgreSQL that Debian does not have yet.

use std::path::Path;

use crate::{node, packages};

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

/// Debian's servers alone.
pub(crate) fn needed_from_debian(root: &Path) -> anyhow::Result<()> {
    each(root, &SERVERS)
}

/// All of them.
pub(crate) fn needed(root: &Path) -> anyhow::Result<()> {
    needed_from_debian(root)?;
    each(root, &FAILOVER)?;
    packages::need_node(root)?;
    node::install(&root.join(POSTGRES_18), POSTGRES_18, "PostgreSQL 18")
}

fn each(root: &Path, servers: &[(&str, &str, &str)]) -> anyhow::Result<()> {
    servers
        .iter()
        .try_for_each(|(package, unit, program)| packages::need_server(root, package, unit, program))
}
