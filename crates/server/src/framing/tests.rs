use core::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// What arrives in pieces of these sizes, the last one as long as is left.
fn fault_in_pieces(bytes: &[u8], sizes: &[usize]) -> Option<usize> {
    let mut framing = Framing::default();
    let (mut at, mut sizes) = (0, sizes.iter());
    while at < bytes.len() {
        let end = sizes.next().map_or(bytes.len(), |size| bytes.len().min(at + size));
        if let Some(fault) = framing.first_fault(&bytes[at..end]) {
            return Some(at + fault);
        }
        at = end;
    }
    None
}

fn fault(bytes: &[u8]) -> Option<usize> {
    let fault = fault_in_pieces(bytes, &[]);
    assert_eq!(fault_in_pieces(bytes, &vec![1; bytes.len()]), fault, "byte by byte");
    fault
}

#[test]
fn what_is_framed_without_doubt_is_passed_on() {
    for text in [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length:5\r\n\r\na\nb\n\nGET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: \t0 \r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked \r\n\r\n5\r\na\n\n\n\n\r\nA;x=\"y\"\r\n0123456789\r\n0 ;z\r\nT: v\r\n\r\nGET /",
        "GET / HTTP/1.1\r\nTransfer-Encodings: a, b\r\nContent-Lengthy: c\r\nX-Content-Length: 1\r\n\r\nGET /",
        "GET / HTTP/1.1\r\nTransfer-Encoding : none that is taken\r\n",
    ] {
        assert_eq!(fault(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn what_two_readers_could_take_differently_is_refused_where_it_stands() {
    let long = "0".repeat(FRAMING_LINE_BYTES_MAX);
    // `|` stands before the byte at fault.
    for marked in [
        "|\nGET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1|\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x|\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n|\n",
        "GET / HTTP/1.1\r\nX: a\r\n b: c\r|\n\r\n",
        "GET / HTTP/1.1\r\nX: a\r\n\tb: c\r|\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r|\n\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked, chunked\r|\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r|\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r|\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding:\r|\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r|\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r|\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r|\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r|\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5, 5\r|\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: +5\r|\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length:\r|\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r|\n\r\n",
        &format!("POST / HTTP/1.1\r\nContent-Length: {long}5\r|\n\r\n"),
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n|\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5|\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n| 5\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5 |5\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x|\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na|\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na|b\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff|f\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n|\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y|\n\r\n",
    ] {
        let at = marked.find('|').unwrap();
        assert_eq!(fault(marked.replace('|', "").as_bytes()), Some(at), "{marked:?}");
    }
}

/// What the model makes of bytes: requests, each with its body as far as it came, and which byte is at fault.
#[derive(Default)]
struct Model {
    bodies: Vec<Vec<u8>>,
    fault: Option<usize>,
}

/// The same rules, over all bytes at once and with no state between them.
fn model(bytes: &[u8]) -> Model {
    let mut model = Model::default();
    model.fault = requests(bytes, &mut model.bodies).err();
    model
}

/// A line without its end, and what follows; `None` where it has not come whole.
fn line_at(bytes: &[u8], at: usize) -> Option<Result<(&[u8], usize), usize>> {
    let end = at + bytes[at..].iter().position(|byte| *byte == b'\n')?;
    let whole = end > at && bytes[end - 1] == b'\r';
    Some(if whole { Ok((&bytes[at..end - 1], end + 1)) } else { Err(end) })
}

fn requests(bytes: &[u8], bodies: &mut Vec<Vec<u8>>) -> Result<(), usize> {
    let mut at = 0;
    loop {
        let mut lines: Vec<&[u8]> = Vec::new();
        let (mut codings, mut lengths) = (0, Vec::new());
        loop {
            let Some(line) = line_at(bytes, at) else { return Ok(()) };
            let (line, next) = line?;
            let end = next - 1;
            at = next;
            if line.is_empty() && lines.is_empty() {
                continue;
            }
            if line.is_empty() {
                if codings > 0 && !lengths.is_empty() {
                    return Err(end);
                }
                break;
            }
            if matches!(line[0], b' ' | b'\t') {
                return Err(end);
            }
            let text = String::from_utf8_lossy(line).to_ascii_lowercase();
            if let Some((name, value)) = text.split_once(':').filter(|_| !lines.is_empty()) {
                let value = value.trim_matches([' ', '\t']);
                let fits = line.len() <= FRAMING_LINE_BYTES_MAX;
                if name == "transfer-encoding" {
                    codings += 1;
                    if codings > 1 || value != "chunked" || !fits {
                        return Err(end);
                    }
                }
                if name == "content-length" {
                    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
                    match value.parse::<u64>() {
                        Ok(length) if digits && lengths.is_empty() && fits => lengths.push(length),
                        _ => return Err(end),
                    }
                }
            }
            lines.push(line);
        }
        bodies.push(Vec::new());
        let body = bodies.last_mut().unwrap();
        if codings > 0 {
            let Some(next) = chunks(bytes, at, body)? else { return Ok(()) };
            at = next;
        } else {
            let length = usize::try_from(lengths.first().copied().unwrap_or(0)).unwrap();
            let end = bytes.len().min(at.saturating_add(length));
            body.extend_from_slice(&bytes[at..end]);
            at = end;
        }
    }
}

/// A body in chunks: where what follows it begins, if it has come whole.
fn chunks(bytes: &[u8], mut at: usize, body: &mut Vec<u8>) -> Result<Option<usize>, usize> {
    loop {
        let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size = std::str::from_utf8(&bytes[at..at + digits]).unwrap();
        let significant = size.trim_start_matches('0');
        if significant.len() > 16 {
            return Err(at + (size.len() - significant.len()) + 16);
        }
        let size = u64::from_str_radix(size, 16).unwrap_or(0);
        at += digits;
        if at == bytes.len() {
            return Ok(None);
        }
        if digits == 0 {
            return Err(at);
        }
        while matches!(bytes.get(at), Some(b' ' | b'\t')) {
            at += 1;
        }
        if bytes.get(at) == Some(&b';') {
            while !matches!(bytes.get(at), Some(b'\r' | b'\n') | None) {
                at += 1;
            }
        }
        for expected in *b"\r\n" {
            match bytes.get(at) {
                None => return Ok(None),
                Some(byte) if *byte == expected => at += 1,
                Some(_) => return Err(at),
            }
        }
        if size == 0 {
            loop {
                let Some(line) = line_at(bytes, at) else { return Ok(None) };
                let (line, next) = line?;
                at = next;
                if line.is_empty() {
                    return Ok(Some(at));
                }
            }
        }
        let end = bytes.len().min(at.saturating_add(usize::try_from(size).unwrap()));
        body.extend_from_slice(&bytes[at..end]);
        at = end;
        for expected in *b"\r\n" {
            match bytes.get(at) {
                None => return Ok(None),
                Some(byte) if *byte == expected => at += 1,
                Some(_) => return Err(at),
            }
        }
    }
}

/// Requests, and what is nearly one.
fn traffic() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        6 => Just(&b"POST / HTTP/1.1\r\nHost: x\r\n"[..]),
        2 => Just(&b"GET /a?b HTTP/1.1\r\n"[..]),
        3 => Just(&b"Content-Length: 3\r\n"[..]),
        1 => Just(&b"content-length:0\r\n"[..]),
        4 => Just(&b"Transfer-Encoding: chunked\r\n"[..]),
        1 => Just(&b"TRANSFER-ENCODING: \tgzip\r\n"[..]),
        1 => Just(&b"X: y\r\n"[..]),
        1 => Just(&b" folded\r\n"[..]),
        6 => Just(&b"\r\n"[..]),
        1 => Just(&b"\n"[..]),
        1 => Just(&b"\r"[..]),
        3 => Just(&b"abc"[..]),
        3 => Just(&b"3\r\nabc\r\n"[..]),
        2 => Just(&b"0\r\n\r\n"[..]),
        1 => Just(&b"0\r\nT: v\r\n\r\n"[..]),
        1 => Just(&b"2;x\r\nab\r\n"[..]),
        1 => Just(&b"00000000000000000000001 \r\n\n\r\n"[..]),
        1 => Just(&b"11111111111111111\r\n"[..]),
        1 => Just(&b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"[..]),
        1 => Just(&b"Content-Length: 3\r\n\r\nabc"[..]),
    ];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (prop::collection::vec(pieces, 0..14), changes, any::<bool>()).prop_map(|(pieces, changes, change)| {
        let mut bytes = pieces.concat();
        for (at, byte) in changes.iter().filter(|_| change) {
            if let Some(changed) = bytes.len().checked_sub(1).map(|last| at.index(last + 1)) {
                bytes[changed] = *byte;
            }
        }
        bytes
    })
}

/// The bodies of the requests that the HTTP library reads from these bytes, and whether it refused something.
fn bodies_read(bytes: &[u8]) -> (Vec<Option<Vec<u8>>>, bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&bodies);
        let service = service_fn(move |request: Request<Incoming>| {
            let seen = Arc::clone(&seen);
            async move {
                let body = request.into_body().collect().await.ok();
                seen.lock().unwrap().push(body.map(|body| body.to_bytes().to_vec()));
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }
        });
        let connection = http1::Builder::new()
            .half_close(true)
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(Strict::new(server)), service);
        let ended = connection.await;
        let mut said = Vec::new();
        client.read_to_end(&mut said).await.unwrap();
        let bodies = bodies.lock().unwrap().clone();
        let refused =
            ended.is_err() || bodies.contains(&None) || String::from_utf8_lossy(&said).contains("HTTP/1.1 4");
        (bodies, refused)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// However it arrives, it is judged as the model judges it.
    #[test]
    fn the_same_is_refused_however_it_arrives(
        bytes in traffic(),
        sizes in prop::collection::vec(1_usize..40, 0..40),
    ) {
        let expected = model(&bytes).fault;
        prop_assert_eq!(fault_in_pieces(&bytes, &[]), expected);
        prop_assert_eq!(fault_in_pieces(&bytes, &vec![1; bytes.len()]), expected);
        prop_assert_eq!(fault_in_pieces(&bytes, &sizes), expected);
    }

    /// The HTTP library finds the requests where the model finds them, and none behind a fault.
    #[test]
    fn the_library_behind_it_sees_the_same_requests(bytes in traffic()) {
        let model = model(&bytes);
        let (bodies, refused) = bodies_read(&bytes);
        prop_assert!(bodies.len() <= model.bodies.len());
        for (read, expected) in bodies.iter().zip(&model.bodies) {
            if let Some(read) = read {
                prop_assert_eq!(read, expected);
            }
        }
        if model.fault.is_some() {
            prop_assert!(refused);
        }
    }
}
