//! The query of a list: `_limit`, `_skip`, `_after`, `_sort`, `_count`, and conditions on fields.

use panvault_card::holds_card_number;
use panvault_model::{Id, OrganisationId};
use panvault_vault::{Count, Direction, Filter, Indexed, Query, StoreFault, Test, VaultError};

use crate::asked::Reads;
use crate::error::{ErrorCode, Refusal};
use crate::fault::{Faults, shown};
use crate::limits::{
    COUNT_COUNTED_MAX, LIST_FILTERS_MAX, LIST_ROWS_DEFAULT, LIST_ROWS_MAX, LIST_SKIP_MAX, LIST_VALUES_MAX,
    ServerSettings,
};
use crate::object::Object;
use crate::object::shape::{Shape, whole};

/// Reads the query of a list; `faults` are those of the rest of the request.
pub(crate) fn read<O: Object<By: PartialEq>>(
    query: Option<&str>,
    mut faults: Faults,
) -> Result<Query<O::By>, Refusal> {
    let mut list = Query::newest(Vec::new(), LIST_ROWS_DEFAULT);
    let mut is_sorted = false;
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match name.as_ref() {
            "_limit" => match whole(&value).filter(|limit| (1..=u64::from(LIST_ROWS_MAX)).contains(limit)) {
                Some(limit) => list.limit = u32::try_from(limit).unwrap_or(LIST_ROWS_MAX),
                None => faults.malformed("query._limit", format!("must be 1 to {LIST_ROWS_MAX}")),
            },
            "_skip" => match whole(&value).filter(|skip| *skip <= LIST_SKIP_MAX) {
                Some(skip) => list.skip = skip,
                None => faults.malformed(
                    "query._skip",
                    format!("must be 0 to {LIST_SKIP_MAX}; what lies deeper is behind an _id, with _after"),
                ),
            },
            "_after" => match Id::parse(&value) {
                Ok(_) if list.after.is_some() => faults.malformed("query._after", "may be given once"),
                Ok(id) => list.after = Some(id),
                Err(_) => faults.malformed("query._after", "must be an id: 24 lowercase hexadecimal digits"),
            },
            "_count" if value == "none" => list.count = Count::PageEnd,
            "_count" => faults.malformed("query._count", "must be none, or left out"),
            // It is of what is shown, and was read before.
            "_populate" => {}
            "_sort" | "_sort-" => {
                let (field, descending) = match value.strip_prefix('-') {
                    Some(field) => (field, true),
                    None => (value.as_ref(), name == "_sort-"),
                };
                let direction = if descending { Direction::Descending } else { Direction::Ascending };
                match O::by(field) {
                    Some(_) if is_sorted => faults.malformed("query._sort", "may be given once"),
                    Some((by, _)) => {
                        is_sorted = true;
                        // The newest come first without it.
                        let is_newest_first = descending && NEWEST_FIRST.contains(&field);
                        list.sort = (!is_newest_first).then_some((by, direction));
                    }
                    None => faults.malformed("query._sort", "is not a field that this list has"),
                }
            }
            "organisation" => match OrganisationId::parse(&value) {
                Ok(organisation) => {
                    one_more(&mut list.organisations, organisation, name.as_ref(), &mut faults)
                }
                Err(_) => {
                    faults.malformed("query.organisation", "must be an id: 24 lowercase hexadecimal digits")
                }
            },
            name => condition::<O>(name, &value, &mut list, &mut faults),
        }
    }
    if list.after.is_some() && list.sort.is_some() {
        faults.malformed("query._after", "goes with the newest first only; leave _sort out");
    }
    if faults.is_empty() { Ok(list) } else { Err(faults.into()) }
}

/// Fields that have the order in which objects were made.
const NEWEST_FIRST: [&str; 2] = ["_id", "created_at"];

/// Whether the query of a list says that its total is of no use.
pub(crate) fn wants_no_total(query: Option<&str>) -> bool {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).any(|(name, _)| name == "_count")
}

/// The same question, for which so much is gone through and no more.
pub(crate) fn bounded<F>(query: Query<F>, reads: Reads, settings: &ServerSettings) -> Query<F> {
    match reads {
        Reads::Page => {
            // Who wants no total pays for none.
            let count = if query.count == Count::PageEnd {
                query.count
            } else {
                Count::UpTo(settings.list_counted_max)
            };
            Query { count, examined_max: settings.list_examined_max, ..query }
        }
        Reads::Part => {
            let examined_max = settings.list_examined_max;
            Query { count: Count::PageEnd, examined_max, is_part: true, ..query }
        }
    }
}

/// The same question, asked for the number of rows only: order and part of the list do not matter.
pub(crate) fn counting<F>(query: Query<F>) -> Query<F> {
    Query { sort: None, after: None, skip: 0, limit: 0, count: Count::UpTo(COUNT_COUNTED_MAX), ..query }
}

/// Why a list was refused; of one that examines too much, which conditions of it help.
pub(crate) fn refused<O: Object<By: Indexed>>(error: VaultError) -> Refusal {
    match error {
        VaultError::Store(StoreFault::TooManyExamined) => {
            let by = |name| O::by(name).map(|(field, _)| field);
            let has_index = |name| by(name).is_some_and(|field| O::By::INDEXED.contains(&field));
            let names = O::SPEC.members().map(|member| member.name).filter(|name| has_index(name));
            let names: Vec<_> = names.collect();
            let what = format!(
                "goes through too many objects; narrow it with created_at>= and created_at<=, or with one of {}",
                names.join(", ")
            );
            Refusal::with(ErrorCode::State, "query", what)
        }
        error => Refusal::from(error),
    }
}

fn condition<O: Object<By: PartialEq>>(
    name: &str,
    value: &str,
    list: &mut Query<O::By>,
    faults: &mut Faults,
) {
    // The sign of equality belongs to the operator where it was encoded with it, and else ends the name.
    let tests = [
        ("!=", Test::NotEqual),
        (">=", Test::AtLeast),
        ("<=", Test::AtMost),
        ("!", Test::NotEqual),
        (">", Test::AtLeast),
        ("<", Test::AtMost),
        ("[]", Test::Equal),
    ];
    let (name, test) = tests
        .iter()
        .find_map(|(sign, test)| name.strip_suffix(sign).map(|name| (name, *test)))
        .unwrap_or((name, Test::Equal));
    let Some((field, shape)) = O::by(name) else { return faults.unexpected("query", name) };
    // No text that is kept holds one, and a query stands in the logs of proxies. What has another shape is refused by that.
    if matches!(shape, Shape::Text) && holds_card_number(value) {
        return faults.malformed(format!("query.{}", shown(name)), "looks like it holds a card number");
    }
    let value = match shape.read(value) {
        Ok(value) => value,
        Err(what) => return faults.malformed(format!("query.{}", shown(name)), what),
    };
    let room = list.filters.len() < LIST_FILTERS_MAX;
    let filter = list.filters.iter_mut().find(|filter| filter.field == field && filter.test == test);
    match filter {
        Some(filter) => one_more(&mut filter.values, value, name, faults),
        None if room => {
            list.filters.push(Filter { field, test, values: vec![value] });
        }
        None => {
            let what = format!("is one condition too many: a list has at most {LIST_FILTERS_MAX}");
            faults.malformed(format!("query.{}", shown(name)), what);
        }
    }
}

/// Adds a value to those of a condition, unless it is among them. That there are too many is said once.
fn one_more<T: PartialEq>(values: &mut Vec<T>, value: T, name: &str, faults: &mut Faults) {
    if values.len() > LIST_VALUES_MAX || values.contains(&value) {
        return;
    }
    values.push(value);
    if values.len() > LIST_VALUES_MAX {
        let what = format!("has too many values: a condition takes at most {LIST_VALUES_MAX} different ones");
        faults.malformed(format!("query.{}", shown(name)), what);
    }
}

#[cfg(test)]
mod tests {
    use panvault_vault::TransactionField;

    use super::*;
    use crate::error::ErrorCode;
    use crate::object::transaction::Transaction;

    fn list(query: &str) -> Result<Query<TransactionField>, Refusal> {
        read::<Transaction>(Some(query), Faults::default())
    }

    #[test]
    fn reads_conditions_as_they_are_written() {
        let query = "status=DECLINED&status[]=FAILED&amount>=100&amount%3C=7500&card!=0123456789abcdef01234567&_sort=-amount&_limit=7&_skip=2";
        let Ok(list) = list(query) else { panic!("refused") };
        assert_eq!((list.limit, list.skip), (7, 2));
        assert_eq!(list.sort, Some((TransactionField::Amount, Direction::Descending)));
        let found: Vec<_> =
            list.filters.iter().map(|filter| (filter.field, filter.test, filter.values.len())).collect();
        assert_eq!(
            found,
            [
                (TransactionField::Status, Test::Equal, 2),
                (TransactionField::Amount, Test::AtLeast, 1),
                (TransactionField::Amount, Test::AtMost, 1),
                (TransactionField::Card, Test::NotEqual, 1),
            ]
        );
    }

    /// The bug: `amount%3E%3D=100`, which libraries make of the name `amount>=`, was refused as an unknown name. Its cause: only what stands before
    /// the first sign of equality was read as the operator. Its cure: the whole of it is one, too.
    #[test]
    fn an_operator_may_be_encoded_whole() {
        for (sign, test) in [("%3E%3D", Test::AtLeast), ("%3C%3D", Test::AtMost), ("%21%3D", Test::NotEqual)]
        {
            let Ok(list) = list(&format!("amount{sign}=100")) else { panic!("refused: {sign}") };
            assert_eq!(list.filters.first().map(|filter| filter.test), Some(test), "{sign}");
        }
        assert!(list("amount%3D=100").is_err() && list("amount%3E%3D%3D=100").is_err());
    }

    /// The bug: one list as CSV went through all of an organisation with a list's slot, for as long as a list may take, and was cut where it took
    /// longer. Its cause: a page of it had to be full, and could examine any number of rows for that. Its cure: it examines as many as another, and
    /// ends there.
    #[test]
    fn a_part_examines_no_more_than_a_page() {
        let settings = ServerSettings { list_examined_max: 7, ..ServerSettings::default() };
        let bounded = |reads| {
            let Ok(list) = list("amount>=100") else { panic!("refused") };
            let list = super::bounded(list, reads, &settings);
            (list.examined_max, list.is_part, list.count)
        };
        assert_eq!(bounded(Reads::Page), (7, false, Count::UpTo(settings.list_counted_max)));
        assert_eq!(bounded(Reads::Part), (7, true, Count::PageEnd));
    }

    #[test]
    fn who_wants_no_total_says_so() {
        let settings = ServerSettings::default();
        let count = |query| list(query).ok().map(|list| super::bounded(list, Reads::Page, &settings).count);
        assert_eq!(count("status=DECLINED&_count=none"), Some(Count::PageEnd));
        assert_eq!(count("status=DECLINED"), Some(Count::UpTo(settings.list_counted_max)));
        assert_eq!((count("_count=all"), count("_count=")), (None, None));
    }

    /// An id that a number makes.
    fn id(n: usize) -> String {
        format!("{n:024x}")
    }

    /// Organisations had no bound, and were looked through again for each value of a fingerprint; 33 values that were all the same were
    /// refused, without a word of how many there may be.
    #[test]
    fn a_condition_has_so_many_values_and_the_same_one_counts_once() {
        for name in ["organisation", "card", "card!", "status"] {
            let values = |count: usize| {
                let value = |n| if name == "status" { "DECLINED".to_owned() } else { id(n) };
                (0..count).map(|n| format!("{name}={}", value(n))).collect::<Vec<_>>().join("&")
            };
            let most = [values(LIST_VALUES_MAX), values(LIST_VALUES_MAX)].join("&");
            let Ok(list) = list(&most) else { panic!("{name}") };
            let found = list.filters.first().map_or(list.organisations.len(), |filter| filter.values.len());
            assert_eq!(found, if name == "status" { 1 } else { LIST_VALUES_MAX });
            match super::read::<Transaction>(Some(&values(370)), Faults::default()) {
                Ok(_) => assert_eq!(name, "status", "all the same"),
                Err(refusal) => {
                    let place = format!("query.{}", name.trim_end_matches('!'));
                    let what = format!(
                        "has too many values: a condition takes at most {LIST_VALUES_MAX} different ones"
                    );
                    assert_eq!((refusal.code, refusal.details), (ErrorCode::Malformed, vec![(place, what)]));
                }
            }
        }
    }

    #[test]
    fn a_list_has_so_many_conditions() {
        let id = id(1);
        let fields: Vec<&str> =
            Transaction::SPEC.members().filter(|member| member.is_by).map(|member| member.name).collect();
        let conditions = fields
            .iter()
            .filter(|name| **name != "organisation")
            .flat_map(|name| ["", "!", ">", "<"].map(|sign| (name, sign)));
        let valid = |(name, sign): (&&str, &str)| {
            let mut values = [
                id.as_str(),
                "7",
                "true",
                "EUR",
                "visa",
                "2026-01-31T00:00:00Z",
                "DECLINED",
                "match",
                "ecommerce",
                "card",
                "FIRST",
                "192.0.2.1",
            ]
            .into_iter();
            values.find_map(|value| {
                let condition = format!("{name}{sign}={value}");
                list(&condition).is_ok().then_some(condition)
            })
        };
        let conditions: Vec<String> = conditions.filter_map(valid).collect();
        assert!(conditions.len() > LIST_FILTERS_MAX, "{}", conditions.len());
        assert!(list(&conditions[..LIST_FILTERS_MAX].join("&")).is_ok());
        let Err(refusal) = list(&conditions[..=LIST_FILTERS_MAX].join("&")) else { panic!("taken") };
        assert_eq!(refusal.code, ErrorCode::Malformed);
        let [(place, what)] = refusal.details.as_slice() else { panic!("one fault") };
        assert!(place.starts_with("query.") && what == "is one condition too many: a list has at most 32");
    }

    /// The bug: `_skip=900000000` went through an index to its end, for a page that nobody turns to. Its cause: the bound was one of numbers. Its
    /// cure: as many are left out as are examined, and the answer names what costs nothing.
    #[test]
    fn so_many_rows_are_left_out_and_no_more() {
        assert_eq!(list("_skip=100000").ok().map(|list| list.skip), Some(100_000));
        let Err(refusal) = list("_skip=100001") else { panic!("taken") };
        let what = "must be 0 to 100000; what lies deeper is behind an _id, with _after".to_owned();
        assert_eq!(
            (refusal.code, refusal.details),
            (ErrorCode::Malformed, vec![("query._skip".into(), what)])
        );
    }

    #[test]
    fn refuses_the_rest_and_repeats_no_value() {
        for (query, code) in [
            ("_limit=0", ErrorCode::Malformed),
            ("_limit=1001", ErrorCode::Malformed),
            ("_skip=-1", ErrorCode::Malformed),
            ("_sort=card_number", ErrorCode::Malformed),
            ("_sort=amount&_sort=-created_at", ErrorCode::Malformed),
            ("_sort=amount&_sort-=amount", ErrorCode::Malformed),
            ("card_number=4111111111111111", ErrorCode::Unexpected),
            ("4111111111111111=1", ErrorCode::Unexpected),
            ("amount=1.5", ErrorCode::Malformed),
            ("created_at>=yesterday", ErrorCode::Malformed),
            ("organisation=4111111111111111", ErrorCode::Malformed),
            ("merchant_reference=4111111111111111", ErrorCode::Malformed),
            ("merchant_reference!=4111+1111+1111+1111", ErrorCode::Malformed),
            ("merchant_reference%5B%5D=order%2F4111-1111-1111-1111", ErrorCode::Malformed),
        ] {
            let Err(refusal) = list(query) else { panic!("{query}") };
            assert_eq!(refusal.code, code, "{query}");
            assert!(!format!("{:?}", refusal.details).contains("411111"), "{query}");
        }
        // Digits that are no card number are a reference like any other.
        assert!(list("merchant_reference=4111111111111112").is_ok());
    }
}
