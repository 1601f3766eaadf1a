//! What protects the key of a slot and is neither a file nor a person.

use panvault_slots::{
    Kms, KmsSettings, Peer, PeerUrl, Token, TokenSettings, Transit, TransitSettings, is_key_arn,
    is_path_name, is_region,
};

use crate::config::{Checked, secret};

const PKCS11: [&str; 4] =
    ["slot_pkcs11_library", "slot_pkcs11_token", "slot_pkcs11_key", "slot_pkcs11_pin_file"];
const AWS_KMS: [&str; 3] = ["slot_aws_kms_region", "slot_aws_kms_key", "slot_aws_kms_credentials_file"];
const AWS_KMS_MORE: [&str; 1] = ["slot_aws_kms_endpoint"];
const TRANSIT: [&str; 3] = ["slot_transit_address", "slot_transit_key", "slot_transit_token_file"];
const TRANSIT_MORE: [&str; 2] = ["slot_transit_mount", "slot_transit_ca_file"];

impl Checked {
    /// Those that are named, in the order in which they are asked.
    pub(super) fn peers(&mut self) -> Vec<Peer> {
        [self.token().map(Peer::Pkcs11), self.kms().map(Peer::AwsKms), self.transit().map(Peer::Transit)]
            .into_iter()
            .flatten()
            .collect()
    }

    fn token(&mut self) -> Option<Token> {
        let [library, token, key, pin_file] = self.all_or_none(PKCS11, &[])?;
        if !library.starts_with('/') {
            self.fault(
                "slot_pkcs11_library",
                "must be named from the root on: it becomes a part of this program",
            );
        }
        for (name, value, max) in [("slot_pkcs11_token", &token, 32), ("slot_pkcs11_key", &key, 128)] {
            if !is_label(value, max) {
                self.fault(
                    name,
                    &format!(
                        "must be a label: 1 to {max} letters, digits, signs and spaces between them, in ASCII"
                    ),
                );
            }
        }
        let settings = TokenSettings { library: library.into(), token, key, pin_file: pin_file.into() };
        Some(Token::new(settings, secret::password))
    }

    fn kms(&mut self) -> Option<Kms> {
        let [region, key, credentials_file] = self.all_or_none(AWS_KMS, &AWS_KMS_MORE)?;
        if !is_region(&region) {
            self.fault("slot_aws_kms_region", "must be the name of a region, such as eu-central-1");
            return None;
        }
        if !is_key_arn(&key, &region) {
            self.fault(
                "slot_aws_kms_key",
                "must be the ARN of a key in that region, such as arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            );
        }
        let named = self.text("slot_aws_kms_endpoint");
        let endpoint = if named.is_empty() { KmsSettings::endpoint_of(&region) } else { named };
        let endpoint = self.url("slot_aws_kms_endpoint", &endpoint)?;
        Some(Kms::new(
            KmsSettings { region, key, endpoint, credentials_file: credentials_file.into() },
            secret::lines,
        ))
    }

    fn transit(&mut self) -> Option<Transit> {
        let [address, key, token_file] = self.all_or_none(TRANSIT, &TRANSIT_MORE)?;
        let mount = self.text("slot_transit_mount");
        for (name, value, is_mount) in
            [("slot_transit_mount", &mount, true), ("slot_transit_key", &key, false)]
        {
            if !is_path_name(value, is_mount) {
                self.fault(name, "must be letters, digits, -, _ and .");
            }
        }
        let address = self.url("slot_transit_address", &address)?;
        let ca_file = self.path("slot_transit_ca_file");
        let settings = TransitSettings { address, mount, key, token_file: token_file.into(), ca_file };
        Some(Transit::new(settings, secret::password))
    }

    /// All of these, or `None` where none is named. One that is missing is a fault, and so is one of `more` alone.
    fn all_or_none<const N: usize>(
        &mut self,
        names: [&'static str; N],
        more: &[&'static str],
    ) -> Option<[String; N]> {
        let values = names.map(|name| self.text(name));
        let missing: Vec<_> = names.into_iter().zip(&values).filter(|(_, value)| value.is_empty()).collect();
        let missing: Vec<_> = missing.into_iter().map(|(name, _)| name).collect();
        if missing.is_empty() {
            return Some(values);
        }
        let named =
            names.iter().chain(more).find(|name| !self.text(name).is_empty() && !self.is_default(name));
        if let Some(named) = named.copied() {
            missing.into_iter().for_each(|name| self.fault(name, &format!("is required beside {named}")));
        }
        None
    }

    fn url(&mut self, name: &str, text: &str) -> Option<PeerUrl> {
        PeerUrl::parse(text).map_err(|fault| self.fault(name, &fault.to_string())).ok()
    }
}

fn is_label(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text.trim() == text
        && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
