//! Prints what a browser must know of card numbers, as a TypeScript module: `cargo xtask web` writes it to `web/src/schemes.ts`.

use std::io::{self, Write as _};

use panvault_card::limits::{
    CVV_DIGITS_MAX, CVV_DIGITS_MIN, HOLDER_BYTES_MAX, HOLDER_BYTES_MIN, PAN_DIGITS_MAX, PAN_DIGITS_MIN,
};
use panvault_card::{cvv_digits, schemes};
use panvault_model::{Brand, EXPIRY_YEARS_AHEAD_MAX};

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "// Written by `cargo xtask web` from the tables of crates/card.\n")?;
    for (name, value) in [
        ("PAN_DIGITS_MIN", PAN_DIGITS_MIN),
        ("PAN_DIGITS_MAX", PAN_DIGITS_MAX),
        ("CVV_DIGITS_MIN", CVV_DIGITS_MIN),
        ("CVV_DIGITS_MAX", CVV_DIGITS_MAX),
        ("HOLDER_BYTES_MIN", HOLDER_BYTES_MIN),
        ("HOLDER_BYTES_MAX", HOLDER_BYTES_MAX),
        ("EXPIRY_YEARS_AHEAD_MAX", usize::from(EXPIRY_YEARS_AHEAD_MAX)),
    ] {
        writeln!(out, "export const {name} = {value};")?;
    }

    writeln!(out, "\n// Digits of a CVV, by brand: fewest and most.")?;
    writeln!(out, "export const CVV_DIGITS: Readonly<Record<string, readonly [number, number]>> = {{")?;
    for brand in Brand::ALL {
        let digits = cvv_digits(Some(*brand));
        writeln!(out, "  {brand}: [{}, {}],", digits.start(), digits.end())?;
    }
    writeln!(out, "}};\n")?;

    writeln!(
        out,
        "// First and last of a range on the scale of eight digits, brand, lengths, and whether no number of"
    )?;
    writeln!(
        out,
        "// the range has another length. Narrowest first: the first row that holds a number is its own."
    )?;
    writeln!(
        out,
        "export const SCHEMES: readonly (readonly [number, number, string, readonly number[], 0 | 1])[] = ["
    )?;
    for scheme in schemes() {
        let (low, high) = scheme.range();
        let brand = scheme.brand();
        let lengths: Vec<_> =
            (PAN_DIGITS_MIN..=PAN_DIGITS_MAX).filter(|digits| scheme.has_length(*digits)).collect();
        // No number has no digits, so only a row whose lengths are sure refuses that.
        let sure = u8::from(scheme.refuses_length(0));
        writeln!(out, "  [{low}, {high}, \"{brand}\", {lengths:?}, {sure}],")?;
    }
    writeln!(out, "];")
}
