//! Where the trail goes to.

use std::path::PathBuf;

use panvault_destination::{CollectorUrl, SyslogAddress, TimeOuts, Tls, is_server_name};
use panvault_trail::AgeRecipient;
use panvault_trail::limits::RECIPIENTS_MAX;

use crate::config::{Checked, secret};
use crate::trail::{CollectorConfig, SyslogConfig, TrailConfig};

const OF_SYSLOG: [&str; 4] = [
    "trail_syslog_ca_file",
    "trail_syslog_server_name",
    "trail_syslog_certificate_file",
    "trail_syslog_key_file",
];
const OF_HTTPS: [&str; 4] =
    ["trail_https_token_file", "trail_https_ca_file", "trail_https_certificate_file", "trail_https_key_file"];

impl Checked {
    pub(super) fn trail(&mut self) -> TrailConfig {
        let connect = self.seconds("trail_connect_seconds");
        let time_outs = TimeOuts { connect, send: self.seconds("trail_send_seconds") };
        let (file, syslog, https) =
            (self.path("trail_file"), self.trail_syslog(time_outs), self.trail_https(time_outs));
        let recipients = self.trail_recipients();
        let is_sent =
            ["trail_file", "trail_syslog", "trail_https"].iter().any(|name| !self.text(name).is_empty());
        if !is_sent {
            let what =
                "means nothing without trail_file, trail_syslog or trail_https: name one, or leave this out";
            self.unused(&["trail_recipients"], what);
        }
        TrailConfig {
            file,
            syslog,
            https,
            recipients,
            retention_days: self.number("audit_retention_days", 0, 36_500),
            checkpoint_seconds: self.number("trail_checkpoint_seconds", 1, 86_400),
            refuse_changes_after_seconds: self.number("trail_refuse_changes_after_seconds", 0, 31_536_000),
        }
    }

    fn trail_syslog(&mut self, time_outs: TimeOuts) -> Option<SyslogConfig> {
        let server = self.text("trail_syslog");
        if server.is_empty() {
            self.unused(&OF_SYSLOG, "means nothing without trail_syslog: name it, or leave this out");
            return None;
        }
        let server_name = Some(self.text("trail_syslog_server_name")).filter(|name| !name.is_empty());
        if server_name.as_ref().is_some_and(|name| !is_server_name(name)) {
            self.fault("trail_syslog_server_name", "must be a name or an address, as a certificate has it");
        }
        let client = self.trail_client("trail_syslog_certificate_file", "trail_syslog_key_file");
        let ca_file = self.path("trail_syslog_ca_file");
        let tls = Tls { ca_file, server_name, client, read_secret: secret::lines };
        match SyslogAddress::parse(&server) {
            Ok(address) => Some(SyslogConfig { address, tls, time_outs }),
            Err(fault) => {
                self.fault("trail_syslog", &fault.to_string());
                None
            }
        }
    }

    /// What this node shows a destination that asks who is there: a certificate and its key, or neither.
    fn trail_client(&mut self, certificate: &'static str, key: &'static str) -> Option<(PathBuf, PathBuf)> {
        let (without, beside) = match (self.path(certificate), self.path(key)) {
            (Some(certificate), Some(key)) => return Some((certificate, key)),
            (None, None) => return None,
            (Some(_), None) => (key, certificate),
            (None, Some(_)) => (certificate, key),
        };
        self.fault(without, &format!("is required beside {beside}"));
        None
    }

    fn trail_recipients(&mut self) -> Vec<AgeRecipient> {
        let text = self.text("trail_recipients");
        let mut recipients = Vec::new();
        for one in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
            match AgeRecipient::parse(one) {
                Some(recipient) if !recipients.contains(&recipient) => recipients.push(recipient),
                Some(_) => self.fault("trail_recipients", "names a public key twice"),
                None => self.fault(
                    "trail_recipients",
                    "has a typing error, or a key that is not a native public one of age (age1 and 58 characters)",
                ),
            }
        }
        if recipients.len() > RECIPIENTS_MAX {
            self.fault("trail_recipients", &format!("must have {RECIPIENTS_MAX} public keys at most"));
        }
        recipients
    }

    fn trail_https(&mut self, time_outs: TimeOuts) -> Option<CollectorConfig> {
        let url = self.text("trail_https");
        if url.is_empty() {
            self.unused(&OF_HTTPS, "means nothing without trail_https: name it, or leave this out");
            return None;
        }
        let token_file = self.path("trail_https_token_file");
        let ca_file = self.path("trail_https_ca_file");
        let client = self.trail_client("trail_https_certificate_file", "trail_https_key_file");
        let tls = Tls { ca_file, server_name: None, client, read_secret: secret::lines };
        match CollectorUrl::parse(&url) {
            Ok(url) => Some(CollectorConfig { url, tls, token_file, time_outs }),
            Err(fault) => {
                self.fault("trail_https", &fault.to_string());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use crate::cli;
    use crate::config::{Config, read};

    const READER: &str = "trail_recipients=age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

    fn with(set: &[&str]) -> anyhow::Result<Config> {
        let set = ["data_directory=v"].iter().chain(set).map(|pair| (*pair).to_owned()).collect();
        read(&cli::Settings { config: None, data: None, set }, &[])
    }

    #[test]
    fn the_trail_goes_where_it_is_set_to_and_nowhere_by_default() {
        let names = |set: &[&str]| {
            let settings = with(set).unwrap().trail.settings();
            settings.destinations.iter().map(|one| one.name().to_owned()).collect::<Vec<_>>()
        };
        assert!(names(&[]).is_empty());
        let all = ["trail_https=https://c.example/in", "trail_syslog=logs.example", "trail_file=t"];
        assert_eq!(names(&all), ["file", "syslog", "https"]);
        assert_eq!(with(&["trail_file=t", READER]).unwrap().trail.settings().recipients.len(), 1);
        let trail = with(&[all[0], "trail_send_seconds=7"]).unwrap().trail;
        let time_outs = trail.https.unwrap().time_outs;
        assert_eq!((time_outs.connect, time_outs.send), (Duration::from_secs(5), Duration::from_secs(7)));
    }

    #[test]
    fn a_destination_that_is_named_in_part_is_a_fault_and_so_is_one_that_others_could_read() {
        let twice = format!("{READER},{}", READER.trim_start_matches("trail_recipients="));
        for (set, said) in [
            (
                &["trail_syslog=tcp://logs.example"][..],
                "the setting trail_syslog (from a flag) must be a host",
            ),
            (
                &["trail_syslog_ca_file=ca"],
                "trail_syslog_ca_file (from a flag) means nothing without trail_syslog",
            ),
            (&["trail_syslog_server_name=a"], "means nothing without trail_syslog"),
            (
                &["trail_syslog=a", "trail_syslog_server_name=a b"],
                "trail_syslog_server_name (from a flag) must be a name",
            ),
            (
                &["trail_syslog=a", "trail_syslog_certificate_file=c"],
                "trail_syslog_key_file (by default) is required beside trail_syslog_certificate_file",
            ),
            (
                &["trail_syslog=a", "trail_syslog_key_file=c"],
                "trail_syslog_certificate_file (by default) is required beside trail_syslog_key_file",
            ),
            (
                &["trail_https=http://c.example/"],
                "the setting trail_https (from a flag) must begin with https://",
            ),
            (
                &["trail_https=https://user:secret@c.example/"],
                "the setting trail_https (from a flag) must be an https URL",
            ),
            (
                &["trail_https_token_file=t"],
                "trail_https_token_file (from a flag) means nothing without trail_https",
            ),
            (&["trail_https_ca_file=t"], "means nothing without trail_https"),
            (&["trail_https_key_file=t"], "means nothing without trail_https"),
            (
                &["trail_https=https://c.example/", "trail_https_certificate_file=c"],
                "trail_https_key_file (by default) is required beside trail_https_certificate_file",
            ),
            (
                &["trail_https=https://c.example/", "trail_https_key_file=c"],
                "trail_https_certificate_file (by default) is required beside trail_https_key_file",
            ),
            (&[READER], "trail_recipients (from a flag) means nothing without trail_file, trail_syslog"),
            (
                &["trail_file=t", "trail_recipients=age1typo"],
                "the setting trail_recipients (from a flag) has a typing error",
            ),
            (
                // Whoever pastes the secret half sees it refused, and nowhere again.
                &[
                    "trail_file=t",
                    "trail_recipients=AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33",
                ],
                "not a native public one of age",
            ),
            (&["trail_file=t", twice.as_str()], "names a public key twice"),
            (&["trail_connect_seconds=0"], "trail_connect_seconds (from a flag) must be a number, 1 to 3600"),
            (&["trail_send_seconds=3601"], "trail_send_seconds (from a flag) must be a number, 1 to 3600"),
        ] {
            let fault = with(set).err().unwrap().to_string();
            assert!(fault.contains(said) && !fault.to_lowercase().contains("secret"), "{set:?}: {fault}");
        }
    }

    #[test]
    fn files_that_cannot_be_used_are_said_before_anything_is_sent() {
        let faults = |set: &[&str]| with(set).unwrap().trail.faults();
        assert!(faults(&["trail_syslog=logs.example", "trail_https=https://c.example"]).is_empty());
        let said = faults(&[
            "trail_syslog=logs.example",
            "trail_syslog_ca_file=/nowhere/ca.pem",
            "trail_https=https://c.example",
            "trail_https_token_file=/nowhere/token",
        ]);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("syslog") && said[0].contains("/nowhere/ca.pem"), "{said:?}");
        assert!(said[1].contains("https") && said[1].contains("/nowhere/token"), "{said:?}");
    }
}
