use std::net::IpAddr;

use crate::limits::URL_BYTES_MAX;

/// Where a peer is: `https://host`, `https://host:port`, and without TLS only on this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerUrl {
    pub(crate) is_encrypted: bool,
    pub(crate) host: PeerHost,
    pub(crate) port: u16,
    /// As the `Host` of a request names it.
    pub(crate) authority: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum PeerHost {
    Name(String),
    Address(IpAddr),
}

/// What is wrong with the address of a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PeerUrlFault {
    /// It is something else.
    #[error("must be https:// and a host, with : and a port if it is not 443, and nothing behind it")]
    Format,
    /// It would be read on its way.
    #[error(
        "must begin with https://: only at a loopback address, such as http://127.0.0.1:8200, may it be asked without TLS"
    )]
    Plain,
}

impl PeerUrl {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, PeerUrlFault> {
        if text.len() > URL_BYTES_MAX {
            return Err(PeerUrlFault::Format);
        }
        let (is_encrypted, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(PeerUrlFault::Format),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match authority.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(Some((host, ""))) => (host, None),
            Some(Some((host, port))) => (host, Some(port.strip_prefix(':').ok_or(PeerUrlFault::Format)?)),
            Some(None) => return Err(PeerUrlFault::Format),
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = match port {
            None if is_encrypted => 443,
            None => 80,
            // A sign in front of it is read as a number too.
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok().filter(|port| *port > 0).ok_or(PeerUrlFault::Format)?
            }
            Some(_) => return Err(PeerUrlFault::Format),
        };
        let host = match host.parse::<IpAddr>() {
            Ok(address) if address.is_ipv6() == authority.starts_with('[') => PeerHost::Address(address),
            Ok(_) => return Err(PeerUrlFault::Format),
            Err(_) if is_name(host) => PeerHost::Name(host.to_ascii_lowercase()),
            Err(_) => return Err(PeerUrlFault::Format),
        };
        let is_here = matches!(&host, PeerHost::Address(address) if address.is_loopback());
        if !is_encrypted && !is_here {
            return Err(PeerUrlFault::Plain);
        }
        Ok(Self { is_encrypted, host, port, authority: authority.to_ascii_lowercase() })
    }
}

fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_whole() {
        for (text, authority, port, is_encrypted) in [
            ("https://bao.example", "bao.example", 443, true),
            ("https://Bao.Example:8200/", "bao.example:8200", 8200, true),
            ("https://10.0.0.1:8200", "10.0.0.1:8200", 8200, true),
            ("https://[2001:db8::1]:8200", "[2001:db8::1]:8200", 8200, true),
            ("http://127.0.0.1:8200", "127.0.0.1:8200", 8200, false),
            ("http://[::1]", "[::1]", 80, false),
        ] {
            let url = PeerUrl::parse(text).unwrap();
            assert_eq!((url.authority.as_str(), url.port, url.is_encrypted), (authority, port, is_encrypted));
        }
    }

    #[test]
    fn what_leads_elsewhere_or_is_read_on_its_way_is_refused() {
        for text in [
            "",
            "bao.example",
            "https://",
            "https:///",
            "https://a@bao.example",
            "https://bao.example/v1",
            "https://bao.example?a",
            "https://bao.example#a",
            "https://bao.example:0",
            "https://bao.example:65536",
            "https://bao.example:+1",
            "https://bao.example:",
            "https://-a.example",
            "https://a..b",
            "https://::1",
            "https://[127.0.0.1]",
            "https://[::1",
            "https://[::1]8200",
            "https://a b",
            "https://a\r\nHost: b",
            "ftp://a",
        ] {
            assert_eq!(PeerUrl::parse(text), Err(PeerUrlFault::Format), "{text:?}");
        }
        for text in ["http://bao.example", "http://10.0.0.1", "http://localhost:8200", "http://[2001:db8::1]"]
        {
            assert_eq!(PeerUrl::parse(text), Err(PeerUrlFault::Plain), "{text}");
        }
        let long = format!("https://{}", "a.".repeat(URL_BYTES_MAX));
        assert_eq!(PeerUrl::parse(&long), Err(PeerUrlFault::Format));
    }
}
