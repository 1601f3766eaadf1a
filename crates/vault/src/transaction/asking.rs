//! How often, and when, a processor is asked what became of an action.

use panvault_model::{ActionState, Timestamp};

use crate::limits::ASK_AGAIN_SECONDS;

/// How far it is with an action whose outcome is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asking {
    pub(crate) state: ActionState,
    /// How often its processor was asked, and could not say.
    pub(crate) asks: u8,
}

/// How far it is then, and when the processor is asked next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AskingNext {
    pub(crate) next: Asking,
    pub(crate) at: Option<Timestamp>,
}

impl Asking {
    /// No usable answer came, or the processor was asked and could not tell. Where it cannot be asked, or was asked often enough, it is left to
    /// people.
    pub(crate) fn unknown(self, now: Timestamp, can_be_asked: bool) -> AskingNext {
        let asks = if self.is_asked_about() { self.asks.saturating_add(1) } else { 0 };
        let given_up = AskingNext { next: Self { state: ActionState::Unknown, asks }, at: None };
        if !can_be_asked {
            return given_up;
        }
        if !self.is_asked_about() {
            // By the next sweep.
            return AskingNext { next: Self { state: ActionState::ToAsk, asks }, at: Some(now) };
        }
        let next = Self { asks, ..self };
        next.at(now).map_or(given_up, |at| AskingNext { next, at: Some(at) })
    }

    /// The processor has taken it and says later what becomes of it, or has not yet made up its mind. Who was asked often enough is
    /// waited for without.
    pub(crate) fn awaited(self, now: Timestamp, can_be_asked: bool) -> AskingNext {
        let asks = if self.is_asked_about() { self.asks.saturating_add(1) } else { 0 };
        let next = Self { state: ActionState::Awaited, asks };
        AskingNext { next, at: next.at(now).filter(|_| can_be_asked) }
    }

    const fn is_asked_about(self) -> bool {
        matches!(self.state, ActionState::ToAsk | ActionState::Awaited)
    }

    fn at(self, now: Timestamp) -> Option<Timestamp> {
        ASK_AGAIN_SECONDS.get(usize::from(self.asks)).map(|seconds| now.plus_seconds(*seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_millis(1_000);

    fn after(seconds: u64) -> Option<Timestamp> {
        Some(NOW.plus_seconds(seconds))
    }

    #[test]
    fn who_cannot_tell_is_asked_less_and_less_often_and_then_not_at_all() {
        let sent = Asking { state: ActionState::InHand, asks: 0 };
        let mut asking = sent.unknown(NOW, true);
        assert_eq!(asking, AskingNext { next: Asking { state: ActionState::ToAsk, asks: 0 }, at: Some(NOW) });
        let mut waits = Vec::new();
        while let Some(_at) = asking.at {
            asking = asking.next.unknown(NOW, true);
            waits.push(asking.at);
        }
        let last = waits.pop();
        assert_eq!(last, Some(None));
        assert_eq!(waits, ASK_AGAIN_SECONDS[1..].iter().map(|seconds| after(*seconds)).collect::<Vec<_>>());
        assert_eq!(asking.next.state, ActionState::Unknown);
        assert_eq!(sent.unknown(NOW, false).next.state, ActionState::Unknown, "who cannot be asked is not");
    }

    #[test]
    fn what_was_taken_is_waited_for_and_asked_about_where_that_can_be() {
        let sent = Asking { state: ActionState::InHand, asks: 0 };
        let taken = sent.awaited(NOW, true);
        assert_eq!(taken.at, after(ASK_AGAIN_SECONDS[0]));
        assert_eq!(taken.next.awaited(NOW, true).at, after(ASK_AGAIN_SECONDS[1]));
        let silent = taken.next.unknown(NOW, true);
        assert_eq!((silent.next.state, silent.at), (ActionState::Awaited, after(ASK_AGAIN_SECONDS[1])));
        assert_eq!(sent.awaited(NOW, false), AskingNext { next: taken.next, at: None });
        let often = Asking { state: ActionState::Awaited, asks: 12 }.awaited(NOW, true);
        assert_eq!((often.next.state, often.at), (ActionState::Awaited, None));
    }
}
