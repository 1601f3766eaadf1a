//! A PSP on this machine that takes every payment. It answers what Stripe does, as long as it does, and does nothing else: it is a process of its own, so
//! that its time is not the server's.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Where a payment's request says our id, which its answer repeats.
const TRANSACTION_FIELD: &str = "metadata%5Btransaction%5D=";
/// What is in the answer in its place.
const NO_TRANSACTION: &str = "000000000000000000000000";
/// Bytes that are read at a time: more than a request has.
const READ_BYTES: usize = 16 << 10;

#[derive(clap::Args)]
pub(crate) struct Psp {
    /// Where to write the root that its certificate comes of, as PEM.
    #[arg(long)]
    root: PathBuf,
    /// Milliseconds from a request to its answer, in the mean: each takes half of that, half as much again, or something between, so that payments that were begun at once do not
    /// go on coming at once.
    #[arg(long, default_value_t = 0)]
    answer_millis: u64,
}

/// Serves until it is killed. Prints its origin, and `connection` for each connection.
pub(crate) fn run(psp: &Psp) -> anyhow::Result<()> {
    let (config, root_pem) = certified()?;
    fs::write(&psp.root, root_pem).with_context(|| format!("{} cannot be written", psp.root.display()))?;
    let answer_after = Duration::from_millis(psp.answer_millis);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let answer: Arc<str> = answer().into();
    let answered = Arc::new(AtomicU64::new(0));
    crate::runtime()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("cannot listen")?;
        crate::line(format_args!("https://{}", listener.local_addr()?));
        loop {
            let (stream, _) = listener.accept().await?;
            crate::line("connection");
            let (acceptor, answer, answered) = (acceptor.clone(), Arc::clone(&answer), Arc::clone(&answered));
            // A connection that breaks is its other end's to notice.
            tokio::spawn(async move {
                drop(connection(stream, acceptor, &answer, answer_after, &answered).await)
            });
        }
    })
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    answer: &str,
    answer_after: Duration,
    answered: &AtomicU64,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = acceptor.accept(stream).await?;
    let mut read = Vec::with_capacity(READ_BYTES);
    while stream.read_buf(&mut read).await? > 0 {
        let Some(length) = request_length(&read).filter(|length| *length <= read.len()) else { continue };
        let request: Vec<u8> = read.drain(..length).collect();
        if !answer_after.is_zero() {
            tokio::time::sleep(spread(answer_after, answered.fetch_add(1, Ordering::Relaxed))).await;
        }
        let answer = answer.replace(NO_TRANSACTION, transaction_of(&request).unwrap_or(NO_TRANSACTION));
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await?;
    }
    Ok(())
}

/// The time that one of many answers takes: between half and one and a half of the mean, each other in turn.
fn spread(mean: Duration, nth: u64) -> Duration {
    let percent = 50 + (nth.wrapping_mul(61) % 101);
    mean.saturating_mul(u32::try_from(percent).unwrap_or(100)) / 100
}

/// Which transaction the request is of: without it the answer would be that of another.
fn transaction_of(request: &[u8]) -> Option<&str> {
    let text = core::str::from_utf8(request).ok()?;
    let (_, behind) = text.split_once(TRANSACTION_FIELD)?;
    behind.get(..NO_TRANSACTION.len())
}

/// Bytes of the first request, once its head is there.
fn request_length(read: &[u8]) -> Option<usize> {
    let head = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = core::str::from_utf8(read.get(..head)?).ok()?;
    let fields = text.lines().filter_map(|line| line.split_once(": "));
    let mut length =
        fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value);
    Some(head + length.next_back().and_then(|value| value.parse().ok()).unwrap_or(0))
}

/// A certificate for 127.0.0.1, and the root that it comes of, as PEM.
fn certified() -> anyhow::Result<(ServerConfig, String)> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    let root_pem = authority.self_signed(&key)?.pem();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((config, root_pem))
}

fn answer() -> String {
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: keep-alive\r\n\
         access-control-allow-credentials: true\r\ncache-control: no-cache, no-store\r\nrequest-id: req_123456789abcde\r\n\
         stripe-version: 2024-06-20\r\nstrict-transport-security: max-age=63072000; includeSubDomains; preload\r\n\r\n",
        PAYMENT.len()
    );
    head + PAYMENT
}

/// With the members of Stripe's answer to a payment that it has taken, its charge included.
const PAYMENT: &str = r#"{
  "id": "pi_3MtwBwLkdIwHu7ix28a3tqPa", "object": "payment_intent", "amount": 1099, "amount_capturable": 0, "amount_details": { "tip": {} },
  "amount_received": 1099, "application": null, "application_fee_amount": null, "automatic_payment_methods": null, "canceled_at": null,
  "cancellation_reason": null, "capture_method": "automatic", "client_secret": "pi_3MtwBwLkdIwHu7ix28a3tqPa_secret_YrKJUKribcBjcG8HVhfZluoGH",
  "confirmation_method": "automatic", "created": 1680800504, "currency": "eur", "customer": null, "description": "order-1001",
  "invoice": null, "last_payment_error": null,
  "latest_charge": {
    "id": "ch_3MtwBwLkdIwHu7ix28a3tqPb", "object": "charge", "amount": 1099, "amount_captured": 1099, "amount_refunded": 0, "application": null,
    "application_fee": null, "application_fee_amount": null, "balance_transaction": "txn_3MtwBwLkdIwHu7ix28a3tqPc",
    "billing_details": { "address": { "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null },
      "email": null, "name": null, "phone": null },
    "calculated_statement_descriptor": "EXAMPLE SHOP", "captured": true, "created": 1680800505, "currency": "eur", "customer": null,
    "description": "order-1001", "disputed": false, "failure_balance_transaction": null, "failure_code": null, "failure_message": null,
    "fraud_details": {}, "invoice": null, "livemode": false, "metadata": {}, "on_behalf_of": null,
    "outcome": { "network_status": "approved_by_network", "reason": null, "risk_level": "normal", "risk_score": 32,
      "seller_message": "Payment complete.", "type": "authorized" },
    "paid": true, "payment_intent": "pi_3MtwBwLkdIwHu7ix28a3tqPa", "payment_method": "pm_1MtwBwLkdIwHu7ixJf5i0q4A",
    "payment_method_details": { "card": { "amount_authorized": 1099, "authorization_code": "123456", "brand": "visa",
      "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" }, "country": "US", "exp_month": 12,
      "exp_year": 2030, "fingerprint": "mToisGZ01V71BCos", "funding": "credit", "installments": null, "last4": "0002", "mandate": null,
      "network": "visa", "network_token": { "used": false }, "network_transaction_id": "103106710710510", "three_d_secure": null, "wallet": null },
      "type": "card" },
    "radar_options": {}, "receipt_email": null, "receipt_number": null, "receipt_url": "https://pay.stripe.com/receipts/payment/CAcaFwoVYWNjd",
    "refunded": false, "review": null, "shipping": null, "source": null, "source_transfer": null, "statement_descriptor": null,
    "statement_descriptor_suffix": "Example shop", "status": "succeeded", "transfer_data": null, "transfer_group": null
  },
  "livemode": false, "metadata": { "transaction": "000000000000000000000000" }, "next_action": null, "on_behalf_of": null,
  "payment_method": "pm_1MtwBwLkdIwHu7ixJf5i0q4A", "payment_method_options": { "card": { "installments": null, "mandate_options": null,
    "network": null, "request_three_d_secure": "automatic" } },
  "payment_method_types": ["card"], "processing": null, "receipt_email": null, "review": null, "setup_future_usage": null, "shipping": null,
  "source": null, "statement_descriptor": null, "statement_descriptor_suffix": "Example shop", "status": "succeeded", "transfer_data": null,
  "transfer_group": null
}"#;
