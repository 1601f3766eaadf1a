use tokio::sync::watch;

/// Where tasks stand still while it is closed.
#[derive(Default)]
pub(crate) struct Gate {
    closed: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

impl Gate {
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    pub(crate) fn open(&self) {
        self.closed.send_replace(false);
    }

    /// Goes on when it is open.
    pub(crate) async fn pass(&self) {
        if !*self.closed.borrow() {
            return;
        }
        self.waiting.send_modify(|waiting| *waiting += 1);
        let _leaves = Leaves(&self.waiting);
        self.closed.subscribe().wait_for(|closed| !closed).await.unwrap();
    }

    /// Returns when so many stand still here.
    pub(crate) async fn is_reached_by(&self, count: usize) {
        self.waiting.subscribe().wait_for(|waiting| *waiting == count).await.unwrap();
    }
}

/// A task that goes on, or is gone.
struct Leaves<'a>(&'a watch::Sender<usize>);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}
