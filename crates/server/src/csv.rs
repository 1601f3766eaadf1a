//! A list as CSV (RFC 4180), for who asks for it: what is answered as JSON, one line for each object, one column for each member.

mod stream;

use core::cmp::Ordering;

use bytes::Bytes;
use csv_core::{Terminator, WriteResult, Writer, WriterBuilder};
use http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use crate::answer::{Answer, TOO_LONG};
use crate::error::{ErrorCode, Refusal};
use crate::limits::LIST_ANSWER_BYTES_MAX;
use crate::object::ObjectSpec;

pub(crate) use stream::{Pages, Rest, Streamed, is_of_all, judge};

/// What is said of the body.
pub(crate) const MEDIA_TYPE: &str = "text/csv; charset=utf-8; header=present";

/// A spreadsheet takes a cell that begins with one of these for a formula, whatever quotes are around it; the last four are what the first are on a
/// Japanese keyboard (OWASP, "CSV Injection").
const FORMULA_SIGNS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// What ends a cell for programs that do not take the comma for it; a cell that begins with one is not shown as it is either.
const ENDS: [char; 4] = [';', '\t', '\r', '\n'];

/// What may stand before the sign of a formula.
const FRINGE: [char; 3] = ['"', '\'', ' '];

/// Whether `Accept` likes CSV better than JSON (RFC 9110, section 12.5.1). JSON is what everybody else gets, whatever they accept.
pub(crate) fn is_liked_better(headers: &HeaderMap) -> bool {
    let sent = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    let (mut csv, mut json) = (Liking::default(), Liking::default());
    for range in sent.flat_map(ranges) {
        let mut parts = range.split(';').map(str::trim);
        let Some((kind, subtype)) = parts.next().and_then(|name| name.split_once('/')) else { continue };
        let Some(quality) = quality(parts) else { continue };
        csv.hear(kind, subtype, ("text", "csv"), quality);
        json.hear(kind, subtype, ("application", "json"), quality);
    }
    csv.quality > json.quality
}

/// The parts of a header between commas that are not in quotes.
fn ranges(text: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |letter| {
        is_quoted ^= letter == '"';
        letter == ',' && !is_quoted
    })
}

/// What `q` among these parameters says, in thousandths; nothing for what is no quality.
fn quality<'t>(parameters: impl Iterator<Item = &'t str>) -> Option<u16> {
    for parameter in parameters {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        if !name.eq_ignore_ascii_case("q") {
            continue;
        }
        let (whole, rest) = value.split_once('.').unwrap_or((value, ""));
        let is_short = rest.len() <= 3 && rest.bytes().all(|digit| digit.is_ascii_digit());
        let thousandths: u16 = format!("{rest:0<3}").parse().ok().filter(|_| is_short)?;
        return match whole {
            "0" => Some(thousandths),
            "1" if thousandths == 0 => Some(1000),
            _ => None,
        };
    }
    Some(1000)
}

/// How well a media type is liked, by the most exact range that it is in.
#[derive(Default)]
struct Liking {
    exactness: u8,
    quality: u16,
}

impl Liking {
    fn hear(&mut self, kind: &str, subtype: &str, of: (&str, &str), quality: u16) {
        let is_kind = kind.eq_ignore_ascii_case(of.0);
        let exactness = match (kind, subtype) {
            ("*", "*") => 1,
            (_, "*") if is_kind => 2,
            (..) if is_kind && subtype.eq_ignore_ascii_case(of.1) => 3,
            (..) => return,
        };
        match exactness.cmp(&self.exactness) {
            Ordering::Greater => *self = Self { exactness, quality },
            Ordering::Equal => self.quality = self.quality.max(quality),
            Ordering::Less => {}
        }
    }
}

/// The answer of a list, as CSV. One object is read at a time.
pub(crate) fn table(answer: Answer, object: &ObjectSpec) -> Result<Answer, Refusal> {
    if answer.status != StatusCode::OK {
        return Ok(answer);
    }
    let mut lines = Lines::default();
    lines.names(object);
    lines.rows(&answer.body, object)?;
    let mut table = Answer { body: lines.taken(), ..answer };
    say(&mut table, object);
    Ok(table)
}

/// Says what the body is, and the name of a file for it.
fn say(table: &mut Answer, object: &ObjectSpec) {
    table.headers.push((CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)));
    let file = format!("attachment; filename=\"{}.csv\"", object.name.to_ascii_lowercase());
    table.headers.extend(HeaderValue::try_from(file).ok().map(|file| (CONTENT_DISPOSITION, file)));
}

/// Lines in the making.
struct Lines {
    writer: Writer,
    out: Vec<u8>,
    cell: Vec<u8>,
}

impl Default for Lines {
    fn default() -> Self {
        let writer = WriterBuilder::new().terminator(Terminator::CRLF).build();
        Self { writer, out: Vec::new(), cell: Vec::new() }
    }
}

impl Lines {
    /// The line with the names of an object's members.
    fn names(&mut self, object: &ObjectSpec) {
        self.put(object.members().map(|member| Value::from(member.name)));
    }

    /// A line for each object of a list in JSON. Where that fails, nothing is added.
    fn rows(&mut self, list: &[u8], object: &ObjectSpec) -> Result<(), Refusal> {
        let before = self.out.len();
        let added = self.rows_add(list, object);
        if added.is_err() {
            self.out.truncate(before);
        }
        added
    }

    fn rows_add(&mut self, list: &[u8], object: &ObjectSpec) -> Result<(), Refusal> {
        let mut rest = list.get(1..).unwrap_or_default();
        while rest.first() == Some(&b'{') {
            let mut objects = serde_json::Deserializer::from_slice(rest).into_iter::<Map<String, Value>>();
            // What we wrote ourselves can be read.
            let Some(Ok(mut row)) = objects.next() else { return Err(Refusal::new(ErrorCode::Internal)) };
            self.put(object.members().map(|member| row.remove(member.name).unwrap_or_default()));
            let end = objects.byte_offset().saturating_add(1);
            rest = rest.get(end..).unwrap_or_default();
            if self.out.len() >= LIST_ANSWER_BYTES_MAX {
                return Err(Refusal::with(ErrorCode::Malformed, "query._limit", TOO_LONG));
            }
        }
        Ok(())
    }

    /// What was written since it was last taken.
    fn taken(&mut self) -> Bytes {
        core::mem::take(&mut self.out).into()
    }

    fn put(&mut self, cells: impl Iterator<Item = Value>) {
        for (at, value) in cells.enumerate() {
            if at > 0 {
                self.write(|writer, out| writer.delimiter(out));
            }
            self.field(&shown(value));
        }
        self.write(|writer, out| writer.terminator(out));
    }

    fn field(&mut self, text: &str) {
        // As it is at longest: each byte a quote, and quotes around it.
        self.cell.resize(text.len().saturating_mul(2).saturating_add(2), 0);
        let mut rest = text.as_bytes();
        loop {
            let (result, read, written) = self.writer.field(rest, &mut self.cell);
            self.out.extend_from_slice(self.cell.get(..written).unwrap_or_default());
            rest = rest.get(read..).unwrap_or_default();
            match result {
                WriteResult::InputEmpty => break,
                WriteResult::OutputFull => {}
            }
        }
    }

    /// Writes what stands between cells and lines: the end of a cell's quotes, and a sign or two.
    fn write(&mut self, write: impl Fn(&mut Writer, &mut [u8]) -> (WriteResult, usize)) {
        let mut signs = [0; 8];
        let (_, written) = write(&mut self.writer, &mut signs);
        self.out.extend_from_slice(signs.get(..written).unwrap_or_default());
    }
}

/// A value as its cell has it: nothing for what is not known, a text as it is but for formulas, JSON for what has parts.
fn shown(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => defused(&text),
        Value::Array(_) | Value::Object(_) => defused(&value.to_string()),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A text with a `'` before each sign that begins a formula: at its beginning, and where a program that takes another sign than a comma for
/// the end of a cell would begin a new one. Quotes and spaces before the sign change nothing, for some programs take them away.
fn defused(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    if text.starts_with(ENDS) {
        out.push('\'');
    }
    let mut begins = true;
    for sign in text.chars() {
        if begins && FORMULA_SIGNS.contains(&sign) {
            out.push('\'');
        }
        begins = ENDS.contains(&sign) || begins && FRINGE.contains(&sign);
        out.push(sign);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Object;
    use crate::object::organisation::Organisation;

    fn likes(accept: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for text in accept {
            headers.append(ACCEPT, HeaderValue::from_str(text).unwrap());
        }
        is_liked_better(&headers)
    }

    #[test]
    fn csv_is_for_who_likes_it_better() {
        for accept in [
            "text/csv",
            "TEXT/CSV",
            "text/csv;charset=utf-8",
            "text/*",
            "text/csv, application/json;q=0.9",
            "application/json;q=0.5,text/csv;q=0.501",
            "text/csv;header=\"a,b;c\", */*;q=0.1",
            "text/csv, */*;q=0.8",
            "text/html, text/csv ; q=0.3",
            "*/*, application/json;q=0",
        ] {
            assert!(likes(&[accept]), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "application/json",
            "text/csv, application/json",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/csv;q=0",
            "text/csv;q=0, text/*",
            "text/csv;q=1.5",
            "text/csv;q=x",
            "text/csv;q=0.1234",
            "text",
            "image/png",
            ", ;,/",
        ] {
            assert!(!likes(&[accept]), "{accept}");
        }
        assert!(likes(&["application/json;q=0.2", "text/csv"]) && !likes(&[]));
    }

    fn organisations(body: &'static str) -> String {
        let answer = Answer::new(StatusCode::OK, Bytes::from_static(body.as_bytes()));
        let Ok(table) = table(answer, Organisation::SPEC) else { panic!("refused") };
        String::from_utf8(table.body.to_vec()).unwrap()
    }

    #[test]
    fn a_line_for_each_and_a_column_for_each_member() {
        let table = organisations(
            r#"[{"_id":"a","name":"Say \"no\", twice","disabled":false,"street":"one\r\ntwo"},{"_id":"b","name":"plain"}]"#,
        );
        let names: Vec<&str> = table.lines().next().unwrap().split(',').collect();
        assert_eq!(names, Organisation::SPEC.members().map(|member| member.name).collect::<Vec<_>>());
        assert!(table.contains("\"Say \"\"no\"\", twice\"") && table.contains("\"one\r\ntwo\""), "{table}");
        assert!(table.ends_with("\r\n") && table.matches("\r\n").count() == 4, "{table}");
        assert_eq!(organisations("[]").lines().count(), 1, "the names are there");
    }

    /// A spreadsheet runs what a cell begins with, and texts are whoever's who sent them.
    #[test]
    fn no_cell_is_a_formula() {
        for (sent, expected) in [
            (r#"[{"name":"=1+1"}]"#, ",'=1+1,"),
            (r#"[{"name":"=A,B"}]"#, ",\"'=A,B\","),
            (r#"[{"name":"+31"}]"#, ",'+31,"),
            (r#"[{"name":"-1"}]"#, ",'-1,"),
            (r#"[{"name":"@x"}]"#, ",'@x,"),
            (r#"[{"name":"\tx"}]"#, ",'\tx,"),
            (r#"[{"name":"\rx"}]"#, ",\"'\rx\","),
            (r#"[{"name":"\nx"}]"#, ",\"'\nx\","),
            (r#"[{"name":"＝1"}]"#, ",'＝1,"),
            (r#"[{"name":"\"=1"}]"#, ",\"\"\"'=1\","),
            (r#"[{"name":"' =1"}]"#, ",' '=1,"),
            (r#"[{"name":"a;=1;b"}]"#, ",a;'=1;b,"),
            (r#"[{"name":"a; \"@x"}]"#, ",\"a; \"\"'@x\","),
            (r#"[{"name":"a\t-1\t+1"}]"#, ",a\t'-1\t'+1,"),
            (r#"[{"name":"a\r\n=1"}]"#, ",\"a\r\n'=1\","),
            (r#"[{"name":";x"}]"#, ",';x,"),
            (r#"[{"name":{"a":";=1"}}]"#, ",\"{\"\"a\"\":\"\";'=1\"\"}\","),
            (r#"[{"name":-1}]"#, ",-1,"),
            (r#"[{"name":"a=1 -2 b-c \"=\""}]"#, ",\"a=1 -2 b-c \"\"=\"\"\","),
            (r#"[{"name":"a=1"}]"#, ",a=1,"),
        ] {
            let table = organisations(sent);
            let (_, row) = table.split_once("\r\n").unwrap();
            assert!(format!(",{row}").contains(expected), "{sent}: {row:?}");
        }
    }
}
