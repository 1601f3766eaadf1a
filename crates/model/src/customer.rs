use core::fmt;

use crate::named::named_enum;

named_enum! {
    /// A personal detail of a customer. The numbers go into sealed records and are append-only; the names are those of the API, with that of
    /// the object before those of `billing`.
    pub enum CustomerDetail {
        /// The company.
        CompanyName = 1 "company_name",
        /// Its number in a register.
        CompanyRegistrationNumber = 2 "company_registration_number",
        /// How a person is addressed.
        Title = 3 "title",
        /// Given name.
        FirstName = 4 "first_name",
        /// Family name.
        LastName = 5 "last_name",
        /// As sent.
        Gender = 6 "gender",
        /// `YYYY-MM-DD`.
        DateOfBirth = 7 "date_of_birth",
        /// As sent.
        SocialSecurityNumber = 8 "social_security_number",
        /// Customers are found by it.
        EmailAddress = 9 "email_address",
        /// As the flat body has it.
        PhoneNumber = 10 "phone_number",
        /// As the nested body has it.
        Phone = 11 "phone",
        /// Street and number.
        StreetAddress = 12 "street_address",
        /// As sent.
        PostalCode = 13 "postal_code",
        /// As sent.
        City = 14 "city",
        /// State or province.
        Region = 15 "region",
        /// ISO 3166-1 alpha-2.
        CountryCode = 16 "country_code",
        /// Given name on the bill.
        BillingFirstName = 17 "billing.first_name",
        /// Family name on the bill.
        BillingLastName = 18 "billing.last_name",
        /// First line of the address.
        BillingAddress1 = 19 "billing.address_1",
        /// Second line of the address.
        BillingAddress2 = 20 "billing.address_2",
        /// As sent.
        BillingPhone = 21 "billing.phone",
        /// As sent.
        BillingPostalCode = 22 "billing.postal_code",
        /// ISO 3166-1 alpha-2.
        BillingCountryCode = 23 "billing.country_code",
        /// As sent.
        BillingCity = 24 "billing.city",
        /// As sent.
        BillingState = 25 "billing.state",
    }
}

/// Keyed hash of a customer's e-mail address in small letters: equal for equal addresses inside an organisation, unrelated across them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailDigest([u8; 16]);

impl EmailDigest {
    /// From its 128 bits.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its 128 bits.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads exactly 32 lowercase hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|value| Self(value.to_be_bytes()))
    }
}

/// 32 lowercase hexadecimal digits: what a store compares. No answer has it.
impl fmt::Display for EmailDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for EmailDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailDigest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_as_they_are_written() {
        let digest = EmailDigest::from_bytes([0x0f; 16]);
        assert_eq!(EmailDigest::parse(&digest.to_string()), Some(digest));
        assert_eq!(digest.to_string(), "0f".repeat(16));
        assert_eq!(EmailDigest::parse(&"0F".repeat(16)), None);
        assert_eq!(EmailDigest::parse("0f"), None);
    }

    #[test]
    fn numbers_and_names_of_details_are_their_own() {
        for (at, detail) in CustomerDetail::ALL.iter().enumerate() {
            assert_eq!(usize::from(detail.code()), at + 1);
            assert_eq!(CustomerDetail::parse(detail.as_str()), Some(*detail));
        }
    }
}
