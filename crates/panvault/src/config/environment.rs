use std::ffi::OsStr;

use crate::config::sources::setting;
use crate::config::table::Setting;

const PREFIX: &str = "PANVAULT_";

/// What programs that call a vault, scripts and examples name their own variables. None of them is a setting.
const CLIENTS: [&str; 10] = [
    "URL",
    "API_URL",
    "BASE_URL",
    "API_KEY",
    "APIKEY",
    "KEY",
    "PUBLISHABLE_KEY",
    "ORGANISATION",
    "ACCOUNT",
    "PROCESSOR",
];

/// A variable of the environment that concerns the configuration.
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) what: What,
}

pub(super) enum What {
    /// With its value, unless that is not UTF-8.
    Setting(&'static Setting, Option<String>),
    Unknown,
}

/// What a variable means; `None` for what is not meant for the configuration: names without the prefix, of clients, and those
/// that Kubernetes adds for services called `panvault` and `panvault-…`.
pub(super) fn variable(name: &[u8], value: &OsStr) -> Option<Variable> {
    let rest = name.strip_prefix(PREFIX.as_bytes())?;
    let Ok(rest) = core::str::from_utf8(rest) else {
        let name = format!("{PREFIX}… (its name is not UTF-8)");
        return Some(Variable { name, what: What::Unknown });
    };
    let name = format!("{PREFIX}{rest}");
    // A setting wins over what its name could also be.
    let is_capitals = !rest.bytes().any(|byte| byte.is_ascii_lowercase());
    if let Some(setting) = is_capitals.then(|| setting(&rest.to_ascii_lowercase())).flatten() {
        return Some(Variable { name, what: What::Setting(setting, value.to_str().map(str::to_owned)) });
    }
    let passed_over = CLIENTS.contains(&rest) || is_service_link(&name, value);
    (!passed_over).then_some(Variable { name, what: What::Unknown })
}

/// Whether Kubernetes, or Docker before it, would give a service's address by this name: `…_SERVICE_HOST`, `…_SERVICE_PORT`,
/// `…_SERVICE_PORT_<name>`, `…_PORT`, `…_PORT_<number>_<protocol>` and, of that, `_PROTO`, `_PORT` and `_ADDR`.
fn is_service_link(name: &str, value: &OsStr) -> bool {
    if name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return true;
    }
    if let Some((_, port)) = name.split_once("_PORT_") {
        let mut words = port.split('_');
        let is_number = words
            .next()
            .is_some_and(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()));
        return is_number
            && matches!(words.next(), Some("TCP" | "UDP" | "SCTP"))
            && matches!(words.next(), None | Some("PROTO" | "PORT" | "ADDR"))
            && words.next().is_none();
    }
    // A port by itself could be meant as a setting; a link has an address.
    let value = value.as_encoded_bytes();
    name.ends_with("_PORT")
        && ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn is_passed_over(name: &str, value: &str) -> bool {
        variable(name.as_bytes(), OsStr::new(value)).is_none()
    }

    #[test]
    fn service_links_and_names_of_clients_are_passed_over() {
        let address = "tcp://10.0.0.1:8420";
        for (name, value) in [
            ("PANVAULT_SERVICE_HOST", "10.0.0.1"),
            ("PANVAULT_SERVICE_PORT", "8420"),
            ("PANVAULT_SERVICE_PORT_HTTP_API", "8420"),
            ("PANVAULT_PORT", address),
            ("PANVAULT_PORT_8420_TCP", address),
            ("PANVAULT_PORT_8420_TCP_PROTO", "tcp"),
            ("PANVAULT_PORT_8420_TCP_PORT", "8420"),
            ("PANVAULT_PORT_8420_TCP_ADDR", "10.0.0.1"),
            ("PANVAULT_PORT_53_UDP", "udp://10.0.0.1:53"),
            ("PANVAULT_METRICS_SERVICE_HOST", "10.0.0.1"),
            ("PANVAULT_METRICS_SERVICE_PORT", "8421"),
            ("PANVAULT_METRICS_PORT", "tcp://10.0.0.1:8421"),
            ("PANVAULT_METRICS_PORT_8421_TCP_ADDR", "10.0.0.1"),
            ("PANVAULT_URL", "https://vault.example"),
            ("PANVAULT_API_KEY", "secret"),
            ("PATH", "/bin"),
            ("PANVAULT", "http://127.0.0.1:8420"),
            ("MY_PANVAULT_LISTEN", "x"),
        ] {
            assert!(is_passed_over(name, value), "{name}");
        }
    }

    #[test]
    fn what_is_neither_is_unknown_and_its_value_stays_here() {
        for (name, value) in [
            ("PANVAULT_PORT", "8420"),
            ("PANVAULT_LISTEN_PORT", "8420"),
            ("PANVAULT_PORT_X_TCP", "tcp://10.0.0.1:8420"),
            ("PANVAULT_PORT__TCP", "tcp://10.0.0.1:8420"),
            ("PANVAULT_PORT_1_TCP_MORE", "tcp://10.0.0.1:8420"),
            ("PANVAULT_PORT_1_TCP_ADDR_X", "10.0.0.1"),
            ("PANVAULT_LISEN", "x"),
            ("PANVAULT_listen", "127.0.0.1:1"),
            ("PANVAULT_", ""),
        ] {
            let found = variable(name.as_bytes(), OsStr::new(value)).unwrap();
            assert!(matches!(found.what, What::Unknown) && found.name == name, "{name}");
        }
        assert!(matches!(variable(b"PANVAULT_\xff", OsStr::new("")).unwrap().what, What::Unknown));
    }

    #[test]
    fn a_setting_wins_and_must_be_utf8() {
        let found = variable(b"PANVAULT_LISTEN", OsStr::new("tcp://10.0.0.1:1")).unwrap();
        assert!(matches!(found.what, What::Setting(setting, Some(_)) if setting.name == "listen"));
        let found = variable(b"PANVAULT_LISTEN", OsStr::from_bytes(b"\xff")).unwrap();
        assert!(matches!(found.what, What::Setting(_, None)));
        assert!(variable(b"OTHER", OsStr::from_bytes(b"\xff")).is_none());
    }
}
