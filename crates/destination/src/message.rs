//! A line as a syslog message (RFC 5424) in its frame (RFC 5425, 4.3.1).

use crate::limits::HOST_NAME_BYTES_MAX;

/// Facility 13 (log audit), severity 5 (notice).
const PRIORITY: u8 = 13 * 8 + 5;
/// Bytes of the kind of a line, and of its time, at most.
const MEMBER_BYTES_MAX: usize = 32;

/// One line, without its line feed, in its frame. What a header repeats of it is the time at which it was made and its kind: a line that is sent again is the same message.
pub(crate) fn frame(line: &[u8], host_name: &str) -> Vec<u8> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let at = member(line, b",\"created_at\":\"").filter(|at| is_time(at)).unwrap_or("-");
    let kind = line.strip_prefix(b"{\"type\":\"").and_then(until_quote).unwrap_or("-");
    let head = format!("<{PRIORITY}>1 {at} {host_name} panvault - {kind} - ");
    let mut frame = format!("{} {head}", head.len() + line.len()).into_bytes();
    frame.extend_from_slice(line);
    frame
}

/// The name of this machine as a header has it: printable ASCII without spaces; else nothing.
pub(crate) fn host_name(name: &str) -> String {
    let fits =
        (1..=HOST_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { name.to_owned() } else { "-".to_owned() }
}

fn member<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let at = line.windows(name.len()).position(|window| window == name)?;
    until_quote(line.get(at + name.len()..)?)
}

fn until_quote(rest: &[u8]) -> Option<&str> {
    let text = rest.get(..rest.iter().take(MEMBER_BYTES_MAX).position(|byte| *byte == b'"')?)?;
    let is_plain = !text.is_empty() && text.iter().all(u8::is_ascii_graphic);
    core::str::from_utf8(text).ok().filter(|_| is_plain)
}

/// RFC 3339 in UTC, as a header takes it.
fn is_time(text: &str) -> bool {
    let shape = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        19 => byte == b'.',
        23 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 24 && text.bytes().enumerate().all(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_message_with_its_time_and_kind() {
        let line = b"{\"type\":\"record\",\"vault\":\"a\",\"created_at\":\"2026-11-28T00:00:00.000Z\"}\n";
        let message = "<109>1 2026-11-28T00:00:00.000Z node-1 panvault - record - \
                       {\"type\":\"record\",\"vault\":\"a\",\"created_at\":\"2026-11-28T00:00:00.000Z\"}";
        let expected = format!("{} {message}", message.len());
        assert_eq!(String::from_utf8(frame(line, "node-1")).unwrap(), expected);
        assert_eq!(expected.split(' ').next(), Some("128"));
    }

    #[test]
    fn a_header_has_nothing_that_a_header_cannot_have() {
        for line in [
            &b"{}\n"[..],
            b"{\"type\":\"\",\"created_at\":\"\"}",
            b"{\"type\":\"a b\",\"created_at\":\"2026-11-28 00:00:00.000Z\"}",
            b"{\"type\":\"\xc3\xa9\",\"created_at\":\"2026-11-28T00:00:00.000Z",
            b"{\"type\":\"0123456789012345678901234567890123\"}",
            b"\n",
        ] {
            let framed = frame(line, "-");
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let head = b"<109>1 - - panvault - - - ";
            let expected = [(head.len() + line.len()).to_string().as_bytes(), b" ", head, line].concat();
            assert_eq!(framed, expected, "{}", String::from_utf8_lossy(&framed));
        }
    }

    #[test]
    fn a_machine_without_a_fitting_name_has_none() {
        for (name, shown) in [("node-1.example", "node-1.example"), ("", "-"), ("a b", "-"), ("\u{e9}", "-")]
        {
            assert_eq!(host_name(name), shown);
        }
        let longest = "a".repeat(HOST_NAME_BYTES_MAX);
        assert_eq!((host_name(&longest), host_name(&format!("{longest}a"))), (longest, "-".to_owned()));
    }
}
