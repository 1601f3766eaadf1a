//! `panvault setup`: from nothing to a vault that is served, with the commands that it prints, or nothing at all.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::cli::path;
use crate::support::{assert_healthy, panvault, run, run_json, run_refused};

/// Where nothing listens.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Everything below a directory, with mode, owner and bytes.
fn contents(directory: &Path) -> BTreeMap<PathBuf, (u32, u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let bytes = if metadata.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
        if metadata.is_dir() {
            found.extend(contents(&path));
        }
        found.insert(path, (metadata.mode(), metadata.uid(), bytes));
    }
    found
}

/// The indented lines behind a heading, as they are.
fn block<'a>(printed: &'a str, heading: &str) -> Vec<&'a str> {
    let (_, behind) = printed.split_once(heading).unwrap_or_else(|| panic!("{heading}: {printed}"));
    let lines = behind.lines().skip(1).skip_while(|line| line.is_empty());
    lines.take_while(|line| line.starts_with("  ")).map(str::trim).collect()
}

/// Pastes what was printed into two shells: what starts the server, and what makes a token. Gives what the second printed.
fn paste(directory: &Path, printed: &str) -> Vec<String> {
    let programs = directory.join("bin");
    fs::create_dir(&programs).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_panvault"), programs.join("panvault")).unwrap();
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", programs.display());
    let start = block(printed, "Start it:").join("\n");
    let log = File::create(directory.join("log")).unwrap();
    let mut server = Command::new("bash")
        .args(["-euc", &start])
        .env_clear()
        .env("PATH", &path)
        // Where tests run side by side, its port is taken.
        .env("PANVAULT_METRICS_LISTEN", "")
        .stdin(Stdio::null())
        .stderr(log)
        .process_group(0)
        .spawn()
        .unwrap();
    let token = block(printed, "In another terminal").join("\n");
    let output = Command::new("timeout")
        .args(["60", "bash", "-euc", &token])
        .env_clear()
        .env("PATH", &path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let group = format!("-{}", server.id());
    drop(Command::new("kill").args(["-TERM", "--", &group]).status());
    drop(server.wait());
    let said = fs::read_to_string(directory.join("log")).unwrap();
    assert!(output.status.success(), "{token}: {} {said}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn assert_token_and_payment(printed: &[String]) {
    let [token, transaction] = printed else { panic!("{printed:?}") };
    assert!(token.len() == 24 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    let transaction: Value = serde_json::from_str(transaction).unwrap();
    assert_eq!(
        (&transaction["card"], &transaction["amount"]),
        (&json!(token), &json!(1099)),
        "{transaction}"
    );
    assert_eq!(transaction["status"], json!("SETTLEMENT_REQUESTED"), "{transaction}");
}

#[test]
fn what_it_prints_makes_a_token_and_a_payment() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("it's a vault");
    let ended =
        run(&["setup", "--yes", "--data", path(&data), "--unit", "none", "--listen", &free_address()]);
    assert!(ended.status.success(), "{}", ended.err);
    assert_token_and_payment(&paste(directory.path(), &ended.out));
    assert_healthy(&data);
}

#[test]
fn what_it_prints_works_with_a_certificate_for_another_name() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let made = rcgen::generate_simple_self_signed(vec!["vault.example.com".to_owned()]).unwrap();
    fs::write(at("chain.pem"), made.cert.pem()).unwrap();
    fs::write(at("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let args =
        |data: &Path| ["setup", "--yes", "--unit", "none", "--data", path(data)].map(str::to_owned).to_vec();
    let tls =
        ["--tls-certificate", path(&at("chain.pem")), "--tls-key", path(&at("key.pem"))].map(str::to_owned);
    let mut args = args(&at("vault"));
    args.extend(tls);
    args.extend(["--listen".to_owned(), free_address().replace("127.0.0.1", "0.0.0.0")]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    // Others can read the key: the judge is the server's.
    fs::set_permissions(at("key.pem"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let refused = run_refused(&args);
    assert!(refused.contains("key.pem") && refused.contains("chmod"), "{refused}");
    assert!(!at("vault").exists());
    fs::set_permissions(at("key.pem"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let ended = run(&args);
    assert!(ended.out.contains("PANVAULT=https://vault.example.com:"), "{} {}", ended.out, ended.err);
    assert_token_and_payment(&paste(directory.path(), &ended.out));
}

/// The bug: for a certificate of `*.example.com`, or with a common name only, the block that was printed named 127.0.0.1, which no
/// certificate matched, and waited for ever without a word; one that had expired was taken without a word. Its cause: only plain names were
/// taken, the loop had no end, and only the server looked at times. Its cure: a host of the domain is named, the loop ends with curl's own
/// words, and setup says what the server would.
#[test]
fn what_it_prints_fits_any_certificate_and_its_faults_are_said() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let setup = |name: &str, params: &rcgen::CertificateParams, listen: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let (chain, key_file) = (at(&format!("{name}.pem")), at(&format!("{name}.key")));
        fs::write(&chain, params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&key_file, key.serialize_pem()).unwrap();
        fs::set_permissions(&key_file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let (data, chain, key_file) = (at(name), path(&chain).to_owned(), path(&key_file).to_owned());
        let args = ["setup", "--yes", "--unit", "none", "--data", path(&data), "--listen", listen];
        run(&[args.as_slice(), &["--tls-certificate", &chain, "--tls-key", &key_file]].concat())
    };
    let wildcard = rcgen::CertificateParams::new(vec!["*.example.com".to_owned()]).unwrap();
    let ended = setup("wildcard", &wildcard, &free_address().replace("127.0.0.1", "0.0.0.0"));
    assert!(ended.out.contains("PANVAULT=https://panvault.example.com:"), "{} {}", ended.out, ended.err);
    assert_eq!(ended.err, "");
    assert_token_and_payment(&paste(directory.path(), &ended.out));

    let mut common = rcgen::CertificateParams::default();
    common.distinguished_name.push(rcgen::DnType::CommonName, "vault.example.com");
    common.not_after = rcgen::date_time_ymd(2020, 1, 1);
    common.not_before = rcgen::date_time_ymd(2019, 1, 1);
    let ended = setup("common", &common, &free_address());
    assert!(ended.out.contains("PANVAULT=https://vault.example.com:"), "{} {}", ended.out, ended.err);
    for part in ["common.pem expired at 2020-01-01", "common.pem has a common name only"] {
        assert!(ended.err.contains(&format!("note: {}", at(part).display())), "{part}: {}", ended.err);
    }
    let mut nobody = rcgen::CertificateParams::default();
    nobody.not_before = rcgen::date_time_ymd(2999, 1, 1);
    let ended = setup("nobody", &nobody, &free_address());
    for part in ["nobody.pem is valid from 2999-01-01", "nobody.pem names no host"] {
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
    // Nobody serves it: the block says so, and ends.
    let token = block(&ended.out, "In another terminal").join("\n").replace("seq 300", "seq 2");
    let output = Command::new("bash").args(["-euc", &token]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.starts_with("curl: ("), "{said}");
}

#[test]
fn a_live_vault_gets_what_a_token_needs_and_files_go_where_they_are_told_to() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let made = run_json(&[
        "setup",
        "--yes",
        "--json",
        "--mode",
        "live",
        "--name",
        "Shop",
        "--data",
        path(&at("vault")),
        "--config",
        path(&at("etc/p.toml")),
        "--slot-key-file",
        path(&at("key")),
        "--unit",
        "none",
        "--behind-proxy",
        "--listen",
        "0.0.0.0:8420",
    ]);
    assert!(made["api_key"].as_str().unwrap().starts_with("pv_live_"), "{made}");
    assert_eq!(
        (&made["account"], &made["unit"], &made["url"]),
        (&Value::Null, &Value::Null, &json!("http://127.0.0.1:8420"))
    );
    let settings = run(&["config", "print", "--config", path(&at("etc/p.toml"))]).out;
    for line in [
        format!("data_directory = {:?}  # file", at("vault")),
        "listen = \"0.0.0.0:8420\"  # file".to_owned(),
        "behind_proxy = true  # file".to_owned(),
        "cvv_ttl_seconds = 3600  # default".to_owned(),
    ] {
        assert!(settings.contains(&line), "{line}: {settings}");
    }
    let keys = run_json(&["apikey", "list", "--json", "--config", path(&at("etc/p.toml"))]);
    assert_eq!(keys[0]["roles"], json!(["ProviderAdmin"]), "{keys}");
    assert!(!at("vault.settings.toml").exists());
    for (name, mode) in [("key", 0o600), ("etc/p.toml", 0o600), ("vault", 0o700)] {
        assert_eq!(fs::metadata(at(name)).unwrap().mode() & 0o777, mode, "{name}");
    }
}

#[test]
fn a_fault_leaves_all_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    run_json(&["init", path(&at("there")), "--json"]);
    fs::write(at("file.service"), "of another").unwrap();
    fs::create_dir(at("full")).unwrap();
    fs::write(at("full/something"), "").unwrap();
    let before = contents(directory.path());
    let vault = at("vault");
    let (there, full, file, key) = (at("there"), at("full"), at("file.service"), at("there.slot-key"));
    for (args, parts) in [
        (
            vec!["--data", path(&there)],
            vec![
                "there holds a vault already: serve it with panvault serve --config ",
                "there.settings.toml",
            ],
        ),
        (vec!["--listen", "127.0.0.1:0"], vec!["--listen must name a port"]),
        (vec!["--data", path(&full)], vec!["full is not empty"]),
        (
            vec!["--mode", "live", "--name", " ", "--tls-key", "k"],
            vec!["--name must not be empty", "--tls-certificate FILE is required"],
        ),
        (vec!["--mode", "live"], vec!["--name is required"]),
        (vec!["--name", "4111 1111 1111 1111"], vec!["--name looks like it holds a card number"]),
        (vec!["--listen", "0.0.0.0:1"], vec!["listen", "is not a loopback address"]),
        (vec!["--listen", "here"], vec!["the setting listen (from a flag) must be"]),
        (vec!["--config", path(&file)], vec!["file.service is there already"]),
        (
            vec!["--config", path(&vault.join("panvault.toml"))],
            vec!["--config must not be in the vault's directory"],
        ),
        (
            vec!["--unit", path(&file)],
            vec![if is_root() { "no rights of root" } else { "file.service is there already" }],
        ),
        (
            vec!["--unit", "unit.txt"],
            vec![if is_root() { "no rights of root" } else { "ends with .service" }],
        ),
        (vec!["--slot-key-file", path(&key)], vec!["there.slot-key is there already"]),
        (vec!["--user", "nobody-of-that-name"], vec!["--user names no user"]),
    ] {
        let has = |flag: &str| args.contains(&flag);
        let mut all = vec!["setup", "--yes"];
        all.extend(&args);
        if !has("--data") {
            all.extend(["--data", path(&vault)]);
        }
        if !has("--unit") {
            all.extend(["--unit", "none"]);
        }
        let ended = run(&all);
        assert!(ended.out.is_empty() && ended.status.code() == Some(1), "{args:?}: {}", ended.out);
        for part in parts {
            assert!(ended.err.contains(part), "{part}: {}", ended.err);
        }
        assert_eq!(contents(directory.path()), before, "{args:?}");
    }
    // What was made before it could not be shown is taken away again.
    let (config, vault) = (at("etc/a/p.toml"), vault.as_path());
    let mut command = panvault();
    command.args(["setup", "--yes", "--data", path(vault), "--config", path(&config), "--unit", "none"]);
    let output = command.stdout(File::options().write(true).open("/dev/full").unwrap()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("nothing was made") && !said.contains("pv_test_"), "{said}");
    assert_eq!(contents(directory.path()), before);
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

/// Gives the command a terminal, and these lines; gives all that the terminal showed.
fn on_a_terminal(args: &[&str], home: &Path, lines: &str) -> (bool, String) {
    let words = args.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let command = format!("'{}' {words}", env!("CARGO_BIN_EXE_panvault"));
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--echo", "never", "--command", &command, "/dev/null"])
        .env("HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn on_a_terminal_it_asks_four_questions_and_asks_again_what_was_answered_badly() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    fs::create_dir(home.join("full")).unwrap();
    fs::write(home.join("full/something"), "").unwrap();
    let lines = "~/full\n~/vault\nmaybe\nlive\n\n4111111111111111\nShop\nx\n~/a ~/b\nproxy\n";
    let (success, shown) = on_a_terminal(&["setup", "--unit", "none"], home, lines);
    assert!(success, "{shown}");
    for part in [
        "Where is the vault to be? [",
        "full is not empty",
        "must be test or live",
        "name must not be empty",
        "name looks like it holds a card number",
        "it must be here, proxy, or two files",
        "Made a live vault in ",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("4111111111111111\r\nname"), "{shown}");
    assert_eq!(shown.matches("> ").count(), 10, "{shown}");
    let config = fs::read_to_string(home.join("vault.settings.toml")).unwrap();
    assert!(config.contains("\nbehind_proxy = true\n"), "{config}");

    // Enter is enough, and what a flag says is not asked.
    let (success, shown) = on_a_terminal(&["setup", "--unit", "none"], home, "\n\n\n\n");
    assert!(success && shown.matches("> ").count() == 4, "{shown}");
    let config = home.join("panvault.settings.toml");
    let organisations = run_json(&["organisation", "list", "--json", "--config", path(&config)]);
    assert_eq!(organisations[0]["name"], json!("Example Ltd"));
    let args = ["setup", "--unit", "none", "--mode", "test", "--name", "X", "--behind-proxy"];
    let (success, shown) = on_a_terminal(&args, home, "~/third\n");
    assert!(success && shown.matches("> ").count() == 1, "{shown}");

    // A default that cannot be taken is not offered: Enter took it, and was asked again, for ever.
    let (success, shown) = on_a_terminal(&args, home, "\n~/fifth\n");
    assert!(success && shown.contains("panvault holds a vault already: serve it with"), "{shown}");
    assert!(
        shown.contains("Where is the vault to be?\r\n") && shown.contains("it must be a directory"),
        "{shown}"
    );

    // The end of the input is no answer.
    let before = contents(home);
    let (success, shown) = on_a_terminal(&["setup", "--unit", "none"], home, "~/fourth\n\u{4}");
    assert!(!success && shown.contains("no answer was given, and nothing was made"), "{shown}");
    assert_eq!(contents(home), before);
}

#[test]
fn without_a_terminal_it_says_which_flags() {
    let refused = run_refused(&["setup", "--unit", "none"]);
    for flag in ["--yes", "--data", "--mode", "--name", "--tls-certificate", "--tls-key", "--behind-proxy"] {
        assert!(refused.contains(flag), "{flag}: {refused}");
    }
}

/// Root makes a vault for the user that will serve it: what the user changes is the user's, what only root changes is root's.
#[test]
fn root_makes_it_for_another_user() {
    if !is_root() {
        eprintln!("skipped: making a vault for another user needs root");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let at = |name: &str| directory.path().join(name);
    let (data, config, unit) = (at("state/vault"), at("etc/panvault.toml"), at("etc/shop.service"));
    let key = at("keys/slot-key");
    let made = [
        "setup",
        "--yes",
        "--json",
        "--user",
        "nobody",
        "--data",
        path(&data),
        "--config",
        path(&config),
        "--slot-key-file",
        path(&key),
        "--unit",
        path(&unit),
    ];
    run_json(&made);
    let nobody = fs::metadata(&data).unwrap().uid();
    assert_ne!(nobody, 0);
    let expected = [
        ("state", nobody, 0o700),
        ("keys", nobody, 0o700),
        ("keys/slot-key", nobody, 0o600),
        ("etc/panvault.toml", 0, 0o640),
        ("etc/shop.service", 0, 0o644),
    ];
    for (name, owner, mode) in expected {
        let metadata = fs::metadata(at(name)).unwrap();
        assert_eq!((metadata.uid(), metadata.mode() & 0o777), (owner, mode), "{name}");
    }
    for (path, (mode, owner, _)) in contents(&data) {
        assert_eq!((owner, mode & 0o077), (nobody, 0), "{}", path.display());
    }
    let unit = fs::read_to_string(unit).unwrap();
    for line in ["User=nobody".to_owned(), format!("ReadWritePaths={}", data.display())] {
        assert!(unit.lines().any(|found| found == line), "{line}: {unit}");
    }
    // In a directory of the user's, what is missing is made by the user.
    fs::set_permissions(at("state"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let below = at("state/a/b/vault");
    run_json(&["setup", "--yes", "--json", "--user", "nobody", "--data", path(&below), "--unit", "none"]);
    for name in ["state/a", "state/a/b", "state/a/b/vault", "state/a/b/vault.slot-key"] {
        assert_eq!(fs::metadata(at(name)).unwrap().uid(), nobody, "{name}");
    }
    // What only the user may write is refused to root acting for it, and what root had made is gone.
    let before = contents(directory.path());
    let locked = at("etc/locked/vault");
    fs::create_dir(at("etc/locked")).unwrap();
    let refused = run_refused(&[
        "setup",
        "--yes",
        "--user",
        "nobody",
        "--data",
        path(&locked),
        "--config",
        path(&at("c/p.toml")),
        "--unit",
        "none",
    ]);
    assert!(
        refused.contains("nothing was made: ") && refused.contains("locked cannot be written to"),
        "{refused}"
    );
    fs::remove_dir(at("etc/locked")).unwrap();
    assert_eq!(contents(directory.path()), before);
}
