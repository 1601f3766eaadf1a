//! TLS from certificate files, read again while the server runs.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use panvault_server::{ServerSettings, Tls};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::Server;

/// Writes a new certificate and its key, and gives the certificate.
pub(crate) fn certify(directory: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(directory.join("cert.pem"), cert.pem()).unwrap();
    write_key(&directory.join("key.pem"), &signing_key.serialize_pem());
    cert.der().clone()
}

/// Writes a file that its owner alone can read.
fn write_key(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Asks for `/livez`, trusting this certificate only.
pub(crate) fn ask(server: &Server, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    say(server, trusted, "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

/// Says something whole, and then reads to the end.
fn say(server: &Server, trusted: &CertificateDer<'static>, request: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(server.address)?);
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

#[test]
fn a_new_certificate_is_taken_up_and_a_bad_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let first = certify(directory.path());
    let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    let tls = Arc::new(Tls::read(certificate.clone(), key).unwrap());
    let server = Server::start_with(ServerSettings::default(), Some(Arc::clone(&tls)));
    assert!(ask(&server, &first).unwrap().starts_with("HTTP/1.1 200"));

    let second = certify(directory.path());
    tls.reload().unwrap();
    assert!(ask(&server, &second).unwrap().starts_with("HTTP/1.1 200"));
    assert!(ask(&server, &first).is_err(), "the old one is no longer shown");

    for bad in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        fs::write(&certificate, bad).unwrap();
        assert!(tls.reload().is_err());
        assert!(ask(&server, &second).unwrap().starts_with("HTTP/1.1 200"), "the old one stays");
    }
}

#[test]
fn a_certificate_and_a_foreign_key_are_refused() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certify(one.path());
    certify(other.path());
    assert!(Tls::read(one.path().join("cert.pem"), other.path().join("key.pem")).is_err());
    assert!(Tls::read(one.path().join("none.pem"), one.path().join("key.pem")).is_err());
}

#[test]
fn plain_http_on_a_tls_port_gets_nothing_of_the_api() {
    let directory = tempfile::tempdir().unwrap();
    certify(directory.path());
    let tls = Tls::read(directory.path().join("cert.pem"), directory.path().join("key.pem")).unwrap();
    let server = Server::start_with(ServerSettings::default(), Some(Arc::new(tls)));
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    drop(stream.read_to_end(&mut bytes));
    assert!(!String::from_utf8_lossy(&bytes).contains("HTTP/1.1 200"));
}

/// The bug: a key that everyone could read was taken, and of anything else it was said that a file "is missing, cannot be read, or
/// holds no certificate or key". Its cause: one message for all. Its cure: each fault has its file and what to do, both files are
/// judged before anything is said, and nothing of a file is repeated.
#[test]
fn each_fault_of_the_files_is_named_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let made = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let other = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = authority.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
    let (cert_path, key_path) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    let said = |cert: &[u8], cert_mode: u32, key: &[u8], key_mode: u32| {
        for (path, bytes, mode) in [(&cert_path, cert, cert_mode), (&key_path, key, key_mode)] {
            fs::write(path, bytes).unwrap();
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        Tls::read(cert_path.clone(), key_path.clone()).err().map(|fault| fault.to_string())
    };
    let der = made.cert.der().to_vec();
    let bom = |text: &str| [b"\xef\xbb\xbf", text.as_bytes()].concat();
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIIB\n-----END RSA PRIVATE KEY-----\n";
    let request = "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n";
    let both = format!("{cert}{key}");
    let (c, k) = (cert.as_bytes(), key.as_bytes());
    for (cert, cert_mode, key, key_mode) in [
        (c, 0o644, k, 0o600),
        (c, 0o444, k, 0o400),
        (&bom(&cert), 0o644, &bom(&key), 0o600),
        (cert.replace('\n', "\r\n").as_bytes(), 0o644, key.replace('\n', "\r\n").as_bytes(), 0o600),
        (both.as_bytes(), 0o600, both.as_bytes(), 0o600),
        (format!("{cert}{authority}").as_bytes(), 0o644, k, 0o600),
    ] {
        assert_eq!(said(cert, cert_mode, key, key_mode), None);
    }
    for (cert, cert_mode, key, key_mode, part) in [
        (c, 0o644, k, 0o644, "key.pem can be read or changed by others (mode 0644); run chmod 600 "),
        (c, 0o644, k, 0o640, "(mode 0640); run chmod 600 "),
        (c, 0o644, k, 0o620, "(mode 0620); run chmod 600 "),
        (c, 0o666, k, 0o600, "cert.pem can be changed by others (mode 0666); run chmod go-w "),
        (
            both.as_bytes(),
            0o644,
            k,
            0o600,
            "cert.pem holds a private key beside the certificates, and can be read",
        ),
        (c, 0o644, encrypted.as_bytes(), 0o600, "key.pem is encrypted, "),
        (c, 0o644, old.as_bytes(), 0o600, "key.pem is encrypted, "),
        (c, 0o644, b"", 0o600, "key.pem is empty"),
        (c, 0o644, b"\xff\xfe-\0", 0o600, "key.pem is UTF-16"),
        (
            c,
            0o644,
            c,
            0o600,
            "key.pem holds no private key in PEM, but certificates: are the two settings exchanged?",
        ),
        (
            k,
            0o600,
            k,
            0o600,
            "cert.pem holds no certificate in PEM, but a private key: are the two settings exchanged?",
        ),
        (
            request.as_bytes(),
            0o644,
            k,
            0o600,
            "cert.pem holds no certificate in PEM, but the request for one",
        ),
        (&der, 0o644, k, 0o600, "cert.pem is binary (DER or PKCS #12)"),
        (b"nonsense", 0o644, k, 0o600, "cert.pem holds no certificate in PEM"),
        (&c[..c.len() / 2], 0o644, k, 0o600, "cert.pem is cut or damaged"),
        (c, 0o644, &k[..k.len() / 2], 0o600, "key.pem is cut or damaged"),
        (other.cert.pem().as_bytes(), 0o644, k, 0o600, "cert.pem does not belong to the key in "),
        (authority.as_bytes(), 0o644, k, 0o600, "lacks that of the key: put that one first"),
        (
            format!("{authority}{cert}").as_bytes(),
            0o644,
            k,
            0o600,
            "has the certificate of the key as number 2;",
        ),
        (
            format!("{key}{key}").as_bytes(),
            0o600,
            format!("{key}{key}").as_bytes(),
            0o600,
            "more than one private key",
        ),
        (b"", 0o644, k, 0o644, "key.pem can be read"),
        (b"", 0o644, k, 0o644, "cert.pem is empty"),
    ] {
        let said = said(cert, cert_mode, key, key_mode).unwrap_or_else(|| panic!("taken: {part}"));
        assert!(said.contains(part), "{part}: {said}");
        assert!(!said.contains("MIIB") && !said.contains("nonsense"), "{said}");
    }
    for what in ["is missing", "is not a file"] {
        drop(fs::remove_file(&key_path));
        if what == "is not a file" {
            fs::create_dir(&key_path).unwrap();
        }
        let fault = Tls::read(cert_path.clone(), key_path.clone()).err().unwrap().to_string();
        assert!(fault.contains(what), "{fault}");
    }
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let fault = Tls::read(cert_path, pipe).err().unwrap().to_string();
    assert!(fault.contains("pipe is not a file"), "{fault}");
}

/// A key of root's that a group may read is how packages and volumes of secrets hand it to a server that is not root; a stranger's
/// key is that stranger's to change.
#[test]
fn a_key_of_somebody_else_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    certify(directory.path());
    let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    if std::os::unix::fs::chown(&key, Some(12_345), None).is_err() {
        eprintln!("skipped: giving a file away needs root");
        return;
    }
    let fault = Tls::read(certificate, key).err().unwrap().to_string();
    assert!(fault.contains("belongs to another user") && fault.contains("run chown 0 "), "{fault}");
}

/// As without TLS, a reset destroyed the answer to a body that was too large: see `unread.rs`.
#[test]
fn who_sends_too_much_still_gets_the_answer() {
    let directory = tempfile::tempdir().unwrap();
    let trusted = certify(directory.path());
    let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    let tls = Arc::new(Tls::read(certificate, key).unwrap());
    let server = Server::start_with(ServerSettings::default(), Some(tls));
    let head = "POST /v1/card HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400000\r\n\r\n";
    let said = say(&server, &trusted, &format!("{head}{}", " ".repeat(400_000))).unwrap();
    assert!(said.starts_with("HTTP/1.1 401") && said.contains("\r\nconnection: close\r\n"), "{said}");
}

/// What an assessor is told is what a client finds: each suite that is named is agreed on by whoever offers no other, and no other is.
#[test]
fn what_is_said_to_be_offered_is_what_clients_agree_on() {
    let directory = tempfile::tempdir().unwrap();
    let trusted = certify(directory.path());
    let tls = Tls::read(directory.path().join("cert.pem"), directory.path().join("key.pem")).unwrap();
    let offered = tls.offered();
    let server = Server::start_with(ServerSettings::default(), Some(Arc::new(tls)));
    let (mut agreed, mut versions) = (Vec::new(), Vec::new());
    for suite in rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.cipher_suites = vec![*suite];
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[suite.version()])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = TcpStream::connect(server.address).unwrap();
        let is_agreed = loop {
            match connection.complete_io(&mut stream) {
                Err(_) => break false,
                Ok(_) if !connection.is_handshaking() => break true,
                Ok(_) => {}
            }
        };
        if is_agreed {
            agreed.push(suite.suite().as_str().unwrap().to_owned());
            versions.push(suite.version().version.as_str().unwrap().to_owned());
        }
    }
    // A certificate has one kind of key, and a suite of TLS 1.2 is for one.
    let fit: Vec<_> = offered.suites.iter().filter(|suite| !suite.contains("_RSA_")).cloned().collect();
    assert_eq!(agreed, fit);
    assert!(fit.iter().any(|suite| suite.starts_with("TLS13_")) && fit.len() < offered.suites.len());
    versions.dedup();
    assert_eq!(versions, offered.versions);
    assert!(!offered.groups.is_empty());
}
