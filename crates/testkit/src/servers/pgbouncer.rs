use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::program::{self, Program};
use super::{Postgres, PostgresDatabase, port};

const SERVER: &str = "/usr/sbin/pgbouncer";
const READY: &str = "process up";
const TRIES_MAX: u32 = 5;

/// A PgBouncer that runs before a server, in transaction mode: two statements outside a transaction may reach two connections of the server.
pub struct PgBouncer {
    _directory: TempDir,
    _program: Program,
    port: u16,
}

impl PgBouncer {
    /// Starts one; it may open `pool_size` connections to a database.
    pub fn start(postgres: &Postgres, pool_size: u32) -> Self {
        program::need(Path::new(SERVER), "pgbouncer");
        let directory = program::directory();
        let users = directory.path().join("users.txt");
        let password = postgres.password();
        program::write_secret(&users, &format!("\"postgres\" \"{password}\"\n"));
        let configuration = directory.path().join("pgbouncer.ini");
        for tried in 1.. {
            let port = port::free_port();
            let text = format!(
                "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\n\
                 default_pool_size = {pool_size}\nmax_client_conn = 1000\n",
                postgres.port(),
                users.display()
            );
            program::write_secret(&configuration, &text);
            let mut command = Command::new(SERVER);
            command.arg(&configuration);
            match Program::start(&command, "KILL", READY) {
                Ok(program) => return Self { _directory: directory, _program: program, port },
                Err(log) if tried == TRIES_MAX || !log.contains("Address already in use") => panic!("{log}"),
                Err(_) => {}
            }
        }
        unreachable!("the tries are counted")
    }

    /// A database of its server, as it is reached through it.
    pub fn database(&self, postgres: &Postgres, database: &PostgresDatabase) -> PostgresDatabase {
        postgres.through(database, self.port)
    }
}
