//! What the fuzz targets of this crate run (`fuzz/`). A test runs them too, over the kept corpus. Each says whether what it was given was taken.

use crate::body::{Body, form};
use crate::canonical::{ROOM, ROOM_PER_BYTE, canonical};
use crate::fault::Faults;
use crate::fields::Fields;
use crate::limits::{BODY_MEMBERS_MAX, LIST_FILTERS_MAX, LIST_ROWS_MAX, LIST_SKIP_MAX, LIST_VALUES_MAX};
use crate::object::Object;
use crate::object::account::Account;
use crate::object::api_key::ApiKey;
use crate::object::card::Card;
use crate::object::organisation::Organisation;
use crate::object::processor::Processor;
use crate::object::refund::Refund;
use crate::object::transaction::Transaction;
use crate::table::ENDPOINTS;
use crate::{json, list};

/// The first digits of every card number in the corpus.
const CANARY: &str = "411111";

/// A body, read as the fields of every endpoint that has one, up to what its idempotency key is compared by.
///
/// # Panics
///
/// When a fault repeats a card number, what is compared outgrows its room (then a copy is left behind that nobody wipes), or what is read of a form
/// is not JSON.
pub fn body(bytes: &[u8]) -> bool {
    let mut taken = false;
    if let Ok(of_form) = form(&Body::of(bytes)) {
        // Whatever a form holds, it is JSON then, unless it has more members than a body may have.
        let fits = form_urlencoded::parse(bytes).count() <= BODY_MEMBERS_MAX;
        assert_eq!(json::parse(&of_form).is_ok(), fits, "a form is no JSON");
    }
    for spec in ENDPOINTS.iter().filter_map(|endpoint| endpoint.body) {
        let body = Body::of(bytes);
        let mut faults = Faults::default();
        match json::parse(&body) {
            Ok(value) => {
                let fields = Fields::take(value, body.len(), spec.fields, &mut faults);
                let compared = canonical(&fields);
                assert!(compared.len() <= ROOM + ROOM_PER_BYTE * body.len(), "outgrew its room");
                taken |= faults.is_empty();
            }
            Err(at) => faults.not_json(at.to_string()),
        }
        silent(faults);
    }
    taken
}

/// The query of a list, of every kind that there is.
///
/// # Panics
///
/// When a fault repeats a card number, or a list would be longer than lists may be.
pub fn list_query(bytes: &[u8]) -> bool {
    let Ok(query) = core::str::from_utf8(bytes) else { return false };
    let taken = [
        list_of::<Card>(query),
        list_of::<Transaction>(query),
        list_of::<Refund>(query),
        list_of::<Organisation>(query),
        list_of::<Account>(query),
        list_of::<Processor>(query),
        list_of::<ApiKey>(query),
    ];
    taken.contains(&true)
}

fn list_of<O: Object<By: PartialEq>>(query: &str) -> bool {
    match list::read::<O>(Some(query), Faults::default()) {
        Ok(list) => {
            assert!((1..=LIST_ROWS_MAX).contains(&list.limit), "a limit out of bounds");
            assert!(list.skip <= LIST_SKIP_MAX, "skips out of bounds");
            assert!(list.filters.len() <= LIST_FILTERS_MAX, "filters out of bounds");
            let values = list.filters.iter().map(|filter| filter.values.len()).max().unwrap_or(0);
            assert!(values.max(list.organisations.len()) <= LIST_VALUES_MAX, "values out of bounds");
            true
        }
        Err(refusal) => {
            assert!(!refusal.details.is_empty(), "refused without a reason");
            quiet(&refusal.details);
            false
        }
    }
}

fn silent(faults: Faults) {
    quiet(&faults.into_details());
}

fn quiet(details: &[(String, String)]) {
    let told = |text: &String| text.contains(CANARY);
    assert!(!details.iter().any(|(place, what)| told(place) || told(what)), "repeats a card number");
}

#[cfg(test)]
mod tests {
    use panvault_testkit::corpus;

    #[test]
    fn bodies_of_the_corpus_and_beside_it() {
        corpus::replay("body", super::body);
    }

    #[test]
    fn list_queries_of_the_corpus_and_beside_it() {
        corpus::replay("list_query", super::list_query);
    }
}
