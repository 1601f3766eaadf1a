use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{Manner, PspAnswer, PspRequest, Seen};
use crate::psp::Psp;
use crate::servers::free_port;
use crate::tls::{self, Tls};

/// Tries to listen where another process was faster.
const TRIES_MAX: usize = 100;
/// How often a notification is sent at most, and how long after it was not taken it is sent again: providers take minutes and days for it.
const TELLINGS_MAX: usize = 100;
const TELL_AGAIN: Duration = Duration::from_millis(100);
/// The method of every request that is no question.
const ACT: &str = "POST";
/// Enough for one connection, in a build without optimisation: tests have hundreds at once.
const STACK_BYTES: usize = 512 * 1024;

/// A server of HTTP/1.1 on the loopback address, with a provider behind it. It ends with its value.
pub struct Peer<P: Psp> {
    port: u16,
    tls: Option<Tls>,
    shared: Arc<Shared<P>>,
    accepting: Mutex<Option<thread::JoinHandle<()>>>,
}

/// A whole request, and the number of the connection that brought it.
#[derive(Clone, Debug)]
pub struct Received {
    /// Counted from 0.
    pub connection: usize,
    /// As it came.
    pub request: PspRequest,
}

struct Shared<P> {
    psp: Mutex<P>,
    book: Mutex<Book>,
    changed: Condvar,
    tls: Option<Arc<ServerConfig>>,
    /// What a stranger shows.
    stranger: Option<Arc<ServerConfig>>,
}

#[derive(Default)]
struct Book {
    manners: VecDeque<Manner>,
    always: Manner,
    is_listening: bool,
    is_over: bool,
    /// What came on each connection, behind TLS, whole requests and others.
    seen: Vec<Vec<u8>>,
    requests: Vec<Received>,
    /// Where notifications are sent by themselves.
    tells: Option<String>,
    /// What was answered to those.
    told: Vec<(u16, String)>,
    open: BTreeMap<usize, TcpStream>,
}

impl Book {
    fn seen_so_far(&self) -> Seen {
        let begun = self.seen.iter().filter(|seen| seen.first() == ACT.as_bytes().first());
        let acts = self.requests.iter().filter(|one| one.request.method == ACT);
        Seen { connections: self.seen.len(), begun: begun.count(), acts: acts.count() }
    }
}

impl<P: Psp> Peer<P> {
    /// Starts one without TLS.
    pub fn plain(psp: P) -> Self {
        Self::start(psp, None)
    }

    /// Starts one with TLS, whose root is [`Self::root_pem`].
    pub fn tls(psp: P) -> Self {
        Self::start(psp, Some(tls::made()))
    }

    fn start(psp: P, tls: Option<Tls>) -> Self {
        let shared = Arc::new(Shared {
            psp: Mutex::new(psp),
            book: Mutex::default(),
            changed: Condvar::new(),
            tls: tls.as_ref().map(|tls| Arc::clone(&tls.config)),
            stranger: tls.as_ref().map(|_| tls::made().config),
        });
        // Not a port that the system gives to clients: one of them could connect to itself while this one refuses connections.
        let bound = (0..TRIES_MAX).find_map(|_| {
            let port = free_port();
            TcpListener::bind(("127.0.0.1", port)).ok().map(|listener| (port, listener))
        });
        let (port, listener) = bound.expect("no port is free");
        let peer = Self { port, tls, shared, accepting: Mutex::default() };
        peer.listen(listener);
        peer
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its origin: `http://127.0.0.1:20001`, or `https://localhost:20001`.
    pub fn origin(&self) -> String {
        match &self.tls {
            Some(_) => format!("https://localhost:{}", self.port),
            None => format!("http://127.0.0.1:{}", self.port),
        }
    }

    /// The root that its certificate comes of; empty without TLS.
    pub fn root_pem(&self) -> &str {
        self.tls.as_ref().map_or("", |tls| &tls.root_pem)
    }

    /// The provider itself. No request is answered while this is held, and an expression that asks for it twice waits for itself.
    pub fn psp(&self) -> MutexGuard<'_, P> {
        self.shared.psp.lock().unwrap()
    }

    /// The next requests that begin are treated so, one after the other, and before what [`Self::always`] says.
    pub fn next(&self, manners: &[Manner]) {
        self.shared.book().manners.extend(manners);
    }

    /// Every request is treated so from now on, unless [`Self::next`] says otherwise.
    pub fn always(&self, manner: Manner) {
        self.shared.book().always = manner;
    }

    /// How many connections there were; of those that it refused it knows nothing.
    pub fn connections(&self) -> usize {
        self.shared.book().seen.len()
    }

    /// How many are open now.
    pub fn connections_open(&self) -> usize {
        self.shared.book().open.len()
    }

    /// The whole requests that came, oldest first.
    pub fn requests(&self) -> Vec<Received> {
        self.shared.book().requests.clone()
    }

    /// All bytes that came on each connection, behind TLS.
    pub fn seen(&self) -> Vec<Vec<u8>> {
        self.shared.book().seen.clone()
    }

    /// Whether these bytes came on some connection, as they are.
    pub fn has_seen(&self, bytes: &[u8]) -> bool {
        self.shared.book().seen.iter().any(|seen| seen.windows(bytes.len()).any(|window| window == bytes))
    }

    /// What it has seen so far.
    pub fn seen_so_far(&self) -> Seen {
        self.shared.book().seen_so_far()
    }

    /// Waits until what it has seen is so.
    pub fn wait_until(&self, is_so: impl Fn(Seen) -> bool) {
        let is_not = |book: &mut Book| !is_so(book.seen_so_far());
        drop(self.shared.changed.wait_while(self.shared.book(), is_not).unwrap());
    }

    /// Waits until so many whole requests have come.
    pub fn wait_for_requests(&self, count: usize) {
        let book = self.shared.book();
        drop(self.shared.changed.wait_while(book, |book| book.requests.len() < count).unwrap());
    }

    /// Waits until no connection is open.
    pub fn wait_until_closed(&self) {
        let book = self.shared.book();
        drop(self.shared.changed.wait_while(book, |book| !book.open.is_empty()).unwrap());
    }

    /// Closes all connections that are open, whatever they wait for.
    pub fn close_connections(&self) {
        for stream in self.shared.book().open.values() {
            // It fails where the other end was faster.
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.wait_until_closed();
    }

    /// Refuses connections from now on. Those that are open stay.
    pub fn refuse(&self) {
        self.shared.book().is_listening = false;
        // Whoever accepts looks.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(thread) = self.accepting.lock().unwrap().take() {
            thread.join().unwrap();
        }
    }

    /// Takes connections again, at the same port.
    pub fn take(&self) {
        self.listen(TcpListener::bind(("127.0.0.1", self.port)).expect("another process took the port"));
    }

    /// Sends the notifications that are due, in order; what was answered to each.
    pub fn notify(&self, url: &str) -> Vec<(u16, String)> {
        let due = self.psp().take_notifications();
        due.iter().map(|notification| notification.send(url)).collect()
    }

    /// From now on sends what is due behind each request, as a provider does: in order, and again until it is taken.
    pub fn tells(&self, url: &str) {
        self.shared.book().tells = Some(url.to_owned());
    }

    /// Waits until so many notifications that it has sent by itself were taken; what was answered to all, those sent again included.
    pub fn wait_until_told(&self, count: usize) -> Vec<(u16, String)> {
        let is_less = |book: &mut Book| book.told.iter().filter(|(status, _)| *status == 200).count() < count;
        self.shared.changed.wait_while(self.shared.book(), is_less).unwrap().told.clone()
    }

    fn listen(&self, listener: TcpListener) {
        self.shared.book().is_listening = true;
        let shared = Arc::clone(&self.shared);
        let thread = thread::spawn(move || shared.accept(&listener));
        *self.accepting.lock().unwrap() = Some(thread);
    }
}

impl<P: Psp> Drop for Peer<P> {
    fn drop(&mut self) {
        self.shared.book().is_over = true;
        self.shared.changed.notify_all();
        if self.accepting.lock().unwrap().is_some() {
            self.refuse();
        }
        for stream in self.shared.book().open.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// A connection, plain or behind TLS.
trait Stream: Read + Write {
    /// Says that nothing more comes.
    fn end(&mut self);
}

impl Stream for TcpStream {
    fn end(&mut self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Stream for StreamOwned<ServerConnection, TcpStream> {
    fn end(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
        let _ = self.sock.shutdown(Shutdown::Write);
    }
}

impl<P: Psp> Shared<P> {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut book = self.book();
            if !book.is_listening {
                return;
            }
            let number = book.seen.len();
            book.seen.push(Vec::new());
            self.changed.notify_all();
            let next = book.manners.front().copied();
            let manner = next.unwrap_or(book.always);
            if next.is_some_and(Manner::is_of_connections) {
                book.manners.pop_front();
            }
            if manner == Manner::ResetOnAccept {
                reset(&stream);
                continue;
            }
            book.open.insert(number, stream.try_clone().unwrap());
            drop(book);
            let shared = Arc::clone(self);
            let work = move || {
                shared.connection(number, stream, manner);
                shared.changed.notify_all();
            };
            thread::Builder::new().stack_size(STACK_BYTES).spawn(work).unwrap();
        }
    }

    fn connection(self: &Arc<Self>, number: usize, mut stream: TcpStream, manner: Manner) {
        stream.set_nodelay(true).unwrap();
        let handle = stream.try_clone().unwrap();
        if manner == Manner::SilentOnAccept {
            silence(&mut stream);
            self.book().open.remove(&number);
            return;
        }
        let shown = if manner == Manner::Stranger { &self.stranger } else { &self.tls };
        let mut stream: Box<dyn Stream> = match shown {
            Some(config) => {
                Box::new(StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream))
            }
            None => Box::new(stream),
        };
        let end = loop {
            match self.request(number, &mut *stream) {
                Ok(()) => {}
                Err(end) => break end,
            }
        };
        match end {
            End::Closed => stream.end(),
            End::Reset => reset(&handle),
        }
        // The last one that is dropped closes it.
        drop((stream, handle));
        self.book().open.remove(&number);
    }

    /// Treats one request.
    fn request(self: &Arc<Self>, number: usize, stream: &mut dyn Stream) -> Result<(), End> {
        let mut tap = Tap { shared: self, number, stream, manner: None, left: usize::MAX };
        let request = PspRequest::read(&mut tap);
        let (is_cut, manner) = (tap.left == 0, tap.manner.unwrap_or_default());
        let Some(request) = request.filter(|_| !is_cut) else {
            return Err(match manner {
                Manner::SilentAfter(_) if is_cut => silence(stream),
                _ if is_cut => End::Reset,
                _ => End::Closed,
            });
        };
        self.book().requests.push(Received { connection: number, request: request.clone() });
        self.changed.notify_all();
        let answer = || {
            let answer = self.psp.lock().unwrap().answer(&request);
            self.tell();
            answer
        };
        match manner {
            Manner::Usual | Manner::ResetOnAccept | Manner::SilentOnAccept | Manner::Stranger => {
                say(stream, &written(&answer(), "application/json"))
            }
            Manner::ResetAfter(_) | Manner::ResetUndone => Err(End::Reset),
            Manner::ResetDone => {
                answer();
                Err(End::Reset)
            }
            Manner::HalfAnswer => {
                let whole = written(&answer(), "application/json");
                let (half, _) = whole.split_at(whole.len() / 2);
                say(stream, half)?;
                Err(End::Closed)
            }
            Manner::SilentAfter(_) | Manner::SilentUndone => Err(silence(stream)),
            Manner::SilentDone => {
                answer();
                Err(silence(stream))
            }
            Manner::Late(time) => {
                let whole = written(&answer(), "application/json");
                self.pause(time);
                say(stream, &whole)
            }
            Manner::Drip(time) => {
                for byte in written(&answer(), "application/json") {
                    say(stream, &[byte])?;
                    self.pause(time);
                }
                Ok(())
            }
            Manner::Garbage => {
                answer();
                say(stream, b"\x16\x03\x01\x00\xff\r\n\r\n{\"status\":\"succeeded\"}")?;
                Err(End::Closed)
            }
            Manner::WrongType => say(stream, &written(&answer(), "text/html")),
            Manner::Huge(bytes) => {
                answer();
                say(stream, format!("{}{bytes}\r\n\r\n\"", head(200, "application/json")).as_bytes())?;
                let piece = [b'x'; 16 * 1024];
                let mut left = bytes.saturating_sub(2);
                while left > 0 {
                    let part = piece.get(..left.min(piece.len())).unwrap_or(&piece);
                    say(stream, part)?;
                    left -= part.len();
                }
                say(stream, b"\"")
            }
            Manner::CloseAfter => {
                say(stream, &written(&answer(), "application/json"))?;
                Err(End::Closed)
            }
            Manner::Close => {
                say(stream, &written(&answer().with("Connection", "close"), "application/json"))?;
                Err(End::Closed)
            }
            Manner::Status(status) => {
                say(stream, &written(&PspAnswer::new(status, serde_json::json!({})), "application/json"))
            }
        }
    }

    /// Sends what is due to who is to be told, beside the answer to the request that brought it about.
    fn tell(self: &Arc<Self>) {
        let Some(url) = self.book().tells.clone() else { return };
        let due = self.psp.lock().unwrap().take_notifications();
        let shared = Arc::clone(self);
        let work = move || {
            for notification in due {
                for _ in 0..TELLINGS_MAX {
                    let answer = notification.send(&url);
                    let is_taken = answer.0 == 200;
                    shared.book().told.push(answer);
                    shared.changed.notify_all();
                    if is_taken || shared.book().is_over {
                        break;
                    }
                    shared.pause(TELL_AGAIN);
                }
            }
        };
        thread::Builder::new().stack_size(STACK_BYTES).spawn(work).unwrap();
    }

    /// Lets some time go by, less when the peer ends.
    fn pause(&self, time: Duration) {
        drop(self.changed.wait_timeout_while(self.book(), time, |book| !book.is_over).unwrap());
    }
}

/// How a connection ends.
enum End {
    Closed,
    Reset,
}

/// Notes every byte that is read, and ends after as many as its manner says. The manner is that of the time when the first byte comes.
struct Tap<'a, P> {
    shared: &'a Shared<P>,
    number: usize,
    stream: &'a mut dyn Stream,
    manner: Option<Manner>,
    left: usize,
}

impl<P> Read for Tap<'_, P> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(self.left);
        let read = self.stream.read(into.get_mut(..most).unwrap_or_default())?;
        if read == 0 {
            return Ok(0);
        }
        let mut book = self.shared.book.lock().unwrap();
        if self.manner.is_none() {
            let manner = book.manners.pop_front().unwrap_or(book.always);
            self.manner = Some(manner);
            if let Manner::ResetAfter(bytes) | Manner::SilentAfter(bytes) = manner {
                self.left = bytes.max(1);
            }
        }
        if let Some(seen) = book.seen.get_mut(self.number) {
            seen.extend_from_slice(into.get(..read).unwrap_or_default());
            if seen.len() == read {
                self.shared.changed.notify_all();
            }
        }
        self.left = self.left.saturating_sub(read);
        Ok(read)
    }
}

fn say(stream: &mut dyn Stream, bytes: &[u8]) -> Result<(), End> {
    stream.write_all(bytes).and_then(|()| stream.flush()).map_err(|_| End::Closed)
}

/// Reads on until the other end has enough.
fn silence(stream: &mut (impl Read + ?Sized)) -> End {
    let mut byte = [0];
    while stream.read(&mut byte).is_ok_and(|read| read > 0) {}
    End::Closed
}

/// The other end is told that the connection is broken, not that it has ended.
fn reset(stream: &TcpStream) {
    // It fails where the other end was faster.
    let _ = set_socket_linger(stream, Some(Duration::ZERO));
}

/// All of a head but the length itself.
fn head(status: u16, media_type: &str) -> String {
    format!("HTTP/1.1 {status} Said\r\nServer: fake\r\nContent-Type: {media_type}\r\nContent-Length: ")
}

fn written(answer: &PspAnswer, media_type: &str) -> Vec<u8> {
    let body = answer.body.to_string();
    let mut text = format!("{}{}\r\n", head(answer.status, media_type), body.len());
    for (name, value) in &answer.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(&body);
    text.into_bytes()
}

#[cfg(test)]
mod tests;
