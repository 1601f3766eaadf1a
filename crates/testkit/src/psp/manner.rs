use core::time::Duration;

/// How a peer treats a connection or a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// Does what is asked for, answers, and keeps the connection.
    #[default]
    Usual,
    /// Resets a connection as soon as it is there, before TLS. Of a peer that has several manners in a row, its turn is the next connection.
    ResetOnAccept,
    /// Takes a connection and says nothing on it, not even of TLS, until the other end closes. Its turn is the next connection, as that of those that reset it.
    SilentOnAccept,
    /// Shows a certificate of a root that nobody was told of; without TLS it is as usual. Its turn is the next connection.
    Stranger,
    /// Reads as many bytes of the request, or all of a shorter one, and resets the connection. Nothing is done.
    ResetAfter(usize),
    /// Reads the whole request and resets the connection. Nothing is done.
    ResetUndone,
    /// Reads as many bytes of the request and says nothing, until the other end closes. Nothing is done.
    SilentAfter(usize),
    /// Does what is asked for, and resets the connection instead of answering.
    ResetDone,
    /// Does what is asked for, sends the first half of the answer, and closes.
    HalfAnswer,
    /// Reads the whole request and says nothing, until the other end closes. Nothing is done.
    SilentUndone,
    /// Does what is asked for and says nothing, until the other end closes.
    SilentDone,
    /// Does what is asked for, and answers after this time.
    Late(Duration),
    /// Does what is asked for, and answers one byte at a time with this long between two.
    Drip(Duration),
    /// Does what is asked for, and answers what is no HTTP.
    Garbage,
    /// Does what is asked for, and answers with the right status and body, said to be `text/html`.
    WrongType,
    /// Does what is asked for, and answers with a body of as many bytes.
    Huge(usize),
    /// Does what is asked for, answers that the connection stays, and closes it.
    CloseAfter,
    /// Does what is asked for, answers that the connection does not stay, and closes it.
    Close,
    /// Does nothing and answers with this HTTP status and an empty JSON object, as a gateway before the provider does.
    Status(u16),
}

impl Manner {
    /// Whether it is of connections, not of requests.
    pub(super) const fn is_of_connections(self) -> bool {
        matches!(self, Self::ResetOnAccept | Self::SilentOnAccept | Self::Stranger)
    }
}
