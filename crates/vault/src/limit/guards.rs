use panvault_model::{
    AccountId, ActionState, Bin, Brand, CvvResult, Fingerprint, LastFour, Now, OrganisationId,
};
use panvault_store::{CardRow, TransactionRow};

use crate::error::VaultError;
use crate::limit::declines::Declines;
use crate::limit::tries::Tries;
use crate::limit::{LimitReached, Limiter, Quota};
use crate::limits::{ACCOUNT_PAYMENTS_MIN, BIN_PAYMENTS_MIN, BROWSER_GUESSES, GUESSES_KEYS_MAX};

/// How much of card testing and of guessing at card numbers is let through. 0 is all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardSettings {
    /// Different card numbers with the same first six and last four digits, of an organisation, that keys which see fingerprints may
    /// create in a day.
    pub card_guesses_per_day: u32,
    /// Payments with one card number, of an organisation, that may fail in an hour.
    pub card_declines_per_hour: u32,
    /// Percent of the payments of an account, or of a BIN in an organisation, that may be declined; 0 to 100.
    pub declines_percent_max: u8,
}

impl GuardSettings {
    /// No guard at all.
    pub const OFF: Self =
        Self { card_guesses_per_day: 0, card_declines_per_hour: 0, declines_percent_max: 0 };

    /// Bytes of memory that what is counted takes.
    pub const fn bytes(&self) -> usize {
        let of_guesses = Limiter::bytes(GUESSES_KEYS_MAX).saturating_mul(2);
        let guesses = if self.card_guesses_per_day > 0 { of_guesses } else { 0 };
        let tries = if self.card_declines_per_hour > 0 { Tries::bytes() } else { 0 };
        let declines = if self.declines_percent_max > 0 { Declines::bytes() } else { 0 };
        guesses.saturating_add(tries).saturating_add(declines)
    }
}

/// Watches cards and payments for who tests cards or guesses at their numbers.
pub(crate) struct Guards {
    guesses: Limiter,
    browser_guesses: Limiter,
    tries: Tries,
    declines: Declines,
}

/// What payments are counted by, beside the card number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Payments {
    OfAccount(AccountId),
    OfBin(OrganisationId, Bin),
}

impl Guards {
    pub(crate) fn new(settings: GuardSettings) -> Self {
        let GuardSettings { card_guesses_per_day, card_declines_per_hour, declines_percent_max } = settings;
        Self {
            guesses: Limiter::new(
                "card_guesses_per_day",
                Quota::per_day(card_guesses_per_day),
                GUESSES_KEYS_MAX,
            ),
            browser_guesses: Limiter::new(
                "card_guesses_per_day",
                Quota::per_day(card_guesses_per_day.saturating_mul(BROWSER_GUESSES)),
                GUESSES_KEYS_MAX,
            ),
            tries: Tries::new("card_declines_per_hour", Quota::per_hour(card_declines_per_hour)),
            declines: Declines::new(declines_percent_max),
        }
    }

    /// Counts a card number that is created: each other one with the same clear digits is a guess at who has those. Where only the last four are
    /// in clear, the brand stands for the first.
    ///
    /// `seen` is the fingerprint where the caller sees it. A browser does not, but somebody who reads cards may look for it; of a browser every card
    /// counts, whichever it is, so that it is not told by being refused that a number was there before.
    pub(crate) fn created(
        &self,
        organisation: OrganisationId,
        clear: (Option<Brand>, Option<Bin>, LastFour),
        seen: Option<Fingerprint>,
        now: Now,
    ) -> Result<(), VaultError> {
        let Some(fingerprint) = seen else {
            return self.browser_guesses.take(&(organisation, clear), now).map_err(VaultError::TooMany);
        };
        let what = fingerprint.as_bytes().first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        self.guesses.take_for(&(organisation, clear), what, now).map_err(VaultError::TooMany)
    }

    /// A payment that is about to begin: until it ends it may yet fail, so that of many at once only so many go out. Where its number has several fingerprints it counts
    /// under each.
    pub(crate) fn attempt<'a>(
        &'a self,
        card: &CardRow,
        numbers: &[Fingerprint],
        row: &TransactionRow,
        now: Now,
    ) -> Result<Attempt<'a>, VaultError> {
        let account = Payments::OfAccount(row.account);
        let bin = card.bin.map(|bin| Payments::OfBin(row.organisation, bin));
        let blocked = |field, reason| {
            move |reached: LimitReached| VaultError::Blocked { field, reason, limit: Some(reached) }
        };
        // The narrowest first: one that is blocked for its number or its issuer takes no trial of the account's.
        let what = "too many payments with its number have failed; try again later";
        let numbers_begun = Vec::with_capacity(numbers.len());
        let mut attempt = Attempt { guards: self, numbers: numbers_begun, account, bin, failed: false, now };
        for number in numbers {
            self.tries.begin(number, now).map_err(blocked("card", what))?;
            attempt.numbers.push(*number);
        }
        if let Some(bin) = &attempt.bin {
            let what = "too many payments with cards of its issuer were declined; try again later";
            self.declines.allows(bin, BIN_PAYMENTS_MIN, now).map_err(blocked("card", what))?;
        }
        self.declines
            .allows(&attempt.account, ACCOUNT_PAYMENTS_MIN, now)
            .map_err(blocked("account", "too many of its payments were declined; try again later"))?;
        Ok(attempt)
    }
}

/// A payment that is under way.
pub(crate) struct Attempt<'a> {
    guards: &'a Guards,
    numbers: Vec<Fingerprint>,
    account: Payments,
    bin: Option<Payments>,
    /// Whether it counts against its number, should it end here.
    failed: bool,
    now: Now,
}

impl Attempt<'_> {
    /// From here on it counts, unless it turns out well.
    pub(crate) fn begin(&mut self) {
        self.failed = true;
    }

    /// Counts what has become of it.
    pub(crate) fn end(mut self, row: &TransactionRow, now: Now) {
        self.now = now;
        let declined = match row.state {
            ActionState::Approved => false,
            ActionState::Declined => true,
            // Nothing was tried; or it was taken, and the processor says later what becomes of it.
            ActionState::Unavailable | ActionState::NotSupported | ActionState::Awaited => {
                self.failed = false;
                return;
            }
            // Who tries learns of it later, or not at all.
            ActionState::Failed | ActionState::Unknown | ActionState::InHand | ActionState::ToAsk => return,
        };
        for payments in [Some(self.account), self.bin].into_iter().flatten() {
            self.guards.declines.note(&payments, declined, now);
        }
        // A CVV that does not match was a guess, also where the issuer says yes.
        self.failed = declined || row.cvv_result == CvvResult::NotMatched;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        for number in &self.numbers {
            self.guards.tries.end(number, self.failed, self.now);
        }
    }
}
