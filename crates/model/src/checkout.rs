use crate::named::named_enum;

named_enum! {
    /// Where a checkout stands.
    pub enum CheckoutStatus {
        /// The shopper may pay.
        Open = 1 "open",
        /// A payment is under way, or what became of it is not known yet.
        Processing = 2 "processing",
        /// It is paid, verified, or its card is stored.
        Completed = 3 "completed",
        /// It was tried as often as it may be, and nothing came of it.
        Failed = 4 "failed",
        /// Its time ended before anything came of it.
        Expired = 5 "expired",
        /// The shopper gave up, or the merchant ended it.
        Cancelled = 6 "cancelled",
    }
}

named_enum! {
    /// What a checkout does with the shopper's card.
    pub enum CheckoutPurpose {
        /// Moves or reserves money.
        Pay = 1 "pay",
        /// Stores it, and nothing else.
        Tokenise = 2 "tokenise",
        /// Asks the issuer whether it is good.
        Verify = 3 "verify",
    }
}

named_enum! {
    /// Why nothing came of a checkout: the word in the return URL.
    pub enum CheckoutFailure {
        /// The last attempt was declined, or failed.
        Declined = 1 "declined",
        /// Its time ended.
        Expired = 2 "expired",
        /// The shopper gave up, or the merchant ended it.
        Cancelled = 3 "cancelled",
    }
}
