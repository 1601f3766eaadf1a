//! Whether a page is the vault's own: the frame of a hosted field, or the page for trying.

use std::net::{IpAddr, SocketAddr};

use http::header::{HOST, HeaderName, HeaderValue};
use http::request::Parts;
use panvault_vault::origin_fits;

use crate::console::OfConsole;
use crate::limits::ServerSettings;

/// What a browser says of where a request is from (Fetch Metadata, section 2.4), and no page can write.
static FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether an origin is the vault's own: the one that was set, or else that of the host which the request was sent to. A browser that says how page
/// and vault are related must say that they are the same.
pub(crate) fn is_own(settings: &ServerSettings, parts: &Parts, origin: &HeaderValue) -> bool {
    fetch_sites(parts).all(|site| site == "same-origin")
        && match &settings.public_origin {
            Some(own) => own.as_bytes() == origin.as_bytes(),
            None => origin.to_str().is_ok_and(|origin| {
                host_asked(parts).is_some_and(|host| host_of(origin) == Some(host_without_port(origin, host)))
            }),
        }
}

/// Whether a request without an origin is from a page of the vault: browsers name none where a page reads from where it came.
pub(crate) fn is_from_own(parts: &Parts) -> bool {
    let mut sites = fetch_sites(parts);
    sites.next().is_some_and(|site| site == "same-origin") && sites.next().is_none()
}

/// What a browser says of how the page that asks and the vault are related.
pub(crate) fn fetch_sites(parts: &Parts) -> impl Iterator<Item = &HeaderValue> {
    parts.headers.get_all(&FETCH_SITE).iter()
}

/// Whether a request came by the console's listener, which lets in none of a page but its own.
pub(crate) fn is_of_console(parts: &Parts) -> bool {
    parts.extensions.get::<OfConsole>().is_some()
}

/// Whether a request names this machine by an address, or as every machine calls itself.
pub(crate) fn is_at_this_machine(parts: &Parts) -> bool {
    let Some(host) = host_asked(parts) else { return false };
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    is_address(host) || name.eq_ignore_ascii_case("localhost")
}

/// The host that a request was sent to, with its port where that was named (RFC 9112, section 3.2.2: what the request line says wins).
pub(crate) fn host_asked(parts: &Parts) -> Option<&str> {
    match parts.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => parts.headers.get(HOST).and_then(|host| host.to_str().ok()),
    }
}

/// The vault's own web origin: the one that was set, or else that of the host which the request was sent to. Behind a proxy on this machine nobody has a
/// certificate for the loopback address.
pub(crate) fn base(settings: &ServerSettings, parts: &Parts) -> String {
    match &settings.public_origin {
        Some(own) => own.clone(),
        None => own_origins(settings, parts).into_iter().next().unwrap_or_default(),
    }
}

/// The web origins that may be the vault's own, the likelier first.
pub(crate) fn own_origins(settings: &ServerSettings, parts: &Parts) -> Vec<String> {
    if let Some(own) = &settings.public_origin {
        return vec![own.clone()];
    }
    let Some(host) = host_asked(parts) else { return Vec::new() };
    let is_local = ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|local| host.strip_prefix(local).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')));
    let schemes = if is_local && !settings.has_tls { ["http", "https"] } else { ["https", "http"] };
    let origins = schemes.map(|scheme| {
        let origin = format!("{scheme}://{host}");
        format!("{scheme}://{}", host_without_port(&origin, host))
    });
    origins.into_iter().filter(|origin| origin_fits("headers.host", origin).is_ok()).collect()
}

/// Host and port of an origin.
pub(crate) fn host_of(origin: &str) -> Option<&str> {
    origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"))
}

/// A host without the port that goes without saying with the origin's scheme.
fn host_without_port<'h>(origin: &str, host: &'h str) -> &'h str {
    let port = if origin.starts_with("https://") { ":443" } else { ":80" };
    host.strip_suffix(port).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn is_own(
        public_origin: Option<&str>,
        host: &'static str,
        origin: &'static str,
        sites: &[&'static str],
    ) -> bool {
        let mut request = Request::post("/v1/card").header(HOST, host);
        for site in sites {
            request = request.header(&FETCH_SITE, *site);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let public_origin = public_origin.map(str::to_owned);
        let settings = ServerSettings { public_origin, ..ServerSettings::default() };
        super::is_own(&settings, &parts, &HeaderValue::from_static(origin))
    }

    #[test]
    fn a_page_is_the_vaults_own_where_its_host_is_that_of_the_request() {
        for (host, origin) in [
            ("vault.example", "https://vault.example"),
            ("vault.example:443", "https://vault.example"),
            ("vault.example:80", "http://vault.example"),
            ("127.0.0.1:8420", "http://127.0.0.1:8420"),
            ("[::1]:8420", "http://[::1]:8420"),
        ] {
            assert!(is_own(None, host, origin, &[]), "{origin}");
            assert!(is_own(None, host, origin, &["same-origin"]), "{origin}");
            for sites in
                [&["same-site"][..], &["cross-site"], &["none"], &[""], &["same-origin", "cross-site"]]
            {
                assert!(!is_own(None, host, origin, sites), "{origin} {sites:?}");
            }
        }
        for (host, origin) in [
            ("vault.example", "https://shop.example"),
            ("vault.example", "https://vault.example:8443"),
            ("vault.example:8443", "https://vault.example"),
            ("vault.example:80", "https://vault.example"),
            ("vault.example", "https://vault.example.evil.example"),
            ("vault.example", "ftp://vault.example"),
            ("vault.example", "vault.example"),
            ("vault.example", "null"),
            ("", "null"),
            ("", ""),
            ("null", "null"),
        ] {
            assert!(!is_own(None, host, origin, &["same-origin"]), "{host} {origin}");
        }
    }

    #[test]
    fn what_was_set_is_the_only_one() {
        let own = Some("https://vault.example");
        assert!(is_own(own, "10.0.0.7:8420", "https://vault.example", &["same-origin"]));
        assert!(!is_own(own, "10.0.0.7:8420", "https://vault.example", &["same-site"]));
        assert!(!is_own(own, "10.0.0.7:8420", "http://10.0.0.7:8420", &["same-origin"]));
        assert!(!is_own(own, "vault.example", "http://vault.example", &[]));
    }

    #[test]
    fn a_vault_with_a_certificate_is_at_https_on_this_machine_too() {
        for (has_tls, host, expected) in [
            (false, "127.0.0.1:8420", "http://127.0.0.1:8420"),
            (true, "127.0.0.1:8420", "https://127.0.0.1:8420"),
            (true, "localhost", "https://localhost"),
            (false, "vault.example", "https://vault.example"),
        ] {
            let (parts, ()) = Request::post("/v1/checkout").header(HOST, host).body(()).unwrap().into_parts();
            let settings = ServerSettings { has_tls, ..ServerSettings::default() };
            assert_eq!(base(&settings, &parts), expected);
        }
    }

    #[test]
    fn only_a_browser_says_that_a_page_is_of_here() {
        let says = |sites: &[&str]| {
            let mut request = Request::get("/fields/check");
            for site in sites {
                request = request.header(&FETCH_SITE, *site);
            }
            is_from_own(&request.body(()).unwrap().into_parts().0)
        };
        assert!(says(&["same-origin"]));
        for sites in [&[][..], &["none"], &["cross-site"], &["same-origin", "same-origin"]] {
            assert!(!says(sites), "{sites:?}");
        }
    }
}
