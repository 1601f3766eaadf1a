//! A text with placeholders, and how it becomes bytes: what a placeholder brings cannot leave its place.

use zeroize::Zeroizing;

use super::facts::{Facts, Value};
use super::placeholder::Placeholder;

/// Literal text and placeholders, in turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Template(pub(super) Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    Value(Placeholder),
}

/// How bytes are written so that they stay in their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// As they are: what stands there is printable ASCII by what it is.
    Nothing,
    /// Inside a string of JSON.
    Json,
    /// Everything but what RFC 3986 calls unreserved, as `%XX`: a segment of a path, a query, a form.
    Percent,
}

/// Where bytes go. A request is measured before it is made, so that its buffer never grows and leaves no copy behind.
pub(super) trait Out {
    fn push(&mut self, bytes: &[u8]);
}

/// Counts.
#[derive(Debug, Default)]
pub(super) struct Measure(pub(super) usize);

impl Out for Measure {
    fn push(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(bytes.len());
    }
}

impl Out for Zeroizing<Vec<u8>> {
    fn push(&mut self, bytes: &[u8]) {
        assert!(self.capacity() - self.len() >= bytes.len(), "a request is as long as it was measured");
        self.extend_from_slice(bytes);
    }
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            literal(before, &mut pieces)?;
            let (inner, behind) = after.split_once("}}").ok_or("a {{ without its }}")?;
            pieces.push(Piece::Value(Placeholder::parse(inner)?));
            rest = behind;
        }
        literal(rest, &mut pieces)?;
        Ok(Self(pieces))
    }

    pub(super) fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Literal(_) => None,
            Piece::Value(placeholder) => Some(placeholder),
        })
    }

    /// Whether every placeholder has a value.
    pub(super) fn is_whole(&self, facts: &Facts<'_>) -> bool {
        self.placeholders().all(|placeholder| facts.value(placeholder).is_some())
    }

    /// The one placeholder that it consists of.
    pub(super) fn single(&self) -> Option<&Placeholder> {
        match self.0.as_slice() {
            [Piece::Value(placeholder)] => Some(placeholder),
            _ => None,
        }
    }

    /// Writes it. What has no value is nothing: whoever calls has looked.
    pub(super) fn write(&self, facts: &Facts<'_>, escape: Escape, out: &mut impl Out) {
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => escape.write(text.as_bytes(), out),
                Piece::Value(placeholder) => {
                    if let Some(value) = facts.value(placeholder) {
                        value.with_bytes(|bytes| escape.write(bytes, out));
                    }
                }
            }
        }
    }

    /// Writes it as a target: what is literal stays, what is brought is escaped.
    pub(super) fn write_target(&self, facts: &Facts<'_>, out: &mut impl Out) {
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => out.push(text.as_bytes()),
                Piece::Value(placeholder) => {
                    if let Some(value) = facts.value(placeholder) {
                        value.with_bytes(|bytes| Escape::Percent.write(bytes, out));
                    }
                }
            }
        }
    }

    /// Whether every placeholder has a value that may be a segment of a path: `.` and `..` lead elsewhere, and cannot be escaped.
    pub(super) fn is_whole_target(&self, facts: &Facts<'_>) -> bool {
        self.placeholders().all(|placeholder| {
            let value = facts.value(placeholder);
            value.is_some_and(|value| value.with_bytes(|bytes| !matches!(bytes, b"" | b"." | b"..")))
        })
    }

    /// As a text that holds no secret; a placeholder without a value makes it nothing.
    pub(super) fn text(&self, facts: &Facts<'_>) -> Option<String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Value(placeholder) if placeholder.field.is_secret() => return None,
                Piece::Value(placeholder) => match facts.value(placeholder)? {
                    Value::Bytes(_) => return None,
                    other => other.with_bytes(|bytes| text.push_str(&String::from_utf8_lossy(bytes))),
                },
            }
        }
        Some(text)
    }
}

fn literal(text: &str, pieces: &mut Vec<Piece>) -> Result<(), String> {
    if text.contains("}}") {
        return Err("a }} without its {{".to_owned());
    }
    if !text.is_empty() {
        pieces.push(Piece::Literal(text.to_owned()));
    }
    Ok(())
}

impl Escape {
    pub(super) fn write(self, bytes: &[u8], out: &mut impl Out) {
        for byte in bytes {
            match self {
                Self::Nothing => out.push(&[*byte]),
                Self::Json => json_byte(*byte, out),
                Self::Percent => percent_byte(*byte, out),
            }
        }
    }
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

fn hex(nibble: u8) -> u8 {
    HEX.get(usize::from(nibble & 15)).copied().unwrap_or(b'0')
}

/// RFC 8259, section 7. Bytes above ASCII are UTF-8 and stay.
fn json_byte(byte: u8, out: &mut impl Out) {
    match byte {
        b'"' => out.push(b"\\\""),
        b'\\' => out.push(b"\\\\"),
        0x00..=0x1f | 0x7f => out.push(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte)]),
        other => out.push(&[other]),
    }
}

/// RFC 3986, section 2.3.
fn percent_byte(byte: u8, out: &mut impl Out) {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(&[byte]),
        other => out.push(&[b'%', hex(other >> 4), hex(other)]),
    }
}
