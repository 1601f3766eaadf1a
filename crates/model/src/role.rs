use crate::named::named_enum;

named_enum! {
    /// What a caller may do. A key may have several roles; what any of them allows is allowed.
    pub enum Role {
        /// Administers organisations, accounts, processors and keys.
        ProviderAdmin = 1 "ProviderAdmin",
        /// Sees everything, changes nothing.
        ProviderUser = 2 "ProviderUser",
        /// Everything inside an organisation.
        MerchantAdmin = 3 "MerchantAdmin",
        /// All payment actions.
        MerchantSupervisor = 4 "MerchantSupervisor",
        /// Payments, no refunds.
        MerchantCashier = 5 "MerchantCashier",
        /// Sees cards and transactions.
        MerchantUser = 6 "MerchantUser",
        /// A browser: may create a card and put a CVV back, learns nothing else.
        Publishable = 7 "Publishable",
    }
}
