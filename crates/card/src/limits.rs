//! The limits of this crate, each with its unit.

/// Fewest digits of a card number (ISO/IEC 7812-1 allows fewer; no scheme uses fewer).
pub const PAN_DIGITS_MIN: usize = 12;
/// Most digits of a card number (ISO/IEC 7812-1).
pub const PAN_DIGITS_MAX: usize = 19;
/// Fewest digits by which an issuer is looked up (ISO/IEC 7812-1 before 2017).
pub const BIN_DIGITS_MIN: usize = 6;
/// Most digits of a BIN in a list or a question. More could be a card number.
pub const BIN_DIGITS_MAX: usize = 11;
/// Most leading digits of a card number that anything kept in clear beside its last four may depend on: of numbers of
/// [`ISSUER_DIGITS_PAN_DIGITS`] digits of some schemes (PCI SSC FAQ 1091). Of all others it is [`BIN_DIGITS_MIN`].
pub const ISSUER_DIGITS_MAX: usize = 8;
/// Digits of the card numbers of which [`ISSUER_DIGITS_MAX`] may be.
pub const ISSUER_DIGITS_PAN_DIGITS: usize = 16;
/// Fewest digits of a CVV.
pub const CVV_DIGITS_MIN: usize = 3;
/// Most digits of a CVV.
pub const CVV_DIGITS_MAX: usize = 4;
/// Fewest bytes of a cryptogram of a network token (Mastercard).
pub const CRYPTOGRAM_BYTES_MIN: usize = 19;
/// Most bytes of one (American Express).
pub const CRYPTOGRAM_BYTES_MAX: usize = 40;
/// Characters of base64 that these are.
pub const CRYPTOGRAM_CHARS_MAX: usize = CRYPTOGRAM_BYTES_MAX.div_ceil(3) * 4;
/// Fewest bytes of a holder's name (EMV 3-D Secure).
pub const HOLDER_BYTES_MIN: usize = 2;
/// Most bytes of a holder's name (EMV 3-D Secure).
pub const HOLDER_BYTES_MAX: usize = 45;

/// Most bytes of a personal detail of a customer.
pub const CUSTOMER_TEXT_BYTES_MAX: usize = 255;
/// The block that a customer's details are sealed in is a multiple of so many bytes: how long each is does not show.
pub const CUSTOMER_BLOCK_STEP_BYTES: usize = 256;
/// Most bytes of that block: every detail, as long as it may be.
pub const CUSTOMER_BLOCK_BYTES_MAX: usize = 6656;

/// Digits of a card number from which on its first six are shown beside its last four (the schemes' rules for truncation, PCI SSC
/// FAQ 1091).
pub const BIN_PAN_DIGITS_MIN: usize = 15;
