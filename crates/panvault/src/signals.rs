//! Signals. By default nearly each of them ends the process, and with it go all CVVs.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a server does something at. They are handled from before the first answer.
pub(crate) struct Signals {
    pub(crate) stop: Stop,
}

/// What ends a server in order. SIGQUIT does no more than the others: there is no core to dump.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl Signals {
    pub(crate) fn handle() -> std::io::Result<Self> {
        // Its handler stays when this is dropped: from here on it ends nothing.
        drop(Self::hangup()?);
        Ok(Self {
            stop: Stop {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
                quit: signal(SignalKind::quit())?,
            },
        })
    }

    /// What a server reads files again at. Each that is made hears of it.
    pub(crate) fn hangup() -> std::io::Result<Signal> {
        signal(SignalKind::hangup())
    }
}

impl Stop {
    /// Waits for one of them, and gives its name.
    pub(crate) async fn asked(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.quit.recv() => "SIGQUIT",
        }
    }
}

const NONE: &str = "none; SIGTERM stops a server";

/// Signals that mean nothing here, with what to do about each. SIGPIPE is ignored by the standard library.
const MEANINGLESS: [(i32, &str, &str); 10] = [
    (libc::SIGUSR1, "SIGUSR1", NONE),
    (libc::SIGUSR2, "SIGUSR2", NONE),
    (libc::SIGALRM, "SIGALRM", NONE),
    (libc::SIGVTALRM, "SIGVTALRM", NONE),
    (libc::SIGPROF, "SIGPROF", NONE),
    (libc::SIGIO, "SIGIO", NONE),
    (libc::SIGPWR, "SIGPWR", NONE),
    (libc::SIGSTKFLT, "SIGSTKFLT", NONE),
    // The write that met the limit then fails by itself, which the store knows how to end with.
    (libc::SIGXFSZ, "SIGXFSZ", "raise the limit of file size (ulimit -f; systemd: LimitFSIZE)"),
    (libc::SIGXCPU, "SIGXCPU", "raise the limit of processor time (ulimit -t; systemd: LimitCPU)"),
];

/// Takes signals that mean nothing here without ending, for as long as the process lives; the first of each kind is logged.
/// To be called in a runtime.
pub(crate) fn ignore_meaningless() -> std::io::Result<()> {
    for (number, name, advice) in MEANINGLESS {
        ignore(number, name, advice)?;
    }
    for number in libc::SIGRTMIN()..=libc::SIGRTMAX() {
        // The last one is past what the runtime has room for.
        drop(ignore(number, "a real-time signal", NONE));
    }
    Ok(())
}

fn ignore(number: i32, name: &'static str, advice: &'static str) -> std::io::Result<()> {
    // Its handler stays when this is dropped.
    let mut signal = signal(SignalKind::from_raw(number))?;
    tokio::spawn(async move {
        if signal.recv().await.is_some() {
            tracing::warn!(signal = name, advice, "signal.ignored");
        }
    });
    Ok(())
}
