use core::net::IpAddr;

use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;

/// The first name of a certificate that stands for one host, or else its first address as it stands in a URL.
pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let names = &certificate.subject_alternative_name().ok()??.value.general_names;
    let host = names.iter().find_map(|name| match name {
        GeneralName::DNSName(name) if is_host(name) => Some((*name).to_owned()),
        _ => None,
    });
    host.or_else(|| names.iter().find_map(address))
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
    fn a_host_is_named_and_a_wildcard_is_not() {
        for (names, expected) in [
            (vec!["*.example.com", "vault.example.com", "other.example.com"], Some("vault.example.com")),
            (vec!["*.example.com"], None),
            (vec!["127.0.0.1", "localhost"], Some("localhost")),
            (vec!["127.0.0.1"], Some("127.0.0.1")),
            (vec!["::1"], Some("[::1]")),
        ] {
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            let made = rcgen::generate_simple_self_signed(names.clone()).unwrap();
            assert_eq!(of(made.cert.der()).as_deref(), expected, "{names:?}");
        }
    }
}
