//! Whether the server is reached and takes more, asked once for all who want to know it at the same time.

use core::sync::atomic::{AtomicU64, Ordering};

use panvault_store::CvvFault;
use tokio::sync::Mutex;

/// One question at a time. Whoever asks gets the answer to a question that was sent after that, and not to an earlier one: the server may have
/// gone meanwhile.
#[derive(Default)]
pub(crate) struct Reach {
    /// Questions that were begun.
    begun: AtomicU64,
    last: Mutex<Last>,
}

/// The last question that was answered: which it was, and how.
struct Last {
    number: u64,
    answer: Result<(), CvvFault>,
}

impl Default for Last {
    fn default() -> Self {
        Self { number: 0, answer: Err(CvvFault::Unavailable) }
    }
}

impl Reach {
    /// Asks by `ask`, or waits for the next answer that somebody else asks for.
    pub(crate) async fn ask(&self, ask: impl Future<Output = Result<(), CvvFault>>) -> Result<(), CvvFault> {
        let begun = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if last.number > begun {
            return last.answer;
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = ask.await;
        *last = Last { number, answer };
        answer
    }
}
