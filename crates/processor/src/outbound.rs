use panvault_card::{Cryptogram, Cvv, Holder, Pan};
use panvault_model::{
    Amount, Brand, CardKind, Currency, Expiry, RecurringType, ShopperInteraction, TransactionId,
};
use zeroize::Zeroizing;

/// What is to be done with a card: everything of a transaction that is no secret.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are those of the API")]
pub struct Order {
    pub transaction: TransactionId,
    /// Which try of it this is, from 1: of those that a route makes.
    pub try_number: u8,
    pub amount: Amount,
    pub currency: Currency,
    pub capture_now: bool,
    pub merchant_reference: String,
    pub dynamic_descriptor: String,
    pub customer_ip: String,
    pub recurring_type: Option<RecurringType>,
    pub shopper_interaction: Option<ShopperInteraction>,
    pub threed_authentication: Option<ThreeDSecure>,
    /// What the network called the first of the series, of a later one.
    pub network_transaction_id: Option<String>,
}

/// What a 3-D Secure authentication that was made elsewhere has shown, as EMV 3-D Secure names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreeDSecure {
    /// Electronic Commerce Indicator, two digits.
    pub eci: String,
    /// Authentication value, base64 of 20 bytes.
    pub cavv: Option<String>,
    /// The directory server's id of it, a UUID.
    pub ds_transaction_id: Option<String>,
    /// Of the protocol, such as `2.2.0`.
    pub version: Option<String>,
    /// What came of it, one capital letter: `Y` for authenticated, `A` for attempted.
    pub status: Option<String>,
}

/// What a payment with a network token brings beside the token.
pub struct NetworkToken {
    /// That of this payment; none where the merchant makes a later one of a series.
    pub cryptogram: Option<Cryptogram>,
    /// Electronic Commerce Indicator that came with the cryptogram, two digits.
    pub eci: Option<String>,
}

/// A card on its way to a processor: the one place where plaintext crosses a wait.
pub struct Outbound {
    card_number: Zeroizing<Box<[u8]>>,
    cvv: Option<Zeroizing<Box<[u8]>>>,
    holder: Option<Zeroizing<Box<[u8]>>>,
    kind: CardKind,
    brand: Option<Brand>,
    cryptogram: Option<Zeroizing<Box<[u8]>>>,
    cryptogram_eci: Option<String>,
    expiry: Expiry,
    order: Order,
}

impl Outbound {
    /// Takes the opened card; the types it was in are wiped here.
    pub fn new(pan: Pan, expiry: Expiry, cvv: Option<Cvv>, holder: Option<Holder>, order: Order) -> Self {
        let boxed = |bytes: &[u8]| Zeroizing::new(Box::from(bytes));
        let outbound = Self {
            card_number: boxed(pan.expose_digits()),
            cvv: cvv.as_ref().map(|cvv| boxed(cvv.expose_digits())),
            holder: holder.as_ref().map(|holder| boxed(holder.expose_text().as_bytes())),
            kind: CardKind::Card,
            brand: pan.brand(),
            cryptogram: None,
            cryptogram_eci: None,
            expiry,
            order,
        };
        drop((pan, cvv, holder));
        outbound
    }

    /// The same, whose number is a network token; the type that its cryptogram was in is wiped here.
    #[must_use]
    pub fn as_network_token(self, token: NetworkToken) -> Self {
        let NetworkToken { cryptogram, eci } = token;
        let boxed = |cryptogram: &Cryptogram| Zeroizing::new(Box::from(cryptogram.expose_text().as_bytes()));
        Self {
            kind: CardKind::NetworkToken,
            cryptogram: cryptogram.as_ref().map(boxed),
            cryptogram_eci: eci,
            ..self
        }
    }

    /// What its number is.
    pub const fn kind(&self) -> CardKind {
        self.kind
    }

    /// Its scheme, where it is known.
    pub const fn brand(&self) -> Option<Brand> {
        self.brand
    }

    /// The ECI that came with the cryptogram.
    pub fn cryptogram_eci(&self) -> Option<&str> {
        self.cryptogram_eci.as_deref()
    }

    /// What is to be done.
    pub const fn order(&self) -> &Order {
        &self.order
    }

    /// Month at whose end the card expires.
    pub const fn expiry(&self) -> Expiry {
        self.expiry
    }

    /// Whether a CVV goes along.
    pub const fn carries_cvv(&self) -> bool {
        self.cvv.is_some()
    }

    /// The card number, ASCII digits.
    pub fn expose_card_number(&self) -> &[u8] {
        &self.card_number
    }

    /// The CVV, ASCII digits.
    pub fn expose_cvv(&self) -> Option<&[u8]> {
        self.cvv.as_ref().map(|cvv| cvv.as_ref())
    }

    /// The cryptogram of a network token, base64.
    pub fn expose_cryptogram(&self) -> Option<&[u8]> {
        self.cryptogram.as_ref().map(|cryptogram| cryptogram.as_ref())
    }

    /// The holder's name.
    pub fn expose_holder(&self) -> Option<&str> {
        self.holder.as_ref().and_then(|holder| core::str::from_utf8(holder).ok())
    }
}
