use core::net::IpAddr;

use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;

/// The host that stands in the place of the asterisk of a name for all hosts of a domain.
const HOST: &str = "panvault";

/// A name that clients find a certificate good for: its first that stands for one host, or else its first address as it stands in a URL,
/// a host of its first domain (`panvault.x` of `*.x`), or its common name, which some clients take where there are no other names.
pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let Some(names) = certificate.subject_alternative_name().ok()? else {
        let name = certificate.subject().iter_common_name().next()?.as_str().ok()?;
        return if is_host(name) { Some(name.to_owned()) } else { host_of(name) };
    };
    let names = &names.value.general_names;
    let host = names.iter().find_map(|name| match name {
        GeneralName::DNSName(name) if is_host(name) => Some((*name).to_owned()),
        _ => None,
    });
    let domain = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => host_of(name),
        _ => None,
    };
    host.or_else(|| names.iter().find_map(address)).or_else(|| names.iter().find_map(domain))
}

/// Whether a certificate has no names but its common name, which most clients do not look at.
pub(super) fn is_common_only(certificate: &CertificateDer<'_>) -> bool {
    let parsed = x509_parser::parse_x509_certificate(certificate);
    parsed.is_ok_and(|(_, certificate)| matches!(certificate.subject_alternative_name(), Ok(None)))
}

/// A host that the name of all hosts of a domain stands for.
fn host_of(name: &str) -> Option<String> {
    let domain = name.strip_prefix("*.")?;
    is_host(domain).then(|| format!("{HOST}.{domain}"))
}

/// A certificate is somebody else's text: what is no plain name is none.
fn is_host(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

fn address(name: &GeneralName<'_>) -> Option<String> {
    let GeneralName::IPAddress(bytes) = name else { return None };
    let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
    match v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok()? {
        IpAddr::V4(ip) => Some(ip.to_string()),
        IpAddr::V6(ip) => Some(format!("[{ip}]")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_and_of_a_domain_one_that_it_stands_for() {
        for (names, expected) in [
            (vec!["*.example.com", "vault.example.com", "other.example.com"], Some("vault.example.com")),
            (vec!["*.example.com"], Some("panvault.example.com")),
            (vec!["*.example.com", "127.0.0.1"], Some("127.0.0.1")),
            (vec!["127.0.0.1", "localhost"], Some("localhost")),
            (vec!["127.0.0.1"], Some("127.0.0.1")),
            (vec!["::1"], Some("[::1]")),
        ] {
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            let made = rcgen::generate_simple_self_signed(names.clone()).unwrap();
            assert_eq!(of(made.cert.der()).as_deref(), expected, "{names:?}");
            assert!(!is_common_only(made.cert.der()), "{names:?}");
        }
    }

    #[test]
    fn without_other_names_it_is_the_common_name() {
        for (name, expected) in [
            ("vault.example.com", Some("vault.example.com")),
            ("*.example.com", Some("panvault.example.com")),
            ("My Company; $(x)", None),
        ] {
            let mut params = rcgen::CertificateParams::default();
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            let made = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
            assert_eq!(of(made.der()).as_deref(), expected, "{name}");
            assert!(is_common_only(made.der()), "{name}");
        }
    }
}
