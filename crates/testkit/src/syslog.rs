use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::tls::{self, Tls};

/// A syslog server over TLS (RFC 5425) that keeps all that it is sent.
pub struct SyslogServer {
    /// Where it listens, at 127.0.0.1.
    pub port: u16,
    /// The root of its certificate.
    pub root_pem: String,
    came: Arc<Mutex<Vec<u8>>>,
}

impl SyslogServer {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let Tls { config, root_pem } = tls::made();
        let came = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&came);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, kept) = (Arc::clone(&config), Arc::clone(&kept));
                thread::spawn(move || taken(stream, config, &kept));
            }
        });
        Self { port, root_pem, came }
    }

    /// All that came, with the lengths that frame it.
    pub fn came(&self) -> Vec<u8> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads to the end, and says that it has: only then has a sender delivered.
fn taken(stream: TcpStream, config: Arc<ServerConfig>, came: &Mutex<Vec<u8>>) {
    let mut tls = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    let mut part = [0; 4096];
    while let Ok(read) = tls.read(&mut part) {
        if read == 0 {
            break;
        }
        came.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&part[..read]);
    }
    tls.conn.send_close_notify();
    // Who is gone by now did not want to know.
    drop(tls.flush());
}
