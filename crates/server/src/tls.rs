mod name;
mod pem;
mod person;
mod validity;

use core::fmt;
use core::time::Duration;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use panvault_model::Timestamp;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::CertificateDer;
use tokio::sync::watch;

use crate::tls::validity::Times;

pub(crate) use person::person_named;
pub use validity::Validity;

/// TLS 1.2 and 1.3 from certificate files that can be read again while the server runs.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    /// Who signs the certificates that clients must have; `None` where they need none.
    clients: Option<PathBuf>,
    current: Arc<Current>,
    config: ArcSwap<rustls::ServerConfig>,
    /// Counts how often the files were read again.
    reloads: watch::Sender<u64>,
}

/// Versions of TLS that are spoken.
const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// What a listener agrees on with clients, by the names that rustls has for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Versions of TLS.
    pub versions: Vec<String>,
    /// Cipher suites, the preferred first.
    pub suites: Vec<String>,
    /// Groups of the key exchange, the preferred first.
    pub groups: Vec<String>,
}

/// Seconds after which a client shows its certificate again, on another connection.
const CERTIFIED_SECONDS_MAX: u64 = 60;

/// Why certificate files cannot be used: everything that was found, each with its file and what to do; nothing of a file's
/// content.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct TlsFault(Vec<String>);

impl TlsFault {
    /// One text for each fault.
    pub fn faults(&self) -> &[String] {
        &self.0
    }
}

struct Loaded {
    certified: Arc<CertifiedKey>,
    times: Times,
}

struct Current(ArcSwap<Loaded>);

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().certified))
    }
}

impl Tls {
    /// Reads a certificate chain and its key, both PEM. The key must be kept from others.
    pub fn read(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsFault> {
        Self::read_all(certificate, key, None)
    }

    /// The same, for clients that have a certificate which one of those in this file has signed, PEM; others get no answer.
    pub fn read_with_clients(certificate: PathBuf, key: PathBuf, clients: PathBuf) -> Result<Self, TlsFault> {
        Self::read_all(certificate, key, Some(clients))
    }

    fn read_all(certificate: PathBuf, key: PathBuf, clients: Option<PathBuf>) -> Result<Self, TlsFault> {
        let current = Arc::new(Current(ArcSwap::from_pointee(load(&certificate, &key)?)));
        let config = ArcSwap::new(config(&current, clients.as_deref())?);
        Ok(Self { certificate, key, clients, current, config, reloads: watch::Sender::new(0) })
    }

    /// Reads the files again. When they cannot be used, the old ones stay.
    pub fn reload(&self) -> Result<(), TlsFault> {
        let fresh = load(&self.certificate, &self.key)?;
        if self.clients.is_some() {
            // With it goes what was remembered of sessions, so that a certificate of somebody who is trusted no more resumes none.
            self.config.store(config(&self.current, self.clients.as_deref())?);
        }
        self.current.0.store(Arc::new(fresh));
        self.reloads.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Waits until the certificate of a client that connects now has to be shown again: a minute, or less when the files are read again, for it may have
    /// expired, or be of somebody who is trusted no more. For ever, where clients need none.
    pub(crate) fn certificate_stales(&self) -> impl Future<Output = ()> + Send + use<> {
        let (asks, mut reloads) = (self.asks_clients(), self.reloads.subscribe());
        async move {
            if asks {
                drop(
                    tokio::time::timeout(Duration::from_secs(CERTIFIED_SECONDS_MAX), reloads.changed()).await,
                );
            } else {
                core::future::pending::<()>().await;
            }
        }
    }

    /// What it agrees on with clients, as it is configured.
    pub fn offered(&self) -> Offered {
        let config = self.config.load();
        let provider = config.crypto_provider();
        let suites = &provider.cipher_suites;
        let named = |version: &&&SupportedProtocolVersion| {
            suites.iter().any(|suite| suite.version().version == version.version)
        };
        Offered {
            versions: VERSIONS
                .iter()
                .filter(named)
                .filter_map(|version| version.version.as_str().map(str::to_owned))
                .collect(),
            suites: suites.iter().filter_map(|suite| suite.suite().as_str().map(str::to_owned)).collect(),
            groups: provider
                .kx_groups
                .iter()
                .filter_map(|group| group.name().as_str().map(str::to_owned))
                .collect(),
        }
    }

    /// Whether clients must have a certificate.
    pub const fn asks_clients(&self) -> bool {
        self.clients.is_some()
    }

    /// The file of the certificate.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// Whom the certificate is of: its first name that stands for one host, or else its first address, `panvault.x` where it is for `*.x`,
    /// or its common name where it has no other.
    pub fn name(&self) -> Option<String> {
        name::of(self.current.0.load().certified.cert.first()?)
    }

    /// Whether the certificate has no name but its common name (RFC 9525 has clients not look at that, and most do not).
    pub fn is_common_name_only(&self) -> bool {
        self.current.0.load().certified.cert.first().is_some_and(name::is_common_only)
    }

    /// When a certificate of the chain is no longer valid.
    pub fn expires_at(&self) -> Timestamp {
        self.current.0.load().times.until
    }

    /// Whether clients take the certificate that is in use, as far as its times and those of its chain go.
    pub fn validity(&self, now: Timestamp) -> Validity {
        self.current.0.load().times.at(now)
    }

    pub(crate) fn acceptor(&self) -> tokio_rustls::TlsAcceptor {
        self.config.load_full().into()
    }
}

/// What connections are made by.
fn config(current: &Arc<Current>, clients: Option<&Path>) -> Result<Arc<rustls::ServerConfig>, TlsFault> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(VERSIONS)
        .map_err(|error| TlsFault(vec![format!("TLS cannot be set up: {error}")]))?;
    let builder = match clients {
        Some(path) => {
            let fault = |what: &str| TlsFault(vec![format!("{} {what}", path.display())]);
            let mut roots = RootCertStore::empty();
            for root in pem::certificates(path).map_err(|what| fault(&what))? {
                roots.add(root).map_err(|_| fault("holds a certificate that is damaged"))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = verifier.build().map_err(|_| fault("holds no certificate that signs others"))?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::clone(current) as Arc<dyn ResolvesServerCert>);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if clients.is_some() {
        // A session that is taken up again brings the certificate of then, which may have ended or been revoked since: each connection shows it anew.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Arc::new(config))
}

fn load(certificate: &Path, key: &Path) -> Result<Loaded, TlsFault> {
    let of = |path: &Path, what: String| format!("{} {what}", path.display());
    let (chain, key_der) = match (pem::certificates(certificate), pem::key(key)) {
        (Ok(chain), Ok(key)) => (chain, key),
        (chain, key_der) => {
            let faults =
                [chain.err().map(|what| of(certificate, what)), key_der.err().map(|what| of(key, what))];
            return Err(TlsFault(faults.into_iter().flatten().collect()));
        }
    };
    let fault = |path: &Path, what: String| TlsFault(vec![of(path, what)]);
    let times = Times::of(&chain)
        .map_err(|at| fault(certificate, format!("is damaged: number {at} in it is no X.509 certificate")))?;
    let signing = aws_lc_rs::default_provider().key_provider.load_private_key(key_der).map_err(|_| {
        let what = "holds a private key that is damaged, or is neither RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or \
                    P-521, nor Ed25519";
        fault(key, what.to_owned())
    })?;
    match place(&chain, &signing) {
        Some(0) => {}
        Some(at) => {
            let at = at.saturating_add(1);
            return Err(fault(
                certificate,
                format!(
                    "has the certificate of the key as number {at}; put it first, then those that sign it"
                ),
            ));
        }
        None if chain.first().is_some_and(is_authority) => {
            let what =
                "begins with the certificate of an authority and lacks that of the key: put that one first";
            return Err(fault(certificate, what.to_owned()));
        }
        None => {
            let what = format!(
                "does not belong to the key in {}: name the pair that was made together",
                key.display()
            );
            return Err(fault(certificate, what));
        }
    }
    Ok(Loaded { certified: Arc::new(CertifiedKey::new(chain, signing)), times })
}

/// Which certificate of a chain is that of the key. Where the two cannot be compared, the first is taken for it.
fn place(chain: &[CertificateDer<'static>], key: &Arc<dyn SigningKey>) -> Option<usize> {
    if key.public_key().is_none() {
        return Some(0);
    }
    chain.iter().position(|certificate| {
        CertifiedKey::new(vec![certificate.clone()], Arc::clone(key)).keys_match().is_ok()
    })
}

fn is_authority(certificate: &CertificateDer<'_>) -> bool {
    x509_parser::parse_x509_certificate(certificate).is_ok_and(|(_, certificate)| certificate.is_ca())
}
