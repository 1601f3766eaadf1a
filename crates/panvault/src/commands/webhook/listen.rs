use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, ensure};
use panvault_keys::WebhookSecret;
use panvault_model::{Id, RefundStatus, Timestamp, TransactionStatus, WebhookObject};
use panvault_vault::{Clock, SystemClock};
use panvault_webhook::{Listener, Received};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::commands::runtime;
use crate::output;
use crate::signals::Signals;

/// Bytes of a file with a secret: with room for a line end, and not for another file.
const SECRET_FILE_BYTES_MAX: u64 = 256;
/// How far the time of a message may be off (Standard Webhooks).
const TOLERANCE_SECONDS: u64 = 5 * 60;
/// Messages that wait for being printed.
const UNPRINTED_MAX: usize = 64;

/// Listens until it is stopped, or nobody reads what it prints.
pub(super) fn run(
    address: SocketAddr,
    secret: Option<&Path>,
    answer: u16,
    as_json: bool,
) -> anyhow::Result<()> {
    ensure!(
        address.ip().is_loopback(),
        "--listen must be an address of this machine, such as 127.0.0.1:9000"
    );
    let secret = secret.map(secret_read).transpose()?;
    runtime()?.block_on(async {
        let mut signals = Signals::handle()?;
        let listener = Listener::bind(address).await.context("this address cannot be listened at")?;
        let url = format!("http://{}/", listener.address());
        output::first(if as_json {
            json!({ "url": url }).to_string()
        } else {
            format!("listening at {url}")
        })?;
        let (tell, mut told) = mpsc::channel(UNPRINTED_MAX);
        // What comes faster than it is printed is answered, and not printed.
        let serving = listener.serve(answer, move |received| drop(tell.try_send(received)));
        tokio::pin!(serving);
        loop {
            let received = tokio::select! {
                received = told.recv() => received,
                () = &mut serving => None,
                _ = signals.stop.asked() => None,
            };
            let Some(received) = received else { return Ok(()) };
            if !output::is_read(line(&received, secret.as_ref(), as_json))? {
                return Ok(());
            }
        }
    })
}

/// A secret out of a file, or of standard input: what stands in a command is seen by everybody on the machine.
fn secret_read(path: &Path) -> anyhow::Result<WebhookSecret> {
    let mut text = Zeroizing::new(String::new());
    let read = if path == Path::new("-") {
        io::stdin().lock().take(SECRET_FILE_BYTES_MAX).read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(SECRET_FILE_BYTES_MAX).read_to_string(&mut text))
    };
    read.context("the file of --secret-file cannot be read")?;
    WebhookSecret::parse(text.trim())
        .context("the file of --secret-file holds no secret: whsec_ and 44 characters")
}

/// A message, as far as it is one of a vault.
#[derive(Deserialize)]
struct Message<'m> {
    #[serde(rename = "type")]
    kind: &'m str,
    #[serde(rename = "_id")]
    id: &'m str,
    status: &'m str,
    updated_at: &'m str,
    event: &'m str,
}

/// What of a message may be printed: all of it was read as what it should be. Anybody may send something here.
struct Told {
    kind: WebhookObject,
    id: Id,
    status: &'static str,
    updated_at: Timestamp,
    event: Id,
}

fn read(body: &[u8]) -> Option<Told> {
    let Message { kind, id, status, updated_at, event } = serde_json::from_slice(body).ok()?;
    let kind = WebhookObject::parse(kind)?;
    let status = match kind {
        WebhookObject::Transaction => TransactionStatus::parse(status)?.as_str(),
        WebhookObject::Refund => RefundStatus::parse(status)?.as_str(),
    };
    let (id, event) = (Id::parse(id).ok()?, Id::parse(event).ok()?);
    Some(Told { kind, id, status, updated_at: Timestamp::parse(updated_at).ok()?, event })
}

fn line(received: &Received, secret: Option<&WebhookSecret>, as_json: bool) -> String {
    let now = SystemClock::start().now().wall;
    let signature = judged(received, secret, now.unix_seconds());
    let bytes = received.body.len();
    match (read(&received.body), as_json) {
        (Some(Told { kind, id, status, updated_at, event }), false) => {
            format!("{now}  {kind} {id} {status}  since {updated_at}  event {event}  signature {signature}")
        }
        (Some(Told { kind, id, status, updated_at, event }), true) => json!({
            "received_at": now.to_string(), "type": kind.to_string(), "_id": id.to_string(), "status": status,
            "updated_at": updated_at.to_string(), "event": event.to_string(), "signature": signature,
        })
        .to_string(),
        (None, false) => format!("{now}  no message of a vault, {bytes} bytes  signature {signature}"),
        (None, true) => {
            json!({ "received_at": now.to_string(), "bytes": bytes, "signature": signature }).to_string()
        }
    }
}

/// What is to be said of a signature.
fn judged(received: &Received, secret: Option<&WebhookSecret>, now: u64) -> &'static str {
    let Received { id: Some(id), timestamp: Some(timestamp), signatures: Some(signatures), body } = received
    else {
        return "none";
    };
    match secret {
        None => "not checked",
        Some(secret) if !secret.verifies(signatures, id, *timestamp, body) => "WRONG",
        Some(_) if now.abs_diff(*timestamp) > TOLERANCE_SECONDS => "right, and too OLD",
        Some(_) => "right",
    }
}

#[cfg(test)]
mod tests {
    use panvault_keys::SystemEntropy;

    use super::*;

    fn received(secret: &WebhookSecret, timestamp: u64) -> Received {
        let body = br#"{"type":"refund","_id":"65f1c0ea3c4d5e6f70819213","status":"PROCESSED","updated_at":"2026-03-01T12:00:00.007Z","event":"65f1c0eb4d5e6f7081921324"}"#;
        let id = "65f1c0eb4d5e6f7081921324".to_owned();
        let signatures = Some(secret.sign(&id, timestamp, body));
        Received { id: Some(id), timestamp: Some(timestamp), signatures, body: body.to_vec().into() }
    }

    #[test]
    fn says_of_a_signature_what_it_is() {
        let make = || WebhookSecret::make(&SystemEntropy::new()).unwrap();
        let (secret, other) = (make(), make());
        let message = received(&secret, 1_000);
        assert_eq!(judged(&message, Some(&secret), 1_300), "right");
        assert_eq!(judged(&message, Some(&secret), 1_301), "right, and too OLD");
        assert_eq!(judged(&message, Some(&secret), 699), "right, and too OLD");
        assert_eq!(judged(&message, Some(&other), 1_000), "WRONG");
        assert_eq!(judged(&message, None, 1_000), "not checked");
        let unsigned = Received { signatures: None, ..message };
        assert_eq!(judged(&unsigned, Some(&secret), 1_000), "none");
    }

    /// Anybody on the machine can send something: a card number that comes is not printed.
    #[test]
    fn nothing_is_printed_but_what_was_read() {
        let secret = WebhookSecret::make(&SystemEntropy::new()).unwrap();
        let message = received(&secret, 1_000);
        let shown = line(&message, Some(&secret), false);
        assert!(
            shown.contains("refund 65f1c0ea3c4d5e6f70819213 PROCESSED  since 2026-03-01T12:00:00.007Z"),
            "{shown}"
        );
        for body in [
            "4111111111111111",
            r#"{"type":"refund","_id":"4111111111111111","status":"PROCESSED","updated_at":"2026-03-01T12:00:00.007Z","event":"65f1c0eb4d5e6f7081921324"}"#,
            r#"{"type":"refund","_id":"65f1c0ea3c4d5e6f70819213","status":"4111111111111111","updated_at":"2026-03-01T12:00:00.007Z","event":"65f1c0eb4d5e6f7081921324"}"#,
        ] {
            for as_json in [false, true] {
                let other = Received { body: body.as_bytes().to_vec().into(), ..received(&secret, 1_000) };
                let shown = line(&other, None, as_json);
                assert!(!shown.contains("4111") && shown.contains(&body.len().to_string()), "{shown}");
            }
        }
    }
}
