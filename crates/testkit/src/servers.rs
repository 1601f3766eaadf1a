//! Servers that tests start: PostgreSQL, alone and under Patroni, Redis, PgBouncer and HAProxy, as Debian packages them, Valkey, OpenBao and
//! a fake of AWS (moto) as packages of Python have them.
//!
//! Each runs as an ordinary user, on a port of the loopback address, in a directory of its own, and ends with its value or with the process that
//! started it, whichever is first. No service of the system is touched. One that is not installed fails the test, and says what installs it.

mod bao;
mod etcd;
mod haproxy;
mod moto;
mod network;
mod patroni;
mod pgbouncer;
mod port;
mod postgres;
mod program;
mod redis;

pub use self::bao::Bao;
pub use self::haproxy::HaProxy;
pub use self::moto::Moto;
pub use self::network::{Flow, Network};
pub use self::patroni::Patroni;
pub use self::pgbouncer::PgBouncer;
pub use self::port::free_port;
pub use self::postgres::{Postgres, PostgresDatabase, PostgresOptions, PostgresVersion};
pub use self::redis::{Redis, RedisKind, RedisOptions};

/// What a server shows to its clients.
#[derive(Clone)]
pub struct ServerCertificate {
    /// The certificate, and those between it and its root.
    pub certificate_pem: String,
    /// Its private key.
    pub key_pem: String,
}
