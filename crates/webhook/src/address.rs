use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use panvault_model::DeliveryFault;

use crate::url::{Host, UrlFault, WebhookUrl};

/// Which addresses are called: those that the internet routes to, and those that the operator names.
///
/// Of IPv6 everything is refused that is not global unicast (2000::/3), and in it what is set apart or carries an IPv4 address: what the
/// registry of IANA will add is refused before anybody hears of it.
#[derive(Clone, Debug, Default)]
pub struct AddressPolicy {
    allowed: Vec<Network>,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an address or a network, such as 10.1.2.3, 10.1.0.0/16 or fd00::/8, without bits behind its prefix"
)]
pub struct NetworkFault;

#[derive(Clone, Copy, Debug)]
struct Network {
    /// IPv4 is mapped into IPv6.
    address: u128,
    prefix: u32,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u32) -> (Ipv4Addr, u32) {
    (Ipv4Addr::new(a, b, c, d), prefix)
}

/// IANA IPv4 Special-Purpose Address Registry, multicast and the reserved class E; what is globally reachable in the registry and
/// still no place for a receiver (anycast of protocols) is left in.
const REFUSED_V4: &[(Ipv4Addr, u32)] = &[
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 31, 196, 0, 24),
    v4(192, 52, 193, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(192, 175, 48, 0, 24),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

const fn v6(a: u16, b: u16, prefix: u32) -> (Ipv6Addr, u32) {
    (Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
}

const GLOBAL_UNICAST: (Ipv6Addr, u32) = v6(0x2000, 0, 3);

/// In global unicast: protocols and Teredo, documentation, 6to4, direct delegation of AS112, documentation again.
const REFUSED_V6: &[(Ipv6Addr, u32)] = &[
    v6(0x2001, 0, 23),
    v6(0x2001, 0xdb8, 32),
    v6(0x2002, 0, 16),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48),
    v6(0x3fff, 0, 20),
];

impl AddressPolicy {
    /// The public internet and these addresses and networks, which plain HTTP may go to as well.
    pub fn allowing<'a>(allowed: impl IntoIterator<Item = &'a str>) -> Result<Self, NetworkFault> {
        let allowed = allowed.into_iter().map(|text| Network::parse(text).ok_or(NetworkFault));
        Ok(Self { allowed: allowed.collect::<Result<_, _>>()? })
    }

    /// Whether it allows more than the public internet.
    pub const fn is_widened(&self) -> bool {
        !self.allowed.is_empty()
    }

    /// Whether a URL may be stored: what can be said of it without looking anything up.
    pub fn accepts(&self, url: &WebhookUrl) -> Result<(), UrlFault> {
        match &url.host {
            Host::Address(address) => self.judge(*address, url.encrypted).map_err(|fault| match fault {
                DeliveryFault::NotEncrypted => UrlFault::NotEncrypted,
                DeliveryFault::Unresolved
                | DeliveryFault::AddressRefused
                | DeliveryFault::NotConnected
                | DeliveryFault::Tls
                | DeliveryFault::TimedOut
                | DeliveryFault::Unreadable
                | DeliveryFault::Redirected
                | DeliveryFault::Refused
                | DeliveryFault::Url
                | DeliveryFault::Unsigned => UrlFault::AddressRefused,
            }),
            Host::Name(_) if !url.encrypted && self.allowed.is_empty() => Err(UrlFault::NotEncrypted),
            Host::Name(_) => Ok(()),
        }
    }

    /// Whether an address may be connected to.
    pub(crate) fn judge(&self, address: IpAddr, encrypted: bool) -> Result<(), DeliveryFault> {
        if self.allowed.iter().any(|network| network.has(address)) {
            return Ok(());
        }
        if !is_public(address) {
            return Err(DeliveryFault::AddressRefused);
        }
        if encrypted { Ok(()) } else { Err(DeliveryFault::NotEncrypted) }
    }
}

fn is_public(address: IpAddr) -> bool {
    // `::ffff:a.b.c.d` is the IPv4 address in it for every socket.
    match address.to_canonical() {
        IpAddr::V4(address) => !REFUSED_V4.iter().any(|(network, prefix)| {
            Network::new((*network).into(), *prefix).is_some_and(|refused| refused.has(address.into()))
        }),
        IpAddr::V6(address) => {
            let is_in = |(network, prefix): (Ipv6Addr, u32)| {
                Network::new(network.into(), prefix).is_some_and(|found| found.has(address.into()))
            };
            is_in(GLOBAL_UNICAST) && !REFUSED_V6.iter().copied().any(is_in)
        }
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => {
                let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
                (address, Some(prefix.parse().ok().filter(|_| digits)?))
            }
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        Self::new(address, prefix.unwrap_or(whole))
    }

    /// `None` when the prefix is too long, or bits behind it are set.
    fn new(address: IpAddr, prefix: u32) -> Option<Self> {
        let prefix = match address {
            IpAddr::V4(_) if prefix <= 32 => prefix + 96,
            IpAddr::V6(_) if prefix <= 128 => prefix,
            IpAddr::V4(_) | IpAddr::V6(_) => return None,
        };
        let network = Self { address: mapped(address), prefix };
        (network.address & !network.mask() == 0).then_some(network)
    }

    fn has(self, address: IpAddr) -> bool {
        mapped(address) & self.mask() == self.address
    }

    const fn mask(self) -> u128 {
        match u128::MAX.checked_shl(128 - self.prefix) {
            Some(mask) => mask,
            None => 0,
        }
    }
}

const fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(policy: &AddressPolicy, address: &str) -> Result<(), DeliveryFault> {
        policy.judge(address.parse().unwrap(), true)
    }

    #[test]
    fn what_is_not_of_the_internet_is_refused() {
        let policy = AddressPolicy::default();
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.170",
            "192.0.2.1",
            "192.168.1.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a00:1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2001:20::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ] {
            assert_eq!(judged(&policy, address), Err(DeliveryFault::AddressRefused), "{address}");
        }
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "2001:200::1",
            "2606:4700::1111",
            "2a00:1450::1",
        ] {
            assert_eq!(judged(&policy, address), Ok(()), "{address}");
        }
    }

    #[test]
    fn what_the_operator_names_is_called_plainly_too() {
        let policy = AddressPolicy::allowing(["127.0.0.1", "10.1.0.0/16", "fd00::/8"]).unwrap();
        for address in ["127.0.0.1", "::ffff:127.0.0.1", "10.1.255.255", "fdff::1"] {
            assert_eq!(policy.judge(address.parse().unwrap(), false), Ok(()), "{address}");
        }
        for address in ["127.0.0.2", "10.2.0.0", "fc00::1", "::1"] {
            assert_eq!(judged(&policy, address), Err(DeliveryFault::AddressRefused), "{address}");
        }
        assert_eq!(policy.judge([1, 1, 1, 1].into(), false), Err(DeliveryFault::NotEncrypted));
        for (whole, some) in [("0.0.0.0/0", "10.0.0.1"), ("::/0", "fe80::1")] {
            assert_eq!(judged(&AddressPolicy::allowing([whole]).unwrap(), some), Ok(()), "{whole}");
        }
    }

    #[test]
    fn a_network_is_written_without_bits_behind_its_prefix() {
        for text in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.1/8",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "localhost",
            "10/8",
            "fd00::1/8",
            "0.0.0.0/0/0",
        ] {
            assert_eq!(AddressPolicy::allowing([text]).map(|_| ()), Err(NetworkFault), "{text}");
        }
    }

    #[test]
    fn a_url_is_judged_before_it_is_stored_as_far_as_it_can_be() {
        let accepts = |policy: &AddressPolicy, text: &str| policy.accepts(&WebhookUrl::parse(text).unwrap());
        let (none, local) = (AddressPolicy::default(), AddressPolicy::allowing(["127.0.0.0/8"]).unwrap());
        for (text, strict, allowing) in [
            ("https://shop.example/", Ok(()), Ok(())),
            ("http://shop.example/", Err(UrlFault::NotEncrypted), Ok(())),
            ("http://127.0.0.1:8000/", Err(UrlFault::AddressRefused), Ok(())),
            ("https://10.0.0.1/", Err(UrlFault::AddressRefused), Err(UrlFault::AddressRefused)),
            ("http://1.1.1.1/", Err(UrlFault::NotEncrypted), Err(UrlFault::NotEncrypted)),
            ("https://1.1.1.1/", Ok(()), Ok(())),
        ] {
            assert_eq!((accepts(&none, text), accepts(&local, text)), (strict, allowing), "{text}");
        }
    }
}
