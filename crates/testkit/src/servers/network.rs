use core::time::Duration;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

/// Bytes that are carried at a time.
const PIECE_BYTES: usize = 16 * 1024;

/// The way from one machine to a server of the loopback address: as good as a wire, cut, slow, or with ends of which the other has gone.
///
/// What is cut is held up and not lost, as by networks whose ends send again what was not acknowledged: nobody at either end hears that anything is amiss.
pub struct Network {
    port: u16,
    way: Arc<Way>,
}

struct Way {
    server: u16,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    flow: Flow,
    /// Connections that were made before this one are carried no further.
    first_alive: u64,
    next: u64,
    is_over: bool,
}

/// How what is sent comes through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// At once.
    #[default]
    Free,
    /// Not at all.
    Cut,
    /// In each direction so much later, and so many bytes a second.
    Slow {
        /// The way of one piece.
        latency: Duration,
        /// Of each connection and direction.
        bytes_per_second: u32,
    },
}

impl Network {
    /// A way to this port.
    pub fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let way = Arc::new(Way { server, state: Mutex::default(), changed: Condvar::new() });
        let carried = Arc::clone(&way);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut state = carried.state();
                if state.is_over {
                    return;
                }
                let number = state.next;
                state.next += 1;
                drop(state);
                let way = Arc::clone(&carried);
                thread::spawn(move || way.carry(number, &client));
            }
        });
        Self { port, way }
    }

    /// Its end at the machine: a port of the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on everything comes through like this, also what is on its way.
    pub fn set(&self, flow: Flow) {
        self.way.state().flow = flow;
        self.way.changed.notify_all();
    }

    /// What is connected now stays so, and nothing comes through on it ever again: the server has gone without a word. Whoever connects anew comes through.
    pub fn forsake(&self) {
        let mut state = self.way.state();
        state.first_alive = state.next;
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.way.state().is_over = true;
        self.way.changed.notify_all();
        // Whoever listens looks.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Way {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn carry(self: &Arc<Self>, number: u64, client: &TcpStream) {
        if !self.comes_through(number, 0) {
            return;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.server)) else { return };
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let way = Arc::clone(self);
        let up = thread::spawn(move || way.pump(number, from, to));
        self.pump(number, server, client.try_clone().unwrap());
        drop(up.join());
    }

    /// Carries one direction to its end.
    fn pump(&self, number: u64, mut from: TcpStream, mut to: TcpStream) {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = from.read(&mut piece).unwrap_or(0);
            let passes = self.comes_through(number, read);
            let Some(sent) = piece.get(..read).filter(|_| passes) else { return };
            if read == 0 || to.write_all(sent).is_err() {
                drop(to.shutdown(Shutdown::Both));
                drop(from.shutdown(Shutdown::Both));
                return;
            }
        }
    }

    /// Waits until so many bytes are through; `false` when they never will be.
    fn comes_through(&self, number: u64, bytes: usize) -> bool {
        let goes_on = |state: &mut State| !state.is_over;
        let mut state = self.state();
        loop {
            if state.is_over {
                return false;
            }
            // Nothing at either end is closed meanwhile: whoever carries it waits.
            let is_held = state.flow == Flow::Cut || number < state.first_alive;
            match state.flow {
                _ if is_held => state = self.changed.wait(state).unwrap(),
                Flow::Free | Flow::Cut => return true,
                Flow::Slow { latency, bytes_per_second } => {
                    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
                    let time = latency + Duration::from_secs(1) * bytes / bytes_per_second;
                    state = self.changed.wait_timeout_while(state, time, goes_on).unwrap().0;
                    if state.flow != Flow::Cut && number >= state.first_alive {
                        return !state.is_over;
                    }
                }
            }
        }
    }
}
