//! What is to be known of a server before it is asked anything.

use core::fmt;
use core::net::IpAddr;

use panvault_model::VaultId;
use zeroize::Zeroizing;

use crate::fitness::RedisUnfit;

const PORT: u16 = 6379;
const DATABASES_MAX: u16 = 1024;

/// Where the server is, and whether the way there is encrypted: `rediss://host:port/database`, or `redis://` without TLS. It has neither user
/// nor password, for addresses are seen in lists of processes and in logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisUrl {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: u16,
    pub(crate) encrypted: bool,
}

/// Why an address is none. No text repeats it: it may have a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisUrlFault {
    /// It does not begin with a scheme that is known.
    #[error("it begins neither with rediss:// nor with redis://")]
    Scheme,
    /// It has a user or a password.
    #[error("it names a user or has a password: both have settings of their own")]
    Login,
    /// The host is missing, or is no host.
    #[error("its host is missing or is none")]
    Host,
    /// The port is no port.
    #[error("its port is none")]
    Port,
    /// What follows the port is no number of a database.
    #[error("what follows its host and port is not the number of a database")]
    Database,
    /// It has a query or a fragment, which say nothing here.
    #[error("it has a part behind ? or #, which means nothing here")]
    Options,
}

impl RedisUrl {
    /// Whether it is reached over TLS.
    pub const fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Reads an address; the port is 6379 and the database 0 where they are not said.
    pub fn parse(text: &str) -> Result<Self, RedisUrlFault> {
        let (scheme, rest) = text.split_once("://").ok_or(RedisUrlFault::Scheme)?;
        let encrypted = match scheme {
            "rediss" | "valkeys" => true,
            "redis" | "valkey" => false,
            _ => return Err(RedisUrlFault::Scheme),
        };
        if rest.contains('@') {
            return Err(RedisUrlFault::Login);
        }
        if rest.contains(['?', '#']) {
            return Err(RedisUrlFault::Options);
        }
        let (place, database) = rest.split_once('/').unwrap_or((rest, ""));
        let database = match database {
            "" => 0,
            digits => {
                number(digits).filter(|database| *database < DATABASES_MAX).ok_or(RedisUrlFault::Database)?
            }
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(bracketed) => {
                let (host, behind) = bracketed.split_once(']').ok_or(RedisUrlFault::Host)?;
                host.parse::<core::net::Ipv6Addr>().map_err(|_| RedisUrlFault::Host)?;
                (host, behind.strip_prefix(':').or_else(|| behind.is_empty().then_some("")))
            }
            None => place.split_once(':').map_or((place, Some("")), |(host, port)| (host, Some(port))),
        };
        let port = match port.ok_or(RedisUrlFault::Host)? {
            "" => PORT,
            digits => number(digits).filter(|port| *port > 0).ok_or(RedisUrlFault::Port)?,
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if host.is_empty() || (!host.bytes().all(is_name) && host.parse::<IpAddr>().is_err()) {
            return Err(RedisUrlFault::Host);
        }
        Ok(Self { host: host.to_owned(), port, database, encrypted })
    }

    /// Whether nobody but this machine hears what is said.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// Digits only: `parse` takes a sign, too.
fn number(digits: &str) -> Option<u16> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, database, encrypted } = self;
        let scheme = if *encrypted { "rediss" } else { "redis" };
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{host}{close}:{port}/{database}")
    }
}

/// A password of the server. It is shown nowhere.
pub struct RedisPassword(Zeroizing<String>);

impl RedisPassword {
    /// As it stands in its file, without the line's end.
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// It, for the login.
    pub(crate) fn expose_text(&self) -> &str {
        &self.0
    }
}

/// Which server, and how it is used.
pub struct RedisSettings {
    /// Where it is.
    pub url: RedisUrl,
    /// Its user for us (ACL). Without one it is `default`.
    pub username: Option<String>,
    /// That user's password.
    pub password: Option<RedisPassword>,
    /// Certificates in PEM, of which one must have signed that of the server. Without any they are those of the list of Mozilla.
    pub tls_roots: Option<Vec<u8>>,
    /// `redis://` to another machine is what its operator wants.
    pub insecure: bool,
    /// CVVs that may be held at a time, those of all nodes together.
    pub held_max: u64,
    /// Whose CVVs they are: a server holds those of one vault.
    pub vault: VaultId,
}

/// Why there are no CVVs on a server.
#[derive(Debug, thiserror::Error)]
pub enum RedisRefused {
    /// The way there is not encrypted, and others may listen.
    #[error("redis:// to another machine is not encrypted: use rediss://, or say that this is wanted")]
    Insecure,
    /// What is to be trusted cannot be read.
    #[error("the certificates that are to be trusted for the server of CVVs cannot be read")]
    Roots,
    /// The library has no TLS.
    #[error("no version of TLS can be used")]
    Tls(#[source] rustls::Error),
    /// The server is reached, and is not one that may hold CVVs.
    #[error("the server may not hold CVVs")]
    Unfit(#[source] RedisUnfit),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown() {
        for (text, shown) in [
            ("rediss://cvv.internal", "rediss://cvv.internal:6379/0"),
            ("rediss://cvv.internal:6380/3", "rediss://cvv.internal:6380/3"),
            ("redis://127.0.0.1:6380/", "redis://127.0.0.1:6380/0"),
            ("valkeys://[2001:db8::1]:1/1", "rediss://[2001:db8::1]:1/1"),
            ("valkey://[::1]", "redis://[::1]:6379/0"),
        ] {
            let url = RedisUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(RedisUrl::parse(shown), Ok(url));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_not_repeated() {
        for (text, fault) in [
            ("", RedisUrlFault::Scheme),
            ("cvv.internal:6379", RedisUrlFault::Scheme),
            ("http://cvv.internal", RedisUrlFault::Scheme),
            ("rediss://user:secret@cvv.internal", RedisUrlFault::Login),
            ("rediss://:secret@cvv.internal", RedisUrlFault::Login),
            ("rediss://", RedisUrlFault::Host),
            ("rediss://:6379", RedisUrlFault::Host),
            ("rediss://a b", RedisUrlFault::Host),
            ("rediss://[::1", RedisUrlFault::Host),
            ("rediss://[::1]x", RedisUrlFault::Host),
            ("rediss://[cvv]", RedisUrlFault::Host),
            ("rediss://cvv:0", RedisUrlFault::Port),
            ("rediss://cvv:65536", RedisUrlFault::Port),
            ("rediss://cvv:+1", RedisUrlFault::Port),
            ("rediss://::1", RedisUrlFault::Port),
            ("rediss://cvv/x", RedisUrlFault::Database),
            ("rediss://cvv/1024", RedisUrlFault::Database),
            ("rediss://cvv/#insecure", RedisUrlFault::Options),
            ("rediss://cvv/?protocol=resp3", RedisUrlFault::Options),
        ] {
            assert_eq!(RedisUrl::parse(text), Err(fault), "{text}");
            assert!(!fault.to_string().contains("secret"));
        }
    }

    #[test]
    fn loopback_is_known() {
        let is_loopback = |text| RedisUrl::parse(text).unwrap().is_loopback();
        assert!(
            is_loopback("redis://127.0.0.9")
                && is_loopback("redis://[::1]")
                && is_loopback("redis://localhost")
        );
        assert!(!is_loopback("redis://10.0.0.1") && !is_loopback("redis://localhost.example"));
    }
}
