//! Which servers may hold CVVs.

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why a server may not hold CVVs: each says what to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisUnfit {
    /// Its version.
    #[error("it is older than Redis 7.0: use Redis 7, Valkey 7.2, or what came after")]
    Version,
    /// Cluster or sentinel.
    #[error("it is one of a cluster, or a sentinel: use a server of its own, with cluster-enabled no")]
    Mode,
    /// It gets what it holds from another.
    #[error("it is a replica: use the server that it follows, without replicas")]
    Replica,
    /// Others get what it holds.
    #[error(
        "it has replicas, which may write what they are sent to their disks: remove them, then start the server anew"
    )]
    Replicas,
    /// It is to write what it holds to its disk now and then.
    #[error("it writes snapshots to its disk: set save \"\"")]
    Snapshots,
    /// It writes each change to its disk.
    #[error("it writes a log to its disk: set appendonly no, remove the log, then start the server anew")]
    Log,
    /// Somebody had it write what it holds.
    #[error(
        "it has written a snapshot, or sent one, since it started: remove the file, then start the server anew"
    )]
    Written,
    /// It throws away what it holds when it is full, the marks that tell late requests included.
    #[error("it forgets what it holds when it is full: set maxmemory-policy noeviction")]
    Evicts,
    /// Its settings cannot be looked at.
    #[error(
        "its settings cannot be looked at: let the vault's user call INFO and CONFIG GET, under these names"
    )]
    Hidden,
    /// The user, or its password.
    #[error("it refuses the vault's user or password")]
    Login,
    /// Who it is.
    #[error(
        "its certificate is not trusted, or is not that of this host: see the settings of what is trusted"
    )]
    Untrusted,
    /// What the user may do.
    #[error("the vault's user may not do there what is needed: docs/running.md has its rights")]
    Rights,
    /// It holds what is not ours.
    #[error(
        "its database holds what is not the vault's: give the vault a server of its own, or empty this one with FLUSHDB"
    )]
    NotEmpty,
    /// It was filled in another run, by a file that it has read.
    #[error(
        "it holds CVVs of an earlier run, so they were on a disk: remove its files, empty it with FLUSHDB"
    )]
    Restored,
    /// Another vault's.
    #[error("another vault has it: give each vault a server of its own")]
    OtherVault,
    /// It does not answer as such servers do.
    #[error("it does not answer as Redis or Valkey do")]
    Odd,
}

impl RedisUnfit {
    /// Whether what it holds may come to a disk, or has.
    pub(crate) const fn writes(self) -> bool {
        match self {
            Self::Replicas | Self::Snapshots | Self::Log | Self::Written => true,
            Self::Version
            | Self::Mode
            | Self::Replica
            | Self::Evicts
            | Self::Hidden
            | Self::Login
            | Self::Untrusted
            | Self::Rights
            | Self::NotEmpty
            | Self::Restored
            | Self::OtherVault
            | Self::Odd => false,
        }
    }
}

/// Why a server was not looked at to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LookFault {
    Unreachable,
    Unfit(RedisUnfit),
}

impl LookFault {
    /// What an error of the library means. Its texts are not looked at: they may repeat what was sent.
    pub(crate) fn of(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::NoPerm) => Self::Unfit(RedisUnfit::Rights),
            ErrorKind::Server(ServerErrorKind::ReadOnly) => Self::Unfit(RedisUnfit::Replica),
            ErrorKind::AuthenticationFailed => Self::Unfit(RedisUnfit::Login),
            _ if matches!(error.code(), Some("NOAUTH" | "WRONGPASS")) => Self::Unfit(RedisUnfit::Login),
            // It is writing, or means to, and cannot.
            _ if error.code() == Some("MISCONF") => Self::Unfit(RedisUnfit::Snapshots),
            // Loading, or busy with a script that does not end: it is there again when that is over.
            _ if matches!(error.code(), Some("LOADING" | "BUSY" | "MASTERDOWN" | "TRYAGAIN")) => {
                Self::Unreachable
            }
            _ if error.is_io_error() || error.is_timeout() || error.is_connection_dropped() => {
                Self::Unreachable
            }
            _ => Self::Unfit(RedisUnfit::Odd),
        }
    }
}

/// The run of a server, 40 digits, told by one that may hold CVVs.
pub(crate) async fn look(connection: &mut MultiplexedConnection) -> Result<String, LookFault> {
    let info: String = redis::cmd("INFO").query_async(connection).await.map_err(|error| hidden(&error))?;
    judge_info(&info).map_err(LookFault::Unfit)?;
    for (name, wanted, otherwise) in [
        ("save", "", RedisUnfit::Snapshots),
        ("appendonly", "no", RedisUnfit::Log),
        ("maxmemory-policy", "noeviction", RedisUnfit::Evicts),
    ] {
        let mut ask = redis::cmd("CONFIG");
        let found: Vec<String> =
            ask.arg("GET").arg(name).query_async(connection).await.map_err(|error| hidden(&error))?;
        match found.as_slice() {
            [_, value] if value == wanted => {}
            [_, _] => return Err(LookFault::Unfit(otherwise)),
            _ => return Err(LookFault::Unfit(RedisUnfit::Hidden)),
        }
    }
    field(&info, "run_id").map(str::to_owned).ok_or(LookFault::Unfit(RedisUnfit::Odd))
}

/// A command that is denied, or has another name.
fn hidden(error: &RedisError) -> LookFault {
    match LookFault::of(error) {
        LookFault::Unfit(RedisUnfit::Rights | RedisUnfit::Odd) => LookFault::Unfit(RedisUnfit::Hidden),
        fault @ (LookFault::Unfit(_) | LookFault::Unreachable) => fault,
    }
}

fn judge_info(info: &str) -> Result<(), RedisUnfit> {
    let is = |name, wanted| field(info, name) == Some(wanted);
    let major =
        field(info, "redis_version").and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    match major {
        None => return Err(RedisUnfit::Odd),
        Some(major) if major < 7 => return Err(RedisUnfit::Version),
        Some(_) => {}
    }
    // Valkey has its own name for the second; what says neither is not known.
    if !(is("redis_mode", "standalone") || is("server_mode", "standalone")) || !is("cluster_enabled", "0") {
        return Err(RedisUnfit::Mode);
    }
    if !is("role", "master") {
        return Err(RedisUnfit::Replica);
    }
    if !is("connected_slaves", "0") {
        return Err(RedisUnfit::Replicas);
    }
    if !is("aof_enabled", "0") {
        return Err(RedisUnfit::Log);
    }
    // The file of an append-only log can be written while there is no such log (`BGREWRITEAOF`), and whoever sets the counts to nothing (`CONFIG RESETSTAT`)
    // leaves the times. `sync_full` counts what replicas, and tools that act as one, were sent.
    let never = [
        ("rdb_bgsave_in_progress", "0"),
        ("rdb_saves", "0"),
        ("rdb_last_bgsave_time_sec", "-1"),
        ("aof_rewrite_in_progress", "0"),
        ("aof_rewrite_scheduled", "0"),
        ("aof_last_rewrite_time_sec", "-1"),
        ("sync_full", "0"),
    ];
    if never.into_iter().all(|(name, wanted)| is(name, wanted)) { Ok(()) } else { Err(RedisUnfit::Written) }
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:ab\r\n\r\n# Persistence\r\n\
        rdb_bgsave_in_progress:0\r\nrdb_saves:0\r\nrdb_last_bgsave_time_sec:-1\r\n\
        aof_enabled:0\r\naof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0\r\naof_last_rewrite_time_sec:-1\r\n# Stats\r\nsync_full:0\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n\
        # Cluster\r\ncluster_enabled:0\r\n";

    #[test]
    fn what_a_server_says_of_itself_is_judged() {
        assert_eq!(judge_info(GOOD), Ok(()));
        for (line, other, unfit) in [
            ("redis_version:7.0.15", "redis_version:6.2.14", RedisUnfit::Version),
            ("redis_version:7.0.15", "redis_version:x", RedisUnfit::Odd),
            ("redis_mode:standalone", "redis_mode:cluster", RedisUnfit::Mode),
            ("cluster_enabled:0", "cluster_enabled:1", RedisUnfit::Mode),
            ("role:master", "role:slave", RedisUnfit::Replica),
            ("connected_slaves:0", "connected_slaves:1", RedisUnfit::Replicas),
            ("aof_enabled:0", "aof_enabled:1", RedisUnfit::Log),
            ("rdb_bgsave_in_progress:0", "rdb_bgsave_in_progress:1", RedisUnfit::Written),
            ("rdb_saves:0", "rdb_saves:1", RedisUnfit::Written),
            ("rdb_last_bgsave_time_sec:-1", "rdb_last_bgsave_time_sec:0", RedisUnfit::Written),
            ("aof_rewrite_in_progress:0", "aof_rewrite_in_progress:1", RedisUnfit::Written),
            ("aof_rewrite_scheduled:0", "aof_rewrite_scheduled:1", RedisUnfit::Written),
            ("aof_last_rewrite_time_sec:-1", "aof_last_rewrite_time_sec:0", RedisUnfit::Written),
            ("sync_full:0", "sync_full:1", RedisUnfit::Written),
        ] {
            assert_eq!(judge_info(&GOOD.replace(line, other)), Err(unfit), "{other}");
            let without = GOOD.replace(line, "");
            assert!(judge_info(&without).is_err(), "what is not said is not taken for good: {line}");
        }
    }
}
