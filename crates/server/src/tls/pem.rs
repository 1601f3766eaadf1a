//! Files of certificates and keys: what may be read, and what is in them. No message repeats anything of a file.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

/// Bytes of a file of certificates or of a key; real ones have a few thousand.
const FILE_BYTES_MAX: u64 = 1 << 20;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads a chain of certificates, or says what is wrong with the file and what to do.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let (text, metadata) = read(path)?;
    let labels = labels(&text);
    if labels.iter().any(|label| is_key(label)) {
        // It may stand there, as long as the file is kept like one of a key.
        is_kept_like_a_key(path, &metadata)
            .map_err(|what| format!("holds a private key beside the certificates, and {what}"))?;
    } else if metadata.mode() & 0o022 != 0 {
        let mode = metadata.mode() & 0o7777;
        return Err(format!("can be changed by others (mode {mode:04o}); run chmod go-w {}", path.display()));
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Err(_) => Err("is cut or damaged: its PEM cannot be read".to_owned()),
        Ok(chain) if chain.is_empty() => Err(none_of("certificate", path, &text, &labels)),
        Ok(chain) => Ok(chain),
    }
}

/// Reads a private key that nobody else can, or says what is wrong with the file and what to do.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let (text, metadata) = read(path)?;
    is_kept_like_a_key(path, &metadata)?;
    let labels = labels(&text);
    if labels.iter().any(|label| label == "ENCRYPTED PRIVATE KEY") || holds(&text, b"Proc-Type: 4,ENCRYPTED")
    {
        return Err(format!(
            "is encrypted, and a server that starts by itself has nobody to ask for the passphrase: write it decrypted, by \
             (umask 077; openssl pkey -in {} -out FILE), and name that file",
            path.display()
        ));
    }
    if labels.iter().filter(|label| is_key(label)).count() > 1 {
        return Err("holds more than one private key; keep the one of the certificate".to_owned());
    }
    if !labels.iter().any(|label| is_key(label)) {
        return Err(none_of("private key", path, &text, &labels));
    }
    PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| "is cut or damaged, or holds a private key of a kind that is not supported".to_owned())
}

fn is_key(label: &str) -> bool {
    label.ends_with("PRIVATE KEY")
}

/// The bytes of a file, without a byte order mark.
fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, Metadata), String> {
    // What stands there may be a pipe, whose other end nobody has: that is not waited for.
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, file) = opened.map_err(|error| unreadable(&error))?;
    if !metadata.is_file() {
        return Err("is not a file; name a file in PEM".to_owned());
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(format!("is larger than {FILE_BYTES_MAX} bytes, so it is something else"));
    }
    let mut text = bytes(file).map_err(|error| unreadable(&error))?;
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return Err("is UTF-16; save it as plain ASCII or UTF-8".to_owned());
    }
    if text.starts_with(BOM) {
        text.drain(..BOM.len());
    }
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err("is empty".to_owned());
    }
    Ok((text, metadata))
}

fn bytes(file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    // Made large enough once: a buffer that grows leaves copies of a key behind.
    let len = file.metadata()?.len().min(FILE_BYTES_MAX).saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(len).unwrap_or(0)));
    file.take(len).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "is missing".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "cannot be read by the user that the server runs as; let that user own a copy".to_owned()
        }
        _ => format!("cannot be read: {error}"),
    }
}

/// A key is for its owner only. Of one that root owns, the group may be the way by which this process reads it: so packages and
/// volumes of secrets have it.
fn is_kept_like_a_key(path: &Path, metadata: &Metadata) -> Result<(), String> {
    let (mode, owner, own) = (metadata.mode() & 0o7777, metadata.uid(), rustix::process::geteuid().as_raw());
    let shown = path.display();
    if owner != own && owner != 0 {
        return Err(format!(
            "belongs to another user, who could put another key there; run chown {own} {shown}"
        ));
    }
    let (allowed, better) = if owner == own { (0o077, 600) } else { (0o027, 640) };
    if mode & allowed != 0 {
        return Err(format!(
            "can be read or changed by others (mode {mode:04o}); run chmod {better} {shown}, and think of a new key if anybody \
             could have read it"
        ));
    }
    Ok(())
}

/// What is there in place of what was looked for.
fn none_of(what: &str, path: &Path, text: &[u8], labels: &[String]) -> String {
    if text.starts_with(&[0x30]) {
        return format!(
            "is binary (DER or PKCS #12) and not PEM; openssl x509 or openssl pkey with -inform DER, or openssl pkcs12, writes \
             PEM from {}",
            path.display()
        );
    }
    let is = |label: &str| labels.iter().any(|found| found == label);
    let there = if labels.iter().any(|label| is_key(label)) {
        ", but a private key: are the two settings exchanged?"
    } else if is("CERTIFICATE") {
        ", but certificates: are the two settings exchanged?"
    } else if is("CERTIFICATE REQUEST") || is("NEW CERTIFICATE REQUEST") {
        ", but the request for one: name the file that the authority sent back"
    } else if is("TRUSTED CERTIFICATE") {
        " as others read it; openssl x509 -in FILE -out NEW writes one"
    } else {
        ""
    };
    format!("holds no {what} in PEM{there}")
}

/// The labels of PEM, such as `CERTIFICATE`, in order.
fn labels(text: &[u8]) -> Vec<String> {
    text.split(|byte| matches!(byte, b'\n' | b'\r'))
        .filter_map(|line| {
            line.strip_prefix(b"-----BEGIN ".as_slice())?.trim_ascii_end().strip_suffix(b"-----")
        })
        .map(|label| String::from_utf8_lossy(label).into_owned())
        .collect()
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
