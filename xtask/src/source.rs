//! Rust sources as far as the checks need to know them: what is code, what is a test, and which function a place is in.

use core::ops::Range;

use anyhow::Context;
use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Field, ImplItem, ImplItemFn, Item, ItemFn, ItemImpl, Local, TraitItemFn, Type};

/// A name in code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    /// The name.
    pub(crate) text: &'a str,
    /// Where it begins, in bytes.
    pub(crate) at: usize,
}

/// The line of a place, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// Whether a file is a test as a whole.
pub(crate) fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path.contains("/benches/")
}

/// A file that was read.
pub(crate) struct Source {
    /// Its code, with comments, texts, characters and numbers blanked out: each byte is where it was.
    pub(crate) code: String,
    /// The same, with everything under `#[cfg(test)]` blanked out too.
    pub(crate) without_tests: String,
    names: Vec<Range<usize>>,
    /// With their bodies, outermost first.
    functions: Vec<(String, Range<usize>)>,
}

impl Source {
    /// Reads a file of Rust.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let tokens: TokenStream = text.parse().ok().context("it is not Rust")?;
        let mut code = Blanked::new(text);
        code.copy(tokens.clone());
        let mut found = Found::default();
        found.visit_file(&syn::parse2(tokens).context("it is not a file of Rust")?);
        let mut without_tests = code.bytes.clone();
        for range in &found.tests {
            blank(&mut without_tests, range.clone());
        }
        Ok(Self {
            code: String::from_utf8(code.bytes)?,
            without_tests: String::from_utf8(without_tests)?,
            names: code.names,
            functions: found.functions,
        })
    }

    /// Names outside of tests, in order.
    pub(crate) fn words(&self) -> impl Iterator<Item = Word<'_>> {
        let word = |range: &Range<usize>| Word {
            text: self.without_tests.get(range.clone()).unwrap_or_default(),
            at: range.start,
        };
        self.names.iter().map(word).filter(|word| !word.text.trim().is_empty())
    }

    /// The innermost function around a place, with the type that it belongs to.
    pub(crate) fn around(&self, at: usize) -> Option<&str> {
        self.functions.iter().rev().find(|(_, body)| body.contains(&at)).map(|(name, _)| name.as_str())
    }
}

/// Code as it is copied, token by token, over a text of spaces.
struct Blanked<'a> {
    text: &'a str,
    bytes: Vec<u8>,
    names: Vec<Range<usize>>,
}

impl<'a> Blanked<'a> {
    fn new(text: &'a str) -> Self {
        let mut bytes = text.as_bytes().to_vec();
        blank(&mut bytes, 0..text.len());
        Self { text, bytes, names: Vec::new() }
    }

    fn copy(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Literal(_) => {}
                TokenTree::Punct(sign) => {
                    self.put(sign.span(), &sign.as_char().to_string());
                }
                TokenTree::Ident(name) => {
                    let range = self.put(name.span(), &name.to_string());
                    self.names.extend(range);
                }
                TokenTree::Group(group) => {
                    for (span, signs) in [(group.span_open(), "([{"), (group.span_close(), ")]}")] {
                        let sign = self.text.get(span.byte_range()).filter(|sign| signs.contains(sign));
                        self.put(span, sign.unwrap_or_default());
                    }
                    self.copy(group.stream());
                }
            }
        }
    }

    /// Copies a token that stands in the text as it is. A comment of documentation is made of tokens that do not.
    fn put(&mut self, span: Span, token: &str) -> Option<Range<usize>> {
        let range = span.byte_range();
        let is_written = !token.is_empty() && self.text.get(range.clone()) == Some(token);
        let place = self.bytes.get_mut(range.clone()).filter(|_| is_written)?;
        place.copy_from_slice(token.as_bytes());
        Some(range)
    }
}

fn blank(bytes: &mut [u8], range: Range<usize>) {
    for byte in bytes.get_mut(range).into_iter().flatten().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

/// What is found on a walk through a file.
#[derive(Default)]
struct Found {
    functions: Vec<(String, Range<usize>)>,
    tests: Vec<Range<usize>>,
    /// Types whose `impl` the walk is in.
    owners: Vec<String>,
}

impl Found {
    fn note_test(&mut self, attributes: &[Attribute], whole: Span) {
        let is_test = |attribute: &Attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
        };
        if attributes.iter().any(is_test) {
            self.tests.push(whole.byte_range());
        }
    }

    fn note_function(&mut self, name: &syn::Ident, body: Span) {
        let owner = self.owners.last().map_or(String::new(), |owner| format!("{owner}::"));
        self.functions.push((format!("{owner}{name}"), body.byte_range()));
    }
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item(&mut self, item: &'ast Item) {
        self.note_test(attributes(item), item.span());
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if let ImplItem::Fn(function) = item {
            self.note_test(&function.attrs, item.span());
        }
        visit::visit_impl_item(self, item);
    }

    fn visit_field(&mut self, field: &'ast Field) {
        self.note_test(&field.attrs, field.span());
        visit::visit_field(self, field);
    }

    fn visit_local(&mut self, local: &'ast Local) {
        self.note_test(&local.attrs, local.span());
        visit::visit_local(self, local);
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        self.owners.push(type_name(&item.self_ty));
        visit::visit_item_impl(self, item);
        self.owners.pop();
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.note_function(&function.sig.ident, function.block.span());
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.note_function(&function.sig.ident, function.block.span());
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(body) = &function.default {
            self.note_function(&function.sig.ident, body.span());
        }
        visit::visit_trait_item_fn(self, function);
    }
}

fn type_name(of: &Type) -> String {
    match of {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        Type::Reference(reference) => Some(type_name(&reference.elem)),
        _ => None,
    }
    .unwrap_or_default()
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
        use std::io; // fn not_one() { expose_comment() }
        trait T { fn declared(&self, x: [u8; 4]); }
        fn outer(f: fn(u8) -> u8, x: [u8; 4]) -> String {
            let text = \"fn quoted() { expose_text() }\";
            fn inner() { expose_inner(); }
            expose_outer();
            text.into()
        }
        impl<'a, T: Into<u8>> Show<T> for Block<'a> where T: Copy {
            fn show(&self, f: impl Fn(u8)) { expose_method(); }
        }
        static TABLE: u8 = expose_static();
        #[cfg(test)]
        mod tests { fn case() { expose_in_test(); } }
        #[cfg(test)] use x::{a, b};
        fn last() { made!(é, expose_last()) }
        /// expose_documentation()
        #[cfg(not(test))] fn kept() { expose_kept() }
    ";

    #[test]
    fn tells_code_from_the_rest_and_knows_the_function_around() {
        let source = Source::parse(FILE).unwrap();
        assert_eq!(source.without_tests.lines().count(), FILE.lines().count());
        let found: Vec<_> = source
            .words()
            .filter(|word| word.text.starts_with("expose_"))
            .map(|word| (word.text, source.around(word.at), line_of(FILE, word.at)))
            .collect();
        assert_eq!(
            found,
            [
                ("expose_inner", Some("inner"), 6),
                ("expose_outer", Some("outer"), 7),
                ("expose_method", Some("Block::show"), 11),
                ("expose_static", None, 13),
                ("expose_last", Some("last"), 17),
                ("expose_kept", Some("kept"), 19),
            ]
        );
    }

    #[test]
    fn blanks_all_that_is_no_code() {
        for (text, expected) in [
            ("use a; // b\nuse c;", "use a;     \nuse c;"),
            ("/* b /* c */ d */ use e;", "                  use e;"),
            (r##"const A: &str = f(r#"b"c"#, "b\"c");"##, "const A: &str = f(        ,       );"),
            ("fn a<'a>(b: &'a str) {}", "fn a<'a>(b: &'a str) {}"),
            ("const C: [char; 2] = ['{', '\\''];", "const C: [char;  ] = [   ,     ];"),
            ("/// é\nfn a() {}", "      \nfn a() {}"),
        ] {
            assert_eq!(Source::parse(text).unwrap().code, expected, "{text}");
        }
        assert!(Source::parse("fn {").is_err() && Source::parse("1 + 1").is_err());
    }

    #[test]
    fn knows_files_of_tests() {
        assert!(
            is_test_file("crates/keys/src/ring/tests.rs") && is_test_file("crates/server/tests/it/main.rs")
        );
        assert!(!is_test_file("crates/keys/src/ring.rs") && !is_test_file("xtask/src/test.rs"));
    }
}
