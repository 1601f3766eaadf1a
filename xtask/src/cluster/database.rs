use std::path::{Path, PathBuf};
use std::process::Command;

use super::{port, processes, run, until, write_private};

/// Where Debian has the programs of PostgreSQL.
pub(crate) const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// A database that is empty, and how it is reached.
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) password_file: PathBuf,
    pub(crate) port: String,
    /// The file with the password as PostgreSQL's own programs read it.
    pub(crate) pgpass: PathBuf,
}

/// Makes a database in `own`, a directory of the server's user, and has the server started by `run`. What is ours goes into `directory`.
pub(crate) fn start(
    directory: &Path,
    own: &Path,
    settings: &[&str],
    run: impl FnOnce(Command) -> anyhow::Result<()>,
) -> anyhow::Result<Database> {
    // Nobody else is on this address, and it is gone with the cluster.
    let password = "cluster";
    let (password_file, initial) = (directory.join("store-password"), own.join("password"));
    write_private(&password_file, password)?;
    write_private(&initial, password)?;
    processes::give_away(&initial)?;
    let data = own.join("data");
    let mut initdb = Command::new(format!("{PROGRAMS}/initdb"));
    initdb.args(["--username=panvault", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--pgdata"]);
    initdb.arg(&data).arg(format!("--pwfile={}", initial.display()));
    run::output(processes::as_ordinary_user(&initdb))?;
    let port = port()?.to_string();
    let mut server = Command::new(format!("{PROGRAMS}/postgres"));
    server.arg("-D").arg(&data).args(["-p", &port, "-c", "listen_addresses=127.0.0.1"]);
    server.args(["-c", "unix_socket_directories="]);
    for setting in settings {
        server.args(["-c", setting]);
    }
    run(processes::as_ordinary_user(&server))?;
    until("PostgreSQL is ready", || {
        run::works(run::command(
            format!("{PROGRAMS}/pg_isready"),
            directory,
            &["-h", "127.0.0.1", "-p", &port],
        ))
    })?;
    let pgpass = directory.join("pgpass");
    write_private(&pgpass, &format!("127.0.0.1:{port}:*:panvault:{password}\n"))?;
    let mut create = run::command(
        format!("{PROGRAMS}/createdb"),
        directory,
        &["-h", "127.0.0.1", "-p", &port, "-U", "panvault", "panvault"],
    );
    create.env("PGPASSFILE", &pgpass);
    run::output(create)?;
    let url = format!("postgres://panvault@127.0.0.1:{port}/panvault?sslmode=disable");
    Ok(Database { url, password_file, port, pgpass })
}
