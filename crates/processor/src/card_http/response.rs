//! Reads an answer of HTTP/1.1 (RFC 9112): its status, and its body up to a limit.

use httparse::{Header, Status};
use tokio::io::{AsyncRead, AsyncReadExt};
use zeroize::Zeroizing;

use super::limits::{ANSWER_HEAD_BYTES_MAX, ANSWER_HEADERS_MAX};

/// An answer.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Zeroizing<Vec<u8>>,
    /// Whether another request may follow on the connection.
    pub(super) keeps_connection: bool,
}

/// Why there is no answer, in words.
pub(super) type Unread = &'static str;

const CUT_OFF: Unread = "the processor closed the connection before it had answered";
const GARBAGE: Unread = "the processor answered with something that is no HTTP";
const TOO_LONG: Unread = "the processor's answer was longer than it may be";

/// Bytes that are read at a time.
const READ_BYTES: usize = 4096;

/// How a body ends.
enum Framing {
    Length(usize),
    Chunked,
    Closed,
}

struct Head {
    status: u16,
    framing: Framing,
    keeps_connection: bool,
}

/// Reads one answer. Interim ones (1xx) are passed over.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin + ?Sized),
    body_bytes_max: usize,
) -> Result<Response, Unread> {
    let mut read = Zeroizing::new(Vec::with_capacity(READ_BYTES));
    loop {
        let (head, length) = loop {
            if let Some(found) = head(&read)? {
                break found;
            }
            if read.len() > ANSWER_HEAD_BYTES_MAX {
                return Err(TOO_LONG);
            }
            if !more(stream, &mut read).await? {
                return Err(CUT_OFF);
            }
        };
        read.drain(..length);
        match head.status {
            101 => return Err(GARBAGE),
            100..=199 => {}
            _ => return body(stream, head, read, body_bytes_max).await,
        }
    }
}

async fn body(
    stream: &mut (impl AsyncRead + Unpin + ?Sized),
    head: Head,
    mut read: Zeroizing<Vec<u8>>,
    body_bytes_max: usize,
) -> Result<Response, Unread> {
    let mut keeps_connection = head.keeps_connection;
    let body = match head.framing {
        Framing::Length(length) if length > body_bytes_max => return Err(TOO_LONG),
        Framing::Length(length) => {
            while read.len() < length {
                if !more(stream, &mut read).await? {
                    return Err(CUT_OFF);
                }
            }
            // What nobody asked for.
            keeps_connection &= read.len() == length;
            read.truncate(length);
            read
        }
        Framing::Closed => {
            keeps_connection = false;
            while more(stream, &mut read).await? {
                if read.len() > body_bytes_max {
                    return Err(TOO_LONG);
                }
            }
            read
        }
        Framing::Chunked => {
            let mut chunks = Chunks::default();
            let mut body = Zeroizing::new(Vec::new());
            while !chunks.take(&mut read, &mut body)? {
                if body.len() > body_bytes_max || read.len() > READ_BYTES {
                    return Err(TOO_LONG);
                }
                if !more(stream, &mut read).await? {
                    return Err(CUT_OFF);
                }
            }
            keeps_connection &= read.is_empty();
            body
        }
    };
    if body.len() > body_bytes_max {
        return Err(TOO_LONG);
    }
    Ok(Response { status: head.status, body, keeps_connection })
}

async fn more(stream: &mut (impl AsyncRead + Unpin + ?Sized), read: &mut Vec<u8>) -> Result<bool, Unread> {
    let mut part = Zeroizing::new([0; READ_BYTES]);
    let many = stream.read(&mut part[..]).await.map_err(|_| CUT_OFF)?;
    read.extend_from_slice(part.get(..many).unwrap_or_default());
    Ok(many > 0)
}

/// The head and its length, once it is there.
fn head(read: &[u8]) -> Result<Option<(Head, usize)>, Unread> {
    let mut headers = [Header { name: "", value: b"" }; ANSWER_HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(read).map_err(|_| GARBAGE)? {
        Status::Complete(length) if length > ANSWER_HEAD_BYTES_MAX => return Err(TOO_LONG),
        Status::Complete(length) => length,
        Status::Partial => return Ok(None),
    };
    let status = response.code.ok_or(GARBAGE)?;
    let values = |name: &'static str| {
        let is_it = move |header: &&Header<'_>| header.name.eq_ignore_ascii_case(name);
        response.headers.iter().filter(is_it).map(|header| header.value.trim_ascii())
    };
    let encodings: Vec<_> = values("transfer-encoding").collect();
    let lengths: Vec<_> = values("content-length").collect();
    let framing = match (encodings.as_slice(), lengths.as_slice()) {
        _ if matches!(status, 100..=199 | 204 | 304) => Framing::Length(0),
        ([], []) => Framing::Closed,
        ([], [first, rest @ ..]) if rest.iter().all(|other| other == first) => {
            let digits = core::str::from_utf8(first)
                .ok()
                .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            Framing::Length(digits.and_then(|digits| digits.parse().ok()).ok_or(GARBAGE)?)
        }
        ([encoding], []) if encoding.eq_ignore_ascii_case(b"chunked") => Framing::Chunked,
        // Two ways to read it are one too many.
        _ => return Err(GARBAGE),
    };
    let says = |word: &[u8]| {
        let is_it = |part: &[u8]| part.trim_ascii().eq_ignore_ascii_case(word);
        values("connection").any(|value| value.split(|byte| *byte == b',').any(is_it))
    };
    let keeps_connection = response.version == Some(1) && !says(b"close");
    Ok(Some((Head { status, framing, keeps_connection }, length)))
}

/// Where in a body of chunks the reader is (RFC 9112, section 7.1).
#[derive(Default)]
enum Chunks {
    #[default]
    Size,
    /// So many bytes are left, and then the end of the line.
    Bytes(usize),
    End,
    Trailer,
}

impl Chunks {
    /// Moves what is there of the body; whether that was all of it.
    fn take(&mut self, read: &mut Vec<u8>, body: &mut Vec<u8>) -> Result<bool, Unread> {
        loop {
            match self {
                Self::Size => match httparse::parse_chunk_size(read).map_err(|_| GARBAGE)? {
                    Status::Partial => return Ok(false),
                    Status::Complete((at, size)) => {
                        read.drain(..at);
                        let size = usize::try_from(size).map_err(|_| TOO_LONG)?;
                        *self = if size == 0 { Self::Trailer } else { Self::Bytes(size) };
                    }
                },
                Self::Bytes(left) => {
                    let many = (*left).min(read.len());
                    body.extend(read.drain(..many));
                    *left -= many;
                    if *left > 0 {
                        return Ok(false);
                    }
                    *self = Self::End;
                }
                Self::End => match read.as_slice() {
                    [b'\r', b'\n', ..] => {
                        read.drain(..2);
                        *self = Self::Size;
                    }
                    [] | [b'\r'] => return Ok(false),
                    _ => return Err(GARBAGE),
                },
                Self::Trailer => {
                    let Some(at) = read.windows(2).position(|two| two == b"\r\n") else { return Ok(false) };
                    read.drain(..at + 2);
                    if at == 0 {
                        return Ok(true);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn response(text: &str) -> Result<(u16, String, bool), Unread> {
        let response = read(&mut text.as_bytes(), 64).await?;
        let body = String::from_utf8(response.body.to_vec()).unwrap();
        Ok((response.status, body, response.keeps_connection))
    }

    #[tokio::test]
    async fn reads_bodies_of_every_framing() {
        let ok = |body: &str, keeps| Ok((200, body.to_owned(), keeps));
        for (text, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ok("ok", true)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\nok", ok("ok", true)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x, Close\r\n\r\nok", ok("ok", false)),
            ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", ok("ok", false)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore", ok("ok", false)),
            ("HTTP/1.1 200 OK\r\n\r\nok", ok("ok", false)),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\nA: b\r\n\r\n",
                ok("ok", true),
            ),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ok("", true)),
            ("HTTP/1.1 204 No Content\r\n\r\n", Ok((204, String::new(), true))),
        ] {
            assert_eq!(response(text).await, expected, "{text}");
        }
    }

    #[tokio::test]
    async fn refuses_the_rest() {
        let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n{}", "x".repeat(65));
        let most = format!("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n{}", "x".repeat(64));
        assert!(response(&most).await.is_ok());
        let chunked = |rest: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{rest}");
        for (text, expected) in [
            ("", CUT_OFF),
            ("HTTP/1.1 200 OK\r\nContent-Le", CUT_OFF),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", CUT_OFF),
            (&chunked("2\r\nok"), CUT_OFF),
            (&chunked("2\r\nok\r\n0\r\n"), CUT_OFF),
            (&chunked("2\r\nokay\r\n0\r\n\r\n"), GARBAGE),
            (&chunked("x\r\nok\r\n"), GARBAGE),
            (&chunked("ffffffff\r\nok"), CUT_OFF),
            (&chunked(&format!("41\r\n{}\r\n0\r\n\r\n", "x".repeat(65))), TOO_LONG),
            ("SSH-2.0-x\r\n\r\n", GARBAGE),
            ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", GARBAGE),
            ("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", GARBAGE),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", GARBAGE),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", GARBAGE),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", GARBAGE),
            ("HTTP/1.1 101 Switching\r\n\r\n", GARBAGE),
            (&long, TOO_LONG),
            (&format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(ANSWER_HEAD_BYTES_MAX)), TOO_LONG),
            (&format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(65)), TOO_LONG),
        ] {
            assert_eq!(response(text).await, Err(expected), "{text}");
        }
    }
}
