use std::sync::Arc;

use crate::Processor;
use crate::dummy::{Dummy, DummyConfiguration};

/// How a processor is set up, by its kind: `configuration` of the stored processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Configuration {
    /// `card_dummy`
    Dummy(DummyConfiguration),
}

/// Makes connections to acquirers and PSPs.
pub trait Connect: Send + Sync {
    /// A connection that is set up so.
    fn connect(&self, configuration: &Configuration) -> Arc<dyn Processor>;
}

/// Connects to whom the configuration names.
pub struct Connector;

impl Connect for Connector {
    fn connect(&self, configuration: &Configuration) -> Arc<dyn Processor> {
        match configuration {
            Configuration::Dummy(dummy) => Arc::new(Dummy::new(dummy.clone())),
        }
    }
}

/// Why a configuration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationFault {
    /// No processor of that type.
    #[error("must be card_dummy")]
    Type,
    /// A setting that the type does not have.
    #[error("has a setting that its type does not know")]
    Unknown,
    /// A setting out of its range.
    #[error("decline_without_cvv must be a percentage, 0 to 100")]
    Percent,
}

const DUMMY: &str = "card_dummy";
const DECLINE_WITHOUT_CVV: &str = "decline_without_cvv";

impl Configuration {
    /// Reads a stored or given configuration.
    pub fn parse(type_name: &str, settings: &[(String, String)]) -> Result<Self, ConfigurationFault> {
        if type_name != DUMMY {
            return Err(ConfigurationFault::Type);
        }
        let mut dummy = DummyConfiguration { decline_without_cvv: 0 };
        for (name, value) in settings {
            if name != DECLINE_WITHOUT_CVV {
                return Err(ConfigurationFault::Unknown);
            }
            let plain = value.bytes().all(|byte| byte.is_ascii_digit());
            dummy.decline_without_cvv = value
                .parse()
                .ok()
                .filter(|percent| plain && *percent <= 100)
                .ok_or(ConfigurationFault::Percent)?;
        }
        Ok(Self::Dummy(dummy))
    }

    /// `configuration._type`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Dummy(_) => DUMMY,
        }
    }

    /// The other settings, as they are stored.
    pub fn settings(&self) -> Vec<(String, String)> {
        match self {
            Self::Dummy(dummy) => {
                vec![(DECLINE_WITHOUT_CVV.to_owned(), dummy.decline_without_cvv.to_string())]
            }
        }
    }

    /// Whether a live vault refuses it.
    pub const fn is_test_only(&self) -> bool {
        match self {
            Self::Dummy(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(percent: &str) -> Result<Configuration, ConfigurationFault> {
        Configuration::parse(DUMMY, &[(DECLINE_WITHOUT_CVV.to_owned(), percent.to_owned())])
    }

    #[test]
    fn reads_what_it_shows() {
        for percent in ["0", "20", "100"] {
            let configuration = parse(percent).unwrap();
            assert_eq!(
                Configuration::parse(configuration.type_name(), &configuration.settings()),
                Ok(configuration)
            );
        }
        assert_eq!(Configuration::parse(DUMMY, &[]), parse("0"));
    }

    #[test]
    fn refuses_the_rest() {
        for percent in ["", "101", "-1", "+1", "1.5", "x", "١"] {
            assert_eq!(parse(percent), Err(ConfigurationFault::Percent), "{percent}");
        }
        assert_eq!(Configuration::parse("card_other", &[]), Err(ConfigurationFault::Type));
        let unknown = [("secret".to_owned(), String::new())];
        assert_eq!(Configuration::parse(DUMMY, &unknown), Err(ConfigurationFault::Unknown));
    }
}
