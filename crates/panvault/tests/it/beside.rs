//! Commands beside a server, over its socket, and what others put in the place of that.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

use panvault_testkit::http_send;
use serde_json::{Value, json};

use crate::cli::path;
use crate::serve::vault;
use crate::support::{Dev, assert_healthy, panvault, run, run_json, run_refused, until};

fn socket(data: &Path) -> PathBuf {
    data.join("admin.socket")
}

/// `panvault status`: its exit code and what it says.
fn status(data: &Path) -> (Option<i32>, Value) {
    let ended = run(&["status", "--json", "--data", path(data)]);
    let said = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{}", ended.err));
    (ended.status.code(), said)
}

#[track_caller]
fn is_served(data: &Path) {
    let (code, said) = status(data);
    assert_eq!((code, &said["served"], &said["ready"]), (Some(0), &json!(true), &json!(true)), "{said}");
}

#[test]
fn status_says_what_is_served_and_its_exit_code_whether_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    dev.make_card("4111111111111111", Some("111"));
    let mode = fs::metadata(socket(&dev.data)).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let (code, said) = status(&dev.data);
    assert_eq!(code, Some(0), "{said}");
    for (name, value) in [
        ("served", json!(true)),
        ("url", json!(dev.url)),
        ("mode", json!("test")),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("cards", json!(1)),
        ("cvvs_held", json!(1)),
        ("transactions", json!(0)),
        ("organisations", json!(1)),
        ("accounts", json!(1)),
        ("processors", json!(1)),
        ("organisations_damaged", json!(0)),
    ] {
        assert_eq!(said[name], value, "{name}: {said}");
    }
    assert!(
        said["disk_bytes"].as_u64() > Some(1 << 20) && said["log_segments"].as_u64() >= Some(1),
        "{said}"
    );
    let text = run(&["status", "--data", path(&dev.data)]);
    assert!(text.out.starts_with("ready\n") && text.out.contains(&dev.url), "{}", text.out);
    let data = dev.data.clone();
    dev.stop();
    assert!(!socket(&data).exists(), "an orderly end takes it away");
    let (code, said) = status(&data);
    assert_eq!((code, &said["served"]), (Some(1), &json!(false)), "{said}");
    let why = format!("no process has {}; start it with panvault serve", data.display());
    assert_eq!(said["why"], json!(why));
    let refused = run_refused(&["reload", "--data", path(&data)]);
    assert!(refused.contains("so nothing was read again: admin.socket is not there"), "{refused}");
}

/// The bug: of a server that hung, `panvault status` said that it is not served, and that what listens is not this vault's server. Its cause:
/// silence was taken for a stranger, and the lock was not asked. Its cure: the lock says which process has the vault.
#[test]
fn a_server_that_hangs_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    dev.signal("-STOP");
    let (code, said) = status(&dev.data);
    assert_eq!((code, &said["served"], &said["process"]), (Some(1), &json!(false), &json!(dev.process())));
    let why = format!(
        "process {} has the vault and does not answer: what listens at admin.socket said nothing",
        dev.process()
    );
    assert!(said["why"].as_str().unwrap().starts_with(&why), "{said}");
    let ended = run(&["status", "--data", path(&dev.data)]);
    assert!(ended.status.code() == Some(1) && ended.out.contains(&why), "{}", ended.out);
    dev.signal("-CONT");
    is_served(&dev.data);
    dev.stop();
}

/// What helps depends on how the last one ended.
#[test]
fn a_vault_whose_server_was_killed_and_a_node_that_never_was_say_so() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let data = dev.data.clone();
    dev.kill();
    let (code, said) = status(&data);
    assert_eq!((code, &said["served"], &said["store"]), (Some(1), &json!(false), &json!(null)), "{said}");
    let why = said["why"].as_str().unwrap();
    assert!(
        why.contains("the last one was killed or has crashed") && why.contains("panvault serve"),
        "{said}"
    );

    let node = directory.path().join("node");
    let store = "postgres://panvault@db.example/panvault";
    let (of, root) =
        (format!("store={store}"), format!("slot_key_file={}", path(&directory.path().join("key"))));
    let args = ["status", "--data", path(&node), "--set", &of, "--set", "nodes=one", "--set", &root];
    let ended = run(&args);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.err);
    assert!(ended.out.contains("of the database at postgres://panvault@db.example"), "{}", ended.out);
    assert!(ended.out.contains("is not served: no node was served from"), "{}", ended.out);
}

#[test]
fn reload_says_what_was_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let reload = || run_json(&["reload", "--json", "--data", path(&dev.data)]);
    assert_eq!(reload()[1], json!({ "what": "bin_table", "done": true, "said": "no list is imported" }));
    let list = directory.path().join("list.csv");
    fs::write(&list, "bin\n411111\n").unwrap();
    let import = ["bin", "import", path(&list), "--format", "csv", "--columns", "bin=bin", "--source", "s"];
    run_json(&[import.as_slice(), &["--licence", "l", "--json", "--data", path(&dev.data)]].concat());
    let said = reload()[1]["said"].as_str().unwrap().to_owned();
    assert!(said.starts_with("version ") && said.ends_with(" is in use"), "{said}");
    fs::write(dev.data.join("bins.table"), "damaged").unwrap();
    let ended = run(&["reload", "--data", path(&dev.data)]);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.out);
    assert!(ended.out.contains("not read again: ") && ended.out.contains("the table before is in use"));
    dev.stop();
}

/// Somebody who can write to the directory listens in the place of a server that does not run.
#[test]
fn a_false_server_learns_a_nonce_and_fools_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let (data, organisation, _) = vault(directory.path());
    let listener = UnixListener::bind(socket(&data)).unwrap();
    fs::set_permissions(socket(&data), fs::Permissions::from_mode(0o600)).unwrap();
    let (told, heard) = mpsc::channel();
    let answers = [
        Vec::new(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]".repeat(4),
        [b"PANVSOCK\0\x01".as_slice(), &[0; 76]].concat(),
        [b"PANVSOCK\0\x09".as_slice(), &[0; 76]].concat(),
        vec![7; 1 << 20],
    ];
    let count = answers.len();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut hello = [0; 42];
            stream.read_exact(&mut hello).unwrap();
            // Whoever has heard enough hangs up.
            drop(stream.write_all(&answer));
            drop(stream.shutdown(std::net::Shutdown::Write));
            let mut rest = Vec::new();
            drop(stream.read_to_end(&mut rest));
            told.send((hello, rest)).unwrap();
        }
    });
    for turn in 0..count {
        // The command does by itself what it was asked for: the lock of the directory says that nobody has it.
        if turn % 2 == 0 {
            let (code, said) = status(&data);
            assert_eq!((code, &said["served"]), (Some(1), &json!(false)), "{said}");
            assert!(
                said["why"].as_str().unwrap().starts_with("what listens at admin.socket is not this"),
                "{said}"
            );
        } else {
            let listed = run_json(&["organisation", "list", "--json", "--data", path(&data)]);
            assert_eq!(listed[0]["_id"], json!(organisation));
        }
        let (hello, rest) = heard.recv().unwrap();
        assert!(hello.starts_with(b"PANVSOCK\0\x01") && rest.is_empty(), "{turn}: {} bytes more", rest.len());
    }
}

/// Somebody who can connect, and does not have the root key.
#[test]
fn a_false_command_gets_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let hello = [b"PANVSOCK\0\x01".as_slice(), &[7; 32]].concat();
    let request = b"DELETE /v1/card/000000000000000000000000 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
    let mut seen = Vec::new();
    for (sent, most) in [
        (request.clone(), 0),
        ([hello.as_slice(), &[0; 32], &request].concat(), 86),
        ([hello.as_slice(), &[0; 32]].concat(), 86),
        ([b"PANVSOCK\0\x02".as_slice(), &[7; 32]].concat(), 86),
        (vec![0; 1 << 16], 0),
    ] {
        let mut stream = UnixStream::connect(socket(&dev.data)).unwrap();
        drop(stream.write_all(&sent));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        assert!(answer.len() <= most, "{} bytes", answer.len());
        seen.extend(answer);
    }
    // What one was told proves nothing to the next, and a command is not told less for them.
    let mut stream = UnixStream::connect(socket(&dev.data)).unwrap();
    stream.write_all(&hello).unwrap();
    let mut challenge = [0; 86];
    stream.read_exact(&mut challenge).unwrap();
    stream.write_all(&challenge[54..]).unwrap();
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest));
    assert_eq!(rest, b"");
    is_served(&dev.data);
    dev.stop();
}

/// Some connect and say nothing: those who have the root key get their answer all the same.
#[test]
fn those_who_say_nothing_hold_back_nobody_for_long() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let silent: Vec<_> = (0..40).map(|_| UnixStream::connect(socket(&dev.data)).unwrap()).collect();
    until("they are given up", || status(&dev.data).0 == Some(0));
    let mut first = &silent[0];
    assert_eq!(first.read(&mut [0; 1]).unwrap(), 0, "it was hung up on");
    dev.stop();
}

#[test]
fn what_stands_in_the_place_of_the_socket_is_neither_followed_nor_harmed() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let data = dev.data.clone();
    dev.kill();
    assert!(fs::symlink_metadata(socket(&data)).unwrap().file_type().is_socket(), "a killed server left it");
    let why = status(&data).1["why"].clone();
    assert!(why.as_str().unwrap().contains("the last one was killed or has crashed"), "{why}");

    let precious = directory.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    fs::set_permissions(&precious, fs::Permissions::from_mode(0o600)).unwrap();
    type Put<'a> = &'a dyn Fn(&Path);
    let put: [(&str, Put<'_>); 3] = [
        ("a file", &|at| fs::write(at, "something").unwrap()),
        ("a link", &|at| std::os::unix::fs::symlink(&precious, at).unwrap()),
        ("a link to nowhere", &|at| std::os::unix::fs::symlink("/nonexistent/x", at).unwrap()),
    ];
    for (what, put) in put {
        for name in ["admin.socket", "admin.socket.new"] {
            drop(fs::remove_file(socket(&data)));
            put(&data.join(name));
            if name == "admin.socket" {
                let (code, said) = status(&data);
                let why = said["why"].as_str().unwrap();
                assert!(code == Some(1) && why.ends_with("is not a socket"), "{what}: {said}");
            }
            let private = fs::Permissions::from_mode(0o600);
            if what == "a file" {
                fs::set_permissions(data.join(name), private).unwrap();
            }
            let dev = Dev::start(directory.path(), &[]);
            is_served(&data);
            assert!(fs::symlink_metadata(socket(&data)).unwrap().file_type().is_socket(), "{what}");
            dev.stop();
        }
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious", "{what}");
    }

    // A directory is not taken away; the vault is served all the same, and says what to do.
    fs::create_dir(socket(&data)).unwrap();
    fs::set_permissions(socket(&data), fs::Permissions::from_mode(0o700)).unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let says = |what: &str| fs::read_to_string(&dev.log).unwrap().contains(what);
    until("it says so", || says("socket.unavailable") && says("remove what is in its place"));
    assert_eq!(dev.get("/v1/card").status, 200);
    fs::remove_dir(socket(&data)).unwrap();
    until("it listens", || status(&data).0 == Some(0));
    dev.stop();
}

#[test]
fn a_socket_that_is_taken_away_or_replaced_while_it_is_served_is_put_back() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    fs::remove_file(socket(&dev.data)).unwrap();
    until("it is put back", || status(&dev.data).0 == Some(0));
    fs::rename(socket(&dev.data), dev.data.join("aside")).unwrap();
    let listener = UnixListener::bind(socket(&dev.data)).unwrap();
    until("it takes its place again", || status(&dev.data).0 == Some(0));
    drop(listener);
    until("it says so", || fs::read_to_string(&dev.log).unwrap().contains("socket.not_in_place"));
    // What is under another name now is nobody's.
    assert!(UnixStream::connect(dev.data.join("aside")).is_err());
    fs::remove_file(dev.data.join("aside")).unwrap();
    dev.stop();
}

/// The address of a socket has 108 bytes; the path of a directory may have any number.
#[test]
fn a_directory_with_a_long_path_has_a_socket_too() {
    let directory = tempfile::tempdir().unwrap();
    let deep = (0..4).fold(directory.path().to_owned(), |path, _| path.join("d".repeat(60)));
    fs::create_dir_all(&deep).unwrap();
    let dev = Dev::start(&deep, &[]);
    is_served(&dev.data);
    dev.stop();
}

#[test]
fn two_commands_at_once_wait_for_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let (data, organisation, _) = vault(directory.path());
    let commands: Vec<_> = (0..2)
        .map(|number| {
            let mut command = panvault();
            let name = format!("K{number}");
            command.args(["apikey", "create", "--organisation", &organisation, "--role", "MerchantUser"]);
            command
                .args(["--name", &name, "--data", path(&data)])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for command in commands {
        let ended = command.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    let keys = run_json(&["apikey", "list", "--json", "--data", path(&data)]);
    assert_eq!(keys.as_array().unwrap().len(), 3);
    assert_healthy(&data);
}

#[test]
fn a_command_asks_whoever_has_the_vault_when_the_server_stops_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let data = dev.data.clone();
    let list = || run_json(&["organisation", "list", "--json", "--data", path(&data)]);
    let asked = list();
    dev.stop();
    assert_eq!(list(), asked);
    for _ in 0..3 {
        let dev = Dev::start(directory.path(), &[]);
        dev.signal("-TERM");
        assert_eq!(list(), asked);
        assert!(dev.ended().0.success());
    }
}

/// A connection that stays open between requests.
struct Open(BufReader<std::net::TcpStream>);

impl Open {
    fn to(url: &str) -> Self {
        Self(BufReader::new(std::net::TcpStream::connect(url.trim_start_matches("http://")).unwrap()))
    }

    /// The status of the answer.
    fn get(&mut self, path: &str, key: &str) -> u16 {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nX-APIKEY: {key}\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut line, mut status, mut length) = (String::new(), 0, 0);
        loop {
            line.clear();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the connection has ended");
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest[..3].parse().unwrap();
            } else if let Some(rest) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = rest.trim().parse().unwrap();
            } else if line.trim().is_empty() {
                self.0.read_exact(&mut vec![0; length]).unwrap();
                return status;
            }
        }
    }
}

/// What may be without a value ends by a command, whether or not a server has the vault.
#[test]
fn fields_end_by_a_command_with_and_without_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let (data, organisation) = (dev.data.clone(), dev.organisation.clone());
    let at = ["--json", "--data", path(&data)];
    let all = |kind: &str| run_json(&[[kind, "list"].as_slice(), &at].concat());
    let (account, key) = (all("account")[0]["_id"].clone(), all("apikey")[0]["_id"].clone());
    let [account, key] = [&account, &key].map(|id| id.as_str().unwrap());
    let processor = all("processor")[0]["_id"].as_str().unwrap().to_owned();
    let change = |kind: &str, id: &str, arguments: &[&str]| {
        run_json(&[[kind, "change", id].as_slice(), arguments, &at].concat())
    };
    let ends = || {
        let given = ["--country-code", "NL", "--field", "email=shop@example.com"];
        let is = change("organisation", &organisation, &given);
        assert_eq!((&is["country_code"], &is["email"]), (&json!("NL"), &json!("shop@example.com")));
        let unset = ["--unset", "country_code", "--unset", "email", "--name", "Shop"];
        let is = change("organisation", &organisation, &unset);
        assert_eq!((is.get("country_code"), is.get("email"), &is["name"]), (None, None, &json!("Shop")));
        let hook = "webhook_refund_update=https://shop.example/hook";
        change("account", account, &["--description", "Main", "--field", hook, "--processor", &processor]);
        let unset = ["description", "webhook_refund_update", "processors"].map(|name| ["--unset", name]);
        let is = change("account", account, &unset.concat());
        assert_eq!((is.get("description"), is.get("webhook_refund_update")), (None, None));
        assert_eq!(is["processors"], json!([]));
        change("apikey", key, &["--expires-at", "2035-01-31T12:00:00Z"]);
        assert_eq!(change("apikey", key, &["--unset", "expires_at"]).get("expires_at"), None);
        for (kind, id, arguments, said) in [
            ("organisation", organisation.as_str(), vec!["--unset", "name"], "--unset takes what can be"),
            ("organisation", &organisation, vec!["--unset", "4111111111111111"], "country_code, email"),
            ("account", account, vec!["--unset", "disabled"], "description, webhook_transaction_update"),
            ("apikey", key, vec!["--unset", "roles"], "without a value: expires_at"),
            (
                "apikey",
                key,
                vec!["--unset", "expires_at", "--expires-at", "2035-01-31T12:00:00Z"],
                "--expires-at",
            ),
            ("processor", &processor, vec!["--unset", "name"], "unexpected argument"),
        ] {
            let before = run_json(&[[kind, "show", id].as_slice(), &at].concat());
            let args = [[kind, "change", id, "--data", path(&data)].as_slice(), &arguments].concat();
            let refused = run(&args);
            assert!(!refused.status.success() && refused.err.contains(said), "{kind}: {}", refused.err);
            assert!(!refused.err.contains("4111"), "{}", refused.err);
            assert_eq!(run_json(&[[kind, "show", id].as_slice(), &at].concat()), before);
        }
    };
    ends();
    dev.stop();
    ends();
    assert_healthy(&data);
}

/// A leaked key is revoked while the vault is served: by nothing but the command, at once, also on a connection that is open, and no CVV
/// is forgotten by it.
#[test]
fn a_leaked_key_is_revoked_under_a_server_and_no_cvv_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let card = dev.make_card("4111111111111111", Some("111"));
    let at = ["--json", "--data", path(&dev.data)];
    let create =
        ["apikey", "create", "--organisation", &dev.organisation, "--name", "K", "--role", "MerchantAdmin"];
    let made = run_json(&[create.as_slice(), &at].concat());
    let (id, key) = (made["_id"].as_str().unwrap(), made["api_key"].as_str().unwrap());
    let (mut open, path_of_card) = (Open::to(&dev.url), format!("/v1/card/{card}"));
    assert_eq!(open.get(&path_of_card, key), 200);
    let revoked = run_json(&[["apikey", "revoke", id].as_slice(), &at].concat());
    assert_eq!(revoked, json!({ "_id": id, "deleted": true }));
    assert_eq!(open.get(&path_of_card, key), 401, "at once, on the same connection");
    let other = http_send(&format!("{}{path_of_card}", dev.url), "GET", &[("X-APIKEY", key)], None).unwrap();
    assert_eq!(other.status, 401);
    assert_eq!(dev.get(&path_of_card).json()["cvv_present"], json!(true), "the CVV is there");
    let keys = run_json(&[["apikey", "list"].as_slice(), &at].concat());
    assert!(keys.as_array().unwrap().iter().all(|key| key["_id"] != json!(id)), "{keys}");
    let trail =
        run_json(&[["audit", "tail", "-n", "1", "--action", "document_delete"].as_slice(), &at].concat());
    assert_eq!((&trail["object"], &trail["actor"]), (&json!(id), &json!("local")), "{trail}");
    dev.stop();
    assert_healthy(&directory.path().join("vault"));
}

#[test]
fn the_audit_trail_is_seen_and_verified_with_and_without_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let card = dev.make_card("4111111111111111", Some("111"));
    let data = dev.data.clone();
    let seen = |data: &Path| {
        let tail = run(&["audit", "tail", "-n", "2", "--json", "--data", path(data)]);
        let records: Vec<Value> = tail.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(records.len(), 2, "{}", tail.out);
        assert_eq!((&records[1]["action"], &records[1]["object"]), (&json!("card_create"), &json!(card)));
        assert_eq!(records[1]["address"], json!("127.0.0.1"));
        assert!(!tail.out.contains("411111") && !tail.out.contains("1111\""), "{}", tail.out);
        let id = records[1]["_id"].as_str().unwrap();
        assert_eq!(run_json(&["audit", "show", id, "--json", "--data", path(data)]), records[1]);
        let none = format!("{}-999999", &id[..24]);
        let refused = run_refused(&["audit", "show", &none, "--data", path(data)]);
        assert!(refused.contains("ID names nothing"), "{refused}");
    };
    seen(&data);
    let refused = run_refused(&["audit", "tail", "--action", "no_such", "--data", path(&data)]);
    assert!(refused.contains("--action must be one of card_create"), "{refused}");
    narrowed(&dev, &data);

    // One who follows sees what is done from then on.
    let mut follow = panvault();
    follow.args(["audit", "tail", "-n", "1", "-f", "--json", "--data", path(&data)]).stdout(Stdio::piped());
    let mut follow = follow.spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("card_create"));
    assert_eq!(dev.delete(&format!("/v1/card/{card}")).status, 204);
    assert!(lines.next().unwrap().unwrap().contains("card_delete"));
    follow.kill().unwrap();
    follow.wait().unwrap();
    // Whoever sees the trail sees that it was verified, of how many records, and that nothing was found.
    let verified = run_json(&["audit", "verify", "--json", "--data", path(&data)]);
    assert_eq!((&verified["verified"], &verified["findings"]), (&json!(true), &json!([])));
    assert_eq!(verified["noted"], json!(true), "{verified}");
    let noted = run(&["audit", "tail", "--action", "audit_verify", "--json", "--data", path(&data)]).out;
    let noted: Value = serde_json::from_str(&noted).unwrap();
    let records = format!("{:024x}", verified["records"].as_u64().unwrap());
    assert_eq!((&noted["object"], &noted["outcome"]), (&json!(records), &json!(0)), "{noted}");
    assert_eq!(noted["actor"], json!("local"), "{noted}");
    let status = dev.get("/v1/status").json();
    assert_eq!((&status["audit_findings"], &status["audit_verified_at"]), (&json!(0), &noted["created_at"]));
    assert_eq!(status["audit_verified_records"], verified["records"]);
    dev.make_card("4111111111111111", None);
    dev.stop();
    let whole = run_json(&["audit", "verify", "--json", "--data", path(&data)]);
    assert_eq!((&whole["verified"], &whole["noted"]), (&json!(true), &json!(false)), "{whole}");
}

/// The trail from a moment on, and of one request.
fn narrowed(dev: &Dev, data: &Path) {
    let list = |arguments: &[&str]| -> Vec<Value> {
        let args = [&["audit", "list", "--json", "--data", path(data)], arguments].concat();
        run(&args).out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = list(&["--since", "1h"]);
    assert!(all.len() > 3 && list(&["--since", "1h", "-n", "2"]) == all[all.len() - 2..], "{all:?}");
    let at = all[2]["created_at"].as_str().unwrap();
    let since = list(&["--since", at]);
    assert!(since.contains(&all[2]) && since.iter().all(|record| record["created_at"].as_str() >= Some(at)));
    assert_eq!(list(&["--since", "2035-01-31T12:00:00Z"]), Vec::<Value>::new());
    let request =
        all.iter().find(|record| record["action"] == json!("card_create")).unwrap()["request"].clone();
    let found = list(&["--request", request.as_str().unwrap(), "--since", "1h"]);
    assert_eq!((found.len(), &found[0]["request"]), (1, &request), "{found:?}");
    for (arguments, what) in [
        (["--since", "yesterday"], "--since must be a time (RFC 3339)"),
        (["--since", "4111111111111111"], "--since must be a time (RFC 3339)"),
        (["--request", "4111111111111111"], "--request must be an id"),
        (["--request", "a&b"], "--request must have letters, digits and _ only"),
    ] {
        let refused = run_refused(&[["audit", "tail", "--data", path(data)].as_slice(), &arguments].concat());
        assert!(refused.contains(what) && !refused.contains("4111"), "{refused}");
    }
    assert_eq!(dev.get("/readyz").status, 200);
}

/// What was seen is written down at the end of a server, and is the only thing that one which is killed takes along.
#[test]
fn reads_are_in_the_trail_of_a_server_that_ended() {
    let directory = tempfile::tempdir().unwrap();
    let of = |action: &str, data: &Path| -> Vec<Value> {
        let tail = run(&["audit", "tail", "--action", action, "--json", "--data", path(data)]);
        tail.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let dev = Dev::start(directory.path(), &[]);
    let data = dev.data.clone();
    let card = dev.make_card("4111111111111111", None);
    for _ in 0..3 {
        assert_eq!(dev.get(&format!("/v1/card/{card}")).status, 200);
    }
    dev.stop();
    let read = of("card_read", &data);
    assert_eq!((read.len(), &read[0]["object"], &read[0]["count"]), (1, &json!(card), &json!(3)), "{read:?}");
    let text = run(&["audit", "tail", "-n", "1", "--action", "card_read", "--data", path(&data)]).out;
    assert!(text.contains(&card) && text.contains(" from 127.0.0.1  3 times, "), "{text}");
    let id = read[0]["_id"].as_str().unwrap();
    assert_eq!(run_json(&["audit", "show", id, "--json", "--data", path(&data)]), read[0]);

    let dev = Dev::start(directory.path(), &[]);
    let another = dev.make_card("4111111111111111", None);
    assert_eq!(dev.get(&format!("/v1/card/{another}")).status, 200);
    dev.kill();
    assert_eq!(of("card_read", &data), read);
    assert_eq!(of("card_create", &data).last().unwrap()["object"], json!(another));
    // Who reads the trail by a command is in it.
    assert!(of("audit_read", &data).iter().any(|record| record["actor"] == json!("local")));
    assert_healthy(&data);
}

/// `panvault bin refresh` under a server: the server takes up the list, its cards say it, and it keeps their CVVs.
#[test]
fn issuers_are_derived_again_under_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &[]);
    let cards: Vec<_> = (0..150).map(|_| dev.make_card("4111111111111111", Some("111"))).collect();
    let list = directory.path().join("list.csv");
    fs::write(&list, "bin,issuer\n411111,Another Bank\n").unwrap();
    let import = ["bin", "import", path(&list), "--format", "csv", "--columns", "bin=bin,issuer=issuer"];
    let rest = ["--source", "s", "--licence", "l", "--json", "--data", path(&dev.data)];
    run_json(&[import.as_slice(), &rest].concat());
    let done = run_json(&["bin", "refresh", "--json", "--data", path(&dev.data)]);
    assert_eq!(
        (&done["cards"], &done["changed"], &done["failed"]),
        (&json!(150), &json!(150), &json!(0)),
        "{done}"
    );
    for card in [&cards[0], &cards[149]] {
        let card = dev.get(&format!("/v1/card/{card}")).json();
        assert_eq!(card["issuer_name"], json!("Another Bank"));
        assert_eq!(card["cvv_present"], json!(true));
    }
    let again = run_json(&["bin", "refresh", "--json", "--data", path(&dev.data)]);
    assert_eq!((&again["changed"], &again["current"]), (&json!(0), &json!(150)), "{again}");
    dev.stop();
}
