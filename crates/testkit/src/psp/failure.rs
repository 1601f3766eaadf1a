use std::time::Duration;

use super::{Manner, Peer, Psp};

/// A failure of the exchange with a provider, and how far the request has come by then.
///
/// The rule that holds of all of them: who may have seen a byte of a request never sees its CVV again, and who cannot have leaves it held.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// What happens, in words.
    pub name: &'static str,
    /// How far the request has come.
    pub reach: Reach,
    way: Way,
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Not a byte of it was handed over.
    Nothing,
    /// Something of it was; nothing is done.
    Part,
    /// The provider has all of it, and does nothing.
    Whole,
    /// The provider has done what it asks for.
    Done,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    /// Nobody listens.
    Refuses,
    Treats(Manner),
}

/// Before, during and after the request.
pub const FAILURES: &[Failure] = &[
    Failure { name: "a refused connection", reach: Reach::Nothing, way: Way::Refuses },
    treats("a certificate of a stranger", Reach::Nothing, Manner::Stranger),
    treats("a reset before TLS stands", Reach::Nothing, Manner::ResetOnAccept),
    treats("a handshake without an answer", Reach::Nothing, Manner::SilentOnAccept),
    treats("a reset after the first byte", Reach::Part, Manner::ResetAfter(1)),
    treats("a reset within the head", Reach::Part, Manner::ResetAfter(100)),
    treats("silence after the first byte", Reach::Part, Manner::SilentAfter(1)),
    treats("a reset after the whole request", Reach::Whole, Manner::ResetUndone),
    treats("silence after the whole request", Reach::Whole, Manner::SilentUndone),
    treats("a gateway that is not there", Reach::Whole, Manner::Status(502)),
    treats("a reset in the place of the answer", Reach::Done, Manner::ResetDone),
    treats("silence in the place of the answer", Reach::Done, Manner::SilentDone),
    treats("half an answer", Reach::Done, Manner::HalfAnswer),
    treats("an answer that takes too long", Reach::Done, Manner::Drip(Duration::from_millis(100))),
    treats("an answer without end", Reach::Done, Manner::Huge(1 << 20)),
    treats("an answer that is no HTTP", Reach::Done, Manner::Garbage),
];

const fn treats(name: &'static str, reach: Reach, manner: Manner) -> Failure {
    Failure { name, reach, way: Way::Treats(manner) }
}

impl Failure {
    /// Those in which the request stays where it has come to until somebody gives up: in them a process can be killed.
    pub fn silent() -> impl Iterator<Item = &'static Self> {
        FAILURES.iter().filter(|failure| failure.is_silent())
    }

    /// What of it happens to each request to a provider until [`Self::ends`]. No connection to it may be open.
    pub fn begins<P: Psp>(&self, peer: &Peer<P>) {
        match self.way {
            Way::Refuses => peer.refuse(),
            Way::Treats(manner) => peer.always(manner),
        }
    }

    /// Waits until so many requests of acts have come as far as they come. Where no byte comes, who asks about earlier ones cannot be told apart from them.
    pub fn wait<P: Psp>(&self, peer: &Peer<P>, before: Seen, many: usize) {
        match self.reach {
            Reach::Nothing => peer.wait_until(|peer| peer.connections >= before.connections + many),
            Reach::Part => peer.wait_until(|peer| peer.begun >= before.begun + many),
            Reach::Whole | Reach::Done => peer.wait_until(|peer| peer.acts >= before.acts + many),
        }
    }

    /// The provider is as usual, on a connection for each request.
    pub fn ends<P: Psp>(&self, peer: &Peer<P>) {
        peer.always(Manner::Close);
        match self.way {
            Way::Refuses => peer.take(),
            Way::Treats(_) => {}
        }
    }

    /// Whether it shows by itself, before anybody gives up waiting.
    pub const fn is_quick(&self) -> bool {
        !self.is_silent() && !matches!(self.way, Way::Treats(Manner::Drip(_)))
    }

    const fn is_silent(&self) -> bool {
        matches!(
            self.way,
            Way::Treats(
                Manner::SilentOnAccept | Manner::SilentAfter(_) | Manner::SilentUndone | Manner::SilentDone
            )
        )
    }

    /// Whether somebody may have seen a byte of the request.
    pub fn is_seen(&self) -> bool {
        self.reach != Reach::Nothing
    }
}

/// What a provider has seen so far.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub(super) connections: usize,
    /// Connections whose first request is one of an act, or the beginning of one.
    pub(super) begun: usize,
    /// Whole requests of acts.
    pub(super) acts: usize,
}

impl<P: Psp> Peer<P> {
    /// How often a card number has come in a whole request, and how often with this CVV.
    pub fn times_seen(&self, number: &str, cvv: &str) -> (usize, usize) {
        let requests = self.requests();
        let with_number = requests.iter().filter(|one| holds(&one.request.body, number));
        let fields = CVV_FIELDS.map(|field| field.replace("CVV", cvv));
        let has_cvv = |body: &[u8]| fields.iter().any(|field| holds(body, field));
        with_number.fold((0, 0), |(all, with_cvv), one| {
            (all + 1, with_cvv + usize::from(has_cvv(&one.request.body)))
        })
    }
}

/// How the providers' requests have a CVV.
const CVV_FIELDS: [&str; 4] = ["[cvc]=CVV", "%5Bcvc%5D=CVV", "\"cvc\":\"CVV\"", "\"cvv\":\"CVV\""];

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
