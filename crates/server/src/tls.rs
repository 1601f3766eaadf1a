use core::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// TLS 1.2 and 1.3 from certificate files that can be read again while the server runs.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: Arc<Current>,
    config: Arc<rustls::ServerConfig>,
}

/// Why certificate files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A file cannot be read, or holds no PEM of the right kind.
    #[error("{} is missing, cannot be read, or holds no certificate or key in PEM", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// Certificate and key do not belong together, or are of a kind that is not supported.
    #[error("the certificate and the key cannot be used together")]
    Pair(#[source] rustls::Error),
}

struct Current(ArcSwap<CertifiedKey>);

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// Reads a certificate chain and its key, both PEM.
    pub fn read(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsFault> {
        let current = Arc::new(Current(ArcSwap::from_pointee(certified(&certificate, &key)?)));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsFault::Pair)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { certificate, key, current, config: Arc::new(config) })
    }

    /// Reads the files again. When they cannot be used, the old ones stay.
    pub fn reload(&self) -> Result<(), TlsFault> {
        let fresh = certified(&self.certificate, &self.key)?;
        self.current.0.store(Arc::new(fresh));
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> tokio_rustls::TlsAcceptor {
        Arc::clone(&self.config).into()
    }
}

fn certified(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsFault> {
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsFault::File { path, source }
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .map_err(fault(certificate))?
        .collect::<Result<_, _>>()
        .map_err(fault(certificate))?;
    if chain.is_empty() {
        let source = rustls_pki_types::pem::Error::Io(io::Error::from(io::ErrorKind::InvalidData));
        return Err(fault(certificate)(source));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(fault(key))?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(TlsFault::Pair)
}
