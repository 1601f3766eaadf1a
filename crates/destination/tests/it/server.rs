//! A server that does as it is told, and keeps what it read; and the files that it is known by.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use panvault_destination::Tls;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

/// What it does with a connection.
#[derive(Clone, Copy)]
pub(crate) enum Manner {
    /// Reads until there is nothing more, and ends the connection as TLS has it.
    Read,
    /// The same, and ends the connection without a word.
    ReadAndDrop,
    /// Ends the connection after so many bytes.
    Cut(usize),
    /// Reads nothing.
    Hang,
    /// Writes as long as somebody reads, and reads too.
    Talk,
    /// Reads a request, up to the end of its last line, and writes this.
    Answer(&'static str),
    /// The same, and then goes on writing as long as somebody reads.
    Endless(&'static str),
}

pub(crate) struct Server {
    pub(crate) port: u16,
    came: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    pub(crate) async fn start(manner: Manner, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let came = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&came);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, tls) = (Arc::clone(&kept), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, manner, &kept).await;
                            }
                        }
                        None => serve(stream, manner, &kept).await,
                    }
                });
            }
        });
        Self { port, came }
    }

    /// All that it has read.
    pub(crate) fn came(&self) -> Vec<u8> {
        self.came.lock().unwrap().clone()
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, manner: Manner, came: &Mutex<Vec<u8>>) {
    let mut part = [0; 4096];
    let (until, is_request) = match manner {
        Manner::Read | Manner::ReadAndDrop | Manner::Talk => (usize::MAX, false),
        Manner::Cut(bytes) => (bytes, false),
        Manner::Answer(_) | Manner::Endless(_) => (usize::MAX, true),
        Manner::Hang => core::future::pending().await,
    };
    let mut read_so_far = Vec::new();
    while read_so_far.len() < until {
        if matches!(manner, Manner::Talk) && stream.write_all(&part).await.is_err() {
            return;
        }
        let most = part.len().min(until - read_so_far.len());
        match stream.read(&mut part[..most]).await {
            Ok(read) if read > 0 => read_so_far.extend_from_slice(&part[..read]),
            _ => break,
        }
        if is_request && is_whole(&read_so_far) {
            break;
        }
    }
    came.lock().unwrap().extend_from_slice(&read_so_far);
    match manner {
        Manner::Answer(text) | Manner::Endless(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            while matches!(manner, Manner::Endless(_)) && stream.write_all(&[b'a'; 4096]).await.is_ok() {}
            let _ = stream.shutdown().await;
        }
        Manner::Read => drop(stream.shutdown().await),
        Manner::ReadAndDrop | Manner::Cut(_) | Manner::Talk | Manner::Hang => {}
    }
}

/// Whether a request has the body that its head says.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    body.len() >= length.parse().unwrap()
}

/// An authority, with what it has signed in files.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) directory: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Authorities are told apart by their names.
        params.distinguished_name.push(DnType::CommonName, directory.path().display().to_string());
        fs::write(directory.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), directory }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A certificate and its key, in files.
    pub(crate) fn made_for(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &self.issuer).unwrap();
        let files = (self.file(&format!("{name}.pem")), self.file(&format!("{name}.key")));
        fs::write(&files.0, certificate.pem()).unwrap();
        fs::write(&files.1, key.serialize_pem()).unwrap();
        fs::set_permissions(&files.1, fs::Permissions::from_mode(0o600)).unwrap();
        files
    }

    /// What a server with a certificate for that name speaks TLS by; it asks for a certificate of this authority if `clients`.
    pub(crate) fn serves(&self, name: &str, clients: bool) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = if clients {
            let mut roots = RootCertStore::empty();
            let pem = fs::read(self.file("ca.pem")).unwrap();
            roots.add(rustls_pki_types::pem::PemObject::from_pem_slice(&pem).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            config.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            config.with_no_client_auth()
        };
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    /// By what a client of such a server goes.
    pub(crate) fn tls(&self) -> Tls {
        Tls { ca_file: Some(self.file("ca.pem")), server_name: None, client: None, read_secret }
    }
}

/// As the binary reads secrets: one that others may read is refused.
pub(crate) fn read_secret(path: &std::path::Path) -> Result<Zeroizing<String>, String> {
    let mode = fs::metadata(path).map_err(|_| "the file cannot be read".to_owned())?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err("the file can be read by others".to_owned());
    }
    Ok(Zeroizing::new(fs::read_to_string(path).unwrap()))
}
