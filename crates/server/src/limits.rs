//! The limits of this crate, each with its unit.

use core::time::Duration;

use panvault_vault::Limiter;
use panvault_vault::limits::IMAGE_BYTES_MAX;

use crate::proxies::TrustedProxies;

/// Bytes of a request body.
pub const BODY_BYTES_MAX: usize = 16 * 1024;
/// Bytes of one that is a picture: as many as base64 makes of one, and what stands around it.
pub const PICTURE_BODY_BYTES_MAX: usize = IMAGE_BYTES_MAX.div_ceil(3) * 4 + 256;
/// Such bodies at a time; others wait for their turn.
pub const PICTURE_BODIES_MAX: usize = 4;
/// Seconds for which the status goes on saying where the newest transactions stood.
pub const RECENT_SECONDS: u64 = 10;
/// Bytes of one that is a form: one with a card has some 300.
pub const FORM_BYTES_MAX: usize = 2048;
/// Levels of a request body.
pub const BODY_DEPTH_MAX: usize = 8;
/// Members of all objects and elements of all arrays of a request body together. The largest that is of use has about 80.
pub const BODY_MEMBERS_MAX: usize = 256;
/// Faults that one answer lists.
pub const FAULTS_MAX: usize = 32;
/// Headers of a request.
pub const HEADERS_MAX: usize = 64;
/// Bytes of the head of a request.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a line of the head that says how a body is framed: `Transfer-Encoding: chunked`, or `Content-Length` and its digits.
pub const FRAMING_LINE_BYTES_MAX: usize = 64;
/// Characters of an idempotency key.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;
/// Characters of one from a browser, if it is not a UUID: those of 16 bytes in base64url.
pub const IDEMPOTENCY_KEY_RANDOM_CHARS_MIN: usize = 22;
/// Seconds for which a client may take nothing of what it is sent.
pub const STALL_SECONDS_MAX: u64 = 30;
/// Bytes in a second that it must take of that, when it takes less than there is.
pub const ANSWER_BYTES_PER_SECOND_MIN: u64 = 16 * 1024;
/// Bytes of an answer that its connection has room for by itself; longer ones share `answers_bytes_max`.
pub const ANSWER_OWN_BYTES_MAX: usize = 32 * 1024;
/// Bytes of memory that a connection takes at most: its head and body while they arrive, or its answer, and what the HTTP library keeps.
pub const CONNECTION_BYTES_MAX: usize = 96 * 1024;
/// Bytes that TLS takes for it beside.
pub const CONNECTION_TLS_BYTES_MAX: usize = 96 * 1024;
/// Bytes that the kernel takes of an answer before its reader has; it counts its own beside them, up to as many again.
pub const SEND_BUFFER_BYTES: usize = 128 * 1024;
/// Bytes of the answer of a list.
pub const LIST_ANSWER_BYTES_MAX: usize = 4 << 20;
/// Bytes that are read away of what comes in on a connection that ends.
pub const LINGER_BYTES_MAX: usize = 1024 * 1024;
/// Seconds for which they are.
pub const LINGER_SECONDS_MAX: u64 = 2;
/// Connections beyond the limit that are told so at a time; further ones are closed without a word.
pub const TURNED_AWAY_MAX: usize = 32;
/// Seconds for the handshake, the head and the body of a request on such a connection to arrive.
pub const TURNED_AWAY_SECONDS_MAX: u64 = 2;
/// Milliseconds for which a new connection waits for one that makes room for it to be gone.
pub const ROOM_MILLIS_MAX: u64 = 1000;
/// Connections that are chosen at a time to make room for new ones.
pub const ROOM_MADE_MAX: usize = 64;
/// Connections without a key that an address may have before its are the first to make room.
pub const ADDRESS_CONNECTIONS_FEW: usize = 8;
/// Cards whose issuers one request of a command derives again.
pub const LOCAL_REFRESH_CARDS_MAX: usize = 512;
/// Bytes of a request that changes the header of keys, at most: the largest header, and what is handed over of it, as text.
pub const LOCAL_HEADER_BYTES_MAX: usize = 128 * 1024;
/// Bytes of an answer to a command on this machine.
pub const LOCAL_ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Seconds for which a command on this machine may send nothing: one that shows what it was answered may wait for its reader.
pub const LOCAL_IDLE_SECONDS_MAX: u64 = 300;
/// Connections to the listener of metrics at a time.
pub const METRICS_CONNECTIONS_MAX: usize = 64;
/// Connections to the console's listener at a time: a browser has six.
pub const CONSOLE_CONNECTIONS_MAX: usize = 64;
/// Seconds that its connections have to end when the server stops.
pub const CONSOLE_STOP_SECONDS_MAX: u64 = 5;
/// Bytes of what is brought to unseal a vault.
pub const UNSEAL_BODY_BYTES_MAX: usize = 4096;
/// Bytes of the name of a person who signs in at the console.
pub const PERSON_BYTES_MAX: usize = 128;
/// Seconds for the head or the body of a request for metrics to arrive.
pub const METRICS_SECONDS_MAX: u64 = 10;
/// Milliseconds for which a listener rests when it cannot take a connection.
pub const ACCEPT_PAUSE_MILLIS: u64 = 50;
/// Pauses of a listener of which one is logged.
pub const ACCEPT_LOG_EVERY: u32 = 200;
/// Pairs of a card's metadata.
pub const METADATA_PAIRS_MAX: usize = 20;
/// Bytes of all names and values of a card's metadata.
pub const METADATA_BYTES_MAX: usize = 2048;
/// Bytes of a name in metadata.
pub const METADATA_NAME_BYTES_MAX: usize = 40;
/// Bytes of a value in metadata.
pub const METADATA_VALUE_BYTES_MAX: usize = 500;
/// Bytes of a text that has no limit of its own.
pub const TEXT_BYTES_MAX: usize = 255;
/// Bytes of what the statement says.
pub const DESCRIPTOR_BYTES_MAX: usize = 100;
/// Bytes of the merchant's name for a payment.
pub const REFERENCE_BYTES_MAX: usize = 100;
/// Bytes of the address of a webhook.
pub const WEBHOOK_BYTES_MAX: usize = 500;
/// Bytes of an address that a shopper is sent to.
pub const REDIRECT_BYTES_MAX: usize = 2000;
/// Bytes of a result of 3-D Secure 1.
pub const PARES_BYTES_MAX: usize = 8192;
/// Bytes of a shopper's browser that are kept.
pub const USER_AGENT_BYTES_MAX: usize = 512;
/// Rows of a list when none are asked for.
pub const LIST_ROWS_DEFAULT: u32 = 100;
/// Rows of a list.
pub const LIST_ROWS_MAX: u32 = 1000;
/// Rows of a page of a list that is streamed.
pub const STREAM_PAGE_ROWS: usize = 500;
/// Times that a further page of it is asked for again, where there is no room at the moment.
pub const STREAM_RETRIES_MAX: u32 = 50;
/// Milliseconds between two of these.
pub const STREAM_RETRY_MILLIS: u64 = 200;
/// Lists that are shown as CSV, or with objects in the place of ids, at a time; others wait for their turn.
pub const LISTS_SHOWN_MAX: usize = 8;
/// Rows of a list that may be left out at its front: each is gone through, as one that is examined is.
pub const LIST_SKIP_MAX: u64 = 100_000;
/// Rows that are counted for `X-Total-Count`, where counting them needs going through them.
pub const LIST_COUNTED_MAX: u64 = 10_000;
/// Rows that `…/count` counts, where counting them needs going through them.
pub const COUNT_COUNTED_MAX: u64 = 100_000;
/// Rows that are examined for a list or a count: those that its index leaves.
pub const LIST_EXAMINED_MAX: u64 = 100_000;
/// The largest number that a condition of a list compares with.
pub const LIST_NUMBER_MAX: u64 = 999_999_999_999_999;
/// API keys of which it is known how often they ask; beyond that, those that ask least are forgotten.
pub const RATE_KEYS_MAX: usize = 16_384;
/// Organisations of which the same is known.
pub const RATE_ORGANISATIONS_MAX: usize = 16_384;
/// Addresses of browsers of which the same is known.
pub const RATE_ADDRESSES_MAX: usize = 32_768;
/// Documents of frames that an address may load for each request that it may send: a form has five fields at most, is asked for once, and is
/// loaded by more shoppers than fill it in.
pub const FRAMES_PER_REQUEST: u32 = 20;
/// Notifications of processors that an address may send for each request that a browser there may: a PSP tells of all its payments from a few.
pub const NOTIFICATIONS_PER_REQUEST: u32 = 100;
/// Milliseconds that a list goes on for a client which has closed its side, and has most likely gone.
pub const CLOSED_MILLIS_MAX: u64 = 1000;
/// Milliseconds between two looks at whether it has.
pub const CLOSED_TICK_MILLIS: u64 = 100;
/// Conditions of one list: a field and how it is compared.
pub const LIST_FILTERS_MAX: usize = 32;
/// Different values that one condition of a list compares with, and organisations that one list names.
pub const LIST_VALUES_MAX: usize = 32;

/// What may be set.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Connections at a time. Beyond them the oldest that are idle and without a valid key make room; where none is, further ones are
    /// answered 503 and closed.
    pub connections_max: usize,
    /// Time for the head of a request to arrive, and for a connection without requests to stay.
    pub header_timeout: Duration,
    /// Time for the body of a request to arrive.
    pub body_timeout: Duration,
    /// Time for a TLS handshake.
    pub handshake_timeout: Duration,
    /// Bytes of long answers that are held at a time until they have been read; one organisation gets half at most.
    pub answers_bytes_max: usize,
    /// Time for requests that run to end when the server stops.
    pub stop_grace: Duration,
    /// Look-ups of issuers that one API key may make in a minute.
    pub bin_lookups_per_minute: u32,
    /// How often may be asked.
    pub requests: RequestLimits,
    /// The web origin (RFC 6454) that browsers know this vault by; without it, that of the host which a request names.
    pub public_origin: Option<String>,
    /// Whether the API's listener has a certificate of its own.
    pub has_tls: bool,
    /// Who may say whose request they pass on.
    pub trusted_proxies: TrustedProxies,
    /// Rows that are examined for a list or a count.
    pub list_examined_max: u64,
    /// Rows that are counted for the total of a list, where counting them needs going through them.
    pub list_counted_max: u64,
}

/// Requests in a minute, at once or spread out; 0 is any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestLimits {
    /// Of an API key of a server.
    pub requests_per_minute: u32,
    /// Of all API keys of an organisation together.
    pub organisation_requests_per_minute: u32,
    /// Cards that an API key of a server creates.
    pub cards_per_minute: u32,
    /// Of an API key of a browser, all of whose requests are about cards.
    pub browser_requests_per_minute: u32,
    /// Of browsers at one address: of IPv6, in 64 bits of it.
    pub address_requests_per_minute: u32,
}

impl RequestLimits {
    /// Bytes of memory that what is counted takes, look-ups of issuers included.
    pub fn bytes(&self) -> usize {
        let of = |uses: u32, keys_max| if uses > 0 { Limiter::bytes(keys_max) } else { 0 };
        let shares = [
            of(self.requests_per_minute, RATE_KEYS_MAX),
            of(self.organisation_requests_per_minute, RATE_ORGANISATIONS_MAX),
            of(self.cards_per_minute, RATE_KEYS_MAX),
            of(self.browser_requests_per_minute, RATE_KEYS_MAX),
            of(self.address_requests_per_minute, RATE_ADDRESSES_MAX),
            // Those that load frames, and those that tell what became of payments.
            of(self.address_requests_per_minute, RATE_ADDRESSES_MAX),
            of(self.address_requests_per_minute, RATE_ADDRESSES_MAX),
            Limiter::bytes(RATE_KEYS_MAX),
        ];
        shares.into_iter().fold(0, usize::saturating_add)
    }
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            answers_bytes_max: 64 << 20,
            stop_grace: Duration::from_secs(30),
            bin_lookups_per_minute: 600,
            requests: RequestLimits::default(),
            public_origin: None,
            has_tls: false,
            trusted_proxies: TrustedProxies::default(),
            list_examined_max: LIST_EXAMINED_MAX,
            list_counted_max: LIST_COUNTED_MAX,
        }
    }
}
