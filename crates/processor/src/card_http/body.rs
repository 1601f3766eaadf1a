//! A body: a tree of literals and templates, written as JSON or as a form.

use super::facts::{Facts, Value};
use super::template::{Escape, Out, Template};

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    /// `application/x-www-form-urlencoded`, members of members in brackets.
    Form,
}

/// A value of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Text(Template),
    /// `true`, `false` or a whole number, as it is written.
    Literal(String),
    Object(Vec<(String, Self)>),
    List(Vec<Self>),
}

/// Whether something of a value is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    /// It asks for nothing.
    Literal,
    /// Something that it asks for is there.
    Present,
    /// Nothing of what it asks for is there: it is left out.
    Absent,
}

impl Format {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
        }
    }

    pub(super) fn write(self, members: &[(String, Node)], facts: &Facts<'_>, out: &mut impl Out) {
        match self {
            Self::Json => json_object(members, facts, out),
            Self::Form => {
                let mut is_first = true;
                for (name, node) in members {
                    let mut key = Vec::new();
                    key.push(name.clone());
                    form(&mut key, node, facts, &mut is_first, out);
                }
            }
        }
    }
}

impl Node {
    /// A text with a placeholder that has no value is absent. Of an object or list it counts what asks for something: it is absent when all of that
    /// is, whatever literals stand beside.
    fn presence(&self, facts: &Facts<'_>) -> Presence {
        match self {
            Self::Literal(_) => Presence::Literal,
            Self::Text(template) if template.placeholders().next().is_none() => Presence::Literal,
            Self::Text(template) if template.is_whole(facts) => Presence::Present,
            Self::Text(_) => Presence::Absent,
            Self::Object(members) => of_all(members.iter().map(|(_, node)| node), facts),
            Self::List(items) => of_all(items.iter(), facts),
        }
    }

    pub(super) fn templates<'a>(&'a self, found: &mut Vec<&'a Template>) {
        match self {
            Self::Text(template) => found.push(template),
            Self::Literal(_) => {}
            Self::Object(members) => members.iter().for_each(|(_, node)| node.templates(found)),
            Self::List(items) => items.iter().for_each(|node| node.templates(found)),
        }
    }
}

fn of_all<'a>(nodes: impl Iterator<Item = &'a Node>, facts: &Facts<'_>) -> Presence {
    let mut all = Presence::Literal;
    for node in nodes {
        match node.presence(facts) {
            Presence::Present => return Presence::Present,
            Presence::Absent => all = Presence::Absent,
            Presence::Literal => {}
        }
    }
    all
}

fn is_left_out(node: &Node, facts: &Facts<'_>) -> bool {
    node.presence(facts) == Presence::Absent
}

fn json_object(members: &[(String, Node)], facts: &Facts<'_>, out: &mut impl Out) {
    out.push(b"{");
    let mut is_first = true;
    for (name, node) in members.iter().filter(|(_, node)| !is_left_out(node, facts)) {
        if !core::mem::take(&mut is_first) {
            out.push(b",");
        }
        out.push(b"\"");
        Escape::Json.write(name.as_bytes(), out);
        out.push(b"\":");
        json(node, facts, out);
    }
    out.push(b"}");
}

fn json(node: &Node, facts: &Facts<'_>, out: &mut impl Out) {
    match node {
        Node::Literal(text) => out.push(text.as_bytes()),
        Node::Object(members) => json_object(members, facts, out),
        Node::List(items) => {
            out.push(b"[");
            let mut is_first = true;
            for item in items.iter().filter(|item| !is_left_out(item, facts)) {
                if !core::mem::take(&mut is_first) {
                    out.push(b",");
                }
                json(item, facts, out);
            }
            out.push(b"]");
        }
        Node::Text(template) => {
            // One placeholder alone keeps its type.
            if let Some(value @ (Value::Integer(_) | Value::Boolean(_))) =
                template.single().and_then(|placeholder| facts.value(placeholder))
            {
                return value.with_bytes(|bytes| out.push(bytes));
            }
            out.push(b"\"");
            template.write(facts, Escape::Json, out);
            out.push(b"\"");
        }
    }
}

fn form(key: &mut Vec<String>, node: &Node, facts: &Facts<'_>, is_first: &mut bool, out: &mut impl Out) {
    if is_left_out(node, facts) {
        return;
    }
    match node {
        Node::Object(members) => {
            for (name, node) in members {
                key.push(name.clone());
                form(key, node, facts, is_first, out);
                key.pop();
            }
        }
        Node::List(items) => {
            for (index, item) in items.iter().filter(|item| !is_left_out(item, facts)).enumerate() {
                key.push(index.to_string());
                form(key, item, facts, is_first, out);
                key.pop();
            }
        }
        Node::Literal(text) => {
            form_key(key, is_first, out);
            Escape::Percent.write(text.as_bytes(), out);
        }
        Node::Text(template) => {
            form_key(key, is_first, out);
            template.write(facts, Escape::Percent, out);
        }
    }
}

fn form_key(key: &[String], is_first: &mut bool, out: &mut impl Out) {
    if !core::mem::take(is_first) {
        out.push(b"&");
    }
    for (depth, name) in key.iter().enumerate() {
        if depth > 0 {
            out.push(b"%5B");
        }
        Escape::Percent.write(name.as_bytes(), out);
        if depth > 0 {
            out.push(b"%5D");
        }
    }
    out.push(b"=");
}
