//! Limits: those of a description, and the file in which an operator sets others.

use panvault_model::ProcessorId;
use toml::de::DeTable;

use super::members::{Located, Members, Reader};
use crate::card_http::description::Fault;
use crate::card_http::limits::{HTTP_LIMITS, HttpLimitFault, HttpLimits, ProcessorLimits, TypeLimits};

/// The limits of a description, over those by default.
pub(super) fn limits(members: &mut Members<'_>, reader: &mut Reader<'_>) -> HttpLimits {
    let default = HttpLimits::default();
    members.take("limits").and_then(|value| table(value, default, reader)).unwrap_or(default)
}

/// The limits of the file, by type. Those that it does not name are as the description of the type has them, and those of one processor as they
/// are for its type.
pub(in crate::card_http) fn file(
    text: &str,
    described: &dyn Fn(&str) -> Option<HttpLimits>,
) -> Result<Vec<TypeLimits>, Vec<Fault>> {
    let mut reader = Reader::new(text);
    let (root, errors) = DeTable::parse_recoverable(text);
    errors.iter().for_each(|error| reader.error(error));
    let mut found = Vec::new();
    if errors.is_empty() {
        for (type_name, at, value) in Members::new(root.get_ref(), 0).all() {
            match described(type_name) {
                Some(over) => found.extend(of_type(type_name, value, over, &mut reader)),
                None => reader.fault(at, format!("{type_name:?}: there is no description of this type")),
            }
        }
    }
    let faults = reader.into_faults();
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}

fn of_type(
    type_name: &str,
    value: Located<'_>,
    over: HttpLimits,
    reader: &mut Reader<'_>,
) -> Option<TypeLimits> {
    let mut members = reader.table(value)?;
    let of_processors = members.take("processors").and_then(|value| reader.table(value));
    let limits = set(&mut members, over, reader);
    members.end(reader);
    let mut processors: Vec<ProcessorLimits> = Vec::new();
    for (text, at, value) in of_processors.map(Members::all).unwrap_or_default() {
        match ProcessorId::parse(text) {
            Ok(id) if processors.iter().any(|other| other.id == id) => {
                reader.fault(at, format!("{text} is there twice"));
            }
            Ok(id) => {
                let line = reader.line(at);
                let named = |limits| ProcessorLimits { id, line, limits };
                processors.extend(table(value, limits, reader).map(named));
            }
            Err(_) => reader.fault(at, format!("{text:?} is no id of a processor")),
        }
    }
    Some(TypeLimits { type_name: type_name.to_owned(), limits, processors })
}

fn table(value: Located<'_>, over: HttpLimits, reader: &mut Reader<'_>) -> Option<HttpLimits> {
    let mut members = reader.table(value)?;
    let limits = set(&mut members, over, reader);
    members.end(reader);
    Some(limits)
}

fn set(members: &mut Members<'_>, over: HttpLimits, reader: &mut Reader<'_>) -> HttpLimits {
    let mut limits = over;
    let mut is_sound = true;
    for (name, least, most) in HTTP_LIMITS {
        let Some(value) = members.take(name) else { continue };
        let number = reader.number(value);
        if let Some(number) = number
            && limits.set(name, number).is_err()
        {
            reader.fault(value.span().start, format!("must be {least} to {most}"));
            is_sound = false;
        }
    }
    match limits.checked() {
        Err(HttpLimitFault::Together) if is_sound => {
            reader.fault(members.at(), HttpLimitFault::Together.to_string());
        }
        Ok(_) | Err(_) => {}
    }
    limits
}

#[cfg(test)]
mod tests {
    use panvault_model::Id;

    use super::*;

    const ID: &str = "65f1c0d23d4e5f60718293a4";

    fn read(text: &str) -> Result<Vec<TypeLimits>, Vec<String>> {
        let stripe = HttpLimits { connections_max: 32, ..HttpLimits::default() };
        file(text, &|name| (name == "card_stripe").then_some(stripe))
            .map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_processor_has_what_is_set_for_it_then_for_its_type_then_by_the_description() {
        let text = format!(
            "[card_stripe]\nanswer_millis = 15_000\n[card_stripe.processors.{ID}]\nconnections_max = 200\nwaiting_max = 0\n"
        );
        let of_type = HttpLimits { connections_max: 32, answer_millis: 15_000, ..HttpLimits::default() };
        let of_one = HttpLimits { connections_max: 200, waiting_max: 0, ..of_type };
        let found = read(&text).unwrap();
        let id = ProcessorId(Id::parse(ID).unwrap());
        let expected = TypeLimits {
            type_name: "card_stripe".to_owned(),
            limits: of_type,
            processors: vec![ProcessorLimits { id, line: 3, limits: of_one }],
        };
        assert_eq!(found, [expected]);
        assert_eq!(read("# nothing\n"), Ok(Vec::new()));
    }

    #[test]
    fn every_fault_is_told_with_its_line() {
        let text = "[card_stripe]
connections_max = 0
waiting_max = \"many\"
colour = 1

[card_stripe.processors.x]
waiting_max = 1

[card_stripe.processors.65f1c0d23d4e5f60718293a4]
answer_millis = 27000

[card_other]
waiting_max = 1
";
        let faults = read(text).unwrap_err();
        let begins = [
            "line 2: must be 1 to 1024",
            "line 3: must be a whole number",
            "line 4: \"colour\" is not known here; there are processors, wait_millis, ",
            "line 6: \"x\" is no id of a processor",
            "line 9: wait_millis, connect_millis and answer_millis must be at most 28000 together",
            "line 12: \"card_other\": there is no description of this type",
        ];
        assert_eq!(faults.len(), begins.len(), "{faults:#?}");
        for (fault, begin) in faults.iter().zip(begins) {
            assert!(fault.starts_with(begin), "{fault}");
        }
        assert!(read("[card_stripe").unwrap_err()[0].starts_with("line 1: "));
    }
}
