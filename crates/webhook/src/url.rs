use core::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::Uri;
use http::uri::Scheme;

use crate::limits::URL_BYTES_MAX;

/// Where a webhook goes to, read once and used as it was given.
///
/// Its texts are secrets of whoever chose them, as far as path and query go: shops put a key there that tells them who calls. So it
/// has no `Display`; [`WebhookUrl::origin`] is what may be logged.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    pub(crate) encrypted: bool,
    pub(crate) host: Host,
    pub(crate) port: u16,
    /// Host, and the port where one was given: the `Host` header.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) target: String,
}

/// A host as a URL names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// By name.
    Name(String),
    /// By address.
    Address(IpAddr),
}

/// Why a text is not the URL of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum UrlFault {
    #[error("must be an http or https URL of at most {URL_BYTES_MAX} bytes")]
    Malformed,
    #[error("must have no user name or password in it")]
    UserInfo,
    #[error("must have no fragment (#)")]
    Fragment,
    #[error("must name its host by a name, or by an address in the usual notation")]
    Host,
    #[error("must be https: plain http is for addresses that webhook_allow names")]
    NotEncrypted,
    #[error("must not name a private, local or reserved address, unless webhook_allow names it")]
    AddressRefused,
}

impl WebhookUrl {
    /// Reads a URL. Nothing is looked up, and nothing is said about its address: [`AddressPolicy::accepts`](crate::AddressPolicy::accepts)
    /// does that.
    pub fn parse(text: &str) -> Result<Self, UrlFault> {
        // What others read in other ways: spaces, line ends, other alphabets, and the backslash that browsers take for a slash.
        if text.len() > URL_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(UrlFault::Malformed);
        }
        if text.contains('#') {
            return Err(UrlFault::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_| UrlFault::Malformed)?;
        let encrypted = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(_) | None => return Err(UrlFault::Malformed),
        };
        let authority = uri.authority().ok_or(UrlFault::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(UrlFault::UserInfo);
        }
        // A colon without a number behind it is read as none by some and as port 0 by others.
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => {
                if encrypted {
                    443
                } else {
                    80
                }
            }
            Some(_) => authority.port_u16().filter(|port| *port > 0).ok_or(UrlFault::Malformed)?,
            None => return Err(UrlFault::Malformed),
        };
        let host = host(authority.host()).ok_or(UrlFault::Host)?;
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        // `https://shop.example?key=…` has no path; one is sent.
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Self { encrypted, host, port, authority: authority.as_str().to_owned(), target })
    }

    /// What it names, and by which number it is connected to.
    pub const fn host(&self) -> (&Host, u16) {
        (&self.host, self.port)
    }

    /// Host and port as they are connected to, however they are written: what is called by one of these shares a receiver.
    pub fn lane(&self) -> String {
        match &self.host {
            Host::Name(name) => format!("{name}:{}", self.port),
            Host::Address(address) => SocketAddr::new(address.to_canonical(), self.port).to_string(),
        }
    }

    /// Scheme, host and port: the part of it that is no secret.
    pub fn origin(&self) -> String {
        let scheme = if self.encrypted { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

fn host(text: &str) -> Option<Host> {
    if let Some(inside) = text.strip_prefix('[') {
        let address: Ipv6Addr = inside.strip_suffix(']')?.parse().ok()?;
        return Some(Host::Address(address.into()));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(Host::Address(address.into()));
    }
    let labels: Vec<_> = text.split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    // What ends in a number is taken for an address by resolvers, in octal, in hexadecimal or as one number: no name ends so.
    let last = labels.last()?.to_ascii_lowercase();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    (text.len() <= 253 && labels.iter().all(is_label) && !is_number)
        .then(|| Host::Name(text.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (bool, Host, u16, String, String) {
        let url = WebhookUrl::parse(text).unwrap();
        (url.encrypted, url.host, url.port, url.authority, url.target)
    }

    fn name(text: &str) -> Host {
        Host::Name(text.to_owned())
    }

    #[test]
    fn is_used_as_it_was_given() {
        let shop = || name("shop.example");
        let read = |text| read(text);
        assert_eq!(
            read("https://shop.example/hook?key=a%2Fb&x=1"),
            (true, shop(), 443, "shop.example".into(), "/hook?key=a%2Fb&x=1".into())
        );
        assert_eq!(
            read("http://Shop.Example:8080"),
            (false, shop(), 8080, "Shop.Example:8080".into(), "/".into())
        );
        assert_eq!(read("https://shop.example?key=1").4, "/?key=1");
        assert_eq!(read("https://shop.example/a//b/../c").4, "/a//b/../c");
        assert_eq!(read("https://192.0.2.7/").1, Host::Address([192, 0, 2, 7].into()));
        assert_eq!(read("https://[2001:db8::1]:8443/").1, Host::Address("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn what_may_be_logged_has_no_path_and_no_query() {
        let url = WebhookUrl::parse("https://shop.example:8443/hook/secret?key=secret").unwrap();
        assert_eq!(url.origin(), "https://shop.example:8443");
        assert_eq!(format!("{url:?}"), "https://shop.example:8443");
    }

    /// The bug: one receiver had as many lanes as there are ways to write it, each with connections of its own. Its cause: a lane was
    /// named by the authority as written. Its cure: by the name in lower case, or the address, and the port that is meant.
    #[test]
    fn what_is_one_receiver_is_one_lane() {
        let lane = |text| WebhookUrl::parse(text).unwrap().lane();
        for text in ["https://shop.example/a", "https://Shop.EXAMPLE:443/b", "http://shop.example:443?c"] {
            assert_eq!(lane(text), "shop.example:443");
        }
        assert_eq!(lane("http://shop.example/"), "shop.example:80");
        assert_eq!(lane("https://[::ffff:1.1.1.1]/"), lane("https://1.1.1.1/"));
        assert_eq!(lane("https://[2001:DB8:0:0::1]:8443/"), "[2001:db8::1]:8443");
    }

    #[test]
    fn refuses_what_others_may_read_in_another_way() {
        use UrlFault::{Fragment, Host, Malformed, UserInfo};
        for (text, fault) in [
            ("", Malformed),
            ("shop.example/hook", Malformed),
            ("/hook", Malformed),
            ("ftp://shop.example/", Malformed),
            ("file:///etc/passwd", Malformed),
            ("https:///hook", Malformed),
            ("https://shop.example/a b", Malformed),
            ("https://shop.example/\r\nX: y", Malformed),
            ("https://shop.example\\@127.0.0.1/", Malformed),
            ("https://shöp.example/", Malformed),
            ("https://１２７.0.0.1/", Malformed),
            ("https://shop.example:0/", Malformed),
            ("https://shop.example:/", Malformed),
            ("https://shop.example:65536/", Malformed),
            ("https://shop.example/#@127.0.0.1", Fragment),
            ("https://user:password@shop.example/", UserInfo),
            ("https://shop.example@127.0.0.1/", UserInfo),
            ("https://2130706433/", Host),
            ("https://0x7f000001/", Host),
            ("https://0x7f.0.0.1/", Host),
            ("https://127.0.0.0x1/", Host),
            ("https://127.1/", Host),
            ("https://0177.0.0.1/", Host),
            ("https://127.0.0.1./", Host),
            ("https://127.0.0.1.example.7/", Host),
            ("https://shop.example./", Host),
            ("https://shop..example/", Host),
            ("https://%3127.0.0.1/", Malformed),
            ("https://shop.example%00.evil.example/", Malformed),
            ("https://[fe80::1%25eth0]/", Host),
            ("https://[::127.0.0.1.1]/", Host),
        ] {
            assert_eq!(WebhookUrl::parse(text).map(|_| ()).unwrap_err(), fault, "{text}");
        }
    }

    #[test]
    fn is_of_bounded_length() {
        let of = |bytes: usize| format!("https://shop.example/{}", "x".repeat(bytes - 21));
        assert!(WebhookUrl::parse(&of(URL_BYTES_MAX)).is_ok());
        assert!(WebhookUrl::parse(&of(URL_BYTES_MAX + 1)).is_err());
    }
}
