//! Values of TOML with their places, and the faults that are found on the way.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::card_http::description::Fault;

/// A value and where it stands.
pub(super) type Located<'t> = &'t Spanned<DeValue<'t>>;

/// Collects faults.
pub(super) struct Reader<'t> {
    text: &'t str,
    faults: Vec<(usize, String)>,
}

/// The members of a table, each to be taken once.
pub(super) struct Members<'t> {
    at: usize,
    left: Vec<(&'t str, usize, Located<'t>)>,
    known: Vec<&'static str>,
}

impl<'t> Reader<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, faults: Vec::new() }
    }

    /// Notes a fault, at a byte of the text.
    pub(super) fn fault(&mut self, at: usize, words: String) {
        self.faults.push((at, words));
    }

    /// Notes what is no TOML.
    pub(super) fn error(&mut self, error: &toml::de::Error) {
        let at = error.span().map_or(0, |span| span.start);
        self.fault(at, error.message().lines().next().unwrap_or("is no TOML").to_owned());
    }

    /// Whether nothing is wrong so far.
    pub(super) const fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    /// In the order of their lines.
    pub(super) fn into_faults(mut self) -> Vec<Fault> {
        self.faults.sort();
        self.faults.iter().map(|(at, words)| Fault { line: self.line(*at), words: words.clone() }).collect()
    }

    /// In which line a byte of the text stands, counted from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at.min(self.text.len())).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    pub(super) fn text(&mut self, value: Located<'_>) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) if !text.is_empty() => Some(text.to_string()),
            _ => self.must_be(value, "a text"),
        }
    }

    pub(super) fn boolean(&mut self, value: Located<'_>) -> Option<bool> {
        match value.get_ref() {
            DeValue::Boolean(boolean) => Some(*boolean),
            _ => self.must_be(value, "true or false"),
        }
    }

    /// A whole number from 0 on.
    pub(super) fn number(&mut self, value: Located<'_>) -> Option<u64> {
        let number = match value.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        number.or_else(|| self.must_be(value, "a whole number, 0 or greater"))
    }

    pub(super) fn table<'v>(&mut self, value: Located<'v>) -> Option<Members<'v>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Members::new(table, value.span().start)),
            _ => self.must_be(value, "a table"),
        }
    }

    pub(super) fn list<'v>(&mut self, value: Located<'v>) -> Option<Vec<Located<'v>>> {
        match value.get_ref() {
            DeValue::Array(items) => Some(items.iter().collect()),
            _ => self.must_be(value, "a list"),
        }
    }

    /// A text or a list of texts.
    pub(super) fn texts(&mut self, value: Located<'_>) -> Option<Vec<String>> {
        if matches!(value.get_ref(), DeValue::String(_)) {
            return self.text(value).map(|text| vec![text]);
        }
        let items = self.list(value)?;
        if items.is_empty() {
            return self.must_be(value, "a text, or a list with one or more");
        }
        items.into_iter().map(|item| self.text(item)).collect()
    }

    /// One of these names.
    pub(super) fn choice<T: Copy>(&mut self, value: Located<'_>, among: &[(&str, T)]) -> Option<T> {
        let text = self.text(value)?;
        let found = among.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<_> = among.iter().map(|(name, _)| *name).collect();
            self.fault(value.span().start, format!("{text:?} must be one of {}", names.join(", ")));
        }
        found
    }

    /// What a text is read as.
    pub(super) fn parsed<T>(
        &mut self,
        value: Located<'_>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(value)?;
        parse(&text).map_err(|words| self.fault(value.span().start, words)).ok()
    }

    pub(super) fn must_be<T>(&mut self, value: Located<'_>, what: &str) -> Option<T> {
        self.fault(value.span().start, format!("must be {what}"));
        None
    }
}

impl<'t> Members<'t> {
    pub(super) fn new(table: &'t DeTable<'t>, at: usize) -> Self {
        let left =
            table.iter().map(|(name, value)| (name.get_ref().as_ref(), name.span().start, value)).collect();
        Self { at, left, known: Vec::new() }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn take(&mut self, name: &'static str) -> Option<Located<'t>> {
        self.known.push(name);
        let at = self.left.iter().position(|(known, _, _)| *known == name)?;
        Some(self.left.swap_remove(at).2)
    }

    pub(super) fn required(&mut self, name: &'static str, reader: &mut Reader<'_>) -> Option<Located<'t>> {
        let found = self.take(name);
        if found.is_none() {
            reader.fault(self.at, format!("{name} is missing"));
        }
        found
    }

    /// All that is left, whatever its name: name, place of the name, value.
    pub(super) fn all(self) -> Vec<(&'t str, usize, Located<'t>)> {
        let mut left = self.left;
        left.sort_by_key(|(_, at, _)| *at);
        left
    }

    /// What is left is not known.
    pub(super) fn end(&mut self, reader: &mut Reader<'_>) {
        for (name, at, _) in self.left.drain(..) {
            reader.fault(at, format!("{name:?} is not known here; there are {}", self.known.join(", ")));
        }
    }
}
