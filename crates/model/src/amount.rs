/// The largest amount: 2^31 - 1 minor units.
pub const AMOUNT_MAX: u32 = i32::MAX.cast_unsigned();

/// Money in minor units of the account's currency (ISO 4217), 0 to [`AMOUNT_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Amount(u32);

impl Amount {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// The amount, if it is in range.
    pub const fn new(minor_units: u32) -> Option<Self> {
        if minor_units <= AMOUNT_MAX { Some(Self(minor_units)) } else { None }
    }

    /// Minor units.
    pub const fn minor_units(self) -> u32 {
        self.0
    }

    /// Whether this is an account verification: no money is to move.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Both together, if that is in range.
    pub const fn plus(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Self::new(sum),
            None => None,
        }
    }

    /// What is left when `other` is taken away; `None` when that is more.
    pub const fn minus(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(left) => Some(Self(left)),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_at_31_bits() {
        assert_eq!(Amount::new(AMOUNT_MAX).map(Amount::minor_units), Some(2_147_483_647));
        assert_eq!(Amount::new(AMOUNT_MAX + 1), None);
    }

    #[test]
    fn sums_stay_in_range() {
        let [one, most] = [1, AMOUNT_MAX].map(|units| Amount::new(units).unwrap());
        assert_eq!((most.plus(one), one.plus(one).map(Amount::minor_units)), (None, Some(2)));
        assert_eq!((one.minus(most), most.minus(most)), (None, Some(Amount::ZERO)));
    }
}
