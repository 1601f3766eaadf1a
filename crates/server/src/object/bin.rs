//! What is known of card numbers that begin with some digits.

use panvault_model::{Bin as FirstSix, Brand};
use panvault_vault::{BinView, CardField};

use super::card::Issuer;
use super::object;

object! {
    /// What is known of numbers that begin with some digits, under the names that a card has.
    Bin "Bin" of view: BinView, by CardField, with [Issuer of &view.facts] {
        /// The first six of the digits.
        always "bin" => FirstSix = view.bin, example "411111";
        /// The scheme of all such numbers.
        nullable "brand" => Brand = view.brand, example "Visa";
    }
}
