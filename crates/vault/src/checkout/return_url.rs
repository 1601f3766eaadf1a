//! Where a shopper's browser goes when a checkout has ended. It is the merchant's word, given with a key; it is held to a narrow form all the same, so that
//! a browser reads in it what was read here, and nothing runs by it.

use std::net::{Ipv4Addr, Ipv6Addr};

use panvault_card::holds_card_number;

use crate::limits::RETURN_URL_BYTES_MAX;

const FORM: &str =
    "must be an absolute https or http URL of visible ASCII characters, without user name and fragment";
const LONG: &str = "is too long";
const ENCRYPTED: &str = "must begin with https:// in a live vault";

/// Says what is wrong with a return URL; `is_live` where it must be encrypted.
pub fn return_url_fits(url: &str, is_live: bool) -> Result<(), &'static str> {
    parse(url, is_live).map(drop)
}

/// Whether a return URL is of one of these web origins, or there are none.
pub(super) fn may_lead(url: &str, is_live: bool, origins: &[String]) -> bool {
    origins.is_empty() || parse(url, is_live).is_ok_and(|origin| origins.contains(&origin))
}

/// The web origin (RFC 6454) of a return URL, as browsers write it.
pub(super) fn parse(url: &str, is_live: bool) -> Result<String, &'static str> {
    let (scheme, default_port, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => ("https", 443, rest),
        (None, Some(_)) if is_live => return Err(ENCRYPTED),
        (None, Some(rest)) => ("http", 80, rest),
        (None, None) => return Err(FORM),
    };
    // What WHATWG's URL standard would rewrite, strip or read as something else.
    let plain = |byte: u8| byte.is_ascii_graphic() && !br#"\"<>^`{|}#"#.contains(&byte);
    if url.len() > RETURN_URL_BYTES_MAX {
        return Err(LONG);
    }
    if !url.bytes().all(plain) || !escapes_are_whole(url) {
        return Err(FORM);
    }
    if holds_card_number(url) {
        return Err("looks like it holds a card number");
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, _path) = rest.split_at_checked(end).ok_or(FORM)?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    };
    let host = host_parse(host).ok_or(FORM)?;
    let port = match port {
        Some(port) => {
            let is_number = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
            let number = port.parse::<u16>().ok().filter(|number| is_number && *number > 0).ok_or(FORM)?;
            Some(number).filter(|number| *number != default_port)
        }
        None => None,
    };
    Ok(port.map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}")))
}

/// A host as browsers write it: a name in lower case, or an address. What only looks like a name, and is an address to browsers, is none.
fn host_parse(host: &str) -> Option<String> {
    if let Some(inside) = host.strip_prefix('[') {
        let address: Ipv6Addr = inside.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let name = host.to_ascii_lowercase();
    let label_fits = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(plain)
    };
    if name.len() > 253 || !name.split('.').all(label_fits) {
        return None;
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    if is_number { name.parse::<Ipv4Addr>().ok().map(|address| address.to_string()) } else { Some(name) }
}

/// Whether each `%` stands before two hexadecimal digits (RFC 3986, section 2.1), which are no control character.
fn escapes_are_whole(url: &str) -> bool {
    url.split('%').skip(1).all(|escaped| {
        let digits = escaped.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let is_hexadecimal = escaped.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
        is_hexadecimal && digits.is_some_and(|byte| !byte.is_ascii_control())
    })
}

/// The URL with a parameter behind those that it has. Name and value are words of ours, which need no escapes.
pub(super) fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let joint = match url.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{url}{joint}{name}={value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_url_has_an_origin() {
        for (url, origin) in [
            ("https://shop.example", "https://shop.example"),
            ("https://Shop.Example/thanks?order=7&x=%20", "https://shop.example"),
            ("https://shop.example:443/", "https://shop.example"),
            ("https://shop.example:8443?x", "https://shop.example:8443"),
            ("http://127.0.0.1:3000/done", "http://127.0.0.1:3000"),
            ("http://[0:0:0:0:0:0:0:1]:80/done", "http://[::1]"),
            ("https://shop.example/a@b:c/?next=https://other.example/", "https://shop.example"),
        ] {
            assert_eq!(parse(url, false).as_deref(), Ok(origin), "{url}");
        }
    }

    #[test]
    fn what_a_browser_would_read_otherwise_is_none() {
        for url in [
            "",
            "shop.example",
            "//shop.example/",
            "/thanks",
            "javascript:alert(1)",
            "JavaScript://shop.example/%0aalert(1)",
            "data:text/html,x",
            "ftp://shop.example/",
            "HTTPS://shop.example/",
            "https:/shop.example/",
            "https:///shop.example/",
            "https://",
            "https:///",
            "https://?x",
            "https://user@shop.example/",
            "https://user:secret@shop.example/",
            "https://shop.example@evil.example/",
            "https://shop.example\\@evil.example/",
            "https://shop.example\\.evil.example/",
            "https://shop.example/#x",
            "https://shop.example#@evil.example/",
            "https://shop.example/\n",
            "https://shop.example/\r\nX: y",
            "https://shop.example/\t",
            "https://shop.example/a b",
            "https://shop.example/%",
            "https://shop.example/%2",
            "https://shop.example/%zz",
            "https://shop.example/%+1",
            "https://shop.example/%0d%0aX:y",
            "https://shop.example/%00",
            "https://shop%2eexample/",
            "https://shop%40evil.example/",
            "https://sh\u{f6}p.example/",
            "https://shop.example/\u{f6}",
            "https://shop..example/",
            "https://shop.example./",
            "https://.example/",
            "https://*.example/",
            "https://shop_.example/",
            "https://shop.example:/",
            "https://shop.example:0/",
            "https://shop.example:65536/",
            "https://shop.example:+443/",
            "https://shop.example:443:443/",
            "https://2130706433/",
            "https://127.1/",
            "https://0x7f.0.0.1/",
            "https://0177.0.0.1/",
            "https://1.2.3.0x4/",
            "https://[::1/",
            "https://::1/",
            "https://[::1]]/",
            "https://[fe80::1%25eth0]/",
            "https://[::ffff:127.0.0.1]x/",
            "https://shop.example/\"x",
            "https://shop.example/<script>",
            "https://shop.example/?card=4111111111111111",
        ] {
            assert!(parse(url, false).is_err(), "{url}");
        }
        let long = format!("https://shop.example/{}", "a".repeat(RETURN_URL_BYTES_MAX - 21));
        assert_eq!(long.len(), RETURN_URL_BYTES_MAX);
        assert!(parse(&long, false).is_ok() && parse(&format!("{long}a"), false).is_err());
    }

    #[test]
    fn a_live_vault_sends_nobody_over_plain_http() {
        assert_eq!(parse("http://shop.example/", true), Err(ENCRYPTED));
        assert!(parse("https://shop.example/", true).is_ok());
    }

    #[test]
    fn what_the_query_had_stays() {
        for (url, with) in [
            ("https://shop.example", "https://shop.example?error=declined"),
            ("https://shop.example/?", "https://shop.example/?error=declined"),
            ("https://shop.example/?a=1", "https://shop.example/?a=1&error=declined"),
            ("https://shop.example/?a=1&", "https://shop.example/?a=1&error=declined"),
            ("https://shop.example/?a=?", "https://shop.example/?a=?&error=declined"),
        ] {
            assert_eq!(with_parameter(url, "error", "declined"), with);
        }
    }
}
