use std::net::IpAddr;

use http::Uri;
use http::uri::Scheme;
use rustls_pki_types::ServerName;

use crate::limits::{SYSLOG_PORT, URL_BYTES_MAX};

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: Host,
    pub(crate) port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Name(String),
    Address(IpAddr),
}

/// Where a syslog server is: `logs.example`, `logs.example:6514`, `10.0.0.1:6514`, `[2001:db8::1]:6514`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogAddress(pub(crate) Address);

/// What is wrong with the address of a syslog server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a host, with : and a port if it is not {SYSLOG_PORT}, and nothing else")]
pub struct AddressFault;

/// Where a collector is. Path and query may hold what only it is to know, so this has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct CollectorUrl {
    pub(crate) is_encrypted: bool,
    pub(crate) address: Address,
    /// As the `Host` of a request names it.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) target: String,
}

/// What is wrong with the URL of a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum UrlFault {
    #[error("must be an https URL of at most {URL_BYTES_MAX} bytes, without a user name, a password or a #")]
    Format,
    #[error(
        "must begin with https://: only at a loopback address, such as http://127.0.0.1:8080/, may it be sent to without TLS"
    )]
    Plain,
}

impl SyslogAddress {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, AddressFault> {
        Address::parse(text, SYSLOG_PORT).map(Self).ok_or(AddressFault)
    }
}

impl CollectorUrl {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, UrlFault> {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#');
        if text.len() > URL_BYTES_MAX || !text.bytes().all(is_plain) {
            return Err(UrlFault::Format);
        }
        let uri: Uri = text.parse().map_err(|_| UrlFault::Format)?;
        let is_encrypted = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(_) | None => return Err(UrlFault::Format),
        };
        let authority = uri.authority().ok_or(UrlFault::Format)?.as_str().to_ascii_lowercase();
        let address = Address::parse(&authority, if is_encrypted { 443 } else { 80 });
        let address = address.ok_or(UrlFault::Format)?;
        let is_here = matches!(address.host, Host::Address(address) if address.is_loopback());
        if !is_encrypted && !is_here {
            return Err(UrlFault::Plain);
        }
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        Ok(Self { is_encrypted, address, authority, target })
    }
}

impl Address {
    fn parse(text: &str, port: u16) -> Option<Self> {
        if text.len() > URL_BYTES_MAX {
            return None;
        }
        let (host, given) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(Some((host, ""))) => (host, None),
            Some(Some((host, port))) => (host, Some(port.strip_prefix(':')?)),
            Some(None) => return None,
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match given {
            None => port,
            // A sign in front of it is read as a number too.
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|port| *port > 0)?
            }
            Some(_) => return None,
        };
        let host = match host.parse::<IpAddr>() {
            Ok(address) if address.is_ipv6() == text.starts_with('[') => Host::Address(address),
            Ok(_) => return None,
            Err(_) if is_name(host) => Host::Name(host.to_ascii_lowercase()),
            Err(_) => return None,
        };
        Some(Self { host, port })
    }

    /// The name that its certificate is for.
    pub(crate) fn server_name(&self) -> Option<ServerName<'static>> {
        match &self.host {
            Host::Name(name) => ServerName::try_from(name.clone()).ok(),
            Host::Address(address) => Some(ServerName::from(*address)),
        }
    }
}

/// Whether a certificate can be for it: a name, or an address.
pub fn is_server_name(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || is_name(text)
}

fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A last label of digits is an address in a notation that some read in other ways.
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= 253 && host.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syslog_server_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("logs.example", Host::Name("logs.example".to_owned()), 6514),
            ("Logs.Example:10514", Host::Name("logs.example".to_owned()), 10_514),
            ("10.0.0.1:1", Host::Address([10, 0, 0, 1].into()), 1),
            ("[::1]", Host::Address("::1".parse().unwrap()), 6514),
            ("[2001:db8::1]:65535", Host::Address("2001:db8::1".parse().unwrap()), 65_535),
        ] {
            assert_eq!(SyslogAddress::parse(text), Ok(SyslogAddress(Address { host, port })), "{text}");
        }
        let long = "a.".repeat(URL_BYTES_MAX);
        for text in [
            "",
            ":6514",
            "logs.example:",
            "logs.example:0",
            "logs.example:65536",
            "logs.example:+1",
            "logs.example:1:2",
            "tls://logs.example",
            "logs.example/",
            "user@logs.example",
            "::1",
            "[::1",
            "[::1]6514",
            "[10.0.0.1]",
            "a b",
            "-a.example",
            "a..b",
            "127.1",
            "1",
            "a\nb",
            &long,
        ] {
            assert_eq!(SyslogAddress::parse(text), Err(AddressFault), "{text:?}");
        }
    }

    #[test]
    fn a_collector_is_reached_over_tls_or_on_this_machine() {
        for (text, authority, port, target, is_encrypted) in [
            ("https://c.example", "c.example", 443, "/", true),
            ("https://C.Example:8443/in?key=1", "c.example:8443", 8443, "/in?key=1", true),
            ("https://[2001:db8::1]/a", "[2001:db8::1]", 443, "/a", true),
            ("http://127.0.0.1:8080/a/b", "127.0.0.1:8080", 8080, "/a/b", false),
            ("http://[::1]", "[::1]", 80, "/", false),
        ] {
            let url = CollectorUrl::parse(text).ok().unwrap();
            assert_eq!(
                (url.authority.as_str(), url.address.port, url.target.as_str(), url.is_encrypted),
                (authority, port, target, is_encrypted)
            );
        }
        for text in ["http://c.example/", "http://10.0.0.1", "http://localhost:8080", "http://[2001:db8::1]"]
        {
            assert_eq!(CollectorUrl::parse(text).err(), Some(UrlFault::Plain), "{text}");
        }
        let long = format!("https://c.example/{}", "a".repeat(URL_BYTES_MAX));
        for text in [
            "",
            "c.example",
            "/a",
            "https://",
            "https://a@c.example",
            "https://a:b@c.example",
            "https://c.example#a",
            "https://c.example:0",
            "https://c.example:",
            "https://127.1/",
            "https://c.example/a b",
            "https://c.example\\@d.example",
            "ftp://c.example",
            "https://c.example/\r\nHost: d",
            &long,
        ] {
            assert_eq!(CollectorUrl::parse(text).err(), Some(UrlFault::Format), "{text:?}");
        }
    }
}
