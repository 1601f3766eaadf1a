use std::path::Path;

use panvault_store_postgres::{ConnectError, Database, Password, PostgresSettings, PostgresUrl};
use panvault_testkit::servers::{Postgres, PostgresOptions, ServerCertificate};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::support::block_on;

/// An authority, and a file with its certificate.
fn authority(directory: &Path, name: &str) -> Issuer<'static, KeyPair> {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    std::fs::write(directory.join(name), authority.self_signed(&key).unwrap().pem()).unwrap();
    Issuer::new(authority, key)
}

/// Who answers is looked at as `sslmode` says, in the words of libpq.
#[test]
fn who_answers_is_looked_at_as_the_mode_says() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, _theirs) = (authority(directory.path(), "ours"), authority(directory.path(), "theirs"));
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &ours).unwrap();
    let tls = ServerCertificate { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() };
    let postgres = Postgres::start_with(&PostgresOptions { tls: Some(tls), ..PostgresOptions::default() });
    let database = postgres.database();
    let tried = |host: &str, parameters: &str| {
        let parameters = parameters.replace("DIR", directory.path().to_str().unwrap());
        let (port, name) = (postgres.port(), &database.name);
        let url =
            PostgresUrl::parse(&format!("postgres://postgres@{host}:{port}/{name}?{parameters}")).unwrap();
        let password = Password::new(database.password.clone().into());
        block_on(async {
            let reached = Database::connect(PostgresSettings::new(url, Some(password))).await?;
            assert!(reached.clock().await.is_ok());
            let plain = "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) \
                         WHERE application_name = 'panvault' AND NOT ssl";
            assert_eq!(postgres.sql("postgres", plain), "0", "{parameters}");
            Ok::<(), ConnectError>(())
        })
    };
    assert_eq!(tried("localhost", "sslrootcert=DIR/ours"), Ok(()));
    assert_eq!(tried("localhost", "sslmode=verify-full&sslrootcert=DIR/ours"), Ok(()));
    assert_eq!(tried("127.0.0.1", "sslmode=verify-ca&sslrootcert=DIR/ours"), Ok(()));
    assert_eq!(tried("127.0.0.1", "sslmode=require"), Ok(()));
    let (unreached, unread) = (Err(ConnectError::Unreachable), Err(ConnectError::Roots));
    assert_eq!(tried("127.0.0.1", "sslmode=verify-full&sslrootcert=DIR/ours"), unreached, "another name");
    assert_eq!(
        tried("localhost", "sslmode=verify-full&sslrootcert=DIR/theirs"),
        unreached,
        "another authority"
    );
    assert_eq!(tried("localhost", "sslmode=verify-ca&sslrootcert=DIR/theirs"), unreached);
    assert_eq!(tried("localhost", "sslmode=verify-full"), unreached, "an authority that nobody knows");
    assert_eq!(tried("localhost", "sslmode=verify-full&sslrootcert=DIR/none"), unread);
    std::fs::write(directory.path().join("empty"), "").unwrap();
    assert_eq!(tried("localhost", "sslmode=verify-full&sslrootcert=DIR/empty"), unread);
}
