use core::pin::pin;
use std::io::ErrorKind;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter, split};
use tokio::time::timeout;

use crate::address::SyslogAddress;
use crate::connect::{TimeOuts, connect};
use crate::fault::Fault;
use crate::limits::{SAID_BYTES_MAX, WRITE_BYTES};
use crate::message::{frame, host_name};
use crate::tls::Tls;

/// A syslog server that is spoken to over TLS (RFC 5425).
///
/// Syslog has no acknowledgement. So each delivery has a connection of its own, and what stands for one is its end: this side says that there is nothing more
/// (`close_notify`), and a server that has read so far ends the connection. One that ended before, was reset or took too long has taken nothing.
pub struct Syslog {
    address: SyslogAddress,
    tls: Tls,
    host_name: String,
    time_outs: TimeOuts,
}

impl Syslog {
    /// One at an address; `host` is the name of this machine.
    pub fn new(address: SyslogAddress, tls: Tls, host: &str, time_outs: TimeOuts) -> Self {
        Self { address, tls, host_name: host_name(host), time_outs }
    }

    /// Whether the files can be used that it is spoken to with. Nothing is sent.
    pub fn check(&self) -> Result<(), Fault> {
        self.tls.connector(&self.address.0, Vec::new()).map(drop)
    }

    /// Sends lines, each with its line feed, as a message each.
    pub async fn send(&self, lines: &[u8]) -> Result<(), Fault> {
        timeout(self.time_outs.send, self.sent(lines)).await.map_err(|_| Fault::TimedOut)?
    }

    async fn sent(&self, lines: &[u8]) -> Result<(), Fault> {
        let within = self.time_outs.connect.min(self.time_outs.send);
        let stream = connect(&self.address.0, Some(&self.tls), &[], within).await?;
        let (reader, writer) = split(stream);
        let mut ended = pin!(ended(reader));
        tokio::select! {
            // Whoever has ended the connection already did not wait for the end of the lines.
            biased;
            ended = &mut ended => {
                ended?;
                return Err(Fault::Unreached("it ended the connection before it had read all"));
            }
            written = write(writer, lines, &self.host_name) => written?,
        }
        ended.await
    }
}

async fn write(writer: impl AsyncWrite + Unpin, lines: &[u8], host_name: &str) -> Result<(), Fault> {
    let mut writer = BufWriter::with_capacity(WRITE_BYTES, writer);
    let written = async {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            writer.write_all(&frame(line, host_name)).await?;
        }
        writer.shutdown().await
    };
    written.await.map_err(|_| Fault::Unreached("the connection ended while it was written to"))
}

/// Reads until the other side ends the connection: a syslog server says nothing, and what it says is thrown away.
async fn ended(mut reader: impl AsyncRead + Unpin) -> Result<(), Fault> {
    let mut part = vec![0; 4096];
    let mut left = SAID_BYTES_MAX;
    loop {
        match reader.read(&mut part).await {
            Ok(0) => return Ok(()),
            Ok(read) => match left.checked_sub(read) {
                Some(rest) => left = rest,
                None => return Err(Fault::Unreached("it is no syslog server: it says more than one does")),
            },
            // Servers that are told that there is nothing more often end the connection without a word of their own.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(_) => return Err(Fault::Unreached("it broke the connection off")),
        }
    }
}
