use anyhow::bail;
use panvault_model::IdFault;
use panvault_vault::VaultError;

/// The argument that a field of the API is on the command line.
pub(super) fn argument(field: &'static str) -> &'static str {
    match field {
        "organisation" => "--organisation",
        "parent_id" => "--parent",
        "name" => "--name",
        "description" => "--description",
        "country_code" => "--country-code",
        "currency_code" => "--currency-code",
        "processors" => "--processor",
        "configuration" => "--configuration",
        "roles" => "--role",
        "expires_at" => "--expires-at",
        other => other,
    }
}

/// What is wrong with the arguments of a command, collected so that all of it is said at once. No value is repeated.
#[derive(Default)]
pub(super) struct Arguments {
    faults: Vec<String>,
    /// Something could not be read, so that the vault cannot be asked.
    is_unread: bool,
}

impl Arguments {
    /// An argument that must be an id.
    pub(super) fn id<T>(
        &mut self,
        name: &str,
        text: &str,
        parse: fn(&str) -> Result<T, IdFault>,
    ) -> Option<T> {
        self.read(name, parse(text).ok(), "must be an id: 24 lowercase hexadecimal digits")
    }

    /// An argument that was read, or else what it must be.
    pub(super) fn read<T>(&mut self, name: &str, read: Option<T>, must: &str) -> Option<T> {
        if read.is_none() {
            self.is_unread = true;
            self.fault(format!("{name} {must}"));
        }
        read
    }

    /// What the vault judges: it is said here where the vault is not asked. Else the vault says it, beside what it does not find.
    pub(super) fn judged(&mut self, judged: Result<(), VaultError>) {
        if let Err(VaultError::Faults(faults)) = judged {
            faults.iter().for_each(|fault| self.fault(format!("{} {}", argument(fault.field), fault.reason)));
        }
    }

    fn fault(&mut self, fault: String) {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// What was read, if all of it could be.
    pub(super) fn end<T>(self, read: Option<T>) -> anyhow::Result<T> {
        match read {
            Some(read) if !self.is_unread => Ok(read),
            Some(_) | None => bail!(self.faults.join("\n  ")),
        }
    }
}
