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
const POSTGRES_18: &str = "xtask/postgres18";

/// Debian's servers alone.
pub(crate) fn needed_from_debian(root: &Path) -> anyhow::Result<()> {
    SERVERS
        .iter()
        .try_for_each(|(package, unit, program)| packages::need_server(root, package, unit, program))
}

/// All of them.
pub(crate) fn needed(root: &Path) -> anyhow::Result<()> {
    needed_from_debian(root)?;
    packages::need_node(root)?;
    node::install(&root.join(POSTGRES_18), POSTGRES_18, "PostgreSQL 18")
}
