use core::future::Future;
use core::pin::Pin;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::limits::LOOKUPS_MAX;

/// The addresses of a name, on their way; none when it has none.
pub type Lookup<'a> = Pin<Box<dyn Future<Output = Vec<IpAddr>> + Send + 'a>>;

/// Who knows the addresses of names.
pub trait Resolve: Send + Sync {
    /// The addresses of a name, in the order in which they are to be tried.
    fn resolve<'a>(&'a self, name: &'a str) -> Lookup<'a>;
}

/// The system's resolver, a bounded number of times at once: a look-up that nobody waits for any more still keeps a thread.
pub struct SystemResolver {
    lookups: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> Lookup<'a> {
        Box::pin(async move {
            let Ok(turn) = Arc::clone(&self.lookups).acquire_owned().await else { return Vec::new() };
            let name = name.to_owned();
            let found = tokio::task::spawn_blocking(move || {
                let found = std::net::ToSocketAddrs::to_socket_addrs(&(name.as_str(), 0));
                drop(turn);
                found.map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default()
            });
            found.await.unwrap_or_default()
        })
    }
}
