use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::address::Address;
use crate::fault::Fault;
use crate::limits::CERTIFICATES_BYTES_MAX;

/// Reads a file with a secret, which others may not read; in words what is wrong with it, and never what is in it.
pub type ReadSecret = fn(&Path) -> Result<Zeroizing<String>, String>;

/// By what the other side is known, and this one. The files are read for each connection.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Certificates that it is known by, PEM; `None` for those of the public authorities.
    pub ca_file: Option<PathBuf>,
    /// The name that its certificate is for, where that is not its address.
    pub server_name: Option<String>,
    /// The certificate, with those that lead to its authority, and the key that this side is known by, PEM.
    pub client: Option<(PathBuf, PathBuf)>,
    /// How the key is read.
    pub read_secret: ReadSecret,
}

impl Tls {
    /// What connects, and the name that the certificate must be for.
    pub(crate) fn connector(
        &self,
        address: &Address,
        protocols: Vec<Vec<u8>>,
    ) -> Result<(TlsConnector, ServerName<'static>), Fault> {
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| Fault::Unreached("no version of TLS can be used"))?
            .with_root_certificates(self.roots()?);
        let mut config = match &self.client {
            None => config.with_no_client_auth(),
            Some((certificate_file, key_file)) => {
                let certificates = certificates(certificate_file)?;
                let pem = (self.read_secret)(key_file).map_err(Fault::File)?;
                let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
                    .map_err(|_| unread(key_file, "has no private key in it, as PEM"))?;
                config
                    .with_client_auth_cert(certificates, key)
                    .map_err(|_| unread(certificate_file, "is not the certificate of the key beside it"))?
            }
        };
        config.alpn_protocols = protocols;
        let name = match &self.server_name {
            Some(name) => ServerName::try_from(name.clone()).ok(),
            None => address.server_name(),
        };
        let name = name.ok_or(Fault::Unreached("its name is none of a server"))?;
        Ok((TlsConnector::from(Arc::new(config)), name))
    }

    fn roots(&self) -> Result<RootCertStore, Fault> {
        let Some(file) = &self.ca_file else {
            return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
        };
        let mut store = RootCertStore::empty();
        for certificate in certificates(file)? {
            store.add(certificate).map_err(|_| unread(file, "has a certificate that cannot be trusted"))?;
        }
        Ok(store)
    }
}

/// The certificates in a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let mut pem = Vec::new();
    let file =
        File::open(path).map_err(|error| unread(path, &format!("cannot be read: {}", error.kind())))?;
    file.take(CERTIFICATES_BYTES_MAX).read_to_end(&mut pem).map_err(|_| unread(path, "cannot be read"))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|_| unread(path, "is not PEM"))?;
    if certificates.is_empty() { Err(unread(path, "has no certificate in it")) } else { Ok(certificates) }
}

fn unread(path: &Path, what: &str) -> Fault {
    Fault::File(format!("the file {} {what}", path.display()))
}

/// What is wrong with the other end of TLS.
pub(crate) fn untrusted(error: &io::Error) -> Fault {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return Fault::Unreached("the connection ended in the handshake of TLS");
    };
    let rustls::Error::InvalidCertificate(fault) = error else {
        return Fault::Unreached("no connection with TLS can be made: they do not agree on how");
    };
    Fault::Unreached(match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired, by the clock of this machine"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet, by the clock of this machine"
        }
        CertificateError::UnknownIssuer => {
            "its certificate is of an issuer that is not trusted: name its authority in the settings"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name"
        }
        _ => "its certificate is not one that can be trusted",
    })
}
