use core::fmt;
use std::path::PathBuf;

use base64ct::{Base64, Encoding};
use http::{HeaderValue, Method, Request};
use panvault_keys::{PeerKind, PeerLock, SlotKey};
use panvault_model::Timestamp;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::credentials::Credentials;
use crate::exchange::{self, Answer, TimeOuts};
use crate::fault::{Fault, shown};
use crate::limits::CLOCK_SECONDS_MAX;
use crate::peer::{Context, Env, ReadSecret};
use crate::sigv4::{Scope, amz_date, authorization};
use crate::url::PeerUrl;

/// AWS Key Management Service, by its operations `Encrypt` and `Decrypt`.
#[derive(Clone)]
pub struct Kms {
    settings: KmsSettings,
    read: ReadSecret,
    time_outs: TimeOuts,
}

/// Which key, and what it is asked with.
#[derive(Clone, Debug)]
pub struct KmsSettings {
    /// Such as `eu-central-1`.
    pub region: String,
    /// ARN of a symmetric key.
    pub key: String,
    /// Where the service is, such as an endpoint inside a network of one's own; that of AWS in the region where nothing else is named.
    pub endpoint: PeerUrl,
    /// Credentials in AWS's own format, read at each request.
    pub credentials_file: PathBuf,
}

/// Whether it is the name of a region: small letters, digits and `-`.
pub fn is_region(text: &str) -> bool {
    let of_region = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(of_region)
}

/// Whether it is the ARN of a key in a region: `arn:aws:kms:REGION:ACCOUNT:key/ID`. An alias may come to stand for another key and is none.
pub fn is_key_arn(text: &str, region: &str) -> bool {
    let parts: Vec<_> = text.split(':').collect();
    let ["arn", partition, "kms", of, account, key] = parts.as_slice() else { return false };
    let id = key.strip_prefix("key/").unwrap_or_default();
    is_region(partition)
        && *of == region
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && (1..=64).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl KmsSettings {
    /// Where AWS has the service in a region.
    pub fn endpoint_of(region: &str) -> String {
        format!("https://kms.{region}.amazonaws.com")
    }
}

impl fmt::Debug for Kms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(formatter)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypted<'a> {
    ciphertext_blob: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypted<'a> {
    plaintext: &'a str,
}

/// What a refusal is.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    #[serde(rename = "__type")]
    kind: String,
    #[serde(alias = "Message")]
    message: String,
}

impl Kms {
    /// The one that the settings name. It is not asked yet.
    pub fn new(settings: KmsSettings, read: ReadSecret) -> Self {
        Self { settings, read, time_outs: TimeOuts::default() }
    }

    pub(crate) fn describe(&self) -> String {
        format!("the KMS key {} at {}", self.settings.key, self.settings.endpoint.authority)
    }

    pub(crate) fn names(&self) -> (&str, &str) {
        (&self.settings.region, &self.settings.key)
    }

    pub(crate) async fn wrap(
        &self,
        key: &SlotKey,
        context: Context,
        env: Env<'_>,
    ) -> Result<PeerLock, Fault> {
        let plaintext = Zeroizing::new(Base64::encode_string(key.expose_bytes()));
        let answer = self.ask("Encrypt", ("Plaintext", &plaintext), context, env.now).await?;
        let Encrypted { ciphertext_blob } = parsed(&answer)?;
        let blob = Base64::decode_vec(ciphertext_blob).map_err(|_| Fault::down(NO_KMS))?;
        let KmsSettings { region, key, .. } = &self.settings;
        PeerLock::new(PeerKind::AwsKms, region, key, "", blob)
            .ok_or_else(|| Fault::down("what it made of the key is longer than it can be"))
    }

    pub(crate) async fn unwrap(
        &self,
        lock: &PeerLock,
        context: Context,
        env: Env<'_>,
    ) -> Result<Zeroizing<[u8; 32]>, Fault> {
        let blob = Base64::encode_string(lock.wrapped());
        let answer = self.ask("Decrypt", ("CiphertextBlob", &blob), context, env.now).await?;
        let Decrypted { plaintext } = parsed(&answer)?;
        let mut bytes = Zeroizing::new([0; 32]);
        match Base64::decode(plaintext, bytes.as_mut_slice()) {
            Ok(decoded) if decoded.len() == 32 => Ok(bytes),
            Ok(_) | Err(_) => Err(Fault::refused("what it gives back is not a slot's key")),
        }
    }

    async fn ask(
        &self,
        operation: &str,
        (name, value): (&str, &str),
        context: Context,
        now: Timestamp,
    ) -> Result<Answer, Fault> {
        let KmsSettings { region, key, endpoint, credentials_file } = &self.settings;
        // Base64, ids, hexadecimal digits and the ARN of a key need no escapes.
        let (vault, slot) = (context.vault(), context.slot());
        let parts = [
            "{\"KeyId\":\"",
            key,
            "\",\"EncryptionAlgorithm\":\"SYMMETRIC_DEFAULT\",\"EncryptionContext\":{\"panvault-vault\":\"",
            &vault,
            "\",\"panvault-slot\":\"",
            &slot,
            "\"},\"",
            name,
            "\":\"",
            value,
            "\"}",
        ];
        let mut body = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
        parts.iter().for_each(|part| body.extend_from_slice(part.as_bytes()));
        let text = (self.read)(credentials_file).map_err(Fault::refused)?;
        let unfit =
            |what| Fault::refused(format!("the file of credentials {} {what}", credentials_file.display()));
        let credentials = Credentials::parse(&text).map_err(unfit)?;
        let (date, target) = (amz_date(now), format!("TrentService.{operation}"));
        let mut headers =
            vec![("content-type", CONTENT_TYPE), ("host", &endpoint.authority), ("x-amz-date", &date)];
        if let Some(session) = &credentials.session {
            headers.push(("x-amz-security-token", session));
        }
        headers.push(("x-amz-target", &target));
        let scope = Scope { region, service: "kms" };
        let authorization = authorization(&credentials, &scope, &date, &headers, &body);
        let mut request = Request::builder().method(Method::POST).uri("/");
        // The host is added to every request.
        for (name, value) in headers.into_iter().filter(|(name, _)| *name != "host") {
            let mut value =
                HeaderValue::from_str(value).map_err(|_| unfit("has what no credential has in it"))?;
            value.set_sensitive(name == "x-amz-security-token");
            request = request.header(name, value);
        }
        let request = request.header("authorization", authorization);
        let answer = exchange::send(endpoint, None, request, body, self.time_outs).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(refused(&answer, now)) }
    }
}

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
const NO_KMS: &str = "what answers there is no AWS KMS";

fn parsed<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, Fault> {
    serde_json::from_slice(&answer.body).map_err(|_| Fault::down(NO_KMS))
}

/// What a refusal means, by its name.
fn refused(answer: &Answer, now: Timestamp) -> Fault {
    let status = answer.status.as_u16();
    let Ok(Refusal { kind, message }) = serde_json::from_slice(&answer.body) else {
        return Fault::down(format!("{NO_KMS}, or something in between refuses ({status})"));
    };
    let kind = kind.rsplit('#').next().unwrap_or_default();
    let said = format!("{status} {}; {}", shown(kind).trim_start_matches("it says: "), shown(&message));
    let (what, is_down) = match kind {
        "DisabledException" => ("the key is disabled", false),
        "KMSInvalidStateException" => {
            ("the key is to be deleted, or in another state in which it does nothing", false)
        }
        "NotFoundException" => ("there is no such key in this region and account", false),
        "InvalidCiphertextException" => (
            "another key, vault or slot is behind what the slot has: the slot is not of this vault, or was changed",
            false,
        ),
        "IncorrectKeyException" => ("what the slot has is of another key", false),
        "AccessDeniedException" => (
            "these credentials may not: kms:Decrypt is needed to open, kms:Encrypt beside it to add a slot",
            false,
        ),
        "ExpiredTokenException" => ("the credentials have expired", false),
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "IncompleteSignature"
        | "MissingAuthenticationToken" => ("it does not know the credentials", false),
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "RequestExpired" | "RequestTimeTooSkewed" => {
            return unsigned(answer, now, &said);
        }
        "ThrottlingException"
        | "LimitExceededException"
        | "DependencyTimeoutException"
        | "KMSInternalException"
        | "KeyUnavailableException"
        | "ServiceUnavailableException"
        | "InternalFailure" => ("it cannot now", true),
        _ => ("it refuses", status >= 500),
    };
    let what = format!("{what} ({said})");
    if is_down { Fault::down(what) } else { Fault::refused(what) }
}

/// A signature is refused when the secret is another, and when the clocks are too far apart: which, its own time says.
fn unsigned(answer: &Answer, now: Timestamp, said: &str) -> Fault {
    let theirs = answer.date.as_deref().and_then(unix_seconds);
    let apart = theirs.map(|theirs| theirs.abs_diff(now.unix_millis() / 1000));
    match apart.filter(|apart| *apart > CLOCK_SECONDS_MAX) {
        Some(apart) => Fault::refused(format!(
            "the clock of this machine is {apart} s away from that of the service, which refuses what is more than {CLOCK_SECONDS_MAX} s away: set it \
             right ({said})"
        )),
        None => Fault::refused(format!(
            "it does not take the signature: the secret is another than that of the id ({said})"
        )),
    }
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
fn unix_seconds(date: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = date.split_once(", ")?.1.split(' ');
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let text = format!("{year}-{month:02}-{day}T{time}.000Z");
    Some(Timestamp::parse(&text).ok()?.unix_millis() / 1000)
}

#[cfg(test)]
mod tests;
