//! The named schemas: of what is shown and sent, and of values that have names. What is shown is open: a later version may show more members,
//! and more names.

use serde_json::{Map, Value, json};

use crate::object::{BodySpec, EXAMPLE_CARD, MemberSpec, Names, OBJECTS, ObjectSpec, Presence, Shape};
use crate::table::ENDPOINTS;

/// Every schema, by name.
pub(crate) fn schemas() -> Value {
    let mut schemas = Map::new();
    for object in OBJECTS {
        schemas.insert(object.name.to_owned(), shown(object, object.doc, |_| true));
        if let Some(part) = object.part {
            let doc = format!("Some members of `{}`.", object.name);
            schemas.insert(part.to_owned(), shown(object, &doc, |member| member.in_part));
        }
        for member in object.members() {
            let of = if let Shape::List(of) = member.shape { *of } else { member.shape };
            if let Shape::Names(names) = of {
                schemas.insert(names.name.to_owned(), open_names(names));
            }
        }
    }
    for BodySpec { name, fields, .. } in ENDPOINTS.iter().filter_map(|endpoint| endpoint.body) {
        schemas.insert((*name).to_owned(), super::object(fields));
    }
    let faults = json!({
        "type": "object",
        "description": "The fields at fault, by their place, such as `body.card_number`. Never a value that was sent.",
        "additionalProperties": { "type": "string" },
    });
    schemas.insert("FieldFaults".to_owned(), faults);
    Value::Object(schemas)
}

fn shown(object: &ObjectSpec, doc: &str, is_in: impl Fn(&MemberSpec) -> bool) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for member in object.members().filter(|member| is_in(member)) {
        properties.insert(member.name.to_owned(), member_schema(member));
        if member.presence != Presence::Optional {
            required.push(member.name);
        }
    }
    json!({ "type": "object", "description": doc.trim(), "required": required, "properties": properties })
}

fn member_schema(member: &MemberSpec) -> Value {
    let schema = member.shape.schema();
    let mut schema = match member.presence {
        Presence::Always | Presence::Optional => schema,
        Presence::Nullable => json!({ "anyOf": [schema, { "type": "null" }] }),
    };
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), json!(member.doc()));
        if let Some(example) = member.example() {
            schema.insert("examples".to_owned(), json!([example]));
        }
    }
    schema
}

fn open_names(names: &Names) -> Value {
    json!({
        "type": "string",
        "description": format!("{} A later version may have more names than these.", names.doc),
        "x-extensible-enum": (names.all)(),
    })
}

pub(crate) fn id() -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-f]{24}$", "examples": [EXAMPLE_CARD] })
}
