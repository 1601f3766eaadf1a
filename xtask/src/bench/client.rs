use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, bail};
use serde_json::Value;

const ANSWER_BYTES_MAX: usize = 1 << 20;

/// One keep-alive connection that knows just enough HTTP/1.1.
pub(super) struct Client {
    authority: String,
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer.
pub(super) struct BenchAnswer<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
    /// Of head and body.
    pub(super) bytes: usize,
}

impl Client {
    pub(super) fn connect(authority: &str) -> anyhow::Result<Self> {
        let stream =
            TcpStream::connect(authority).with_context(|| format!("cannot connect to {authority}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(core::time::Duration::from_secs(30)))?;
        Ok(Self { authority: authority.to_owned(), stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends a request and waits for the whole of its answer.
    pub(super) fn ask(
        &mut self,
        method: &str,
        path: &str,
        key: &str,
        body: Option<&str>,
    ) -> anyhow::Result<BenchAnswer<'_>> {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nx-apikey: {key}\r\n", self.authority);
        if let Some(body) = body {
            let length = body.len();
            request.push_str(&format!(
                "content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            ));
        } else {
            request.push_str("\r\n");
        }
        self.stream.write_all(request.as_bytes())?;
        self.buffer.clear();
        loop {
            if let Some(head) = Head::read(&self.buffer)?
                && self.buffer.len() >= head.bytes + head.body_bytes
            {
                let body = self.buffer.get(head.bytes..).unwrap_or_default();
                return Ok(BenchAnswer { status: head.status, body, bytes: self.buffer.len() });
            }
            let mut part = [0; 4096];
            let len = self.stream.read(&mut part)?;
            if len == 0 || self.buffer.len() > ANSWER_BYTES_MAX {
                bail!("the server closed the connection");
            }
            self.buffer.extend_from_slice(part.get(..len).unwrap_or_default());
        }
    }
}

impl BenchAnswer<'_> {
    pub(super) fn json(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(self.body)?)
    }
}

struct Head {
    status: u16,
    bytes: usize,
    body_bytes: usize,
}

impl Head {
    /// `None` while it is not there as a whole.
    fn read(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        let text = core::str::from_utf8(bytes.get(..end).unwrap_or_default())?;
        let mut lines = text.lines();
        let status =
            lines.next().and_then(|line| line.split(' ').nth(1)).context("not an HTTP answer")?.parse()?;
        let length = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let body_bytes = length.context("an answer without a length")?.1.trim().parse()?;
        Ok(Some(Self { status, bytes: end + 4, body_bytes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_where_an_answer_ends() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        let head = Head::read(text).unwrap().unwrap();
        assert_eq!((head.status, head.bytes + head.body_bytes), (200, text.len()));
        assert!(Head::read(&text[..30]).unwrap().is_none());
        assert!(Head::read(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
