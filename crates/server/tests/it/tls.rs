//! TLS from certificate files, read again while the server runs.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use panvault_server::{ServerSettings, Tls};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::Server;

/// Writes a new certificate and its key, and gives the certificate.
fn certify(directory: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(directory.join("cert.pem"), cert.pem()).unwrap();
    fs::write(directory.join("key.pem"), signing_key.serialize_pem()).unwrap();
    cert.der().clone()
}

/// Asks for `/livez`, trusting this certificate only.
fn ask(server: &Server, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
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
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
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
