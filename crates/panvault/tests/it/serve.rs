//! Serving by configuration: where settings come from, signals, TLS files.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use panvault_testkit::http_send;
use serde_json::{Value, json};

use crate::cli::path;
use crate::support::{Dev, panvault, run, run_json, run_refused, until};

/// A test vault with an organisation and a key.
pub(crate) fn vault(directory: &Path) -> (std::path::PathBuf, String, String) {
    let data = directory.join("vault");
    run_json(&["init", path(&data), "--mode", "test", "--json"]);
    let organisation = run_json(&["organisation", "create", "--name", "X", "--json", "--data", path(&data)]);
    let id = organisation["_id"].as_str().unwrap().to_owned();
    let key = run_json(&[
        "apikey",
        "create",
        "--organisation",
        &id,
        "--name",
        "K",
        "--role",
        "MerchantAdmin",
        "--json",
        "--data",
        path(&data),
    ]);
    (data, id, key["api_key"].as_str().unwrap().to_owned())
}

pub(crate) struct Served {
    pub(crate) child: Child,
    log: std::path::PathBuf,
}

fn serving(mut command: Command, args: &[&str]) -> Command {
    command.arg("serve").args(args);
    command
}

impl Served {
    pub(crate) fn start(directory: &Path, args: &[&str]) -> (Self, Value) {
        Self::start_by(panvault(), directory, args)
    }

    /// One that waits for its vault to be unsealed, and where it answers.
    pub(crate) fn start_sealed(directory: &Path, args: &[&str]) -> (Self, String) {
        let mut served = Self::spawn(serving(panvault(), args), directory);
        let listen = served.event("server.sealed")["listen"].as_str().unwrap().to_owned();
        (served, format!("http://{listen}"))
    }

    fn start_by(command: Command, directory: &Path, args: &[&str]) -> (Self, Value) {
        Self::start_command(serving(command, args), directory)
    }

    /// The same of a command that is whole.
    pub(crate) fn start_command(command: Command, directory: &Path) -> (Self, Value) {
        let mut served = Self::spawn(command, directory);
        let ready = served.event("server.ready");
        (served, ready)
    }

    fn spawn(mut command: Command, directory: &Path) -> Self {
        let log = directory.join("log.json");
        let file = fs::File::create(&log).unwrap();
        command.stdout(Stdio::null()).stderr(file);
        Self { child: command.spawn().unwrap(), log }
    }

    /// Waits for a log event.
    pub(crate) fn event(&mut self, name: &str) -> Value {
        let mut found = None;
        until(name, || {
            let text = fs::read_to_string(&self.log).unwrap();
            let mut events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            found = events.find(|event| event["message"] == json!(name));
            assert!(found.is_some() || self.child.try_wait().unwrap().is_none(), "it ended: {text}");
            found.is_some()
        });
        found.unwrap()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Has it end, and waits for that.
    pub(crate) fn stop(mut self) {
        self.signal("-TERM");
        let mut ended = None;
        until("it ends", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        assert!(ended.unwrap().success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn serves_what_init_made_by_the_file_that_init_wrote() {
    let directory = tempfile::tempdir().unwrap();
    let (_, organisation, key) = vault(directory.path());
    let config = directory.path().join("vault.settings.toml");
    let args = ["--config", path(&config), "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
    let (mut served, ready) = Served::start(directory.path(), &args);
    let body = json!({
        "card_number": "4111111111111111", "expiry_month": "12", "expiry_year": "2040", "organisation": organisation,
    });
    let url = ready["url"].as_str().unwrap();
    let headers = [("X-APIKEY", key.as_str()), ("Content-Type", "application/json")];
    let created = http_send(&format!("{url}/v1/card"), "POST", &headers, Some(&body.to_string())).unwrap();
    assert_eq!(created.status, 200, "{}", created.text);
    let metrics = ready["metrics_url"].as_str().unwrap();
    let page = http_send(&format!("{metrics}/metrics"), "GET", &[], None).unwrap();
    assert!(page.text.contains("panvault_requests_total{operation=\"card_create\",status=\"200\"} 1"));
    served.signal("-TERM");
    served.event("server.stopped");
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
}

#[test]
fn settings_come_from_flag_environment_file_and_default_in_that_order() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("c.toml");
    fs::write(
        &file,
        "data_directory = \"v\"\ncvv_ttl_seconds = 60\nbody_timeout_seconds = 7\nlog_format = \"text\"\n",
    )
    .unwrap();
    let print = |environment: &[(&str, &str)], set: &[&str]| {
        let mut command = panvault();
        command.args(["config", "print", "--config", path(&file)]).args(set);
        let output = command.envs(environment.iter().copied()).output().unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let environment = [("PANVAULT_CVV_TTL_SECONDS", "120"), ("PANVAULT_BODY_TIMEOUT_SECONDS", "8")];
    let (good, shown, _) = print(&environment, &["--set", "cvv_ttl_seconds=180"]);
    assert!(good);
    for line in [
        "cvv_ttl_seconds = 180  # flag",
        "body_timeout_seconds = 8  # environment",
        "log_format = \"text\"  # file",
        "connections_max = 10000  # default",
    ] {
        assert!(shown.lines().any(|found| found == line), "{line} is not in\n{shown}");
    }
    let (good, _, said) = print(&[("PANVAULT_CVV_TTL", "1")], &[]);
    assert!(!good && said.contains("a variable of no setting: PANVAULT_CVV_TTL;"), "{said}");
    fs::write(&file, "lisen = \"x\"\n").unwrap();
    let (good, _, said) = print(&[], &[]);
    let place = format!("line 1 of {} has a setting that does not exist: lisen", path(&file));
    assert!(!good && said.contains(&place), "{said}");
}

/// The bug: in a Kubernetes namespace with a service called panvault, or beside a program that reads `PANVAULT_URL`, no command
/// started. Its cause: each variable with the prefix was taken for a setting. Its cure: names that others give are passed over,
/// any other is said with its place, and never with its value.
#[test]
fn variables_of_service_links_and_clients_are_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    let list = |environment: &[(&str, &[u8])]| {
        let mut command = panvault();
        command.args(["organisation", "list", "--data", path(&data)]);
        let environment = environment.iter().map(|(name, value)| (*name, OsStr::from_bytes(value)));
        let output = command.envs(environment).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = list(&[
        ("PANVAULT_PORT", b"tcp://10.0.0.1:8420"),
        ("PANVAULT_PORT_8420_TCP", b"tcp://10.0.0.1:8420"),
        ("PANVAULT_PORT_8420_TCP_ADDR", b"10.0.0.1"),
        ("PANVAULT_SERVICE_HOST", b"10.0.0.1"),
        ("PANVAULT_METRICS_SERVICE_PORT_HTTP", b"8421"),
        ("PANVAULT_URL", b"http://127.0.0.1:8420"),
        ("PANVAULT_API_KEY", b"a-key-of-a-client"),
        ("LATIN_1", b"caf\xe9"),
    ]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let (code, said) = list(&[
        ("PANVAULT_APIKEI", b"a-key-of-a-client"),
        ("PANVAULT_LISTEN", b"caf\xe9"),
        ("PANVAULT_LOG_FORMAT", b"xml"),
    ]);
    assert_eq!(code, Some(1));
    for part in ["PANVAULT_APIKEI;", "PANVAULT_LISTEN in the environment must be UTF-8", "log_format"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("a-key") && !said.contains("caf"), "{said}");
}

#[test]
fn refuses_other_addresses_than_loopback_without_tls() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    let refused = run_refused(&["serve", "--data", path(&data), "--listen", "0.0.0.0:0"]);
    assert!(
        refused.contains(
            "is not a loopback address: set tls_certificate_file and tls_key_file, or behind_proxy"
        )
    );
    assert_eq!(run(&["serve", "--data", path(&data), "--listen", "nowhere"]).status.code(), Some(1));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = run_refused(&["serve", "--data", path(&data), "--listen", &address]);
    assert!(
        refused.contains("cannot listen at") && refused.contains("give listen another address"),
        "{refused}"
    );
    let refused = run_refused(&[
        "serve",
        "--data",
        path(&data),
        "--listen",
        "127.0.0.1:0",
        "--metrics-listen",
        &address,
    ]);
    assert!(
        refused.contains("give metrics_listen another address") && refused.contains("empty"),
        "{refused}"
    );
}

#[test]
fn certificates_are_read_again_on_sighup() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    let certify = || {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        write_pair(directory.path(), &made.cert.pem(), &made.signing_key.serialize_pem());
    };
    certify();
    let certificate = format!("tls_certificate_file={}", path(&directory.path().join("cert.pem")));
    let key = format!("tls_key_file={}", path(&directory.path().join("key.pem")));
    let args = [
        "--data",
        path(&data),
        "--listen",
        "127.0.0.1:0",
        "--metrics-listen",
        "",
        "--set",
        &certificate,
        "--set",
        &key,
    ];
    let (mut served, ready) = Served::start(directory.path(), &args);
    assert!(ready["url"].as_str().unwrap().starts_with("https://127.0.0.1:"));
    // The server speaks TLS: it answers plain HTTP with an alert (content type 21), not with a page.
    let address = ready["url"].as_str().unwrap().trim_start_matches("https://");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut stream, b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut first = [0];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(first, [21]);
    certify();
    served.signal("-HUP");
    served.event("tls.reloaded");
    fs::write(directory.path().join("cert.pem"), "nonsense").unwrap();
    served.signal("-HUP");
    served.event("tls.kept");
    served.signal("-INT");
    served.event("server.stopped");
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
}

fn write_pair(directory: &Path, certificate: &str, key: &str) {
    fs::write(directory.join("cert.pem"), certificate).unwrap();
    fs::write(directory.join("key.pem"), key).unwrap();
    fs::set_permissions(directory.join("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
}

/// A certificate that signs itself and is valid in these years.
pub(crate) fn certify_years(directory: &Path, from: i32, until: i32) {
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    write_pair(directory, &params.self_signed(&key).unwrap().pem(), &key.serialize_pem());
}

/// The bug: of an expired certificate there was no word, and clients that refused it were all that an operator saw. Its cause: its
/// times were not read. Its cure: they are, at start, on SIGHUP and by doctor, which now looks at certificate and key as well.
#[test]
fn a_certificate_that_clients_refuse_is_said_at_start_on_sighup_and_by_doctor() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    let certificate = format!("tls_certificate_file={}", path(&directory.path().join("cert.pem")));
    let key = format!("tls_key_file={}", path(&directory.path().join("key.pem")));
    let set = ["--data", path(&data), "--set", &certificate, "--set", &key];
    let doctor = || {
        let ended = run(&[["doctor", "--json"].as_slice(), &set].concat());
        let report: Value = serde_json::from_str(&ended.out).unwrap();
        (ended.status.code(), report)
    };
    certify_years(directory.path(), 2020, 2021);
    let args = [set.as_slice(), &["--listen", "127.0.0.1:0", "--metrics-listen", ""]].concat();
    let (mut served, _) = Served::start(directory.path(), &args);
    let event = served.event("tls.certificate_expired");
    assert_eq!(event["until"], json!("2021-01-01T00:00:00.000Z"));
    assert!(event["advice"].as_str().unwrap().contains("send SIGHUP"), "{event}");
    let (code, report) = doctor();
    let what = format!(
        "{} expired at 2021-01-01T00:00:00.000Z; clients refuse it; renew",
        path(&directory.path().join("cert.pem"))
    );
    assert!(report["findings"][0]["what"].as_str().unwrap().starts_with(&what), "{report}");
    assert_eq!((code, &report["findings"][0]["part"]), (Some(1), &json!("tls")));
    assert!(report["next"].as_str().unwrap().starts_with("Do what these lines say"), "{report}");

    certify_years(directory.path(), 2200, 2300);
    served.signal("-HUP");
    assert_eq!(served.event("tls.certificate_not_yet_valid")["from"], json!("2200-01-01T00:00:00.000Z"));
    assert!(doctor().1["findings"][0]["what"].as_str().unwrap().contains("is valid from 2200"));

    fs::set_permissions(directory.path().join("key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    served.signal("-HUP");
    let event = served.event("tls.kept");
    assert!(event["error"].as_str().unwrap().contains("(mode 0644); run chmod 600"), "{event}");
    let refused = run_refused(&[["serve"].as_slice(), &args].concat());
    assert!(refused.contains("is in use by process"), "{refused}");
    drop(served);
    let refused = run_refused(&[["serve"].as_slice(), &args].concat());
    assert!(refused.contains("(mode 0644); run chmod 600"), "{refused}");
    assert_eq!(doctor().0, Some(1));

    certify_years(directory.path(), 2020, 2300);
    let (code, report) = doctor();
    assert_eq!((code, &report["findings"]), (Some(0), &json!([])), "{report}");
}

/// The bug: doctor stopped at the first fault of the root key, and said nothing of the rest. Its cure: each part is looked at.
#[test]
fn doctor_says_what_is_wrong_with_the_key_beside_all_else() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    for file in [directory.path().join("vault.slot-key"), data.join("vault.toml")] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let missing = "/nonexistent/pem";
    let (certificate, key) = (format!("tls_certificate_file={missing}"), format!("tls_key_file={missing}"));
    let ended = run(&["doctor", "--json", "--data", path(&data), "--set", &certificate, "--set", &key]);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    let parts: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["part"].as_str().unwrap())
        .collect();
    assert_eq!((ended.status.code(), parts), (Some(1), vec!["directory", "key", "tls", "tls"]), "{report}");
    assert_eq!(report["cards"], json!(null));
}

/// The bug: SIGHUP ended a server without TLS, and all CVVs with it. Its cause: it was handled only where there are certificates
/// to read again. Its cure: it is always handled.
#[test]
fn sighup_without_certificates_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    let args = ["--data", path(&data), "--listen", "127.0.0.1:0", "--metrics-listen", ""];
    let (mut served, ready) = Served::start(directory.path(), &args);
    served.signal("-HUP");
    let event = served.event("tls.nothing_to_reload");
    assert!(event["advice"].as_str().unwrap().contains("SIGTERM stops it"), "{event}");
    let live = http_send(&format!("{}/livez", ready["url"].as_str().unwrap()), "GET", &[], None).unwrap();
    assert_eq!(live.status, 200);
    served.signal("-TERM");
    served.event("server.stopped");
    assert_eq!(served.child.wait().unwrap().code(), Some(0));

    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let card = dev.make_card("4111111111111111", Some("111"));
    dev.signal("-HUP");
    until("it says so", || fs::read_to_string(&dev.log).unwrap().contains("tls.nothing_to_reload"));
    assert_eq!(dev.get(&format!("/v1/card/{card}")).json()["cvv_present"], json!(true), "the CVV is there");
    dev.stop();
}

/// The bug: with the usual limit of 1,024 open files, the thousandth connection left the vault without files for its own. Its
/// cause: the limit was neither raised nor heeded. Its cure: it is raised at start, and connections are lowered to what fits.
#[test]
fn connections_fit_the_limit_of_open_files() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _, _) = vault(directory.path());
    let limited = |ulimit: &str| {
        let mut command = Command::new("sh");
        let script = format!("{ulimit} && exec \"$0\" \"$@\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_panvault")]);
        command
    };
    let args = ["--data", path(&data), "--listen", "127.0.0.1:0", "--metrics-listen", ""];
    let some = [args.as_slice(), &["--set", "connections_max=300"]].concat();

    let (served, ready) = Served::start_by(limited("ulimit -Sn 160"), directory.path(), &some);
    assert_eq!(ready["connections_max"], json!(300), "the limit was raised");
    let url = ready["url"].as_str().unwrap();
    let address = url.trim_start_matches("http://");
    let idle: Vec<_> = (0..250).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    assert_eq!(http_send(&format!("{url}/livez"), "GET", &[], None).unwrap().status, 200);
    drop((idle, served));

    let (mut served, ready) = Served::start_by(limited("ulimit -n 264"), directory.path(), &args);
    let event = served.event("connections.limited");
    assert_eq!((&event["connections_max"], &event["configured"]), (&json!(72), &json!(10_000)));
    assert!(event["advice"].as_str().unwrap().contains("LimitNOFILE"), "{event}");
    assert_eq!(ready["connections_max"], json!(72));
    drop(served);

    let refused = limited("ulimit -n 192").arg("serve").args(args).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("at most 192 files may be open"), "{said}");
}
