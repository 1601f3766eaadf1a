//! Where in an answer of JSON a value stands: `a.b[0].c`, or `$` for the whole.

use core::fmt;

use serde_json::Value;

/// A way into an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Index(usize),
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("$");
        }
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Member(name) if at == 0 => f.write_str(name)?,
                Step::Member(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl Path {
    /// Members of letters, digits, `_` and `-`, with a point between them; numbers of items in brackets.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "$" {
            return Ok(Self(Vec::new()));
        }
        let mut steps = Vec::new();
        for part in text.split('.') {
            let (name, indices) = match part.find('[') {
                Some(at) => part.split_at(at),
                None => (part, ""),
            };
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            if name.is_empty() || !name.bytes().all(is_plain) {
                return Err(not_a_path(text));
            }
            steps.push(Step::Member(name.to_owned()));
            let mut rest = indices;
            while !rest.is_empty() {
                let inner = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
                let (digits, behind) = inner.ok_or_else(|| not_a_path(text))?;
                let plain = !digits.is_empty()
                    && digits.len() <= 3
                    && digits.bytes().all(|byte| byte.is_ascii_digit());
                let index = digits.parse().ok().filter(|_| plain).ok_or_else(|| not_a_path(text))?;
                steps.push(Step::Index(index));
                rest = behind;
            }
        }
        Ok(Self(steps))
    }

    pub(super) fn find<'a>(&self, answer: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(answer, |at, step| match step {
            Step::Member(name) => at.get(name.as_str()),
            Step::Index(index) => at.get(index),
        })
    }

    /// A text, number or boolean that stands there, as a text. `null` and what has members is none.
    pub(super) fn scalar(&self, answer: &Value) -> Option<String> {
        match self.find(answer)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(boolean) => Some(boolean.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

fn not_a_path(text: &str) -> String {
    format!("{text:?} is no path: members and points, numbers in brackets, such as a.b[0].c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_stands_there() {
        let answer = serde_json::json!({"a": {"b": [{"c": "x"}, {"c": 7}]}, "t": true, "n": null});
        for (path, expected) in [
            ("a.b[0].c", Some("x")),
            ("a.b[1].c", Some("7")),
            ("t", Some("true")),
            ("n", None),
            ("a", None),
            ("a.b[2].c", None),
            ("a.x.y", None),
            ("t.x", None),
        ] {
            assert_eq!(Path::parse(path).unwrap().scalar(&answer).as_deref(), expected, "{path}");
        }
        assert_eq!(Path::parse("$").unwrap().find(&answer), Some(&answer));
    }

    #[test]
    fn refuses_what_is_no_path() {
        for text in [
            "", ".", "a.", ".a", "a..b", "a[", "a[]", "a[-1]", "a[x]", "a[0", "a]0[", "[0]", "a b", "$.a",
            "a[0]b", "a[9999]", "*", "a[*]",
        ] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }
}
