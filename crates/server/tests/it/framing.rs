//! Requests whose beginning or end two readers could see in different places.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::{Server, card_body};

/// All that is answered to these bytes, until the server closes the connection; its end must be one in order.
fn said(address: SocketAddr, pieces: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    for piece in pieces {
        // The server may have closed already.
        drop(stream.write_all(piece));
    }
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// What would be answered if it were read as a request of its own.
const HIDDEN: &str = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";

/// The bug: two transfer codings, a coding beside a length, a length twice and line ends without their CR were taken, so that a proxy
/// that reads them otherwise would pass on a request that it had not seen. Its cause: the HTTP library takes them. Its cure: heads are
/// followed in front of it, and nothing that is in doubt gets to it.
#[test]
fn a_request_that_is_framed_in_doubt_is_refused_and_nothing_behind_it_is_read() {
    let server = Server::start();
    let body = card_body(&server.parent).to_string();
    let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let (key, length) = (&server.parent.key, body.len());
    let head =
        format!("POST /v1/card HTTP/1.1\r\nHost: x\r\nX-APIKEY: {key}\r\nContent-Type: application/json\r\n");
    let (chunked, sized) = ("Transfer-Encoding: chunked\r\n", format!("Content-Length: {length}\r\n"));
    let lf = |text: &str| text.replace("\r\n", "\n");
    // The controls: the same, in order.
    for request in [format!("{head}{sized}\r\n{body}"), format!("{head}{chunked}\r\n{chunk}")] {
        let end = "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let said = said(server.address, &[request.as_bytes(), end.as_bytes()]);
        assert_eq!(said.matches("HTTP/1.1 200").count(), 2, "{said}");
    }
    let made = server.get(key, "/v1/card/count").json()["count"].clone();
    for (what, request) in [
        ("coding twice", format!("{head}{chunked}{chunked}\r\n{chunk}")),
        ("chunked, chunked", format!("{head}Transfer-Encoding: chunked, chunked\r\n\r\n{chunk}")),
        ("another coding", format!("{head}Transfer-Encoding: gzip, chunked\r\n\r\n{chunk}")),
        ("coding and no coding", format!("{head}Transfer-Encoding: identity\r\n{chunked}\r\n{chunk}")),
        ("coding and length", format!("{head}{chunked}{sized}\r\n{chunk}")),
        ("length and coding", format!("{head}{sized}{chunked}\r\n{chunk}")),
        ("length twice", format!("{head}{sized}{sized}\r\n{body}")),
        ("bare LF everywhere", format!("{}\n{body}", lf(&format!("{head}{sized}")))),
        ("bare LF behind the request line", format!("{head}{sized}\r\n{body}").replacen("\r\n", "\n", 1)),
        ("bare LF at the end of the head", format!("{head}{sized}\n{body}")),
        ("bare LF before the request", format!("\n{head}{sized}\r\n{body}")),
        ("folded", format!("{head}X-Folded: a\r\n b\r\n{sized}\r\n{body}")),
    ] {
        let whole = [request.as_bytes(), HIDDEN.as_bytes()].concat();
        let said_at_once = said(server.address, &[&whole]);
        assert!(said_at_once.starts_with("HTTP/1.1 400"), "{what}: {said_at_once}");
        assert_eq!(said_at_once.matches("HTTP/1.1").count(), 1, "{what}: {said_at_once}");
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        let said_slowly = said(server.address, &bytes);
        assert!(said_slowly.starts_with("HTTP/1.1 400"), "{what}, byte by byte: {said_slowly}");
        assert_eq!(said_slowly.matches("HTTP/1.1").count(), 1, "{what}, byte by byte: {said_slowly}");
        // Behind one that is in order, which is answered.
        let behind = [HIDDEN.as_bytes(), &whole].concat();
        let said_behind = said(server.address, &[&behind]);
        let (first, then) = said_behind.split_at(said_behind.rfind("HTTP/1.1").unwrap());
        assert!(
            first.starts_with("HTTP/1.1 200") && then.starts_with("HTTP/1.1 400"),
            "{what}: {said_behind}"
        );
        assert_eq!(said_behind.matches("HTTP/1.1").count(), 2, "{what}: {said_behind}");
    }
    // In a body it is one that is damaged.
    for chunk in [lf(&chunk), chunk.replacen("\r\n", "\n", 1), chunk.replace("0\r\n\r\n", "0\r\nX: a\n\r\n")]
    {
        let said = said(server.address, &[format!("{head}{chunked}\r\n{chunk}{HIDDEN}").as_bytes()]);
        assert!(
            said.starts_with("HTTP/1.1 400") && said.contains("did not arrive whole"),
            "{chunk:?}: {said}"
        );
        assert_eq!(said.matches("HTTP/1.1").count(), 1, "{chunk:?}: {said}");
    }
    assert_eq!(server.get(key, "/v1/card/count").json()["count"], made, "no card was made of any");
}
