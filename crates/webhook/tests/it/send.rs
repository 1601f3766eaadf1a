use core::time::Duration;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderMap;
use panvault_keys::{SystemEntropy, WebhookSecret};
use panvault_model::{DeliveryFault, OrganisationId};
use panvault_webhook::{
    AddressPolicy, Attempt, Lookup, Message, Resolve, Sender, SystemResolver, TimeOuts, Turn, WebhookUrl,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::receiver::{Manner, Receiver, answer};

const BODY: &str = r#"{"type":"transaction","_id":"65f0a1b2c3d4e5f601234567"}"#;

fn times(millis: u64) -> TimeOuts {
    TimeOuts { connect: Duration::from_millis(millis), attempt: Duration::from_millis(millis) }
}

fn sender(allowed: &[&str]) -> Sender {
    let policy = AddressPolicy::allowing(allowed.iter().copied()).unwrap();
    Sender::with(policy, Vec::new(), Arc::new(SystemResolver), times(10_000)).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the oracle looks at the clock of the system, too")]
async fn send(sender: &Sender, url: &str, secrets: &[WebhookSecret]) -> Attempt {
    let url = WebhookUrl::parse(url).unwrap();
    let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let body = Bytes::from_static(BODY.as_bytes());
    let turn = sender.turn(OrganisationId::from_bytes([1; 12]), &url).expect("a turn");
    sender.send(&Message { url: &url, id: "msg_1", timestamp, body, secrets }, turn).await
}

const fn taken(status: u16) -> Attempt {
    Attempt { fault: None, cause: None, status: Some(status) }
}

const fn failed(fault: DeliveryFault) -> Attempt {
    Attempt { fault: Some(fault), cause: Some(fault), status: None }
}

const fn refused(fault: DeliveryFault, status: u16) -> Attempt {
    Attempt { fault: Some(fault), cause: Some(fault), status: Some(status) }
}

/// The request line, the headers, and the body of what came.
fn read(request: &str) -> (String, HeaderMap, String) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let (line, headers) = head.split_once("\r\n").unwrap();
    let headers = headers.split("\r\n").map(|header| {
        let (name, value) = header.split_once(": ").unwrap();
        (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())
    });
    (line.to_owned(), headers.collect(), body.to_owned())
}

#[tokio::test]
async fn a_message_is_posted_to_the_url_as_given_and_verifies_with_each_secret() {
    let receiver = Receiver::start(answer("200 OK"), None).await;
    let secrets = [(); 2].map(|()| WebhookSecret::make(&SystemEntropy::new()).unwrap());
    let url = format!("http://127.0.0.1:{}/hook//a?key=a%2Fb&x", receiver.port);
    assert_eq!(send(&sender(&["127.0.0.1"]), &url, &secrets).await, taken(200));
    let came = receiver.came();
    let (line, headers, body) = read(&came[0]);
    assert_eq!((line.as_str(), body.as_str(), came.len()), ("POST /hook//a?key=a%2Fb&x HTTP/1.1", BODY, 1));
    assert_eq!(headers["host"], format!("127.0.0.1:{}", receiver.port));
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["webhook-id"], "msg_1");
    for secret in &secrets {
        let theirs = standardwebhooks::Webhook::new(&secret.expose_text()).unwrap();
        theirs.verify(body.as_bytes(), &headers).unwrap();
        assert!(theirs.verify(b"{}", &headers).is_err(), "the positive control");
    }
    let other = WebhookSecret::make(&SystemEntropy::new()).unwrap();
    let other = standardwebhooks::Webhook::new(&other.expose_text()).unwrap();
    assert!(other.verify(body.as_bytes(), &headers).is_err());
}

#[tokio::test]
async fn without_a_secret_nothing_is_signed() {
    let receiver = Receiver::start(answer("204 No Content"), None).await;
    let url = format!("http://127.0.0.1:{}/", receiver.port);
    assert_eq!(send(&sender(&["127.0.0.1"]), &url, &[]).await.fault, None);
    let (_, headers, _) = read(&receiver.came()[0]);
    assert!(headers.contains_key("webhook-id") && !headers.contains_key("webhook-signature"));
}

#[tokio::test]
async fn what_is_no_success_is_a_failure_and_nobody_is_sent_elsewhere() {
    let elsewhere = Receiver::start(answer("200 OK"), None).await;
    let location = format!("\r\nLocation: http://127.0.0.1:{}/", elsewhere.port);
    for (head, fault) in [
        ("500 Internal Server Error".to_owned(), DeliveryFault::Refused),
        ("404 Not Found".to_owned(), DeliveryFault::Refused),
        ("410 Gone".to_owned(), DeliveryFault::Refused),
        (format!("301 Moved{location}"), DeliveryFault::Redirected),
        (format!("302 Found{location}"), DeliveryFault::Redirected),
        (format!("307 Temporary Redirect{location}"), DeliveryFault::Redirected),
        (format!("308 Permanent Redirect{location}"), DeliveryFault::Redirected),
        (
            format!("503 Unavailable\r\nRefresh: 0; url=http://127.0.0.1:{}/", elsewhere.port),
            DeliveryFault::Refused,
        ),
    ] {
        let status = head[..3].parse().unwrap();
        let receiver = Receiver::start(answer(&head), None).await;
        let url = format!("http://127.0.0.1:{}/", receiver.port);
        let attempt = send(&sender(&["127.0.0.1"]), &url, &[]).await;
        assert_eq!(attempt, refused(fault, status), "{head}");
    }
    assert_eq!(elsewhere.came(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_receiver_that_misbehaves_is_left_in_time() {
    let policy = || AddressPolicy::allowing(["127.0.0.1"]).unwrap();
    let short = || Sender::with(policy(), Vec::new(), Arc::new(SystemResolver), times(300)).unwrap();
    let huge_head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(64 << 10));
    for (manner, expected) in [
        (Manner::Hang, failed(DeliveryFault::TimedOut)),
        (Manner::Close, failed(DeliveryFault::Unreadable)),
        (Manner::Answer("no answer of HTTP\r\n\r\n".to_owned()), failed(DeliveryFault::Unreadable)),
        (Manner::Answer(huge_head), failed(DeliveryFault::Unreadable)),
        (Manner::Endless("HTTP/1.1 200 OK\r\nX: "), failed(DeliveryFault::Unreadable)),
        (Manner::Endless("HTTP/1.1 200 OK\r\n\r\n"), taken(200)),
    ] {
        let receiver = Receiver::start(manner, None).await;
        let url = format!("http://127.0.0.1:{}/", receiver.port);
        assert_eq!(send(&short(), &url, &[]).await, expected);
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{closed}/");
    assert_eq!(send(&short(), &url, &[]).await, failed(DeliveryFault::NotConnected));
}

/// The bug: a receiver that had answered 200 was told again, as one that is too slow. Its cause: the time of an attempt covered the body
/// as well, which may come for a second more. Its cure: it ends with the head, whose word stands.
#[tokio::test]
async fn what_the_head_says_stands_when_the_body_outlasts_the_attempt() {
    let policy = AddressPolicy::allowing(["127.0.0.1"]).unwrap();
    let short = Sender::with(policy, Vec::new(), Arc::new(SystemResolver), times(500)).unwrap();
    for (head, expected) in [("200 OK", taken(200)), ("500 X", refused(DeliveryFault::Refused, 500))] {
        // Of ten bytes one comes, and then nothing.
        let part = Manner::Answer(format!("HTTP/1.1 {head}\r\nContent-Length: 10\r\n\r\nx"));
        let receiver = Receiver::start(part, None).await;
        let url = format!("http://127.0.0.1:{}/", receiver.port);
        assert_eq!(send(&short, &url, &[]).await, expected);
    }
}

#[tokio::test]
async fn no_spelling_reaches_an_address_that_is_not_allowed() {
    let receiver = Receiver::start(answer("200 OK"), None).await;
    for host in [
        "127.0.0.1",
        "localhost",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "0.0.0.0",
        "[::]",
        "[64:ff9b::7f00:1]",
    ] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{}/", receiver.port);
            let attempt = send(&sender(&[]), &url, &[]).await;
            let refused = failed(DeliveryFault::AddressRefused);
            // The bug: whoever named a URL learned which names there are inside. Its cause: a name without an address had another fault than one
            // whose addresses are refused. Its cure: they have one, and the log tells them apart.
            let expected = match host {
                "localhost" => Attempt { fault: Some(DeliveryFault::Unresolved), ..refused },
                _ => refused,
            };
            assert_eq!(attempt, expected, "{url}");
        }
    }
    assert_eq!(receiver.came(), [] as [&str; 0]);
    let url = format!("http://localhost:{}/", receiver.port);
    assert_eq!(send(&sender(&["127.0.0.1"]), &url, &[]).await, taken(200), "the positive control");
}

/// Names its hosts by one address at the first look, and by loopback at any later one.
struct Rebinding {
    first: Vec<IpAddr>,
    looks: AtomicUsize,
}

impl Resolve for Rebinding {
    fn resolve<'a>(&'a self, _: &'a str, _: Turn) -> Lookup<'a> {
        let first = self.looks.fetch_add(1, Ordering::SeqCst) == 0;
        let found = if first { self.first.clone() } else { vec![[127, 0, 0, 1].into()] };
        Box::pin(async move { found })
    }
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_what_was_judged_is_connected_to() {
    let receiver = Receiver::start(answer("200 OK"), None).await;
    let url = format!("http://rebinding.example:{}/", receiver.port);
    let of = |first: &[[u8; 4]], allowed: &[&str]| {
        let first = first.iter().map(|address| IpAddr::from(*address)).collect();
        let resolver = Arc::new(Rebinding { first, looks: AtomicUsize::new(0) });
        let policy = AddressPolicy::allowing(allowed.iter().copied()).unwrap();
        (
            Sender::with(policy, Vec::new(), Arc::clone(&resolver) as Arc<dyn Resolve>, times(500)).unwrap(),
            resolver,
        )
    };
    // Nobody listens at the second address of loopback: what is connected to is that one, not what a second look would say.
    let (sender, resolver) = of(&[[127, 0, 0, 2]], &["127.0.0.2"]);
    assert_eq!(send(&sender, &url, &[]).await, failed(DeliveryFault::NotConnected));
    assert_eq!((resolver.looks.load(Ordering::SeqCst), receiver.came().len()), (1, 0));
    // Of several addresses those that are not allowed are left out.
    let (sender, _) = of(&[[127, 0, 0, 1], [127, 0, 0, 2]], &["127.0.0.2"]);
    assert_eq!(send(&sender, &url, &[]).await, failed(DeliveryFault::NotConnected));
    assert_eq!(receiver.came().len(), 0);
    let (sender, _) = of(&[], &[]);
    assert_eq!(send(&sender, &url, &[]).await, failed(DeliveryFault::Unresolved));
    let (sender, _) = of(&[[127, 0, 0, 1]], &["127.0.0.1"]);
    assert_eq!(send(&sender, &url, &[]).await, taken(200), "the positive control");
}

#[tokio::test]
async fn a_certificate_is_verified_for_the_name_in_the_url() {
    let certified = |name: &str| {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
        (cert.der().clone(), TlsAcceptor::from(Arc::new(config)))
    };
    let trusting = |certificate: Option<&CertificateDer<'static>>| {
        let trusted = certificate.into_iter().cloned().collect();
        let resolver = Rebinding { first: vec![[127, 0, 0, 1].into()], looks: AtomicUsize::new(0) };
        let policy = AddressPolicy::allowing(["127.0.0.1"]).unwrap();
        Sender::with(policy, trusted, Arc::new(resolver), times(10_000)).unwrap()
    };
    let (certificate, acceptor) = certified("shop.example");
    let receiver = Receiver::start(answer("200 OK"), Some(acceptor)).await;
    let url = |host: &str| format!("https://{host}:{}/", receiver.port);
    let trusted = trusting(Some(&certificate));
    assert_eq!(send(&trusted, &url("other.example"), &[]).await, failed(DeliveryFault::Tls));
    assert_eq!(send(&trusted, &url("127.0.0.1"), &[]).await, failed(DeliveryFault::Tls));
    assert_eq!(send(&trusting(None), &url("shop.example"), &[]).await, failed(DeliveryFault::Tls));
    assert!(receiver.came().iter().all(String::is_empty), "nothing is said to whom is not trusted");
    assert_eq!(send(&trusted, &url("shop.example"), &[]).await, taken(200));
    let plain = Receiver::start(answer("200 OK"), None).await;
    let url = format!("https://shop.example:{}/", plain.port);
    // What is no TLS is never spoken to without it.
    let short = Sender::with(
        AddressPolicy::allowing(["127.0.0.1"]).unwrap(),
        vec![certificate],
        Arc::new(Rebinding { first: vec![[127, 0, 0, 1].into()], looks: AtomicUsize::new(0) }),
        times(300),
    )
    .unwrap();
    assert_eq!(send(&short, &url, &[]).await, failed(DeliveryFault::TimedOut));
    assert!(plain.came().iter().all(String::is_empty));
}
