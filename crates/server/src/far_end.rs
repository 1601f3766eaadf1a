//! Whether the client of a request is still there, while its answer is made.
//!
//! A client that has sent its request may close its side and still gets its answer: so nothing is read meanwhile, and one that has gone is
//! not told from it. What may take long looks whether the other side is closed, and goes on for a moment only.

use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io::{self, IoSlice};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::limits::{CLOSED_MILLIS_MAX, CLOSED_TICK_MILLIS};

/// The other end of a connection.
#[derive(Clone, Default)]
pub(crate) struct FarEnd(Arc<Seen>);

#[derive(Default)]
struct Seen {
    /// Somebody wants to know.
    asked: AtomicBool,
    /// It sends nothing more.
    closed: AtomicBool,
}

/// A connection that looks at its other end when it is asked to.
pub(crate) struct Watched {
    stream: TcpStream,
    far_end: FarEnd,
}

impl FarEnd {
    /// Does what may take long; `None` when the other end was closed before it was done, and for a moment longer. It is dropped then.
    pub(crate) async fn wait_for<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let gone = async {
            let mut closed_millis = 0;
            while closed_millis < CLOSED_MILLIS_MAX {
                // The connection looks after whoever answers has been asked, which is this.
                self.0.asked.store(true, Ordering::Relaxed);
                sleep(Duration::from_millis(CLOSED_TICK_MILLIS)).await;
                if self.0.closed.load(Ordering::Relaxed) {
                    closed_millis += CLOSED_TICK_MILLIS;
                }
            }
        };
        tokio::select! {
            biased;
            done = &mut work => Some(done),
            () = gone => None,
        }
    }
}

impl Watched {
    pub(crate) const fn new(stream: TcpStream, far_end: FarEnd) -> Self {
        Self { stream, far_end }
    }

    fn look(&self) {
        let seen = &self.far_end.0;
        if seen.asked.load(Ordering::Relaxed) {
            seen.asked.store(false, Ordering::Relaxed);
            // Ready at once when there is anything to be known.
            let ready = pin!(self.stream.ready(Interest::READABLE));
            if let Poll::Ready(Ok(ready)) = ready.poll(&mut Context::from_waker(Waker::noop())) {
                seen.closed.store(ready.is_read_closed(), Ordering::Relaxed);
            }
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Watched {
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

    /// What answers asks for this each time it has asked whoever makes the answer.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.look();
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use core::future::pending;

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    /// Looks at a connection as the server's does, until what it waits for has an end.
    async fn flushing<T>(watched: &mut Watched, wait: impl Future<Output = T>) -> T {
        let mut wait = pin!(wait);
        core::future::poll_fn(|context| {
            let polled = wait.as_mut().poll(context);
            assert!(Pin::new(&mut *watched).poll_flush(context).is_ready());
            polled
        })
        .await
    }

    async fn connected() -> (Watched, TcpStream, FarEnd) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let theirs = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let far_end = FarEnd::default();
        (Watched::new(listener.accept().await.unwrap().0, far_end.clone()), theirs, far_end)
    }

    /// A list went on for whoever had gone, since nothing was read from a connection while its answer was made.
    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_is_given_up() {
        for unread in [&b""[..], b"GET / HTTP/1.1"] {
            let (mut ours, mut theirs, far_end) = connected().await;
            theirs.write_all(unread).await.unwrap();
            let mut wait = Box::pin(far_end.wait_for(pending::<()>()));
            for _ in 0..3 {
                let tick = sleep(Duration::from_millis(CLOSED_TICK_MILLIS));
                let waited =
                    flushing(&mut ours, async { tokio::select!(_ = &mut wait => true, () = tick => false) });
                assert!(!waited.await, "the client is there");
            }
            drop(theirs);
            assert_eq!(flushing(&mut ours, wait).await, None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_soon_is_answered_on_a_closed_side_too() {
        let (mut ours, mut theirs, far_end) = connected().await;
        theirs.shutdown().await.unwrap();
        let work = sleep(Duration::from_millis(CLOSED_TICK_MILLIS * 2));
        assert_eq!(flushing(&mut ours, far_end.wait_for(work)).await, Some(()));
    }
}
