//! The limits of this crate, each with its unit.

/// Milliseconds that a connection may take until it can be used: name, network, TLS, login.
pub const CONNECT_MILLIS_MAX: u64 = 2_000;

/// Milliseconds that are waited for an answer.
pub const ANSWER_MILLIS_MAX: u64 = 2_000;

/// Milliseconds between two looks at a server.
pub const LOOK_MILLIS: u64 = 1_000;

/// Milliseconds that a look at a server may take as a whole, and so may the sending of the scripts.
pub const LOOK_MILLIS_MAX: u64 = 2_000;

/// Milliseconds by which the clock of a server may be set back: for so long it stands still. By more, all that is held is ended.
pub const CLOCK_BACK_MILLIS_MAX: u64 = 600_000;

/// Milliseconds between two tries to reach a server that is out of reach.
pub const RETRY_MILLIS: u64 = 250;

/// Milliseconds that a request waits where the connection was lost a moment ago.
pub const RECONNECT_MILLIS_MAX: u64 = 300;

/// Milliseconds for which a request counts, by the clock of the server: one that is held up on its way for longer does nothing. With what
/// passes between two looks, and what an answer takes, it is below [`CVV_REQUEST_SECONDS`](panvault_store::limits::CVV_REQUEST_SECONDS).
pub const REQUEST_COUNTS_MILLIS: u64 = 60_000;

/// Milliseconds that a CVV may have left at most, as far as a server counts: numbers of its scripts are exact up to 2^53.
pub const REMAINING_MILLIS_MAX: u64 = 1 << 46;

/// Owners of whom a process remembers how many CVVs they hold.
pub const OWNERS_MAX: usize = 10_000;

/// Owners without room that one look asks about.
pub const OWNERS_LOOKED_AT_MAX: usize = 256;

/// Owners' shares of ended seconds after which one request counts no further second off.
pub const ENDED_MAX: usize = 1_000;

/// Bytes of memory of the server that a CVV takes at most while it is held, with its place among others.
pub const CVV_SERVER_BYTES: u64 = 300;

const _: () = assert!(
    REQUEST_COUNTS_MILLIS + LOOK_MILLIS + LOOK_MILLIS_MAX + ANSWER_MILLIS_MAX
        < panvault_store::limits::CVV_REQUEST_SECONDS * 1000,
    "a request is over before it is forgotten"
);
