//! Hundreds of cards and CVVs go through three nodes, by every way that there is, while one of them is killed; everything that may be logged is. Afterwards nothing that
//! the database, its backups, its log, the server of CVVs, HAProxy or a node wrote or said holds a card number, or a CVV in any form.
//!
//! Three digits stand everywhere by chance, so CVVs are looked for in four ways: behind a label; as the block that is sealed, which is so many zeroes; as the sealed values and
//! key components that the server of CVVs had, which are random; and by counting, for many cards have one and the same.

mod life;
mod written;

use std::fs;

use panvault_testkit::servers::{HaProxy, PostgresOptions};
use panvault_testkit::{LeakScan, NeedleScan, canary_cards};

use crate::cluster::leak::life::{CANARY, live};
use crate::cluster::leak::written::{Written, unhex};
use crate::cluster::nodes::{Cluster, NODES, rounds, signal};
use crate::support::until;

/// Cards for each round.
const CARDS: usize = 60;
/// Requests that are under way at a time.
const SENDERS: usize = 4;

/// All that PostgreSQL can be told to log. Without the time and the process, whose digits are anything.
const TALKATIVE: [(&str, &str); 15] = [
    ("log_line_prefix", ""),
    ("log_statement", "all"),
    ("log_duration", "on"),
    ("log_min_duration_statement", "0"),
    ("log_min_error_statement", "debug5"),
    ("log_min_messages", "info"),
    ("log_error_verbosity", "verbose"),
    ("log_parameter_max_length", "-1"),
    ("log_parameter_max_length_on_error", "-1"),
    ("log_lock_waits", "on"),
    ("log_temp_files", "0"),
    ("shared_preload_libraries", "auto_explain,pg_stat_statements"),
    ("auto_explain.log_min_duration", "0"),
    ("auto_explain.log_verbose", "on"),
    ("auto_explain.log_nested_statements", "on"),
];

/// What the server of CVVs wrote when it was told to by hand.
const SAVED: &str = "dump.rdb";

/// What the server of CVVs has, each value on a line in hexadecimal digits: of cards, or of key components.
fn held(cluster: &Cluster, which: &str) -> Vec<Vec<u8>> {
    let script = "local all = {} for _, key in ipairs(redis.call('KEYS', ARGV[1])) do local value = redis.call('GET', key) \
                  all[#all + 1] = string.gsub(value, '.', function(byte) return string.format('%02x', string.byte(byte)) end) end return all";
    let printed = cluster.redis.command(&["EVAL", script, "0", which]);
    printed.lines().map(|line| unhex(line.as_bytes())).collect()
}

/// Sealed values of cards and key components that are held now. What stands before them in a record is not random.
fn sealed_now(cluster: &Cluster, found: &mut Vec<Vec<u8>>) {
    const SEALED_AT: usize = 50;
    const NONCE: std::ops::Range<usize> = SEALED_AT + 1..SEALED_AT + 25;
    const CIPHERTEXT: std::ops::Range<usize> = SEALED_AT + 25..SEALED_AT + 57;
    for record in held(cluster, "pv:c*") {
        found.extend([NONCE, CIPHERTEXT].into_iter().filter_map(|part| Some(record.get(part)?.to_vec())));
    }
    found.extend(
        held(cluster, "pv:k?*")
            .into_iter()
            .filter(|value| value.len() == 40)
            .map(|value| value[..32].to_vec()),
    );
}

#[test]
fn nothing_that_was_written_or_said_over_three_nodes_holds_a_card_number_or_a_cvv() {
    let settings = TALKATIVE.map(|(name, value)| (name, value.to_owned())).to_vec();
    let options = PostgresOptions { settings, ..PostgresOptions::default() };
    let mut cluster = Cluster::start_with(&options, vec!["log_level=trace", "cvv_ttl_seconds=20"]);
    let haproxy = HaProxy::start_logging(cluster.addresses());
    let cards = canary_cards(0x1ea4, CARDS * rounds());
    let (mut said, mut sealed) = (Vec::new(), Vec::new());
    let victim = NODES - 1;
    for (phase, cards) in cards.chunks(cards.len().div_ceil(3)).enumerate() {
        let process = cluster.process(victim);
        let senders = std::thread::scope(|scope| {
            let (cluster, url) = (&cluster, haproxy.url.as_str());
            let chunks = cards.chunks(cards.len().div_ceil(SENDERS));
            let running: Vec<_> = chunks
                .map(|cards| {
                    scope.spawn(move || {
                        let mut said = Vec::new();
                        for (at, card) in cards.iter().enumerate() {
                            live(cluster, url, at, card, &mut said);
                            // Under load, in the second of three.
                            if phase == 1 && at == cards.len() / 2 {
                                signal(process, "-KILL");
                            }
                        }
                        said
                    })
                })
                .collect();
            running.into_iter().flat_map(|sender| sender.join().unwrap()).collect::<Vec<u8>>()
        });
        said.extend(senders);
        sealed_now(&cluster, &mut sealed);
        if phase == 1 {
            cluster.kill_node(victim);
            cluster.start_node(victim);
            cluster.is_ready(victim);
        }
    }
    assert!(sealed.len() > 20, "CVVs were held: {}", sealed.len());
    refused_by_the_database(&cluster, &mut said);
    for words in [&["status"][..], &["doctor"], &["audit", "verify"], &["audit", "tail", "-n", "1000"]] {
        let ended = cluster.ended(words);
        said.extend(format!("{}\n{}\n", ended.out, ended.err).into_bytes());
    }

    let numbers = LeakScan::new(cards.iter().map(|card| card.number.as_str()));
    let needles = NeedleScan::new(&sealed);
    let servers_memory = scan_memory(&cluster, &numbers);
    assert!(servers_memory.is_empty(), "{servers_memory:?}");
    let copies = tempfile::tempdir().unwrap();
    cluster.postgres.base_backup(&copies.path().join("backup"));
    cluster.postgres.dump(&cluster.database.name, "plain", &copies.path().join("dump.sql"));
    cluster.postgres.dump(&cluster.database.name, "custom", &copies.path().join("dump.custom"));
    let log = cluster.postgres.log();
    assert!(log.contains("parameters: $1 = ") && log.contains("\\x"), "the database logs what it is sent");
    let mut written = Written::default();
    written.text("the database's log", log.as_bytes());
    written.text("dump.sql", &fs::read(copies.path().join("dump.sql")).unwrap());
    let mut elsewhere = Written::default();
    elsewhere.put("answers".to_owned(), said);
    elsewhere.put("HAProxy's log".to_owned(), haproxy.log().into_bytes());
    elsewhere.put("Redis' log".to_owned(), cluster.redis.log().into_bytes());
    assert!(haproxy.log().contains("POST /v1/card"), "{}", haproxy.log());

    // The file that nobody may have written: it has sealed values, and nothing that is readable. The server was told so by hand; nodes end all that it holds, and say so.
    cluster.redis.command(&["CONFIG", "SET", "rdbcompression", "no"]);
    let before = sealed.len();
    sealed_now(&cluster, &mut sealed);
    let at_last = NeedleScan::new(&sealed[before..]);
    cluster.redis.command(&["SAVE"]);
    let saved = fs::read(cluster.redis.data().join("dump.rdb")).unwrap();
    assert!(!at_last.find(&saved).is_empty(), "the control: what was held is found where it is");
    elsewhere.put(SAVED.to_owned(), saved);
    until("nodes end what is held", || held(&cluster, "pv:c*").is_empty());
    fs::remove_file(cluster.redis.data().join("dump.rdb")).unwrap();
    assert!(fs::read_dir(cluster.redis.data()).unwrap().next().is_none(), "it has written nothing else");

    for node in 0..NODES {
        assert!(cluster.log(node).contains("TRACE") || cluster.log(node).contains("DEBUG"), "node {node}");
        cluster.kill_node(node);
    }
    let identity = cluster.sql("SELECT oid FROM pg_database WHERE datname = current_database()");
    cluster.postgres.crash();
    let databases = [cluster.postgres.data(), copies.path().join("backup")];
    let parts = |data: &std::path::Path| {
        [
            format!("base/{identity}"),
            "pg_wal".to_owned(),
            "global".to_owned(),
            "pg_stat".to_owned(),
            "pg_stat_tmp".to_owned(),
        ]
        .map(|part| data.join(part))
    };
    databases.iter().flat_map(|data| parts(data)).for_each(|part| written.directory(&part));
    written.file(&copies.path().join("dump.custom"));
    elsewhere.directory(cluster.directory());
    assert!(written.bytes() > 20 << 20, "{} bytes", written.bytes());
    let mut found = written.found(&numbers, &needles, "");
    found.extend(elsewhere.found(&numbers, &needles, SAVED));
    assert!(found.is_empty(), "{found:#?}");
    // Had the canary's CVV been written once for each card that has it, it would stand there so many times more often than any three digits do.
    let carriers = u64::try_from(cards.iter().filter(|card| card.cvv.len() == 3).count() / 2).unwrap();
    let counted = |counts: &[u64]| (counts[CANARY], counts.iter().sum::<u64>() / 1_000);
    let (canary, others) = counted(written.counts());
    assert!(canary < others + carriers / 2, "{canary} times, and others {others} times");

    // The controls: a database that was told any of it has it in its files.
    cluster.postgres.start_again();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let number = &cards[0].number;
    let controls = [
        (format!("INSERT INTO planted VALUES ('{number}')"), "Ascii"),
        (format!("INSERT INTO planted VALUES ('{}')", hex(number.as_bytes())), "Hex"),
        ("INSERT INTO planted VALUES ('\"cvv\":\"123\"')".to_owned(), "CvvLabel"),
        (format!("INSERT INTO kept VALUES ('\\x{}')", hex(&sealed[0])), "a sealed CVV"),
        (format!("INSERT INTO kept VALUES ('\\x0103{}{}')", hex(b"123"), "00".repeat(11)), "a plain CVV"),
        (format!("INSERT INTO planted SELECT '{CANARY}.' FROM generate_series(1, {carriers})"), ""),
    ];
    cluster.sql("CREATE TABLE planted (text text); CREATE TABLE kept (bytes bytea)");
    for (control, _) in &controls {
        cluster.sql(control);
    }
    cluster.postgres.crash();
    let mut planted = Written::default();
    parts(&cluster.postgres.data()).iter().for_each(|part| planted.directory(part));
    let found = planted.found(&numbers, &needles, "");
    for (control, kind) in &controls {
        assert!(found.iter().any(|found| found.contains(kind)), "{control}: {found:#?}");
    }
    let (canary, others) = counted(planted.counts());
    assert!(canary >= others + carriers / 2, "{canary} times, and others {others} times");
}

/// Digits of card numbers in the memory of the server of CVVs, which gets none.
fn scan_memory(cluster: &Cluster, numbers: &LeakScan) -> Vec<panvault_testkit::Leak> {
    let info = cluster.redis.command(&["INFO", "server"]);
    let process = info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap().trim();
    numbers.scan_process(process.parse().unwrap(), &[]).unwrap_or_else(|error| {
        eprintln!("skipped: reading the memory of a process needs root ({error})");
        Vec::new()
    })
}

/// Constraints that fail on purpose: the database's log shows the row, and all that was sent with the statement.
fn refused_by_the_database(cluster: &Cluster, said: &mut Vec<u8>) {
    let cards = canary_cards(0x1ea5, 2);
    let mut refuse = |what: &str| {
        let body = cluster.card_body(&cards[1].number, Some(&cards[1].cvv));
        let refused = cluster.post(0, "/v1/card", &body);
        assert!(refused.status >= 500, "{}", refused.text);
        said.extend(refused.text.into_bytes());
        until("the database has logged it", || cluster.postgres.log().contains(what));
    };
    cluster.sql("ALTER TABLE card ADD CONSTRAINT on_purpose CHECK (version < 0) NOT VALID");
    refuse("violates check constraint");
    cluster.sql("ALTER TABLE card DROP CONSTRAINT on_purpose");
    // Of cards that are newer than all there may be one.
    let newest = cluster.sql("SELECT id FROM card ORDER BY id DESC LIMIT 1");
    let index = format!("CREATE UNIQUE INDEX on_purpose ON card (octet_length(id)) WHERE id > '{newest}'");
    cluster.sql(&index);
    until("the node goes on", || {
        cluster.post(0, "/v1/card", &cluster.card_body(&cards[0].number, None)).status == 200
    });
    refuse("violates unique constraint");
    cluster.sql("DROP INDEX on_purpose");
}
