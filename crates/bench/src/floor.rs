use std::net::SocketAddr;

use anyhow::Context;
use panvault_server::{ServerSettings, floor};
use tokio::net::TcpListener;

/// Serves the floor until it is killed.
pub(crate) fn run(listen: SocketAddr) -> anyhow::Result<()> {
    crate::runtime()?.block_on(async {
        let listener =
            TcpListener::bind(listen).await.with_context(|| format!("cannot listen at {listen}"))?;
        crate::line(format_args!("http://{}", listener.local_addr()?));
        floor::serve(listener, ServerSettings::default(), core::future::pending()).await;
        Ok(())
    })
}
