//! The servers that tests of other crates start.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use panvault_testkit::http_send;
use panvault_testkit::servers::{
    HaProxy, PgBouncer, Postgres, PostgresOptions, PostgresVersion, Redis, RedisOptions,
};

#[test]
fn postgresql_keeps_what_was_committed_over_a_crash() {
    for version in PostgresVersion::ALL {
        // One of its own: others use the shared one at the same time.
        let server = Postgres::start_with(&PostgresOptions { version, ..PostgresOptions::default() });
        let database = server.database();
        let number = match version {
            PostgresVersion::V15 => "15.",
            PostgresVersion::V18 => "18.",
        };
        let shown = server.sql(&database.name, "SHOW server_version");
        assert!(shown.starts_with(number), "{shown}");
        assert_eq!(server.sql(&database.name, "SHOW fsync"), "on");
        server.sql(&database.name, "CREATE TABLE kept (a int)");
        server.sql(&database.name, "INSERT INTO kept VALUES (7)");
        server.crash();
        server.start_again();
        assert_eq!(server.sql(&database.name, "SELECT a FROM kept"), "7");
        assert!(server.log().contains("not properly shut down"), "{}", server.log());
    }
}

#[test]
fn databases_are_apart() {
    let server = Postgres::shared(PostgresVersion::V15);
    let [one, two] = [server.database(), server.database()];
    server.sql(&one.name, "CREATE TABLE only_here (a int)");
    assert_eq!(server.sql(&one.name, "SELECT to_regclass('only_here') IS NULL"), "f");
    assert_eq!(server.sql(&two.name, "SELECT to_regclass('only_here') IS NULL"), "t");
    assert!(!one.url.contains(&one.password));
    assert_eq!(std::fs::read_to_string(&one.password_file).unwrap(), one.password);
}

#[test]
fn pgbouncer_hands_on_to_its_server() {
    let server = Postgres::shared(PostgresVersion::V15);
    let database = server.database();
    let bouncer = PgBouncer::start(&server, 2);
    let through = bouncer.database(&server, &database);
    assert_ne!(through.url, database.url);
    assert_eq!(server.sql_at(through.port, &database.name, "SELECT current_database()"), database.name);
}

#[test]
fn redis_forgets_all_when_it_crashes() {
    let server = Redis::start(RedisOptions::default());
    assert_eq!(server.command(&["SET", "a", "1"]), "OK");
    assert_eq!(server.command(&["CONFIG", "GET", "save"]), "save");
    assert_eq!(server.command(&["CONFIG", "GET", "appendonly"]), "appendonly\nno");
    server.crash();
    server.start_again();
    assert_eq!(server.command(&["EXISTS", "a"]), "0");
    let names: Vec<_> =
        std::fs::read_dir(server.data()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn haproxy_asks_only_nodes_that_are_ready() {
    let nodes = ["200 OK", "503 Service Unavailable", "503 Service Unavailable"].map(node);
    let proxy = HaProxy::start(nodes);
    for number in [2, 3] {
        proxy.sees(&format!("Server nodes/node-{number} is DOWN"));
    }
    for _ in 0..10 {
        let answer = http_send(&format!("{}/", proxy.url), "GET", &[], None).unwrap();
        assert_eq!((answer.status, answer.text.as_str()), (200, "200 OK"));
    }
}

/// Answers each request with a status, until the process ends.
fn node(status: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{status}",
                status.len()
            );
            drop(stream.write_all(head.as_bytes()));
        }
    });
    address
}
