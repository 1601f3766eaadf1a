use std::sync::Arc;

use panvault_model::ProcessorId;

use crate::card_http::HttpMeter;
use crate::dummy::{Dummy, DummyConfiguration};
use crate::route::{self, RouteConfiguration, is_route};
use crate::unusable::Unusable;
use crate::{Processor, Secrets};

/// How a processor is set up, by its kind: `configuration` of the stored processor, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Configuration {
    /// `card_dummy`
    Dummy(DummyConfiguration),
    /// A PSP over HTTPS, by a description.
    Http(HttpConfiguration),
    /// `card_route`: at which others a payment is tried.
    Route(RouteConfiguration),
}

/// How a PSP is set up that goes by a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfiguration {
    /// `configuration._type`: it names the description.
    pub type_name: String,
    /// What the description has set, but for its secrets.
    pub settings: Vec<(String, String)>,
}

/// Makes connections to acquirers and PSPs, and knows which types of them there are.
pub trait Connect: Send + Sync {
    /// Whether a setting of a type is a secret; `None` where the type has none of that name, or there is no such type.
    fn is_secret(&self, type_name: &str, setting: &str) -> Option<bool>;

    /// What is wrong with a secret; never its value. It is one of the type.
    fn secret_fault(&self, type_name: &str, name: &str, value: &[u8]) -> Option<String>;

    /// Reads a stored or given configuration, of whose secrets only the names are known. Every fault of it.
    fn configuration(
        &self,
        type_name: &str,
        settings: &[(String, String)],
        secrets: &[&str],
    ) -> Result<Configuration, Vec<ConfigurationFault>>;

    /// The connection of a processor that is set up so.
    fn connect(&self, id: ProcessorId, configuration: &Configuration, secrets: Secrets)
    -> Arc<dyn Processor>;

    /// What was counted of the processors that were connected to.
    fn meters(&self) -> Vec<HttpMeter> {
        Vec::new()
    }
}

/// Connects to the dummy, and knows nobody else but routes.
pub struct Connector;

impl Connect for Connector {
    fn is_secret(&self, type_name: &str, setting: &str) -> Option<bool> {
        let is_known = if is_route(type_name) {
            RouteConfiguration::is_setting(setting)
        } else {
            type_name == DUMMY && setting == DECLINE_WITHOUT_CVV
        };
        is_known.then_some(false)
    }

    fn secret_fault(&self, _type_name: &str, _name: &str, _value: &[u8]) -> Option<String> {
        None
    }

    fn configuration(
        &self,
        type_name: &str,
        settings: &[(String, String)],
        secrets: &[&str],
    ) -> Result<Configuration, Vec<ConfigurationFault>> {
        if !OWN_TYPES.contains(&type_name) {
            return Err(vec![ConfigurationFault::of_type(format!("must be {}", OWN_TYPES.join(" or ")))]);
        }
        let unknown = secrets.iter().map(|name| ConfigurationFault::unknown(name));
        let mut faults: Vec<_> = unknown.collect();
        if is_route(type_name) {
            return match RouteConfiguration::read(settings) {
                Ok(routes) if faults.is_empty() => Ok(Configuration::Route(routes)),
                Ok(_) => Err(faults),
                Err(of_routes) => Err(faults.into_iter().chain(of_routes).collect()),
            };
        }
        let mut dummy = DummyConfiguration { decline_without_cvv: 0 };
        for (name, value) in settings {
            if name != DECLINE_WITHOUT_CVV {
                faults.push(ConfigurationFault::unknown(name));
                continue;
            }
            let plain = value.bytes().all(|byte| byte.is_ascii_digit());
            match value.parse().ok().filter(|percent| plain && *percent <= 100) {
                Some(percent) => dummy.decline_without_cvv = percent,
                None => {
                    faults.push(ConfigurationFault::of(name, "must be a percentage, 0 to 100".to_owned()))
                }
            }
        }
        if faults.is_empty() { Ok(Configuration::Dummy(dummy)) } else { Err(faults) }
    }

    fn connect(
        &self,
        _id: ProcessorId,
        configuration: &Configuration,
        secrets: Secrets,
    ) -> Arc<dyn Processor> {
        drop(secrets);
        match configuration {
            Configuration::Dummy(dummy) => Arc::new(Dummy::new(dummy.clone())),
            Configuration::Http(_) => Arc::new(Unusable::new("there is no description of its processor")),
            Configuration::Route(_) => {
                Arc::new(Unusable::new("nothing is sent to a route, but to the processors that it names"))
            }
        }
    }
}

/// What is wrong with a configuration; never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationFault {
    /// Which setting; `None` of its type.
    pub setting: Option<String>,
    /// Whether the type has no setting of that name.
    pub is_unknown: bool,
    /// A clause that goes on from the name.
    pub reason: String,
}

impl ConfigurationFault {
    /// Of the type.
    pub const fn of_type(reason: String) -> Self {
        Self { setting: None, is_unknown: false, reason }
    }

    /// Of a setting.
    pub fn of(name: &str, reason: String) -> Self {
        Self { setting: Some(name.to_owned()), is_unknown: false, reason }
    }

    /// A setting that the type does not have.
    pub fn unknown(name: &str) -> Self {
        Self { setting: Some(name.to_owned()), is_unknown: true, reason: "is not expected here".to_owned() }
    }
}

const DUMMY: &str = "card_dummy";
/// The types that need no description.
pub const OWN_TYPES: [&str; 2] = [DUMMY, route::TYPE];
const DECLINE_WITHOUT_CVV: &str = "decline_without_cvv";

/// Whether a live vault refuses a type.
pub fn is_test_only(type_name: &str) -> bool {
    type_name == DUMMY
}

impl Configuration {
    /// `configuration._type`.
    pub fn type_name(&self) -> &str {
        match self {
            Self::Dummy(_) => DUMMY,
            Self::Http(http) => &http.type_name,
            Self::Route(_) => route::TYPE,
        }
    }

    /// The other settings, as they are stored.
    pub fn settings(&self) -> Vec<(String, String)> {
        match self {
            Self::Dummy(dummy) => {
                vec![(DECLINE_WITHOUT_CVV.to_owned(), dummy.decline_without_cvv.to_string())]
            }
            Self::Http(http) => http.settings.clone(),
            Self::Route(routes) => routes.settings(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(percent: &str) -> Result<Configuration, Vec<ConfigurationFault>> {
        Connector.configuration(DUMMY, &[(DECLINE_WITHOUT_CVV.to_owned(), percent.to_owned())], &[])
    }

    #[test]
    fn reads_what_it_shows() {
        for percent in ["0", "20", "100"] {
            let configuration = parse(percent).unwrap();
            assert_eq!(
                Connector.configuration(configuration.type_name(), &configuration.settings(), &[]),
                Ok(configuration)
            );
        }
        assert_eq!(Connector.configuration(DUMMY, &[], &[]), parse("0"));
    }

    #[test]
    fn refuses_the_rest_and_names_it() {
        for percent in ["", "101", "-1", "+1", "1.5", "x", "١"] {
            let faults = parse(percent).unwrap_err();
            assert_eq!(faults.len(), 1, "{percent}");
            assert_eq!(faults[0].setting.as_deref(), Some(DECLINE_WITHOUT_CVV), "{percent}");
        }
        let faults = Connector.configuration("card_other", &[], &[]).unwrap_err();
        assert_eq!(faults[0].setting, None);
        let missing = Connector.configuration("card_route", &[], &["api_key"]).unwrap_err();
        let named: Vec<_> =
            missing.iter().map(|fault| (fault.setting.as_deref(), fault.is_unknown)).collect();
        assert_eq!(named, [(Some("api_key"), true), (Some("routes"), false)]);
        let other = [("colour".to_owned(), String::new())];
        let faults = Connector.configuration(DUMMY, &other, &["api_key"]).unwrap_err();
        assert!(faults.iter().all(|fault| fault.is_unknown));
        assert_eq!(faults.len(), 2, "every fault");
    }
}
