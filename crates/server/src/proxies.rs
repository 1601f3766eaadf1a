use core::str::FromStr;
use std::net::{IpAddr, Ipv4Addr};

use http::HeaderMap;
use http::header::HeaderName;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose word is taken for whose request they pass on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    /// Of IPv4 the mapped one (RFC 4291, section 2.5.5.2).
    bits: u128,
    prefix: u32,
}

/// A list of proxies that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotNetworks;

impl FromStr for TrustedProxies {
    type Err = NotNetworks;

    /// Addresses and networks (`192.0.2.0/24`, `2001:db8::/32`), with commas between them.
    fn from_str(text: &str) -> Result<Self, NotNetworks> {
        let names = text.split(',').map(str::trim);
        let named = names.filter(|name| !name.is_empty() || text.contains(','));
        named.map(Network::parse).collect::<Option<_>>().map(Self).ok_or(NotNetworks)
    }
}

impl TrustedProxies {
    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who sends a request: whoever is connected; or, where that is a trusted proxy, the last of `X-Forwarded-For` that is none. What is before
    /// that is the client's own word.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        if self.is_empty() || !self.has(peer) {
            return client;
        }
        let values: Vec<&str> =
            headers.get_all(&FORWARDED_FOR).iter().map(|value| value.to_str().unwrap_or_default()).collect();
        for hop in values.iter().rev().flat_map(|value| value.rsplit(',')) {
            let Ok(hop) = hop.trim().parse() else { return client };
            client = hop;
            if !self.has(client) {
                return client;
            }
        }
        client
    }

    /// Whether all addresses of a family are among them.
    pub(crate) fn has_all(&self) -> bool {
        let unused = bits(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        self.0.iter().any(|network| network.prefix == 0 || (network.prefix == 96 && network.bits == unused))
    }

    pub(crate) fn has(&self, address: IpAddr) -> bool {
        let bits = bits(address);
        self.0.iter().any(|network| network.cut(bits) == network.bits)
    }
}

impl Network {
    fn parse(name: &str) -> Option<Self> {
        let (address, prefix) = name.split_once('/').map_or((name, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().ok()?;
        let unused = if address.is_ipv4() { 96 } else { 0 };
        let prefix = match prefix {
            Some(prefix) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => {
                prefix.parse::<u32>().ok()?.checked_add(unused).filter(|prefix| *prefix <= 128)?
            }
            Some(_) => return None,
            None => 128,
        };
        let network = Self { bits: bits(address), prefix };
        // Bits beyond the prefix are a slip of the pen.
        (network.cut(network.bits) == network.bits).then_some(network)
    }

    fn cut(&self, bits: u128) -> u128 {
        let rest = 128_u32.saturating_sub(self.prefix);
        bits & u128::MAX.checked_shl(rest).unwrap_or(0)
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Headers that any client or proxy sends for reasons of its own, and those of this API. From a proxy that passes them on, each would make a person of
/// whoever sends it. Most are of the registry of HTTP field names (IANA).
const OF_CLIENTS: [&str; 62] = [
    "a-im",
    "alt-used",
    "authorization",
    "baggage",
    "cache-control",
    "cdn-loop",
    "client-ip",
    "connection",
    "cookie",
    "cookie2",
    "date",
    "depth",
    "destination",
    "device-memory",
    "dnt",
    "downlink",
    "dpr",
    "early-data",
    "ect",
    "expect",
    "forwarded",
    "from",
    "host",
    "http2-settings",
    "idempotency-key",
    "keep-alive",
    "last-event-id",
    "lock-token",
    "max-forwards",
    "mime-version",
    "origin",
    "overwrite",
    "ping-from",
    "ping-to",
    "pragma",
    "prefer",
    "priority",
    "purpose",
    "range",
    "referer",
    "refresh",
    "request-id",
    "rtt",
    "save-data",
    "service-worker",
    "te",
    "timeout",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
    "viewport-width",
    "warning",
    "width",
    "x-api-key",
    "x-apikey",
    "x-client-ip",
    "x-real-ip",
    "x-requested-with",
];
/// Beginnings of such names.
const OF_CLIENTS_BEGIN: [&str; 20] = [
    "accept",
    "access-control-",
    "cf-connecting-",
    "content-",
    "if-",
    "proxy-",
    "sec-",
    "trace",
    "x-amzn-trace-",
    "x-b3-",
    "x-correlation-",
    "x-csrf",
    "x-envoy-",
    "x-http-method",
    "x-method-",
    "x-original-",
    "x-request-",
    "x-rewrite-",
    "x-vfi-api-",
    "x-xsrf",
];
/// What proxies call people by among the headers that say how a request was forwarded.
const FORWARDED: &str = "x-forwarded-";
const FORWARDED_PEOPLE: [&str; 3] = ["user", "email", "preferred-username"];

/// Whether a header, in lower case, can be one in which a proxy names who has signed in.
pub(crate) fn header_names_people(name: &str) -> bool {
    if let Some(what) = name.strip_prefix(FORWARDED) {
        return FORWARDED_PEOPLE.contains(&what);
    }
    !OF_CLIENTS.contains(&name) && !OF_CLIENTS_BEGIN.iter().any(|beginning| name.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(proxies: &str, peer: &str, forwarded: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(&FORWARDED_FOR, http::HeaderValue::from_static(value));
        }
        let proxies: TrustedProxies = proxies.parse().unwrap();
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_says_who_is_behind_it() {
        let (near, far) = ("10.0.0.0/8,::1", "203.0.113.7");
        assert_eq!(client("", "10.0.0.1", &["203.0.113.7"]), "10.0.0.1");
        assert_eq!(client(near, "198.51.100.1", &["203.0.113.7"]), "198.51.100.1");
        assert_eq!(client(near, "10.0.0.1", &["203.0.113.7"]), far);
        assert_eq!(
            client(near, "::ffff:10.0.0.1", &["203.0.113.7"]),
            far,
            "as a socket of both families names it"
        );
        assert_eq!(client(near, "::1", &["192.0.2.1, 203.0.113.7 , 10.9.9.9"]), far);
        assert_eq!(client(near, "::1", &["192.0.2.1", "203.0.113.7", "10.9.9.9,10.1.1.1"]), far);
        assert_eq!(client(near, "10.0.0.1", &["10.0.0.2,10.0.0.3"]), "10.0.0.2");
        assert_eq!(client(near, "10.0.0.1", &["2001:db8::1"]), "2001:db8::1");
        for unread in [&[][..], &["unknown"], &["203.0.113.7, _hidden"], &["203.0.113.7:80"], &[""]] {
            assert_eq!(client(near, "10.0.0.1", unread), "10.0.0.1", "{unread:?}");
        }
        assert_eq!(client(near, "10.0.0.1", &["203.0.113.7,x,10.0.0.2"]), "10.0.0.2");
    }

    #[test]
    fn a_network_is_written_as_it_is() {
        for good in ["", "192.0.2.1", "192.0.2.0/24", "0.0.0.0/0", "::/0", "2001:db8::/32, 10.0.0.0/8"] {
            assert!(good.parse::<TrustedProxies>().is_ok(), "{good}");
        }
        for bad in [
            ",",
            "192.0.2.1,",
            "192.0.2.1/24",
            "192.0.2.0/33",
            "192.0.2.0/+8",
            "192.0.2.0/",
            "::/129",
            "proxy",
            "192.0.2",
        ] {
            assert_eq!(bad.parse::<TrustedProxies>(), Err(NotNetworks), "{bad}");
        }
    }

    /// The bug: a proxy could be told to name people in `user-agent`, and whoever came through it was a person by the name of their browser. Its cause:
    /// four names were refused. Its cure: all are that clients send.
    #[test]
    fn what_every_client_sends_names_nobody() {
        for name in [
            "x-forwarded-user",
            "x-forwarded-email",
            "x-forwarded-preferred-username",
            "remote-user",
            "x-remote-user",
            "x-auth-request-email",
            "cf-access-authenticated-user-email",
            "x-amzn-oidc-identity",
            "x-goog-authenticated-user-email",
            "x-authentik-username",
            "x-ms-client-principal-name",
            "tailscale-user-login",
            "x-person",
        ] {
            assert!(header_names_people(name), "{name}");
        }
        for name in [
            "user-agent",
            "accept",
            "accept-language",
            "authorization",
            "proxy-authorization",
            "connection",
            "content-type",
            "cookie",
            "expect",
            "forwarded",
            "from",
            "host",
            "idempotency-key",
            "if-none-match",
            "origin",
            "referer",
            "sec-fetch-site",
            "traceparent",
            "via",
            "x-api-key",
            "x-apikey",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-users",
            "x-original-url",
            "x-real-ip",
            "x-request-id",
            "x-vfi-api-idempotencykey",
        ] {
            assert!(!header_names_people(name), "{name}");
        }
    }
}
