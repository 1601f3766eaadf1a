use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io::{self, IoSlice};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A connection whose other end must take what it is sent, at some speed: it may take nothing for a while, and what it takes then earns
/// it further time at that speed. When its time is over, writing fails.
///
/// An answer can be megabytes long, and is kept until it is taken.
pub(crate) struct Stall<S> {
    stream: S,
    limits: StallLimits,
    waiting: Option<Waiting>,
}

/// How slow the other end may be.
#[derive(Clone, Copy)]
pub(crate) struct StallLimits {
    /// Time for which it may take nothing.
    pub(crate) time: Duration,
    pub(crate) bytes_per_second_min: u64,
}

/// The other end takes less than there is.
struct Waiting {
    until: Pin<Box<Sleep>>,
}

impl<S> Stall<S> {
    pub(crate) const fn new(stream: S, limits: StallLimits) -> Self {
        Self { stream, limits, waiting: None }
    }

    /// Passes on that bytes were taken, and ends a wait that is too long.
    fn taken(
        &mut self,
        polled: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let (Some(waiting), Poll::Ready(Ok(bytes))) = (&mut self.waiting, &polled) {
            waiting.earn(*bytes, self.limits);
        }
        self.within(polled, context)
    }

    /// Passes on that everything was taken, and ends a wait that is too long.
    fn all_taken(&mut self, polled: Poll<io::Result<()>>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if polled.is_ready() {
            self.waiting = None;
        }
        self.within(polled, context)
    }

    fn within<T>(&mut self, polled: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            return polled;
        }
        let time = self.limits.time;
        let waiting = self.waiting.get_or_insert_with(|| Waiting { until: Box::pin(sleep(time)) });
        waiting.until.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Waiting {
    /// Puts its end off by as long as so many bytes may take, to at most a whole wait from now.
    fn earn(&mut self, bytes: usize, limits: StallLimits) {
        let nanos = (bytes as u64).saturating_mul(1_000_000_000) / limits.bytes_per_second_min.max(1);
        let (earned, most) = (Duration::from_nanos(nanos), Instant::now().checked_add(limits.time));
        let until = self.until.deadline().checked_add(earned).into_iter().chain(most).min();
        if let Some(until) = until {
            self.until.as_mut().reset(until);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stall<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stall<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.taken(polled, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.taken(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.all_taken(polled, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.all_taken(polled, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    const LIMITS: StallLimits = StallLimits { time: Duration::from_secs(30), bytes_per_second_min: 4 };

    /// Time passes as soon as all wait for it.
    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
    }

    /// Writes 640 bytes to somebody who reads so: how that ended, and after how many seconds.
    async fn write_to<R>(read: impl FnOnce(DuplexStream) -> R) -> (io::Result<()>, u64)
    where
        R: Future<Output = ()> + Send + 'static,
    {
        let (ours, theirs) = tokio::io::duplex(16);
        let begun = Instant::now();
        tokio::spawn(read(theirs));
        let mut stream = Stall::new(ours, LIMITS);
        let written = stream.write_all(&[7; 640]).await;
        (written, begun.elapsed().as_secs())
    }

    /// Reads so many bytes each time.
    async fn read_every(mut theirs: DuplexStream, bytes: usize, time: Duration) {
        let mut taken = vec![0; bytes];
        loop {
            sleep(time).await;
            if theirs.read_exact(&mut taken).await.is_err() {
                return;
            }
        }
    }

    #[test]
    fn a_reader_that_takes_nothing_ends_the_writing() {
        block_on(async {
            let (ours, _theirs) = tokio::io::duplex(16);
            let mut stream = Stall::new(ours, LIMITS);
            let begun = Instant::now();
            let written = stream.write_all(&[0; 64]).await;
            assert_eq!(written.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
            assert_eq!(begun.elapsed().as_secs(), 30);
        });
    }

    /// The bug: who took a byte each time before its time was over was served for ever, and its answer kept. Its cause: any progress began
    /// a new wait. Its cure: progress earns as much time as it may take.
    #[test]
    fn a_byte_now_and_then_is_not_enough() {
        block_on(async {
            let (written, seconds) = write_to(|theirs| read_every(theirs, 1, Duration::from_secs(29))).await;
            assert_eq!(written.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
            assert!((30..=31).contains(&seconds), "{seconds}");
            // A little too slow is found in time, too: 3.2 bytes a second.
            let (written, seconds) = write_to(|theirs| read_every(theirs, 16, Duration::from_secs(5))).await;
            assert!(written.is_err() && seconds < 200, "{seconds}");
        });
    }

    #[test]
    fn a_slow_reader_gets_all_of_it() {
        block_on(async {
            // As slow as it may be, for longer than it may take nothing.
            let (written, seconds) = write_to(|theirs| read_every(theirs, 16, Duration::from_secs(4))).await;
            written.unwrap();
            assert!(seconds > 100, "{seconds}");
            let (written, _) = write_to(|theirs| read_every(theirs, 112, Duration::from_secs(28))).await;
            written.unwrap();
        });
    }

    #[test]
    fn what_was_taken_whole_owes_nothing_later() {
        block_on(async {
            let (ours, mut theirs) = tokio::io::duplex(16);
            let mut stream = Stall::new(ours, LIMITS);
            for _ in 0..20 {
                let reading = tokio::spawn(async move {
                    sleep(Duration::from_secs(20)).await;
                    theirs.read_exact(&mut [0; 17]).await.unwrap();
                    theirs
                });
                stream.write_all(&[7; 17]).await.unwrap();
                stream.flush().await.unwrap();
                theirs = reading.await.unwrap();
            }
        });
    }
}
