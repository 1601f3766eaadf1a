use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{self, ErrorKind};

use panvault_keys::limits::SOCKET_RECORD_BYTES_MAX;
use panvault_keys::{RecordLength, RecordOpener, RecordSealer, SocketHandshake};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use zeroize::Zeroizing;

/// A stream of records: what is written is sealed, and what is read was said by the other end, all of it and in its order.
pub(crate) struct SealedStream<S> {
    stream: S,
    sealer: RecordSealer,
    opener: RecordOpener,
    incoming: Incoming,
    /// Sealed, and not sent yet from `sent` on.
    outgoing: Vec<u8>,
    sent: usize,
    is_last_sealed: bool,
}

/// What came in.
struct Incoming {
    length: [u8; RecordLength::BYTES],
    /// Of the length and the record behind it.
    got: usize,
    /// The record; once it is opened, what it says.
    record: Zeroizing<Vec<u8>>,
    /// Where what it says is not read yet; `None` while it is not opened.
    said: Option<usize>,
    is_over: bool,
}

impl<S> SealedStream<S> {
    pub(super) fn new(stream: S, opened: SocketHandshake) -> Self {
        let SocketHandshake { sealer, opener } = opened;
        // As large as one gets: a vector that grows leaves a copy behind.
        let record = Zeroizing::new(Vec::with_capacity(SOCKET_RECORD_BYTES_MAX + 64));
        let incoming =
            Incoming { length: [0; RecordLength::BYTES], got: 0, record, said: None, is_over: false };
        Self { stream, sealer, opener, incoming, outgoing: Vec::new(), sent: 0, is_last_sealed: false }
    }

    /// Seals as much as a record holds.
    fn seal(&mut self, said: &[u8]) -> io::Result<usize> {
        self.outgoing.clear();
        self.sent = 0;
        self.sealer.seal(said, &mut self.outgoing).map_err(io::Error::other)
    }
}

impl<S: AsyncWrite + Unpin> SealedStream<S> {
    /// Sends what is sealed.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.outgoing.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
            if sent == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> SealedStream<S> {
    /// Reads until there is something said that is not read yet, or all is.
    fn poll_record(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, opener, incoming, .. } = self;
        loop {
            match incoming.said {
                Some(at) if at < incoming.record.len() => return Poll::Ready(Ok(())),
                Some(_) if incoming.is_over => return Poll::Ready(Ok(())),
                Some(_) => (incoming.said, incoming.got) = (None, 0),
                None => {}
            }
            let room = match incoming.got.checked_sub(RecordLength::BYTES) {
                Some(got) => incoming.record.get_mut(got..),
                None => incoming.length.get_mut(incoming.got..),
            };
            let mut room = ReadBuf::new(room.unwrap_or_default());
            ready!(Pin::new(&mut *stream).poll_read(context, &mut room))?;
            let read = room.filled().len();
            if read == 0 {
                // Without its last record it was cut.
                return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
            }
            incoming.got += read;
            if incoming.got < RecordLength::BYTES {
                continue;
            }
            let length = RecordLength::read(incoming.length).ok_or(ErrorKind::InvalidData)?;
            incoming.record.resize(length.sealed_bytes(), 0);
            if incoming.got == RecordLength::BYTES + length.sealed_bytes() {
                opener.open(length, &mut incoming.record).map_err(|_| ErrorKind::InvalidData)?;
                incoming.said = Some(0);
                incoming.is_over = incoming.record.is_empty();
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SealedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_record(context))?;
        let incoming = &mut self.incoming;
        let at = incoming.said.unwrap_or(0);
        let rest = incoming.record.get(at..).unwrap_or_default();
        let taken = rest.get(..rest.len().min(buffer.remaining())).unwrap_or_default();
        buffer.put_slice(taken);
        incoming.said = Some(at + taken.len());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for SealedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // One record at a time: the one before goes first.
        ready!(self.poll_send(context))?;
        // Nothing said is the last record, which is none of what is written.
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let sealed = self.seal(bytes)?;
        match self.poll_send(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(sealed)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(context))?;
        if !self.is_last_sealed {
            self.seal(&[])?;
            self.is_last_sealed = true;
            ready!(self.poll_send(context))?;
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
