use core::fmt;
use std::path::PathBuf;

use base64ct::{Base64, Encoding};
use http::{Method, Request, StatusCode};
use panvault_keys::{PeerKind, PeerLock, SlotKey};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::exchange::{self, Answer, TimeOuts};
use crate::fault::{Fault, shown};
use crate::peer::{Context, ReadSecret};
use crate::url::PeerUrl;

/// The transit engine of OpenBao or HashiCorp Vault, which encrypts by a key that it keeps.
#[derive(Clone)]
pub struct Transit {
    settings: TransitSettings,
    read: ReadSecret,
    time_outs: TimeOuts,
}

/// Where it is, and what it is asked with.
#[derive(Clone, Debug)]
pub struct TransitSettings {
    /// The server.
    pub address: PeerUrl,
    /// Where the engine is mounted, such as `transit`.
    pub mount: String,
    /// The name of the key.
    pub key: String,
    /// The file with the token, which is read at each request: who renews tokens writes it anew.
    pub token_file: PathBuf,
    /// Certificates that it is known by; `None` for those of the public authorities.
    pub ca_file: Option<PathBuf>,
}

/// Whether it is the name of a mount or a key: letters, digits, `-`, `_`, `.`, and `/` between those of a mount.
pub fn is_path_name(text: &str, may_have_slashes: bool) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    text.len() <= 128 && (may_have_slashes || !text.contains('/')) && text.split('/').all(part)
}

impl fmt::Debug for Transit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(formatter)
    }
}

/// What a request that it did is answered with.
#[derive(Deserialize)]
struct Done<D> {
    data: D,
}

#[derive(Deserialize)]
struct Encrypted<'a> {
    ciphertext: &'a str,
}

#[derive(Deserialize)]
struct Decrypted<'a> {
    plaintext: &'a str,
}

#[derive(Deserialize)]
struct Key {
    #[serde(default)]
    exportable: bool,
    #[serde(default)]
    allow_plaintext_backup: bool,
    #[serde(default)]
    supports_encryption: bool,
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<String>,
}

impl Transit {
    /// The one that the settings name. It is not asked yet.
    pub fn new(settings: TransitSettings, read: ReadSecret) -> Self {
        Self { settings, read, time_outs: TimeOuts::default() }
    }

    pub(crate) fn describe(&self) -> String {
        let TransitSettings { address, mount, key, .. } = &self.settings;
        format!("the transit key {mount}/{key} at {}", address.authority)
    }

    pub(crate) fn names(&self) -> (&str, &str) {
        (&self.settings.mount, &self.settings.key)
    }

    pub(crate) async fn wrap(&self, key: &SlotKey, context: Context) -> Result<PeerLock, Fault> {
        // A request to encrypt would make the key where there is none.
        self.key_is_fit().await?;
        let plaintext = Zeroizing::new(Base64::encode_string(key.expose_bytes()));
        let answer = self.ask("encrypt", &[("plaintext", plaintext.as_str())], context).await?;
        let Done { data: Encrypted { ciphertext } } = parsed(&answer)?;
        let TransitSettings { mount, key, .. } = &self.settings;
        let lock = PeerLock::new(PeerKind::Transit, mount, key, version(ciphertext)?, ciphertext.into());
        lock.ok_or_else(|| Fault::down("its answer is longer than it can be"))
    }

    pub(crate) async fn unwrap(
        &self,
        lock: &PeerLock,
        context: Context,
    ) -> Result<Zeroizing<[u8; 32]>, Fault> {
        // What stands in a header is put into a request: only what an engine makes.
        let unfit = || Fault::refused("what the slot has is not what an engine made");
        let ciphertext = core::str::from_utf8(lock.wrapped()).map_err(|_| unfit())?;
        version(ciphertext).map_err(|_| unfit())?;
        let answer = self.ask("decrypt", &[("ciphertext", ciphertext)], context).await?;
        let Done { data: Decrypted { plaintext } } = parsed(&answer)?;
        let mut bytes = Zeroizing::new([0; 32]);
        match Base64::decode(plaintext, bytes.as_mut_slice()) {
            Ok(decoded) if decoded.len() == 32 => Ok(bytes),
            Ok(_) | Err(_) => Err(Fault::refused("what it gives back is not a slot's key")),
        }
    }

    /// Whether the key is there, encrypts, and stays there.
    async fn key_is_fit(&self) -> Result<(), Fault> {
        let TransitSettings { mount, key, .. } = &self.settings;
        let request = self.request(Method::GET, &format!("/v1/{mount}/keys/{key}"))?;
        let answer = self.send(request, Zeroizing::default()).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Err(Fault::refused(format!(
                "there is no such key, or no engine: bao secrets enable -path={mount} transit and bao write -f {mount}/keys/{key} make them"
            )));
        }
        let Done { data: Key { exportable, allow_plaintext_backup, supports_encryption } } =
            parsed(&done(answer)?)?;
        if exportable || allow_plaintext_backup {
            return Err(Fault::refused(
                "the key can be exported, or backed up in plaintext: make one of which neither can be done",
            ));
        }
        if supports_encryption {
            Ok(())
        } else {
            Err(Fault::refused("the key is of a type that does not encrypt"))
        }
    }

    async fn ask(
        &self,
        what: &str,
        [(name, value)]: &[(&str, &str); 1],
        context: Context,
    ) -> Result<Answer, Fault> {
        let TransitSettings { mount, key, .. } = &self.settings;
        let context = Base64::encode_string(&context.bytes());
        // Base64 and its like need no escapes. A key that is derived wants the context; the others, associated data.
        let parts = [
            "{\"",
            name,
            "\":\"",
            value,
            "\",\"associated_data\":\"",
            &context,
            "\",\"context\":\"",
            &context,
            "\"}",
        ];
        let mut body = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
        parts.iter().for_each(|part| body.extend_from_slice(part.as_bytes()));
        let request = self.request(Method::POST, &format!("/v1/{mount}/{what}/{key}"))?;
        done(self.send(request, body).await?)
    }

    fn request(&self, method: Method, path: &str) -> Result<http::request::Builder, Fault> {
        let token = (self.read)(&self.settings.token_file).map_err(Fault::refused)?;
        let mut token = http::HeaderValue::from_str(&token)
            .map_err(|_| Fault::refused("the token has what no token has in it"))?;
        token.set_sensitive(true);
        Ok(Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .header("x-vault-request", "true")
            .header("x-vault-token", token))
    }

    async fn send(&self, request: http::request::Builder, body: Zeroizing<Vec<u8>>) -> Result<Answer, Fault> {
        let TransitSettings { address, ca_file, .. } = &self.settings;
        exchange::send(address, ca_file.as_deref(), request, body, self.time_outs).await
    }
}

/// The answer, if it is one to a request that was done.
fn done(answer: Answer) -> Result<Answer, Fault> {
    if answer.status == StatusCode::OK {
        return Ok(answer);
    }
    let errors = serde_json::from_slice::<Errors>(&answer.body).map(|errors| errors.errors.join("; "));
    let said = shown(&errors.unwrap_or_default());
    let status = answer.status.as_u16();
    Err(match status {
        503 => Fault::down(format!("it is sealed, or serves nobody now ({status}; {said})")),
        429 | 472 | 473 | 500.. => Fault::down(format!("it cannot now ({status}; {said})")),
        401 | 403 => Fault::refused(format!(
            "the token is not valid, has expired, or may not do this ({status}; {said})"
        )),
        400 if said.contains("key not found") => {
            Fault::refused(format!("the key is gone, and what it wrapped with it ({said})"))
        }
        400 if said.contains("authentication failed") => Fault::refused(format!(
            "another key, vault or slot is behind what the slot has: the key was made anew under its name, or the slot is not of this vault ({said})"
        )),
        400 if said.contains("too old") || said.contains("version") => Fault::refused(format!(
            "the version of the key that wrapped the slot's key may not decrypt any more ({said})"
        )),
        404 => Fault::refused(format!("there is no such engine ({said})")),
        _ => Fault::refused(format!("it refuses ({status}; {said})")),
    })
}

/// Reads an answer. What is not one is of something in between, which may go.
fn parsed<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, Fault> {
    serde_json::from_slice(&answer.body).map_err(|_| Fault::down("what answers there is no OpenBao or Vault"))
}

/// Which version of the key made it: `vault:v1:…`.
fn version(ciphertext: &str) -> Result<&str, Fault> {
    let unfit = || Fault::down("what answers there is no transit engine");
    let (version, bytes) =
        ciphertext.strip_prefix("vault:v").and_then(|rest| rest.split_once(':')).ok_or_else(unfit)?;
    let is_number = (1..=9).contains(&version.len()) && version.bytes().all(|byte| byte.is_ascii_digit());
    let is_base64 =
        !bytes.is_empty() && bytes.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    if is_number && is_base64 { Ok(version) } else { Err(unfit()) }
}

#[cfg(test)]
mod tests;
