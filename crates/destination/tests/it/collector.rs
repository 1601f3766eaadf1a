use core::time::Duration;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use panvault_destination::{Collector, CollectorUrl, Fault, TimeOuts, Tls};

use crate::server::{Authority, Manner, Server, read_secret};

const PATIENT: TimeOuts = TimeOuts { connect: Duration::from_secs(60), send: Duration::from_secs(120) };
const SHORT: TimeOuts = TimeOuts { connect: Duration::from_secs(60), send: Duration::from_millis(500) };
const LINES: &[u8] = b"{\"type\":\"record\"}\n{\"type\":\"checkpoint\"}\n";
const TAKEN: &str = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

fn collector(url: &str, authority: &Authority, time_outs: TimeOuts) -> Collector {
    Collector::new(CollectorUrl::parse(url).ok().unwrap(), authority.tls(), None, time_outs)
}

#[tokio::test]
async fn lines_are_posted_over_tls_with_the_token_of_the_file() {
    let authority = Authority::new();
    let server = Server::start(Manner::Answer(TAKEN), Some(authority.serves("127.0.0.1", false))).await;
    let token = authority.file("token");
    fs::write(&token, "aToken").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let url = format!("https://127.0.0.1:{}/in?a=b", server.port);
    let url = CollectorUrl::parse(&url).ok().unwrap();
    let with_token = Some((token.clone(), read_secret as fn(&_) -> _));
    let collector = Collector::new(url, authority.tls(), with_token, PATIENT);
    assert_eq!(collector.send(LINES).await, Ok(()));
    let came = String::from_utf8(server.came()).unwrap();
    let (head, body) = came.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.as_bytes(), LINES);
    let mut head: Vec<_> = head.split("\r\n").collect();
    assert_eq!(head.remove(0), "POST /in?a=b HTTP/1.1");
    let host = format!("host: 127.0.0.1:{}", server.port);
    for header in [
        host.as_str(),
        "content-type: application/x-ndjson",
        "authorization: Bearer aToken",
        "connection: close",
    ] {
        assert!(head.contains(&header), "{header}: {head:?}");
    }
    // It is read anew each time.
    fs::write(&token, "another").unwrap();
    assert_eq!(collector.send(LINES).await, Ok(()));
    assert!(String::from_utf8(server.came()).unwrap().contains("Bearer another"));
    for (text, mode, said) in [
        ("a token", 0o600, "has no token that can be sent"),
        ("a\r\nHost: b", 0o600, "has no token that can be sent"),
        ("another", 0o644, "can be read by others"),
    ] {
        fs::write(&token, text).unwrap();
        fs::set_permissions(&token, fs::Permissions::from_mode(mode)).unwrap();
        match collector.send(LINES).await {
            Err(Fault::File(what)) => assert!(what.contains(said) && !what.contains(text), "{what}"),
            sent => panic!("{sent:?}"),
        }
    }
    assert_eq!(String::from_utf8(server.came()).unwrap().matches("POST").count(), 2);
}

#[tokio::test]
async fn only_a_success_has_taken_the_lines_and_nobody_is_sent_elsewhere() {
    let authority = Authority::new();
    let elsewhere = Server::start(Manner::Answer(TAKEN), None).await;
    for (answer, taken) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Ok(())),
        ("HTTP/1.1 204 No Content\r\n\r\n", Ok(())),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut", Ok(())),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            Err(Fault::Status(302)),
        ),
        (
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
            Err(Fault::Status(307)),
        ),
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", Err(Fault::Status(401))),
        ("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n", Err(Fault::Status(413))),
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno", Err(Fault::Status(503))),
    ] {
        let server = Server::start(Manner::Answer(answer), None).await;
        let url = format!("http://127.0.0.1:{}/", server.port);
        assert_eq!(collector(&url, &authority, PATIENT).send(LINES).await, taken, "{answer}");
        assert!(server.came().ends_with(LINES));
    }
    assert_eq!(elsewhere.came(), b"");
    for answer in ["", "220 smtp.example\r\n", "HTTP/1.1 2\r\n\r\n"] {
        let server = Server::start(Manner::Answer(answer), None).await;
        let url = format!("http://127.0.0.1:{}/", server.port);
        let sent = collector(&url, &authority, PATIENT).send(LINES).await;
        assert!(matches!(sent, Err(Fault::Unreached(_))), "{answer}: {sent:?}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_left_and_none_at_all_is_given_up() {
    let authority = Authority::new();
    for (manner, taken) in [
        (Manner::Endless("HTTP/1.1 200 OK\r\n\r\n"), Ok(())),
        (Manner::Endless("HTTP/1.1 500 No\r\n\r\n"), Err(Fault::Status(500))),
    ] {
        let server = Server::start(manner, None).await;
        let url = format!("http://127.0.0.1:{}/", server.port);
        assert_eq!(collector(&url, &authority, PATIENT).send(LINES).await, taken);
    }
    let server = Server::start(Manner::Endless("HTTP/1.1 200 OK\r\nX: "), None).await;
    let url = format!("http://127.0.0.1:{}/", server.port);
    let sent = collector(&url, &authority, PATIENT).send(LINES).await;
    assert!(matches!(sent, Err(Fault::Unreached(_))), "{sent:?}");
    let server = Server::start(Manner::Hang, None).await;
    let url = format!("http://127.0.0.1:{}/", server.port);
    // More than the buffers between the two hold, too.
    for lines in [LINES.to_vec(), LINES.repeat(500_000)] {
        assert_eq!(collector(&url, &authority, SHORT).send(&lines).await, Err(Fault::TimedOut));
    }
}

#[tokio::test]
async fn a_server_that_is_not_the_one_that_is_meant_gets_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    for acceptor in [other.serves("127.0.0.1", false), authority.serves("collector.example", false)] {
        let server = Server::start(Manner::Answer(TAKEN), Some(acceptor)).await;
        let url = format!("https://127.0.0.1:{}/", server.port);
        let sent = collector(&url, &authority, PATIENT).send(LINES).await;
        assert!(matches!(sent, Err(Fault::Unreached(_))), "{sent:?}");
        assert_eq!(server.came(), b"");
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = Fault::Unreached("it refuses connections, or no way leads to it");
    let url = format!("http://127.0.0.1:{free}/");
    assert_eq!(collector(&url, &authority, PATIENT).send(LINES).await, Err(refused));
}

#[tokio::test]
async fn a_collector_that_asks_who_is_there_is_told() {
    let authority = Authority::new();
    let server = Server::start(Manner::Answer(TAKEN), Some(authority.serves("127.0.0.1", true))).await;
    let url = format!("https://127.0.0.1:{}/", server.port);
    let sent = collector(&url, &authority, PATIENT).send(LINES).await;
    assert!(matches!(sent, Err(Fault::Unreached(_))), "{sent:?}");
    assert_eq!(server.came(), b"", "nothing came of who did not say");
    let tls = Tls { client: Some(authority.made_for("vault.example")), ..authority.tls() };
    let known = Collector::new(CollectorUrl::parse(&url).ok().unwrap(), tls, None, PATIENT);
    assert_eq!(known.send(LINES).await, Ok(()));
    assert!(server.came().ends_with(LINES));
}
