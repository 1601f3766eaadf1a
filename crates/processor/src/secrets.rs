use zeroize::Zeroizing;

/// Secrets of a processor's configuration, opened to be used: name and value. Wiped when they go.
pub struct Secrets(Vec<(String, Zeroizing<Box<[u8]>>)>);

impl Secrets {
    /// These, each under its name.
    pub const fn new(secrets: Vec<(String, Zeroizing<Box<[u8]>>)>) -> Self {
        Self(secrets)
    }

    /// The one with that name.
    pub fn expose(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &***value)
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}
