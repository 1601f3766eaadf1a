//! The field of 256 elements, with AES's polynomial x⁸ + x⁴ + x³ + x + 1 (FIPS 197, section 4.2). What is multiplied is secret: no look-up and no branch goes
//! by it.

/// The product.
pub(super) const fn multiply(a: u8, b: u8) -> u8 {
    let (mut product, mut a, mut bit) = (0, a, 0);
    while bit < 8 {
        product ^= a & mask((b >> bit) & 1);
        a = (a << 1) ^ (0x1b & mask(a >> 7));
        bit += 1;
    }
    product
}

/// What gives 1 with it, and 0 for 0: the 254th power.
pub(super) const fn invert(a: u8) -> u8 {
    // 254 is 2 + 4 + … + 128.
    let (mut power, mut product, mut step) = (a, 1, 0);
    while step < 7 {
        power = multiply(power, power);
        product = multiply(product, power);
        step += 1;
    }
    product
}

/// All ones for 1, all zeroes for 0.
const fn mask(bit: u8) -> u8 {
    bit.wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The product as it is defined: of polynomials, and then the rest.
    fn multiply_slowly(a: u8, b: u8) -> u8 {
        let mut wide =
            (0..8).filter(|bit| b >> bit & 1 == 1).fold(0_u16, |sum, bit| sum ^ u16::from(a) << bit);
        for bit in (8..16).rev() {
            if wide >> bit & 1 == 1 {
                wide ^= 0x11b << (bit - 8);
            }
        }
        u8::try_from(wide).unwrap()
    }

    #[test]
    fn all_products_and_inverses_are_those_of_the_field() {
        for a in 0..=u8::MAX {
            for b in 0..=u8::MAX {
                assert_eq!(multiply(a, b), multiply_slowly(a, b), "{a} times {b}");
            }
            assert_eq!(multiply(a, invert(a)), u8::from(a != 0), "{a}");
        }
        // The example of FIPS 197, section 4.2.
        assert_eq!(multiply(0x57, 0x83), 0xc1);
    }
}
