use core::time::Duration;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::address::{Address, Host};
use crate::fault::Fault;
use crate::limits::ADDRESSES_MAX;
use crate::tls::{Tls, untrusted};

/// How long may be waited.
#[derive(Clone, Copy, Debug)]
pub struct TimeOuts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For all of a delivery, from its beginning.
    pub send: Duration,
}

/// A stream of bytes, with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects; without `tls` plainly.
pub(crate) async fn connect(
    address: &Address,
    tls: Option<&Tls>,
    protocols: &[&[u8]],
    within: Duration,
) -> Result<Box<dyn Stream>, Fault> {
    let protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let tls = tls.map(|tls| tls.connector(address, protocols)).transpose()?;
    let connected = timeout(within, async {
        let tcp = connect_tcp(address, within).await?;
        let _ = tcp.set_nodelay(true);
        let Some((tls, name)) = tls else { return Ok(Box::new(tcp) as Box<dyn Stream>) };
        let stream = tls.connect(name, tcp).await.map_err(|error| untrusted(&error))?;
        Ok(Box::new(stream) as Box<dyn Stream>)
    });
    connected.await.map_err(|_| Fault::TimedOut)?
}

async fn connect_tcp(address: &Address, within: Duration) -> Result<TcpStream, Fault> {
    let addresses: Vec<SocketAddr> = match &address.host {
        Host::Address(ip) => vec![SocketAddr::new(*ip, address.port)],
        Host::Name(name) => {
            let found = lookup_host((name.as_str(), address.port)).await;
            found.map_err(|_| Fault::Unreached("its name cannot be looked up"))?.take(ADDRESSES_MAX).collect()
        }
    };
    // One that swallows what it is sent leaves time for the others.
    let each = within / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut failed = Fault::Unreached("its name has no address");
    for address in addresses {
        match timeout(each, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(_)) => failed = Fault::Unreached("it refuses connections, or no way leads to it"),
            Err(_) => failed = Fault::TimedOut,
        }
    }
    Err(failed)
}
