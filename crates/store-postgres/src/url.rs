//! Where a database is: `postgres://user@host:port/database?sslmode=verify-full&sslrootcert=FILE`.

use core::fmt;
use core::net::IpAddr;
use std::path::PathBuf;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// How the connection is secured, in the words of libpq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SslMode {
    /// Not at all.
    Disable,
    /// Encrypted, to whoever answers.
    Require,
    /// The certificate is one of the authority's.
    VerifyCa,
    /// And it is this host's.
    VerifyFull,
}

impl SslMode {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// Where a database is, and how the way there is secured. It holds no password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    pub(crate) config: Config,
    pub(crate) mode: SslMode,
    pub(crate) roots: Option<PathBuf>,
    shown: String,
}

/// Why a text is no URL of a database. It repeats nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// It begins otherwise.
    #[error("does not begin with postgres://")]
    Scheme,
    /// It has a password.
    #[error(
        "has a password, which others would read in the list of processes and in logs; put it into a file, and name that"
    )]
    Password,
    /// It cannot be taken apart.
    #[error("is not of the form postgres://user@host:port/database?sslmode=verify-full&sslrootcert=FILE")]
    Form,
    /// It names no user.
    #[error("names no user: postgres://user@host/database")]
    User,
    /// It names no database.
    #[error("names no database: postgres://user@host/database")]
    Name,
    /// A parameter that is not known.
    #[error(
        "has a parameter that is none of sslmode, sslrootcert and target_session_attrs, or has one twice"
    )]
    Parameter,
    /// Any host, or a standby.
    #[error(
        "has a target_session_attrs that is neither read-write nor primary: the vault is written to and read from nowhere else"
    )]
    Target,
    /// `allow` or `prefer`.
    #[error(
        "has an sslmode that goes on without TLS when somebody in between says so; use verify-full, or disable where no TLS is wanted"
    )]
    Downgrade,
    /// Another mode.
    #[error("has an sslmode that is none of disable, require, verify-ca and verify-full")]
    Mode,
    /// `verify-ca` without an authority.
    #[error("has sslmode=verify-ca and no sslrootcert: any certificate that anybody can buy would do")]
    Roots,
    /// An authority without TLS.
    #[error(
        "has sslrootcert and sslmode=disable, with which nobody's certificate is looked at: use verify-full, or leave sslrootcert out"
    )]
    RootsUnused,
    /// A socket of this machine with TLS.
    #[error("names a socket of this machine, over which there is no TLS; say sslmode=disable")]
    Socket,
}

impl PostgresUrl {
    /// Reads a URL. Without `sslmode` it is `verify-full`; without `sslrootcert` that is by the authorities of Mozilla's list.
    pub fn parse(text: &str) -> Result<Self, UrlFault> {
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
        let rest = rest.ok_or(UrlFault::Scheme)?;
        let (place, parameters) =
            rest.split_once('?').map_or((rest, None), |(place, all)| (place, Some(all)));
        let authority = place.split('/').next().unwrap_or_default();
        let (user, _) = authority.rsplit_once('@').ok_or(UrlFault::User)?;
        if user.contains(':') {
            return Err(UrlFault::Password);
        }
        let (mut mode, mut roots, mut target) = (None, None, None);
        for (name, value) in
            parameters.into_iter().flat_map(|all| all.split('&')).filter_map(|one| one.split_once('='))
        {
            match name {
                "sslmode" if mode.is_none() => mode = Some(mode_of(value)?),
                "sslrootcert" if roots.is_none() && !value.contains('%') => {
                    roots = Some(PathBuf::from(value))
                }
                // It is so without it.
                "target_session_attrs" if target.is_none() => match value {
                    "read-write" | "primary" => target = Some(()),
                    _ => return Err(UrlFault::Target),
                },
                "password" => return Err(UrlFault::Password),
                _ => return Err(UrlFault::Parameter),
            }
        }
        if parameters.is_some_and(|all| all.split('&').any(|one| !one.contains('='))) {
            return Err(UrlFault::Form);
        }
        // The library's own words would repeat what was written.
        let config: Config = format!("postgres://{place}").parse().map_err(|_| UrlFault::Form)?;
        if config.get_user().is_none_or(str::is_empty) {
            return Err(UrlFault::User);
        }
        if config.get_dbname().is_none_or(str::is_empty) {
            return Err(UrlFault::Name);
        }
        if config.get_hosts().is_empty() {
            return Err(UrlFault::Form);
        }
        let mode = match mode.unwrap_or(SslMode::VerifyFull) {
            SslMode::Disable if roots.is_some() => return Err(UrlFault::RootsUnused),
            // As libpq does: who names an authority wants it to be looked at.
            SslMode::Require if roots.is_some() => SslMode::VerifyCa,
            mode => mode,
        };
        let is_socket = config.get_hosts().iter().any(|host| match host {
            Host::Tcp(_) => false,
            Host::Unix(_) => true,
        });
        if is_socket && mode != SslMode::Disable {
            return Err(UrlFault::Socket);
        }
        if mode == SslMode::VerifyCa && roots.is_none() {
            return Err(UrlFault::Roots);
        }
        let shown = format!("postgres://{place}?sslmode={}", mode.as_str());
        Ok(Self { config, mode, roots, shown })
    }

    /// Whether what is sent can be read on the way: it goes to another machine, and without TLS.
    pub fn is_plain(&self) -> bool {
        self.mode == SslMode::Disable && !self.config.get_hosts().iter().all(is_here)
    }

    /// Whether whoever answers is taken for the database without a look at its certificate.
    pub fn is_unverified(&self) -> bool {
        self.mode == SslMode::Require
    }
}

/// Whether it is surely this machine.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
            name == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

fn mode_of(text: &str) -> Result<SslMode, UrlFault> {
    Ok(match text {
        "disable" => SslMode::Disable,
        "require" => SslMode::Require,
        "verify-ca" => SslMode::VerifyCa,
        "verify-full" => SslMode::VerifyFull,
        "allow" | "prefer" => return Err(UrlFault::Downgrade),
        _ => return Err(UrlFault::Mode),
    })
}

/// The place and the mode: there is no password in it.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.shown)
    }
}

/// As it is shown.
impl fmt::Debug for PostgresUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> UrlFault {
        PostgresUrl::parse(text).unwrap_err()
    }

    #[test]
    fn tls_is_verified_unless_said_otherwise() {
        for text in [
            "postgres://vault@db.example/panvault",
            "postgresql://vault@db.example:5433/panvault?sslrootcert=/etc/ca.pem",
        ] {
            assert_eq!(PostgresUrl::parse(text).unwrap().mode, SslMode::VerifyFull, "{text}");
        }
        let plain = PostgresUrl::parse("postgres://vault@127.0.0.1/panvault?sslmode=disable").unwrap();
        assert!(!plain.is_plain(), "it stays on this machine");
        for (place, is_plain) in [
            ("localhost", false),
            ("[::1]", false),
            ("%2Frun%2Fpostgresql", false),
            ("db.example", true),
            ("10.0.0.1", true),
            ("localhost,db.example", true),
        ] {
            let url = format!("postgres://vault@{place}/panvault?sslmode=disable");
            assert_eq!(PostgresUrl::parse(&url).unwrap().is_plain(), is_plain, "{place}");
        }
        assert_eq!(plain.to_string(), "postgres://vault@127.0.0.1/panvault?sslmode=disable");
        assert!(PostgresUrl::parse("postgres://vault@db/panvault?sslmode=require").unwrap().is_unverified());
        assert_eq!(
            PostgresUrl::parse("postgres://vault@db/p?sslmode=verify-ca&sslrootcert=/ca.pem").unwrap().roots,
            Some(PathBuf::from("/ca.pem"))
        );
        let several = PostgresUrl::parse("postgres://vault@one:5432,two:5433/panvault").unwrap();
        assert_eq!(several.config.get_hosts().len(), 2);
        // As libpq takes it: who copies it here gets what it says.
        for target in ["read-write", "primary"] {
            let url = format!("postgres://vault@one,two/panvault?target_session_attrs={target}");
            assert_eq!(PostgresUrl::parse(&url).unwrap().config.get_hosts().len(), 2);
        }
        assert!(PostgresUrl::parse("postgres://vault@%2Frun%2Fpostgresql/panvault?sslmode=disable").is_ok());
    }

    /// An authority that was named was not looked at with `require`, and anybody's certificate would do.
    #[test]
    fn an_authority_that_is_named_is_looked_at() {
        let url = PostgresUrl::parse("postgres://vault@db/p?sslmode=require&sslrootcert=/ca.pem").unwrap();
        assert_eq!((url.mode, url.is_unverified()), (SslMode::VerifyCa, false));
        assert_eq!(url.to_string(), "postgres://vault@db/p?sslmode=verify-ca");
        assert_eq!(
            refused("postgres://vault@db/p?sslrootcert=/ca.pem&sslmode=disable"),
            UrlFault::RootsUnused
        );
    }

    #[test]
    fn what_is_no_url_is_refused_and_not_repeated() {
        for (text, fault) in [
            ("mysql://vault@db/panvault", UrlFault::Scheme),
            ("postgres://vault:hunter2@db/panvault", UrlFault::Password),
            ("postgres://vault@db/panvault?password=hunter2", UrlFault::Password),
            ("postgres://db/panvault", UrlFault::User),
            ("postgres://@db/panvault", UrlFault::User),
            ("postgres://vault@db", UrlFault::Name),
            ("postgres://vault@db:port/panvault", UrlFault::Form),
            ("postgres://vault@/panvault", UrlFault::Form),
            ("postgres://vault@db/panvault?sslmode", UrlFault::Form),
            ("postgres://vault@db/panvault?sslmode=prefer", UrlFault::Downgrade),
            ("postgres://vault@db/panvault?sslmode=allow", UrlFault::Downgrade),
            ("postgres://vault@db/panvault?sslmode=full", UrlFault::Mode),
            ("postgres://vault@db/panvault?sslmode=verify-ca", UrlFault::Roots),
            ("postgres://vault@db/panvault?options=-c%20x", UrlFault::Parameter),
            ("postgres://vault@one,two/panvault?target_session_attrs=any", UrlFault::Target),
            ("postgres://vault@one,two/panvault?target_session_attrs=prefer-standby", UrlFault::Target),
            ("postgres://vault@db/panvault?sslmode=require&sslmode=disable", UrlFault::Parameter),
            ("postgres://vault@%2Frun%2Fpostgresql/panvault", UrlFault::Socket),
        ] {
            let refused = refused(text);
            assert_eq!(refused, fault, "{text}");
            assert!(!refused.to_string().contains("hunter2"), "{text}");
        }
    }
}
