//! A key for fingerprints that is replaced under load while its process is killed, and the file that says what each card had and has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use panvault_testkit::{canary_cards, http_send};
use panvault_vault::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::cli::path;
use crate::doctor::card_flip;
use crate::serve::{Served, vault};
use crate::support::{Ended, HttpAnswer, assert_healthy, run, run_json, run_refused, until};

const WRITERS: u64 = 4;
const CARDS: usize = 150;

/// A vault that is served by the file that `init` wrote.
struct Shop {
    directory: tempfile::TempDir,
    data: PathBuf,
    organisation: String,
    key: String,
    served: Option<Served>,
    url: String,
    overlap_seconds: u32,
}

impl Shop {
    fn open(overlap_seconds: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (data, organisation, key) = vault(directory.path());
        let mut shop =
            Self { directory, data, organisation, key, served: None, url: String::new(), overlap_seconds };
        shop.serve();
        shop
    }

    fn serve(&mut self) {
        let config = self.directory.path().join("vault.settings.toml");
        let overlap = format!("fingerprint_overlap_seconds={}", self.overlap_seconds);
        let set = ["--set", &overlap, "--set", "rotation_rows_per_second=200"];
        let listen = ["--config", path(&config), "--listen", "127.0.0.1:0", "--metrics-listen", ""];
        let (served, ready) =
            Served::start(self.directory.path(), &[&listen[..], &set, &["--set", "limits=false"]].concat());
        self.url = ready["url"].as_str().unwrap().to_owned();
        self.served = Some(served);
    }

    fn kill(&mut self) {
        let mut served = self.served.take().unwrap();
        served.child.kill().unwrap();
        served.child.wait().unwrap();
    }

    fn try_send(&self, method: &str, of: &str, body: Option<&str>) -> Option<HttpAnswer> {
        let headers = [("X-APIKEY", self.key.as_str()), ("Content-Type", "application/json")];
        http_send(&format!("{}{of}", self.url), method, &headers, body).ok()
    }

    fn get(&self, of: &str) -> Value {
        let answer = self.try_send("GET", of, None).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    fn try_card(&self, number: &str) -> Option<HttpAnswer> {
        let body = json!({
            "card_number": number, "expiry_month": "12", "expiry_year": "2040", "organisation": self.organisation,
        });
        self.try_send("POST", "/v1/card", Some(&body.to_string()))
    }

    /// The cards that a fingerprint finds.
    fn found_by(&self, fingerprint: &str) -> BTreeSet<String> {
        let rows = self.get(&format!("/v1/card?fingerprint={fingerprint}"));
        rows.as_array().unwrap().iter().map(|row| row["_id"].as_str().unwrap().to_owned()).collect()
    }

    /// The keys for fingerprints, the oldest first.
    fn keys(&self) -> Vec<Value> {
        let of = ["key", "list", "--organisation", &self.organisation, "--json", "--data", path(&self.data)];
        let keys = run_json(&of);
        keys.as_array().unwrap().iter().filter(|key| key["purpose"] == "fingerprint").cloned().collect()
    }

    fn states(&self) -> Vec<String> {
        self.keys().iter().map(|key| key["state"].as_str().unwrap().to_owned()).collect()
    }

    fn rotate_args<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let args = [
            "key",
            "rotate",
            "fingerprint",
            "--organisation",
            &self.organisation,
            "--data",
            path(&self.data),
        ];
        [&args[..], more].concat()
    }

    fn rotate(&self, more: &[&str]) -> Ended {
        run(&self.rotate_args(more))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes cards until it may not any more or the server is gone, and keeps what each had for a fingerprint. Nothing fails but what may be tried again.
    fn write(&self, seed: u64, cards: &Mutex<BTreeMap<String, String>>, goes_on: &AtomicBool) {
        for canary in canary_cards(seed, 5_000) {
            let Some(made) = self.try_card(&canary.number) else { return };
            assert!(matches!(made.status, 200 | 503), "{}", made.text);
            if made.status == 200 {
                let fingerprint = made.json()["fingerprint"].as_str().unwrap().to_owned();
                cards.lock().unwrap().insert(made.id(), fingerprint);
            }
            if !goes_on.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    /// Lets writers write while something is done.
    fn under_load(&self, seed: u64, cards: &Mutex<BTreeMap<String, String>>, work: impl FnOnce()) {
        let goes_on = AtomicBool::new(true);
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let goes_on = &goes_on;
                scope.spawn(move || self.write(seed * 100 + writer, cards, goes_on));
            }
            work();
            goes_on.store(false, Ordering::SeqCst);
        });
    }

    /// Kills the process under load when it is so far, and starts it again: nothing is damaged.
    fn is_killed(
        &mut self,
        seed: u64,
        cards: &Mutex<BTreeMap<String, String>>,
        is_so_far: impl Fn(&Self) -> bool,
    ) {
        self.under_load(seed, cards, || until("it is so far", || is_so_far(self)));
        self.kill();
        assert_healthy(&self.data);
        self.serve();
    }

    /// Every so manyth card is found by what it had and by what it has.
    fn are_found(&self, cards: &BTreeMap<String, String>) {
        for (card, had) in cards.iter().step_by(7) {
            let row = self.get(&format!("/v1/card/{card}"));
            let has = row["fingerprint"].as_str().unwrap();
            let found = self.found_by(had);
            assert!(found.contains(card), "{card} by what it had");
            assert_eq!(found, self.found_by(has), "{card} by what it has");
        }
    }
}

/// Whether a moment has come.
fn is_over(at: &str) -> bool {
    SystemClock::start().now().wall.to_string().as_str() >= at
}

/// What a mapping says.
fn read(file: &Path) -> BTreeSet<(String, String)> {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().map(|line| {
        assert_eq!(line.len(), 65);
        let (before, now) = line.split_once(' ').unwrap();
        (before.to_owned(), now.to_owned())
    });
    lines.collect()
}

#[test]
fn a_fingerprint_key_is_replaced_under_load_and_kill() {
    let mut shop = Shop::open(30);
    let cards = Mutex::new(BTreeMap::new());
    let count = || cards.lock().unwrap().len();
    shop.under_load(1, &cards, || until("there are cards", || count() >= CARDS));
    let before = cards.lock().unwrap().clone();
    let made = shop.rotate(&["--json"]);
    assert!(made.status.success(), "{}", made.err);
    let again = shop.rotate(&[]);
    assert!(again.err.contains("a rotation of this key is under way"), "{}", again.err);
    let moved = |shop: &Shop| shop.keys()[0]["destroyed_at"].is_string();
    let some_are_left = |shop: &Shop| {
        let left = shop.keys()[0]["rows_left"].as_u64();
        left.is_some_and(|left| (1..before.len() as u64 - 20).contains(&left))
    };
    // When the key has just been made, and while rows move.
    shop.is_killed(2, &cards, |_| true);
    shop.are_found(&before);
    for round in 3..5 {
        shop.is_killed(round, &cards, |shop| {
            shop.are_found(&before);
            moved(shop) || some_are_left(shop)
        });
        shop.are_found(&before);
    }
    let file = shop.file("mapping");
    shop.under_load(5, &cards, || {
        let mapped = shop.rotate(&["--mapping", path(&file)]);
        assert!(mapped.status.success() && mapped.err.contains("it is waited for"), "{}", mapped.err);
    });
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let mapping = read(&file);
    let now: BTreeMap<_, _> = mapping.iter().cloned().collect();
    for (card, had) in &before {
        let has = shop.get(&format!("/v1/card/{card}"))["fingerprint"].as_str().unwrap().to_owned();
        assert_eq!(now.get(had), Some(&has), "{card}");
    }
    // While both are known, and while what was before is taken out.
    shop.is_killed(6, &cards, moved);
    shop.are_found(&before);
    shop.is_killed(7, &cards, |shop| {
        let ends_at = shop.keys()[0]["destroyed_at"].as_str().unwrap().to_owned();
        shop.states()[0] == "destroyed" || (is_over(&ends_at) && some_are_left(shop))
    });
    shop.under_load(8, &cards, || {
        until("the key before is destroyed", || shop.states() == ["destroyed", "active"]);
    });
    for (card, had) in before.iter().step_by(7) {
        assert!(shop.found_by(had).is_empty(), "{card}");
        assert!(shop.found_by(&now[had]).contains(card), "{card}");
    }
    let row = shop.get(&format!("/v1/card/{}", before.keys().next().unwrap()));
    assert!(row.get("fingerprint_before").is_none(), "{row}");
    assert_eq!(row["updated_at"], row["created_at"]);
    shop.served.take().unwrap().stop();
    assert_healthy(&shop.data);
    assert!(run_refused(&shop.rotate_args(&[])).contains("nobody serves this vault"));
}

/// A mapping that cannot be made leaves the key as it is; one that comes too late says so, and makes no file.
#[test]
fn a_mapping_is_a_new_file_or_nothing_is_done() {
    let shop = Shop::open(0);
    let made = shop.try_card("4111111111111111").unwrap().json();
    fs::write(shop.file("there"), "kept").unwrap();
    symlink(shop.file("nowhere"), shop.file("link")).unwrap();
    for refused in ["there", "link", "no/directory/mapping"] {
        let refused = run_refused(&shop.rotate_args(&["--mapping", path(&shop.file(refused))]));
        assert!(refused.contains("nothing was done"), "{refused}");
    }
    assert_eq!(
        (shop.states(), fs::read(shop.file("there")).unwrap()),
        (vec!["active".to_owned()], b"kept".to_vec())
    );
    let of_data = ["key", "rotate", "data", "--organisation", &shop.organisation, "--mapping", "m"];
    assert!(run_refused(&of_data).contains("--mapping is of fingerprints"));
    // Nothing is known of what was before, for no time: that is said before anything is done.
    let refused = run_refused(&shop.rotate_args(&["--mapping", path(&shop.file("late"))]));
    assert!(refused.contains("fingerprint_overlap_seconds 0") && refused.contains("nothing was done"));
    assert_eq!(shop.states(), ["active"]);
    let ended = shop.rotate(&["--wait", "--json"]);
    assert!(ended.status.success(), "{}", ended.err);
    assert_eq!(shop.states(), ["destroyed", "active"]);
    let (card, had) = (made["_id"].as_str().unwrap(), made["fingerprint"].as_str().unwrap());
    assert!(shop.found_by(had).is_empty());
    let has = shop.get(&format!("/v1/card/{card}"))["fingerprint"].as_str().unwrap().to_owned();
    assert_eq!(shop.found_by(&has), [card.to_owned()].into());
    let names = fs::read_dir(shop.directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().contains("mapping")), "nothing is left");
}

/// The bug: where a row was damaged, commands that wait for the end of a rotation waited for ever, and did not say why. Its cause: they looked at the rows that are left, of which it is
/// none. Its cure: it is counted by itself, and where nothing else is left they end.
#[test]
fn a_damaged_card_keeps_the_key_before_and_is_not_waited_for() {
    let mut shop = Shop::open(60);
    let numbers = canary_cards(0xda, 3);
    let cards: Vec<_> = numbers.iter().map(|card| shop.try_card(&card.number).unwrap().id()).collect();
    let flip = |shop: &mut Shop| {
        shop.served.take().unwrap().stop();
        card_flip(&shop.data, &cards[1]);
        shop.serve();
    };
    flip(&mut shop);
    let file = shop.file("mapping");
    let keeps = "1 damaged rows keep the key before";
    for more in [&["--mapping", path(&file)][..], &["--wait"]] {
        let refused = run_refused(&shop.rotate_args(more));
        assert!(refused.contains(keeps) && refused.contains("panvault doctor"), "{refused}");
        assert_eq!(refused.contains("no file was made"), more[0] == "--mapping", "{refused}");
    }
    let key = &shop.keys()[0];
    let counts = [&key["state"], &key["rows_left"], &key["rows_damaged"], &key["destroyed_at"]];
    assert_eq!(counts, [&json!("open_only"), &json!(0), &json!(1), &Value::Null]);
    let listed = run(&["key", "list", "--organisation", &shop.organisation, "--data", path(&shop.data)]);
    assert!(listed.out.contains("rows left 0  damaged 1"), "{}", listed.out);
    let data = shop.data.clone();
    let row_tag = ["key", "rotate", "row_tag", "--wait", "--data", path(&data)];
    let refused = run_refused(&row_tag);
    assert!(refused.contains(keeps), "{refused}");
    // Put right it moves on as the others have, and nothing is lost.
    flip(&mut shop);
    let mapped = shop.rotate(&["--mapping", path(&file)]);
    assert!(mapped.status.success(), "{}", mapped.err);
    assert_eq!(read(&file).len(), 3);
    let ended = run(&row_tag);
    assert!(ended.status.success(), "{}", ended.err);
    shop.served.take().unwrap().stop();
    assert_healthy(&data);
}
