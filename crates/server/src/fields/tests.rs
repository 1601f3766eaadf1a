use core::fmt::{Debug, Display};
use core::marker::PhantomData;

use panvault_card::is_secret_name;
use serde_json::json;

use super::*;
use crate::body::Body;
use crate::fault::Faults;
use crate::json::{Integer, Name, Text, parse};
use crate::object::transaction;
use crate::table::ENDPOINTS;

/// All bodies, with the objects in them.
fn bodies() -> Vec<&'static [FieldSpec]> {
    let mut bodies: Vec<&'static [FieldSpec]> = ENDPOINTS.iter().map(|endpoint| endpoint.fields()).collect();
    let inner = |spec: &'static FieldSpec| {
        if let Kind::Object(specs) | Kind::Settings(specs) | Kind::Open(specs) = spec.kind {
            Some(specs)
        } else {
            None
        }
    };
    let objects: Vec<_> = bodies.iter().copied().flatten().filter_map(inner).collect();
    bodies.extend(objects);
    bodies
}

fn secrets(body: &'static [FieldSpec]) -> impl Iterator<Item = &'static FieldSpec> {
    body.iter().filter(|spec| matches!(spec.kind, Kind::Secret { .. }))
}

/// Whether a type has a trait, asked of the compiler: the constant of the type itself wins where its bound is met.
macro_rules! has {
    ($kind:ty: $($bound:tt)+) => {{
        struct Probe<T: ?Sized>(PhantomData<T>);
        // Underscores, for one of both is always left unused.
        trait _Otherwise {
            const _HAS: bool = false;
        }
        impl<T: ?Sized> _Otherwise for Probe<T> {}
        impl<T: ?Sized + $($bound)+> Probe<T> {
            const _HAS: bool = true;
        }
        Probe::<$kind>::_HAS
    }};
}

macro_rules! assert_blind {
    ($($kind:ty),+) => {
        $(assert!(
            !has!($kind: Debug)
                && !has!($kind: Display)
                && !has!($kind: Clone)
                && !has!($kind: PartialEq)
                && !has!($kind: PartialEq<str>)
                && !has!($kind: Send)
                && !has!($kind: serde::Serialize)
                && !has!($kind: core::hash::Hash)
                && !has!($kind: AsRef<str>)
                && !has!($kind: AsRef<[u8]>)
                && !has!($kind: core::ops::Deref),
            stringify!($kind)
        );)+
    };
}

#[test]
fn what_may_hold_a_secret_is_not_printed_copied_compared_or_held_across_a_wait() {
    assert_blind!(Text<'static>, Name<'static>, Value<'static>, Fields<'static>);
    assert!(!has!(Integer: Debug) && !has!(Integer: Clone) && !has!(Integer: PartialEq));
    // The body itself waits for what still has to arrive.
    assert!(has!(Body: Send) && !has!(Body: Debug) && !has!(Body: Clone) && !has!(Body: AsRef<[u8]>));
    assert!(!has!(Body: core::ops::Deref) && !has!(Body: PartialEq));
    assert!(
        has!(String: Debug) && has!(String: AsRef<str>) && has!(&str: Send),
        "the question is a good one"
    );
}

/// `Fields::of` takes fields of the first kinds; of the others it does not compile.
#[test]
fn the_ordinary_way_leads_to_no_secret() {
    assert!(has!(str: InClear) && has!(Id: InClear) && has!(i64: InClear) && has!(Pairs: InClear));
    assert!(!has!(Secret: InClear) && !has!(Typed: InClear) && !has!(Masked: InClear));
}

/// Every secret of every body, also one that comes to be: sent and taken, there is nothing of it for a field that has its name and is
/// read in the ordinary way.
#[test]
fn a_secret_is_not_read_by_a_field_of_its_name() {
    let mut found = Vec::new();
    for specs in bodies() {
        for Field { name, .. } in secrets(specs).map(|spec| Field::<Secret>::new(spec.name, spec.kind)) {
            let body = Body::of(json!({ name: "4111111111111111" }).to_string());
            let Ok(value) = parse(&body) else { panic!("not JSON") };
            let fields = Fields::take(value, body.len(), specs, &mut Faults::default());
            assert!(fields.secret(&Field::new(name, Kind::Id)).is_some(), "{name}");
            assert!(fields.of(&Field::<str>::text(name, 100, "")).is_none(), "{name}");
            assert!(fields.of(&Field::<Id>::id(name)).is_none(), "{name}");
            assert!(fields.of(&Field::<Pairs>::pairs(name)).is_none(), "{name}");
            let typed = Field::<Typed>::typed(name, "", "");
            assert!(fields.typed(&typed, |_| Ok::<_, &str>(()), &mut Faults::default()).is_none(), "{name}");
            assert_eq!(fields.masked(&Field::masked(name, ""), 100), "", "{name}");
            found.push(name);
        }
    }
    found.sort_unstable();
    found.dedup();
    assert_eq!(found, ["card_holder_name", "card_number", "cryptogram", "cvv"]);
}

/// A field with the name of a secret is one: whoever adds `pin` as a text is told so here.
#[test]
fn what_is_named_like_a_secret_is_one() {
    for spec in bodies().into_iter().flatten() {
        // A PaRes and a CAVV are results of 3-D Secure, not of a card.
        let secret = is_secret_name(spec.name) || spec.name == "card_holder_name";
        assert_eq!(secret, matches!(spec.kind, Kind::Secret { .. }), "{}", spec.name);
    }
}

/// What is not what its field may hold is a fault, and is not to be had either: a number in a text's place, a text in a number's.
#[test]
fn what_is_at_fault_is_not_to_be_had() {
    let number = "4111111111111111";
    let body = Body::of(format!(
        "{{\"amount\":{number},\"merchant_reference\":\"{number}\",\"card\":\"{number}\",\"eci\":{number},\
         \"details\":{{\"redirect_url\":\"{number}\"}},\"{number}\":\"{number}\",\"cavv2\":\"1\",\"cavv2\":\"{number}\"}}"
    ));
    let Ok(value) = parse(&body) else { panic!("not JSON") };
    let mut faults = Faults::default();
    let fields = Fields::take(value, body.len(), transaction::CREATE.fields, &mut faults);
    assert!(fields.of(&transaction::AMOUNT).is_none() && fields.has(transaction::AMOUNT.name));
    assert!(fields.of(&transaction::MERCHANT_REFERENCE).is_none());
    assert!(fields.of(&transaction::CARD).is_none() && fields.of(&transaction::ECI).is_none());
    assert_eq!(fields.of(&transaction::DETAILS), Some(Vec::new()));
    assert_eq!(fields.of(&transaction::CAVV2), Some("1"));
    let details = faults.into_details();
    assert_eq!(details.len(), 8, "{details:?}");
    assert!(!details.iter().any(|(place, what)| place.contains(number) || what.contains(number)));
}

#[test]
fn no_body_has_more_fields_than_are_counted() {
    assert!(bodies().iter().all(|specs| specs.len() <= 64));
}

#[test]
fn arrays_are_taken_element_by_element() {
    const IDS: Field<[Id]> = Field::ids("ids", 2);
    const NAMES: Field<Texts> = Field::texts("names", 3, &Kind::Text { max: 3, example: "a" });
    const SPECS: &[FieldSpec] = &[IDS.optional(""), NAMES.optional("")];
    let take = |body: &str| {
        let body = Body::of(body);
        let Ok(value) = parse(&body) else { panic!("not JSON") };
        let mut faults = Faults::default();
        let fields = Fields::take(value, body.len(), SPECS, &mut faults);
        let names = fields.of(&NAMES).map(|names| names.join("+"));
        (fields.of(&IDS).map(|ids| ids.len()), names, faults.into_details())
    };
    let id = "0123456789abcdef01234567";
    let (ids, names, faults) = take(&format!("{{\"ids\":[\"{id}\",\"{id}\"],\"names\":[\"a\",\"b\"]}}"));
    assert_eq!((ids, names.as_deref(), faults), (Some(2), Some("a+b"), vec![]));
    assert_eq!(take("{\"ids\":[]}"), (Some(0), None, vec![]));
    for (body, place) in [
        ("{\"names\":[\"a\",\"long\"]}", "body.names.1"),
        ("{\"names\":[\"a\",null]}", "body.names.1"),
        ("{\"names\":[[\"a\"]]}", "body.names.0"),
        ("{\"names\":[\"a\",\"a\",\"a\",\"a\"]}", "body.names"),
        ("{\"ids\":[\"4111111111111111\"]}", "body.ids.0"),
        ("{\"ids\":{}}", "body.ids"),
    ] {
        let faults = take(body).2;
        assert_eq!(faults.iter().map(|(place, _)| place.as_str()).collect::<Vec<_>>(), [place], "{body}");
        assert!(!faults[0].1.contains("4111"));
    }
}
