//! Which server is called.

use std::net::IpAddr;

use super::description::HttpMode;
use super::placeholder::Field;
use super::template::{Piece, Template};

/// A server, and what every path on it begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(super) is_encrypted: bool,
    pub(super) host: Host,
    pub(super) port: u16,
    /// As the `Host` header has it.
    pub(super) authority: String,
    /// Empty, or begins with a slash and does not end with one.
    pub(super) base: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Name(String),
    Address(IpAddr),
}

impl Origin {
    /// The text of an origin with its settings filled in.
    pub(super) fn filled(
        template: &Template,
        setting: impl Fn(&str) -> Option<String>,
    ) -> Result<String, String> {
        let mut text = String::new();
        for piece in &template.0 {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Value(placeholder) => match &placeholder.field {
                    Field::Setting(name) => {
                        text.push_str(
                            &setting(name).ok_or_else(|| format!("has no {name} to be called by"))?,
                        );
                    }
                    _ => return Err("has something else than settings in its origin".to_owned()),
                },
            }
        }
        Ok(text)
    }

    /// Reads `https://host[:port][/base]`. Without TLS only this machine is called, by address, and only by a test vault.
    pub(super) fn parse(text: &str, mode: HttpMode) -> Result<Self, String> {
        let (is_encrypted, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err("an origin must begin with https://".to_owned()),
        };
        let (authority, base) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (host, port) = split_port(authority)?;
        let port = port.unwrap_or(if is_encrypted { 443 } else { 80 });
        let host = host_of(host)?;
        let is_this_machine = matches!(&host, Host::Address(address) if address.is_loopback());
        let may_be_plain = is_this_machine && mode == HttpMode::Test;
        if !is_encrypted && !may_be_plain {
            return Err(
                "an origin must begin with https://, but for one for tests at 127.0.0.1 or [::1]".to_owned()
            );
        }
        let base = base.strip_suffix('/').unwrap_or(base);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
        if !base.bytes().all(is_plain) || base.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err("the path of an origin may have letters, digits, dashes and slashes".to_owned());
        }
        Ok(Self { is_encrypted, host, port, authority: authority.to_owned(), base: base.to_owned() })
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), String> {
    let after_brackets = authority.rfind(']').map_or(0, |at| at + 1);
    let tail = authority.get(after_brackets..).unwrap_or_default();
    let Some(at) = tail.find(':') else { return Ok((authority, None)) };
    let (host, port) = authority.split_at(after_brackets + at);
    let digits = port.strip_prefix(':').unwrap_or(port);
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits.parse().ok().filter(|port| is_plain && *port > 0);
    Ok((host, Some(port.ok_or("a port must be a number, 1 to 65535")?)))
}

fn host_of(text: &str) -> Result<Host, String> {
    if let Some(inner) = text.strip_prefix('[') {
        let address = inner.strip_suffix(']').and_then(|inner| inner.parse().ok());
        return address.map(|v6| Host::Address(IpAddr::V6(v6))).ok_or_else(|| "no address".to_owned());
    }
    if let Ok(v4) = text.parse() {
        return Ok(Host::Address(IpAddr::V4(v4)));
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A last label of digits would be read as an address by some.
    let is_name = text.len() <= 253
        && text.split('.').all(is_label)
        && !text.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if is_name {
        Ok(Host::Name(text.to_owned()))
    } else {
        Err("no name of a host, in small letters".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_where_to_call() {
        let origin = Origin::parse("https://api.example.com", HttpMode::Live).unwrap();
        assert_eq!((origin.is_encrypted, origin.port, origin.base.as_str()), (true, 443, ""));
        let origin = Origin::parse("https://x-live.example.com:8443/checkout/", HttpMode::Live).unwrap();
        assert_eq!((origin.authority.as_str(), origin.port), ("x-live.example.com:8443", 8443));
        assert_eq!(origin.base, "/checkout");
        for local in ["http://127.0.0.1:80", "http://[::1]:8080", "https://[::1]"] {
            assert!(Origin::parse(local, HttpMode::Test).is_ok(), "{local}");
        }
    }

    #[test]
    fn refuses_all_else() {
        for text in [
            "",
            "api.example.com",
            "ftp://api.example.com",
            "http://api.example.com",
            "http://localhost",
            "http://10.0.0.1",
            "https://",
            "https://user@host",
            "https://api.example.com:0",
            "https://api.example.com:99999",
            "https://api.example.com:+1",
            "https://API.example.com",
            "https://api..example.com",
            "https://-a.example.com",
            "https://1.2.3",
            "https://api.example.com?x=1",
            "https://api.example.com/a/../b",
            "https://api.example.com/a b",
            "https://[::1",
        ] {
            assert!(Origin::parse(text, HttpMode::Test).is_err(), "{text}");
        }
        assert!(Origin::parse("http://127.0.0.1:80", HttpMode::Live).is_err());
    }
}
