use crate::error::ErrorCode;
use crate::fields::Field;
use crate::limits::FAULTS_MAX;

/// What is wrong with a request: every fault of it, by the place of the field, without any value.
#[derive(Default)]
pub(crate) struct Faults {
    details: Vec<(String, String)>,
    not_json: bool,
    missing: bool,
    unexpected: bool,
}

impl Faults {
    /// A field that is badly formed.
    pub(crate) fn malformed(&mut self, place: impl Into<String>, what: impl ToString) {
        self.push(place.into(), what.to_string());
    }

    /// A body that could not be read at all.
    pub(crate) fn not_json(&mut self, what: String) {
        self.not_json = true;
        self.push("body".to_owned(), what);
    }

    /// A required field that is not there.
    pub(crate) fn missing(&mut self, place: impl Into<String>) {
        self.missing = true;
        self.push(place.into(), "is required".to_owned());
    }

    /// None of several fields of which one is required.
    pub(crate) fn missing_one_of(&mut self, place: &str, what: &str) {
        self.missing = true;
        self.push(place.to_owned(), what.to_owned());
    }

    /// A field that is not known here. Its name is repeated only if it cannot hold a card number.
    pub(crate) fn unexpected(&mut self, place: &str, name: &str) {
        self.unexpected = true;
        self.push(format!("{place}.{}", shown(name)), "is not expected here".to_owned());
    }

    /// The value of a field of the body, or its fault.
    pub(crate) fn field<F: ?Sized, T, E: ToString>(
        &mut self,
        field: &Field<F>,
        value: Result<T, E>,
    ) -> Option<T> {
        value.map_err(|fault| self.malformed(field.place(), fault)).ok()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.details.is_empty()
    }

    /// The most basic of the faults.
    pub(crate) const fn code(&self) -> ErrorCode {
        if self.not_json {
            ErrorCode::NotJson
        } else if self.missing {
            ErrorCode::Missing
        } else if self.unexpected {
            ErrorCode::Unexpected
        } else {
            ErrorCode::Malformed
        }
    }

    pub(crate) fn into_details(self) -> Vec<(String, String)> {
        self.details
    }

    fn push(&mut self, place: String, what: String) {
        if self.details.len() < FAULTS_MAX && !self.details.iter().any(|(known, _)| *known == place) {
            self.details.push((place, what));
        }
    }
}

/// A name as it may be repeated: not one that could be a card number or a CVV.
pub(crate) fn shown(name: &str) -> &str {
    let plain = name.len() <= 64
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        && name.bytes().filter(u8::is_ascii_digit).count() < 6
        && name.bytes().any(|byte| byte.is_ascii_alphabetic());
    if plain { name } else { "?" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_hold_a_card_number_are_not_repeated() {
        assert_eq!((shown("cvc"), shown("address_1"), shown("x-y.z")), ("cvc", "address_1", "x-y.z"));
        let long = "a".repeat(65);
        for name in ["", "4111111111111111", "41-11-11", "123", "é", "a b", long.as_str()] {
            assert_eq!(shown(name), "?", "{name}");
        }
    }

    #[test]
    fn the_code_is_that_of_the_most_basic_fault() {
        let mut faults = Faults::default();
        faults.malformed("body.a", "x");
        assert_eq!(faults.code(), ErrorCode::Malformed);
        faults.unexpected("body", "b");
        assert_eq!(faults.code(), ErrorCode::Unexpected);
        faults.missing("body.c");
        assert_eq!(faults.code(), ErrorCode::Missing);
        faults.not_json("x".to_owned());
        assert_eq!(faults.code(), ErrorCode::NotJson);
        assert_eq!(faults.into_details().len(), 4);
    }
}
