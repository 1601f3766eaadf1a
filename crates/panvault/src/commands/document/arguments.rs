use anyhow::bail;
use panvault_model::IdFault;
use panvault_vault::VaultError;

/// What is wrong with the arguments of a command, collected so that all of it is said at once. No value is repeated.
#[derive(Default)]
pub(super) struct Arguments {
    faults: Vec<String>,
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
            self.fault(format!("{name} {must}"));
        }
        read
    }

    /// A text that the vault judges.
    pub(super) fn text(&mut self, judged: Result<(), VaultError>) {
        if let Err(VaultError::Faults(faults)) = judged {
            faults.iter().for_each(|fault| self.fault(format!("--{} {}", fault.field, fault.reason)));
        }
    }

    fn fault(&mut self, fault: String) {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// What was read, if nothing is wrong with any of it.
    pub(super) fn end<T>(self, read: Option<T>) -> anyhow::Result<T> {
        match read {
            Some(read) if self.faults.is_empty() => Ok(read),
            Some(_) | None => bail!(self.faults.join("\n  ")),
        }
    }
}
