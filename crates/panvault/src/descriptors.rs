//! How many files the process may have open, and how many connections that leaves room for.

use anyhow::ensure;
use panvault_server::ServerSettings;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are not of connections to the API: files of the store, listeners, metrics, the console, and some to spare.
const RESERVED: u64 = 192;

const ADVICE: &str = "raise the hard limit of open files (ulimit -Hn; systemd: LimitNOFILE)";

/// Raises the limit of open files as far as this process may, and lowers the connections to what then fits.
pub(crate) fn fit(mut server: ServerSettings) -> anyhow::Result<ServerSettings> {
    let Some(limit) = raise() else { return Ok(server) };
    let room = connections(limit);
    ensure!(room > 0, "at most {limit} files may be open, which leaves none for connections; {ADVICE}");
    if server.connections_max > room {
        tracing::warn!(
            connections_max = room,
            configured = server.connections_max,
            open_files_max = limit,
            advice = %format_args!("{ADVICE}, or lower connections_max"),
            "connections.limited"
        );
        server.connections_max = room;
    }
    Ok(server)
}

/// The limit that then holds; `None` for none.
fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

fn connections(limit: u64) -> usize {
    usize::try_from(limit.saturating_sub(RESERVED)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_not_for_connections() {
        for (limit, room) in [(0, 0), (192, 0), (193, 1), (1024, 832)] {
            assert_eq!(connections(limit), room);
        }
    }
}
