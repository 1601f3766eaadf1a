#![doc = include_str!("../README.md")]

/// A built file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebFile {
    /// Below `dist/`, as [`integrity`] and `hashes.json` name it.
    pub path: &'static str,
    /// Its media type, as `Content-Type` has it.
    pub content_type: &'static str,
    /// What it holds.
    pub bytes: &'static [u8],
}

/// The files of one version, which never change once it was released.
#[derive(Debug)]
pub struct Release {
    /// As `web/package.json` has it.
    pub version: &'static str,
    /// The shop's script, which defines `Panvault`.
    pub script: WebFile,
    /// The same as a module.
    pub module: WebFile,
    /// The script of a field's frame.
    pub frame_script: WebFile,
    /// The style sheet of a field's frame.
    pub frame_style: WebFile,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const ICON: &str = "image/svg+xml";

macro_rules! file {
    ($content_type:expr, $path:expr) => {
        WebFile {
            path: $path,
            content_type: $content_type,
            bytes: include_bytes!(concat!("../dist/", $path)),
        }
    };
}

macro_rules! release {
    ($version:literal) => {
        Release {
            version: $version,
            script: file!(SCRIPT, concat!($version, "/panvault.js")),
            module: file!(SCRIPT, concat!($version, "/panvault.mjs")),
            frame_script: file!(SCRIPT, concat!($version, "/frame.js")),
            frame_style: file!(STYLE, concat!($version, "/frame.css")),
        }
    };
}

/// Every version that is served, the newest last.
pub static RELEASES: &[Release] = &[release!("0.1.0")];

/// The script of the gateway's own forms, which is not versioned.
pub static FORM_SCRIPT: WebFile = file!(SCRIPT, "jsclient.js");
/// The page that shoppers pay at, the same for every checkout.
pub static CHECKOUT_PAGE: WebFile = file!(HTML, "checkout.html");
/// Its script.
pub static CHECKOUT_SCRIPT: WebFile = file!(SCRIPT, "checkout.js");
/// Its style sheet.
pub static CHECKOUT_STYLE: WebFile = file!(STYLE, "checkout.css");
/// The page for trying, of `panvault dev` alone.
pub static TRY_PAGE: WebFile = file!(HTML, "try.html");
/// Its script.
pub static TRY_SCRIPT: WebFile = file!(SCRIPT, "try.js");
/// Its style sheet.
pub static TRY_STYLE: WebFile = file!(STYLE, "try.css");
/// The page of the console.
pub static CONSOLE_PAGE: WebFile = file!(HTML, "console/index.html");
/// What that loads, and what its parts are licensed by.
pub static CONSOLE_FILES: &[WebFile] = &[
    file!(SCRIPT, "console/app.js"),
    file!(STYLE, "console/app.css"),
    file!(ICON, "console/icon.svg"),
    file!(TEXT, "console/licences.txt"),
];
/// The hashes of all others: a JSON object of paths and hashes.
pub static HASHES: WebFile = file!(JSON, "hashes.json");

/// The release of this version, if it is served.
pub fn release(version: &str) -> Option<&'static Release> {
    RELEASES.iter().find(|release| release.version == version)
}

/// The hash of a file (Subresource Integrity), as `hashes.json` has it: a prefix that names the algorithm, and base64.
pub fn integrity(path: &str) -> Option<&'static str> {
    let hashes = core::str::from_utf8(HASHES.bytes).ok()?;
    let (_, behind) = hashes.split_once(&format!("\"{path}\""))?;
    let (_, value) = behind.split_once('"')?;
    value.split_once('"').map(|(hash, _)| hash).filter(|hash| hash.starts_with("sha384-"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    use base64ct::{Base64, Encoding};
    use sha2::{Digest, Sha384};

    use super::*;

    fn files() -> Vec<WebFile> {
        let of_release =
            |release: &Release| [release.script, release.module, release.frame_script, release.frame_style];
        let checkout = [CHECKOUT_PAGE, CHECKOUT_SCRIPT, CHECKOUT_STYLE];
        let unversioned = [[FORM_SCRIPT].as_slice(), &[TRY_PAGE, TRY_SCRIPT, TRY_STYLE], &checkout].concat();
        let console = CONSOLE_FILES.iter().copied().chain([CONSOLE_PAGE]);
        RELEASES.iter().flat_map(of_release).chain(unversioned).chain(console).collect()
    }

    #[test]
    fn every_file_has_its_hash_and_every_hash_its_file() {
        let hashes: BTreeMap<String, String> = serde_json::from_slice(HASHES.bytes).unwrap();
        for file in files() {
            let mut text = [0; 64];
            let hash = Base64::encode(&Sha384::digest(file.bytes), &mut text).unwrap();
            let hash = format!("sha384-{hash}");
            assert_eq!(hashes.get(file.path), Some(&hash), "{}", file.path);
            assert_eq!(integrity(file.path), Some(hash.as_str()), "{}", file.path);
        }
        assert_eq!(hashes.len(), files().len());
        assert_eq!(integrity("0.0.0/frame.js"), None);
    }

    #[test]
    fn every_version_that_was_built_is_served() {
        let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist");
        let entries = fs::read_dir(dist).unwrap().map(Result::unwrap);
        let is_version = |name: &str| name.starts_with(|first: char| first.is_ascii_digit());
        let directories = entries.filter(|entry| is_version(entry.file_name().to_str().unwrap()));
        let mut built: Vec<String> =
            directories.map(|entry| entry.file_name().into_string().unwrap()).collect();
        built.sort_unstable();
        let mut served: Vec<&str> = RELEASES.iter().map(|release| release.version).collect();
        served.sort_unstable();
        assert_eq!(built, served);
        assert!(release("0.1.0").is_some() && release("0.1").is_none() && release("").is_none());
    }
}
