//! A receiver of webhooks that does as it is told, and keeps what came.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What it does with a request that it has read.
#[derive(Clone)]
pub(crate) enum Manner {
    /// Writes this.
    Answer(String),
    /// Says nothing, and keeps the connection.
    Hang,
    /// Writes a head, and then a body as long as somebody reads.
    Endless(&'static str),
    /// Closes.
    Close,
}

pub(crate) struct Receiver {
    pub(crate) port: u16,
    came: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    pub(crate) async fn start(manner: Manner, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let came = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&came);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (manner, kept, tls) = (manner.clone(), Arc::clone(&kept), tls.clone());
                kept.lock().unwrap().push(String::new());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, manner, &kept).await;
                            }
                        }
                        None => serve(stream, manner, &kept).await,
                    }
                });
            }
        });
        Self { port, came }
    }

    /// Each connection with the request that came over it, empty where none came.
    pub(crate) fn came(&self) -> Vec<String> {
        self.came.lock().unwrap().clone()
    }
}

pub(crate) fn answer(head: &str) -> Manner {
    Manner::Answer(format!("HTTP/1.1 {head}\r\nContent-Length: 2\r\n\r\nok"))
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, manner: Manner, came: &Mutex<Vec<String>>) {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    while !request.ends_with(b"}") {
        match stream.read(&mut part).await {
            Ok(read) if read > 0 => request.extend_from_slice(&part[..read]),
            _ => return,
        }
    }
    *came.lock().unwrap().last_mut().unwrap() = String::from_utf8(request).unwrap();
    match manner {
        Manner::Answer(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.read(&mut part).await;
        }
        Manner::Hang => {
            let _ = stream.read(&mut part).await;
        }
        Manner::Endless(head) => {
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        }
        Manner::Close => {}
    }
}
