//! The web origins from which a key for browsers may be used.

use panvault_vault::limits::ALLOWED_ORIGINS_MAX;

/// The origins that a key is to have so that pages at this port may use it; `None` where it has them.
pub(super) fn with_own(allowed: &[String], port: u16) -> Option<Vec<String>> {
    let mut missing = origins_at(&[port]);
    missing.retain(|origin| !allowed.contains(origin));
    if missing.is_empty() {
        return None;
    }
    let mut kept = [allowed, &missing].concat();
    // Beyond what a key may have, those of this machine go, former ports among them; what somebody added of other hosts stays.
    if kept.len() > ALLOWED_ORIGINS_MAX {
        kept.retain(|origin| !is_of_this_machine(origin));
        kept.splice(0..0, origins(port));
        kept.truncate(ALLOWED_ORIGINS_MAX);
    }
    Some(kept)
}

/// Where pages of somebody who tries things out come from: this server, and the usual ports of others.
pub(super) fn origins(port: u16) -> Vec<String> {
    let mut ports = vec![port, 3000, 5173, 8000, 8080];
    ports.retain(|port| *port != 0);
    ports.sort_unstable();
    ports.dedup();
    origins_at(&ports)
}

/// Hosts that pages of this machine are opened at.
const OWN_HOSTS: [&str; 2] = ["localhost", "127.0.0.1"];

fn is_of_this_machine(origin: &str) -> bool {
    let host = origin.strip_prefix("http://").map(|rest| rest.split_once(':').map_or(rest, |(host, _)| host));
    host.is_some_and(|host| OWN_HOSTS.contains(&host))
}

/// The web origins of pages of this machine at these ports.
fn origins_at(ports: &[u16]) -> Vec<String> {
    let at = |host: &str, port: u16| match port {
        80 => format!("http://{host}"),
        port => format!("http://{host}:{port}"),
    };
    OWN_HOSTS.iter().flat_map(|host| ports.iter().map(move |port| at(host, *port))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each start at another port adds two origins, and once they were too many the key lost what somebody had added to it.
    #[test]
    fn origins_of_former_ports_go_and_others_stay() {
        let shop = "https://shop.example".to_owned();
        let mut allowed = [origins(1024), vec![shop.clone()]].concat();
        assert_eq!(with_own(&allowed, 1024), None);
        for port in 2000..2040 {
            allowed = with_own(&allowed, port).unwrap();
            assert!(allowed.len() <= ALLOWED_ORIGINS_MAX, "{allowed:?}");
            assert!(allowed.contains(&shop), "{allowed:?}");
            assert!(origins_at(&[port]).iter().all(|origin| allowed.contains(origin)), "{allowed:?}");
        }
    }
}
