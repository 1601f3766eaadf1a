use std::net::IpAddr;

use panvault_model::Now;
use panvault_vault::{Caller, CardCreate, LimitReached, Limiter, Operation, Quota};

use crate::limits::{
    FRAMES_PER_REQUEST, NOTIFICATIONS_PER_REQUEST, RATE_ADDRESSES_MAX, RATE_KEYS_MAX, RATE_ORGANISATIONS_MAX,
    RequestLimits,
};
use crate::room::network;

/// How often keys, organisations and browsers may ask, counted by this process. Commands on this machine are not counted.
pub(crate) struct Rates {
    requests: Limiter,
    organisation_requests: Limiter,
    cards: Limiter,
    browser_requests: Limiter,
    address_requests: Limiter,
    address_frames: Limiter,
    address_notifications: Limiter,
    bin_lookups: Limiter,
}

impl Rates {
    pub(crate) fn new(limits: RequestLimits, bin_lookups_per_minute: u32) -> Self {
        let limiter = |name, uses, keys_max| Limiter::new(name, Quota::per_minute(uses), keys_max);
        Self {
            requests: limiter("requests_per_minute", limits.requests_per_minute, RATE_KEYS_MAX),
            organisation_requests: limiter(
                "organisation_requests_per_minute",
                limits.organisation_requests_per_minute,
                RATE_ORGANISATIONS_MAX,
            ),
            cards: limiter("cards_per_minute", limits.cards_per_minute, RATE_KEYS_MAX),
            browser_requests: limiter(
                "browser_requests_per_minute",
                limits.browser_requests_per_minute,
                RATE_KEYS_MAX,
            ),
            address_requests: limiter(
                "address_requests_per_minute",
                limits.address_requests_per_minute,
                RATE_ADDRESSES_MAX,
            ),
            address_frames: limiter(
                "address_frames_per_minute",
                limits.address_requests_per_minute.saturating_mul(FRAMES_PER_REQUEST),
                RATE_ADDRESSES_MAX,
            ),
            address_notifications: limiter(
                "address_notifications_per_minute",
                limits.address_requests_per_minute.saturating_mul(NOTIFICATIONS_PER_REQUEST),
                RATE_ADDRESSES_MAX,
            ),
            bin_lookups: limiter("bin_lookups_per_minute", bin_lookups_per_minute, RATE_KEYS_MAX),
        }
    }

    /// Counts a request, the narrowest limit first. Where one is reached, none that is wider is counted.
    pub(crate) fn take(
        &self,
        caller: &Caller,
        operation: &str,
        address: Option<IpAddr>,
    ) -> Result<(), LimitReached> {
        let (Some(key), Some(organisation)) = (caller.api_key(), caller.organisation()) else {
            return Ok(());
        };
        let now = caller.now();
        if caller.is_browser() {
            // Servers of a merchant share an address and the work; each shopper has one.
            self.take_address(address, now)?;
            self.browser_requests.take(&key, now)?;
        } else {
            if operation == CardCreate::NAME {
                self.cards.take(&key, now)?;
            }
            self.requests.take(&key, now)?;
        }
        self.organisation_requests.take(&organisation, now)
    }

    /// Counts a request of a browser by its address alone: before it is known whose it is.
    pub(crate) fn take_address(&self, address: Option<IpAddr>, now: Now) -> Result<(), LimitReached> {
        address.map_or(Ok(()), |address| self.address_requests.take(&network(address), now))
    }

    /// Counts that an address asks for the document of a frame, or what it would be told of a key: nobody sends a key with that, so that there is
    /// nothing else to count by.
    pub(crate) fn take_frame(&self, address: Option<IpAddr>, now: Now) -> Result<(), LimitReached> {
        address.map_or(Ok(()), |address| self.address_frames.take(&network(address), now))
    }

    /// Counts that an address asked for the frame of a checkout that is none: a guess, which is as much as a request.
    pub(crate) fn take_guess(&self, address: Option<IpAddr>, now: Now) {
        for _ in 0..FRAMES_PER_REQUEST {
            if self.take_frame(address, now).is_err() {
                return;
            }
        }
    }

    /// Counts what is sent as a notification of a processor, before it is known whether it is signed.
    pub(crate) fn take_notification(&self, address: Option<IpAddr>, now: Now) -> Result<(), LimitReached> {
        address.map_or(Ok(()), |address| self.address_notifications.take(&network(address), now))
    }

    /// Counts a look-up of an issuer.
    pub(crate) fn take_bin_lookup(&self, caller: &Caller) -> Result<(), LimitReached> {
        caller.api_key().map_or(Ok(()), |key| self.bin_lookups.take(&key, caller.now()))
    }
}
