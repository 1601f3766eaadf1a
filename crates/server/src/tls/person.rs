use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;

use crate::console::person;

/// Whose a client's certificate is: the common name of its subject, or else its first address of email. Who signed it has looked at neither more
/// closely than at the other.
pub(crate) fn person_named(certificate: &CertificateDer<'_>) -> Option<Arc<str>> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let common = certificate.subject().iter_common_name().find_map(|name| person(name.as_str().ok()?));
    let email = || {
        let names = &certificate.subject_alternative_name().ok()??.value.general_names;
        names.iter().find_map(|name| match name {
            GeneralName::RFC822Name(email) => person(email),
            _ => None,
        })
    };
    common.or_else(email)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    use super::*;

    fn named(common: Option<&str>, email: Option<&str>) -> Option<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if let Some(common) = common {
            params.distinguished_name.push(DnType::CommonName, common);
        }
        let email = email.map(|email| SanType::Rfc822Name(email.try_into().unwrap()));
        params.subject_alt_names = email.into_iter().collect();
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        person_named(made.der()).map(|name| name.to_string())
    }

    #[test]
    fn a_certificate_names_somebody_or_nobody() {
        assert_eq!(named(Some("Ann Other"), Some("ann@shop.example")).as_deref(), Some("Ann Other"));
        assert_eq!(named(None, Some("ann@shop.example")).as_deref(), Some("ann@shop.example"));
        assert_eq!(named(Some(" "), Some("ann@shop.example")).as_deref(), Some("ann@shop.example"));
        assert_eq!(named(Some("4111 1111 1111 1111"), None), None, "no card number comes into the log");
        assert_eq!(named(Some("a\nb"), None), None);
        assert_eq!(named(None, None), None);
    }
}
