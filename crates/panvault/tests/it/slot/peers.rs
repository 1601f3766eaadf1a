//! Slots whose key a peer has wrapped, each with its real peer, or the nearest there is: OpenBao, SoftHSM, and moto in the place of AWS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use panvault_keys::{SlotKey, SystemEntropy};
use panvault_model::{Timestamp, VaultId};
use panvault_slots::{
    Context, Env, FaultKind, Kms, KmsSettings, Peer, PeerUrl, Token, TokenSettings, Transit, TransitSettings,
};
use panvault_testkit::servers::{Bao, Moto};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Trial;
use crate::cli::path;
use crate::serve::Served;
use crate::support::{Ended, panvault, secret_file};

const LIBRARY: &str = "/usr/lib/softhsm/libsofthsm2.so";
const UTILITY: &str = "/usr/bin/softhsm2-util";
const PIN: &str = "1234-5678";
const REGION: &str = "eu-central-1";

/// A vault, and settings that name a peer.
struct Peered {
    trial: Trial,
    set: Vec<(&'static str, String)>,
    environment: Vec<(&'static str, PathBuf)>,
}

impl Peered {
    fn new(set: Vec<(&'static str, String)>) -> Self {
        Self { trial: Trial::new(), set, environment: Vec::new() }
    }

    /// The same with other values of some settings.
    fn set(&mut self, name: &'static str, value: &str) {
        self.set.retain(|(known, _)| *known != name);
        self.set.push((name, value.to_owned()));
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = panvault();
        command.args(words).arg("--data").arg(self.trial.file("vault"));
        for (name, value) in &self.set {
            command.arg("--set").arg(format!("{name}={value}"));
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn run(&self, words: &[&str]) -> Ended {
        let output = self.command(words).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { status: output.status, out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    fn done(&self, words: &[&str]) -> String {
        let ended = self.run(words);
        assert!(ended.status.success(), "{words:?}: {}", ended.err);
        ended.out
    }

    #[track_caller]
    fn refused(&self, words: &[&str], said: &str) {
        let ended = self.run(words);
        assert_eq!(ended.status.code(), Some(1), "{words:?}: {}", ended.out);
        assert!(ended.err.contains(said), "{words:?}: {}", ended.err);
    }

    fn without_key_file(&self) {
        fs::rename(self.trial.file("vault.slot-key"), self.trial.file("kept")).unwrap();
    }

    /// It is served, and a command beside the server proves that it has the root key.
    fn is_served(&self) {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0", "--metrics-listen", ""]);
        command.args(["--set", "log_format=json"]);
        let served = Served::start_command(command, self.trial.directory.path());
        let status: Value = serde_json::from_str(&self.done(&["status", "--json"])).unwrap();
        assert_eq!(status["mode"], "test", "{status}");
        drop(served);
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it stands for a function that fails")]
fn read(file: &Path) -> Result<Zeroizing<String>, String> {
    Ok(Zeroizing::new(fs::read_to_string(file).unwrap()))
}

/// What was wrapped for one slot of one vault is given back for that alone.
fn holds_to_its_context(peer: &Peer) {
    let entropy = SystemEntropy::new();
    let env = Env { now: now(), entropy: &entropy };
    let (vault, other) = (VaultId::from_bytes([1; 12]), VaultId::from_bytes([2; 12]));
    let (key, another) = (SlotKey::make(&entropy).unwrap(), SlotKey::make(&entropy).unwrap());
    let context = Context::of_key(vault, &key).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let lock = peer.wrap(&key, context, env).await.unwrap();
        assert!(peer.names(&lock));
        assert!(!lock.wrapped().windows(32).any(|bytes| bytes == key.expose_bytes()), "it is wrapped");
        let again = peer.unwrap(&lock, context, env).await.unwrap();
        assert_eq!(again.expose_bytes(), key.expose_bytes());
        for wrong in [Context::of_key(other, &key).unwrap(), Context::of_key(vault, &another).unwrap()] {
            let fault = peer.unwrap(&lock, wrong, env).await.err().unwrap();
            assert_eq!(fault.kind(), FaultKind::Refused, "{fault}");
            assert!(fault.to_string().contains("another key, vault or slot"), "{fault}");
        }
    });
}

fn now() -> Timestamp {
    use panvault_vault::Clock;
    panvault_vault::SystemClock::start().now().wall
}

#[test]
fn a_transit_engine_opens_a_vault() {
    let bao = Bao::start();
    let mut vault = Peered::new(vec![
        ("slot_transit_address", bao.url()),
        ("slot_transit_key", "vault".to_owned()),
        ("slot_transit_mount", "transit".to_owned()),
    ]);
    let token = vault.trial.secret("token", "root\n");
    vault.set("slot_transit_token_file", path(&token));
    let add = ["slot", "add", "transit", "--label", "OpenBao"];
    vault.refused(&add, "there is no such key, or no engine: bao secrets enable");
    bao.ask("POST", "transit/keys/vault", &json!({ "exportable": true }));
    vault.refused(&add, "the key can be exported");
    bao.ask("POST", "transit/keys/vault/config", &json!({ "deletion_allowed": true }));
    bao.ask("DELETE", "transit/keys/vault", &json!({}));
    bao.ask("POST", "transit/keys/vault", &json!({}));
    assert_eq!(vault.done(&add), "slot 2 is added: OpenBao, the transit key transit/vault (version 1)\n");
    vault.without_key_file();

    // A server needs a token that may decrypt, and nothing else.
    let rules = r#"path "transit/decrypt/vault" { capabilities = ["update"] }"#;
    bao.ask("PUT", "sys/policies/acl/panvault", &json!({ "policy": rules }));
    let made =
        bao.ask("POST", "auth/token/create", &json!({ "policies": ["panvault"], "no_default_policy": true }));
    let limited = made["auth"]["client_token"].as_str().unwrap();
    secret_file(&token, limited);
    assert!(vault.done(&["slot", "test"]).starts_with("slot 2 opens the vault: OpenBao, the transit key"));
    assert!(vault.done(&["slot", "test", "--with", "transit"]).starts_with("slot 2 opens the vault"));
    let listed: Value = serde_json::from_str(&vault.done(&["slot", "list", "--json"])).unwrap();
    let slot = &listed["slots"][1];
    assert_eq!(
        (&slot["kind"], &slot["mount"], &slot["key"]),
        (&json!("transit"), &json!("transit"), &json!("vault"))
    );
    assert_eq!(slot["key_version"], "1");
    vault.is_served();
    // Another version of the key, and a new root key that is sealed to the slot without asking.
    bao.ask("POST", "transit/keys/vault/rotate", &json!({}));
    let key = vault.trial.file("another");
    vault.done(&["slot", "add", "key-file", path(&key), "--label", "safe"]);
    vault.done(&["slot", "remove", "1"]);
    assert!(vault.done(&["slot", "test"]).starts_with("slot 2 opens the vault"));
    vault.refused(&["slot", "remove", "2"], "slot 2 is the one that opened the vault");

    secret_file(&token, "s.none");
    vault.refused(
        &["slot", "test"],
        "the token is not valid, has expired, or may not do this (403; it says: permission denied)",
    );
    secret_file(&token, limited);
    bao.ask("POST", "auth/token/revoke", &json!({ "token": limited }));
    vault.refused(&["slot", "test"], "and there is no key file");
    fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    vault.refused(&["slot", "test"], "can be read or changed by others");
    fs::remove_file(&token).unwrap();
    secret_file(&token, "root");
    vault.set("slot_transit_key", "other");
    vault.refused(&["slot", "test"], "no slot of the vault is under the transit key transit/other");
    vault.set("slot_transit_key", "vault");
    bao.ask("POST", "transit/keys/vault/config", &json!({ "deletion_allowed": true }));
    bao.ask("DELETE", "transit/keys/vault", &json!({}));
    vault.refused(&["slot", "test"], "the key is gone, and what it wrapped with it");
    bao.ask("POST", "transit/keys/vault", &json!({}));
    vault.refused(&["slot", "test"], "the key was made anew under its name");
    bao.ask("PUT", "sys/seal", &json!({}));
    vault.refused(&["slot", "test"], "it is sealed, or serves nobody now (503; it says: Vault is sealed)");
    let address = bao.url();
    drop(bao);
    vault.refused(
        &["slot", "test"],
        &format!("the transit key transit/vault at {}", &address["http://".len()..]),
    );
    vault.refused(&["slot", "test"], "it could not be connected to");
    // The key file comes first, and is asked alone.
    let by_file = format!("slot_key_file={}", path(&key));
    assert!(
        vault
            .done(&["slot", "test", "--set", &by_file])
            .starts_with("slot 3 opens the vault: safe, a key file")
    );
}

/// Of a key that is derived for each context, and of one that is not.
#[test]
fn a_transit_engine_holds_to_the_context() {
    let (bao, directory) = (Bao::start(), tempfile::tempdir().unwrap());
    let token_file = directory.path().join("token");
    fs::write(&token_file, "root").unwrap();
    for (key, settings) in [
        ("plain", json!({})),
        ("derived", json!({ "derived": true })),
        ("chacha", json!({ "type": "chacha20-poly1305" })),
    ] {
        bao.ask("POST", &format!("transit/keys/{key}"), &settings);
        let settings = TransitSettings {
            address: PeerUrl::parse(&bao.url()).unwrap(),
            mount: "transit".to_owned(),
            key: key.to_owned(),
            token_file: token_file.clone(),
            ca_file: None,
        };
        holds_to_its_context(&Peer::Transit(Transit::new(settings, read)));
    }
}

#[test]
fn a_kms_opens_a_vault_and_holds_to_the_context() {
    let moto = Moto::start();
    let make =
        || moto.kms(REGION, "CreateKey", &json!({}))["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    let (key, other) = (make(), make());
    let mut vault = Peered::new(vec![
        ("slot_aws_kms_region", REGION.to_owned()),
        ("slot_aws_kms_key", key.clone()),
        ("slot_aws_kms_endpoint", moto.url()),
    ]);
    let text = "[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = secret\n";
    let credentials = vault.trial.secret("credentials", text);
    vault.set("slot_aws_kms_credentials_file", path(&credentials));
    let added = vault.done(&["slot", "add", "aws-kms", "--label", "AWS"]);
    assert_eq!(added, format!("slot 2 is added: AWS, the KMS key {key}\n"));
    vault.without_key_file();
    assert!(vault.done(&["slot", "test"]).starts_with("slot 2 opens the vault: AWS, the KMS key"));
    vault.is_served();
    let settings = KmsSettings {
        region: REGION.to_owned(),
        key: key.clone(),
        endpoint: PeerUrl::parse(&moto.url()).unwrap(),
        credentials_file: credentials.clone(),
    };
    holds_to_its_context(&Peer::AwsKms(Kms::new(settings, read)));

    vault.set("slot_aws_kms_key", &other);
    vault.refused(&["slot", "test"], &format!("no slot of the vault is under the KMS key {other}"));
    vault.set("slot_aws_kms_key", &key.replace("key/", "key/0"));
    vault.refused(&["slot", "add", "aws-kms", "--label", "AWS again"], "no slot of the vault is under");
    fs::rename(vault.trial.file("kept"), vault.trial.file("vault.slot-key")).unwrap();
    vault.refused(
        &["slot", "add", "aws-kms", "--label", "AWS again"],
        "there is no such key in this region and account",
    );
    vault.set("slot_aws_kms_key", &key);
    secret_file(&credentials, "AKIDEXAMPLE");
    vault.refused(
        &["slot", "test", "--with", "aws-kms"],
        "has no aws_access_key_id and aws_secret_access_key below a line [default]",
    );
}

/// A directory of tokens that SoftHSM keeps.
struct SoftHsm {
    directory: tempfile::TempDir,
}

impl SoftHsm {
    fn new() -> Self {
        for file in [LIBRARY, UTILITY] {
            let advice = "is needed and is not there: `apt-get install softhsm2`, or run `cargo xtask test`, which installs it";
            assert!(Path::new(file).exists(), "{file} {advice}");
        }
        let hsm = Self { directory: tempfile::tempdir().unwrap() };
        hsm.init();
        hsm
    }

    fn configuration(&self) -> PathBuf {
        self.directory.path().join("softhsm2.conf")
    }

    /// A new token in the place of what was there.
    fn init(&self) {
        let tokens = self.directory.path().join("tokens");
        drop(fs::remove_dir_all(&tokens));
        fs::create_dir(&tokens).unwrap();
        let text = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        fs::write(self.configuration(), text).unwrap();
        self.utility(&[
            "--init-token",
            "--free",
            "--label",
            "panvault",
            "--pin",
            PIN,
            "--so-pin",
            "87654321",
        ]);
    }

    fn utility(&self, words: &[&str]) {
        let mut command = Command::new(UTILITY);
        let output = command.args(words).env("SOFTHSM2_CONF", self.configuration()).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Logs in with the right PIN and puts a key there that was outside.
    fn import(&self, label: &str, id: &str) {
        let file = self.directory.path().join("outside");
        fs::write(&file, [7; 32]).unwrap();
        let words = [
            "--import",
            path(&file),
            "--aes",
            "--token",
            "panvault",
            "--label",
            label,
            "--id",
            id,
            "--pin",
            PIN,
        ];
        self.utility(&words);
    }
}

#[test]
fn a_token_opens_a_vault() {
    let hsm = SoftHsm::new();
    let mut vault = Peered::new(vec![
        ("slot_pkcs11_library", LIBRARY.to_owned()),
        ("slot_pkcs11_token", "panvault".to_owned()),
        ("slot_pkcs11_key", "vault".to_owned()),
    ]);
    vault.environment.push(("SOFTHSM2_CONF", hsm.configuration()));
    let pin = vault.trial.secret("pin", PIN);
    vault.set("slot_pkcs11_pin_file", path(&pin));
    let add = ["slot", "add", "pkcs11", "--label", "HSM"];
    vault.refused(&add, "the token has no secret key of that label");
    let made = [&add[..], &["--make-key"]].concat();
    let added = vault.done(&made);
    assert!(added.starts_with("slot 2 is added: HSM, the key vault of the token panvault (id "), "{added}");
    vault.refused(&made, "another slot has that label");
    let again = ["slot", "add", "pkcs11", "--label", "HSM again", "--make-key"];
    vault.refused(&again, "the token has a key of that label already");
    vault.without_key_file();
    assert!(
        vault.done(&["slot", "test"]).starts_with("slot 2 opens the vault: HSM, the key vault of the token")
    );
    vault.is_served();

    // The header names the id: another key of the label is not taken for it, and does not come to be one.
    hsm.import("vault", "0102");
    assert!(vault.done(&["slot", "test"]).starts_with("slot 2 opens the vault"));
    vault.refused(&["slot", "add", "pkcs11", "--label", "HSM again"], "the token has two keys of that label");

    // A wrong PIN is tried once, and then not before somebody has logged in.
    secret_file(&pin, "1234-0000");
    vault.refused(&["slot", "test"], "is wrong. It is not tried again");
    vault.refused(&["slot", "test"], "a wrong PIN was tried since it was last right");
    secret_file(&pin, PIN);
    vault.refused(&["slot", "test"], "a wrong PIN was tried since it was last right");
    hsm.import("by-hand", "0103");
    assert!(vault.done(&["slot", "test"]).starts_with("slot 2 opens the vault"));

    vault.set("slot_pkcs11_token", "other");
    vault.refused(&["slot", "test"], "no slot of the vault is under the key vault of the token other");
    vault.refused(&["slot", "test", "--with", "pkcs11"], "no slot of the vault is under");
    vault.set("slot_pkcs11_token", "panvault");
    vault.set("slot_pkcs11_library", "/usr/lib/softhsm/none.so");
    vault.refused(&["slot", "test"], "the library /usr/lib/softhsm/none.so cannot be read");
    vault.set("slot_pkcs11_library", "/bin/sh");
    vault.refused(&["slot", "test"], "cannot be used (it does not load, or is none of PKCS#11)");
    vault.set("slot_pkcs11_library", LIBRARY);

    // The token is replaced by one that says the same of itself.
    hsm.init();
    vault.refused(&["slot", "test"], "the token has no secret key of that label");
    fs::rename(vault.trial.file("kept"), vault.trial.file("vault.slot-key")).unwrap();
    let new = ["slot", "add", "pkcs11", "--label", "HSM, replaced", "--make-key"];
    assert!(vault.done(&new).starts_with("slot 3 is added"));
    vault.refused(&["slot", "remove", "7"], "there is no slot 7");
    vault.without_key_file();
    // The slot of before refuses, and the one after it opens.
    assert!(vault.done(&["slot", "test"]).starts_with("slot 3 opens the vault"));
    fs::remove_dir_all(hsm.directory.path().join("tokens")).unwrap();
    fs::create_dir(hsm.directory.path().join("tokens")).unwrap();
    vault.refused(&["slot", "test"], "there is no token of that label");
}

/// SoftHSM finds its tokens by the environment: the test runs itself with another.
#[test]
fn a_token_holds_to_the_context() {
    const NAME: &str = "slot::peers::a_token_holds_to_the_context";
    let settings = |directory: &Path| TokenSettings {
        library: LIBRARY.into(),
        token: "panvault".to_owned(),
        key: "vault".to_owned(),
        pin_file: directory.join("pin"),
    };
    if let Some((_, directory)) = crate::support::inherited().find(|(name, _)| name == "TEST_OF_TOKEN") {
        let token = Token::new(settings(Path::new(&directory)), read);
        let entropy = SystemEntropy::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let key_make = || runtime.block_on(token.key_make(Env { now: now(), entropy: &entropy }));
        key_make().unwrap();
        holds_to_its_context(&Peer::Pkcs11(token.clone()));
        // A server asks again and again, and not every token says that a wrong PIN was tried.
        fs::write(Path::new(&directory).join("pin"), "1234-0000").unwrap();
        let said = || key_make().unwrap_err().to_string();
        assert!(said().contains("is wrong"), "{}", said());
        assert!(said().contains("is not tried again by this process"), "{}", said());
        return;
    }
    let hsm = SoftHsm::new();
    fs::write(hsm.directory.path().join("pin"), PIN).unwrap();
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", NAME]).env("SOFTHSM2_CONF", hsm.configuration());
    let output = again.env("TEST_OF_TOKEN", hsm.directory.path()).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}
