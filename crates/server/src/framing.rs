//! Where requests begin and end on a connection, told without doubt: what two readers could take differently is refused before the
//! HTTP library reads it.
//!
//! That library takes more than it must (RFC 9112): line ends without their CR (section 2.2), a length beside a transfer coding, of
//! which it keeps no sign (section 6.1), codings upon each other, and a length twice. A proxy in front that reads the same bytes
//! otherwise would see other requests: that is how requests are smuggled past it. So this follows requests just closely enough
//! to know where each begins: lines of a head, and how its body is framed.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{self, IoSlice};

use memchr::memchr;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::FRAMING_LINE_BYTES_MAX;

/// A connection whose requests are framed without doubt. What comes behind one that is not is not read: instead, whoever reads here
/// gets what is no HTTP, which it answers with 400 (in a body: as one that is damaged), and then the end.
pub(crate) struct Strict<S> {
    pub(crate) stream: S,
    framing: Framing,
    /// What is still to be read of [`NO_HTTP`] once a request was refused.
    refused: Option<&'static [u8]>,
}

/// Part of no head and of no chunk's frame, and the end of a head to whoever looks for that first.
const NO_HTTP: &[u8] = b"\0\n\n";

impl<S> Strict<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, framing: Framing::default(), refused: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, framing, refused } = &mut *self;
        if refused.is_none() {
            let before = buffer.filled().len();
            ready!(Pin::new(stream).poll_read(context, buffer))?;
            let fresh = buffer.filled().get(before..).unwrap_or_default();
            let Some(at) = framing.first_fault(fresh) else { return Poll::Ready(Ok(())) };
            buffer.set_filled(before.saturating_add(at));
            *refused = Some(NO_HTTP);
        }
        if let Some(rest) = refused {
            let (now, later) = rest.split_at(rest.len().min(buffer.remaining()));
            buffer.put_slice(now);
            *rest = later;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// What is known of the request that is arriving. It holds nothing of a body, and of a head the beginning of one line.
#[derive(Default)]
struct Framing {
    at: At,
    line: Line,
    head: Head,
}

/// Where the next byte belongs.
#[derive(Clone, Copy, Default)]
enum At {
    /// The lines of a head, or of the trailers behind a body in chunks.
    #[default]
    Head,
    Trailers,
    /// A body, of which so many bytes are to come.
    Length(u64),
    /// The size of a chunk so far; `None` before its first digit.
    Size(Option<u64>),
    /// Blanks behind a size, or what extends it, up to the line end.
    SizeBlank(u64),
    Extension(u64),
    SizeEnd(u64),
    /// A chunk, of which so many bytes are to come; then its line end.
    Chunk(u64),
    ChunkReturn,
    ChunkEnd,
}

/// What the head says of its body so far.
#[derive(Clone, Copy, Default)]
struct Head {
    begun: bool,
    chunked: bool,
    length: Option<u64>,
}

/// A line of which a part has arrived.
struct Line {
    start: [u8; FRAMING_LINE_BYTES_MAX],
    bytes: usize,
    last: u8,
}

impl Default for Line {
    fn default() -> Self {
        Self { start: [0; FRAMING_LINE_BYTES_MAX], bytes: 0, last: 0 }
    }
}

/// The request cannot be told from what follows without doubt.
struct Doubt;

impl Framing {
    /// Follows what arrives, and says which byte is the first that may not stand where it does. Nothing is to follow then.
    fn first_fault(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = bytes.len().saturating_sub(rest.len());
            match self.step(rest) {
                Ok(taken) => rest = rest.get(taken..).unwrap_or_default(),
                Err((taken, Doubt)) => return Some(at.saturating_add(taken)),
            }
        }
        None
    }

    /// Takes some of these bytes, one at least: how many, or which one is at fault.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, (usize, Doubt)> {
        let Some(&first) = bytes.first() else { return Ok(0) };
        let next = match self.at {
            At::Head | At::Trailers => return self.line(bytes),
            At::Length(left) => return Ok(self.skip(left, bytes, At::Length, At::Head)),
            At::Chunk(left) => return Ok(self.skip(left, bytes, At::Chunk, At::ChunkReturn)),
            At::Size(size) => match (first, size) {
                (b' ' | b'\t', Some(size)) => Some(At::SizeBlank(size)),
                (b';', Some(size)) => Some(At::Extension(size)),
                (b'\r', Some(size)) => Some(At::SizeEnd(size)),
                (_, _) => longer(size, 16, first).map(|size| At::Size(Some(size))),
            },
            At::SizeBlank(size) => match first {
                b' ' | b'\t' => Some(At::SizeBlank(size)),
                b';' => Some(At::Extension(size)),
                b'\r' => Some(At::SizeEnd(size)),
                _ => None,
            },
            At::Extension(size) => match first {
                b'\r' => Some(At::SizeEnd(size)),
                b'\n' => None,
                _ => Some(At::Extension(size)),
            },
            At::SizeEnd(0) => (first == b'\n').then_some(At::Trailers),
            At::SizeEnd(size) => (first == b'\n').then_some(At::Chunk(size)),
            At::ChunkReturn => (first == b'\r').then_some(At::ChunkEnd),
            At::ChunkEnd => (first == b'\n').then_some(At::Size(None)),
        };
        self.at = next.ok_or((0, Doubt))?;
        Ok(1)
    }

    /// Passes over what is left of a body or chunk, as far as it is here.
    fn skip(&mut self, left: u64, bytes: &[u8], on: fn(u64) -> At, behind: At) -> usize {
        let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let left = left.saturating_sub(here as u64);
        self.at = if left == 0 { behind } else { on(left) };
        here
    }

    /// Takes a line, or the part of one that is here.
    fn line(&mut self, bytes: &[u8]) -> Result<usize, (usize, Doubt)> {
        let Some(end) = memchr(b'\n', bytes) else {
            self.line.extend(bytes);
            return Ok(bytes.len());
        };
        let part = bytes.get(..end).unwrap_or_default();
        let fault = |Doubt| (end, Doubt);
        if self.line.bytes == 0 {
            let line = part.strip_suffix(b"\r").ok_or_else(|| fault(Doubt))?;
            self.line_end(line, line.len()).map_err(fault)?;
        } else {
            self.line.extend(part);
            if self.line.last != b'\r' {
                return Err(fault(Doubt));
            }
            let line = core::mem::take(&mut self.line);
            let bytes = line.bytes.saturating_sub(1);
            let start = line.start.get(..bytes.min(FRAMING_LINE_BYTES_MAX)).unwrap_or_default();
            self.line_end(start, bytes).map_err(fault)?;
        }
        Ok(end.saturating_add(1))
    }

    /// Takes the end of a line of so many bytes, which begins so.
    fn line_end(&mut self, start: &[u8], bytes: usize) -> Result<(), Doubt> {
        let Some(first) = start.first() else {
            match self.at {
                At::Trailers => self.at = At::Head,
                // Empty lines in front of a request mean nothing (RFC 9112, section 2.2).
                _ if !self.head.begun => {}
                _ => {
                    self.at = core::mem::take(&mut self.head).body()?;
                }
            }
            return Ok(());
        };
        if matches!(self.at, At::Trailers) {
            return Ok(());
        }
        let begun = core::mem::replace(&mut self.head.begun, true);
        match first.to_ascii_lowercase() {
            // A line that goes on with the next one (RFC 9112, section 5.2).
            b' ' | b'\t' => Err(Doubt),
            b't' if begun => self.head.take_coding(start, bytes),
            b'c' if begun => self.head.take_length(start, bytes),
            _ => Ok(()),
        }
    }
}

impl Line {
    fn extend(&mut self, part: &[u8]) {
        let room = self.start.get_mut(self.bytes..).unwrap_or_default();
        for (place, byte) in room.iter_mut().zip(part) {
            *place = *byte;
        }
        self.bytes = self.bytes.saturating_add(part.len());
        if let Some(last) = part.last() {
            self.last = *last;
        }
    }
}

impl Head {
    /// `Transfer-Encoding`: once, and `chunked`.
    fn take_coding(&mut self, start: &[u8], bytes: usize) -> Result<(), Doubt> {
        let Some(value) = value_of(b"transfer-encoding", start, bytes)? else { return Ok(()) };
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Doubt);
        }
        self.chunked = true;
        Ok(())
    }

    /// `Content-Length`: once, and digits.
    fn take_length(&mut self, start: &[u8], bytes: usize) -> Result<(), Doubt> {
        let Some(value) = value_of(b"content-length", start, bytes)? else { return Ok(()) };
        let length = value.iter().try_fold(None, |length, byte| Some(Some(longer(length, 10, *byte)?)));
        match (self.length, length.flatten()) {
            (None, Some(length)) => {
                self.length = Some(length);
                Ok(())
            }
            (_, _) => Err(Doubt),
        }
    }

    /// What follows the head: not both.
    const fn body(self) -> Result<At, Doubt> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Doubt),
            (true, None) => Ok(At::Size(None)),
            (false, Some(0) | None) => Ok(At::Head),
            (false, Some(length)) => Ok(At::Length(length)),
        }
    }
}

/// The value of a header of this name, which must be a short one; `None` where the line is another header. What stands between name and
/// colon makes it none that the HTTP library takes.
fn value_of<'l>(name: &[u8], start: &'l [u8], bytes: usize) -> Result<Option<&'l [u8]>, Doubt> {
    // Most lines are told from it by where their colon is not.
    if start.get(name.len()) != Some(&b':') {
        return Ok(None);
    }
    let Some((head, [_, value @ ..])) = start.split_at_checked(name.len()) else { return Ok(None) };
    if !head.eq_ignore_ascii_case(name) {
        return Ok(None);
    }
    if bytes > FRAMING_LINE_BYTES_MAX { Err(Doubt) } else { Ok(Some(trimmed(value))) }
}

/// Without blanks and tabs around it, and nothing else (RFC 9110, section 5.6.3).
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// A number with one digit more; `None` where that is no digit, or the number is too large.
fn longer(number: Option<u64>, radix: u32, digit: u8) -> Option<u64> {
    let digit = char::from(digit).to_digit(radix)?;
    number.unwrap_or_default().checked_mul(u64::from(radix))?.checked_add(u64::from(digit))
}

#[cfg(test)]
mod tests;
