//! A webhook that a running vault really sent.

use core::time::Duration;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::dev_vault::DevVault;

const SECONDS_MAX: u64 = 30;
const BODY_BYTES_MAX: usize = 16 << 10;

/// What came, and the secret that its account has.
pub(crate) struct Webhook {
    pub(crate) id: String,
    pub(crate) timestamp: String,
    pub(crate) signature: String,
    pub(crate) body: String,
    pub(crate) secret: String,
}

impl Webhook {
    /// Gives the vault's account a secret, makes a transaction that names a receiver, and takes what that gets.
    pub(crate) fn receive(vault: &DevVault) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}/hook?key=of-the-shop", listener.local_addr()?);
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || drop(sender.send(accept(&listener))));
        let path = format!("/v1/account/{}/webhook_secret", vault.account);
        let made = post(vault, &path, &json!({}))?;
        let secret =
            made.get("webhook_secret").and_then(Value::as_str).context("no secret was made")?.to_owned();
        let card = post(
            vault,
            "/v1/card",
            &json!({
                "card_number": "4111111111111111", "expiry_month": "12", "expiry_year": "35",
                "organisation": vault.organisation,
            }),
        )?;
        let card = card.get("_id").context("no card was made")?;
        post(
            vault,
            "/v1/transaction",
            &json!({
                "account": vault.account, "amount": 100, "card": card, "webhook_transaction_update": url,
            }),
        )?;
        let limit = Duration::from_secs(SECONDS_MAX);
        let (head, body) = receiver.recv_timeout(limit).context("no webhook came")??;
        let header = |name: &str| {
            let value = head.lines().find_map(|line| {
                let (found, value) = line.split_once(':')?;
                found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            });
            value.with_context(|| format!("the webhook has no header {name}"))
        };
        Ok(Self {
            id: header("webhook-id")?,
            timestamp: header("webhook-timestamp")?,
            signature: header("webhook-signature")?,
            body,
            secret,
        })
    }
}

/// The head and the body of one request, which is answered with 204.
fn accept(listener: &TcpListener) -> anyhow::Result<(String, String)> {
    let (stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(Duration::from_secs(SECONDS_MAX)))?;
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        ensure!(reader.read_line(&mut head)? > 0, "the webhook ends within its head");
    }
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.filter(|length| *length <= BODY_BYTES_MAX).context("a length is missing")?];
    reader.read_exact(&mut body)?;
    reader.get_mut().write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")?;
    Ok((head, String::from_utf8(body)?))
}

/// Sends a body and reads the answer, which has to be a success.
fn post(vault: &DevVault, path: &str, body: &Value) -> anyhow::Result<Value> {
    let authority = vault.url.strip_prefix("http://").context("the vault has another kind of URL")?;
    let (key, body) = (&vault.api_key, body.to_string());
    let mut stream = TcpStream::connect(authority)?;
    stream.set_read_timeout(Some(Duration::from_secs(SECONDS_MAX)))?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {authority}\r\nX-APIKEY: {key}\r\nContent-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer ends within its head")?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "{path} is refused");
    Ok(serde_json::from_str(body)?)
}
