use std::io::Read;

use serde_json::Value;

/// Bytes of a head at most.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Whoever has one of these has a body.
const BODY_HEADERS: [&str; 2] = ["content-length", "transfer-encoding"];
/// Bytes of a body at most.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// A request, as it came.
#[derive(Clone, Debug)]
pub struct PspRequest {
    /// In capitals.
    pub method: String,
    /// Without its query.
    pub path: String,
    /// What stands behind the question mark, still encoded.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As many bytes as `Content-Length` says.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct PspAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Beside those that every answer has.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Value,
}

impl PspRequest {
    /// The one header of this lower-case name; `None` where there is none or several.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(found, _)| found == name);
        let value = found.next().map(|(_, value)| value.as_str());
        value.filter(|_| found.next().is_none())
    }

    /// The media type, without parameters.
    pub fn media_type(&self) -> &str {
        self.header("content-type").and_then(|value| value.split(';').next()).unwrap_or_default().trim()
    }

    /// The parts of the path.
    pub fn segments(&self) -> Vec<&str> {
        self.path.split('/').skip(1).collect()
    }

    /// What was asked for, for comparing.
    pub(super) fn digest(&self) -> Vec<u8> {
        [self.method.as_bytes(), b" ", self.path.as_bytes(), b" ", &self.body].concat()
    }

    /// Reads one; `None` at the end of the connection, or when it is no HTTP/1.1 of the kind that these peers take.
    pub(super) fn read(stream: &mut dyn Read) -> Option<Self> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= HEAD_BYTES_MAX || stream.read(&mut byte).ok()? == 0 {
                return None;
            }
            head.extend_from_slice(&byte);
        }
        let head = String::from_utf8(head).ok()?;
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target, version) = (first.next()?, first.next()?, first.next()?);
        if version != "HTTP/1.1" || first.next().is_some() {
            return None;
        }
        let headers: Option<Vec<_>> = lines
            .take_while(|line| !line.is_empty())
            .map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name.to_ascii_lowercase(), value.trim().to_owned()))
            })
            .collect();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers?,
            body: Vec::new(),
        };
        // HTTP/1.1 demands the name of the host, once; bodies come with their length.
        request.header("host")?;
        let length = match request.header("content-length") {
            Some(length) => length.parse().ok().filter(|length| *length <= BODY_BYTES_MAX)?,
            // Several lengths, or none of a body that has one.
            None if request.headers.iter().any(|(name, _)| BODY_HEADERS.contains(&name.as_str())) => {
                return None;
            }
            None => 0,
        };
        request.body.resize(length, 0);
        stream.read_exact(&mut request.body).ok()?;
        Some(request)
    }
}

impl PspAnswer {
    /// An answer without headers of its own.
    pub fn new(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    /// With one more header.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}
