//! A vault that is sealed: what it answers, what opens it and what does not, and that no restart does.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use panvault_testkit::{HttpAnswer, http_send};
use serde_json::{Value, json};

use crate::cli::path;
use crate::serve::{Served, vault};
use crate::support::{run, run_json, run_refused, until};

/// A vault beside its files, with an organisation and a key.
struct Trial {
    directory: tempfile::TempDir,
    organisation: String,
    key: String,
}

impl Trial {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (_, organisation, key) = vault(directory.path());
        Self { directory, organisation, key }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn secret(&self, name: &str, text: &str) -> PathBuf {
        let file = self.file(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        file
    }

    /// The arguments of a command on the vault.
    fn of<'a>(&self, words: &[&'a str], data: &'a Path) -> Vec<&'a str> {
        [words, &["--data", path(data)]].concat()
    }

    #[track_caller]
    fn done(&self, words: &[&str]) -> String {
        let data = self.file("vault");
        let ended = run(&self.of(words, &data));
        assert!(ended.status.success(), "{words:?}: {}", ended.err);
        ended.out
    }

    #[track_caller]
    fn refused(&self, words: &[&str]) -> String {
        run_refused(&self.of(words, &self.file("vault")))
    }

    fn serve_args(&self) -> Vec<String> {
        let data = self.file("vault");
        ["--data", path(&data), "--listen", "127.0.0.1:0", "--metrics-listen", ""].map(str::to_owned).to_vec()
    }

    fn serve(&self) -> (Served, String) {
        let args = self.serve_args();
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let (served, ready) = Served::start(self.directory.path(), &args);
        (served, ready["url"].as_str().unwrap().to_owned())
    }

    fn serve_sealed(&self) -> (Served, String) {
        let args = self.serve_args();
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        Served::start_sealed(self.directory.path(), &args)
    }

    /// Status and body of what is at a path.
    fn get(&self, url: &str, path: &str) -> (u16, String) {
        let answer = http_send(&format!("{url}{path}"), "GET", &[("X-APIKEY", &self.key)], None).unwrap();
        (answer.status, answer.text)
    }

    /// What it says of itself. Who asks while it opens or is sealed may find that nobody listens any more where it was the other.
    fn ready(&self, url: &str) -> Option<HttpAnswer> {
        http_send(&format!("{url}/readyz"), "GET", &[("X-APIKEY", &self.key)], None).ok()
    }

    fn is_ready(&self, url: &str) -> bool {
        self.ready(url).is_some_and(|answer| answer.status == 200)
    }

    fn card(&self, url: &str) -> String {
        let body = json!({
            "card_number": "4111111111111111", "expiry_month": "12", "expiry_year": "2040",
            "organisation": self.organisation,
        });
        let headers = [("X-APIKEY", self.key.as_str()), ("Content-Type", "application/json")];
        let made = http_send(&format!("{url}/v1/card"), "POST", &headers, Some(&body.to_string())).unwrap();
        assert_eq!(made.status, 200, "{}", made.text);
        let made: Value = serde_json::from_str(&made.text).unwrap();
        made["_id"].as_str().unwrap().to_owned()
    }

    /// How often the trail has an action.
    fn noted(&self, action: &str) -> usize {
        let data = self.file("vault");
        run(&self.of(&["audit", "tail", "-n", "200"], &data)).out.matches(&format!("  {action} ")).count()
    }

    /// Shares of so many custodians, two of whom are needed; the key file is put away.
    fn custodians(&self, made: &str) -> Vec<PathBuf> {
        let out = self.file("shares");
        let words = ["slot", "add", "shares", "--needed", "2", "--made", made, "--label", "custodians"];
        self.done(&[&words[..], &["--out", path(&out)]].concat());
        let made: usize = made.parse().unwrap();
        (1..=made).map(|number| out.join(format!("share-{number}.txt"))).collect()
    }

    fn put_key_away(&self) {
        fs::rename(self.file("vault.slot-key"), self.file("away.slot-key")).unwrap();
    }
}

fn unseal(share: &Path) -> [&str; 3] {
    ["unseal", "--share-file", path(share)]
}

/// The server stays where it listens, whatever its vault is.
#[track_caller]
fn is_sealed(trial: &Trial, url: &str, card: &str) {
    until("it is sealed", || trial.ready(url).is_some_and(|answer| answer.text.contains("sealed: ")));
    assert_eq!(trial.get(url, "/readyz").0, 503);
    assert_eq!(trial.get(url, "/livez").0, 200);
    for asked in [&format!("/v1/card/{card}"), "/v1/status", "/docs", "/nothing"] {
        let answer = http_send(&format!("{url}{asked}"), "GET", &[("X-APIKEY", &trial.key)], None).unwrap();
        assert_eq!(answer.status, 503, "{asked}: {}", answer.text);
        let body: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(body["code"], json!(141), "{asked}");
    }
}

#[test]
fn a_seal_outlives_every_restart() {
    let trial = Trial::new();
    let (mut served, url) = trial.serve();
    let card = trial.card(&url);
    assert!(trial.refused(&["unseal"]).contains("the vault is open"));
    assert!(trial.done(&["seal"]).contains("until panvault unseal"));
    is_sealed(&trial, &url, &card);
    served.event("vault.sealed");
    assert!(trial.refused(&["seal"]).contains("panvault unseal --status"));
    assert!(trial.refused(&["organisation", "list"]).contains("sealed"));
    let data = trial.file("vault");
    assert_eq!(run(&trial.of(&["status"], &data)).status.code(), Some(2));

    served.signal("-KILL");
    served.child.wait().unwrap();
    // No command opens it by itself either, and nor does the next server.
    assert!(trial.refused(&["organisation", "list"]).contains("panvault unseal opens it"));
    let (served, url) = trial.serve_sealed();
    is_sealed(&trial, &url, &card);
    assert!(trial.done(&["unseal"]).contains("slot 1 opened it"));
    until("it is open", || trial.is_ready(&url));
    assert_eq!(trial.get(&url, &format!("/v1/card/{card}")).0, 200);
    assert!(trial.refused(&["unseal", "--status"]).contains("the vault is open"));
    assert_eq!((trial.noted("vault_seal"), trial.noted("vault_unseal")), (1, 1));
    drop(served);

    // Where no server has it, it is sealed and unsealed all the same.
    trial.done(&["seal"]);
    drop(trial.serve_sealed());
    assert!(trial.done(&["unseal"]).contains("No server has it"));
    // What was changed by that is what the trail tells of.
    assert!(trial.done(&["doctor"]).contains("Everything agrees"));
    drop(trial.serve());
}

/// CRC-32, as in a share's text.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// A share that is whole, and of which nobody can see that it is wrong.
fn forged(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (needed, made) = words[2].split_once('/').unwrap();
    let mut values: Vec<u8> = words[4..20]
        .iter()
        .flat_map(|word| [&word[..2], &word[2..]])
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    values[0] ^= 1;
    let mut over = b"panvault-share-1".to_vec();
    over.extend(u32::from_str_radix(words[1], 16).unwrap().to_be_bytes());
    over.extend([needed, made, words[3]].map(|number| number.parse::<u8>().unwrap()));
    over.extend(&values);
    let digits: String = values.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} {digits} {:08x}", words[..4].join(" "), crc32(&over))
}

#[test]
fn custodians_open_a_vault_one_at_a_time() {
    let trial = Trial::new();
    let old = trial.custodians("3");
    let old =
        [0, 1].map(|at: usize| trial.secret(&format!("old-{at}"), &fs::read_to_string(&old[at]).unwrap()));
    fs::remove_dir_all(trial.file("shares")).unwrap();
    trial.done(&["slot", "remove", "2"]);
    let shares = trial.custodians("3");
    trial.put_key_away();
    let (mut served, url) = trial.serve_sealed();
    is_sealed(&trial, &url, "6b079c59a4c71551ba1e001f");
    assert!(trial.get(&url, "/readyz").1.contains("2 of 3 shares"));

    let mut mistyped = fs::read_to_string(&shares[0]).unwrap().trim().to_owned();
    let last = mistyped.pop().unwrap();
    mistyped.push(if last == '0' { '1' } else { '0' });
    let mistyped = trial.secret("mistyped", &mistyped);
    assert!(trial.refused(&unseal(&mistyped)).contains("mistyped"));
    assert!(trial.refused(&unseal(&old[0])).contains("is of no set that opens this vault"));
    assert!(trial.done(&unseal(&shares[0])).contains("1 of 2 shares are there"));
    assert!(trial.get(&url, "/readyz").1.contains("1 of 2 shares are there"));
    assert!(trial.refused(&unseal(&shares[0])).contains("given already"));
    assert!(!trial.done(&["unseal", "--reset"]).contains("shares are there"));

    // What nobody can see of one share is seen of all, and then none is kept.
    trial.done(&unseal(&shares[0]));
    let wrong = trial.secret("wrong", &forged(&fs::read_to_string(&shares[1]).unwrap()));
    let said = trial.refused(&unseal(&wrong));
    assert!(said.contains("error: "), "{said}");
    assert!(!trial.get(&url, "/readyz").1.contains("are there"));
    served.event("unseal.failed");

    trial.done(&unseal(&shares[2]));
    assert!(trial.done(&unseal(&shares[1])).contains("the vault is open: slot 3 opened it"));
    until("it is open", || trial.is_ready(&url));
    trial.card(&url);
    fs::rename(trial.file("away.slot-key"), trial.file("vault.slot-key")).unwrap();
    let noted = ["share_give", "unseal_fail", "vault_unseal", "vault_seal"].map(|action| trial.noted(action));
    assert_eq!(noted, [5, 1, 1, 0]);
    drop(old);
}

#[test]
fn a_passphrase_opens_a_vault_and_a_wrong_one_does_not() {
    let trial = Trial::new();
    let right = trial.secret("right", "four words that stand\n");
    let words = ["slot", "add", "passphrase", "--label", "safe", "--new-passphrase-file", path(&right)];
    trial.done(&words);
    trial.put_key_away();
    let (_served, url) = trial.serve_sealed();
    let wrong = trial.secret("wrong", "four words that stood\n");
    let said = trial.refused(&["unseal", "--passphrase-file", path(&wrong)]);
    assert!(said.contains("passphrase"), "{said}");
    assert!(trial.refused(&["unseal", "--with", "key-file"]).contains("is missing"));
    assert!(trial.done(&["unseal", "--passphrase-file", path(&right)]).contains("slot 2 opened it"));
    until("it is open", || trial.is_ready(&url));
    // Whoever has the passphrase can seal it again, without a key file.
    let by = ["seal", "--passphrase-file", path(&right)];
    trial.done(&by);
    until("it is sealed", || trial.get(&url, "/readyz").1.contains("somebody has sealed"));
}

/// A request to the console, as JSON or of the page's form.
fn post(url: &str, kind: &str, site: &str, body: &str) -> (u16, String) {
    let headers = [("Content-Type", kind), ("Sec-Fetch-Site", site)];
    let answer = http_send(url, "POST", &headers, Some(body)).unwrap();
    (answer.status, answer.text)
}

#[test]
fn custodians_come_to_the_console_and_metrics_say_that_it_is_sealed() {
    let trial = Trial::new();
    let files = trial.custodians("2");
    let text = |file: &PathBuf| fs::read_to_string(file).unwrap().trim().to_owned();
    let shares: Vec<String> = files.iter().map(text).collect();
    let data = trial.file("vault");
    let listen =
        ["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--console-listen", "127.0.0.1:0"];
    let (mut served, ready) =
        Served::start(trial.directory.path(), &[&["--data", path(&data)], &listen[..]].concat());
    let [url, metrics, console] =
        ["url", "metrics_url", "console_url"].map(|name| ready[name].as_str().unwrap().to_owned());
    assert!(trial.get(&metrics, "/metrics").1.contains("panvault_sealed 0"));
    trial.done(&["seal"]);
    served.event("vault.sealed");
    assert!(trial.get(&metrics, "/metrics").1.contains("panvault_sealed 1"));
    let page = trial.get(&console, "");
    assert!(page.0 == 200 && page.1.contains("The vault is sealed"), "{}", page.1);
    let unseal = format!("{console}/unseal");
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    // Not from a page of elsewhere, and not by bringing nothing.
    let share = json!({ "share": shares[0] }).to_string();
    assert_eq!(post(&unseal, json, "cross-site", &share).0, 403);
    assert_eq!(post(&unseal, json, "same-origin", r#"{"key_file": true}"#).0, 400);
    let refused = post(&unseal, json, "same-origin", r#"{"share": "panvault-share-1 5ecret"}"#);
    assert!(refused.0 == 400 && !refused.1.contains("5ecret"), "{}", refused.1);

    let first = post(&unseal, json, "same-origin", &share);
    assert!(first.0 == 200 && first.1.contains("\"shares\":1"), "{}", first.1);
    let second = post(&unseal, form, "same-origin", &format!("share={}", shares[1].replace(' ', "+")));
    assert!(second.0 == 200 && second.1.contains("The vault is open"), "{}", second.1);
    until("it is open", || trial.is_ready(&url));
    let said = served.event("console.unseal");
    assert_eq!(
        (&said["what"], &said["taken"], &said["open"]),
        (&json!("share"), &json!(false), &json!(false))
    );
    let trail = trial.done(&["audit", "tail", "--action", "share_give"]);
    assert_eq!(trail.matches("from 127.0.0.1").count(), 2, "{trail}");
}

/// What a start refuses, it goes on to refuse: a wrong key file is no reason to wait for people.
#[test]
fn a_key_file_that_is_wrong_is_no_reason_to_wait() {
    let trial = Trial::new();
    trial.custodians("2");
    let other = tempfile::tempdir().unwrap();
    run_json(&["init", path(&other.path().join("other")), "--mode", "test", "--json"]);
    fs::copy(other.path().join("other.slot-key"), trial.file("vault.slot-key")).unwrap();
    let data = trial.file("vault");
    let args = trial.of(&["serve", "--listen", "127.0.0.1:0", "--metrics-listen", ""], &data);
    assert!(run_refused(&args).contains("does not belong to the vault"));
    // And one without any way for people says that it is missing.
    let alone = Trial::new();
    alone.put_key_away();
    let data = alone.file("vault");
    let args = alone.of(&["serve", "--listen", "127.0.0.1:0", "--metrics-listen", ""], &data);
    assert!(run_refused(&args).contains("is missing"));
}

/// Types at a terminal: argument 1 is JSON, a list of what is waited for and what is typed then, such as the share that was shown last; the rest is the command.
const TERMINAL: &str = r#"
import json, os, pty, re, select, sys, time
steps = json.loads(sys.argv[1])
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
out = b""
def read(until):
    global out
    end, seen = time.time() + 60, b""
    while time.time() < end:
        if not select.select([fd], [], [], 0.2)[0]:
            continue
        try:
            some = os.read(fd, 4096)
        except OSError:
            return
        if not some:
            return
        out += some
        seen += some
        if until is not None and until.encode() in seen:
            return
for until, typed in steps:
    read(until)
    # The prompt is there a moment before the terminal stops to show what is typed.
    time.sleep(0.5)
    shares = re.findall(r"panvault-share-1 [0-9a-f /]+", out.decode())
    if typed == "the share shown":
        typed = shares[-1].strip()
    if typed == "ctrl-c":
        os.write(fd, b"\x03")
    else:
        os.write(fd, (typed + "\n").encode())
read(None)
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(out)
sys.exit(os.waitstatus_to_exitcode(status))
"#;

/// What a terminal shows of a command, at which this is typed.
fn typed(steps: &[(&str, &str)], args: &[&str]) -> String {
    let (is_done, shown) = tried(steps, args);
    assert!(is_done, "{shown}");
    shown
}

/// The same, and whether the command did what it was to do.
fn tried(steps: &[(&str, &str)], args: &[&str]) -> (bool, String) {
    let output = Command::new("python3")
        .args(["-c", TERMINAL, &json!(steps).to_string(), env!("CARGO_BIN_EXE_panvault")])
        .args(args)
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn shares_are_typed_unseen_and_a_slip_is_said_at_once() {
    let trial = Trial::new();
    let files = trial.custodians("2");
    let text = |file: &PathBuf| fs::read_to_string(file).unwrap().trim().to_owned();
    let shares: Vec<String> = files.iter().map(text).collect();
    trial.put_key_away();
    let (_served, url) = trial.serve_sealed();
    let data = trial.file("vault");
    let args = trial.of(&["unseal"], &data);
    let (most, last) = shares[0].split_at(shares[0].len() - 1);
    let slip = format!("{most}{}", if last == "0" { "1" } else { "0" });
    let shown = typed(&[("Share: ", &slip), ("Share: ", &shares[0])], &args);
    assert!(shown.contains("a typing error"), "{shown}");
    assert!(shown.contains("1 of 2 shares are there"), "{shown}");
    let shown = [shown, typed(&[("(1 of 2 are there): ", &shares[1])], &args)].concat();
    assert!(shown.contains("the vault is open"), "{shown}");
    for share in &shares {
        let digits = share.split_whitespace().nth(5).unwrap();
        assert!(!shown.contains(digits), "a share was shown");
    }
    until("it is open", || trial.is_ready(&url));
}

/// What is typed at a ceremony until its last share is proved.
const CEREMONY: [(&str, &str); 14] = [
    ("Who leads", "Ann Leader"),
    ("organisation called", "Example Ltd"),
    ("How many custodians", "1"),
    ("How many custodians", "3"),
    ("How many of the 3", "2"),
    ("Custodian 1: ", "Bea"),
    ("Custodian 2: ", "Bea"),
    ("Custodian 2: ", "Cy"),
    ("Custodian 3: ", "Di"),
    ("Press Enter", ""),
    ("Type share 1", "the share shown"),
    ("Press Enter", ""),
    ("Type share 2", "the share shown"),
    ("Press Enter", ""),
];

#[test]
fn a_ceremony_makes_a_vault_that_its_custodians_open() {
    let directory = tempfile::tempdir().unwrap();
    let (data, key_file) = (directory.path().join("held"), directory.path().join("held.api-key"));
    let settings = directory.path().join("held.settings.toml");
    let args = ["init", path(&data), "--mode", "test", "--ceremony"];
    let is_empty = || fs::read_dir(directory.path()).unwrap().count() == 0;
    assert!(run_refused(&args).contains("at a terminal"));
    let (is_done, _) = tried(&[&CEREMONY[..], &[("Type share 3", "ctrl-c")]].concat(), &args);
    assert!(!is_done && is_empty(), "who interrupts it leaves nothing");
    let whole = [&CEREMONY[..], &[("Type share 3", "the share shown")]].concat();
    let rehearsal = [&args[..], &["--rehearsal"]].concat();
    assert!(typed(&whole, &rehearsal).contains("nothing of it is left") && is_empty());
    // What is in the way is said before anybody is asked, and stays.
    for (file, more) in [("held.api-key", &[][..]), ("log", &["--wal-directory", "log"])] {
        let there = directory.path().join(file);
        fs::write(&there, "somebody's").unwrap();
        let more: Vec<_> = more.iter().map(|word| if *word == file { path(&there) } else { word }).collect();
        let (is_done, shown) = tried(&[], &[&args[..], &more].concat());
        assert!(!is_done && shown.contains("is there already") && !shown.contains("Who leads"), "{shown}");
        assert_eq!(fs::read_to_string(&there).unwrap(), "somebody's");
        fs::remove_file(&there).unwrap();
    }

    // The log on another disk, which the settings name.
    let log = directory.path().join("log");
    let shown = typed(&whole, &[&args[..], &["--wal-directory", path(&log)]].concat());
    let shares: Vec<_> = shown
        .lines()
        .filter(|line| line.starts_with("panvault-share-1 "))
        .enumerate()
        .map(|(at, line)| {
            let file = directory.path().join(format!("share-{at}"));
            fs::write(&file, line.trim()).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            file
        })
        .collect();
    assert_eq!(shares.len(), 3);
    let said = fs::read_to_string(data.join("ceremony.txt")).unwrap();
    for what in ["led by      Ann Leader", "2 of 3 open the vault", "Bea, proved", "Cy, proved", "Di, proved"]
    {
        assert!(said.contains(what), "{said}");
    }
    let serve = ["--config", path(&settings), "--listen", "127.0.0.1:0", "--metrics-listen", ""];
    let (served, url) = Served::start_sealed(directory.path(), &serve);
    for share in [&shares[2], &shares[0]] {
        assert!(run(&["unseal", "--config", path(&settings), "--share-file", path(share)]).status.success());
    }
    until("it is open", || http_send(&format!("{url}/readyz"), "GET", &[], None).unwrap().status == 200);
    let key = fs::read_to_string(&key_file).unwrap();
    let caller = http_send(&format!("{url}/v1/caller"), "GET", &[("X-APIKEY", key.trim())], None).unwrap();
    assert!(caller.text.contains("ProviderAdmin"), "{}", caller.text);
    drop(served);

    // With a key file, which custodians let it have, a command sees the trail.
    let slot_key = directory.path().join("held.slot-key");
    let by = ["--share-file", path(&shares[1]), "--share-file", path(&shares[2])];
    let add =
        ["slot", "add", "key-file", path(&slot_key), "--label", "second way", "--config", path(&settings)];
    let added = run(&[&add[..], &by].concat());
    assert!(added.status.success(), "{}", added.err);
    let with = format!("slot_key_file={}", path(&slot_key));
    let trail = run(&["audit", "tail", "--config", path(&settings), "--set", &with]).out;
    let digest = Command::new("sha256sum").arg(data.join("ceremony.txt")).output().unwrap().stdout;
    let digest = String::from_utf8(digest).unwrap();
    let line = trail.lines().find(|line| line.contains("ceremony_hold")).unwrap();
    assert!(line.contains(&digest[..24]), "{line}");
}
