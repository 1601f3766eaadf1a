//! The console's listener: the page for the people who run a vault, and the API that it asks, on one web origin. It has no power of its own: what it
//! shows and does it asks of `/v1` with the key of whoever sits before it. Beside that key, people sign in here as themselves (PCI DSS 8.4): by a
//! certificate of their own, or at a proxy that names them.

use core::time::Duration;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY,
};
use http::request::Parts;
use panvault_vault::{Origin, RefusalReason};
use panvault_web::{CONSOLE_FILES, CONSOLE_PAGE, WebFile};
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::accept::{ServeReport, Site, serve_site};
use crate::app::App;
use crate::dispatch::{Peer, api, client_address, full_router};
use crate::error::{ErrorCode, Refusal};
use crate::hosted;
use crate::limits::{CONSOLE_CONNECTIONS_MAX, CONSOLE_STOP_SECONDS_MAX, PERSON_BYTES_MAX, ServerSettings};
use crate::own_origin::{fetch_sites, host_asked, host_of, is_at_this_machine};
use crate::proxies::{TrustedProxies, header_names_people};
use crate::room::Stay;
use crate::sealed;
use crate::tls::Tls;

const NO_SNIFF: HeaderName = HeaderName::from_static("x-content-type-options");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
pub(crate) const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// What the page may load and do.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";
/// What an answer of the API may do if somebody opens it as a page.
const DATA_POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What the page has no use for.
pub(crate) const PERMISSIONS: &str = "accelerometer=(), autoplay=(), camera=(), clipboard-read=(), display-capture=(), geolocation=(), \
                           gyroscope=(), hid=(), magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=()";
/// What only lets pages of elsewhere read an answer.
const CORS: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// How people reach the console.
#[derive(Default)]
pub struct Console {
    /// TLS, and whose certificates are asked for; `None` on a loopback address, or where the proxy ends it.
    pub tls: Option<Arc<Tls>>,
    /// The proxy that people sign in at.
    pub proxy: Option<SigninProxy>,
}

/// A proxy that people sign in at, and that says who they are.
#[derive(Clone, Debug)]
pub struct SigninProxy {
    addresses: TrustedProxies,
    header: HeaderName,
}

/// Why a proxy is none that people can sign in at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigninProxyFault {
    /// Its header is none, or has a meaning of its own.
    #[error("must be the name of a header that the proxy sets to who signed in, such as x-forwarded-user")]
    Header,
    /// Its addresses are none, or everybody's.
    #[error(
        "must be the addresses and networks of the proxy, such as 10.0.0.7, with commas between them; not all there are"
    )]
    Addresses,
}

impl SigninProxy {
    /// One with these addresses, with commas between them, which names people in this header.
    pub fn new(addresses: &str, header: &str) -> Result<Self, SigninProxyFault> {
        let header = HeaderName::from_bytes(header.as_bytes()).map_err(|_| SigninProxyFault::Header)?;
        if !header_names_people(header.as_str()) {
            return Err(SigninProxyFault::Header);
        }
        let addresses: TrustedProxies = addresses.parse().map_err(|_| SigninProxyFault::Addresses)?;
        if addresses.is_empty() || addresses.has_all() {
            return Err(SigninProxyFault::Addresses);
        }
        Ok(Self { addresses, header })
    }

    /// Whom the proxy names. Nobody else's word is taken for it, and only one.
    fn person(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Result<Arc<str>, Refusal> {
        let place = || format!("headers.{}", self.header);
        if !peer.is_some_and(|peer| self.addresses.has(peer)) {
            let what = "is taken from the proxy alone that people sign in at; open the console there";
            return Err(Refusal::with(ErrorCode::NotAuthenticated, &place(), what));
        }
        let nobody = || {
            let what = "must be set, once, by the proxy to who has signed in";
            Refusal::with(ErrorCode::NotAuthenticated, &place(), what)
        };
        let mut named = headers.get_all(&self.header).iter();
        let (Some(name), None) = (named.next(), named.next()) else { return Err(nobody()) };
        // What cannot be read would make one person of several in the log.
        let name = str::from_utf8(name.as_bytes())
            .map_err(|_| Refusal::with(ErrorCode::Malformed, &place(), "must be UTF-8"))?;
        // A proxy that adds its name to what a client sent makes such a list of both.
        if name.contains(',') {
            let what = "must be one name, without a comma: the proxy must replace what a client sends";
            return Err(Refusal::with(ErrorCode::Malformed, &place(), what));
        }
        person(name).ok_or_else(nobody)
    }
}

/// A name as it is logged; `None` where it is none.
pub(crate) fn person(name: &str) -> Option<Arc<str>> {
    let name = name.trim();
    let fits = !name.is_empty() && name.len() <= PERSON_BYTES_MAX && !name.chars().any(char::is_control);
    (fits && !panvault_card::holds_card_number(name)).then(|| Arc::from(name))
}

/// Of a connection: whom its certificate names.
#[derive(Clone)]
pub(crate) struct Certified(pub(crate) Arc<str>);

/// Of a request: that it came by the console's listener, which has found it to be of a page of its own, or of none.
#[derive(Clone)]
pub(crate) struct OfConsole {
    /// Who sits before it, where that is known.
    pub(crate) person: Option<Arc<str>>,
}

/// Serves the console until `stop` is done, then lets what runs end.
pub async fn serve_console(
    listener: TcpListener,
    app: Arc<App>,
    console: Console,
    stop: impl Future<Output = ()>,
) -> ServeReport {
    let settings = ServerSettings {
        connections_max: CONSOLE_CONNECTIONS_MAX.min(app.settings().connections_max),
        stop_grace: app.settings().stop_grace.min(Duration::from_secs(CONSOLE_STOP_SECONDS_MAX)),
        ..app.settings().clone()
    };
    let site = Site {
        tls: console.tls.clone(),
        router: router(Arc::clone(&app), Arc::new(console)),
        full: Some(full_router(Arc::clone(&app))),
        settings,
        connections: app.metrics().connections.clone(),
        connections_refused: app.metrics().connections_refused.clone(),
        connections_evicted: app.metrics().connections_evicted.clone(),
        draining: Arc::clone(app.stopping()),
        stay: Stay::Nobody,
    };
    serve_site(listener, site, stop).await
}

fn router(app: Arc<App>, console: Arc<Console>) -> Router {
    let served = Router::new()
        .route("/", get(|| core::future::ready(Redirect::to("/console"))))
        .merge(files())
        .merge(api())
        .merge(hosted::console_routes())
        .fallback(|State(app): State<Arc<App>>| async move {
            let refusal = Refusal::with(ErrorCode::NotFound, "path", "is none of the console");
            app.refused(refusal).into_response(app.make_request_id())
        })
        .method_not_allowed_fallback(|State(app): State<Arc<App>>| async move {
            app.refused(Refusal::new(ErrorCode::Method)).into_response(app.make_request_id())
        })
        .with_state(Arc::clone(&app));
    Router::new().fallback(move |request: Request| {
        let (app, console, served) = (Arc::clone(&app), Arc::clone(&console), served.clone());
        async move { answered(&app, &console, served, request).await }
    })
}

/// The page and what it loads.
fn files() -> Router<Arc<App>> {
    let page = get(|| async {
        let headers = [
            (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
            (PERMISSIONS_POLICY, HeaderValue::from_static(PERMISSIONS)),
        ];
        (headers, file(CONSOLE_PAGE)).into_response()
    });
    let mut files = Router::new()
        .route("/console", page.clone())
        .route("/console/", page)
        .route(sealed::STYLE_PATH, get(|| core::future::ready(sealed::style())));
    for found in CONSOLE_FILES {
        files = files.route(&format!("/{}", found.path), get(|| core::future::ready(file(*found))));
    }
    files
}

fn file(file: WebFile) -> Response {
    ([(CONTENT_TYPE, file.content_type)], file.bytes).into_response()
}

async fn answered(app: &Arc<App>, console: &Console, served: Router, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut response = match console.judged(&parts) {
        Ok(of_console) => {
            parts.extensions.insert(of_console);
            match served.oneshot(Request::from_parts(parts, body)).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
        Err(refusal) => {
            let id = app.make_request_id();
            if matches!(refusal.code, ErrorCode::NotAuthenticated | ErrorCode::Malformed) {
                let address = client_address(app, parts.extensions.get::<Peer>(), &parts.headers);
                let origin = Origin { request: Some(id), address };
                // What it answers is for who has a wrong key.
                let _ = app.vault().signin_refused(origin, RefusalReason::Person);
            }
            app.refused(refusal).into_response(id)
        }
    };
    harden(response.headers_mut());
    response
}

impl Console {
    /// Whether nobody but who is on this machine reaches it.
    fn is_of_this_machine(&self) -> bool {
        self.tls.is_none() && self.proxy.is_none()
    }

    /// Who asks; or why a request is not let in, whatever key it has.
    pub(crate) fn judged(&self, parts: &Parts) -> Result<OfConsole, Refusal> {
        let person = match &self.proxy {
            Some(proxy) => {
                let peer = match parts.extensions.get::<Peer>() {
                    Some(Peer::Address(address, _)) => Some(*address),
                    Some(Peer::Operator(_)) | None => None,
                };
                Some(proxy.person(peer, &parts.headers)?)
            }
            None => parts.extensions.get::<Certified>().map(|certified| Arc::clone(&certified.0)),
        };
        if person.is_none() && self.tls.as_ref().is_some_and(|tls| tls.asks_clients()) {
            let what = "must name whose it is, in its common name or an address of email";
            return Err(Refusal::with(ErrorCode::NotAuthenticated, "certificate", what));
        }
        // A name that somebody lets point to this machine would make their page one of the console's.
        if self.is_of_this_machine() && !is_at_this_machine(parts) {
            let what = "must be this machine's: localhost, or an address";
            return Err(Refusal::with(ErrorCode::Blocked, "headers.host", what));
        }
        if !is_document(parts) && !is_of_own_page(parts) {
            let what = "must be the web origin of the console, whose pages alone may ask here";
            return Err(Refusal::with(ErrorCode::Blocked, "headers.origin", what));
        }
        Ok(OfConsole { person })
    }
}

/// Whether it is the page itself that is asked for: a link to it may stand anywhere.
fn is_document(parts: &Parts) -> bool {
    parts.method.is_safe()
        && matches!(parts.uri.path(), "/" | "/console" | "/console/")
        && !parts.headers.contains_key(ORIGIN)
}

/// Whether a request is of a page of the console, or of no page. What a browser says of how page and console are related no page can write; one that
/// does not say that must name the host that it asks as its origin.
fn is_of_own_page(parts: &Parts) -> bool {
    let mut sites = fetch_sites(parts).peekable();
    if sites.peek().is_some() {
        return sites.all(|site| site == "same-origin" || site == "none");
    }
    parts.headers.get_all(ORIGIN).iter().all(|origin| {
        let origin = origin.to_str().ok().and_then(host_of);
        origin.is_some() && origin == host_asked(parts)
    })
}

/// What every answer bears. Nothing is read by pages of elsewhere, and nothing is kept.
pub(crate) fn harden(headers: &mut HeaderMap) {
    for name in CORS {
        headers.remove(name);
    }
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(DATA_POLICY));
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (NO_SNIFF, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use http::header::HOST;

    use super::*;

    fn proxied(peer: &str, values: &[&'static str]) -> Result<String, u16> {
        let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        proxied_bytes(peer, &values)
    }

    fn proxied_bytes(peer: &str, values: &[&[u8]]) -> Result<String, u16> {
        let proxy = SigninProxy::new("10.0.0.7, 192.0.2.0/24", "X-Person").unwrap();
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-person", HeaderValue::from_bytes(value).unwrap());
        }
        let found = proxy.person(Some(peer.parse().unwrap()), &headers);
        found.map(|name| name.to_string()).map_err(|refusal| refusal.code.number())
    }

    #[test]
    fn only_the_proxy_says_who_somebody_is_and_once() {
        assert_eq!(proxied("10.0.0.7", &["ann@shop.example"]), Ok("ann@shop.example".to_owned()));
        assert_eq!(proxied("::ffff:192.0.2.9", &[" Ann Other "]), Ok("Ann Other".to_owned()));
        for peer in ["10.0.0.8", "127.0.0.1", "::1"] {
            assert_eq!(proxied(peer, &["ann"]), Err(116), "{peer}");
        }
        for values in [&[][..], &[""], &["  "], &["ann", "bob"], &["ann", ""], &["4111111111111111"]] {
            assert_eq!(proxied("10.0.0.7", values), Err(116), "{values:?}");
        }
        // What a proxy makes that adds a name to the one that a client sent.
        for values in [&["ann, bob"][..], &["ann,"], &[","]] {
            assert_eq!(proxied("10.0.0.7", values), Err(107), "{values:?}");
        }
        assert_eq!(proxied("10.0.0.8", &["ann, bob"]), Err(116), "nobody else's word is read at all");
        assert!(person(&"a".repeat(PERSON_BYTES_MAX)).is_some());
        assert!(person(&"a".repeat(PERSON_BYTES_MAX + 1)).is_none() && person("a\nb").is_none());
    }

    /// The bug: bytes that are no UTF-8 became the same sign, so that two people were one in the log. Its cause: the name was read with whatever could
    /// not be read replaced. Its cure: such a name is refused.
    #[test]
    fn a_name_that_cannot_be_read_is_nobody() {
        for name in [&b"a\xff"[..], b"a\xfe", b"\xe9va"] {
            assert_eq!(proxied_bytes("10.0.0.7", &[name]), Err(107), "{name:?}");
        }
        assert_eq!(proxied_bytes("10.0.0.7", &["\u{c9}va".as_bytes()]), Ok("\u{c9}va".to_owned()));
    }

    #[test]
    fn a_proxy_has_addresses_and_a_header_of_its_own() {
        assert!(SigninProxy::new("::1", "Remote-User").is_ok());
        for header in ["", "a b", "Host", "X-APIKEY", "User-Agent", "X-Forwarded-Host"] {
            assert_eq!(SigninProxy::new("::1", header).unwrap_err(), SigninProxyFault::Header, "{header}");
        }
        for addresses in ["", "proxy", "0.0.0.0/0", "::/0", "10.0.0.7, ::/0", "10.0.0.1/8"] {
            let fault = SigninProxy::new(addresses, "x-person").unwrap_err();
            assert_eq!(fault, SigninProxyFault::Addresses, "{addresses}");
        }
    }

    #[test]
    fn a_request_is_of_an_own_page_or_of_none() {
        let parts = |path: &str, headers: &[(&'static str, &'static str)]| {
            let mut request = Request::get(path).header(HOST, "console.example:8422");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request.body(()).unwrap().into_parts().0
        };
        let own = "https://console.example:8422";
        for headers in [
            &[][..],
            &[("origin", own)],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            // Where a proxy names another host, the browser's word is enough.
            &[("sec-fetch-site", "same-origin"), ("origin", "https://people.example")],
        ] {
            assert!(is_of_own_page(&parts("/v1/card", headers)), "{headers:?}");
        }
        for headers in [
            &[("origin", "https://shop.example")][..],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "https://console.example")],
            &[("origin", own), ("origin", "https://shop.example")],
            &[("sec-fetch-site", "cross-site"), ("origin", own)],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
        ] {
            assert!(!is_of_own_page(&parts("/v1/card", headers)), "{headers:?}");
            let is_linked = !headers.iter().any(|(name, _)| *name == "origin");
            assert_eq!(is_document(&parts("/console", headers)), is_linked, "{headers:?}");
            assert!(!is_document(&parts("/console/app.js", headers)));
        }
    }
}
