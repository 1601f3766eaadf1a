use crate::named::named_enum;

named_enum! {
    /// What a webhook tells of.
    pub enum WebhookObject {
        /// A transaction.
        Transaction = 1 "transaction",
        /// A refund.
        Refund = 2 "refund",
    }
}

named_enum! {
    /// Where a delivery stands.
    pub enum DeliveryStatus {
        /// To be sent, for the first time or again.
        Waiting = 1 "WAITING",
        /// The receiver has taken it.
        Delivered = 2 "DELIVERED",
        /// It is tried no more.
        Failed = 3 "FAILED",
    }
}

named_enum! {
    /// Why an attempt to deliver came to nothing.
    pub enum DeliveryFault {
        /// The host has no address, or none that may be called.
        Unresolved = 1 "UNRESOLVED",
        /// The address in the URL is none that may be called.
        AddressRefused = 2 "ADDRESS_REFUSED",
        /// Plain HTTP to an address for which it is not allowed.
        NotEncrypted = 3 "NOT_ENCRYPTED",
        /// No connection.
        NotConnected = 4 "NOT_CONNECTED",
        /// No TLS, or a certificate that is not trusted.
        Tls = 5 "TLS",
        /// No answer in time.
        TimedOut = 6 "TIMED_OUT",
        /// The connection ended, or what came is no answer of HTTP.
        Unreadable = 7 "UNREADABLE",
        /// An answer that sends elsewhere, which is not followed.
        Redirected = 8 "REDIRECTED",
        /// An answer that is no success.
        Refused = 9 "REFUSED",
        /// The stored address cannot be called.
        Url = 10 "URL",
        /// The secret of its account cannot be opened, and it is not sent unsigned.
        Unsigned = 11 "UNSIGNED",
    }
}
