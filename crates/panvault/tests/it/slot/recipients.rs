//! Shares that are sealed to their custodians, who read them by age and type them as proof.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use super::Trial;
use crate::cli::path;
use crate::support::until;

const AGE: &str = "/usr/bin/age";
const AGE_KEYGEN: &str = "/usr/bin/age-keygen";

/// A custodian's key, and the file that names their recipient.
fn custodian(trial: &Trial, name: &str) -> (PathBuf, PathBuf) {
    for program in [AGE, AGE_KEYGEN] {
        assert!(
            Path::new(program).exists(),
            "{program} is needed: `apt-get install age`, or run `cargo xtask test`"
        );
    }
    let (identity, recipient) = (trial.file(&format!("{name}.key")), trial.file(&format!("{name}.pub")));
    let made = Command::new(AGE_KEYGEN).arg("-o").arg(&identity).output().unwrap();
    assert!(made.status.success());
    let shown = Command::new(AGE_KEYGEN).arg("-y").arg(&identity).output().unwrap();
    fs::write(&recipient, [format!("# {name}\n").as_bytes(), &shown.stdout].concat()).unwrap();
    (identity, recipient)
}

fn opened(file: &Path, identity: &Path) -> Option<String> {
    let output =
        Command::new(AGE).args(["--decrypt", "--identity"]).arg(identity).arg(file).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// A command on a terminal of its own.
struct Typed {
    child: Child,
    keys: ChildStdin,
    shown: Arc<Mutex<String>>,
}

impl Typed {
    fn start(words: &[&str]) -> Self {
        let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
        let line = format!("exec '{}' {}", env!("CARGO_BIN_EXE_panvault"), quoted.join(" "));
        let mut command = Command::new("/usr/bin/script");
        command.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let shown = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&shown);
        thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut part) {
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&part[..read]));
            }
        });
        Self { child, keys, shown }
    }

    fn shows(&self, text: &str, times: usize) {
        until(text, || self.shown.lock().unwrap().matches(text).count() >= times);
    }

    fn types(&mut self, line: &str) {
        self.keys.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

#[test]
fn shares_are_sealed_to_their_custodians_and_count_when_each_was_typed() {
    let trial = Trial::new();
    let custodians: Vec<_> = ["ann", "ben", "cho"].iter().map(|name| custodian(&trial, name)).collect();
    let (data, out) = (trial.file("vault"), trial.file("out"));
    let mut words = vec!["slot", "add", "shares", "--needed", "2", "--made", "3", "--label", "custodians"];
    words.extend(["--data", path(&data), "--out", path(&out)]);
    custodians.iter().for_each(|(_, recipient)| words.extend(["--recipient", path(recipient)]));

    // A share that was never typed makes no slot, and leaves nothing.
    let mut typed = Typed::start(&words);
    typed.shows("Type share 1", 1);
    typed.types("\u{4}");
    typed.child.kill().unwrap();
    typed.child.wait().unwrap();
    drop(fs::remove_dir_all(&out));
    assert_eq!(trial.numbers(&[]), [1]);

    let mut typed = Typed::start(&words);
    typed.shows("Type share 1", 1);
    let sealed = |number: usize| out.join(format!("share-{number}.age"));
    let shares: Vec<_> = custodians
        .iter()
        .enumerate()
        .map(|(at, (identity, _))| opened(&sealed(at + 1), identity).unwrap())
        .collect();
    assert!(opened(&sealed(1), &custodians[1].0).is_none(), "only its custodian reads it");
    assert!(fs::read_to_string(sealed(1)).unwrap().starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"));
    typed.types(&shares[1]);
    typed.shows("that is another share", 1);
    typed.types(&shares[0].replace("panvault-share-1", "panvault-share-2"));
    typed.shows("that is not a share", 1);
    for (at, share) in shares.iter().enumerate() {
        typed.shows(&format!("Type share {}", at + 1), 1);
        typed.types(share);
    }
    assert!(typed.child.wait().unwrap().success(), "{}", typed.shown.lock().unwrap());
    typed.shows("slot 2 is added: custodians, 2 of 3 shares", 1);
    let screen = typed.shown.lock().unwrap().clone();
    assert!(shares.iter().all(|share| !screen.contains(share.as_str())), "{screen}");

    let files: Vec<_> = [2, 0].map(|at: usize| trial.secret(&format!("typed-{at}"), &shares[at])).to_vec();
    let by = ["slot", "test", "--share-file", path(&files[0]), "--share-file", path(&files[1])];
    assert!(trial.done(&by[1..]).starts_with("slot 2 opens the vault: custodians"));
}

#[test]
fn what_is_no_recipient_is_refused_before_anything_is_made() {
    let trial = Trial::new();
    let (_, recipient) = custodian(&trial, "ann");
    let (_, other) = custodian(&trial, "ben");
    let ann = fs::read_to_string(&recipient).unwrap();
    let key = ann.lines().last().unwrap();
    let typo = key.replace(key.chars().last().unwrap(), if key.ends_with('q') { "p" } else { "q" });
    let out = trial.file("out");
    let two = trial.file("two");
    fs::write(&two, format!("{key}\n{key}\n")).unwrap();
    for (first, second, said) in [
        (key, typo.as_str(), "has a typing error"),
        (key, "age1pq1xyz", "has a typing error, or is not a native one"),
        (key, "ssh-ed25519 AAAA", "no file that can be read"),
        (key, path(&two), "has a typing error"),
        (key, key, "is named twice"),
        (path(&recipient), key, "is named twice"),
        (key, path(&other), "there is no terminal to type at"),
    ] {
        let words = [
            "add",
            "shares",
            "--needed",
            "2",
            "--made",
            "2",
            "--label",
            "a",
            "--out",
            path(&out),
            "--recipient",
            first,
            "--recipient",
            second,
        ];
        let refused = trial.refused(&words);
        assert!(refused.contains(said), "{second}: {refused}");
        assert!(!out.exists());
    }
    let words = [
        "add",
        "shares",
        "--needed",
        "2",
        "--made",
        "3",
        "--label",
        "a",
        "--out",
        path(&out),
        "--recipient",
        key,
    ];
    assert!(trial.refused(&words).contains("there are 3 shares and 1 recipients"));
    assert_eq!(trial.numbers(&[]), [1]);
}
