use crate::named::named_enum;

named_enum! {
    /// Where a transaction stands.
    pub enum TransactionStatus {
        /// Written down; the processor has not answered.
        Initiated = 1 "INITIATED",
        /// The outcome is awaited.
        Pending = 2 "PENDING",
        /// Money is reserved.
        Authorized = 3 "AUTHORIZED",
        /// The reservation was released.
        AuthorizationVoided = 4 "AUTHORIZATION_VOIDED",
        /// Queued for settlement.
        SettlementRequested = 5 "SETTLEMENT_REQUESTED",
        /// Sent to the acquirer.
        SettlementSubmitted = 6 "SETTLEMENT_SUBMITTED",
        /// Some instalments are settled.
        SettlementPartial = 7 "SETTLEMENT_PARTIAL",
        /// Settled.
        SettlementCompleted = 8 "SETTLEMENT_COMPLETED",
        /// Taken back before it was processed.
        SettlementCancelled = 9 "SETTLEMENT_CANCELLED",
        /// The processor said no.
        Declined = 10 "DECLINED",
        /// Refused, or an error.
        Failed = 11 "FAILED",
        /// The outcome cannot be told.
        Unknown = 12 "UNKNOWN",
        /// The processor could not be reached.
        Unavailable = 13 "UNAVAILABLE",
        /// The processor cannot do this.
        NotSupported = 14 "NOT_SUPPORTED",
    }
}

named_enum! {
    /// What the issuer said of the CVV. The names are the digits that the API shows.
    pub enum CvvResult {
        /// No answer, or no CVV was sent.
        Unavailable = 0 "0",
        /// It is the right one.
        Matched = 1 "1",
        /// It is not the right one.
        NotMatched = 2 "2",
        /// The issuer did not look.
        NotChecked = 3 "3",
    }
}

named_enum! {
    /// Where a transaction stands in a series.
    pub enum RecurringType {
        /// The first of a series.
        First = 1 "first",
        /// A later one.
        Repeat = 2 "repeat",
    }
}

named_enum! {
    /// How the shopper gave the order.
    pub enum ShopperInteraction {
        /// In a web shop.
        Ecommerce = 1 "ECOMMERCE",
        /// By mail or telephone.
        Moto = 2 "MOTO",
        /// At a terminal.
        Pos = 3 "POS",
    }
}

named_enum! {
    /// Where a refund stands.
    pub enum RefundStatus {
        /// On its way, or nobody knows yet; it counts.
        Pending = 1 "PENDING",
        /// The money is back.
        Processed = 2 "PROCESSED",
        /// Nothing was given back.
        Failed = 3 "FAILED",
    }
}
